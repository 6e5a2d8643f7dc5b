"""Two real Prometheus and a real Alertmanager, as rendered for the stack, on the exporter and the demo Burrow."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import requests
import yaml

from burrow_exporter.metrics.families import FAMILIES
from compose.renderer.clusters import Cluster
from compose.renderer.render import render
from compose.renderer.settings import Settings
from tests.conftest import tool
from tests.support.policies import policy_file
from tests.support.processes import exporter, lasting_port, prometheus_on, running

pytestmark = pytest.mark.prometheus

CLUSTERS = {"eu-west", "us-east"}
"""The demo Burrow's, as if they were one's own."""
STALLED = {"alertname": "ConsumerGroupError", "consumer_group": "invoice-printer"}
FILTERS = [f'{name}="{value}"' for name, value in STALLED.items()]
SECONDS = 60.0


@dataclass
class Chain:
    """The addresses of both Prometheus and of Alertmanager."""

    prometheus: list[str]
    alertmanager: str

    def ask(self, address: str, path: str, **parameters: str | list[str]) -> Any:
        """Return what an API answers."""
        answer = requests.get(f"{address}/api/{path}", parameters, timeout=5)
        answer.raise_for_status()
        return answer.json()

    def series(self, address: str) -> set[tuple[tuple[str, str], ...]]:
        """Return the labels of all series of the exporter that are up to date, as Prometheus itself has them."""
        samples = self.ask(address, "v1/query", query='{__name__=~"burrow_.+"}')["data"]["result"]
        return {tuple(sorted(sample["metric"].items())) for sample in samples}

    def firing(self, address: str) -> list[dict[str, Any]]:
        """Return the alerts that fire on a Prometheus."""
        alerts = self.ask(address, "v1/alerts")["data"]["alerts"]
        return [alert for alert in alerts if alert["state"] == "firing"]


def eventually(seen: Callable[[], object]) -> None:
    """Wait until ``seen`` is true."""
    end = time.monotonic() + SECONDS
    while not seen():
        assert time.monotonic() < end, seen()
        time.sleep(0.5)


@contextmanager
def alertmanager(folder: Path) -> Iterator[str]:
    """Run an Alertmanager on the rendered configuration; give its address."""
    address = f"127.0.0.1:{lasting_port()}"
    flags = ("--config.file=alertmanager.yml", "--storage.path=data", "--cluster.listen-address=")
    command = (tool("prometheus-alertmanager"), *flags, f"--web.listen-address={address}")
    with running(command=command, folder=folder) as run:
        run.wait_for("Listening on")
        yield f"http://{address}"


@contextmanager
def replica(name: str, folder: Path) -> Iterator[str]:
    """Run a Prometheus on the rendered configuration; give its address."""
    address = f"127.0.0.1:{lasting_port()}"
    with prometheus_on(folder, f"prometheus-{name}.yml", f"data-{name}", address):
        yield f"http://{address}"


@pytest.fixture(scope="module")
def chain(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Chain]:
    """Run it all for two clusters, with nothing changed but targets, interval, links and the alerts' ``for``."""
    folder = tmp_path_factory.mktemp("generated")
    links: dict[str, Any] = {
        "grafana_url": "https://grafana.example.org",
        "runbook_url": "https://wiki.example.org/burrow",
    }
    own = tuple(Cluster(name, ("127.0.0.1:9092",), jmx_port="1", node_port="2") for name in CLUSTERS)
    render(Settings(own, scrape_interval="1s", alert_for="3s", **links), folder, folder / "none")
    with ExitStack() as stack:
        flags = (
            "--poll.interval=1s",
            "--metrics.partition-info",
            "--metrics.topic-families",
            f"--policy.file={policy_file(folder)}",
        )
        _, address = stack.enter_context(exporter("demo", *flags))
        targets = folder / "prometheus" / "targets" / "burrow.yaml"
        targets.write_text(targets.read_text().replace("burrow-exporter:9254", address.removeprefix("http://")))
        manager = stack.enter_context(alertmanager(folder / "alertmanager"))
        there = yaml.safe_dump([{"targets": [manager.removeprefix("http://")]}])
        (folder / "prometheus" / "alertmanagers.yaml").write_text(there)
        servers = [stack.enter_context(replica(name, folder / "prometheus")) for name in "ab"]
        yield Chain(servers, manager)


def test_series_are_the_same_on_both(chain: Chain) -> None:
    """Both have the same series of the exporter, under the same job and instance."""
    names = {family.name for family in FAMILIES}

    def same() -> bool:
        first, second = (chain.series(address) for address in chain.prometheus)
        return first == second and names <= {dict(labels)["__name__"] for labels in first}

    eventually(same)
    series = chain.series(chain.prometheus[0])
    assert {"burrow-exporter"} == {dict(labels)["instance"] for labels in series}
    assert CLUSTERS <= {dict(labels).get("cluster", "") for labels in series}


