"""Helpers for the tests of several rooms: stand-ins, recordings, readers of pages and documents."""
