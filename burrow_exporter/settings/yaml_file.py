"""YAML with limits, for all configuration files.

Errors quote no values, as they may be passwords.
"""

from __future__ import annotations

import re
from typing import Any

import yaml

from burrow_exporter.settings.validation import MOST_VALUES


class Loader(yaml.SafeLoader):
    """PyYAML's safe loader, which rejects duplicate keys (PyYAML silently takes the last) and limits its work."""

    nodes = 0

    def compose_node(self, parent: yaml.Node | None, index: Any) -> yaml.Node | None:  # noqa: ANN401  PyYAML's signature
        """Return the next node."""
        self.nodes += 1
        self.check_size(self.nodes, self.peek_event().start_mark)  # type: ignore[no-untyped-call] # no types there
        return super().compose_node(parent, index)

    def flatten_mapping(self, node: yaml.MappingNode) -> None:
        """Merge mappings; nested merges can grow exponentially."""
        super().flatten_mapping(node)
        self.check_size(len(node.value), node.start_mark)

    def check_size(self, values: int, mark: yaml.Mark) -> None:
        """Raise if there are too many values."""
        if values > MOST_VALUES:
            raise yaml.constructor.ConstructorError(None, None, f"found more than {MOST_VALUES} values", mark)

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:  # noqa: FBT001, FBT002  PyYAML's signature
        """Return a mapping."""
        seen: set[str] = set()
        for key, _ in node.value:
            if isinstance(key, yaml.ScalarNode):
                if key.value in seen:
                    raise yaml.constructor.ConstructorError(None, None, "found a duplicate key", key.start_mark)
                seen.add(key.value)
        return super().construct_mapping(node, deep)


class TextLoader(Loader):
    """YAML with string scalars, so that a user may be called ``no`` or ``007``; missing values are ``None``."""

    yaml_implicit_resolvers = {  # noqa: RUF012  PyYAML's own
        first: [("tag:yaml.org,2002:null", re.compile("(~|null|Null|NULL|)$"))] for first in ("~", "n", "N", "")
    }


def parse_yaml(content: bytes, loader_class: type[Loader] = Loader) -> tuple[yaml.Node | None, Any]:
    """Return a document as nodes, which have line numbers, and as values; raises ``ValueError``."""
    try:
        loader = loader_class(content.decode())
        node = loader.get_single_node()
        return node, loader.construct_document(node) if node else None
    except UnicodeDecodeError:
        message = "is not valid UTF-8"
    # If a tag such as !!bool does not fit its value, PyYAML raises various errors that quote the value.
    except (yaml.YAMLError, ValueError, LookupError, AttributeError, RecursionError) as error:
        message = f"is not valid YAML: {describe_yaml(error)}"
    raise ValueError(message)


def describe_yaml(error: Exception) -> str:
    """Return what is wrong with YAML and where, without quoting it."""
    problem = (getattr(error, "problem", None) or "cannot be read").partition(", but ")[0]
    # Expected tokens, such as ',' or ']', are quoted too.
    if not re.match("(could not find |did not find )?expected ", problem):
        problem = re.split("['\"]", problem)[0].strip()
    mark = getattr(error, "problem_mark", None)
    return f"{problem} in line {mark.line + 1}, column {mark.column + 1}" if mark else problem
