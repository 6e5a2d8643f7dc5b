"""What the status page says: snapshots as rows, which can be sorted by how bad they are. No HTML, no I/O.

A status is Burrow's word, with a kind: how bad it is. A figure that is not known is ``None``.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from types import MappingProxyType

from burrow_exporter.burrow.answers import Partition
from burrow_exporter.metrics.families import lag_seconds_max, unless_uncommitted
from burrow_exporter.snapshot import Cluster, Group, Snapshot

KINDS: Mapping[str, str] = MappingProxyType(
    {"ERR": "err", "STOP": "err", "STALL": "err", "REWIND": "err", "WARN": "warn", "OK": "ok"}
)
RANKS: Mapping[str, int] = MappingProxyType({"err": 0, "warn": 1, "unknown": 2, "ok": 3})
REFRESHED = 120.0
"""Seconds within which Burrow has asked for every log end anew."""
UNKNOWN = "UNKNOWN"
"""Stands for the status of a partition without a commit, of which Burrow says OK, and for words that have no kind.

Those are not shown: a word of anything may be anything, the credentials that Burrow was sent included.
"""


def kind_of(status: str) -> str:
    """Return how bad a status of a group or a partition is: a key of ``RANKS``."""
    return KINDS.get(status, "unknown")


def word_of(status: str) -> str:
    """Return a status as it may be shown."""
    return status if status in KINDS else UNKNOWN


@dataclass(frozen=True)
class PartitionRow:
    """A partition as a group reads it; ``seconds`` and ``log_end`` are ``None`` where nothing is known.

    ``is_ahead`` where the group committed an offset beyond the log end so long ago that Burrow has asked for it since.
    """

    partition: Partition
    seconds: float | None
    log_end: int | None
    is_ahead: bool = False

    @property
    def status(self) -> str:
        """Burrow's word, or that there is none to go by."""
        return word_of(self.partition.status) if self.partition.end else UNKNOWN

    def urgency(self) -> tuple[int, float, int, str, int]:
        """Return what sorts the worst first."""
        partition = self.partition
        rank = RANKS[kind_of(self.status)]
        return rank, -(self.seconds or 0), -partition.current_lag, partition.topic, partition.partition


@dataclass(frozen=True)
class GroupRow:
    """A consumer group. ``seconds`` is the largest lag in seconds of a partition.

    ``is_stale`` when the last poll brought no reading of it, and this is one from before.
    """

    burrow: str
    cluster: str
    group: Group
    seconds: float | None
    is_stale: bool

    def urgency(self) -> tuple[int, float, int, str, str, str]:
        """Return what sorts the worst first."""
        rank = RANKS[kind_of(self.group.status)]
        return rank, -(self.seconds or 0), -self.group.total_lag, self.group.name, self.cluster, self.burrow

    @property
    def status(self) -> str:
        """Burrow's word, or that there is none to go by."""
        return word_of(self.group.status)

    @property
    def lag(self) -> int | None:
        """The sum of the lags in messages."""
        return unless_uncommitted(self.group.total_lag, self.group)

    @property
    def partitions(self) -> int:
        """How many partitions there are, those without a commit included."""
        return len(self.group.partitions) + len(self.group.uncommitted)

    @cached_property
    def not_ok(self) -> int:
        """How many partitions have a commit and another status than OK."""
        return sum(partition.status != "OK" for partition in self.group.partitions)

    @cached_property
    def owners(self) -> list[str]:
        """The hosts that read the partitions of the worst kind, as far as Burrow knows them."""
        partitions = self.group.partitions or self.group.uncommitted
        worst = min((RANKS[kind_of(partition.status)] for partition in partitions), default=0)
        owners = {each.owner for each in partitions if RANKS[kind_of(each.status)] == worst}
        return sorted(owners - {""})


@dataclass(frozen=True)
class ClusterRow:
    """A cluster that a Burrow lists. ``cluster`` is ``None`` where nothing of it is shown; ``note`` says why.

    ``kind`` is one of ``RANKS``, ``statuses`` counts the groups by kind.
    """

    name: str
    cluster: Cluster | None
    kind: str
    state: str
    note: str
    statuses: Mapping[str, int]


@dataclass(frozen=True)
class BurrowRow:
    """A Burrow that is configured, and how its last poll went; ``snapshot`` is ``None`` before the first ended."""

    name: str
    snapshot: Snapshot | None
    kind: str
    state: str
    clusters: tuple[ClusterRow, ...]


