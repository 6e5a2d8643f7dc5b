"""Converts offsets to seconds: tracks each partition's log end offset over time, and dates the first unread message.

Imports `burrow.answers` and `snapshot`.
"""
