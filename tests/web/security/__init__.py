"""Tests of TLS, authentication and the web config file."""
