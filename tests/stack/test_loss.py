"""The rules of loss.yaml on JMX text as MSK's brokers write it, filtered as the stack filters it."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import ExitStack
from typing import Any

import pytest
import requests
import yaml

from compose.renderer.clusters import Cluster
from compose.renderer.render import render
from compose.renderer.settings import Settings
from tests.support.processes import prometheus
from tests.support.replay import replay

pytestmark = pytest.mark.prometheus

KEPT = "kafka_consumer_group_ConsumerLagMetrics_Value"
OFFSETS = "partition:burrow_kafka_consumer_partition"
STARTS = "partition:kafka_log_Log_Value:log_start_offset"
BOTH = {("orders", "billing", "0"), ("orders", "billing", "1")}
"""The partitions of the group."""


@pytest.fixture(scope="module")
def address(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Run a Prometheus with the stack's rules and job for two brokers, one of which no cluster is named for."""
    folder = tmp_path_factory.mktemp("loss")
    cluster = Cluster("orders", ("b-1:9098",), jmx_port="11001")
    render(Settings(clusters=(cluster,)), folder, folder / "none")
    stacks = yaml.safe_load((folder / "prometheus" / "prometheus-a.yml").read_text(encoding="utf-8"))
    (jmx,) = [job for job in stacks["scrape_configs"] if "jmx" == job["job_name"]]
    (targets,) = yaml.safe_load((folder / "prometheus" / "targets" / "jmx.yaml").read_text(encoding="utf-8"))
    assert {"targets": ["b-1:11001"], "labels": {"cluster": "orders"}} == targets
    rules = folder / "prometheus" / "rules" / "loss.yaml"
    rules.write_text(rules.read_text(encoding="utf-8").replace("interval: 1m", "interval: 1s"), encoding="utf-8")
    with ExitStack() as stack:
        served = stack.enter_context(replay())
        configuration = {
            "global": {"scrape_interval": "1s", "evaluation_interval": "1s"},
            "rule_files": [str(rules), str(rules.with_name("recording.yaml"))],
            "scrape_configs": [
                {
                    "job_name": "jmx",
                    "metrics_path": "/msk",
                    "metric_relabel_configs": jmx["metric_relabel_configs"],
                    "static_configs": [
                        {"targets": [served], "labels": {**targets["labels"], "instance": "b-1:11001"}},
                        {"targets": [served], "labels": {"instance": "another:11001"}},
                    ],
                },
                {
                    "job_name": "burrow",
                    "metrics_path": "/msk-groups",
                    "static_configs": [{"targets": [served]}],
                },
            ],
        }
        _, own = stack.enter_context(prometheus(yaml.safe_dump(configuration), folder))
        end = time.monotonic() + 40
        while set(ask(own, f"{OFFSETS}:retention_used_ratio")) != BOTH or 4 > len(ask(own, STARTS)):
            assert time.monotonic() < end
            time.sleep(0.5)
        yield own


def ask(address: str, query: str) -> dict[tuple[str, ...], float]:
    """Return the values of a query by cluster, group and partition, as far as they have them."""
    data: Any = requests.get(f"{address}/api/v1/query", {"query": query}, timeout=10).json()["data"]
    labels = ("cluster", "consumer_group", "partition")
    return {
        tuple(one["metric"][label] for label in labels if label in one["metric"]): float(one["value"][1])
        for one in data["result"]
    }


def test_what_is_lost_and_what_is_used(address: str) -> None:
    """A group below the log start has lost messages, one above has used part of the retention."""
    assert {("orders", "billing", "0"): 3000} == ask(address, f"{OFFSETS}:lost_messages")
    used = {("orders", "billing", "0"): 1.0, ("orders", "billing", "1"): 3000 / 8000}
    assert pytest.approx(used) == ask(address, f"{OFFSETS}:retention_used_ratio")


def test_a_broker_without_a_cluster_counts_for_none(address: str) -> None:
    """Its log starts are recorded without a cluster, and no group is compared with them."""
    starts = ask(address, STARTS)
    assert {("orders", "0"): 5000, ("orders", "1"): 1000, ("0",): 5000, ("1",): 1000} == starts
    assert BOTH == set(ask(address, "partition:burrow_kafka_consumer_current_offset:above_log_start"))


def test_what_is_kept_of_a_broker(address: str) -> None:
    """Log starts, and MSK's own lag by topic; what it has of each partition besides, and all else, is left out."""
    names = requests.get(f"{address}/api/v1/label/__name__/values", {"match[]": '{job="jmx"}'}, timeout=10).json()
    kept = {name for name in names["data"] if name.startswith(("kafka_", "jmx_"))}
    assert {KEPT, "kafka_log_Log_Value", "kafka_server_ReplicaManager_Value"} == kept
    for name, value in {"SumOffsetLag": 10000, "MaxOffsetLag": 7000, "EstimatedMaxTimeLag": 42}.items():
        query = f'{KEPT}{{cluster="orders", groupId="billing", topic="orders", name="{name}"}}'
        assert {("orders",): value} == ask(address, query)
    assert {} == ask(address, KEPT + '{name=~"OffsetLag|EstimatedTimeLag"}')
    assert {} == ask(address, 'kafka_log_Log_Value{name!="LogStartOffset"}')
