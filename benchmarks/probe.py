"""The exporter with timers around its functions; the package itself is as users run it.

``serve FLAGS`` is the command line, with the beginning and the end of each poll written as they come; ``polls`` polls
in process as fast as it can, with the phases timed if asked for. All it writes is JSON lines.
"""

from __future__ import annotations

import argparse
import functools
import importlib
import json
import sys
import threading
import time
from collections import defaultdict
from collections.abc import Callable
from typing import Any

from benchmarks.children import open_files, read_status
from benchmarks.clock import fast_clock
from burrow_exporter import cli, log
from burrow_exporter.exporter import Exporter
from burrow_exporter.polling.poller import Poller
from burrow_exporter.polling.walk import WalkResult
from burrow_exporter.settings.config import BurrowConfig, Config, PollConfig
from burrow_exporter.snapshot import Snapshot

PACKAGE = "burrow_exporter"
MAX_PARTITIONS = 1_000_000
"""Well above the largest scenario, so that none is cut short."""
PHASES = ("fetch", "decode", "readings", "time lag", "render", "compress")
TIMED: tuple[tuple[str, str, str], ...] = (
    ("decode", "burrow.client", "decode"),
    ("decode", "burrow.partitions", "Partitions.__init__"),
    ("fetch", "burrow.session", "Session.get"),
    ("readings", "polling.readings", "read_group"),
    ("readings", "polling.readings", "last_commit"),
    ("readings", "polling.readings", "unknown_statuses"),
    ("readings", "polling.state", "BurrowState.apply_walk"),
    ("time lag", "lag.time_lag", "TimeLag.update"),
    ("render", "metrics.exposition", "Renderer.render"),
    ("compress", "metrics.compression", "PieceWriter.write"),
    ("compress", "metrics.compression", "PieceWriter.finish"),
    ("compress", "metrics.compression", "compress"),
    ("compress", "metrics.compression", "join"),
    ("compress", "metrics.compression", "gzip_member"),
)
"""Phase, module and function. A function that calls another of these is not charged for it.

The fetch is requests and the reading of sockets.
"""

Function = Callable[..., Any]


class Stopwatch:
    """Adds up the CPU seconds of phases over all threads, and for the polling thread its wall seconds."""

    def __init__(self) -> None:
        self._threads: dict[int, dict[str, list[float]]] = {}
        self._local = threading.local()

    def install(self) -> None:
        """Wrap the timed functions wherever the package knows them; those it does not have are left out."""
        for phase, module_name, path in TIMED:
            module: Any = importlib.import_module(f"{PACKAGE}.{module_name}")
            *owners, name = path.split(".")
            owner = functools.reduce(lambda part, attribute: getattr(part, attribute, None), owners, module)
            if function := getattr(owner, name, None):
                timed = self._timed(phase, function)
                setattr(owner, name, timed)
                replace_imports(function, timed)

    def take(self) -> dict[str, list[float]]:
        """Return CPU and wall seconds by phase since the last call; to be called while nothing is timed."""
        totals: dict[str, list[float]] = defaultdict(lambda: [0.0, 0.0])
        here = threading.get_ident()
        for thread, phases in self._threads.items():
            for phase, (cpu, wall) in phases.items():
                totals[phase][0] += cpu
                totals[phase][1] += wall if thread == here else 0.0
            phases.clear()
        return dict(totals)

    def _timed(self, phase: str, function: Function) -> Function:
        @functools.wraps(function)
        def timed(*arguments: Any, **keywords: Any) -> Any:  # noqa: ANN401  whatever it takes
            running, totals = self._of_thread()
            running.append([0.0, 0.0])
            cpu, wall = time.thread_time(), time.perf_counter()
            try:
                return function(*arguments, **keywords)
            finally:
                cpu, wall = time.thread_time() - cpu, time.perf_counter() - wall
                inner = running.pop()
                for place, spent in enumerate((cpu, wall)):
                    totals[phase][place] += spent - inner[place]
                    if running:
                        running[-1][place] += spent

        return timed

    def _of_thread(self) -> tuple[list[list[float]], dict[str, list[float]]]:
        if not hasattr(self._local, "running"):
            self._local.running = []
            self._threads[threading.get_ident()] = defaultdict(lambda: [0.0, 0.0])
        return self._local.running, self._threads[threading.get_ident()]


