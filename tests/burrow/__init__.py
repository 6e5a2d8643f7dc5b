"""Tests of how Burrow is asked."""
