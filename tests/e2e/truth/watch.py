"""Samples at each poll of the exporter: its values, those of Burrow's own /metrics, and the true ones."""

from __future__ import annotations

import threading
import time
from dataclasses import dataclass

from tests.e2e.truth.burrow import ask, lag_path
from tests.e2e.truth.ledger import Ledger, Place
from tests.e2e.truth.pages import Page, read


@dataclass(frozen=True)
class Sample:
    """One poll of the exporter; ``at`` is when it ended, ``native`` was read right after."""

    at: float
    exporter: Page
    native: Page | None


class Askers:
    """Others that ask Burrow, as Prometheus, notifiers and other shards do: its evaluator's cache is never cold.

    Two read its /metrics, every 3 s and every 7 s; one for each of some groups asks for its evaluation every second,
    so that each of them is evaluated at moments of its own. While ``resting`` is set nobody asks.
    """

    def __init__(self, burrow: str, resting: threading.Event, *groups: str) -> None:
        self._resting = resting
        self._over = threading.Event()
        rhythms = {3.0: "/metrics", 7.0: "/metrics"}
        rhythms |= {1.0 + number / 100: lag_path("local", group) for number, group in enumerate(groups)}
        for seconds, path in rhythms.items():
            threading.Thread(target=self._ask, args=(burrow, path, seconds), daemon=True).start()

    def stop(self) -> None:
        """Ask no more."""
        self._over.set()

    def _ask(self, burrow: str, path: str, seconds: float) -> None:
        while not self._over.wait(seconds):
            if not self._resting.is_set():
                ask(burrow, path)


@dataclass(frozen=True)
class Truth:
    """What is true of a group at a moment: lag in offsets, and age in seconds of its first unread message."""

    lag: int
    age: float


class Watch(threading.Thread):
    """Reads both pages whenever the exporter has polled, until stopped."""

    def __init__(self, exporter: str, native: str) -> None:
        super().__init__(daemon=True, name="watch")
        self.exporter, self.native = exporter, native
        self.samples: list[Sample] = []
        self._over = threading.Event()

    def run(self) -> None:
        """Look twice a second."""
        last: float | None = None
        while not self._over.wait(0.5):
            page = read(self.exporter, 5.0)
            if page is None or page.polled_at is None or page.polled_at == last:
                continue
            last = page.polled_at
            self.samples.append(Sample(last, page, read(self.native)))

    def stop(self) -> None:
        """End the thread."""
        self._over.set()
        self.join(20)


def true_of(ledger: Ledger, group: str, moment: float) -> Truth | None:
    """Return what is true of a group; ``None`` if it has committed nothing (any more)."""
    lag, age, known = 0, 0.0, False
    for place in ledger.places(group):
        offset = ledger.commit_at(group, place, moment)
        if offset is not None:
            known = True
            lag += ledger.lag(place, offset, moment)
            age = max(age, ledger.age(place, offset, moment))
    return Truth(lag, age) if known else None


def errors(ledger: Ledger, group: str, samples: list[Sample]) -> tuple[list[float], list[float]]:
    """Return by how much every partition's seconds were wrong: by the offset shown, and by what was truly committed."""
    by_shown, by_commit = [], []
    for sample in samples:
        shown = sample.exporter.groups.get(group)
        for place, seconds in (shown.partition_seconds if shown else {}).items():
            offset = shown.offset.get(place) if shown else None
            if offset is not None:
                by_shown.append(seconds - ledger.age(place, int(offset), sample.at))
            committed = ledger.commit_at(group, place, sample.at)
            if committed is not None:
                by_commit.append(seconds - ledger.age(place, committed, sample.at))
    return by_shown, by_commit


def settle(seconds: float, begun: float) -> None:
    """Sleep until so many seconds after the beginning."""
    time.sleep(max(0.0, begun + seconds - time.time()))


def contradictions(ledger: Ledger, group: str, committed: dict[Place, int]) -> list[str]:
    """Return where the broker's committed offsets are not those that the ledger has: the truth must be true."""
    now = time.time()
    wrong = {place: ledger.commit_at(group, place, now) for place in committed}
    return [
        f"{group} {place}: broker {committed[place]}, ledger {own}"
        for place, own in wrong.items()
        if own != committed[place]
    ]
