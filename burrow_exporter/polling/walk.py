"""One walk through a Burrow: every request of a poll, several at once, until all are answered or the deadline comes."""

from __future__ import annotations

import asyncio
import random
import threading
import time
from collections.abc import Awaitable, Callable, Collection, Mapping
from dataclasses import dataclass, field, replace
from functools import partial
from itertools import count
from types import MappingProxyType
from typing import Any, Generic, TypeVar

from burrow_exporter.burrow.answers import GroupStatus
from burrow_exporter.burrow.client import BurrowClient
from burrow_exporter.burrow.failures import TRANSIENT, UNANSWERED, BurrowError, Endpoint, Reason
from burrow_exporter.burrow.session import open_loop
from burrow_exporter.polling.own_group import may_be_own
from burrow_exporter.polling.readings import (
    MAX_NAME_BYTES,
    is_too_long,
    last_commit,
    newest,
    partition_counts,
    read_group,
    unknown_statuses,
)
from burrow_exporter.settings.config import Filters, ShardConfig
from burrow_exporter.snapshot import Group, Topic

T = TypeVar("T")
TICK_SECONDS = 1.0
WHOLE = ShardConfig()
ATTEMPTS = 3
GIVE_UP_AFTER = 8
"""Requests in a row without an answer, after which another replica has its turn."""


@dataclass(slots=True)
class ClusterWalk:
    """What a walk saw of one cluster. Lists are ``None``, and names missing in dicts, where no answer was usable.

    ``groups`` holds ``None`` for a group that Burrow does not know (any more) or of which the filters leave nothing.
    ``own`` are the answers for groups that may be Burrow's own. ``last_commit`` is in Unix seconds.
    ``partition_counts`` are those of topics, as the groups tell them. ``filtered`` are the answers of which the filters
    leave nothing.
    """

    name: str
    listed_groups: list[str] | None = None
    listed_topics: list[str] | None = None
    groups: dict[str, Group | None] = field(default_factory=dict)
    topics: dict[str, Topic] = field(default_factory=dict)
    own: dict[str, GroupStatus | None] = field(default_factory=dict)
    last_commit: float | None = None
    partition_counts: dict[str, int] = field(default_factory=dict)
    filtered: dict[str, GroupStatus] = field(default_factory=dict)

    def note_partitions(self, counts: Mapping[str, int]) -> None:
        """Note how many partitions topics have, as one group tells it."""
        for topic, partitions in counts.items():
            if partitions > self.partition_counts.get(topic, 0):
                self.partition_counts[topic] = partitions


@dataclass(slots=True)
class WalkResult:
    """What a walk saw: the clusters by name, ``None`` where Burrow was not ready or did not list them.

    Its readings expire at ``expires_at`` (monotonic seconds). ``given_up`` when it was left for another replica.
    ``late`` says of what there was no answer in time. ``reads`` are those of groups, by the names of cluster and group.
    ``source`` is the address of the replica that was walked.
    """

    expires_at: float
    clusters: dict[str, ClusterWalk] | None = None
    failures: list[BurrowError] = field(default_factory=list)
    given_up: bool = False
    late: set[str] = field(default_factory=set)
    reads: dict[tuple[str, str], GroupRead] = field(default_factory=dict)
    source: str = ""

    def answered(self) -> int:
        """Return how many groups and topics were answered."""
        return sum(len(cluster.groups) + len(cluster.topics) for cluster in (self.clusters or {}).values())

    def is_usable(self) -> bool:
        """Tell whether it saw most of what there is: a reason to ask the same replica again."""
        lost = sum(error.reason in UNANSWERED for error in self.failures)
        return self.clusters is not None and not self.given_up and lost <= self.answered()


