"""Security of the server: the exporter-toolkit's web config file, TLS, authentication.

Imports `web.messages`, and `settings` for value types.
"""
