"""The polls of one Burrow: their rhythm, and which replica answers."""

from __future__ import annotations

import math
import threading
import time
from collections import deque
from collections.abc import Callable

import structlog

from burrow_exporter.burrow.client import BurrowClient
from burrow_exporter.metrics.self_metrics import BurrowMetrics
from burrow_exporter.polling.bounds import Bounds
from burrow_exporter.polling.outage_log import Attempt, OutageLog
from burrow_exporter.polling.state import BurrowState
from burrow_exporter.polling.walk import UNSHARDED, Walk, WalkResult
from burrow_exporter.settings.config import BurrowConfig, PollConfig, ShardConfig
from burrow_exporter.snapshot import Snapshot

LATE = 0.25
"""By which part of an interval a poll may begin late."""
OVERDUE = 3
"""After how many intervals, and the time that a poll may take, one that has not ended is overdue."""
GRACE_SECONDS = 1.0
"""How much longer than its deadline a poll is waited for."""


class Poller:
    """Polls one Burrow again and again, in a thread of its own, and hands each new state to ``publish``.

    Polls keep a fixed rhythm and never overlap; a missed one is not made up for. Of several replicas of the Burrow a
    poll has its answers from one, and the next poll begins with that. ``clock`` tells Unix seconds, ``monotonic`` those
    of a clock that never goes back.
    """

    def __init__(  # noqa: PLR0913  what a poller depends on, three with a default
        self,
        burrow: BurrowConfig,
        schedule: PollConfig,
        metrics: BurrowMetrics,
        publish: Callable[[Snapshot], None],
        stop: threading.Event,
        *,
        clock: Callable[[], float] = time.time,
        shard: ShardConfig = UNSHARDED,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._burrow = burrow
        self._schedule = schedule
        self._metrics = metrics
        self._publish = publish
        self._stop = stop
        self._clock = clock
        self._monotonic = monotonic
        self._ended = threading.Event()
        self._shard = shard
        self._clients = deque(BurrowClient(target, burrow.timeout, metrics) for target in burrow.targets())
        self._last = WalkResult(expires_at=0.0)
        self._state = BurrowState(burrow, shard)
        self.was_good = False
        self._log = OutageLog(burrow.name, burrow.addresses, monotonic)
        self._thread = threading.Thread(target=self._run, name=f"poll-{burrow.name}", daemon=True)
        self._before: Poller | None = None
        self._keeps_state = False
        self._delay = 0.0
        self._ended_at = 0.0

    def start(self, before: Poller | None = None, *, keeps_state: bool = False, delay: float = 0.0) -> None:
        """Begin to poll after ``delay`` seconds; in place of ``before``, whose last poll is waited for.

        With ``keeps_state`` the readings and histories of that are kept: it must have read the same.
        """
        self._before, self._keeps_state, self._delay = before, keeps_state, delay
        self._ended_at = self._monotonic()
        self._thread.start()

    def end(self) -> None:
        """Let the poll under way be the last."""
        self._ended.set()

    def last_state(self) -> BurrowState | None:
        """Return what is known after the last poll, for which this waits; ``None`` where it does not end in time."""
        if self._thread.ident is None:
            return self._state
        self._thread.join(self._schedule.deadline + GRACE_SECONDS)
        return None if self._thread.is_alive() else self._state

    def is_alive(self) -> bool:
        """Tell whether the polls go on: one has ended within the last three intervals and a deadline."""
        limit = OVERDUE * self._schedule.interval + self._schedule.deadline
        return self._thread.is_alive() and self._monotonic() - self._ended_at <= limit

    def poll(self) -> tuple[Snapshot, WalkResult]:
        """Poll once, publish what came of it, and return that and the walk it came from."""
        begun = self._monotonic()
        walk, attempts = self._walk(begun)
        snapshot = self._state.apply_walk(walk, self._clock(), self._monotonic())
        good = snapshot.outcome.good
        if not good:
            self._clients.rotate(-1)
        for error in walk.failures:
            self._metrics.failed(error.endpoint, error.reason)
        self._metrics.clusters(snapshot.clusters)
        self._publish(snapshot)
        self.was_good = self.was_good or good
        seconds = self._monotonic() - begun
        self._metrics.polled(good=good, at=self._clock(), duration=seconds)
        if not self._is_over():  # the end cuts a poll short, which is no failure
            self._log.polled(snapshot, walk, attempts, seconds)
        return snapshot, walk

    def _walk(self, begun: float) -> tuple[WalkResult, list[Attempt]]:
        """Walk a replica, and as long as that brings little the next, each in its share of the time that is left.

        Returns the walk that brought most, with the failures of all, and which replicas were asked.
        """
        end = begun + self._schedule.deadline
        results: list[tuple[WalkResult, BurrowClient]] = []
        for left in range(len(self._clients), 0, -1):
            walk = Walk(
                self._clients[0],
                self._burrow.filters,
                deadline=end,
                expires_at=begun + self._schedule.stale_after,
                concurrency=self._burrow.concurrency,
                clock=self._clock,
                shard=self._shard,
                late=self._last.late,
                reads=self._last.reads,
                bounds=Bounds(self._burrow.max_groups, self._burrow.max_partitions, self._last.known),
                stop=self._stop,
            )
            now = self._monotonic()
            results.append((walk.run(now + (end - now) / left if left > 1 else None), self._clients[0]))
            if results[-1][0].is_usable():
                break
            self._clients.rotate(-1)
        best, client = max(results, key=lambda each: (each[0].is_usable(), each[0].answered()))
        if best.answered():
            self._clients.rotate(-self._clients.index(client))
        # Without the clusters: their lists may be long.
        self._last = WalkResult(0.0, late=best.late, reads=best.reads, known=best.known)
        attempts = [Attempt(each.target.address, result.failures, result is best) for result, each in results]
        best.source = client.target.address
        best.failures = [error for result, _ in results for error in result.failures]
        return best, attempts

    def _take_over(self) -> None:
        """Wait for the last poll of the one before, so that a Burrow is not polled twice at once."""
        before, self._before = self._before, None
        if not before or not (state := before.last_state()):
            return
        if self._keeps_state:
            self._state = state
        else:
            self._state.count_on(state)

    def _run(self) -> None:
        self._take_over()
        self._ended.wait(self._delay)
        begun, turn = self._monotonic(), 0
        while not self._is_over():
            try:
                self.poll()
            except Exception:  # noqa: BLE001  a fault in one poll must not end them all
                structlog.get_logger().exception("poll broke off", burrow=self._burrow.name)
                self._metrics.polled(good=False, at=self._clock(), duration=0)
            self._ended_at = self._monotonic()
            turn = next_turn(turn, (self._monotonic() - begun) / self._schedule.interval)
            self._sleep_until(begun + turn * self._schedule.interval)

    def _is_over(self) -> bool:
        return self._stop.is_set() or self._ended.is_set()

    def _sleep_until(self, moment: float) -> None:
        """Wait until ``moment``."""
        while (now := self._monotonic()) < moment and not self._is_over():
            self._ended.wait(moment - now)


def next_turn(turn: int, passed: float) -> int:
    """Return the turn after ``turn``, given the intervals ``passed`` since the first.

    Turns that were missed are left out, but for one that is hardly late: a poll that uses all of its time, up to a
    deadline of one interval, ends just after the next turn, and would else cost every second poll.
    """
    return max(turn + 1, math.ceil(passed - LATE))
