"""The soak test: an exporter on a Burrow that fails at random. ``python -m tests.e2e.soak``.

Burrow and exporter are processes of their own. Burrow's requests meet faults, and it is killed and started again, all
at random. The exporter polls every second; it is scraped all the while, in each form, and every page must be a valid
one. At the end the faults stop, Burrow stands still, and the page must be that of an exporter that was just started.
Memory, threads and file descriptors of the exporter must stay within the bounds below. Exit code 1 where any of this
does not hold.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections import Counter
from collections.abc import Iterable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from random import Random
from statistics import median
from typing import NamedTuple

import requests
from prometheus_client.openmetrics.parser import text_string_to_metric_families as parse_openmetrics
from prometheus_client.parser import text_string_to_metric_families as parse_text

from tests.support.pages import Sample, samples_in
from tests.support.processes import Running, exporter, lasting_port, running

BURROW = (sys.executable, "-m", "tests.support.soak_burrow")
FLAGS = ("--poll.interval=1s", "--poll.stale-after=4s", "--burrow.timeout=500ms", "--metrics.partition-info")
UP_SECONDS, DOWN_SECONDS = (3.0, 30.0), (0.0, 6.0)
"""How long Burrow runs before it is killed, and stays away then."""
SETTLE_SECONDS = 15.0
"""How long after the faults the page may take to be right: many polls, and longer than old readings are published."""
OPENMETRICS = "application/openmetrics-text; version=1.0.0"
MOST_GROWTH = 1.05
WARM_SECONDS, WARMING = 120.0, 3.0
"""How long memory goes on growing for other reasons than a leak, and by how many MiB it may where a short run's first
fifth ends before: 46.9 MiB after half a minute, 48.9 after two, 49.9 from the fifth on (in one run of eight)."""
MOST_THREADS, MOST_FILES = 11, 12
"""How many more there may be at any moment than at the start, where no poll is under way. A walk has up to four threads
and one that watches the time, each of the four with a connection; the five of the walk before may still be ending, and
a scrape is one more."""
MOST_LEFT = 2
"""How many more there may be at the end than at the start: the fewest of a tenth of the time, so between polls."""
BY_HISTORY = ("burrow_kafka_consumer_lag_seconds", "burrow_kafka_consumer_partition_lag_seconds")
Samples = dict[Sample, float]


class Usage(NamedTuple):
    """What a process uses: resident memory in MiB, threads, file descriptors."""

    memory: float
    threads: int
    files: int


def usage_of(process_id: int) -> Usage:
    """Return what a process uses now."""
    folder = Path("/proc") / str(process_id)
    lines = (line.split(":", 1) for line in (folder / "status").read_text().splitlines())
    status = {name: value.split()[0] for name, value in lines if name in {"VmRSS", "Threads"}}
    return Usage(int(status["VmRSS"]) / 1024, int(status["Threads"]), len(list((folder / "fd").iterdir())))


class Burrow:
    """The failing Burrow, which runs and is gone by turns."""

    def __init__(self, chance: Random) -> None:
        self._chance = chance
        self._port = lasting_port()
        self._epoch = time.time()
        self._run: Running | None = None
        self._stack = ExitStack()
        self.address = f"http://127.0.0.1:{self._port}"
        self.starts = 0
        self.faults: Counter[str] = Counter()
        self.start()

    def start(self) -> None:
        """Run, if it does not, until some random time."""
        if self._run is None:
            arguments = map(str, (self._port, self._chance.random(), self._epoch))
            self._run = self._stack.enter_context(running(*arguments, command=BURROW))
            self.starts += 1
            self._turn_at = time.monotonic() + self._chance.uniform(*UP_SECONDS)

    def kill(self) -> None:
        """Be gone until some random time."""
        if run := self._run:
            self._run, ended = None, run.process.poll()
            self._stack.close()
            if ended is not None:
                message = f"the simulated Burrow ended by itself: {run.lines}"
                raise RuntimeError(message)
            self.faults.update(line.strip() for line in run.lines)
        self._turn_at = time.monotonic() + self._chance.uniform(*DOWN_SECONDS)

    def pass_time(self) -> None:
        """Come or go, if it is time."""
        if time.monotonic() >= self._turn_at:
            self.kill() if self._run else self.start()

    def calm(self) -> None:
        """Run without faults, and stand still."""
        self.start()
        end = time.monotonic() + 10
        while not responds(f"{self.address}/calm"):
            if time.monotonic() > end:
                message = "the simulated Burrow does not start"
                raise RuntimeError(message)
            time.sleep(0.1)


def responds(url: str) -> bool:
    """Tell whether there is an answer."""
    try:
        return requests.get(url, timeout=5).ok
    except requests.RequestException:
        return False


def scrape(address: str, session: requests.Session | None, *, openmetrics: bool, gzip: bool) -> Samples:
    """Return the samples of a page; raise ``ValueError``, ``AssertionError`` or an error of requests for a bad one."""
    headers = {"Accept": OPENMETRICS if openmetrics else "text/plain", "Accept-Encoding": "gzip" if gzip else ""}
    answer = (session or requests).get(f"{address}/metrics", headers=headers, timeout=5)
    answer.raise_for_status()
    assert answer.headers.get("Content-Encoding") == ("gzip" if gzip else None), answer.headers
    assert openmetrics == answer.headers["Content-Type"].startswith("application/openmetrics-text"), answer.headers
    return samples_in(answer.text, parse_openmetrics if openmetrics else parse_text)


@dataclass
class Soak:
    """What was seen. ``problems`` are lines that say what was not as it should be."""

    starts: int = 0
    faults: Counter[str] = field(default_factory=Counter)
    scrapes: Counter[str] = field(default_factory=Counter)
    usages: list[Usage] = field(default_factory=list)
    compared: int = 0
    polls: int = 0
    failed_polls: int = 0
    problems: list[str] = field(default_factory=list)
    warming: float = 0.0

    def take(self, address: str, process_id: int, session: requests.Session) -> None:
        """Scrape in the form whose turn it is, and note what the exporter uses."""
        openmetrics, gzip = divmod(self.scrapes.total() % 4, 2)
        kept = session if self.scrapes.total() % 3 else None
        self.scrapes["gzip" if gzip else "plain"] += 1
        try:
            scrape(address, kept, openmetrics=bool(openmetrics), gzip=bool(gzip))
        except (AssertionError, ValueError, requests.RequestException) as error:
            self.problems.append(f"scrape {self.scrapes.total()}: {error!r:.300}")
        self.usages.append(usage_of(process_id))

    def memory(self) -> tuple[float, float]:
        """Return memory after the first fifth of the time, and at the end: medians, each of a tenth of the time."""
        tenth = len(self.usages) // 10
        after, end = self.usages[2 * tenth : 3 * tenth], self.usages[-tenth:]
        return median(use.memory for use in after), median(use.memory for use in end)

    def most_memory(self, before: float) -> float:
        """Return how much memory there may be at the end, given that after the first fifth."""
        return before * MOST_GROWTH + self.warming

    def judge(self) -> None:
        """Note what is out of bounds."""
        before, after = self.memory()
        if after > self.most_memory(before):
            self.problems.append(f"memory has grown from {before:.1f} to {after:.1f} MiB")
        for what, bound in (("threads", MOST_THREADS), ("files", MOST_FILES)):
            counts = [getattr(use, what) for use in self.usages]
            left = min(counts[-max(1, len(counts) // 10) :])
            if max(counts) > counts[0] + bound:
                self.problems.append(f"{what}: {max(counts)}, at the start {counts[0]}")
            if left > counts[0] + MOST_LEFT:
                self.problems.append(f"{what}: {left} left at the end, at the start {counts[0]}")
        if not (self.faults and self.polls > self.failed_polls > 0):
            self.problems.append("nothing was tried: there were no faults, or no good polls, or none that failed")

    def table(self) -> str:
        """Return the figures, one a line."""
        before, after = self.memory()
        start, end = self.usages[0], self.usages[-1]
        most = Usage(*map(max, zip(*self.usages, strict=True)))
        kinds = ", ".join(f"{kind} {count}" for kind, count in sorted(self.faults.items()))
        rows = {
            "polls": f"{self.polls}, of which {self.failed_polls} failed",
            "faults": f"{self.faults.total()}: {kinds}",
            "Burrow": f"killed and started again {self.starts - 1} times",
            "scrapes": ", ".join(f"{count} {form}" for form, count in sorted(self.scrapes.items())),
            "memory": f"{start.memory:.1f} MiB at the start, {before:.1f} after the first fifth, {after:.1f} at the "
            f"end (bound {self.most_memory(before):.1f}), {most.memory:.1f} at most",
            "threads": f"{start.threads} at the start, {end.threads} at the end, {most.threads} at most "
            f"(bound {start.threads + MOST_THREADS})",
            "files": f"{start.files} at the start, {end.files} at the end, {most.files} at most "
            f"(bound {start.files + MOST_FILES})",
            "last page": f"{self.compared} samples compared with a new exporter's",
            "problems": str(len(self.problems)),
        }
        return "\n".join([*(f"{name:<10} {text}" for name, text in rows.items()), *self.problems])


def differences(page: Samples, fresh: Samples) -> list[str]:
    """Return what an exporter says otherwise than a new one does on the same Burrow, which stands still.

    Left out are the exporter's own metrics, and seconds of lag other than 0: they come from histories, and go on while
    Burrow stands still. An exporter that runs for long knows those of each partition of which a new one knows them.
    """
    found = []
    for name, labels in sorted(page.keys() | fresh.keys(), key=str):
        value, expected = page.get((name, labels)), fresh.get((name, labels))
        by_history = name in BY_HISTORY and value and expected != 0
        if name.startswith("burrow_kafka_") and value != expected and not by_history:
            found.append(f"{name}{dict(labels)} is {value}, a new exporter says {expected}")
    return found


def first_good_page(address: str) -> Samples:
    """Return the page of an exporter that was just started, after its first good poll."""
    end = time.monotonic() + 20
    while not responds(f"{address}/-/ready"):
        if time.monotonic() > end:
            message = f"the exporter at {address} had no good poll"
            raise RuntimeError(message)
        time.sleep(0.1)
    return scrape(address, None, openmetrics=False, gzip=True)


def own(page: Samples, name: str) -> int:
    """Return one of the exporter's own figures."""
    return int(page[f"burrow_exporter_{name}", frozenset({("burrow", "default")})])


