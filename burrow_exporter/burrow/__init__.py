"""Asks Burrow: HTTP requests, what its answers hold, and what is wrong with those that cannot be used.

Imports nothing of the other rooms. Only this room touches requests and tenacity.
"""
