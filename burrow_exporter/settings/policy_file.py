"""Reads the policy file; errors contain the line number."""

from __future__ import annotations

import re
from pathlib import Path

import yaml

from burrow_exporter.settings.policy import Policy, PolicyConfig
from burrow_exporter.settings.reader import read_document
from burrow_exporter.settings.validation import ConfigError
from burrow_exporter.settings.value_types import NamedFile
from burrow_exporter.settings.yaml_file import parse_yaml

ALLOWED = "must be a mapping with the keys groups, topics or clusters"


def read_policy(policy: PolicyConfig) -> PolicyConfig:
    """Return a policy with the entries of its file; raises ``ConfigError`` with the key ``policy.file``."""
    if policy.file is None:
        return policy
    held = parse_policy(policy.file)
    return PolicyConfig(groups=held.groups, topics=held.topics, clusters=held.clusters)


def parse_policy(file: NamedFile) -> Policy:
    """Return the policy in a file; raises ``ConfigError``."""
    try:
        node, document = parse_yaml(file.content)
    except ValueError as error:
        key = "policy.file"
        raise ConfigError(key, f"{file.path} {error}") from None
    if not isinstance(document, dict):
        raise fault(file, node, "", ALLOWED)
    try:
        return read_document(Policy, document, Path())
    except ConfigError as error:
        raise fault(file, node, error.key, error.message) from None


def fault(file: NamedFile, node: yaml.Node | None, key: str, message: str) -> ConfigError:
    """Return the error for a key: file, line, key and message."""
    place = f"{file.path}, line {line_of(node, key)}"
    return ConfigError("policy.file", f"{place}: {key}: {message}" if key else f"{place}: {message}")


def line_of(node: yaml.Node | None, path: str) -> int:
    """Return the line of a key's path such as ``groups[1].team``, or of its nearest parent."""
    line = node.start_mark.line + 1 if node else 1
    for index, name in re.findall(r"\[(\d+)\]|([^.\[\]]+)", path):
        if index and isinstance(node, yaml.SequenceNode) and int(index) < len(node.value):
            node = node.value[int(index)]
            line = node.start_mark.line + 1
        elif name and isinstance(node, yaml.MappingNode):
            pair = next((pair for pair in node.value if pair[0].value == name), None)
            if pair is None:
                break
            line, node = pair[0].start_mark.line + 1, pair[1]
        else:
            break
    return line
