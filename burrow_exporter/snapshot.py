"""The results of one Burrow's polls: immutable data between walk and exposition. No I/O, no metric names.

Readings have two timestamps. ``read_at`` is Unix time in seconds, for comparison with timestamps from Kafka and Burrow.
``expires_at`` is on the monotonic clock: from then on the reading is no longer exposed.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field, replace
from itertools import chain
from types import MappingProxyType
from typing import Any

from burrow_exporter.burrow.partitions import Partitions

GROUP_STATUS_CODES: Mapping[str, int] = MappingProxyType({"OK": 1, "WARN": 2, "ERR": 3})
PARTITION_STATUS_CODES: Mapping[str, int] = MappingProxyType(
    {"OK": 1, "WARN": 2, "STOP": 4, "STALL": 5, "REWIND": 6},
)


@dataclass(frozen=True, slots=True)
class Group:
    """A consumer group, after the filters.

    ``status`` is Burrow's status. ``partitions`` are those with a committed offset, ``uncommitted`` those without, for
    which nothing else is known. ``total_lag`` and ``max_lag`` are in messages. ``lag_seconds`` has one value in seconds
    per entry of ``partitions``, ``None`` if unknown; it is empty until it is computed. ``members`` is the number of
    members that own a partition, ``unowned_partitions`` that of partitions without an owner; both are ``None`` if
    Burrow knows no owner. ``owner_changes`` counts, over all polls so far, the partitions whose owner differs from the
    poll before; ``None`` if no owner is known and none has changed.
    """

    name: str
    status: str
    partitions: Partitions
    uncommitted: Partitions
    total_lag: int
    max_lag: int
    read_at: float
    expires_at: float
    lag_seconds: Sequence[float | None] = ()
    members: int | None = None
    unowned_partitions: int | None = None
    owner_changes: int | None = None


@dataclass(frozen=True, slots=True)
class GroupTopic:
    """A consumer group's partitions of one topic that have a committed offset, aggregated.

    ``lag`` and ``current_offset`` are sums. ``max_lag``, ``lag_seconds`` and ``status`` (a code) are maxima;
    ``lag_seconds`` and ``status`` are ``None`` if unknown.
    """

    name: str
    lag: int
    max_lag: int
    lag_seconds: float | None
    status: int | None
    current_offset: int


@dataclass(frozen=True, slots=True)
class Topic:
    """A topic's log end offsets, indexed by partition."""

    name: str
    offsets: Sequence[int]
    read_at: float
    expires_at: float


@dataclass(frozen=True, slots=True)
class Cluster:
    """A Kafka cluster as one Burrow sees it.

    ``listed_groups`` and ``listed_topics`` count what Burrow lists, before any filter. ``last_commit`` is the latest
    time at which Burrow observed a commit (Unix seconds), ``burrow_lag`` the lag of Burrow's own group in messages;
    both are ``None`` if unknown.

    ``wanted_groups`` counts the listed groups of this shard that pass the name filters. Of these, ``unreadable_groups``
    had no usable response in the last poll, and ``held_groups`` had one that may be from before Burrow had read their
    commits. ``filtered_groups`` counts this shard's groups, except Burrow's own, that were filtered out, by filter:
    names (``name``), topics (``topic``) or the age of commits (``commit_age``). ``hidden_groups`` are those filtered
    out by the age of their commits although they have lag. ``contradicts`` is true while responses contradict each
    other, as those of several Burrows behind one address do. ``absent_groups`` are listed groups that are not among
    ``groups``, each with the reason, up to a limit.
    """

    name: str
    groups: tuple[Group, ...]
    topics: tuple[Topic, ...]
    listed_groups: int
    listed_topics: int
    last_commit: float | None
    burrow_lag: int | None
    unreadable_groups: int
    expires_at: float
    wanted_groups: int = 0
    held_groups: int = 0
    filtered_groups: Mapping[str, int] = field(default_factory=dict)
    hidden_groups: tuple[str, ...] = ()
    contradicts: bool = False
    absent_groups: Mapping[str, str] = field(default_factory=dict)

    def fresh(self, monotonic: float) -> Cluster:
        """Return this cluster without the groups and topics that have expired by ``monotonic``."""
        if monotonic < self.next_expiry():
            return self
        return replace(
            self,
            groups=tuple(group for group in self.groups if group.expires_at > monotonic),
            topics=tuple(topic for topic in self.topics if topic.expires_at > monotonic),
        )

    def next_expiry(self) -> float:
        """Return when, on the monotonic clock, the first reading of this cluster expires."""
        groups = (group.expires_at for group in self.groups)
        topics = (topic.expires_at for topic in self.topics)
        return min(chain((self.expires_at,), groups, topics))


