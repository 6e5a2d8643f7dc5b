"""Tests of policy.py and policy_file.py: which entry applies, its values, and error messages."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import yaml

from burrow_exporter.cli import command
from burrow_exporter.settings.config import Config
from burrow_exporter.settings.policy import Policy
from burrow_exporter.settings.policy_file import parse_policy
from burrow_exporter.settings.precedence import build_config
from burrow_exporter.settings.validation import ConfigError
from burrow_exporter.settings.value_types import NamedFile
from burrow_exporter.terms import Terms
from tests import ROOT

EXAMPLE = ROOT / "policy.example.yaml"
SCHEMA = ROOT / "burrow_exporter" / "policy.schema.json"
WEDNESDAY_NOON = 1774440000.0  # 2026-03-25 12:00 UTC


def parsed(tmp_path: Path, text: str) -> Policy:
    """Return the policy of a text."""
    path = tmp_path / "policy.yaml"
    path.write_text(text, encoding="utf-8")
    return parse_policy(NamedFile(path))


def refusal(tmp_path: Path, text: str) -> str:
    """Return the words in which a text is refused, behind the name of the file."""
    with pytest.raises(ConfigError) as caught:
        parsed(tmp_path, text)
    assert "policy.file" == caught.value.key
    (line,) = caught.value.message.splitlines()
    return line.removeprefix(f"{tmp_path / 'policy.yaml'}").lstrip(", ")


def test_example() -> None:
    """The example is what its comments say."""
    policy = parse_policy(NamedFile(EXAMPLE))
    nightly = policy.of_group("default", "prod", "nightly-load")
    assert nightly
    url = "https://wiki.example.org/nightly"
    assert Terms("data", "warning", 90000, ("quiet",), url) == nightly.terms(WEDNESDAY_NOON)
    assert () == nightly.muted(WEDNESDAY_NOON + 11 * 3600)  # 00:00 in Berlin
    console = policy.of_group("default", "prod", "anonymous.1")
    assert console
    assert Terms("", "critical", 300, ("off",), "") == console.terms(WEDNESDAY_NOON)
    other = policy.of_group("default", "prod", "nightly")
    assert other
    assert Terms("platform", "critical", 300, (), "") == other.terms(WEDNESDAY_NOON)
    assert (600, None) == (policy.max_silence_of("b", "c", "orders.eu"), policy.max_silence_of("b", "c", "payments"))
    assert (True, False) == (policy.may_idle("b", "dev"), policy.may_idle("b", "dev-2"))
    assert (2, 0) == (policy.min_lag_of("prod", "nightly-load"), policy.min_lag_of("prod", "billing"))


def test_the_first_match_counts_by_group_cluster_and_burrow(tmp_path: Path) -> None:
    """Each expression is for the whole name, and all that are given have to match."""
    text = """
groups:
  - {match: a, cluster: east, burrow: eu, team: one}
  - {match: a, cluster: east, team: two}
  - {match: a|b, team: three}
