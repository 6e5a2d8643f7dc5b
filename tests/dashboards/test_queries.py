"""Every query of the dashboards, run by a real Prometheus that scrapes the exporter and its neighbours."""

from __future__ import annotations

import re
import time
from collections.abc import Iterator
from contextlib import ExitStack
from typing import Any

import pytest
import requests

from tests.conftest import tool
from tests.support.dashboards import DASHBOARDS, Query, label_values, markers, offenders, queries, variables
from tests.support.policies import policy_file
from tests.support.processes import exporter, prometheus, running
from tests.support.replay import replay

pytestmark = pytest.mark.prometheus

CONFIGURATION = """
global:
  scrape_interval: 1s
  evaluation_interval: 1s
rule_files: [rules.yaml]
scrape_configs:
  - job_name: burrow
    static_configs: [{{targets: ["{exporter}"]}}]
  - job_name: prometheus
    static_configs: [{{targets: ["{own}"]}}]
  - job_name: node
    static_configs: [{{targets: ["{node}"], labels: {{cluster: eu-west}}}}]
  - job_name: jmx
    metrics_path: /jmx
    static_configs: [{{targets: ["{replay}"], labels: {{cluster: eu-west}}}}]
  - job_name: thanos
    static_configs:
      - {{targets: ["{replay}"], labels: {{__metrics_path__: /thanos-sidecar, instance: sidecar}}}}
      - {{targets: ["{replay}"], labels: {{__metrics_path__: /thanos-store, instance: store}}}}
      - {{targets: ["{replay}"], labels: {{__metrics_path__: /thanos-compact, instance: compact}}}}
      - {{targets: ["{replay}"], labels: {{__metrics_path__: /thanos-query, instance: query}}}}
"""
RULES = """
groups:
  - name: alerts
    rules:
      - {alert: GroupInError, expr: burrow_kafka_consumer_status == 3, labels: {severity: critical}}
      - {alert: BrokerSeen, expr: 'up{job="node"}', labels: {severity: warning}}
      - {alert: ScrapeSeen, expr: 'up{job="burrow"}'}
"""
SCRAPES = 12
CHOSEN = {"cluster": "eu-west", "consumer_group": "invoice-printer", "topic": "orders.placed.v1", "filter": ""}
"""What is chosen where a dashboard lets one choose one; what lets one choose several has all."""
GRAFANAS = {"$__rate_interval": "8s", "$__range": "30s"}
EMPTY = {
    "burrow-brokers / Brokers / B": "all brokers are Standard",
    "burrow-monitoring / Failed requests by reason / A": "no request fails; a reason is counted once there is one",
    "burrow-monitoring / Faults / A": "no evaluation of a rule fails",
    "burrow-monitoring / Failures / B": "no operation on the object store fails",
    "burrow-topics / Hot partitions of the cluster / A": "the demo spreads its messages evenly",
    "burrow-topics / Hot partitions of the cluster / B": "the demo spreads its messages evenly",
    "burrow-overview / Newly broken / A": "no group turned bad within the seconds that the test takes",
    "burrow-overview / Newly broken / B": "no group turned bad within the seconds that the test takes",
    "burrow-overview / Newly broken / C": "no group turned bad within the seconds that the test takes",
    "burrow-group / Status of each topic partition / B": "partitions are published",
    "burrow-group / Status of the group / B": "the policy mutes other groups",
    "burrow-group / Messages lost / B": "no message is lost",
    "burrow-group / Time to loss / A": "the test's Prometheus records nothing",
    "burrow-group / Lag beside MSK's own / A": "the broker is not MSK's",
    "burrow-group / Lag beside MSK's own / B": "the broker is not MSK's",
    "burrow-group / What would help / A": "the test's Prometheus records nothing",
    "burrow-group / Members wanted / A": "the test's Prometheus records nothing",
    "burrow-group / Members wanted / B": "the test's Prometheus records nothing",
    "burrow-overview / Groups that are not OK / J": "the test's Prometheus records nothing",
}
"""What may have no data on a system as the test runs it, and why."""
QUERIES = list(queries())
ALL = {uid: {each["name"]: [each["allValue"]] for each in variables(uid) if each.get("allValue")} for uid in DASHBOARDS}
"""What Grafana puts in for some variables where all is chosen."""


class Asked:
    """A Prometheus at ``address``."""

    def __init__(self, address: str) -> None:
        self.address = address

    def get(self, path: str, **parameters: str | list[str]) -> Any:
        """Return the data of an answer, which must be a good one without a warning."""
        answer = requests.post(f"{self.address}/api/v1/{path}", parameters, timeout=10).json()
        assert "success" == answer["status"], answer
        # Prometheus 2.53 has infos among them, such as that the name of a counter is not one of a counter.
        assert [] == [each for each in answer.get("warnings", []) if not each.startswith("PromQL info")]
        return answer["data"]

    def samples(self, query: Query, chosen: dict[str, list[str]]) -> list[dict[str, Any]]:
        """Return the series of a query, asked as its panel does, with variables set."""
        expression, now = filled(query.expression, chosen), time.time()
        if query.target["instant"]:
            return list(self.get("query", query=expression, time=f"{now}")["result"])
        span = {"start": f"{now - 30}", "end": f"{now}", "step": "5"}
        return list(self.get("query_range", query=expression, **span)["result"])

    def values(self, selector: str, label: str) -> list[str]:
        """Return the values of a label, as a variable gets them."""
        parameters = {"match[]": selector, "start": f"{time.time() - 30}", "end": f"{time.time()}"}
        answer = requests.get(f"{self.address}/api/v1/label/{label}/values", parameters, timeout=10).json()
        return list(answer["data"])

    def choose(self, uid: str) -> dict[str, list[str]]:
        """Return values of a dashboard's variables, found one after the other: each may depend on those before."""
        chosen = {variable["name"]: [CHOSEN[variable["name"]]] for variable in variables(uid, "textbox")}
        for variable in variables(uid):
            selector, label = label_values(variable)
            found = self.values(filled(selector, chosen), label)
            if variable.get("regex"):
                found = [re.sub(variable["regex"].strip("/"), r"\1", value) for value in found]
            assert found, variable["name"]
            chosen[variable["name"]] = found if variable["multi"] else [CHOSEN[variable["name"]]]
            assert set(chosen[variable["name"]]) <= set(found)
        return chosen


