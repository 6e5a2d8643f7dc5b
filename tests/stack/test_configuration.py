"""Rendered configuration, checked by promtool and amtool of the stack's releases."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path
from typing import Any

import pytest

from compose.renderer.clusters import DEMO_CLUSTERS, Cluster
from compose.renderer.render import render
from compose.renderer.settings import Settings
from tests import ROOT
from tests.conftest import built, tool
from tests.support.stack import tag

pytestmark = pytest.mark.prometheus

OWN = tuple(Cluster(name, ("b-1:9092", "[::1]:9092"), jmx_port="11001", node_port="11002") for name in ("a", "1-b"))
RECEIVERS: dict[str, dict[str, Any]] = {
    "nobody": {},
    "slack": {"slack_webhook_url": "https://hooks.example.org/x"},
    "e-mail": {
        "email_to": "team@example.org",
        "email_from": "burrow@example.org",
        "smtp_server": "smtp.example.org:587",
        "smtp_username": "burrow",
        "smtp_password": "correct horse",
    },
    "odd": {
        "email_to": "'team\" {# $x",
        "email_from": "\\n é \U0001f600",
        "smtp_server": "smtp.example.org:587",
        "slack_webhook_url": "https://hooks.example.org/x",
        "slack_channel": "#'\"${x}",
    },
    "webhook": {"webhook_url": "https://example.org/hook"},
    "teams": {"teams_webhook_url": "https://teams.example.org/x"},
    "pagerduty": {"pagerduty_routing_key": "0123456789abcdef"},
}


def said(name: str, *arguments: str, folder: Path = ROOT) -> str:
    """Return what a tool says that finds nothing wrong."""
    run = subprocess.run([built(name), *arguments], cwd=folder, capture_output=True, text=True, check=False)
    assert 0 == run.returncode, run.stdout + run.stderr
    return run.stdout + run.stderr


def test_the_tools_are_of_the_stacks_releases() -> None:
    """The tools were built from the modules of the very releases that compose.yaml runs."""
    for name, image in (("promtool", "prom/prometheus"), ("amtool", "prom/alertmanager")):
        module = subprocess.run(
            [tool("go"), "version", "-m", built(name)], capture_output=True, text=True, check=True
        ).stdout
        version = tag(image).replace("v3.", "v0.3") if name == "promtool" else tag(image)
        assert [version] == re.findall(r"^\tmod\t\S+\t(\S+)", module, re.MULTILINE)


@pytest.mark.parametrize("profile", ["small", "full"])
@pytest.mark.parametrize("clusters", [DEMO_CLUSTERS, OWN], ids=["demo", "own"])
def test_prometheus(profile: str, clusters: tuple[Cluster, ...], tmp_path: Path) -> None:
    """Prometheus takes the configuration and all that it names, and the linter has nothing to say of the rules."""
    settings = Settings(profile=profile, clusters=clusters)
    render(settings, tmp_path, tmp_path / "none")
    files = [f"prometheus/prometheus-{replica}.yml" for replica in settings.replicas]
    told = said("promtool", "check", "config", "--lint=all", "--lint-fatal", *files, folder=tmp_path)
    assert len(settings.replicas) * len(settings.rules) == len(re.findall(r"SUCCESS: [1-9]\d* rules found", told))


@pytest.mark.parametrize("receivers", RECEIVERS.values(), ids=RECEIVERS)
def test_alertmanager(receivers: dict[str, Any], tmp_path: Path) -> None:
    """Alertmanager takes the configuration with any receiver and with none, and no secret stands in it."""
    render(Settings(**receivers), tmp_path, tmp_path / "none")
    configuration = tmp_path / "alertmanager" / "alertmanager.yml"
    assert " - 3 receivers" in said("amtool", "check-config", str(configuration))
    text = configuration.read_text(encoding="utf-8")
    assert [] == [
        value for name, value in receivers.items() if name.endswith(("url", "password", "key")) and value in text
    ]
    assert len(receivers) == 0 or "_configs:" in text
