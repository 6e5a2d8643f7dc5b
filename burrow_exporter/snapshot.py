"""What the polls of one Burrow saw: frozen data between the walk and the exposition. No I/O, no metric names.

Readings carry two times. ``read_at`` is Unix time in seconds, to compare with Kafka's and Burrow's time stamps.
``expires_at`` is on the monotonic clock: from then on the reading is too old to be published.
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

    ``status`` is Burrow's word. ``partitions`` are those with a commit, ``uncommitted`` those without (nothing is known
    of them but that they exist). ``total_lag`` and ``max_lag`` are in messages. ``lag_seconds`` stands beside
    ``partitions``, one figure each in seconds, ``None`` where nothing is known; it is empty until it was computed.
    ``members`` counts the members that own a partition, ``unowned_partitions`` those without an owner; both are
    ``None`` where Burrow knows no owner. ``owner_changes`` counts the partitions whose owner was another than in the
    poll before, in all polls so far, ``None`` where none is known and none has changed.
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
    """What a consumer group's partitions of one topic that have a commit amount to.

    ``lag`` and ``current_offset`` are sums, ``max_lag``, ``lag_seconds`` and ``status``, a code, the largest;
    ``lag_seconds`` and ``status`` are ``None`` where nothing is known.
    """

    name: str
    lag: int
    max_lag: int
    lag_seconds: float | None
    status: int | None
    current_offset: int


@dataclass(frozen=True, slots=True)
class Topic:
    """A topic's log-end offsets; the index is the partition."""

    name: str
    offsets: Sequence[int]
    read_at: float
    expires_at: float


@dataclass(frozen=True, slots=True)
class Cluster:
    """A Kafka cluster as one Burrow sees it.

    ``listed_groups`` and ``listed_topics`` count what Burrow lists, before any filter. ``last_commit`` is the newest
    time at which Burrow observed a commit (Unix seconds), ``burrow_lag`` the lag of Burrow's own group in messages;
    both are ``None`` where nothing tells.

    ``wanted_groups`` counts the listed groups of this share that the filters for names let through. Of those
    ``unreadable_groups`` had no usable answer in the last poll, and ``held_groups`` one that may be from before Burrow
    had read their commits. ``filtered_groups`` counts those of this share, Burrow's own aside, that were left out, by
    what did so: a filter for names (``name``), for topics (``topic``) or for the age of commits (``commit_age``).
    ``hidden_groups`` are those left out for the age of their commits although they have lag. ``contradicts`` while the
    answers contradict each other, as those of several Burrows behind one address do. ``absent_groups`` are listed
    groups that are not among ``groups``, each with the reason; of many only some.
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
    """How a poll went.

    ``last_good_at`` is when the last good poll ended (Unix seconds), ``None`` where there was none. ``expires_at`` is
    that of what this poll read, so that readings which expire before it are older ones. ``failures`` counts requests
    without a usable answer, by endpoint and reason. ``behind`` holds the clusters of which Burrow itself has not read
    all, with the messages that it lacks (``None``: nothing tells). Of these ``withheld`` are not published for it, and
    ``timed_out`` are from now on published all the same. ``hints`` say what may be wrong where requests failed.
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
    """Everything known of one Burrow after a poll. ``taken_at``, when that ended, is Unix time in seconds.

    ``listed`` are the clusters that the Burrow listed last, of all of which something may be known again; ``refused``
    those that are not published because another Burrow has them.
    """

    burrow: str
    clusters: tuple[Cluster, ...]
    taken_at: float
    listed: frozenset[str] = frozenset()
    outcome: Outcome = Outcome()
    refused: frozenset[str] = frozenset()

    def names(self) -> frozenset[str]:
        """Return the names of the clusters that are this Burrow's, those included of which nothing is known now."""
        return self.listed | {cluster.name for cluster in self.clusters}

    def without(self, names: AbstractSet[str]) -> Snapshot:
        """Return this snapshot without some clusters, which are refused."""
        clusters = tuple(cluster for cluster in self.clusters if cluster.name not in names)
        return replace(self, clusters=clusters, refused=frozenset(names))

    def fresh(self, monotonic: float) -> Snapshot:
        """Return this snapshot without what has expired by ``monotonic``; the same object where nothing has."""
        if monotonic < self.next_expiry():
            return self
        clusters = tuple(cluster.fresh(monotonic) for cluster in self.clusters if cluster.expires_at > monotonic)
        return replace(self, clusters=clusters)

    def next_expiry(self) -> float:
        """Return when, on the monotonic clock, the first reading of this snapshot expires."""
        return min((cluster.next_expiry() for cluster in self.clusters), default=float("inf"))


def group_topics(group: Group) -> list[GroupTopic]:
    """Return what a group's partitions amount to by topic, in the order of the partitions."""
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
    """Yield each topic with what its partitions that have a commit hold: lags, lags in seconds, statuses, offsets."""
    partitions = group.partitions
    seconds = group.lag_seconds or [None] * len(partitions)
    columns = (partitions.lags, seconds, partitions.statuses, partitions.ends.offsets)
    if len(set(partitions.topics)) == 1:  # as of most groups, and at half the cost
        yield partitions.topics[0], columns
        return
    places: dict[str, list[int]] = {}
    for place, topic in enumerate(partitions.topics):
        places.setdefault(topic, []).append(place)
    for topic, mine in places.items():
        yield topic, tuple([column[place] for place in mine] for column in columns)


def largest(seconds: Sequence[float | None]) -> float | None:
    """Return the largest known lag in seconds, quickly: most are 0. ``None`` where none is known."""
    most = max(filter(None, seconds), default=None)
    return 0.0 if most is None and 0 in seconds else most