def filled(text: str, chosen: dict[str, list[str]]) -> str:
    """Return an expression with its variables replaced as Grafana does."""
    for name, value in GRAFANAS.items():
        text = text.replace(name, value)
    for name, values in chosen.items():
        several = len(values) > 1
        text = text.replace(
            f"${name}", f"({'|'.join(map(re.escape, values))})".replace("\\", "\\\\") if several else values[0]
        )
    return text


@pytest.fixture(scope="module")
def asked(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Asked]:
    """Let a Prometheus scrape the demo, a node exporter, recorded brokers and Thanos, and itself, for some seconds."""
    with ExitStack() as stack:
        folder = tmp_path_factory.mktemp("prometheus")
        (folder / "rules.yaml").write_text(RULES, encoding="utf-8")
        flags = ("--poll.interval=1s", "--metrics.partition-info", f"--policy.file={policy_file(folder)}")
        _, address = stack.enter_context(exporter("demo", *flags))
        recorded = stack.enter_context(replay())
        command = (tool("prometheus-node-exporter"), "--web.listen-address=127.0.0.1:0")
        node = stack.enter_context(running(command=command)).wait_for(r'(?i)listening on"? address="?([\d.:]+)')
        addresses = {"exporter": address.removeprefix("http://"), "node": node, "replay": recorded}
        process, own = stack.enter_context(prometheus(CONFIGURATION, folder, **addresses))
        result, end = Asked(own), time.monotonic() + 40
        while True:
            counts = result.get("query", query="count_over_time(up[1m])")["result"]
            if len(counts) == 8 and all(float(count["value"][1]) >= SCRAPES for count in counts):
                break
            assert time.monotonic() < end, (counts, process.lines)
            time.sleep(0.5)
        down = result.get("query", query="up == 0")["result"]
        assert [] == down, down
        yield result


@pytest.fixture(scope="module")
def chosen(asked: Asked) -> dict[str, dict[str, list[str]]]:
    """Return values of every dashboard's variables."""
    return {uid: asked.choose(uid) for uid in DASHBOARDS}


def test_choices(chosen: dict[str, dict[str, list[str]]]) -> None:
    """Variables offer what there is: the clusters, the topics of the group, the brokers without their ports."""
    assert ["eu-west", "us-east"] == chosen["burrow-overview"]["cluster"]
    assert ["orders.placed.v1"] == chosen["burrow-group"]["topic"]
    assert {"127.0.0.1"} == set(chosen["burrow-brokers"]["broker"])
    assert {"jmx", "node"} == set(chosen["burrow-brokers"]["job"])
    assert {"burrow", "prometheus", "thanos"} == set(chosen["burrow-monitoring"]["job"])


def test_queries(asked: Asked, chosen: dict[str, dict[str, list[str]]]) -> None:
    """A query has data, unless it may be without; its series bear the labels that are shown, and no two the same."""

    def rule(query: Query) -> None:
        found = asked.samples(query, {**chosen[query.dashboard], **ALL[query.dashboard]})
        assert found or query.name in EMPTY
        labels = [sample["metric"] for sample in found]
        if query.panel["type"] == "table":
            assert all(set(each) <= query.labels for each in labels), labels
        else:
            assert all(query.labels <= set(each) for each in labels), labels
        shown = [tuple(each.get(label) for label in sorted(query.labels)) for each in labels]
        assert len(shown) == len(set(shown))

    assert [] == offenders(rule, [(query.name, (query,)) for query in QUERIES])


def test_annotations(asked: Asked, chosen: dict[str, dict[str, list[str]]]) -> None:
    """An annotation of alerts has data where one fires; that of owner changes is a query that Prometheus accepts."""
    found = {}
    for uid in DASHBOARDS:
        for each in markers(uid):
            values = {**chosen[uid], **ALL[uid], "consumer_group": [CHOSEN["consumer_group"]]}
            found[uid, each["name"]] = asked.get("query", query=filled(each["expr"], values))["result"]
    alerts = {(uid, sample["metric"]["alertname"]) for (uid, name), all_of_it in found.items() for sample in all_of_it}
    assert {
        ("burrow-overview", "GroupInError"),
        ("burrow-group", "GroupInError"),
        ("burrow-brokers", "BrokerSeen"),
    } == alerts
    assert ("burrow-group", "Owner changes") in found


def test_what_may_be_empty() -> None:
    """Only queries that exist are excused."""
    assert set(EMPTY) <= {query.name for query in QUERIES}
