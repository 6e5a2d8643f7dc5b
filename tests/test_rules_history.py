"""Rules with long windows, on three hours of the demo that a virtual clock writes, asked of a real Prometheus."""

from __future__ import annotations

import re
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pytest
import requests

import alerts
from burrow_exporter.demo import SimulatedBurrow
from conftest import Clock, tool
from pages import Polled, text_of
from processes import prometheus

HOURS = 3
STEP = 30
ALERTS = {rule["alert"]: rule["expr"] for rule in alerts.rules("alert")}
RECORDED = {rule["record"]: rule["expr"] for rule in alerts.rules("record")}
WELL = {"checkout-payments", "newsletter-mailer", "session-aggregator", "burrow-eu-west", "burrow-us-east"}
GAVE_UP = {"customer-360"}
"""It reads one of its topics no more, which still gets messages."""
FEW = {
    "partition:burrow_kafka_topic_partition_offset:hot_ratio",
    "partition:burrow_kafka_consumer_partition_lag:hot_ratio",
}
"""What is recorded only where there is something to tell: these groups have no hot partitions."""


@dataclass
class History:
    """A Prometheus at ``address`` that knows what was between ``start`` and ``end`` (Unix seconds)."""

    address: str
    start: float
    end: float

    def ask(self, query: str, start: float) -> list[dict[str, Any]]:
        """Return the series of a query, of which recorded ones are computed anew, from ``start`` on."""
        form = {"query": inlined(query), "start": start, "end": self.end, "step": 60}
        answer = requests.post(f"{self.address}/api/v1/query_range", form, timeout=60).json()
        assert "success" == answer["status"], answer
        return list(answer["data"]["result"])

    def groups(self, query: str, start: float) -> set[str]:
        """Return the groups of which a query ever has a sample."""
        return {series["metric"]["consumer_group"] for series in self.ask(query, start)}


def inlined(query: str) -> str:
    """Return a query with the rules in place of what they record, which has lost its name."""
    for name, rule in RECORDED.items():
        if name in query:
            anew = f"(1 * ({inlined(rule)}))"
            query = re.sub(rf"{name}\[(\w+)\]", rf"{anew}[\1:{STEP}s]", query).replace(name, anew)
    return query


@pytest.fixture(scope="module")
def history(tmp_path_factory: pytest.TempPathFactory) -> Iterator[History]:
    """Poll the demo as if three hours went by, have promtool make blocks of it, and run a Prometheus on them."""
    folder = tmp_path_factory.mktemp("history")
    clock = Clock()
    start = clock.now = 1_700_000_000.0
    end = start + HOURS * 3600
    with SimulatedBurrow(12, 2, clock=clock) as burrow, (folder / "page").open("w") as page:
        polled = Polled(burrow.address, clock=clock)
        while clock.now <= end:
            polled.poller.poll()
            lines = text_of(polled.published[-1]).splitlines()
            page.writelines(f"{line} {clock.now:.0f}\n" for line in lines if not line.startswith("#"))
            clock.now += STEP
        page.write("# EOF\n")
    make = (tool("promtool"), "tsdb", "create-blocks-from", "openmetrics", "page", "data")
    subprocess.run(make, cwd=folder, check=True, capture_output=True)
    with prometheus("global: {}\n", folder) as (_, address):
        yield History(address, start, end)


@pytest.mark.parametrize("name", [name for name in ALERTS if name.startswith("Consumer")])
def test_groups_that_are_well(name: str, history: History) -> None:
    """They never raise an alert, not even for a moment."""
    assert set() == WELL & history.groups(ALERTS[name], history.start)


def test_who_will_not_catch_up(history: History) -> None:
    """The group that gave a topic up, and none of those whose lag comes and goes, though the trend accuses them."""
    query = ALERTS["ConsumerGroupWillNotCatchUp"]
    trend = query.partition(" and ")[0]
    assert "deriv" in trend
    assert GAVE_UP == history.groups(query, history.start)
    assert GAVE_UP < history.groups(trend, history.start + 3600)


def test_who_is_in_error(history: History) -> None:
    """Those that stall, stop and rewind, each under its own name too."""
    assert GAVE_UP | {"audit-replay", "invoice-printer", "ledger-archive"} <= history.groups(
        ALERTS["ConsumerGroupError"], history.start
    )
    assert GAVE_UP | {"ledger-archive"} == history.groups(ALERTS["ConsumerPartitionStopped"], history.start)
    assert {"audit-replay"} == history.groups(ALERTS["ConsumerPartitionRewound"], history.start)
    assert "invoice-printer" in history.groups(ALERTS["ConsumerPartitionStalled"], history.start)


@pytest.mark.parametrize("name", RECORDED)
def test_what_is_recorded(name: str, history: History) -> None:
    """Every recording rule has something to record."""
    assert (name in FEW) != bool(history.ask(name, history.start))
