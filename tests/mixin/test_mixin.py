"""The mixin: jsonnet renders the same dashboards and rules as the files, and `_config` changes them."""

from __future__ import annotations

import json
import subprocess
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests import ROOT
from tests.conftest import built
from tests.support import alerts
from tests.support.dashboards import DASHBOARDS

pytestmark = pytest.mark.jsonnet

MIXIN = ROOT / "mixin" / "mixin.libsonnet"
KINDS = {"prometheusRules": "record", "prometheusAlerts": "alert"}
FILES = {path.stem: path.read_text(encoding="utf-8") for path in alerts.files()}
DEFAULT = ("recording", "advice", "consumers", "exporter")


@cache
def rendered(part: str, config: str = "{}") -> Any:
    """Return a part of the mixin, with changes to its `_config`."""
    program = f"((import '{MIXIN}') + {{ _config+:: {config} }}).{part}"
    run = subprocess.run([built("jsonnet"), "--exec", program], capture_output=True, text=True, check=False)
    assert 0 == run.returncode, run.stderr
    return json.loads(run.stdout)


def expected(kind: str, names: tuple[str, ...], *replaced: tuple[str, str]) -> list[dict[str, Any]]:
    """Return the groups of files of rules, with the rules of one kind."""
    found = []
    for text in map(FILES.__getitem__, names):
        for old, new in replaced:
            text = text.replace(old, new)  # noqa: PLW2901  one after the other
        groups = [{**group, "rules": of_kind(group, kind)} for group in yaml.safe_load(text)["groups"]]
        found += [group for group in groups if group["rules"]]
    return found


def of_kind(group: dict[str, Any], kind: str) -> list[alerts.Rule]:
    """Return the rules of a group that record, or alert."""
    return [rule for rule in group["rules"] if kind in rule]


@pytest.mark.parametrize("part", KINDS)
def test_rules(part: str) -> None:
    """By default those that need only the exporter; on request those of every file."""
    assert expected(KINDS[part], DEFAULT) == rendered(part)["groups"]
    everything = tuple(sorted(FILES))
    assert expected(KINDS[part], everything) == rendered(part, f"{{ rules: {list(everything)} }}")["groups"]


def test_links_and_selector() -> None:
    """Links lead to your own Grafana and runbook, and alerts select your own job; nothing else differs."""
    new = {
        "http://localhost:3000": "https://grafana.example.org",
        "docs/runbook.md": "https://wiki.example.org/burrow",
        'job="burrow"': 'job="lag", env="prod"',
    }
    config = dict(zip(("grafanaUrl", "runbookUrl", "exporterSelector"), new.values(), strict=True))
    found = rendered("prometheusAlerts", json.dumps(config))["groups"]
    assert expected("alert", DEFAULT, *new.items()) == found
    assert all(value in json.dumps(found).replace('\\"', '"') for value in new.values())


def test_runbook_of_dashboards() -> None:
    """Links to the stack's runbook lead to your own, and nothing else differs."""
    url = "https://wiki.example.org/burrow"
    committed = json.dumps({f"{uid}.json": made for uid, made in DASHBOARDS.items()})
    assert "/d/burrow-runbook" in committed
    expected = json.loads(committed.replace("/d/burrow-runbook", url))
    assert expected == rendered("grafanaDashboards", json.dumps({"runbookUrl": url}))


def test_data_source() -> None:
    """The one that is named is selected first in every dashboard."""
    for dashboard in rendered("grafanaDashboards", "{ datasource: 'thanos' }").values():
        first, *rest = dashboard["templating"]["list"]
        assert {"selected": True, "text": "thanos", "value": "thanos"} == first["current"]
        assert DASHBOARDS[dashboard["uid"]]["templating"]["list"][1:] == rest


def test_the_example_renders(tmp_path: Path) -> None:
    """The program that docs/rules.md shows, as written there, in a checkout."""
    page = (ROOT / "docs" / "rules.md").read_text(encoding="utf-8")
    (program,) = [text for text in page.split("```") if text.startswith("text\nlocal mixin")]
    path = tmp_path / "burrow.jsonnet"
    path.write_text(program.removeprefix("text\n"), encoding="utf-8")
    command = [
        built("jsonnet"),
        "--jpath",
        str(ROOT),
        "--multi",
        str(tmp_path / "out"),
        "--create-output-dirs",
        str(path),
    ]
    run = subprocess.run(command, capture_output=True, text=True, check=False)
    assert 0 == run.returncode, run.stderr
    names = {str(each.relative_to(tmp_path / "out")) for each in (tmp_path / "out").rglob("*") if each.is_file()}
    assert {"alerts.json", "rules.json", *(f"dashboards/{name}.json" for name in DASHBOARDS)} == names
