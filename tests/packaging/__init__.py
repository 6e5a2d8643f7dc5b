"""Tests of the packages and systemd units."""
