"""The chart's Prometheus and Grafana objects: the same rules and dashboards as in the stack, and scraping."""

from __future__ import annotations

import re
import subprocess
import tarfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import requests
import yaml

from burrow_exporter.settings.config import Config
from burrow_exporter.settings.precedence import load_document
from burrow_exporter.settings.reader import read_document
from tests import ROOT
from tests.conftest import built, tool
from tests.support import alerts
from tests.support.chart import CHART, NAMESPACE, RELEASE, helm, objects, one
from tests.support.dashboards import FOLDER
from tests.support.processes import exporter, prometheus

pytestmark = pytest.mark.helm

NAMES = ("advice", "consumers", "exporter", "recording")
BOTH = pytest.mark.parametrize("find", [built, tool], ids=["the stack's release", "Debian's"])


def rules(name: str, values: str = "") -> dict[str, dict[str, Any]]:
    """Return what each PrometheusRule holds, by the end of its name."""
    found = {each["metadata"]["name"]: each["spec"] for each in objects("PrometheusRule", name, values)}
    return {full.rpartition("-")[2]: spec for full, spec in found.items()}


def source(name: str) -> str:
    """Return the text of a file of rules."""
    return (alerts.RULES / f"{name}.yaml").read_text(encoding="utf-8")


def test_rules_are_the_stacks() -> None:
    """Nothing is lost on the way, the braces of annotations least of all."""
    assert {name: yaml.safe_load(source(name)) for name in NAMES} == rules("operator")
    assert "{{ $labels.consumer_group }}" in str(rules("operator")["consumers"])


@pytest.mark.parametrize("end", ["", "/"])
def test_links_of_alerts(end: str) -> None:
    """They lead to one's own Grafana, with one slash however it is written, and runbook; nothing else differs."""
    found = rules("everything", f"prometheusRule: {{grafanaUrl: 'https://grafana.example.org{end}'}}")
    for name in NAMES:
        expected = source(name).replace("http://localhost:3000", "https://grafana.example.org")
        assert yaml.safe_load(expected.replace("docs/runbook.md", "https://wiki.example.org/burrow")) == found[name]


@BOTH
@pytest.mark.prometheus
def test_promtool_takes_the_rules(find: Callable[[str], str], tmp_path: Path) -> None:
    """As the operator hands them to Prometheus."""
    for name, spec in rules("everything").items():
        path = tmp_path / f"{name}.yaml"
        path.write_text(yaml.safe_dump(spec), encoding="utf-8")
        command = [find("promtool"), "check", "rules", str(path)]
        run = subprocess.run(command, capture_output=True, text=True, check=False)
        assert 0 == run.returncode, run.stdout + run.stderr
        assert f"SUCCESS: {sum(len(group['rules']) for group in spec['groups'])} rules found" in run.stdout


def test_rules_that_need_more_are_left_out() -> None:
    """Those of brokers, hosts, Prometheus and Thanos; what is in the chart asks only for the exporter's metrics."""
    others = {path.stem for path in alerts.files()} - set(NAMES)
    assert {"brokers", "hosts", "loss", "prometheus", "thanos"} == others
    asked = {name for file in NAMES for name in re.findall(r'job="(\w+)"', source(file))}
    assert {"burrow"} == asked


def test_labels_of_dashboards_taken_away() -> None:
    """Without any of its own a ConfigMap still has the chart's."""
    found = objects("ConfigMap", "operator", "dashboards: {labels: {grafana_dashboard: null}}")
    assert len(found) > 1
    assert all(found[0]["metadata"]["labels"] == each["metadata"]["labels"] for each in found)


def test_dashboards_are_the_stacks() -> None:
    """Byte by byte, each in a ConfigMap of its own that Grafana's sidecar finds."""
    found: dict[str, str] = {}
    for each in objects("ConfigMap", "everything"):
        if "config.yaml" not in each["data"]:
            assert "1" == each["metadata"]["labels"]["grafana_dashboard"]
            assert {"grafana_folder": "Kafka"} == each["metadata"]["annotations"]
            found |= each["data"]
    assert {path.name: path.read_text(encoding="utf-8") for path in FOLDER.glob("*.json")} == found