@dataclass(frozen=True, slots=True)
class Outcome:
    """The outcome of a poll.

    ``last_good_at`` is when the last successful poll ended (Unix seconds), or ``None`` if there was none.
    ``expires_at`` is the expiry of this poll's readings, so readings that expire earlier are from an earlier poll.
    ``failures`` counts failed requests by endpoint and reason. ``behind`` are the clusters that Burrow itself has not
    fully read, with Burrow's lag in messages (``None`` if unknown). Of these, ``withheld`` are not exposed because of
    it, and ``timed_out`` are exposed anyway from now on. ``hints`` are likely misconfigurations behind failed requests.
    """

    good: bool = True
    last_good_at: float | None = None
    expires_at: float = 0.0
    failures: Mapping[tuple[str, str], int] = field(default_factory=dict)
    behind: Mapping[str, int | None] = field(default_factory=dict)
    withheld: tuple[str, ...] = ()
    timed_out: tuple[str, ...] = ()
    hints: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Snapshot:
    """Everything known of one Burrow after a poll. ``taken_at`` is when the poll ended, in Unix seconds.

    ``listed`` are the clusters that the Burrow listed last, with or without current readings. ``refused`` are those
    that are not exposed because another Burrow has them.
    """

    burrow: str
    clusters: tuple[Cluster, ...]
    taken_at: float
    listed: frozenset[str] = frozenset()
    outcome: Outcome = Outcome()
    refused: frozenset[str] = frozenset()

    def names(self) -> frozenset[str]:
        """Return the names of this Burrow's clusters, including those without current readings."""
        return self.listed | {cluster.name for cluster in self.clusters}

    def without(self, names: AbstractSet[str]) -> Snapshot:
        """Return this snapshot without the given clusters, which become ``refused``."""
        clusters = tuple(cluster for cluster in self.clusters if cluster.name not in names)
        return replace(self, clusters=clusters, refused=frozenset(names))

    def fresh(self, monotonic: float) -> Snapshot:
        """Return this snapshot without readings that have expired by ``monotonic``; the same object if none has."""
        if monotonic < self.next_expiry():
            return self
        clusters = tuple(cluster.fresh(monotonic) for cluster in self.clusters if cluster.expires_at > monotonic)
        return replace(self, clusters=clusters)

    def next_expiry(self) -> float:
        """Return when, on the monotonic clock, the first reading of this snapshot expires."""
        return min((cluster.next_expiry() for cluster in self.clusters), default=float("inf"))


def group_topics(group: Group) -> list[GroupTopic]:
    """Aggregate a group's partitions by topic, in the order of the partitions."""
    return [
        GroupTopic(
            name,
            lag=sum(lags),
            max_lag=max(lags),
            lag_seconds=largest(seconds),
            status=max(filter(None, map(PARTITION_STATUS_CODES.get, set(statuses))), default=None),
            current_offset=sum(offsets),
        )
        for name, (lags, seconds, statuses, offsets) in by_topic(group)
    ]


def by_topic(group: Group) -> Iterator[tuple[str, tuple[Sequence[Any], ...]]]:
    """Yield each topic with columns of its committed partitions: lags, lags in seconds, statuses, offsets."""
    partitions = group.partitions
    seconds = group.lag_seconds or [None] * len(partitions)
    columns = (partitions.lags, seconds, partitions.statuses, partitions.ends.offsets)
    if len(set(partitions.topics)) == 1:  # true of most groups, and half the cost
        yield partitions.topics[0], columns
        return
    places: dict[str, list[int]] = {}
    for place, topic in enumerate(partitions.topics):
        places.setdefault(topic, []).append(place)
    for topic, mine in places.items():
        yield topic, tuple([column[place] for place in mine] for column in columns)


def largest(seconds: Sequence[float | None]) -> float | None:
    """Return the largest known lag in seconds, or ``None`` if none is known. Optimized for mostly zeros."""
    most = max(filter(None, seconds), default=None)
    return 0.0 if most is None and 0 in seconds else most
