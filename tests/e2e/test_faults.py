"""Every fault of the table, on real sockets: what is exposed meanwhile, what is logged, and complete recovery."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path
from threading import Event
from typing import Any, cast

import pytest
import requests
from structlog.testing import capture_logs

from burrow_exporter.burrow import client, retries
from burrow_exporter.exporter import Exporter
from burrow_exporter.metrics.families import FAMILIES
from burrow_exporter.polling.outage_log import EVENTS
from burrow_exporter.settings.config import BurrowConfig, Config, MetricsConfig, PollConfig, TlsConfig
from burrow_exporter.settings.value_types import NamedFile
from burrow_exporter.web.application import Content
from burrow_exporter.web.server import Server
from tests import ROOT
from tests.conftest import START
from tests.support.fault_table import FAULTS, Fault, Samples, World
from tests.support.pages import samples_in, wait_until
from tests.support.processes import exporter as process
from tests.support.secured import authority, fetch
from tests.web.test_server import serving

DOCUMENT = ROOT / "docs" / "internals" / "faults.md"
DEADLINE, SHORT, LONG = 3, 0.5, 30
HEAD = ["hits", "fault", "page", "up", "counted", "logged", "recovery"]
UNREADABLE = "unreadable_groups"
PROCESS_FLAGS = ("--poll.interval=3s", "--poll.stale-after=60s", "--burrow.timeout=10s")
UP = (("burrow_exporter_burrow_up", frozenset({("burrow", "default")})), 1.0)
COMPLETE = {
    UP,
    *(
        (("burrow_kafka_consumer_lag_total", frozenset({("cluster", cluster), ("consumer_group", group)})), 10.0)
        for cluster, group in ("cg", "ch", "dg")
    ),
}
EARLY = 2.5
"""Before the deadline, and well after ``SHORT`` on a machine that is busy."""
TEXT = """<!-- Written by tests/e2e/test_faults.py, which checks each row: `python -m tests.e2e.test_faults`. -->
# Faults

How the exporter handles a Burrow that fails. Each row is tested on real sockets, with a Burrow of two clusters, one of
which has two groups. A fault of one group, topic or list does not affect the others. Values that stay expire after
`--poll.stale-after`. During every fault a scrape returns 200 and a valid page.

*Up* is `burrow_exporter_burrow_up` after a poll that met the fault. *Counted* lists the labels `endpoint` and `reason`
of `burrow_exporter_request_failures_total`. *Logged* is part of the field `error` of the warning, for example
`group requests failed`, which has both labels as fields. *Recovery* is when the page is complete again after the fault.

{table}
"""


@pytest.fixture(autouse=True)
def limits(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let nothing be tried again, and an answer be too large soon."""
    monkeypatch.setattr(retries, "ATTEMPTS", 1)
    monkeypatch.setattr(client, "MAX_ANSWER_BYTES", 1_000_000)


class Watched:
    """An exporter that is polled by hand, and what it serves."""

    def __init__(self, exporter: Exporter, server: Server) -> None:
        """Poll for the first time."""
        self._exporter = exporter
        self._server = server
        self.poll()

    def poll(self) -> None:
        """Poll, and note the seconds that it took, what is logged, and what is served then."""
        begun = time.monotonic()
        with capture_logs() as self.logged:
            self._exporter.poll_once()
        self.seconds = time.monotonic() - begun

    def served(self) -> Samples:
        """Return all that is served."""
        reply = fetch(self._server)
        assert 200 == reply.status
        return samples_in(reply.body.decode())

    def page(self) -> Samples:
        """Return what is served of Burrow."""
        return {sample: value for sample, value in self.served().items() if sample[0].startswith("burrow_kafka_")}

    def own(self, name: str, **labels: str) -> float | None:
        """Return one of the exporter's own samples."""
        return self.served().get((f"burrow_exporter_{name}", frozenset({"burrow": "default", **labels}.items())))

    def counted(self) -> set[tuple[str, str]]:
        """Return endpoints and reasons of all failures so far."""
        counted = (dict(labels) for name, labels in self.served() if name == "burrow_exporter_request_failures_total")
        return {(labels["endpoint"], labels["reason"]) for labels in counted}

    def warned(self) -> dict[tuple[str, str], str]:
        """Return what was logged of the last poll's failures, by endpoint and reason."""
        warnings = [line for line in self.logged if line["log_level"] == "warning"]
        assert {begins for begins, _, _ in EVENTS.values()} >= {line["event"] for line in warnings}
        told: dict[tuple[str, str], str] = {}
        for line in warnings:
            told[line["endpoint"], line["reason"]] = line["error"]
            told.update(
                {(kind.split()[0], kind.split()[1]): line["error"] for kind in line.get("also", "").split(", ") if kind}
            )
        return told


