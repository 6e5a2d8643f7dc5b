"""The client for Burrow's HTTP API: requests, the contents of responses, and errors.

Imports no other package of the exporter. Only this package uses requests and tenacity.
"""
