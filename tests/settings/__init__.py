"""Tests of flags, environment and files."""
