"""Combines flags, environment and file into the configuration, and names the source of an error."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any

from msgspec.structs import replace

from burrow_exporter.settings.config import Config
from burrow_exporter.settings.files import read_file
from burrow_exporter.settings.flags import FLAGS, Flag
from burrow_exporter.settings.policy_file import read_policy
from burrow_exporter.settings.reader import read_document
from burrow_exporter.settings.validation import ConfigError
from burrow_exporter.settings.yaml_file import parse_yaml

Document = dict[str, Any]
Values = Mapping[str, Any]
"""Values of flags by parameter, including those from the environment."""


def build_config(values: Values) -> Config:
    """Return the configuration, reading the file and the files it refers to; raises ``ConfigError``.

    A value of ``None`` is unset.
    """
    flags = [flag for flag in FLAGS if flag.key and values[flag.parameter] is not None]
    file = values["config_file"]
    document = load_beside(Path(file), flags) if file else {}
    for flag in flags:
        put(document, flag.key, values[flag.parameter])
    try:
        config = read_document(Config, document, Path(file).parent if file else Path())
        return replace(config, policy=read_policy(config.policy)) if config.policy.file else config
    except ConfigError as error:
        raise ConfigError(place_of(error.key, flags, file), error.message) from None


def load_beside(file: Path, flags: Collection[Flag]) -> Document:
    """Return the file's document, unless a flag is set that belongs in the file."""
    for flag in flags:
        if flag.key.startswith("burrows."):
            key = f"{flag.flag} ({flag.variable})"
            raise ConfigError(key, "cannot be used with --config.file; set it in the file")
    return load_document(file)


def load_document(path: Path) -> Document:
    """Return the content of a YAML file; raises ``ConfigError``."""
    try:
        content = read_file(path)
    except (OSError, ValueError) as error:
        raise ConfigError(str(path), f"cannot be read: {getattr(error, 'strerror', None) or error}") from None
    try:
        _, document = parse_yaml(content)
    except ValueError as error:
        raise ConfigError(str(path), str(error)) from None
    if not isinstance(document, dict) or "burrows" not in document:
        raise ConfigError(str(path), "must be a mapping with the key burrows")
    return document


def put(document: Document, key: str, value: object) -> None:
    """Set the value at a key's path, in the first Burrow; invalid documents are left to validation."""
    *path, name = key.split(".")
    place: object = document
    for part in path:
        if isinstance(place, dict):
            place = place.setdefault(part, [{}])[0] if part == "burrows" else place.setdefault(part, {})
    if isinstance(place, dict):
        place[name] = value


def place_of(key: str, flags: Collection[Flag], file: str | None) -> str:
    """Return the source of a key's value: its flag, or the file and the key."""
    path = re.sub(r"\[.*?\]", "", key)
    if flag := next((flag for flag in flags if flag.key == path), None):
        return flag.flag
    if file:
        return f"{file}: {key}"
    return next((flag.flag for flag in FLAGS if flag.key == path), key)


def section(name: str, values: Values) -> dict[str, Any]:
    """Return the values of one section of flags, without its prefix."""
    return {key.removeprefix(f"{name}_"): value for key, value in values.items() if key.startswith(f"{name}_")}