class Walk:
    """One walk, with at most ``concurrency`` requests under way at once.

    ``deadline`` and ``expires_at``, that of every reading it brings, are on the monotonic clock. ``tick`` is called
    once a second while the walk lasts. ``clock`` tells Unix seconds. Of the groups only those of ``shard`` are asked.
    Once ``stop`` is set nothing more is asked.

    A request that fails in a way that may pass is made again behind all others, so that a few groups that hang do not
    take the time of those that answer. What was ``late`` the last time is asked last, and once. Of ``reads``, those of
    the last time, what has not changed is taken over.
    """

    def __init__(  # noqa: PLR0913  what a walk depends on, all but four with a default
        self,
        client: BurrowClient,
        filters: Filters,
        *,
        deadline: float,
        expires_at: float,
        concurrency: int = 4,
        tick: Callable[[], object] = lambda: None,
        clock: Callable[[], float] = time.time,
        shard: ShardConfig = WHOLE,
        late: Collection[str] = (),
        reads: Mapping[tuple[str, str], GroupRead] = MappingProxyType({}),
        stop: threading.Event | None = None,
    ) -> None:
        self._client = client
        self._filters = filters
        self._deadline = deadline
        self._expires_at = expires_at
        self._concurrency = concurrency
        self._tick = tick
        self._clock = clock
        self._shard = shard
        self._late = late
        self._reads = reads
        self._stop = stop or threading.Event()
        self._has_spare = False
        self._unanswered = 0
        self._pending: set[_Request[Any]] = set()
        self._result = WalkResult(expires_at)

    def run(self, give_up_at: float | None = None) -> WalkResult:
        """Ask for everything and return what was answered by the deadline.

        Where another replica stands by, its turn comes when at ``give_up_at`` (monotonic seconds) the clusters are not
        listed yet, or when too many requests in a row have no answer.
        """
        # An event loop and connections of its own: an address is looked up anew by each walk.
        with asyncio.Runner(loop_factory=open_loop) as runner:
            runner.run(self._run(give_up_at))
        return self._result

    async def _run(self, give_up_at: float | None) -> None:
        self._has_spare = give_up_at is not None
        self._queue: asyncio.PriorityQueue[_Request[Any]] = asyncio.PriorityQueue()
        self._ended = asyncio.Event()
        self._ask(_Request(Endpoint.READY, "readiness", self._client.check_ready, self._on_ready))
        try:
            async with asyncio.timeout_at(give_up_at or self._deadline) as self._limit, asyncio.TaskGroup() as tasks:
                jobs = (self._tick_on(), *(self._work() for _ in range(self._concurrency)))
                running = [tasks.create_task(job) for job in jobs]
                await self._ended.wait()
                for task in running:
                    task.cancel()
        except TimeoutError:
            self._result.given_up = self._limit.when() != self._deadline
        finally:
            self._client.close()
        for request in self._pending:
            self._fail(request.endpoint, Reason.DEADLINE, f"{request.what} was not answered before the poll's end")
        self._result.late.update(request.what for request in self._pending if request.attempts)

    async def _tick_on(self) -> None:
        while True:
            self._tick()
            await asyncio.sleep(TICK_SECONDS)

    async def _work(self) -> None:
        while True:
            await self._send(await self._queue.get())

    def _ask(self, request: _Request[T]) -> None:
        request.turn = ATTEMPTS - 1 if request.what in self._late else 0
        self._pending.add(request)
        self._queue.put_nowait(request)

    async def _send(self, request: _Request[T]) -> None:
        """Make a request, and use its answer."""
        request.attempts += 1
        try:
            request.then(await self._attempt(request))
            self._unanswered = 0
        except BurrowError as error:
            self._note_unanswered(request, error)
            if self._is_put_off(request, error):
                return
            self._result.failures.append(error)
        self._pending.remove(request)
        if not self._pending:
            self._ended.set()

    async def _attempt(self, request: _Request[T]) -> T:
        if self._stop.is_set():
            raise BurrowError(request.endpoint, Reason.DEADLINE, f"{request.what} was not asked for any more")
        return await request.call()

    def _note_unanswered(self, request: _Request[Any], error: BurrowError) -> None:
        """Give the replica up where one stands by for it, and too many requests asked for the first time fail."""
        if error.reason is Reason.TIMEOUT:
            self._result.late.add(request.what)
        if error.reason not in UNANSWERED:
            self._unanswered = 0
        elif not request.turn:
            self._unanswered += 1
        if self._has_spare and self._unanswered >= GIVE_UP_AFTER:
            self._end_at(0)

    def _is_put_off(self, request: _Request[Any], error: BurrowError) -> bool:
        """Have a request made again after a moment, behind all others, where that may help; tell whether it will."""
        request.turn += 1
        moment = time.monotonic() + pause(request.attempts)
        if error.reason not in TRANSIENT or request.turn >= ATTEMPTS or moment >= (self._limit.when() or 0):
            return False
        self._client.observer.failed(error.endpoint, error.reason)
        asyncio.get_running_loop().call_at(moment, self._queue.put_nowait, request)
        return True

    def _end_at(self, moment: float) -> None:
        if not self._limit.expired():
            self._limit.reschedule(moment)

    def _fail(self, endpoint: Endpoint, reason: Reason, detail: str) -> None:
        self._result.failures.append(BurrowError(endpoint, reason, detail))

    def _on_ready(self, _: None) -> None:
        self._ask(_Request(Endpoint.CLUSTERS, "the list of clusters", self._client.clusters, self._on_clusters))

    def _on_clusters(self, names: list[str]) -> None:
        names = [name for name in self._usable(Endpoint.CLUSTERS, names) if self._filters.cluster.admits(name)]
        self._result.clusters = {name: ClusterWalk(name) for name in names}
        self._end_at(self._deadline)
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

    async def _read(self, cluster: str, name: str) -> GroupRead:
        """Ask for a group and read the answer, if it is not the one that was read the last time."""
        answer = await self._client.group(cluster, name)
        if answer is None:
            return GroupRead(None, None, None)
        read_at, expires_at = self._clock(), self._expires_at
        before = self._reads.get((cluster, name))
        if before and before.answer is answer and self._filters.max_commit_age is None:
            group = before.group and replace(before.group, read_at=read_at, expires_at=expires_at)
            read = GroupRead(answer, group, before.last_commit, before.partition_counts)
        else:
            group = read_group(answer, self._filters, read_at, expires_at)
            read = GroupRead(answer, group, last_commit(answer), partition_counts(answer))
        self._result.reads[cluster, name] = read
        return read

    def _on_topics(self, cluster: ClusterWalk, names: list[str]) -> None:
        cluster.listed_topics = list(dict.fromkeys(names))
        for topic in filter(self._filters.topic.admits, self._usable(Endpoint.TOPICS, names)):
            call, then = partial(self._client.offsets, cluster.name, topic), partial(self._on_topic, cluster, topic)
            self._ask(_Request(Endpoint.TOPIC, f"topic {topic!r} of {cluster.name!r}", call, then))

    def _on_group(self, cluster: ClusterWalk, name: str, read: GroupRead) -> None:
        if may_be_own(name):
            cluster.own[name] = read.answer
        cluster.last_commit = newest(cluster.last_commit, read.last_commit)
        cluster.note_partitions(read.partition_counts)
        cluster.groups[name] = read.group
        if read.answer and not read.group:
            cluster.filtered[name] = read.answer
        if read.group and (words := unknown_statuses(read.group)):
            odd = self._client.shown(", ".join(sorted(words)))
            self._fail(Endpoint.LAG, Reason.UNKNOWN_STATUS, f"group {name!r} has {odd}")

    def _on_topic(self, cluster: ClusterWalk, name: str, offsets: list[int]) -> None:
        cluster.topics[name] = Topic(name, offsets, read_at=self._clock(), expires_at=self._expires_at)

    def _usable(self, endpoint: Endpoint, names: list[str]) -> list[str]:
        """Return the names, each once, without those that are too long for a label."""
        names = list(dict.fromkeys(names))
        for name in filter(is_too_long, names):
            self._fail(endpoint, Reason.NAME_TOO_LONG, f"{name[:40]!r}... has more than {MAX_NAME_BYTES} bytes")
        return [name for name in names if not is_too_long(name)]


