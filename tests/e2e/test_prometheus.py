"""A real Prometheus scrapes the demo."""

from __future__ import annotations

import re
import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pytest
import requests

from burrow_exporter.metrics.families import FAMILIES
from tests.support.processes import Running, exporter, prometheus

pytestmark = pytest.mark.prometheus

CONFIGURATION = """
global:
  scrape_interval: 1s
scrape_configs:
  - job_name: burrow
    static_configs:
      - targets: ["{target}"]
"""
SECONDS = 5


@dataclass
class Scraping:
    """A Prometheus at ``address`` that scrapes an exporter, which polls a simulated ``burrow``."""

    address: str
    burrow: str
    process: Running

    def query(self, expression: str) -> list[dict[str, Any]]:
        """Return the result of an instant query."""
        answer = requests.get(f"{self.address}/api/v1/query", {"query": expression}, timeout=5).json()
        assert "success" == answer["status"], answer
        return list(answer["data"]["result"])

    def number(self, expression: str) -> float:
        """Return the value of a query that has one sample, 0 where it has none."""
        return float(next((sample["value"][1] for sample in self.query(expression)), 0))

    def targets(self) -> list[dict[str, Any]]:
        """Return what is scraped, and how it went."""
        return list(requests.get(f"{self.address}/api/v1/targets", timeout=5).json()["data"]["activeTargets"])

    def names(self, path: str, field: str) -> list[str]:
        """Return a list of the simulated Burrow's."""
        return list(requests.get(f"{self.burrow}{path}", timeout=5).json()[field])


@pytest.fixture(scope="module")
def scraping(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Scraping]:
    """Let a Prometheus scrape the demo for some seconds."""
    with exporter("demo", "--poll.interval=1s", "--metrics.partition-info") as (demo, address):
        while requests.get(f"{address}/-/ready", timeout=5).status_code != 200:
            time.sleep(0.05)
        configuration = CONFIGURATION.format(target=address.removeprefix("http://"))
        with prometheus(configuration, tmp_path_factory.mktemp("prometheus")) as (process, own):
            burrow = demo.wait_for(r"Simulated Burrow listening on (\S+)")
            result = Scraping(own, burrow, process)
            end = time.monotonic() + 30
            while result.number("count_over_time(up[1m])") < SECONDS:
                assert time.monotonic() < end, process.lines
                time.sleep(0.2)
            yield result


def test_target(scraping: Scraping) -> None:
    """The target is up and was at every scrape."""
    (target,) = scraping.targets()
    assert ("up", "") == (target["health"], target["lastError"])
    assert 1 == scraping.number("min_over_time(up[1m])")


def test_every_sample_is_taken(scraping: Scraping) -> None:
    """Of every scrape each sample is kept: none is a duplicate, out of order or dropped."""
    assert 500 < scraping.number("scrape_samples_scraped")
    assert 0 == scraping.number("max(abs(scrape_samples_scraped - scrape_samples_post_metric_relabeling))")
    published = scraping.number("burrow_exporter_series")
    kafka = scraping.number('count({__name__=~"burrow_kafka_.+"})')
    assert 0 < published == pytest.approx(kafka, rel=0.1)  # a partition may come or go between scrape and query
    assert 1 == scraping.number('count(count by (instance) ({__name__=~"burrow_.+"}))')


def test_log(scraping: Scraping) -> None:
    """Prometheus has nothing to say: no warning, no error, nothing about duplicates or failed appends."""
    bad = re.compile(r"(?i)level=(warn|error)|duplicate|out.of.order|append failed|scrape failed|error on ingesting")
    assert [] == [line for line in scraping.process.lines if bad.search(line)]


def test_groups(scraping: Scraping) -> None:
    """A status comes of every group that Burrow lists and knows, Burrow's own excepted, and is one of the codes."""
    clusters = scraping.names("/v3/kafka", "clusters")
    listed = {
        (cluster, group)
        for cluster in clusters
        for group in scraping.names(f"/v3/kafka/{cluster}/consumer", "consumers")
        if requests.get(f"{scraping.burrow}/v3/kafka/{cluster}/consumer/{group}/lag", timeout=5).status_code == 200
        and not group.startswith("burrow-")
    }
    samples = scraping.query("burrow_kafka_consumer_status")
    found = {(sample["metric"]["cluster"], sample["metric"]["consumer_group"]) for sample in samples}
    assert listed == found
    assert len(found) == len(samples) >= 19
    assert {"1", "2", "3"} >= {sample["value"][1] for sample in samples}


@pytest.mark.parametrize("family", ["burrow_kafka_consumer_partition_lag", "burrow_kafka_topic_partition_status"])
def test_partitions(scraping: Scraping, family: str) -> None:
    """The partitions that have a commit come with their labels, as Burrow has them."""
    path = "/v3/kafka/eu-west/consumer/checkout-payments/lag"
    told = requests.get(f"{scraping.burrow}{path}", timeout=5).json()["status"]["partitions"]
    expected = {(part["topic"], str(part["partition"])) for part in told if part["end"]}
    samples = scraping.query(f'{family}{{cluster="eu-west",consumer_group="checkout-payments"}}')
    assert expected == {(sample["metric"]["topic"], sample["metric"]["partition"]) for sample in samples}
    assert expected
    labels = {"__name__", "cluster", "consumer_group", "topic", "partition", "instance", "job"}
    assert [labels] * len(samples) == [set(sample["metric"]) for sample in samples]


def test_lag_is_burrows(scraping: Scraping) -> None:
    """A lag in Prometheus is one that Burrow has said, up to the time between poll and query."""
    sums, totals = (
        {sample["metric"]["consumer_group"]: float(sample["value"][1]) for sample in scraping.query(query)}
        for query in (
            'sum by (consumer_group) (burrow_kafka_consumer_partition_lag{cluster="eu-west"})',
            'burrow_kafka_consumer_lag_total{cluster="eu-west"}',
        )
    )
    assert totals == sums
    assert "checkout-payments" in sums


def test_metadata(scraping: Scraping) -> None:
    """Type and help of every family have arrived."""
    metadata = requests.get(f"{scraping.address}/api/v1/metadata", timeout=5).json()["data"]
    families = {name: told for name, told in metadata.items() if name.startswith("burrow_kafka_")}
    assert 12 <= len(families)
    kinds = {family.name: family.kind for family in FAMILIES}
    # A counter goes by the name that its format describes it by.
    kinds |= {name.removesuffix("_total"): kind for name, kind in kinds.items() if kind == "counter"}
    assert {name: {kinds[name]} for name in families} == {
        name: {each["type"] for each in told} for name, told in families.items()
    }
    assert all(each["help"] for told in families.values() for each in told)
