"""Secures the server: the web config file of Prometheus' exporter-toolkit, TLS, authentication.

Imports `web.messages`, and `settings` for the types of values.
"""
