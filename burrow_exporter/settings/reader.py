"""Reads a document into the types of the configuration; errors contain the path of the key."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from types import NoneType, UnionType
from typing import Annotated, Any, Literal, TypeVar, Union, get_args, get_origin

from msgspec import Meta
from msgspec.structs import FieldInfo, fields

from burrow_exporter.settings.quiet import Quiet, parse_quiet
from burrow_exporter.settings.section import Section
from burrow_exporter.settings.validation import WHOLE, ConfigError, check_size, check_text, require
from burrow_exporter.settings.value_types import NamedFile, Seconds, Secret, compile_expression, parse_duration

T = TypeVar("T", bound=Section)
FREE = Meta()
NAMELESS = "contains an unknown key without a value"
WORDS: Mapping[type, str] = {
    NoneType: "null",
    bool: "a boolean",
    int: "an integer",
    float: "a number",
    str: "a string",
    list: "a list",
    dict: "a mapping",
}
FROM_TEXT: Mapping[Any, Callable[[str], object]] = {
    str: str,
    Secret: Secret,
    Quiet: parse_quiet,
    re.Pattern[str]: compile_expression,
    Seconds: lambda text: Seconds(parse_duration(text)),
}
FROM_NAME: Mapping[Any, Callable[[Path], object]] = {Path: Path, NamedFile: NamedFile}


def read_document(whole: type[T], document: object, folder: Path, *, of_text: bool = False) -> T:
    """Parse a document; raises ``ConfigError``. File names in it are relative to ``folder``.

    In a document ``of_text`` (loaded by ``TextLoader``) numbers are strings too, and empty values are unset.
    """
    check_size(document)
    return Reader(folder, of_text).section(whole, document, "")


@cache
def keys(section: type[Section]) -> Mapping[str, FieldInfo]:
    """Return the keys of a section with their fields."""
    return {field.name: field for field in fields(section)}


def parts(annotated: Any) -> tuple[tuple[Any, ...], Meta]:  # noqa: ANN401  any type
    """Return the types of a field, the main one first, and its metadata."""
    kind, meta = get_args(annotated) if get_origin(annotated) is Annotated else (annotated, FREE)
    return (get_args(kind) if get_origin(kind) in {Union, UnionType} else (kind,)), meta


def number_of(raw: Any) -> Any:  # noqa: ANN401  whatever YAML holds
    """Convert a string to a number or boolean if possible."""
    if isinstance(raw, str) and re.fullmatch(r"-?[0-9]{1,9}", raw):
        return int(raw)
    return {"true": True, "false": False}.get(raw.lower(), raw) if isinstance(raw, str) else raw


def is_section(kind: Any) -> bool:  # noqa: ANN401  any type
    """Return whether a type is a section."""
    return isinstance(kind, type) and issubclass(kind, Section)


def join(path: str, key: str) -> str:
    """Return the path of a key below ``path``."""
    return f"{path}.{key}" if path else key


def expect(path: str, raw: object, kind: type, wanted: str = "") -> None:
    """Raise ``ConfigError`` unless ``raw`` is exactly of this type."""
    message = f"must be {wanted or WORDS[kind]}, not {WORDS.get(type(raw), type(raw).__name__)}"
    require(path or WHOLE, type(raw) is kind, message)


def check_bounds(path: str, number: int, least: float | None, most: float | None, what: str) -> None:
    """Raise ``ConfigError`` if a number or length is out of bounds."""
    require(path, least is None or number >= least, f"must be {what} >= {least}")
    require(path, most is None or number <= most, f"must be {what} <= {most}")


@dataclass(frozen=True, slots=True)
class Reader:
    """Reads values, and files relative to ``folder``. All methods raise ``ConfigError``."""

    folder: Path
    of_text: bool

    def section(self, kind: type[T], raw: Any, path: str) -> T:  # noqa: ANN401  whatever YAML holds
        """Return a section. An unknown key without a value may be part of a password, so it is not quoted."""
        expect(path, raw, dict)
        known = keys(kind)
        values = {}
        for name, value in raw.items():
            expect(path, name, str)
            check_text(path or WHOLE, name)
            if name not in known:
                place, fault = (join(path, name), "unknown key") if value is not None else (path, NAMELESS)
                raise ConfigError(place or WHOLE, f"{fault}; allowed keys: {', '.join(known)}")
            if not self.of_text or value not in (None, {}):
                values[name] = self.value(known[name].type, value, join(path, name))
        try:
            return kind(**values)
        except ConfigError as error:
            raise ConfigError(join(path, error.key), error.message) from None

    def value(self, annotated: Any, raw: Any, path: str) -> Any:  # noqa: ANN401  any type
        """Return a value of a type, or of the main one of several."""
        kinds, meta = parts(annotated)
        if type(raw) in {bool, NoneType} and type(raw) in kinds:
            return raw
        kind, origin, types = kinds[0], get_origin(kinds[0]), get_args(kinds[0])
        if origin in {tuple, frozenset}:
            items = list(raw) if isinstance(raw, tuple) else raw
            expect(path, items, list)
            check_bounds(path, len(items), meta.min_length, meta.max_length, "a list of length")
            return origin(self.value(types[0], item, f"{path}[{index}]") for index, item in enumerate(items))
        if origin is dict:
            expect(path, raw, dict)
            # A name may be part of a secret, so it is not quoted.
            return {self.text(str, name, path): self.value(types[1], raw[name], f"{path}[...]") for name in raw}
        return self.section(kind, raw, path) if is_section(kind) else self.scalar(kind, raw, path, meta)

    def scalar(self, kind: Any, raw: Any, path: str, meta: Meta) -> Any:  # noqa: ANN401  any type
        """Return a scalar; a duration may already be parsed."""
        if get_origin(kind) is Literal:
            words = get_args(kind)
            require(path, raw in words, f"must be one of {', '.join(sorted(words))}")
            return raw
        if kind in {int, bool}:
            number = number_of(raw) if self.of_text else raw
            expect(path, number, kind)
            check_bounds(path, number, meta.ge, meta.le, WORDS[kind])
            return number
        return raw if kind is Seconds and isinstance(raw, Seconds) else self.text(kind, raw, path, meta)

    def text(self, kind: Any, raw: Any, path: str, meta: Meta = FREE) -> Any:  # noqa: ANN401  any type
        """Return a value written as a string; a duration of 0 may be a number."""
        text = "0" if kind is Seconds and type(raw) is int and raw == 0 else raw
        expect(path, text, str, "a duration such as 15s" if kind is Seconds else "")
        check_text(path, text)
        check_bounds(path, len(text), meta.min_length, meta.max_length, "a string of length")
        try:
            return FROM_NAME[kind](self.folder / text) if kind in FROM_NAME else FROM_TEXT[kind](text)
        except ValueError as error:
            raise ConfigError(path, str(error)) from None