@pytest.fixture
def authority_file(tmp_path: Path) -> Path:
    """Return a file with the authority that the exporter trusts."""
    path = tmp_path / "ca.pem"
    authority("burrow").cert_pem.write_to_path(str(path))
    return path


@pytest.fixture
def world(fault: Fault) -> Iterator[World]:
    """Return the Burrow that will fail."""
    with World(**fault.world) as world:
        yield world


class Door:
    """What the one server of all tests serves: the exporter of the test."""

    exporter: Exporter

    def __getattr__(self, name: str) -> Any:
        """Hand on what the server asks."""
        return getattr(self.exporter, name)


@pytest.fixture(scope="module")
def door() -> Iterator[tuple[Door, Server]]:
    """Return the one server, which takes longer to stop than a fault to try, and what it serves."""
    door = Door()
    with serving(cast("Content", door)) as server:
        yield door, server


@pytest.fixture
def watched(fault: Fault, world: World, authority_file: Path, door: tuple[Door, Server]) -> Iterator[Watched]:
    """Return an exporter of it, at a standing clock.

    Requests are short where they are to time out, so that no other fault is mistaken for that on a busy machine.
    """
    burrow_config = BurrowConfig(
        addresses=(world.server.address,),
        timeout=SHORT if fault.times_out else LONG,
        concurrency=1,
        tls=TlsConfig(ca_file=NamedFile(authority_file)),
    )
    config = Config(
        burrows=(burrow_config,),
        poll=PollConfig(interval=LONG, deadline=DEADLINE if fault.times_out else LONG),
        # These depend on what was seen before.
        metrics=MetricsConfig(disable=frozenset(family.name for family in FAMILIES if "lag_seconds" in family.name)),
    )
    stop = Event()
    served, server = door
    served.exporter = Exporter(config, stop)
    poller = served.exporter._fleet._members["default"].poller
    poller._clock = lambda: START
    yield Watched(served.exporter, server)
    stop.set()


@pytest.mark.parametrize("fault", FAULTS, ids=str)
def test_fault(fault: Fault, world: World, watched: Watched) -> None:
    """It costs what the table says and no more, is counted and logged, and is over with the next good poll."""
    before = watched.page()
    assert (1, set()) == (watched.own("burrow_up"), watched.counted())
    with world.move(), fault.during(world):
        watched.poll()
    assert fault.page.of(before) == watched.page()
    assert (fault.page.up, fault.page.unreadable) == (watched.own("burrow_up"), watched.own(UNREADABLE, cluster="c"))
    assert fault.counted == watched.counted() == watched.warned().keys()
    assert all(fault.said in detail for detail in watched.warned().values()), watched.warned()
    assert watched.seconds < (EARLY if fault.times_out and not fault.outlasts_the_poll else DEADLINE + 2)
    watched.poll()
    assert (before, 1, {}) == (watched.page(), watched.own("burrow_up"), watched.warned())


def test_the_process_outlasts_faults() -> None:
    """The process, with its retries and bounds as they are, serves during each fault and recovers from it."""
    faults = {str(fault): fault for fault in FAULTS}
    with World() as world, process(f"--burrow.address={world.server.address}", *PROCESS_FLAGS) as (run, address):

        def served() -> str:
            answer = requests.get(f"{address}/metrics", timeout=5)
            assert 200 == answer.status_code
            return answer.text

        for name in ("list of clusters: chunks without end", "Burrow: still starting", "group: deep nesting"):
            wait_until(lambda: COMPLETE <= samples_in(served()).items())
            run.lines.clear()
            with faults[name].during(world):
                ((endpoint, reason),) = faults[name].counted
                run.wait_for(f"level=warning event=.* failed. .*endpoint={endpoint} reason={reason}")
                assert f'endpoint="{endpoint}",reason="{reason}"' in served()
                assert COMPLETE - {UP} <= samples_in(served()).items()
        wait_until(lambda: COMPLETE <= samples_in(served()).items())
        assert 0 == run.end()[0]
        assert not any("Traceback" in line for line in run.lines)


def test_the_document_is_current() -> None:
    """What is written of the faults is this table."""
    assert DOCUMENT.read_text(encoding="utf-8") == document()


def document() -> str:
    """Return the table for people."""
    rows = [
        [
            fault.hits,
            fault.what,
            fault.page.words,
            str(fault.page.up),
            ", ".join(f"`{endpoint}` `{reason}`" for endpoint, reason in sorted(fault.counted)) or "-",
            f"`{fault.said}`" if fault.said else "one line each" if fault.counted else "-",
            "next poll",
        ]
        for fault in FAULTS
    ]
    lines = [HEAD, ["---"] * len(HEAD), *rows]
    return TEXT.format(table="\n".join(f"| {' | '.join(line)} |" for line in lines))


if __name__ == "__main__":
    DOCUMENT.write_text(document(), encoding="utf-8")
