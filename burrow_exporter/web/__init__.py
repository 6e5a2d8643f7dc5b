"""Serves HTTP: the server and its limits, what is answered on which path, content negotiation, the health check.

Imports `status` for its paths and `burrow.failures` for its words; nothing of `polling` or `metrics`.
"""