def partition_rows(group: Group, cluster: Cluster | None = None) -> list[PartitionRow]:
    """Return the partitions of a group in no order; log ends are looked up in ``cluster``."""
    topics = {topic.name: topic for topic in cluster.topics} if cluster else {}

    def row(partition: Partition, seconds: float | None) -> PartitionRow:
        topic = topics.get(partition.topic)
        if topic is None or partition.partition >= len(topic.offsets):
            return PartitionRow(partition, seconds, None)
        log_end = topic.offsets[partition.partition]
        return PartitionRow(partition, seconds, log_end, is_ahead(partition, log_end, topic.read_at))

    seconds = group.lag_seconds or [None] * len(group.partitions)
    committed = [row(*each) for each in zip(group.partitions, seconds, strict=True)]
    return committed + [row(partition, None) for partition in group.uncommitted]


def is_ahead(partition: Partition, log_end: int, read_at: float) -> bool:
    """Tell whether the log end, read at ``read_at``, is below an offset that the group committed two minutes before."""
    latest = (read_at - REFRESHED) * 1000
    commits = [commit for commit in (partition.start, partition.end) if commit]
    return any(commit.offset > log_end and commit.timestamp <= latest for commit in commits)


def group_row(snapshot: Snapshot, cluster: str, group: Group) -> GroupRow:
    """Return a group of a cluster."""
    is_stale = group.expires_at < snapshot.outcome.expires_at
    return GroupRow(snapshot.burrow, cluster, group, lag_seconds_max(group), is_stale)


def burrow_row(name: str, snapshot: Snapshot | None, monotonic: float) -> BurrowRow:
    """Return a Burrow with its clusters; ``monotonic`` is the time by which its readings would have expired."""
    if snapshot is None:
        return BurrowRow(name, None, "unknown", "not polled yet", ())
    kind, state = ("ok", "polled") if snapshot.outcome.good else ("err", "failed")
    if 0 < snapshot.outcome.expires_at <= monotonic:
        kind, state = "err", "overdue"
    known = {cluster.name: cluster for cluster in snapshot.clusters}
    clusters = tuple(cluster_row(snapshot, cluster, known.get(cluster)) for cluster in sorted(snapshot.names()))
    return BurrowRow(name, snapshot, kind, state, clusters)


def cluster_row(snapshot: Snapshot, name: str, cluster: Cluster | None) -> ClusterRow:
    """Return a cluster of a snapshot, with why less of it is known than should be."""
    outcome = snapshot.outcome
    behind = name in outcome.behind
    lag = outcome.behind.get(name)
    lacks = "Burrow has not read all commits" + (f": it is {lag:,} messages behind" if lag is not None else "")
    statuses = Counter(kind_of(group.status) for group in cluster.groups) if cluster else Counter[str]()
    if name in snapshot.refused:
        kind, state, note = "err", "refused", "an earlier Burrow has a cluster of this name and these labels"
    elif cluster is None:
        kind, state, note = "err", "not shown", lacks if behind else "there is no reading that is new enough"
    elif behind:
        kind, state, note = "warn", "behind", lacks
    elif cluster.expires_at >= outcome.expires_at and not missing(cluster):
        kind, state, note = "ok", "up to date", ""
    elif cluster.expires_at < outcome.expires_at:
        kind, state, note = "err", "stale", "the last poll could not read it"
    else:
        kind, state, note = "warn", "in part", missing(cluster)
    return ClusterRow(name, cluster, kind, state, note, statuses)


def missing(cluster: Cluster) -> str:
    """Return why groups of a cluster are not published that should be, or only with an older reading."""
    unreadable, held, hidden = cluster.unreadable_groups, cluster.held_groups, cluster.hidden_groups
    notes = [f"{unreadable:,} groups could not be read"] if unreadable else []
    notes += [f"{held:,} groups are held back: Burrow may not have read their commits yet"] if held else []
    notes += [f"max_commit_age hides groups with lag: {shortened(hidden)}"] if hidden else []
    notes += ["its answers contradict each other, as if several Burrows had one address"] if cluster.contradicts else []
    return "; ".join(notes)


def shortened(names: Sequence[str], most: int = 5) -> str:
    """Return names in one line, the first of them where there are many."""
    return ", ".join(names[:most]) + (f" and {len(names) - most:,} more" if len(names) > most else "")
