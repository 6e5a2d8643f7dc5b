"""Tests of the simulated Burrow."""
