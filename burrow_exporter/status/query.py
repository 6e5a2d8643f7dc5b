"""The query string of a request."""

from __future__ import annotations

from urllib.parse import parse_qs


def parse_query(query: str) -> dict[str, str]:
    """Return the parameters of an encoded query string; the last one of a name applies."""
    return {name: values[-1] for name, values in parse_qs(query, keep_blank_values=True).items()}
