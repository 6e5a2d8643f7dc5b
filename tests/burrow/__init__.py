"""Tests of the client of Burrow."""
