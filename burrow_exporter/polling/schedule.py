"""The requests of a walk: their order, their threads, and their deadline."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from heapq import heappop, heappush
from itertools import count
from typing import Any, Generic, NamedTuple, TypeVar

from burrow_exporter.burrow import retries
from burrow_exporter.burrow.failures import BurrowError, Endpoint, Reason
from burrow_exporter.burrow.retries import Attempts

T = TypeVar("T")
CHECK_SECONDS = 0.05
"""The interval at which a walk is checked for the need of more threads and for requests past their timeout."""
GRACE_SECONDS = 0.25
"""How long past its timeout a request may take to end. Later than that, its thread is abandoned."""
BUSY = 0.9
"""The target share of one CPU that a walk uses. Below it the walk waits for responses, and more threads help."""


class Resource(NamedTuple):
    """What a request is for. The names are empty if the endpoint needs none."""

    endpoint: Endpoint
    cluster: str = ""
    name: str = ""

    def __str__(self) -> str:
        """Return a description for messages."""
        words = {
            Endpoint.READY: "readiness",
            Endpoint.CONFIG: "Burrow's configuration",
            Endpoint.CLUSTERS: "the list of clusters",
            Endpoint.CONSUMERS: f"the groups of {self.cluster!r}",
            Endpoint.TOPICS: f"the topics of {self.cluster!r}",
            Endpoint.LAG: f"group {self.name!r} of {self.cluster!r}",
            Endpoint.TOPIC: f"topic {self.name!r} of {self.cluster!r}",
        }
        return words[self.endpoint]


@dataclass(slots=True, eq=False)
class Request(Generic[T]):
    """One request: ``call`` makes it and may raise ``BurrowError``, ``then`` processes its response.

    ``tries`` counts the attempts. After a failure ``pause`` is the seconds until the next attempt, or ``None`` after
    the last one. Requests of an earlier ``turn`` go first; within a turn, those added first. A request is retried in
    each turn up to the last while its failures may be temporary.
    """

    resource: Resource
    call: Callable[[], T]
    then: Callable[[T], None]
    turn: int = 0
    tries: int = 0
    pause: float | None = None
    attempts: Attempts | None = None
    number: int = field(default_factory=count().__next__)

    def __lt__(self, other: Request[Any]) -> bool:
        """Return whether this request goes before another."""
        return (self.turn, self.number) < (other.turn, other.number)


class Schedule:
    """Makes requests until all have a response, or until ``end_at`` (monotonic seconds).

    While responses arrive immediately, one thread makes all requests: the cost of switching between threads would
    exceed the gain. While the process leaves its CPU idle, threads are added, up to ``concurrency``. A request that
    exceeds ``timeout`` (seconds) and cannot be aborted, such as a DNS lookup, leaves its thread behind.

    ``on_outcome`` is called after each attempt, with the failure, or ``None`` for a response. The failed request's
    ``pause`` is ``None`` if it is not retried. It and ``then`` run under one lock, and may call ``ask`` for more
    requests. Once ``stop`` is set, no more requests are made.
    """

    def __init__(
        self,
        end_at: float,
        concurrency: int,
        timeout: float,
        on_outcome: Callable[[Request[Any], BurrowError | None], None],
        stop: threading.Event,
    ) -> None:
        self.end_at = end_at
        self._concurrency = concurrency
        self._timeout = timeout
        self._on_outcome = on_outcome
        self._stop = stop
        self._changed = threading.Condition()
        self._queue: list[Request[Any]] = []
        self._put_off: list[tuple[float, Request[Any]]] = []
        self._pending: set[Request[Any]] = set()
        self._under_way: dict[Request[Any], float] = {}
        self._threads = 0
        self._measured_at, self._cpu_then = time.monotonic(), time.process_time()
        self._is_over = False
        self._fault: Exception | None = None

    def ask(self, request: Request[Any]) -> None:
        """Add a request."""
        with self._changed:
            self._pending.add(request)
            heappush(self._queue, request)
            self._changed.notify()

    def run(self) -> list[Request[Any]]:
        """Make all requests and return those without a response. Raises unexpected exceptions of the threads."""
        while not self._has_ended():
            pass
        with self._changed:
            self._is_over = True
            self._changed.notify_all()
        if self._fault is not None:
            raise self._fault
        return sorted(self._pending)

    def _has_ended(self) -> bool:
        """Wait briefly, check the requests in flight, and return whether the run is over."""
        with self._changed:
            self._have_threads()
            if self._pending and self._fault is None:
                self._changed.wait(max(0.0, min(CHECK_SECONDS, self.end_at - time.monotonic())))
            self._leave_behind_overdue()
            return not self._pending or self._fault is not None or time.monotonic() >= self.end_at

    def _have_threads(self) -> None:
        """Start the first thread, and later as many as it takes to keep the CPU busy."""
        now, cpu = time.monotonic(), time.process_time()
        if self._threads and now - self._measured_at < CHECK_SECONDS:
            return
        busy = (cpu - self._cpu_then) / max(now - self._measured_at, CHECK_SECONDS)
        self._measured_at, self._cpu_then = now, cpu
        wanted = max(1, int(self._threads * BUSY / max(busy, 0.01)))
        while self._threads < min(wanted, self._concurrency):
            self._threads += 1
            threading.Thread(target=self._work, name="walk", daemon=True).start()

    def _leave_behind_overdue(self) -> None:
        late = time.monotonic() - self._timeout - GRACE_SECONDS
        for request in [each for each, begun in self._under_way.items() if begun < late]:
            del self._under_way[request]
            self._threads -= 1
            self._fail(
                request, BurrowError(request.resource.endpoint, Reason.TIMEOUT, f"{request.resource}: timed out")
            )

    def _work(self) -> None:
        """Make one request after another, as a thread, until there are no more or the thread is abandoned."""
        try:
            while request := self._next():
                tries = request.tries
                outcome = self._outcome(request)
                with self._changed:
                    if self._is_over or request.tries != tries or self._under_way.pop(request, None) is None:
                        return
                    self._settle(request, outcome)
        except Exception as fault:  # noqa: BLE001  raised again by the thread that runs the walk
            with self._changed:
                self._fault = fault
                self._changed.notify_all()

    def _next(self) -> Request[Any] | None:
        """Wait for the next request and return it, or ``None`` at the end."""
        with self._changed:
            while not self._is_over:
                now = time.monotonic()
                while self._put_off and self._put_off[0][0] <= now:
                    heappush(self._queue, heappop(self._put_off)[1])
                if self._queue:
                    request = heappop(self._queue)
                    self._under_way[request] = now
                    request.tries += 1
                    return request
                self._changed.wait(self._put_off[0][0] - now if self._put_off else None)
        return None

    def _outcome(self, request: Request[T]) -> T | BurrowError:
        if self._stop.is_set():
            detail = f"{request.resource} not requested: the poll has ended"
            return BurrowError(request.resource.endpoint, Reason.DEADLINE, detail)
        try:
            return request.call()
        except BurrowError as error:
            # Keep only the message: a traceback and its causes would keep the response and the walk in memory.
            error.__context__ = error.__cause__ = None
            return error.with_traceback(None)

    def _settle(self, request: Request[T], outcome: T | BurrowError) -> None:
        if isinstance(outcome, BurrowError):
            self._fail(request, outcome)
        else:
            self._on_outcome(request, None)
            request.then(outcome)
            self._finish(request)

    def _fail(self, request: Request[Any], error: BurrowError) -> None:
        """Schedule a retry after a pause and behind all other requests, if it may help."""
        if request.attempts is None:
            request.attempts = Attempts(retries.ATTEMPTS - request.turn, self.end_at, self._stop)
        request.pause = request.attempts.pause_after(error)
        self._on_outcome(request, error)
        if request.pause is None:
            self._finish(request)
        else:
            request.turn += 1
            heappush(self._put_off, (time.monotonic() + request.pause, request))
            self._changed.notify()

    def _finish(self, request: Request[Any]) -> None:
        self._pending.discard(request)
        if not self._pending:
            self._changed.notify_all()
