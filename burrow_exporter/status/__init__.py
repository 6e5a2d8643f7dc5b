"""The status pages and the JSON API: rows made from snapshots, worst first.

Imports `metrics.families` and `snapshot`.
"""
