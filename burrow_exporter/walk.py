"""One walk through a Burrow: every request of a poll, several at once, until all are answered or the deadline comes."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from queue import Empty, SimpleQueue
from typing import Any, Generic, TypeVar

from burrow_exporter.answers import GroupStatus
from burrow_exporter.burrow import MAX_NAME_BYTES, UNANSWERED, BurrowClient, BurrowError, Endpoint, Reason
from burrow_exporter.config import Filters, ShardConfig
from burrow_exporter.readings import (
    is_too_long,
    last_commit,
    may_be_own,
    newest,
    read_group,
    unknown_statuses,
)
from burrow_exporter.snapshot import Group, Topic

T = TypeVar("T")
TICK_SECONDS = 1.0
WHOLE = ShardConfig()
GIVE_UP_AFTER = 8
"""Requests in a row without an answer, each tried again as ever, after which another replica has its turn."""


@dataclass(slots=True)
class ClusterWalk:
    """What a walk saw of one cluster. Lists are ``None``, and names missing in dicts, where no answer was usable.

    ``groups`` holds ``None`` for a group that Burrow does not know (any more) or of which the filters leave nothing.
    ``own`` are the answers for groups that may be Burrow's own. ``last_commit`` is in Unix seconds.
    """

    name: str
    listed_groups: list[str] | None = None
    listed_topics: list[str] | None = None
    groups: dict[str, Group | None] = field(default_factory=dict)
    topics: dict[str, Topic] = field(default_factory=dict)
    own: dict[str, GroupStatus | None] = field(default_factory=dict)
    last_commit: float | None = None


@dataclass(slots=True)
class WalkResult:
    """What a walk saw: the clusters by name, ``None`` where Burrow was not ready or did not list them.

    Its readings expire at ``expires_at`` (monotonic seconds). ``given_up`` when it was left for another replica.
    """

    expires_at: float
    clusters: dict[str, ClusterWalk] | None = None
    failures: list[BurrowError] = field(default_factory=list)
    given_up: bool = False

    def answered(self) -> int:
        """Return how many groups and topics were answered."""
        return sum(len(cluster.groups) + len(cluster.topics) for cluster in (self.clusters or {}).values())

    def is_usable(self) -> bool:
        """Tell whether it saw most of what there is: a reason to ask the same replica again."""
        lost = sum(error.reason in UNANSWERED for error in self.failures)
        return self.clusters is not None and not self.given_up and lost <= self.answered()


class Workers:
    """Threads that work for one Burrow, as many as there may be requests under way at once.

    They are daemons and are never joined: a request that hangs must not hold up the end of the process.
    """

    def __init__(self, count: int, name: str) -> None:
        self._jobs: SimpleQueue[Callable[[], None] | None] = SimpleQueue()
        self._count = count
        for index in range(count):
            threading.Thread(target=self._work, name=f"{name}-{index}", daemon=True).start()

    def submit(self, job: Callable[[], None]) -> None:
        """Let a thread run ``job``, which must not raise, after those submitted before."""
        self._jobs.put(job)

    def stop(self) -> None:
        """Let every thread end after its present job and those before this call."""
        for _ in range(self._count):
            self._jobs.put(None)

    def _work(self) -> None:
        while (job := self._jobs.get()) is not None:
            job()


class Walk:
    """One walk. ``deadline`` and ``expires_at``, that of every reading it brings, are on the monotonic clock.

    ``tick`` is called once a second while the walk lasts. ``clock`` tells Unix seconds. Of the groups only those of
    ``shard`` are asked.
    """

    def __init__(  # noqa: PLR0913  what a walk depends on, all but three with a default
        self,
        client: BurrowClient,
        workers: Workers,
        filters: Filters,
        *,
        deadline: float,
        expires_at: float,
        tick: Callable[[], object] = lambda: None,
        clock: Callable[[], float] = time.time,
        shard: ShardConfig = WHOLE,
    ) -> None:
        self._client = client
        self._workers = workers
        self._filters = filters
        self._deadline = self._until = deadline
        self._expires_at = expires_at
        self._tick = tick
        self._clock = clock
        self._shard = shard
        self._has_spare = False
        self._unanswered = 0
        self._finished: SimpleQueue[tuple[_Request[Any], Any]] = SimpleQueue()
        self._pending: set[_Request[Any]] = set()
        self._result = WalkResult(expires_at)

    def run(self, give_up_at: float | None = None) -> WalkResult:
        """Ask for everything and return what was answered by the deadline.

        Where another replica stands by, its turn comes when at ``give_up_at`` (monotonic seconds) the clusters are not
        listed yet, or when too many requests in a row have no answer.
        """
        self._has_spare = give_up_at is not None
        self._until = self._deadline if give_up_at is None else give_up_at
        self._ask(_Request(Endpoint.READY, "readiness", self._client.check_ready, self._on_ready))
        next_tick = 0.0
        while self._pending and (now := time.monotonic()) < self._until:
            if now >= next_tick:
                self._tick()
                next_tick = now + TICK_SECONDS
            try:
                request, outcome = self._finished.get(timeout=min(self._until, next_tick) - now)
            except Empty:
                continue
            self._finish(request, outcome)
        for request in self._pending:
            self._fail(request.endpoint, Reason.DEADLINE, f"{request.what} was not answered before the poll's end")
        self._result.given_up = self._until != self._deadline
        return self._result

    def _ask(self, request: _Request[T]) -> None:
        self._pending.add(request)
        self._workers.submit(partial(self._send, request))

    def _send(self, request: _Request[T]) -> None:
        """Make a request, in a worker's thread; nothing else of the walk is touched there."""
        outcome: T | Exception
        try:
            outcome = request.call(self._until)
        except Exception as error:  # noqa: BLE001  handed over to the walk, which raises what it does not expect
            outcome = error
        self._finished.put((request, outcome))

    def _finish(self, request: _Request[T], outcome: T | Exception) -> None:
        self._pending.remove(request)
        try:
            if isinstance(outcome, Exception):
                raise outcome
            self._unanswered = 0
            request.then(outcome)
        except BurrowError as error:
            self._result.failures.append(error)
            self._unanswered = self._unanswered + 1 if error.reason in UNANSWERED else 0
        if self._has_spare and self._unanswered >= GIVE_UP_AFTER:
            self._until = 0.0

    def _fail(self, endpoint: Endpoint, reason: Reason, detail: str) -> None:
        self._result.failures.append(BurrowError(endpoint, reason, detail))

    def _on_ready(self, _: None) -> None:
        self._ask(_Request(Endpoint.CLUSTERS, "the list of clusters", self._client.clusters, self._on_clusters))

    def _on_clusters(self, names: list[str]) -> None:
        names = [name for name in self._usable(Endpoint.CLUSTERS, names) if self._filters.cluster.admits(name)]
        self._result.clusters = {name: ClusterWalk(name) for name in names}
        self._until = self._deadline
        for name, cluster in self._result.clusters.items():
            groups, topics = partial(self._client.groups, name), partial(self._client.topics, name)
            on_groups, on_topics = partial(self._on_groups, cluster), partial(self._on_topics, cluster)
            self._ask(_Request(Endpoint.CONSUMERS, f"the groups of {name!r}", groups, on_groups))
            self._ask(_Request(Endpoint.TOPICS, f"the topics of {name!r}", topics, on_topics))

    def _on_groups(self, cluster: ClusterWalk, names: list[str]) -> None:
        cluster.listed_groups = list(dict.fromkeys(names))
        for group in self._groups_to_ask(cluster.name, self._usable(Endpoint.CONSUMERS, names)):
            call, then = partial(self._read, cluster.name, group), partial(self._on_group, cluster, group)
            self._ask(_Request(Endpoint.LAG, f"group {group!r} of {cluster.name!r}", call, then))

    def _groups_to_ask(self, cluster: str, names: list[str]) -> list[str]:
        """Return the groups to ask of this share; the first share needs all where the newest commit does."""
        wanted = groups_to_ask(names, self._filters)
        if self._shard.is_first() and not any(map(may_be_own, names)):
            return wanted
        return [name for name in wanted if may_be_own(name) or self._shard.holds(cluster, name)]

    def _read(self, cluster: str, name: str, deadline: float) -> _GroupRead:
        """Ask for a group and read the answer, in a worker's thread: the walk's own then only collects."""
        answer = self._client.group(cluster, name, deadline)
        if answer is None:
            return _GroupRead(None, None, None)
        group = read_group(answer, self._filters, read_at=self._clock(), expires_at=self._expires_at)
        return _GroupRead(group, last_commit(answer), answer if may_be_own(name) else None)

    def _on_topics(self, cluster: ClusterWalk, names: list[str]) -> None:
        cluster.listed_topics = list(dict.fromkeys(names))
        for topic in filter(self._filters.topic.admits, self._usable(Endpoint.TOPICS, names)):
            call, then = partial(self._client.offsets, cluster.name, topic), partial(self._on_topic, cluster, topic)
            self._ask(_Request(Endpoint.TOPIC, f"topic {topic!r} of {cluster.name!r}", call, then))

    def _on_group(self, cluster: ClusterWalk, name: str, read: _GroupRead) -> None:
        if may_be_own(name):
            cluster.own[name] = read.own
        cluster.last_commit = newest(cluster.last_commit, read.last_commit)
        cluster.groups[name] = read.group
        if read.group and (words := unknown_statuses(read.group)):
            self._fail(Endpoint.LAG, Reason.UNKNOWN_STATUS, f"group {name!r} has {', '.join(sorted(words))}")

    def _on_topic(self, cluster: ClusterWalk, name: str, offsets: list[int]) -> None:
        cluster.topics[name] = Topic(name, offsets, read_at=self._clock(), expires_at=self._expires_at)

    def _usable(self, endpoint: Endpoint, names: list[str]) -> list[str]:
        """Return the names, each once, without those that are too long for a label."""
        names = list(dict.fromkeys(names))
        for name in filter(is_too_long, names):
            self._fail(endpoint, Reason.NAME_TOO_LONG, f"{name[:40]!r}... has more than {MAX_NAME_BYTES} bytes")
        return [name for name in names if not is_too_long(name)]


@dataclass(frozen=True, slots=True, eq=False)
class _Request(Generic[T]):
    """One request: ``what`` it asks for in words, ``call`` to make it (given the deadline), ``then`` for its answer."""

    endpoint: Endpoint
    what: str
    call: Callable[[float], T]
    then: Callable[[T], None]


@dataclass(frozen=True, slots=True)
class _GroupRead:
    """What an answer for a group amounts to; ``own`` is the answer itself where it may be for Burrow's own group."""

    group: Group | None
    last_commit: float | None
    own: GroupStatus | None


def groups_to_ask(names: list[str], filters: Filters) -> list[str]:
    """Return the groups whose lag is asked for: those the filter admits, and Burrow's own.

    The newest commit of a cluster is that of any group, filtered or not. Burrow's own group knows it, as it notes each
    commit that it reads; where there is none (a denylist), every group is asked.
    """
    if not any(map(may_be_own, names)):
        return names
    return [name for name in names if may_be_own(name) or filters.group.admits(name)]
