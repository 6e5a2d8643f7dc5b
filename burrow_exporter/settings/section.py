"""What every part of the configuration is made of."""

from __future__ import annotations

from msgspec import Struct


class Section(Struct, frozen=True, forbid_unknown_fields=True):
    """A part of the configuration."""