def replace_imports(function: Function, timed: Function) -> None:
    """Replace a function in every module of the package that has imported it by name."""
    for name, module in list(sys.modules.items()):
        if name.startswith(PACKAGE):
            for attribute, value in list(vars(module).items()):
                if value is function:
                    setattr(module, attribute, timed)


def note_polls(
    note: Callable[[dict[str, Any]], None],
    stopwatch: Stopwatch | None = None,
    announce: Callable[[float], None] = lambda _: None,
) -> None:
    """Have every poll noted when it ends: both times (monotonic seconds), its CPU seconds, its phases."""
    poll = Poller.poll

    def noted(self: Poller) -> tuple[Snapshot, WalkResult]:
        cpu, begun = time.process_time(), time.monotonic()
        announce(begun)
        snapshot, walk = poll(self)
        record = {"begun": begun, "ended": time.monotonic(), "cpu": time.process_time() - cpu}
        phases = stopwatch.take() if stopwatch else {}
        note(record | {"failures": len(walk.failures), "phases": phases})
        return snapshot, walk

    Poller.poll = noted  # type: ignore[method-assign] # that is the point


def change_clock(clock: Callable[[], float]) -> None:
    """Have the exporter read the time from ``clock``."""
    construct: Any = Poller.__init__
    construct.__defaults__ = tuple(clock if value is time.time else value for value in construct.__defaults__ or ())
    time.time = clock


def write(record: dict[str, Any]) -> None:
    """Write one JSON line for the parent."""
    print(json.dumps(record), flush=True)  # noqa: T201  to the parent


def serve(flags: list[str]) -> None:
    """Run the exporter's own command line."""
    note_polls(write, announce=lambda begun: write({"began": begun}))
    sys.exit(cli.main(["serve", *flags]))


def one_burrow(name: str, port: int) -> BurrowConfig:
    """Return the configuration of a Burrow on loopback, of the package as of an older one with a single address."""
    address = f"http://127.0.0.1:{port}"
    keywords: dict[str, Any] = (
        {"addresses": (address,)} if hasattr(BurrowConfig(), "addresses") else {"address": address}
    )
    if hasattr(BurrowConfig(), "max_partitions"):
        keywords["max_partitions"] = MAX_PARTITIONS
    return BurrowConfig(name=name, **keywords)


def polls(given: argparse.Namespace) -> None:
    """Poll the Burrows one after the other, round after round."""
    log.set_up("warning", "logfmt")
    change_clock(fast_clock(*given.clock))
    stopwatch = Stopwatch()
    records: list[dict[str, Any]] = []
    note_polls(records.append, stopwatch if given.phases else None)
    if given.phases:
        stopwatch.install()
    burrows = tuple(one_burrow(f"burrow-{index}", port) for index, port in enumerate(given.ports))
    schedule = PollConfig(interval=60, deadline=60, stale_after=180)
    exporter = Exporter(Config(burrows=burrows, poll=schedule), threading.Event())
    for _ in range(given.rounds):
        good = all(snapshot.outcome.good and not walk.failures for snapshot, walk in exporter.poll_once())
        status = read_status("self")
        after = {"good": good, "memory": status["VmRSS"], "threads": status["Threads"], "files": open_files()}
        write(after | {"polls": records})
        records.clear()


def main() -> None:
    """Do what the first argument says."""
    if sys.argv[1:2] == ["serve"]:
        serve(sys.argv[2:])
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("word", choices=["polls"])
    parser.add_argument("--rounds", type=int, required=True)
    parser.add_argument("--phases", action="store_true")
    parser.add_argument("--clock", type=float, nargs=2, default=(time.time(), 1), metavar=("EPOCH", "FACTOR"))
    parser.add_argument("ports", type=int, nargs="+")
    polls(parser.parse_args())


if __name__ == "__main__":
    main()
