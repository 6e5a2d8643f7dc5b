"""Metrics used by queries, and the flags with which the exporter exposes them."""

from __future__ import annotations

import re

from burrow_exporter.metrics.self_metrics import SelfMetrics

OWN = {
    f"{family.name}_total" if family.type == "counter" else family.name: family.type
    for family in SelfMetrics().registry.collect()
}
"""Type by name of the exporter's own metrics."""

WORDS = {"and", "or", "unless", "bool", "offset", "Inf"}
GROUPING = re.compile(r"\b(?:by|without|on|ignoring|group_left|group_right)\s*\([^)]*\)")
IGNORED = re.compile(r'"[^"]*"|\{[^}]*\}|\[[^]]*\]|\boffset \w+')
NAME = re.compile(r"(?<![\w:.])[A-Za-z_:][\w:]*(?![\w:]*\s*\()")
CHOSEN = re.compile(r'__name__=~"([\w|]+)"')


def metrics(query: str) -> set[str]:
    """Return the names of the metrics that a query asks for: recorded ones too, and those of a pattern of names."""
    names = {name for name in NAME.findall(GROUPING.sub(" ", IGNORED.sub(" ", query))) if name not in WORDS}
    return names.union(*(pattern.split("|") for pattern in CHOSEN.findall(query)))
