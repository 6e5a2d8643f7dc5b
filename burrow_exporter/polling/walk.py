"""One walk through a Burrow: all requests of a poll, made concurrently, until the last response or the deadline."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field, replace
from functools import partial
from types import MappingProxyType
from typing import Any, TypeVar

from burrow_exporter.burrow.answers import Settings
from burrow_exporter.burrow.client import BurrowClient
from burrow_exporter.burrow.evaluation import Evaluation
from burrow_exporter.burrow.failures import UNANSWERED, BurrowError, Endpoint, Reason
from burrow_exporter.burrow.partitions import GroupStatus, Partitions
from burrow_exporter.burrow.retries import ATTEMPTS
from burrow_exporter.polling.bounds import Bounds
from burrow_exporter.polling.own_group import may_be_own
from burrow_exporter.polling.readings import (
    MAX_NAME_BYTES,
    Names,
    is_too_long,
    last_commit,
    newest,
    read_group,
    read_names,
    unknown_statuses,
)
from burrow_exporter.polling.schedule import Request, Resource, Schedule
from burrow_exporter.settings.config import MAX_GROUPS, MAX_PARTITIONS, Filters, ShardConfig
from burrow_exporter.snapshot import Group, Topic

T = TypeVar("T")
UNSHARDED = ShardConfig()
NO_NAMES = Names(0, {})
GIVE_UP_AFTER = 8
"""Consecutive requests without a response after which the next replica is tried."""


@dataclass(slots=True)
class ClusterWalk:
    """A walk's results for one cluster. Lists are ``None``, and names missing in dicts, without a usable response.

    ``groups`` holds ``None`` for a group that Burrow does not know (any more) or that the filters remove. ``own`` are
    the responses for groups that may be Burrow's own. ``last_commit`` is in Unix seconds. ``partition_counts`` are
    those of topics, taken from the groups. ``filtered`` are the responses that the filters remove. Lists that exceed
    the limits contain only the names within them: ``omitted_groups`` and ``omitted_topics`` count the rest, and
    ``left_out`` the omitted groups that would have been requested.
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
    omitted_groups: int = 0
    omitted_topics: int = 0
    left_out: int = 0

    def note_partitions(self, counts: Mapping[str, int]) -> None:
        """Record the partition counts of topics from one group's response."""
        for topic, partitions in counts.items():
            if partitions > self.partition_counts.get(topic, 0):
                self.partition_counts[topic] = partitions


@dataclass(slots=True)
class WalkResult:
    """The results of a walk: the clusters by name, ``None`` if Burrow was not ready or did not list them.

    Its readings expire at ``expires_at`` (monotonic seconds). ``given_up`` means that another replica was tried
    instead. ``late`` are the requests without a response in time. ``reads`` are those of groups, by cluster and group
    name. ``source`` is the address of the replica. ``known`` are the groups and topics with a response. ``settings`` is
    Burrow's own configuration.
    """

    expires_at: float
    clusters: dict[str, ClusterWalk] | None = None
    failures: list[BurrowError] = field(default_factory=list)
    given_up: bool = False
    late: set[Resource] = field(default_factory=set)
    reads: dict[tuple[str, str], GroupRead] = field(default_factory=dict)
    source: str = ""
    known: set[Resource] = field(default_factory=set)
    settings: Settings | None = None

    def answered(self) -> int:
        """Return the number of groups and topics with a response."""
        return sum(len(cluster.groups) + len(cluster.topics) for cluster in (self.clusters or {}).values())

    def is_usable(self) -> bool:
        """Return whether the walk read most of what there is, so that the same replica is used again."""
        lost = sum(error.reason in UNANSWERED for error in self.failures)
        return self.clusters is not None and not self.given_up and lost <= self.answered()


