"""CloudWatch as a second source: only if enabled, and with the metric names of MSK."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from burrow_exporter.metrics.families import FAMILIES
from compose.renderer.clusters import Cluster
from compose.renderer.hosts import Hosts
from compose.renderer.render import dashboards, filled, render
from compose.renderer.settings import Settings, SettingsError
from tests.support.dashboards import DASHBOARDS, FOLDER
from tests.support.promql import metrics

DASHBOARD = json.loads((FOLDER / "cloudwatch" / "burrow-cloudwatch.json").read_text(encoding="utf-8"))
PANELS = [panel for panel in DASHBOARD["panels"] if panel["type"] != "row"]
ON: dict[str, Any] = {"cloudwatch": "true", "cloudwatch_region": "eu-west-1"}
LAGS = [panel for panel in PANELS if panel["title"].startswith("Lag in ")]
EXPRESS = [panel for panel in PANELS if panel not in LAGS]
EACH = pytest.mark.parametrize("panel", LAGS, ids=[panel["title"] for panel in LAGS])
MSK = "kafka_consumer_group_ConsumerLagMetrics_Value"


def rendered(folder: Path, settings: Settings) -> dict[str, str]:
    """Return what Grafana is given, by name."""
    render(settings, folder, folder / "none")
    paths = (path for path in (folder / "grafana").rglob("*") if path.is_file())
    return {path.relative_to(folder / "grafana").as_posix(): path.read_text(encoding="utf-8") for path in paths}


@pytest.mark.parametrize("profile", ["small", "full"])
def test_only_where_it_is_asked_for(profile: str, tmp_path: Path) -> None:
    """Without the switch Grafana has nothing of it; with it there are a data source and a dashboard more."""
    without = rendered(tmp_path, Settings(profile=profile))
    assert [] == [name for name, text in without.items() if "cloudwatch" in name or "AWS/Kafka" in text]
    given = rendered(tmp_path, Settings(profile=profile, **ON))
    assert {"datasources/cloudwatch.yaml", "dashboards/burrow-cloudwatch.json"} == set(given) - set(without)
    assert DASHBOARD == json.loads(given["dashboards/burrow-cloudwatch.json"])


def test_the_data_source(tmp_path: Path) -> None:
    """It asks in the region that was said, as who the instance is: no key stands in it."""
    (source,) = yaml.safe_load(rendered(tmp_path, Settings(**ON))["datasources/cloudwatch.yaml"])["datasources"]
    assert {"authType": "default", "defaultRegion": "eu-west-1"} == source["jsonData"]
    assert ("cloudwatch", "cloudwatch") == (source["type"], source["uid"])
    assert "secureJsonData" not in source


def test_no_grafana_no_cloudwatch() -> None:
    """A host that only collects has neither."""
    settings = Settings(clusters=(Cluster("ours", ("one:9092",)),), hosts=Hosts("collect", "a", "q"), **ON)
    assert [] == list(dashboards(settings))
    assert [] == [name for name in filled(settings) if name.startswith("grafana")]


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        (
            {"cloudwatch": "true"},
            "CLOUDWATCH_REGION: missing although CLOUDWATCH is true; set the region of your MSK cluster",
        ),
        (
            {"cloudwatch_region": "eu-west-1"},
            "CLOUDWATCH: must be true if CLOUDWATCH_REGION is set",
        ),
        ({"cloudwatch": "yes"}, "CLOUDWATCH: must be true or false"),
        ({**ON, "cloudwatch_region": "Ireland"}, "CLOUDWATCH_REGION: must be a region such as eu-west-1"),
    ],
)
def test_what_is_refused(values: dict[str, Any], expected: str) -> None:
    """The switch and the region go together."""
    with pytest.raises(SettingsError) as refused:
        Settings(**values)
    assert expected == str(refused.value)


def test_metrics() -> None:
    """Of a group on a topic there are four: lag in messages and in time, of the topic and of each partition."""
    found = {panel["title"]: panel["targets"][-1]["metricName"] for panel in LAGS}
    assert {
        "Lag in messages": "SumOffsetLag",
        "Lag in time": "EstimatedMaxTimeLag",
        "Lag in messages by partition": "OffsetLag",
        "Lag in time by partition": "EstimatedTimeLag",
    } == found


@EACH
def test_panels(panel: dict[str, Any]) -> None:
    """Each shows the exporter's figure and CloudWatch's, of the same group and topic, and says what differs."""
    ours, *brokers, theirs = panel["targets"]
    assert {"type": "datasource", "uid": "-- Mixed --"} == panel["datasource"]
    assert {"type": "prometheus", "uid": "${datasource}"} == ours["datasource"]
    assert metrics(ours["expr"]) < {family.name for family in FAMILIES}
    assert 'cluster="$cluster", consumer_group="$consumer_group", topic="$topic"' in ours["expr"]
    assert ({"type": "cloudwatch", "uid": "cloudwatch"}, "AWS/Kafka") == (theirs["datasource"], theirs["namespace"])
    assert [theirs["metricName"]] * len(brokers) == [re.findall(r'name="(\w+)"', each["expr"])[0] for each in brokers]
    assert [{MSK}] * len(brokers) == [metrics(each["expr"]) for each in brokers]
    expected = {"Cluster Name": "$msk_cluster", "Consumer Group": "$consumer_group", "Topic": "$topic"}
    assert expected == theirs["dimensions"]
    assert theirs["matchExact"] is False
    assert re.fullmatch(r"[A-Z].{20,}\.", panel["description"])
    assert panel["fieldConfig"]["defaults"]["unit"] in {"s", "short"}


def test_what_the_brokers_tell_for_nothing() -> None:
    """The lag that MSK's brokers tell over JMX stands beside what is of a topic; of partitions it is not kept."""
    assert ["Lag in messages", "Lag in time"] == [panel["title"] for panel in LAGS if 3 == len(panel["targets"])]


def test_express_brokers() -> None:
    """What they have in place of disks and under-replicated partitions, and that nothing means Standard brokers."""
    found = [[target["metricName"] for target in panel["targets"]] for panel in EXPRESS]
    assert [["StorageUsed"], ["ProduceThrottleTime", "FetchThrottleTime"]] == found
    for panel in EXPRESS:
        assert "Standard" in panel["fieldConfig"]["defaults"]["noValue"]
        assert [{"Cluster Name": "$msk_cluster"}] * len(panel["targets"]) == [
            each["dimensions"] for each in panel["targets"]
        ]


def test_it_leads_to_the_others_and_none_to_it() -> None:
    """Most stacks do not have it."""
    assert {f"/d/{uid}" for uid in DASHBOARDS} == {link["url"].partition("?")[0] for link in DASHBOARD["links"]}
    assert "burrow-cloudwatch" not in json.dumps(list(DASHBOARDS.values()))
