"""Makes one frozen, valid configuration from flags, environment variables and the configuration file.

Imports `burrow` and `metrics` for the names that they define; nothing above.
"""