def test_clusters_of_brokers(chain: Chain) -> None:
    """Targets on brokers bear the cluster; the exporter's own label is neither renamed nor set by its target."""
    address = chain.prometheus[0]
    brokers = {("jmx", name, "127.0.0.1:1") for name in CLUSTERS} | {("node", name, "127.0.0.1:2") for name in CLUSTERS}
    expected = brokers | {("burrow", None, "burrow-exporter")}

    def scraped() -> set[tuple[str, str | None, str]]:
        told = chain.ask(address, "v1/query", query='up{job=~"jmx|node|burrow"}')["data"]["result"]
        return {(each["metric"]["job"], each["metric"].get("cluster"), each["metric"]["instance"]) for each in told}

    # Each target has a moment of its own in the interval: all of them are waited for.
    eventually(lambda: len(scraped()) >= len(expected))
    assert expected == scraped()
    assert [] == chain.ask(address, "v1/query", query='{exported_cluster!=""}')["data"]["result"]


def test_external_labels(chain: Chain) -> None:
    """They tell the stack and the replica, and so nothing but the replica differs."""
    found = [chain.ask(each, "v1/status/config")["data"]["yaml"] for each in chain.prometheus]
    expected = [{"monitor": "burrow", "replica": name} for name in "ab"]
    assert expected == [yaml.safe_load(text)["global"]["external_labels"] for text in found]


def test_the_alert_of_a_group_in_error_arrives_once(chain: Chain) -> None:
    """Both Prometheus fire it and have told Alertmanager, which has it once, without a replica, and with the links."""

    def sent(address: str) -> bool:
        fired = any(STALLED.items() <= alert["labels"].items() for alert in chain.firing(address))
        query = "prometheus_notifications_sent_total"
        page = requests.get(f"{address}/metrics", timeout=5).text
        counts = [float(line.rpartition(" ")[2]) for line in page.splitlines() if line.startswith(query)]
        return fired and sum(counts) > 0

    eventually(lambda: all(sent(address) for address in chain.prometheus))
    eventually(lambda: chain.ask(chain.alertmanager, "v2/alerts", filter=FILTERS))
    (alert,) = chain.ask(chain.alertmanager, "v2/alerts", filter=FILTERS)
    expected = {
        **STALLED,
        "severity": "critical",
        "team": "billing",
        "cluster": "eu-west",
        "monitor": "burrow",
    }
    assert expected == alert["labels"]
    assert "Consumer group invoice-printer on eu-west is in error" == alert["annotations"]["summary"]
    assert "https://wiki.example.org/invoices" == alert["annotations"]["runbook_url"]
    group = "var-cluster=eu-west&var-consumer_group=invoice-printer"
    assert f"https://grafana.example.org/d/burrow-group?{group}" == alert["annotations"]["dashboard_url"]


def test_a_group_in_error_is_one_message(chain: Chain) -> None:
    """Alertmanager keeps back what its partitions say and that it is late, and nothing of other groups."""

    def kept_back() -> set[tuple[str, str]]:
        alerts = chain.ask(chain.alertmanager, "v2/alerts", active="false", silenced="false", inhibited="true")
        return {(each["labels"]["alertname"], each["labels"]["consumer_group"]) for each in alerts}

    def partitions_of(group: str) -> set[str]:
        alerts = chain.firing(chain.prometheus[0])
        names = {each["labels"]["alertname"] for each in alerts if each["labels"].get("consumer_group") == group}
        return {name for name in names if name.startswith("ConsumerPartition")}

    eventually(lambda: partitions_of(STALLED["consumer_group"]))
    eventually(lambda: ("ConsumerPartitionStalled", STALLED["consumer_group"]) in kept_back())
    in_error = {
        each["labels"]["consumer_group"]
        for each in chain.ask(chain.alertmanager, "v2/alerts", filter='alertname="ConsumerGroupError"')
    }
    kinds = {
        "ConsumerPartitionStalled",
        "ConsumerPartitionStopped",
        "ConsumerPartitionRewound",
        "ConsumerGroupLagTooOld",
    }
    assert [] == [each for each in kept_back() if each[0] not in kinds or each[1] not in in_error]


def test_what_is_not_there_is_told(chain: Chain) -> None:
    """The stack's other targets are not there, and the alert of a replica that is down says so of each."""
    expected = {"prometheus-a:9090", "prometheus-b:9090"}

    def down(address: str) -> set[str]:
        fired = [alert["labels"] for alert in chain.firing(address)]
        return {labels["instance"] for labels in fired if labels["alertname"] == "PrometheusReplicaDown"}

    eventually(lambda: expected == down(chain.prometheus[0]) == down(chain.prometheus[1]))
