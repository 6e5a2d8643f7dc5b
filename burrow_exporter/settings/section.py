"""Base of all parts of the configuration."""

from __future__ import annotations

from typing import Any

from msgspec import Meta, Struct

BOUNDS = ("ge", "le", "min_length", "max_length")


class Section(Struct, frozen=True, forbid_unknown_fields=True):
    """A part of the configuration."""


def about(text: str, **more: Any) -> Meta:  # noqa: ANN401  bounds, and what flags say
    """Return a field's metadata: description, bounds as msgspec names them, and attributes of its flag.

    Flag attributes are those that cannot be derived from the field: ``flag``, its name or, for a section, the prefix of
    its flags (``None`` for no flag), and click's attributes.
    """
    bounds = {name: more.pop(name) for name in BOUNDS if name in more}
    return Meta(description=text, extra=more, **bounds)
