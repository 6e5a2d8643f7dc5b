"""Builds one frozen, validated configuration from flags, environment variables and the configuration file.

Imports `burrow` and `metrics` for the names they define; nothing above.
"""
