"""The grammar of `.env`, and its one parser.

The file is UTF-8. A blank line, and one that begins with ``#``, is nothing. Every other line is ``NAME=value``: a name
of capitals, digits and ``_``, an equals sign, and the value, which is all the rest of the line as it stands. Nothing in
it is special, neither quotes nor ``$``, ``#``, backslashes or spaces, and nothing is expanded or cut off; control
characters are refused. A name with nothing behind the sign is as good as not there. No name stands twice.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

NAME = re.compile("[A-Z][A-Z0-9_]*")
LOST_LINK = "a symbolic link to a target outside the checkout, which cannot be read here; replace it with a file"
"""What is wrong with a file that is there on the host alone, or not at all: taken for none, it would be the demo."""


@dataclass(frozen=True)
class EnvFile:
    """What a file says: the values by name, and what is wrong or odd with its lines, a line for each."""

    values: dict[str, str] = field(default_factory=dict)
    faults: list[str] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)


def read(path: Path) -> EnvFile:
    """Return what a file says; one that is not there says nothing, but a link to one that is not is a fault."""
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
    """Return what the text of a file says. Values are not quoted in faults: they may be secrets."""
    numbers: dict[str, list[int]] = {}
    found = EnvFile()
    for number, line in _lines(text):
        name, equals, value = line.partition("=")
        if not equals or not NAME.fullmatch(name):  # not quoted either: it may be a piece of a password
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
    """Yield number and text of the lines that say something; they may end as in Windows."""
    for number, line in enumerate(text.split("\n"), 1):
        content = line.removesuffix("\r")
        if content.strip() and not content.startswith("#"):
            yield number, content


def _twice(numbers: dict[str, list[int]]) -> Iterator[str]:
    """Yield a fault for each name that stands in several lines."""
    for name, lines in numbers.items():
        if len(lines) > 1:
            yield f"{name}: set in lines {', '.join(map(str, lines))}; keep one"