@dataclass(slots=True, eq=False)
class _Request(Generic[T]):
    """One request: ``what`` it asks for in words, ``call`` to make it, ``then`` for its answer.

    Those of an earlier ``turn`` go first, of one turn those that were asked for first.
    """

    endpoint: Endpoint
    what: str
    call: Callable[[], Awaitable[T]]
    then: Callable[[T], None]
    turn: int = 0
    attempts: int = 0
    number: int = field(default_factory=count().__next__)

    def __lt__(self, other: _Request[Any]) -> bool:
        """Tell whether it goes before another."""
        return (self.turn, self.number) < (other.turn, other.number)


@dataclass(frozen=True, slots=True)
class GroupRead:
    """An answer for a group and what it amounts to; nothing of a group that Burrow does not know."""

    answer: GroupStatus | None
    group: Group | None
    last_commit: float | None
    partition_counts: Mapping[str, int] = field(default_factory=dict)


def groups_to_ask(names: list[str], filters: Filters) -> list[str]:
    """Return the groups whose lag is asked for: those the filter admits, and Burrow's own.

    The newest commit of a cluster is that of any group, filtered or not. Burrow's own group knows it, as it notes each
    commit that it reads; where there is none (a denylist), every group is asked.
    """
    if not any(map(may_be_own, names)):
        return names
    return [name for name in names if may_be_own(name) or filters.group.admits(name)]


def pause(attempts: int) -> float:
    """Return the seconds to wait after so many attempts."""
    return 0.1 * (1 << attempts) + random.uniform(0, 0.2)  # nosec B311 # to spread them, no secret
