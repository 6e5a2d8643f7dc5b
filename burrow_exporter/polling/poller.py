"""The polls of one Burrow: their schedule, and the choice of replica."""

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
"""The fraction of an interval by which a poll may start late."""
OVERDUE = 3
"""A poll is overdue after this many intervals plus the time that a poll may take."""
GRACE_SECONDS = 1.0
"""How long to wait for a poll past its deadline."""


class Poller:
    """Polls one Burrow periodically, in its own thread, and passes each new state to ``publish``.

    Polls keep a fixed schedule and never overlap; missed ones are skipped. With several replicas a poll uses the
    responses of one, and the next poll begins with the same one. ``clock`` returns Unix seconds, ``monotonic`` seconds
    on a monotonic clock.
    """

    def __init__(  # noqa: PLR0913  the poller's dependencies, three with a default
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
        """Start polling after ``delay`` seconds. If given, replaces ``before`` after its last poll.

        With ``keeps_state``, its readings and histories are kept: it must have read the same groups and topics.
        """
        self._before, self._keeps_state, self._delay = before, keeps_state, delay
        self._ended_at = self._monotonic()
        self._thread.start()

    def end(self) -> None:
        """Stop after the poll in progress."""
        self._ended.set()

    def last_state(self) -> BurrowState | None:
        """Wait for the last poll and return the state after it, or ``None`` if it does not end in time."""
        if self._thread.ident is None:
            return self._state
        self._thread.join(self._schedule.deadline + GRACE_SECONDS)
        return None if self._thread.is_alive() else self._state

    def is_alive(self) -> bool:
        """Return whether polls continue: one has ended within the last three intervals plus a deadline."""
        limit = OVERDUE * self._schedule.interval + self._schedule.deadline
        return self._thread.is_alive() and self._monotonic() - self._ended_at <= limit

    def poll(self) -> tuple[Snapshot, WalkResult]:
        """Poll once and publish the snapshot. Return it and its walk."""
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
        if not self._is_over():  # a shutdown cuts a poll short, which is not a failure
            self._log.polled(snapshot, walk, attempts, seconds)
        return snapshot, walk

    def _walk(self, begun: float) -> tuple[WalkResult, list[Attempt]]:
        """Walk a replica and, as long as the result is poor, the next, each with its share of the time left.

        Returns the walk with the most responses, with the failures of all walks, and the replicas that were tried.
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
        # Without the clusters, whose lists may be long.
        self._last = WalkResult(0.0, late=best.late, reads=best.reads, known=best.known)
        attempts = [Attempt(each.target.address, result.failures, result is best) for result, each in results]
        best.source = client.target.address
        best.failures = [error for result, _ in results for error in result.failures]
        return best, attempts

    def _take_over(self) -> None:
        """Wait for the last poll of the previous poller, so that no Burrow is polled twice at once."""
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
            except Exception:  # noqa: BLE001  an error in one poll must not end the thread
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
    """Return the turn after ``turn``, given the number of intervals ``passed`` since the first.

    Skips missed turns, unless one is only slightly late: a poll that uses its whole deadline of up to one interval ends
    just after the next turn, and would otherwise cost every second poll.
    """
    return max(turn + 1, math.ceil(passed - LATE))
