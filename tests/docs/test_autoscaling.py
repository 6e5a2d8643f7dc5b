"""docs/autoscaling.md: its resources are valid and consistent, and it explains every recommendation."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import jsonschema
import kubernetes_validate
import pytest
import yaml

from grafana.burrow_dashboards.signals import ADVICE
from tests import ROOT
from tests.chart.test_chart import RELEASES
from tests.conftest import built
from tests.support import alerts
from tests.support.chart import schema
from tests.support.documents import blocks
from tests.support.promql import metrics

PAGE = ROOT / "docs" / "autoscaling.md"
SHOWN: list[dict[str, Any]] = [yaml.safe_load(block.text) for block in blocks(PAGE, "yaml")]
WANTED = "group:burrow_kafka_consumer:replicas_wanted"


def shown(key: str, value: str | None = None) -> dict[str, Any]:
    """Return the one document of the page that has a key, or a value at it."""
    (found,) = (each for each in SHOWN if key in each and value in (None, each[key]))
    return found


def test_scaled_object() -> None:
    """KEDA takes it, its trigger has what the scaler asks for and nothing else, and it follows the number."""
    found = shown("kind", "ScaledObject")
    jsonschema.Draft202012Validator(schema("ScaledObject")).validate(found)
    (trigger,) = found["spec"]["triggers"]
    scalers = json.loads((Path(built("crds")) / "scalers-schema.json").read_text(encoding="utf-8"))["scalers"]
    (scaler,) = (each for each in scalers if trigger["type"] == each["type"])
    parameters = {each["name"]: each for each in scaler["parameters"]}
    needed = {name for name, each in parameters.items() if not each.get("optional") and "default" not in each}
    assert needed <= trigger["metadata"].keys() <= parameters.keys()
    assert {WANTED} == metrics(trigger["metadata"]["query"])


@pytest.mark.parametrize("wrong", [{"spec": []}, {"specs": {}}])
def test_a_wrong_scaled_object(wrong: dict[str, Any]) -> None:
    """The schema refuses a field of the wrong kind, and an unknown one."""
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.Draft202012Validator(schema("ScaledObject")).validate(shown("kind", "ScaledObject") | wrong)


@pytest.mark.parametrize("release", RELEASES)
def test_horizontal_pod_autoscaler(release: str) -> None:
    """Kubernetes takes it, and it asks for what prometheus-adapter serves."""
    found = shown("kind", "HorizontalPodAutoscaler")
    kubernetes_validate.validate(found, release, strict=True)
    (served,) = shown("externalRules")["externalRules"]
    (metric,) = (each["external"]["metric"] for each in found["spec"]["metrics"])
    assert served["name"]["as"] == metric["name"]
    assert WANTED == served["seriesQuery"]
    assert metric["selector"]["matchLabels"].keys() <= set(re.findall(r"\w+", served["metricsQuery"]))


def test_every_advice_is_explained() -> None:
    """The table and the dashboards have each that the rule can give, and no other."""
    (rule,) = (each for each in alerts.rules("record") if "group:burrow_kafka_consumer:bottleneck" == each["record"])
    given = set(re.findall(r'"advice", "(\w+)"', rule["expr"]))
    assert given == set(ADVICE)
    table = PAGE.read_text(encoding="utf-8").partition("| advice |")[2].partition("\n\n")[0]
    assert given == set(re.findall(r"^\| `(\w+)` \|", table, re.MULTILINE))
