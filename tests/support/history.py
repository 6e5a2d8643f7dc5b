"""A history of the demo that a virtual clock writes, for a real Prometheus to be asked about."""

from __future__ import annotations

import re
import subprocess
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import requests

from burrow_exporter.demo import SimulatedBurrow
from burrow_exporter.settings.config import MetricsConfig
from tests.conftest import Clock, tool
from tests.support import alerts
from tests.support.pages import Polled, text_of
from tests.support.processes import prometheus

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
        """Return the series of a query, of which recorded ones are computed anew, from ``start`` on."""
        return self._answer("query_range", query, start=start, end=self.end, step=60)

    def now(self, query: str) -> list[dict[str, Any]]:
        """Return the samples of a query at the end, recorded ones computed anew."""
        return self._answer("query", query, time=self.end)

    def groups(self, query: str, start: float) -> set[str]:
        """Return the groups of which a query ever has a sample."""
        return {series["metric"]["consumer_group"] for series in self.ask(query, start)}

    def _answer(self, path: str, query: str, **form: float) -> list[dict[str, Any]]:
        answer = requests.post(f"{self.address}/api/v1/{path}", {"query": inlined(query), **form}, timeout=60).json()
        assert "success" == answer["status"], answer
        return list(answer["data"]["result"])


def inlined(query: str) -> str:
    """Return a query with the rules in place of what they record, which has lost its name."""
    for name, rule in RECORDED.items():
        if name in query:
            anew = f"(1 * ({inlined(rule)}))"
            query = re.sub(rf"{name}\[(\w+)\]", rf"{anew}[\1:{STEP}s]", query).replace(name, anew)
    return query


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
    with prometheus("global: {}\n", folder) as (_, address):
        yield History(address, start, end)
