"""The query string of a request."""

from __future__ import annotations

from urllib.parse import parse_qs


def parse_query(query: str) -> dict[str, str]:
    """Return the parameters of a query string, as it stands in the URL; of several of one name the last counts."""
    return {name: values[-1] for name, values in parse_qs(query, keep_blank_values=True).items()}
