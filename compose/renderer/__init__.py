"""Renders the files of the stack from `.env`: parsing, validation and templates."""
