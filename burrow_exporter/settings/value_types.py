"""Types of configuration values besides numbers and strings: parsing and JSON schema."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

from burrow_exporter.settings.files import read_file
from burrow_exporter.settings.quiet import Quiet

DURATION_UNITS = {"ms": 0.001, "s": 1, "m": 60, "h": 3600, "d": 86400, "w": 604800, "y": 31536000}
UNITS_DOWN = tuple(reversed(DURATION_UNITS))
LONGEST_DURATION = 2**63 / 1e9
DURATION = re.compile("".join(rf"(?:([0-9]{{1,18}}){unit})?" for unit in UNITS_DOWN))
PEM = "-----BEGIN"
"""Start of what may be a private key, which must not be shown."""

if TYPE_CHECKING:
    Seconds = float
else:

    class Seconds(float):
        """A duration; for type checkers any number of seconds."""


class Secret:
    """A string that is never shown."""

    def __init__(self, text: str) -> None:
        self.text = text

    def __eq__(self, other: object) -> bool:
        """Compare the texts."""
        return isinstance(other, Secret) and other.text == self.text

    __hash__ = None  # type: ignore[assignment] # equal by a text that should leave no trace

    def __repr__(self) -> str:
        """Return what may be shown."""
        return "Secret()"


class NamedFile:
    """A file referenced by the configuration, with its content when read; equal only if both are equal."""

    def __init__(self, path: Path) -> None:
        """Read the file; raises ``ValueError``."""
        if PEM in str(path):
            message = "must be a file name, not the content of the file"
            raise ValueError(message)
        try:
            self.content = read_file(path)
        except (OSError, ValueError) as error:
            message = f"cannot read {path}: {getattr(error, 'strerror', None) or error}"
            raise ValueError(message) from None
        self.path = path

    def __eq__(self, other: object) -> bool:
        """Compare path and content."""
        return isinstance(other, NamedFile) and (other.path, other.content) == (self.path, self.content)

    def __hash__(self) -> int:
        """Return the path's."""
        return hash(self.path)

    def __repr__(self) -> str:
        """Return the path only: the content may be secret."""
        return f"NamedFile({str(self.path)!r})"


def parse_duration(text: str) -> float:
    """Return the seconds of a duration in Prometheus syntax (``15s``, ``1m30s``, ``250ms``); raises ``ValueError``.

    The grammar of Prometheus' ``model.ParseDuration``: each unit at most once, in descending order; ``0`` needs no
    unit.
    """
    match = DURATION.fullmatch(text)
    if text == "0":
        return 0.0
    if not text or match is None:
        message = f"{text!r} is not a duration such as 15s or 1m30s"
        raise ValueError(message)
    parts = zip(match.groups(), UNITS_DOWN, strict=True)
    seconds = sum(int(digits or 0) * DURATION_UNITS[unit] for digits, unit in parts)
    if seconds > LONGEST_DURATION:
        message = f"{text!r} is out of range"
        raise ValueError(message)
    return seconds


def compile_expression(text: str) -> re.Pattern[str]:
    """Compile a regular expression; raises ``ValueError``."""
    try:
        return re.compile(text)
    except (re.error, RecursionError, OverflowError) as error:
        message = f"{text!r} is not a valid regular expression: {error}"
        raise ValueError(message) from None


def format_duration(seconds: float) -> str:
    """Format whole seconds with the largest unit that divides them."""
    unit = next(unit for unit in ("h", "m", "s") if seconds % DURATION_UNITS[unit] == 0)
    return f"{seconds / DURATION_UNITS[unit]:g}{unit}"


def schema_of(kind: type) -> dict[str, Any]:
    """Return the JSON schema of a non-JSON type."""
    if kind is Seconds:
        return {"type": "string", "pattern": f"^(0|(?=.){DURATION.pattern})$"}
    return {"type": "string"} if kind in (Secret, NamedFile, Path, Quiet) else {"type": "string", "format": "regex"}