class Walk:
    """One walk, with at most ``concurrency`` requests in flight.

    ``deadline``, and ``expires_at`` of all its readings, are on the monotonic clock. ``clock`` returns Unix seconds.
    Only the groups of ``shard`` are requested. Once ``stop`` is set, no more requests are made.

    A request whose failure may be temporary is retried behind all others, so that a few groups that hang do not delay
    the rest. Requests that were ``late`` in the previous walk come last and are tried once. Unchanged groups are taken
    from ``reads`` of the previous walk.
    """

    def __init__(  # noqa: PLR0913  the walk's dependencies, all but four with a default
        self,
        client: BurrowClient,
        filters: Filters,
        *,
        deadline: float,
        expires_at: float,
        concurrency: int = 4,
        clock: Callable[[], float] = time.time,
        shard: ShardConfig = UNSHARDED,
        late: Collection[Resource] = (),
        reads: Mapping[tuple[str, str], GroupRead] = MappingProxyType({}),
        bounds: Bounds | None = None,
        stop: threading.Event | None = None,
    ) -> None:
        self._client = client
        self._filters = filters
        self._deadline = deadline
        self._expires_at = expires_at
        self._concurrency = concurrency
        self._clock = clock
        self._shard = shard
        self._late = late
        self._reads = reads
        self._bounds = bounds or Bounds(MAX_GROUPS, MAX_PARTITIONS, ())
        self._stop = stop or threading.Event()
        self._has_spare = False
        self._unanswered = 0
        self._asks_settings = False
        self._result = WalkResult(expires_at)
        self._schedule = Schedule(deadline, concurrency, client.timeout, self._on_outcome, stop or threading.Event())

    def run(self, give_up_at: float | None = None) -> WalkResult:
        """Make all requests and return the results at the latest by the deadline.

        If there is another replica, gives up if the clusters are not listed by ``give_up_at`` (monotonic seconds), or
        if too many consecutive requests have no response.
        """
        self._has_spare = give_up_at is not None
        self._schedule.end_at = give_up_at or self._deadline
        self._ask(Resource(Endpoint.READY), self._client.check_ready, self._on_ready)
        try:
            unanswered = self._schedule.run()
            for request in unanswered:
                what = request.resource
                self._fail(what.endpoint, Reason.DEADLINE, f"{what} was not answered before the poll's end")
            self._result.late.update(request.resource for request in unanswered if request.tries)
            self._result.given_up = bool(unanswered) and self._schedule.end_at != self._deadline
            return self._result
        finally:
            self._client.close()
            self._let_go()

    def _let_go(self) -> None:
        """Drop all references: library exceptions hold frames in cycles, which hold the walk with all its responses."""
        self._result, self._reads = WalkResult(self._expires_at), {}
        del self._schedule

    def _ask(self, resource: Resource, call: Callable[[], T], then: Callable[[T], None]) -> None:
        turn = ATTEMPTS - 1 if resource in self._late else 0
        self._schedule.ask(Request(resource, call, then, turn))

    def _on_outcome(self, request: Request[Any], error: BurrowError | None) -> None:
        """Count an attempt. Gives up if there is another replica and too many requests fail at the first attempt."""
        if error is None or error.reason not in UNANSWERED:
            self._unanswered = 0
        elif not request.turn:
            self._unanswered += 1
        if error is None:
            return
        if error.reason is Reason.TIMEOUT:
            self._result.late.add(request.resource)
        if self._has_spare and self._unanswered >= GIVE_UP_AFTER:
            self._schedule.end_at = 0.0
        if request.pause is None:
            self._result.failures.append(error)
        else:
            self._client.observer.failed(error.endpoint, error.reason)

    def _fail(self, endpoint: Endpoint, reason: Reason, detail: str) -> None:
        self._result.failures.append(BurrowError(endpoint, reason, detail))

    def _on_ready(self, _: None) -> None:
        self._ask(Resource(Endpoint.CLUSTERS), self._client.clusters, self._on_clusters)

    def _on_clusters(self, names: list[str]) -> None:
        names = [
            name for name in self._usable(Endpoint.CLUSTERS, once_each(names)) if self._filters.cluster.admits(name)
        ]
        self._result.clusters = {name: ClusterWalk(name) for name in names}
        self._schedule.end_at = self._deadline
        for name, cluster in self._result.clusters.items():
            groups, topics = partial(self._client.groups, name), partial(self._client.topics, name)
            on_groups, on_topics = partial(self._on_groups, cluster), partial(self._on_topics, cluster)
            self._ask(Resource(Endpoint.CONSUMERS, name), groups, on_groups)
            self._ask(Resource(Endpoint.TOPICS, name), topics, on_topics)

    def _on_settings(self, settings: Settings | None) -> None:
        self._result.settings = settings

    def _on_groups(self, cluster: ClusterWalk, names: list[str]) -> None:
        cluster.listed_groups = names = once_each(names)
        own = frozenset(filter(may_be_own, names))
        if own and not self._asks_settings:
            self._asks_settings = True
            self._ask(Resource(Endpoint.CONFIG), self._client.settings, self._on_settings)
        usable = self._usable(Endpoint.CONSUMERS, names)
        groups = groups_to_ask(cluster.name, usable, own, self._filters, self._shard)
        admitted = self._admit(Resource(Endpoint.CONSUMERS, cluster.name), Endpoint.LAG, groups)
        if left_out := len(groups) - len(admitted):
            cluster.listed_groups = [resource.name for resource in admitted]
            cluster.omitted_groups, cluster.left_out = len(names) - len(admitted), left_out
        for resource in admitted:
            call = partial(self._read, cluster.name, resource.name)
            self._ask(resource, call, partial(self._on_group, cluster, resource.name))

    def _admit(self, listing: Resource, endpoint: Endpoint, names: list[str]) -> list[Resource]:
        """Return the names of a list to request, within the limits. Records those that are omitted."""
        admitted = self._bounds.admit(endpoint, listing.cluster, names)
        if left_out := len(names) - len(admitted):
            detail = f"{listing}: {left_out} of {len(names)} not read, limited by max_groups"
            self._fail(listing.endpoint, Reason.TOO_MANY, detail)
        return admitted

    def _read(self, cluster: str, name: str) -> GroupRead:
        """Request a group and convert the response, unless it is unchanged since the previous walk."""
        before = self._reads.get((cluster, name))
        evaluation = self._client.group(cluster, name, before.evaluation if before else None)
        if evaluation is None:
            return GroupRead()
        answer = evaluation.status
        known = before if before and before.is_of(answer.partitions) else None
        names = known.names if known else read_names(answer)
        self._bounds.add(Resource(Endpoint.LAG, cluster, name), len(answer.partitions), names.characters)
        read_at, expires_at = self._clock(), self._expires_at
        if known and known.evaluation is evaluation and self._filters.max_commit_age is None:
            read = replace(known, group=known.group and replace(known.group, read_at=read_at, expires_at=expires_at))
        else:
            group = read_group(answer, self._filters, read_at, expires_at)
            read = GroupRead(evaluation, group, last_commit(answer, read_at), names)
        self._result.reads[cluster, name] = read
        return read

    def _on_topics(self, cluster: ClusterWalk, names: list[str]) -> None:
        cluster.listed_topics = names = once_each(names)
        topics = list(filter(self._filters.topic.admits, self._usable(Endpoint.TOPICS, names)))
        admitted = self._admit(Resource(Endpoint.TOPICS, cluster.name), Endpoint.TOPIC, topics)
        if len(admitted) < len(topics):
            cluster.listed_topics = [resource.name for resource in admitted]
            cluster.omitted_topics = len(names) - len(admitted)
        for resource in admitted:
            call = partial(self._offsets, resource)
            self._ask(resource, call, partial(self._on_topic, cluster, resource.name))

    def _offsets(self, resource: Resource) -> list[int]:
        offsets = self._client.offsets(resource.cluster, resource.name)
        names = len(resource.cluster) + len(resource.name)
        self._bounds.add(resource, len(offsets), len(offsets) * names)
        return offsets

    def _on_group(self, cluster: ClusterWalk, name: str, read: GroupRead) -> None:
        answer = read.evaluation.status if read.evaluation else None
        if may_be_own(name):
            cluster.own[name] = answer
        cluster.last_commit = newest(cluster.last_commit, read.last_commit)
        cluster.note_partitions(read.names.partition_counts)
        cluster.groups[name] = read.group
        if answer and not read.group:
            cluster.filtered[name] = answer
        self._result.known.add(Resource(Endpoint.LAG, cluster.name, name))
        if read.group and (words := unknown_statuses(read.group)):
            odd = self._client.shown(", ".join(sorted(words)))
            self._fail(Endpoint.LAG, Reason.UNKNOWN_STATUS, f"group {name!r} has {odd}")

    def _on_topic(self, cluster: ClusterWalk, name: str, offsets: list[int]) -> None:
        self._result.known.add(Resource(Endpoint.TOPIC, cluster.name, name))
        cluster.topics[name] = Topic(name, offsets, read_at=self._clock(), expires_at=self._expires_at)

    def _usable(self, endpoint: Endpoint, names: list[str]) -> list[str]:
        """Return the names without those that are too long for a label."""
        long = list(filter(is_too_long, names))
        for name in long:
            self._fail(endpoint, Reason.NAME_TOO_LONG, f"{name[:40]!r}... has more than {MAX_NAME_BYTES} bytes")
        return [name for name in names if not is_too_long(name)] if long else names


@dataclass(frozen=True, slots=True)
class GroupRead:
    """An evaluation of a group and the reading made from it; empty for a group that Burrow does not know."""

    evaluation: Evaluation | None = None
    group: Group | None = None
    last_commit: float | None = None
    names: Names = NO_NAMES

    def is_of(self, partitions: Partitions) -> bool:
        """Return whether it has the same partitions and members, so that ``names`` are still valid."""
        return self.evaluation is not None and partitions.has_names_of(self.evaluation.status.partitions)


def once_each(names: list[str]) -> list[str]:
    """Return the names in order, without duplicates."""
    return list(dict.fromkeys(names))


def groups_to_ask(
    cluster: str, names: list[str], own: Collection[str], filters: Filters, shard: ShardConfig
) -> list[str]:
    """Return the groups to request: those that pass filter and shard, and Burrow's ``own``.

    The newest commit of a cluster is that of any group, filtered or not. Burrow's own group has it, since Burrow
    commits its progress with each commit that it reads. Without such a group (because of a denylist), the first shard
    requests every group.
    """
    if not own:
        return names if shard.is_first() else [name for name in names if shard.holds(cluster, name)]
    return [name for name in names if name in own or (filters.group.admits(name) and shard.holds(cluster, name))]
