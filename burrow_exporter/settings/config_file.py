"""The configuration as a document, from YAML or from flags, and what is said of one that is wrong."""

from __future__ import annotations

import re
from functools import cache, partial
from pathlib import Path
from typing import Any

import msgspec
from msgspec import inspect

from burrow_exporter.settings.config import Config
from burrow_exporter.settings.files import read_file
from burrow_exporter.settings.validation import ConfigError, check_texts
from burrow_exporter.settings.value_types import read_value
from burrow_exporter.settings.yaml_file import parse_yaml

Document = dict[str, Any]
PLACE = re.compile(r" - at (?:`key` in )?`\$(?P<path>.*)`$")
UNKNOWN = re.compile(r"Object contains unknown field `(?P<name>.*)`$")
WORDS = {
    "`array`": "a list",
    "`bool`": "true or false",
    "`bool | str`": "on or off",
    "`dict`": "a mapping",
    "`float`": "a number",
    "`int`": "a whole number",
    "`list`": "a list",
    "`null`": "nothing",
    "`NoneType`": "nothing",
    "`object`": "a mapping",
    "`str`": "text",
}


def load_document(path: Path) -> Document:
    """Return what a YAML file holds; raises ``ConfigError``."""
    try:
        content = read_file(path)
    except (OSError, ValueError) as error:
        raise ConfigError(str(path), f"cannot be read: {getattr(error, 'strerror', None) or error}") from None
    try:
        _, document = parse_yaml(content)
    except ValueError as error:
        raise ConfigError(str(path), str(error)) from None
    if not isinstance(document, dict) or "burrows" not in document:
        raise ConfigError(str(path), "must be a mapping that has the key burrows")
    return document


def convert(document: Document, folder: Path) -> Config:
    """Return the configuration that a document describes; the ``ConfigError`` it raises has the path of a key.

    Names of files in it count from ``folder``.
    """
    try:
        check_texts(document)
        return msgspec.convert(document, Config, dec_hook=partial(read_value, folder=folder))
    except msgspec.ValidationError as error:
        raise explain(error, document) from None
    except RecursionError:
        key = "burrows"
        raise ConfigError(key, "holds itself") from None


def explain(error: msgspec.ValidationError, document: Document, whole: type = Config) -> ConfigError:
    """Return what msgspec found wrong in a document of ``whole``, with the key's path and what is allowed there."""
    text = str(error)
    place = PLACE.search(text)
    path = place["path"].removeprefix(".") if place else ""
    if isinstance(error.__cause__, ConfigError):
        return ConfigError(join(path, error.__cause__.key), error.__cause__.message)
    message = text[: place.start()] if place else text
    if unknown := UNKNOWN.match(message):
        return explain_unknown(path, unknown["name"], section_at(document, path), allowed_at(path, whole))
    if message.startswith("Invalid enum value"):
        return ConfigError(path, f"must be one of {', '.join(allowed_at(path, whole))}")
    return ConfigError(path or "the document", re.sub("`.*?`", lambda word: WORDS.get(word[0], word[0]), message))


def explain_unknown(path: str, key: str, section: Document, names: list[str]) -> ConfigError:
    """Return what is said of an unknown key; one that has no value may be a piece of a password, and is not named."""
    allowed = f"allowed are {', '.join(names)}"
    if section[key] is None:
        return ConfigError(path or "the document", f"holds an unknown key without a value; {allowed}")
    return ConfigError(join(path, key), f"no such key; {allowed}")


def section_at(document: Document, path: str) -> Document:
    """Return the section at a path with indexes."""
    place: Any = document
    for index, name in re.findall(r"\[(\d+)\]|([^.\[]+)", path):
        place = place[int(index)] if index else place[name]
    section: Document = place
    return section


def join(path: str, key: str) -> str:
    """Return the path of a key below ``path``."""
    return f"{path}.{key}" if path else key


def allowed_at(path: str, whole: type = Config) -> list[str]:
    """Return the keys, or the words, that may stand at a path."""
    kind = bare(kind_at(re.sub(r"\[.*?\]", "", path), whole))
    if isinstance(kind, inspect.UnionType):
        kind = next((one for one in kind.types if isinstance(one, inspect.LiteralType)), kind)
    if isinstance(kind, inspect.StructType):
        return [field.encode_name for field in kind.fields]
    return [str(value) for value in kind.values] if isinstance(kind, inspect.LiteralType) else []


def help_text(path: str) -> str:
    """Return what a key is for, of lists without an index."""
    kind = kind_at(path)
    schema = isinstance(kind, inspect.Metadata) and kind.extra_json_schema
    return str(schema["description"]) if schema else ""


def kind_at(path: str, whole: type = Config) -> inspect.Type:
    """Return what may stand at a path, without indexes; nothing names the whole."""
    kind = shape(whole)
    for name in path.split(".") if path else ():
        section = bare(kind)
        if isinstance(section, inspect.StructType):
            kind = next(field.type for field in section.fields if field.encode_name == name)
    return kind


@cache
def shape(whole: type) -> inspect.Type:
    """Return what a configuration is made of; msgspec takes 2 ms to tell, and every flag asks."""
    return inspect.type_info(whole)


def bare(kind: inspect.Type) -> inspect.Type:
    """Return the type itself, or of a list that of its items."""
    while isinstance(kind, inspect.Metadata | inspect.VarTupleType):
        kind = kind.type if isinstance(kind, inspect.Metadata) else kind.item_type
    return kind
