"""Serves HTTP: the server and its limits, content negotiation, the health check.

Imports `status` for its paths, and `settings` for the types of values; nothing of `polling`.
"""
