"""The grammar of `.env` and its parser.

The file is UTF-8. Blank lines, and lines that start with ``#``, are ignored. Every other line is ``NAME=value``: a name
of upper-case letters, digits and ``_``, an equals sign, and the value, which extends to the end of the line. Quotes,
``$``, ``#``, backslashes and spaces have no special meaning, and nothing is expanded or trimmed; control characters are
rejected. An empty value counts as unset. Duplicate names are rejected.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

NAME = re.compile("[A-Z][A-Z0-9_]*")
LOST_LINK = "a symbolic link without a target inside the checkout; replace it with a file"
"""Error for a link without a target here; treating it as a missing file would start the demo."""


@dataclass(frozen=True)
class EnvFile:
    """The content of a file: values by name, errors and warnings."""

    values: dict[str, str] = field(default_factory=dict)
    faults: list[str] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)


def read(path: Path) -> EnvFile:
    """Parse a file; a missing file is empty, but a dangling link is an error."""
    try:
        text = path.read_bytes().decode("utf-8-sig")
    except FileNotFoundError:
        return EnvFile(faults=[f"{path.name}: {LOST_LINK}"] if path.is_symlink() else [])
    except OSError as error:
        return EnvFile(
            faults=[
                f"{path.name}: cannot be read: {(error.strerror or 'error').lower()}; replace it with a readable file"
            ]
        )
    except UnicodeDecodeError as error:
        line = 1 + error.object[: error.start].count(b"\n")
        return EnvFile(faults=[f"{path.name}, line {line}: not valid UTF-8; save the file as UTF-8"])
    return parse(text, path.name)


def parse(text: str, file: str) -> EnvFile:
    """Parse the text of a file. Errors quote no values, as they may be secrets."""
    numbers: dict[str, list[int]] = {}
    found = EnvFile()
    for number, line in _lines(text):
        name, equals, value = line.partition("=")
        if not equals or not NAME.fullmatch(name):  # not quoted either: it may be part of a password
            found.faults.append(f"{file}, line {number}: must be NAME=value, without `export` and spaces")
            continue
        numbers.setdefault(name, []).append(number)
        if value:
            found.values[name] = value
    found.faults.extend(_twice(numbers))
    for name, value in found.values.items():
        if any(unicodedata.category(letter) == "Cc" for letter in value):
            found.faults.append(f"{name}: contains a control character such as a tab; remove it")
        if len(value) > 1 and value[0] == value[-1] and value[0] in "'\"":
            found.warnings.append(f"{name}: the quotes are part of the value; remove them unless intended")
    return found


def _lines(text: str) -> Iterator[tuple[int, str]]:
    """Yield number and text of the significant lines; Windows line endings are accepted."""
    for number, line in enumerate(text.split("\n"), 1):
        content = line.removesuffix("\r")
        if content.strip() and not content.startswith("#"):
            yield number, content


def _twice(numbers: dict[str, list[int]]) -> Iterator[str]:
    """Yield an error for each duplicate name."""
    for name, lines in numbers.items():
        if len(lines) > 1:
            yield f"{name}: set in lines {', '.join(map(str, lines))}; keep one"
