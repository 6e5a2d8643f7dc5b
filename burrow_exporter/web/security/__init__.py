"""Secures the server: the web config file of Prometheus' exporter-toolkit, TLS, authentication.

Imports `web.limits` and `settings`.
"""
