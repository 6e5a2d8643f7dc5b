"""Content negotiation: Accept and Accept-Encoding of RFC 9110, with q-values."""

from __future__ import annotations


def prefers_openmetrics(accept: str) -> bool:
    """Return whether an Accept header (RFC 9110, 12.5.1) prefers OpenMetrics 1.0.0 over text format 0.0.4.

    prometheus_client takes the first type it knows, whatever its q, and echoes any version.
    """
    choices = preferences(accept)
    return quality(choices, "application/openmetrics-text", "1.0.0") > quality(choices, "text/plain", "0.0.4")


def quality(choices: list[tuple[str, dict[str, str], float]], media_type: str, version: str) -> float:
    """Return the q-value, 0 to 1, of the most specific of ``choices`` that ``media_type`` in ``version`` satisfies."""
    ranges = ("*/*", f"{media_type.partition('/')[0]}/*", media_type)
    matching = (
        (ranges.index(name), "version" in parameters, weight)
        for name, parameters, weight in choices
        if name in ranges and parameters.get("version", version) == version
    )
    return max(matching, default=(0, False, 0.0))[2]


def accepts_gzip(accept_encoding: str) -> bool:
    """Return whether an Accept-Encoding header (RFC 9110, 12.5.3) allows gzip and does not prefer identity."""
    weights = {name: weight for name, _, weight in preferences(accept_encoding)}
    gzip = weights.get("gzip", weights.get("x-gzip", weights.get("*", 0.0)))
    return gzip > 0 and gzip >= weights.get("identity", 0.0)


def preferences(value: str) -> list[tuple[str, dict[str, str], float]]:
    """Return name, parameters and q-value, 0 to 1, of each choice; a q-value that cannot be read is 0."""
    choices = []
    for choice in value.lower().split(","):
        name, *rest = (part.strip() for part in choice.split(";"))
        pairs = (part.partition("=") for part in rest)
        parameters = {key.strip(): text.strip().strip('"') for key, _, text in pairs}
        try:
            weight = float(parameters.get("q", "1"))
        except ValueError:
            weight = 0.0
        choices.append((name, parameters, weight if 0 <= weight <= 1 else 0.0))
    return choices
