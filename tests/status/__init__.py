"""Tests of the status pages."""
