"""Tests of the compose stack: settings, rendering, deployment, rules."""
