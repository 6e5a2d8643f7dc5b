"""Keeps a picture of each Burrow: the rhythm of polls, one walk, readings, catching up, what is kept between polls.

Imports `burrow`, `lag`, `metrics`, `settings.config` and `snapshot`; nothing of `web` or `status`.
"""
