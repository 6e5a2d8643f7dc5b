"""What every part of the configuration is made of."""

from __future__ import annotations

from typing import Any

from msgspec import Meta, Struct

BOUNDS = ("ge", "le", "min_length", "max_length")


class Section(Struct, frozen=True, forbid_unknown_fields=True):
    """A part of the configuration."""


def about(text: str, **more: Any) -> Meta:  # noqa: ANN401  bounds, and what flags say
    """Return what is said of a field: what it is for, its bounds as msgspec calls them, and of its flag the rest.

    The rest is what the flag cannot have from the field: ``flag``, its own words or, of a section, the beginning of
    those below it (``None`` for no flag), and click's attributes.
    """
    bounds = {name: more.pop(name) for name in BOUNDS if name in more}
    return Meta(description=text, extra=more, **bounds)