def test_a_package_has_the_files(tmp_path: Path) -> None:
    """In the tree they are links; what helm packs of them are the files, and no others."""
    run = helm("package", CHART, "--destination", tmp_path)
    assert 0 == run.returncode, run.stderr
    with tarfile.open(next(tmp_path.glob("*.tgz"))) as package:
        found = {each.name for each in package if each.isreg() and "/files/" in each.name}
    rules_packed = {f"burrow-exporter/files/rules/{name}.yaml" for name in NAMES}
    assert rules_packed | {f"burrow-exporter/files/dashboards/{path.name}" for path in FOLDER.glob("*.json")} == found


def test_who_finds_them() -> None:
    """Prometheus and Grafana, by the labels that the values give."""
    for kind in ("ServiceMonitor", "PodMonitor", "PrometheusRule"):
        for each in objects(kind, "everything"):
            assert "prometheus" == each["metadata"]["labels"]["release"]


def test_the_monitor_finds_the_service() -> None:
    """By the labels of the Service, on its port, as the values say."""
    spec = one("ServiceMonitor", "everything")["spec"]
    assert spec["selector"]["matchLabels"].items() <= one("Service", "everything")["metadata"]["labels"].items()
    (endpoint,) = spec["endpoints"]
    assert ("metrics", "30s", "https", True) == (
        endpoint["port"],
        endpoint["interval"],
        endpoint["scheme"],
        endpoint["tlsConfig"]["insecureSkipVerify"],
    )
    assert one("Service", "everything")["spec"]["ports"][0]["name"] == endpoint["port"]


def test_the_pod_monitor_finds_the_pods() -> None:
    """By their labels, at their port, and what it does at the scrape is what the ServiceMonitor does."""
    spec = one("PodMonitor", "everything")["spec"]
    pods = one("Deployment", "everything")["spec"]["template"]
    assert spec["selector"]["matchLabels"].items() <= pods["metadata"]["labels"].items()
    (endpoint,) = spec["podMetricsEndpoints"]
    assert endpoint["port"] == pods["spec"]["containers"][0]["ports"][0]["name"]
    (expected,) = one("ServiceMonitor", "everything")["spec"]["endpoints"]
    same = ("port", "honorLabels", "relabelings")
    assert [expected[key] for key in same] == [endpoint[key] for key in same]


def scraped(name: str, target: str) -> dict[str, Any]:
    """Return a job as the operator makes it, with a label of the target in the way of one of the exporter's."""
    (endpoint,) = one("ServiceMonitor", name)["spec"]["endpoints"]
    words = {"sourceLabels": "source_labels", "targetLabel": "target_label"}
    labels = {"namespace": NAMESPACE, "pod": "pod-1", "service": "s", "container": "c", "endpoint": "metrics"}
    return {
        "job_name": f"serviceMonitor/{NAMESPACE}/{name}/0",
        "honor_labels": endpoint["honorLabels"],
        "static_configs": [{"targets": [target], "labels": {**labels, "cluster": "kubernetes", "job": "s"}}],
        "relabel_configs": [
            {words.get(key, key): value for key, value in rule.items()} for rule in endpoint["relabelings"]
        ],
    }