def soak(seconds: float, seed: int) -> Soak:
    """Run it all, the faults for so many seconds."""
    seen, chance = Soak(warming=WARMING if seconds / 5 < WARM_SECONDS else 0.0), Random(seed)  # noqa: S311  no secret
    burrow = Burrow(chance)
    try:
        with exporter(*FLAGS, "--burrow.address", burrow.address) as (run, address), requests.Session() as session:
            first_good_page(address)
            end = time.monotonic() + seconds
            while time.monotonic() < end:
                seen.take(address, run.process.pid, session)
                burrow.pass_time()
                time.sleep(chance.uniform(0.1, 0.5))
            burrow.calm()
            finish(seen, burrow, run, address)
            seen.usages.append(usage_of(run.process.pid))
            code, taken = run.end()
            if code or taken > 2:
                seen.problems.append(f"SIGTERM: exit code {code} after {taken:.1f} s")
    finally:
        burrow.kill()
    seen.starts, seen.faults = burrow.starts, burrow.faults
    seen.judge()
    return seen


def finish(seen: Soak, burrow: Burrow, run: Running, address: str) -> None:
    """Compare the exporter with a new one, once both had the time to read all, and look into its log."""
    with exporter(*FLAGS, "--burrow.address", burrow.address) as (_, other):
        first_good_page(other)
        end = time.monotonic() + SETTLE_SECONDS
        while True:
            page, fresh = (scrape(each, None, openmetrics=False, gzip=False) for each in (address, other))
            different = differences(page, fresh)
            if not different or time.monotonic() > end:
                break
            time.sleep(0.5)
    seen.problems += different
    seen.compared = sum(name.startswith("burrow_kafka_") for name, _ in page)
    seen.polls, seen.failed_polls = own(page, "polls_total"), own(page, "poll_failures_total")
    seen.problems += broken(run.lines)


def broken(lines: Sequence[str]) -> Iterable[str]:
    """Yield what a log says of faults of the exporter's own."""
    return (f"log: {line.strip()}" for line in lines if "Traceback" in line or "level=error" in line)


def main() -> int:
    """Read the arguments, run, print the figures."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--minutes", type=float, default=30)
    parser.add_argument("--seed", type=int, default=1)
    given = parser.parse_args()
    seen = soak(given.minutes * 60, given.seed)
    print(f"soak of {given.minutes:g} minutes, seed {given.seed}\n{seen.table()}")  # noqa: T201  its purpose
    return 1 if seen.problems else 0


if __name__ == "__main__":
    sys.exit(main())
