"""The runs of the benchmark: which processes are started, and what is read from them."""

from __future__ import annotations

import http.client
import json
import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from statistics import median
from typing import Any

from benchmarks.children import Child, child, run
from benchmarks.results import (
    FloorResult,
    LeakResult,
    ManyResult,
    PollCost,
    PollsResult,
    ReferenceResult,
    ScrapeResult,
    ServeResult,
    SizeResult,
    median_cost,
    median_pair,
    split,
)

PARTITIONS_A_GROUP = 100
START_SECONDS = 120.0
LEAK_CLOCK = 1000
"""How much faster than the true clock the run for leaks goes: its polls take about 15 ms."""
GZIP_PAUSE = 0.4
"""Seconds between two scrapes of compressed pages; plain pages are scraped once an interval."""
INTERVALS = {1_000: 1, 10_000: 1, 100_000: 4, 300_000: 15}
"""Seconds from poll to poll of the exporter that is scraped, by group partitions."""


@dataclass(frozen=True)
class Effort:
    """How much is measured: polls after the first, numbers of scrapers, intervals that eight of them scrape for."""

    rounds: int
    scrapers: tuple[int, ...]
    intervals: int


FULL = Effort(6, (1, 8), 2)
QUICK = Effort(3, (8,), 1)


@contextmanager
def burrow(partitions: int, moving: str = "tenth", burrows: int = 1) -> Iterator[Burrow]:
    """Run the stand-in."""
    size = ("--groups", partitions // PARTITIONS_A_GROUP, "--partitions", PARTITIONS_A_GROUP)
    with child("benchmarks.standin", *size, "--moving", moving, "--burrows", burrows) as process:
        yield Burrow(process.read())


class Burrow:
    """A running stand-in; it has a port for each Burrow."""

    def __init__(self, ports: list[int]) -> None:
        self.ports = ports

    def report(self) -> dict[str, float]:
        """Return what it has served so far: answers, bytes and CPU seconds."""
        report: dict[str, float] = json.loads(get(self.ports[0], "/bench")[1])
        return report


def get(port: int, path: str) -> tuple[int, bytes]:
    """Return status and body of one GET on loopback."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
    try:
        connection.request("GET", path)
        answer = connection.getresponse()
        return answer.status, answer.read()
    finally:
        connection.close()


def free_port() -> int:
    """Return a port that nothing listens on."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port: int = listener.getsockname()[1]
    return port


def measure_size(partitions: int, effort: Effort) -> SizeResult:
    """Run everything that is measured at each size."""
    with burrow(partitions) as stand_in:
        polls = measure_polls(stand_in, effort.rounds)
        serve, reference = measure_serve(stand_in.ports[0], partitions, effort)
    return SizeResult(partitions, serve, polls, reference)


def measure_mode(partitions: int, moving: str, rounds: int) -> PollsResult:
    """Poll in process a world in which nothing, or everything, moves."""
    with burrow(partitions, moving) as stand_in:
        return measure_polls(stand_in, rounds)


def measure_polls(stand_in: Burrow, rounds: int) -> PollsResult:
    """Poll in process, with the phases timed; the stand-in's figures are those of one poll."""
    before = stand_in.report()
    costs = [cost for (cost,) in poll_rounds(stand_in.ports, 1 + rounds, "--phases")]
    after = stand_in.report()
    figures = {name: (after[name] - before[name]) / len(costs) for name in after}
    return PollsResult(costs[0], median_cost(costs[1:]), figures["answers"], figures["bytes"], figures["cpu"])


def poll_rounds(ports: list[int], rounds: int, *flags: str) -> list[list[PollCost]]:
    """Poll every Burrow, round after round; return each round's costs."""
    with child("benchmarks.probe", "polls", "--rounds", rounds, *flags, *ports) as process:
        answers = [process.read() for _ in range(rounds)]
    require(all(answer["good"] for answer in answers), "a poll in process failed")
    return [[cost_of(poll) for poll in answer["polls"]] for answer in answers]


def cost_of(poll: dict[str, Any]) -> PollCost:
    """Return what the probe tells of a poll."""
    phases = {name: (cpu, wall) for name, (cpu, wall) in poll["phases"].items()}
    return PollCost(poll["cpu"], poll["ended"] - poll["begun"], phases)


def measure_serve(port: int, partitions: int, effort: Effort) -> tuple[ServeResult, ReferenceResult]:
    """Run the exporter as a user would; scrape it, first compressed and then plain; then time the reference on it."""
    interval, listen = INTERVALS[partitions], free_port()
    flags = (
        *("--burrow.address", f"http://127.0.0.1:{port}", "--web.listen-address", f"127.0.0.1:{listen}"),
        *("--poll.interval", f"{interval}s", "--log.level", "warning", "--burrow.max-partitions", "1000000"),
    )
    start = time_to_first_page(listen, flags)
    with child("benchmarks.probe", "serve", *flags) as exporter:
        first = cost_of(next_poll(exporter))
        cpu = exporter.cpu()
        polls = [cost_of(next_poll(exporter)) for _ in range(max(2, effort.rounds // 2))]
        cpu_interval = (exporter.cpu() - cpu) / len(polls)
        peak_idle, threads = exporter.memory()[1], exporter.threads()
        gzip = [scrape(exporter, listen, load) for load in loads("gzip", GZIP_PAUSE, interval, effort)]
        peak_gzip = exporter.memory()[1]
        plain = [scrape(exporter, listen, load) for load in loads("identity", interval, interval, effort)]
        peaks = (peak_idle, peak_gzip, exporter.memory()[1])
        told = run("benchmarks.reference", listen)
    result = ServeResult(start, first, median_cost(polls), cpu_interval, gzip + plain, *peaks, threads)
    return result, ReferenceResult(told["samples"], told["bytes"], median(told["cpu"]))


def time_to_first_page(listen: int, flags: tuple[str, ...]) -> float:
    """Start ``python -m burrow_exporter`` and return the seconds until it is ready."""
    begun = time.monotonic()
    with child("burrow_exporter", "serve", *flags):
        while time.monotonic() - begun < START_SECONDS:
            try:
                status, _ = get(listen, "/-/ready")
            except OSError:
                status = 0
            if status == http.client.OK:
                return time.monotonic() - begun
            time.sleep(0.02)
    message = "the exporter did not become ready"
    raise RuntimeError(message)


@dataclass(frozen=True)
class Load:
    """What is scraped by how many; pause and duration in seconds."""

    encoding: str
    scrapers: int
    pause: float
    seconds: float


def loads(encoding: str, pause: float, interval: float, effort: Effort) -> list[Load]:
    """Return the loads of one encoding."""
    counts = effort.scrapers
    return [Load(encoding, count, pause, interval * min(count, effort.intervals)) for count in counts]


def scrape(exporter: Child, listen: int, load: Load) -> ScrapeResult:
    """Scrape for some seconds, then all at once; sort the scrapes by whether they met a poll."""
    who = (listen, "--encoding", load.encoding, "--count", load.scrapers)
    scrapes = run("benchmarks.scraper", *who, "--seconds", load.seconds, "--pause", load.pause)
    at_once = run("benchmarks.scraper", *who, "--seconds", 0)
    polls = finished_polls(exporter)
    idle, during = split(scrapes, [(poll["begun"], poll["ended"]) for poll in polls])
    slowest = max(latency for _, latency, _ in at_once)
    failures = sum(poll["failures"] for poll in polls)
    return ScrapeResult(load.encoding, load.scrapers, scrapes[-1][2], idle, during, slowest, failures)


def next_poll(exporter: Child) -> dict[str, Any]:
    """Return the next poll that ends."""
    poll: dict[str, Any] = {}
    while "ended" not in poll:
        poll = exporter.read()
    return poll


def finished_polls(exporter: Child) -> list[dict[str, Any]]:
    """Return the polls that ended since they were last read, the one under way now included."""
    lines = exporter.waiting()
    if lines and "ended" not in lines[-1]:
        lines.append(next_poll(exporter))
    return [line for line in lines if "ended" in line]


def measure_floor(partitions: int, rounds: int) -> FloorResult:
    """Fetch one poll's answers with other clients."""
    with burrow(partitions) as stand_in:
        told = run("benchmarks.floor", stand_in.ports[0], "--rounds", rounds)
    clients = {name: median_pair(pairs) for name, pairs in told["clients"].items()}
    return FloorResult(partitions, told["requests"], told["bytes"], clients)


def measure_many(burrows: int, partitions: int, rounds: int) -> ManyResult:
    """Poll several Burrows of one size in turn, and one that is alone."""
    with burrow(partitions, burrows=burrows) as stand_in:
        later = poll_rounds(stand_in.ports, 1 + rounds)[1:]
        one = median_cost([cost for costs in later for cost in costs])
        alone = median_cost([cost for (cost,) in poll_rounds(stand_in.ports[:1], 5 + rounds)[1:]])
    return ManyResult(burrows, partitions, one, alone)


def measure_leaks(polls: int) -> LeakResult:
    """Poll a small world very often, on a clock that makes hours of it; the start is after a tenth of the polls."""
    clock = ("--clock", time.time(), LEAK_CLOCK)
    size = ("--groups", 8, "--partitions", 25)
    with child("benchmarks.standin", *size, *clock) as stand_in:
        ports = stand_in.read()
        with child("benchmarks.probe", "polls", "--rounds", polls, *clock, "--", *ports) as probe:
            after = [probe.read() for _ in range(polls)]
    require(all(one["good"] for one in after), "a poll of the run for leaks failed")
    start, middle, end = after[polls // 10], after[polls // 2], after[-1]
    return LeakResult(
        polls,
        (start["memory"], middle["memory"], end["memory"]),
        (int(start["threads"]), int(middle["threads"]), int(end["threads"])),
        (start["files"], middle["files"], end["files"]),
    )


def require(condition: bool, message: str) -> None:  # noqa: FBT001  a condition is what it takes
    """Raise ``RuntimeError`` unless ``condition`` holds: figures of failed polls mean nothing."""
    if not condition:
        raise RuntimeError(message)
