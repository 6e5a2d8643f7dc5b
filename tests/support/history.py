"""A history of the demo from a virtual clock, for queries to a real Prometheus."""

from __future__ import annotations

import subprocess
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from itertools import groupby
from pathlib import Path
from typing import Any

import requests
import yaml

from burrow_exporter.demo import SimulatedBurrow
from burrow_exporter.settings.config import MetricsConfig
from tests.conftest import Clock, tool
from tests.support import alerts
from tests.support.pages import Polled, text_of
from tests.support.processes import prometheus
from tests.support.promql import metrics

STEP = 30
RECORDED = {rule["record"]: rule["expr"] for rule in alerts.rules("record")}
EVERYTHING = MetricsConfig(partition_info=True)


@dataclass
class History:
    """A Prometheus at ``address`` that knows what was between ``start`` and ``end`` (Unix seconds)."""

    address: str
    start: float
    end: float

    def ask(self, query: str, start: float) -> list[dict[str, Any]]:
        """Return the series of a query from ``start`` on."""
        return self._answer("query_range", query, start=start, end=self.end, step=60)

    def now(self, query: str) -> list[dict[str, Any]]:
        """Return the samples of a query at the end."""
        return self._answer("query", query, time=self.end)

    def groups(self, query: str, start: float) -> set[str]:
        """Return the groups of which a query ever has a sample."""
        return {series["metric"]["consumer_group"] for series in self.ask(query, start)}

    def _answer(self, path: str, query: str, **form: float) -> list[dict[str, Any]]:
        answer = requests.post(f"{self.address}/api/v1/{path}", {"query": query, **form}, timeout=60).json()
        assert "success" == answer["status"], answer
        return list(answer["data"]["result"])


def levels() -> list[list[alerts.Rule]]:
    """Return the recording rules in the order in which they can be computed: each list needs those before it alone."""
    rules = sorted(alerts.rules("record"), key=lambda rule: level(rule["record"]))
    return [list(each) for _, each in groupby(rules, key=lambda rule: level(rule["record"]))]


@cache
def level(name: str) -> int:
    """Return how many recording rules have to be computed before one, its own earlier results aside."""
    return max((1 + level(other) for other in metrics(RECORDED[name]) & RECORDED.keys() - {name}), default=0)


def at_once(name: str) -> str:
    """Return the query of a recording rule with those that it needs in place of what they record.

    promtool computes what is recorded some seconds beside the scrapes; a comparison of both would see jumps.
    """
    query = str(RECORDED[name])
    for other in sorted(metrics(query) & RECORDED.keys(), key=len, reverse=True):
        query = query.replace(other, f"(1 * ({at_once(other)}))")
    return query


def record(folder: Path, start: float, end: float) -> None:
    """Compute what the recording rules would have recorded, into further blocks of a Prometheus' folder."""
    for number, rules in enumerate(levels()):
        path = folder / f"level-{number}.yaml"
        path.write_text(yaml.safe_dump({"groups": [{"name": "level", "rules": rules}]}), encoding="utf-8")
        with prometheus("global: {}\n", folder) as (_, address):
            times = (f"--start={start:.0f}", f"--end={end:.0f}", f"--eval-interval={STEP}s", "--output-dir=data")
            make = (tool("promtool"), "tsdb", "create-blocks-from", "rules", f"--url={address}", *times, path.name)
            subprocess.run(make, cwd=folder, check=True, capture_output=True)


@contextmanager
def demo_history(folder: Path, seconds: int, more: Callable[[str], str] | None = None) -> Iterator[History]:
    """Poll the demo as if so many seconds went by, have promtool make blocks of it, and run a Prometheus on them.

    ``more`` takes a page to further lines of the same moment.
    """
    clock = Clock()
    start = clock.now = 1_700_000_000.0
    end = start + seconds
    with SimulatedBurrow(12, 2, clock=clock) as burrow, (folder / "page").open("w") as file:
        polled = Polled(burrow.address, clock=clock)
        while clock.now <= end:
            polled.poller.poll()
            page = text_of(polled.published[-1], EVERYTHING)
            lines = (page + (more(page) if more else "")).splitlines()
            file.writelines(f"{line} {clock.now:.0f}\n" for line in lines if not line.startswith("#"))
            clock.now += STEP
        file.write("# EOF\n")
    make = (tool("promtool"), "tsdb", "create-blocks-from", "openmetrics", "page", "data")
    subprocess.run(make, cwd=folder, check=True, capture_output=True)
    record(folder, start, end)
    with prometheus("global: {}\n", folder) as (_, address):
        yield History(address, start, end)
