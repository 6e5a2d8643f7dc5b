"""The polls of one Burrow: their rhythm, and what is said of them."""

from __future__ import annotations

import math
import threading
import time
from collections import defaultdict
from collections.abc import Callable

import structlog

from burrow_exporter.burrow import BurrowClient, BurrowError, Endpoint, Reason
from burrow_exporter.config import BurrowConfig, PollConfig
from burrow_exporter.selfmetrics import BurrowMetrics
from burrow_exporter.snapshot import Snapshot
from burrow_exporter.state import BurrowState, Poll
from burrow_exporter.walk import Walk, Workers

LATE = 0.25
"""By which part of an interval a poll may begin late."""


class Poller:
    """Polls one Burrow again and again, in a thread of its own, and hands each new state to ``publish``.

    Polls keep a fixed rhythm and never overlap; a missed one is not made up for. ``clock`` tells Unix seconds.
    """

    def __init__(
        self,
        burrow: BurrowConfig,
        schedule: PollConfig,
        metrics: BurrowMetrics,
        publish: Callable[[Snapshot], None],
        stop: threading.Event,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._burrow = burrow
        self._schedule = schedule
        self._metrics = metrics
        self._publish = publish
        self._stop = stop
        self._clock = clock
        self._client = BurrowClient(burrow.address, burrow.timeout, metrics, stop)
        self._workers = Workers(burrow.concurrency, f"burrow-{burrow.name}")
        self._state = BurrowState(burrow)
        self.was_good = False
        self._log = structlog.get_logger().bind(burrow=burrow.name)
        self._thread = threading.Thread(target=self._run, name=f"poll-{burrow.name}", daemon=True)

    def start(self) -> None:
        """Begin to poll."""
        self._thread.start()

    def is_alive(self) -> bool:
        """Tell whether the polls go on."""
        return self._thread.is_alive()

    def poll(self) -> Poll:
        """Poll once, publish what came of it, and return it."""
        begun = time.monotonic()
        walk = Walk(
            self._client,
            self._workers,
            self._burrow.filters,
            deadline=begun + self._schedule.deadline,
            expires_at=begun + self._schedule.stale_after,
            tick=self._drop_expired,
            clock=self._clock,
        )
        poll = self._state.absorb(walk.run(), self._clock(), time.monotonic())
        self._report(poll)
        self._publish(poll.snapshot)
        self.was_good = self.was_good or poll.good
        self._metrics.polled(good=poll.good, at=self._clock(), duration=time.monotonic() - begun)
        return poll

    def _run(self) -> None:
        begun, turn = time.monotonic(), 0
        while not self._stop.is_set():
            try:
                self.poll()
            except Exception:  # noqa: BLE001  a fault in one poll must not end them all
                self._log.exception("poll broke off")
                self._metrics.polled(good=False, at=self._clock(), duration=0)
            turn = next_turn(turn, (time.monotonic() - begun) / self._schedule.interval)
            self._sleep_until(begun + turn * self._schedule.interval)

    def _sleep_until(self, moment: float) -> None:
        """Wait until ``moment``, awake whenever a reading expires."""
        while (now := time.monotonic()) < moment and not self._stop.is_set():
            self._drop_expired()
            self._stop.wait(max(0.0, min(moment, self._state.snapshot.next_expiry()) - now))

    def _drop_expired(self) -> None:
        if self._state.drop_expired(time.monotonic()):
            self._publish(self._state.snapshot)

    def _report(self, poll: Poll) -> None:
        """Count and log each failure, those of one kind in one line."""
        kinds: dict[tuple[Endpoint, Reason], list[BurrowError]] = defaultdict(list)
        for error in poll.failures:
            self._metrics.failed(error.endpoint, error.reason)
            kinds[error.endpoint, error.reason].append(error)
        for (endpoint, reason), errors in kinds.items():
            detail = errors[0].detail
            self._log.warning("no usable answer", endpoint=endpoint, reason=reason, count=len(errors), first=detail)
        for cluster, lag in poll.behind.items():
            self._log.warning("Burrow has not caught up, cluster not read", cluster=cluster, burrow_lag=lag)
        for cluster, lag in poll.out_of_patience.items():
            self._log.warning("Burrow still behind, cluster published all the same", cluster=cluster, burrow_lag=lag)
        self._metrics.unreadable((cluster.name, cluster.unreadable_groups) for cluster in poll.snapshot.clusters)
        self._log.debug("poll", good=poll.good, clusters=len(poll.snapshot.clusters), failures=len(poll.failures))


def next_turn(turn: int, passed: float) -> int:
    """Return the turn after ``turn``, given the intervals ``passed`` since the first.

    Turns that were missed are left out, but for one that is hardly late: a poll that uses all of its time, up to a
    deadline of one interval, ends just after the next turn, and would else cost every second poll.
    """
    return max(turn + 1, math.ceil(passed - LATE))