"""
    policy = parsed(tmp_path, text)

    def team(*names: str) -> str:
        entry = policy.of_group(*names)
        return entry.team if entry else "nobody"

    assert "one" == team("eu", "east", "a")
    assert "two" == team("us", "east", "a")
    assert "three" == team("eu", "west", "a")
    assert "three" == team("eu", "west", "b")
    assert "nobody" == team("eu", "west", "ab")


@pytest.mark.parametrize(
    ("expected", "text"), [((), "on"), (("off",), "off"), (("off",), "no"), (("off",), "'off'"), ((), "'on'")]
)
def test_alerts_off(tmp_path: Path, expected: tuple[str, ...], text: str) -> None:
    """On and off count as YAML reads them, quoted or not."""
    entry = parsed(tmp_path, f"groups: [{{match: a, alerts: {text}}}]").of_group("b", "c", "a")
    assert entry
    assert expected == entry.muted(0)


def test_quiet_and_off_at_once(tmp_path: Path) -> None:
    """Both reasons are there."""
    entry = parsed(tmp_path, "groups: [{quiet: [00:00-24:00], alerts: off}]").of_group("b", "c", "a")
    assert entry
    assert ("quiet", "off") == entry.muted(0)


GROUPS = "groups:\n  - match: a\n    "


@pytest.mark.parametrize(
    ("expected", "text"),
    [
        ("line 1: must be a mapping with the keys groups, topics or clusters", ""),
        ("line 2: must be a mapping with the keys groups, topics or clusters", "# nothing\n[]"),
        ("line 1: groups: must be a list, not a mapping", "groups: {}"),
        ("line 2: group: unknown key; allowed keys: groups, topics, clusters", "topics: []\ngroup: []"),
        ("line 1: file: unknown key; allowed keys: groups, topics, clusters", "file: a"),
        (
            "line 3: groups[0].teem: unknown key; allowed keys: match, cluster, burrow, team, severity,",
            GROUPS + "teem: b",
        ),
        (
            "line 3: groups[0].severity: must be one of critical, none, warning",
            GROUPS + "severity: page",
        ),
        ("line 3: groups[0].alerts: must be one of off, on", GROUPS + "alerts: never"),
        ("line 3: groups[0].alerts: must be one of off, on", GROUPS + "alerts: 0"),
        ("line 3: groups[0].max_lag_seconds: must be a duration such as 15s", GROUPS + "max_lag_seconds: 300"),
        ("line 3: groups[0].max_lag_seconds: '5' is not a duration", GROUPS + "max_lag_seconds: '5'"),
        ("line 3: groups[0].max_lag_seconds: must be greater than 0", GROUPS + "max_lag_seconds: 0"),
        ("line 3: groups[0].min_lag: must be an integer >= 0", GROUPS + "min_lag: -1"),
        ("line 5: groups[0].quiet[1]: 'noon' is not a quiet window", GROUPS + "quiet:\n    - Sat\n    - noon"),
        ("line 3: groups[0].quiet: must be a list, not a string", GROUPS + "quiet: Sat"),
        ("line 3: groups[0].runbook_url: must be a URL such as", GROUPS + "runbook_url: wiki/page"),
        ("line 2: groups[0].match: '(' is not a valid regular expression", "groups:\n - match: ("),
        ("line 2: groups[0]: matches every name, so it must be the last", "groups:\n - team: a\n - match: b"),
        ("line 1: topics[0].max_silence: must be greater than 0", "topics: [{match: a, max_silence: 0}]"),
        ("line 1: clusters[0].idle: must be one of alert, ok", "clusters: [{match: a, idle: yes it is}]"),
        ("line 1: the document: contains itself", "groups: &a [*a]"),
        ("is not valid YAML: found a duplicate key in line 2, column 1", "groups: []\ngroups: []"),
        ("is not valid YAML: expected the node content in line 2, column 1", "groups: [\n"),
    ],
)
def test_refused(tmp_path: Path, expected: str, text: str) -> None:
    """The words name the line, the key, and what is allowed."""
    assert refusal(tmp_path, text).lstrip().startswith(expected)


def test_not_text(tmp_path: Path) -> None:
    """A file that is no text is refused, without anything of it."""
    path = tmp_path / "policy.yaml"
    path.write_bytes(b"\xff")
    with pytest.raises(ConfigError, match="is not valid UTF-8"):
        parse_policy(NamedFile(path))


def configured(*arguments: str) -> Config:
    """Return the configuration of a command line."""
    with command.make_context("burrow-exporter", list(arguments)) as context:
        return build_config(context.params)


def test_the_flag_and_the_configuration_file_say_the_same(tmp_path: Path) -> None:
    """The policy may be named by the flag or by the file, or stand in the file; read again it is equal."""
    (tmp_path / "policy.yaml").write_text("groups: [{match: a, team: b}]", encoding="utf-8")
    file = tmp_path / "config.yaml"
    file.write_text("burrows: [{name: a}]\npolicy: {file: policy.yaml}", encoding="utf-8")
    named = configured(f"--config.file={file}")
    flag = configured(f"--policy.file={tmp_path / 'policy.yaml'}")
    file.write_text("burrows: [{name: a}]\npolicy: {groups: [{match: a, team: b}]}", encoding="utf-8")
    inside = configured(f"--config.file={file}")
    assert "b" == named.policy.groups[0].team
    assert named.policy == flag.policy == inside.policy
    (tmp_path / "policy.yaml").write_text("groups: [{match: a, team: c}]", encoding="utf-8")
    assert flag != configured(f"--policy.file={tmp_path / 'policy.yaml'}")


@pytest.mark.parametrize(
    ("expected", "text"),
    [
        (
            "policy.file: cannot be used with groups, topics or clusters",
            "policy: {file: p.yaml, groups: [{team: a}]}",
        ),
        ("policy.groups[0].team: must be a string, not null", "policy: {groups: [{team: }]}"),
        ("policy.file: cannot read", "policy: {file: none.yaml}"),
        ("burrows[0].labels.team: is used by the policy", "policy: {groups: [{match: a}]}"),
    ],
)
def test_refused_in_the_configuration_file(tmp_path: Path, expected: str, text: str) -> None:
    """The words are those of any other key there."""
    (tmp_path / "p.yaml").write_text("groups: []", encoding="utf-8")
    file = tmp_path / "config.yaml"
    file.write_text(f"burrows: [{{name: a, labels: {{team: x}}}}]\n{text}", encoding="utf-8")
    with pytest.raises(ConfigError) as caught:
        configured(f"--config.file={file}")
    assert expected in str(caught.value)


def test_a_label_of_the_policys_is_free_without_a_policy(tmp_path: Path) -> None:
    """Whoever labels a Burrow with its team goes on doing so."""
    file = tmp_path / "config.yaml"
    file.write_text("burrows: [{name: a, labels: {team: x}}]", encoding="utf-8")
    assert {"team": "x"} == configured(f"--config.file={file}").burrows[0].labels


def test_an_error_in_the_file_names_the_flag(tmp_path: Path) -> None:
    """And then the file, the line and the key."""
    path = tmp_path / "policy.yaml"
    path.write_text("groups:\n- severity: x", encoding="utf-8")
    with pytest.raises(ConfigError) as caught:
        configured(f"--policy.file={path}")
    expected = f"--policy.file: {path}, line 2: groups[0].severity: must be one of critical, none, warning"
    assert expected == str(caught.value)


@pytest.mark.parametrize(
    ("valid", "document"),
    [
        (True, yaml.safe_load(EXAMPLE.read_text(encoding="utf-8"))),
        (True, {"groups": [{"match": "a", "alerts": "off"}]}),
        (False, {"groups": [{"match": "a", "alerts": "never"}]}),
        (False, {"groups": [{"match": "a", "severity": "page"}]}),
        (False, {"group": []}),
    ],
)
def test_schema(valid: bool, document: Any) -> None:  # noqa: FBT001  a column of the table
    """The schema that is shipped takes what the exporter takes, and refuses what it refuses."""
    validator = jsonschema.Draft202012Validator(json.loads(SCHEMA.read_text(encoding="utf-8")))
    assert valid is validator.is_valid(document)
