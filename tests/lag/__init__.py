"""Tests of lag in seconds."""
