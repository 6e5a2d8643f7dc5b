"""Tests of walks, polls and the state between them."""
