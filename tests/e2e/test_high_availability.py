"""Two Prometheus, each with its own exporter on the same Burrow: Thanos can deduplicate them."""

from __future__ import annotations

import re
import time
from collections import defaultdict
from collections.abc import Iterator
from contextlib import ExitStack

import pytest
import requests
import yaml
from prometheus_client.parser import text_string_to_metric_families

from burrow_exporter.demo import SimulatedBurrow
from burrow_exporter.metrics.families import FAMILIES, OPTIONAL_FAMILIES
from burrow_exporter.metrics.self_metrics import SelfMetrics
from tests import ROOT
from tests.support.policies import policy_file
from tests.support.processes import Running, exporter, prometheus

pytestmark = pytest.mark.prometheus

DOCUMENT = (ROOT / "docs" / "high-availability.md").read_text(encoding="utf-8")
CONFIGURATIONS = re.findall(r"^```yaml\n(.*?)^```$", DOCUMENT, re.MULTILINE | re.DOTALL)
EXTERNAL = [yaml.safe_load(configuration)["global"]["external_labels"] for configuration in CONFIGURATIONS]
EXPECTED = {
    "up",
    "burrow_exporter_polls_total",
    *(family.name for family in FAMILIES if family not in OPTIONAL_FAMILIES),
}
Labels = frozenset[tuple[str, str]]


class Replica:
    """A Prometheus at ``address``; its external labels are ``external``."""

    def __init__(self, process: Running, address: str, external: dict[str, str]) -> None:
        self.process = process
        self.address = address
        self.external = external

    def series(self) -> list[tuple[str, Labels]]:
        """Return name and labels of all its present series, external ones included as others are given them."""
        answer = requests.get(f"{self.address}/federate", {"match[]": '{__name__=~".+"}'}, timeout=10)
        families = text_string_to_metric_families(answer.text)
        return [(sample.name, frozenset(sample.labels.items())) for family in families for sample in family.samples]

    def deduplicated(self) -> dict[str, frozenset[Labels]]:
        """Return labels by name, without what tells the servers apart; each series must bear that."""
        own, found = set(self.external.items()), defaultdict(set)
        for name, labels in self.series():
            assert labels > own, (name, labels)
            found[name].add(labels - own)
        return {name: frozenset(labels) for name, labels in found.items()}


@pytest.fixture(scope="module")
def replicas(tmp_path_factory: pytest.TempPathFactory) -> Iterator[list[Replica]]:
    """Run two Prometheus with the configurations of the document, but for addresses and the interval."""
    with SimulatedBurrow() as burrow, ExitStack() as stack:
        found = []
        for name, configuration, external in zip("ab", CONFIGURATIONS, EXTERNAL, strict=True):
            folder = tmp_path_factory.mktemp(name)
            flags = (
                "--burrow.address",
                burrow.address,
                "--poll.interval=1s",
                "--policy.file",
                str(policy_file(folder)),
            )
            _, address = stack.enter_context(exporter(*flags))
            changed = configuration.replace(f"exporter-{name}:9254", address.removeprefix("http://"))
            changed = changed.replace("scrape_interval: 15s", "scrape_interval: 1s")
            found.append(Replica(*stack.enter_context(prometheus(changed, folder)), external))
        yield found


def test_series_differ_in_nothing_but_the_replica(replicas: list[Replica]) -> None:
    """Both servers have the same series, as soon as a partition that comes or goes has done so on both."""
    end = time.monotonic() + 40
    while True:
        first, second = (each.deduplicated() for each in replicas)
        if first == second and first.keys() >= EXPECTED:
            break
        assert time.monotonic() < end, (EXPECTED - first.keys(), first.items() ^ second.items())
        time.sleep(0.3)
    assert 900 < sum(map(len, first.values()))
    assert {"burrow-exporter"} == {dict(labels)["instance"] for group in first.values() for labels in group}
    assert [] == [line for each in replicas for line in each.process.lines if re.search("level=(warn|error)", line)]


def test_the_configurations_differ_in_two_lines() -> None:
    """The document says so: in the replica's name and in the address of its exporter."""
    first, second = (configuration.splitlines() for configuration in CONFIGURATIONS)
    differing = [pair for pair in zip(first, second, strict=True) if pair[0] != pair[1]]
    assert [("    replica: a", "    replica: b")] == differing[:1]
    assert ['      - targets: ["exporter-a:9254"]', '      - targets: ["exporter-b:9254"]'] == list(differing[1])
    assert 2 == len(differing)


def test_external_labels_are_none_of_the_exporter() -> None:
    """The document names every label that the exporter sets, and its configurations use none of them."""
    metrics = SelfMetrics()
    metrics.of_burrow("default")
    taken = {label for family in FAMILIES for label in family.labels}
    taken |= {label for family in metrics.registry.collect() for sample in family.samples for label in sample.labels}
    taken |= {"job", "instance"}
    assert [] == [label for label in sorted(taken) if f"`{label}`" not in DOCUMENT]
    assert all(taken.isdisjoint(external) for external in EXTERNAL)
