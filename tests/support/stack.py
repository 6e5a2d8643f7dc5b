"""The stack, as its files describe it."""

from __future__ import annotations

import re
from functools import cache
from typing import Any

import yaml

from tests import ROOT

COMPOSE = ROOT / "compose"
COMBINATIONS = (
    ("collect",),
    ("query",),
    ("small",),
    ("small", "demo"),
    ("sidecar",),
    ("sidecar", "demo"),
    ("full",),
    ("full", "demo"),
    ("full", "object-store"),
    ("full", "object-store", "demo"),
)
"""The profiles that `make render` may choose together."""
FULL = COMBINATIONS[-1]
HOSTS = COMBINATIONS[:2]
"""Those of several hosts."""
Service = dict[str, Any]


@cache
def composed() -> dict[str, Any]:
    """Return compose.yaml."""
    return dict(yaml.safe_load((COMPOSE / "compose.yaml").read_text(encoding="utf-8")))


def services(*profiles: str) -> dict[str, Service]:
    """Return the services of these profiles by name."""
    return {name: each for name, each in composed()["services"].items() if set(each["profiles"]) & set(profiles)}


def tag(image: str) -> str:
    """Return the release that compose.yaml pins an image to."""
    (found,) = {match for each in services(*FULL).values() for match in re.findall(f"^{image}:(.+)$", each["image"])}
    return str(found)
