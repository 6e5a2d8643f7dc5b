"""Turns offsets into seconds: the log end of each partition over time, and the age of the first unread message.

Imports `burrow.answers` and `snapshot`.
"""
