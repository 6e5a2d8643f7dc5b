"""The polls of one Burrow: their rhythm, and what is said of them."""

from __future__ import annotations

import math
import threading
import time
from collections import defaultdict, deque
from collections.abc import Callable

import structlog

from burrow_exporter.burrow.client import BurrowClient
from burrow_exporter.burrow.failures import BurrowError, Endpoint, Reason
from burrow_exporter.metrics.self_metrics import BurrowMetrics
from burrow_exporter.polling.state import BurrowState, Poll
from burrow_exporter.polling.walk import WHOLE, Walk, WalkResult
from burrow_exporter.settings.config import BurrowConfig, PollConfig, ShardConfig
from burrow_exporter.snapshot import Snapshot

LATE = 0.25
"""By which part of an interval a poll may begin late."""


class Poller:
    """Polls one Burrow again and again, in a thread of its own, and hands each new state to ``publish``.

    Polls keep a fixed rhythm and never overlap; a missed one is not made up for. ``clock`` tells Unix seconds. Of
    several replicas of the Burrow a poll has its answers from one, and the next poll begins with that.
    """

    def __init__(
        self,
        burrow: BurrowConfig,
        schedule: PollConfig,
        metrics: BurrowMetrics,
        publish: Callable[[Snapshot], None],
        stop: threading.Event,
        clock: Callable[[], float] = time.time,
        shard: ShardConfig = WHOLE,
    ) -> None:
        self._burrow = burrow
        self._schedule = schedule
        self._metrics = metrics
        self._publish = publish
        self._stop = stop
        self._clock = clock
        self._ended = threading.Event()
        self._shard = shard
        self._clients = deque(BurrowClient(target, burrow.timeout, metrics) for target in burrow.targets())
        self._last = WalkResult(expires_at=0.0)
        self._state = BurrowState(burrow, shard)
        self.was_good = False
        self._log = structlog.get_logger().bind(burrow=burrow.name)
        self._thread = threading.Thread(target=self._run, name=f"poll-{burrow.name}", daemon=True)
        self._before: Poller | None = None

    def start(self, before: Poller | None = None) -> None:
        """Begin to poll; in place of ``before``, whose last poll is waited for and whose readings are kept."""
        self._before = before
        self._thread.start()

    def end(self) -> None:
        """Let the poll under way be the last."""
        self._ended.set()

    def last_state(self) -> BurrowState:
        """Return what is known after the last poll, for which this waits."""
        self._thread.join()
        return self._state

    def is_alive(self) -> bool:
        """Tell whether the polls go on."""
        return self._thread.is_alive()

    def poll(self) -> Poll:
        """Poll once, publish what came of it, and return it."""
        begun = time.monotonic()
        client = self._clients[0]
        poll = self._state.absorb(self._walk(begun), self._clock(), time.monotonic())
        if not poll.good:
            self._clients.rotate(-1)
        if client is not self._clients[0]:
            self._log.warning(
                "another replica has its turn", address=self._clients[0].target.address, before=client.target.address
            )
        self._report(poll)
        self._publish(poll.snapshot)
        self.was_good = self.was_good or poll.good
        self._metrics.polled(good=poll.good, at=self._clock(), duration=time.monotonic() - begun)
        return poll

    def _walk(self, begun: float) -> WalkResult:
        """Walk a replica, and as long as that brings little the next, each in its share of the time that is left."""
        end = begun + self._schedule.deadline
        results: list[tuple[WalkResult, BurrowClient]] = []
        for left in range(len(self._clients), 0, -1):
            walk = Walk(
                self._clients[0],
                self._burrow.filters,
                deadline=end,
                expires_at=begun + self._schedule.stale_after,
                concurrency=self._burrow.concurrency,
                tick=self._drop_expired,
                clock=self._clock,
                shard=self._shard,
                late=self._last.late,
                reads=self._last.reads,
                stop=self._stop,
            )
            now = time.monotonic()
            results.append((walk.run(now + (end - now) / left if left > 1 else None), self._clients[0]))
            if results[-1][0].is_usable():
                break
            self._clients.rotate(-1)
        best, client = max(results, key=lambda each: (each[0].is_usable(), each[0].answered()))
        if best.answered():
            self._clients.rotate(-self._clients.index(client))
        self._last = best
        best.failures = [error for result, _ in results for error in result.failures]
        return best

    def _run(self) -> None:
        if self._before:
            self._state.inherit(self._before.last_state())
            self._before = None
        begun, turn = time.monotonic(), 0
        while not self._is_over():
            try:
                self.poll()
            except Exception:  # noqa: BLE001  a fault in one poll must not end them all
                self._log.exception("poll broke off")
                self._metrics.polled(good=False, at=self._clock(), duration=0)
            turn = next_turn(turn, (time.monotonic() - begun) / self._schedule.interval)
            self._sleep_until(begun + turn * self._schedule.interval)

    def _is_over(self) -> bool:
        return self._stop.is_set() or self._ended.is_set()

    def _sleep_until(self, moment: float) -> None:
        """Wait until ``moment``, awake whenever a reading expires."""
        while (now := time.monotonic()) < moment and not self._is_over():
            self._drop_expired()
            self._ended.wait(max(0.0, min(moment, self._state.snapshot.next_expiry()) - now))

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
