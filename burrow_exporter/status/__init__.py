"""Shows people what was polled: rows from snapshots, the worst first, as HTML pages.

Imports `metrics.families` and `snapshot`.
"""
