"""docs/kubernetes-burrow.yaml: valid, and the same Burrow as the chart's."""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests import ROOT
from tests.chart.test_burrow import ON, burrow_pod, configured
from tests.chart.test_chart import check
from tests.support.chart import one

pytestmark = pytest.mark.helm

TEXT = (ROOT / "docs" / "kubernetes-burrow.yaml").read_text(encoding="utf-8")
OBJECTS: dict[str, dict[str, Any]] = {each["kind"]: each for each in yaml.safe_load_all(TEXT)}
POD = OBJECTS["Deployment"]["spec"]["template"]
SERVERS = ["b-1.orders.example.org:9096", "b-2.orders.example.org:9096"]


@pytest.mark.parametrize("kind", OBJECTS)
def test_kubernetes_takes_it(kind: str) -> None:
    """Each object is valid by the schemas of the oldest and the newest Kubernetes."""
    check(OBJECTS[kind])


def test_configuration(tmp_path: Path) -> None:
    """It is what the chart, and with it the stack, makes for the same cluster."""
    (tmp_path / "secrets" / "orders").mkdir(parents=True)
    for name, value in (("username", "burrow"), ("password", "...")):
        (tmp_path / "secrets" / "orders" / name).write_text(value, encoding="utf-8")
    cluster = {"name": "orders", "servers": SERVERS, "auth": "scram-sha-512", "secret": "kafka-orders"}
    values = yaml.safe_dump({"burrow": {**ON, "allowedLag": 0, "clusters": [cluster]}})
    assert configured(values, tmp_path) == tomllib.loads(OBJECTS["Secret"]["stringData"]["burrow.toml"])


def test_it_runs_as_the_charts_does() -> None:
    """With the same user, limits and probes; a pid file that a crash left behind does not keep it from starting."""
    theirs, ours = burrow_pod()["containers"][0], POD["spec"]["containers"][0]
    for name in ("ports", "startupProbe", "livenessProbe", "readinessProbe", "resources", "securityContext"):
        assert theirs[name] == ours[name], name
    assert burrow_pod()["securityContext"] == POD["spec"]["securityContext"]
    assert theirs["command"][:2] == ours["command"][:2] == ["sh", "-c"]
    assert ours["command"][2] == theirs["command"][2].removesuffix("/config")


def test_only_the_exporter_reaches_it() -> None:
    """The Service and the policy are for its pods, and the policy admits those of the chart's exporter."""
    labels = POD["metadata"]["labels"]
    assert labels == OBJECTS["Service"]["spec"]["selector"] == OBJECTS["Deployment"]["spec"]["selector"]["matchLabels"]
    policy = OBJECTS["NetworkPolicy"]["spec"]
    assert labels == policy["podSelector"]["matchLabels"]
    (admitted,) = policy["ingress"]
    (source,) = admitted["from"]
    exporter = one("Deployment")["spec"]["template"]["metadata"]["labels"]
    assert source["podSelector"]["matchLabels"].items() <= exporter.items()
    assert ["Ingress"] == policy["policyTypes"]
