"""The HTTP server: limits, routes, content negotiation, and the health check.

Imports `status` for its paths and `burrow.failures` for error texts, but not `polling` or `metrics`.
"""
