"""Polls each Burrow: schedule, walks, readings, catching up after a restart, and the state kept between polls.

Imports `burrow`, `lag`, `metrics`, `settings.config` and `snapshot`, but neither `web` nor `status`.
"""
