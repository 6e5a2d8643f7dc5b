"""Tests of the mixin."""
