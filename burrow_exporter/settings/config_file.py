"""The configuration as a document, from YAML or from flags, and what is said of one that is wrong.

Nothing of a document's values is repeated where YAML cannot be read: one of them may be a password.
"""

from __future__ import annotations

import re
from functools import cache, partial
from pathlib import Path
from typing import Any

import msgspec
import yaml
from msgspec import inspect

from burrow_exporter.settings.config import Config
from burrow_exporter.settings.files import read_file
from burrow_exporter.settings.validation import MOST_VALUES, ConfigError, check_texts
from burrow_exporter.settings.value_types import read_value

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


class Loader(yaml.SafeLoader):
    """PyYAML's safe loader, which lets no key stand twice (the last would count in silence), and bounds its work."""

    nodes = 0

    def compose_node(self, parent: yaml.Node | None, index: Any) -> yaml.Node | None:  # noqa: ANN401  PyYAML's signature
        """Return the next node."""
        self.nodes += 1
        self.check_size(self.nodes, self.peek_event().start_mark)  # type: ignore[no-untyped-call] # no types there
        return super().compose_node(parent, index)

    def flatten_mapping(self, node: yaml.MappingNode) -> None:
        """Put into a mapping what it merges; those that merge each other double and double again."""
        super().flatten_mapping(node)
        self.check_size(len(node.value), node.start_mark)

    def check_size(self, values: int, mark: yaml.Mark) -> None:
        """Raise where there are too many values."""
        if values > MOST_VALUES:
            raise yaml.constructor.ConstructorError(None, None, f"found more than {MOST_VALUES} values", mark)

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:  # noqa: FBT001, FBT002  PyYAML's signature
        """Return a mapping."""
        seen: set[str] = set()
        for key, _ in node.value:
            if isinstance(key, yaml.ScalarNode):
                if key.value in seen:
                    raise yaml.constructor.ConstructorError(None, None, "found a key that stands twice", key.start_mark)
                seen.add(key.value)
        return super().construct_mapping(node, deep)


def load_document(path: Path) -> Document:
    """Return what a YAML file holds; raises ``ConfigError``."""
    try:
        text = read_file(path).decode()
    except UnicodeDecodeError:
        raise ConfigError(str(path), "is not text in UTF-8") from None
    except (OSError, ValueError) as error:
        raise ConfigError(str(path), f"cannot be read: {getattr(error, 'strerror', None) or error}") from None
    try:
        document = Loader(text).get_single_data()
    # Where a tag such as !!bool does not fit its value, PyYAML fails in ways of its own, and quotes the value.
    except (yaml.YAMLError, ValueError, LookupError, AttributeError, RecursionError) as error:
        raise ConfigError(str(path), f"is not YAML: {describe_yaml(error)}") from None
    if not isinstance(document, dict) or "burrows" not in document:
        raise ConfigError(str(path), "must be a mapping that has the key burrows")
    return document


def describe_yaml(error: Exception) -> str:
    """Return what is wrong with YAML and where, without anything that stands there."""
    problem = (getattr(error, "problem", None) or "cannot be read").partition(", but ")[0]
    # What YAML's own rules expect is quoted, too, such as ',' or ']'.
    if not re.match("(could not find |did not find )?expected ", problem):
        problem = re.split("['\"]", problem)[0].strip()
    mark = getattr(error, "problem_mark", None)
    return f"{problem} in line {mark.line + 1}, column {mark.column + 1}" if mark else problem


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