@pytest.mark.prometheus
def test_what_prometheus_stores(tmp_path: Path) -> None:
    """Series have the rules' job, the release's name or that of one of several pods, and all labels of their own."""
    with exporter("demo", "--poll.interval=1s") as (_, address):
        jobs = [scraped(name, address.removeprefix("http://")) for name in ("operator", "everything")]
        configuration = yaml.safe_dump({"global": {"scrape_interval": "1s"}, "scrape_configs": jobs})
        with prometheus(configuration, tmp_path) as (process, own):

            def series(metric: str) -> list[dict[str, str]]:
                answer = requests.get(f"{own}/api/v1/query", {"query": metric}, timeout=5).json()
                return [each["metric"] for each in answer["data"]["result"]]

            end = time.monotonic() + 30
            while len(series("group by (instance) (burrow_kafka_consumer_status)")) < len(jobs):
                assert time.monotonic() < end, process.lines
                time.sleep(0.2)
            up, groups = series("up"), series("burrow_kafka_consumer_status")
            requested = series("burrow_exporter_requests_total")
    target = {"job": "burrow", "namespace": NAMESPACE}
    instances = ["pod-1", f"{RELEASE}-burrow-exporter"]
    expected = [{"__name__": "up", "cluster": "kubernetes", "instance": each, **target} for each in instances]
    assert sorted(expected, key=str) == sorted(up, key=str)
    names = {"__name__", "cluster", "consumer_group", "instance", *target}
    assert [] == [each for each in groups if each.keys() != names or "kubernetes" == each["cluster"]]
    assert {"clusters", "config", "consumers", "lag", "ready", "topic", "topics"} == {
        each["endpoint"] for each in requested
    }


def test_the_pages_name_the_files() -> None:
    """docs/kubernetes.md says which of the stack's rules the chart has."""
    page = (ROOT / "docs" / "kubernetes.md").read_text(encoding="utf-8")
    for name in NAMES:
        assert f"`{name}`" in page


def test_rules_can_be_left_out_labelled_and_added() -> None:
    """What is disabled is gone and nothing else; every alert has the labels, no record has; own groups are there."""
    values = """
prometheusRule:
  disabled: [BurrowForgetsGroups, "cluster:burrow_kafka_consumer_status:not_ok_ratio"]
  alertLabels: {tenant: "a: b", severity: info}
  extraRules: [{name: mine, rules: [{record: "a:b:c", expr: "1"}]}]
"""
    found = rules("operator", values)
    assert {"groups": [{"name": "mine", "rules": [{"record": "a:b:c", "expr": "1"}]}]} == found.pop("extra")
    for name in NAMES:
        (group,) = found[name]["groups"]
        expected = []
        for rule in yaml.safe_load(source(name))["groups"][0]["rules"]:
            own = {"tenant": "a: b", "severity": "info"} if "alert" in rule else {}
            labels = {"labels": {**rule.get("labels", {}), **own}} if own else {}
            expected.append({**rule, **labels})
        gone = {"BurrowForgetsGroups", "cluster:burrow_kafka_consumer_status:not_ok_ratio"}
        assert [rule for rule in expected if not {rule.get("alert"), rule.get("record")} & gone] == group["rules"]


def test_the_policy_is_in_the_configuration(tmp_path: Path) -> None:
    """As the exporter reads it; without one the configuration is what it was."""
    policy = "policy: {groups: [{match: 'nightly-.+', team: data, alerts: off}], clusters: [{match: dev, idle: ok}]}"
    (config,) = (yaml.safe_load(each["data"]["config.yaml"]) for each in configs("operator", policy))
    assert {"match": "nightly-.+", "team": "data", "alerts": False} == config["policy"]["groups"][0]
    path = tmp_path / "config.yaml"
    path.write_text(yaml.safe_dump(config), encoding="utf-8")
    entry = read_document(Config, load_document(path), tmp_path).policy.of_group("default", "c", "nightly-load")
    assert entry
    assert ("data", ("off",)) == (entry.team, entry.muted(0))
    (plain,) = (yaml.safe_load(each["data"]["config.yaml"]) for each in configs("operator"))
    assert "policy" not in plain


def configs(name: str, values: str = "") -> list[dict[str, Any]]:
    """Return the ConfigMaps that hold the exporter's configuration."""
    return [each for each in objects("ConfigMap", name, values) if "config.yaml" in each["data"]]
