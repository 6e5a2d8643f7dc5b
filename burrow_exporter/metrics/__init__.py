"""Turns snapshots into the exposition: the table of families, rendering, compression, publishing, own metrics.

Imports `burrow` and `snapshot`; nothing of `web` or `settings`. Only this room knows the names of metrics.
"""
