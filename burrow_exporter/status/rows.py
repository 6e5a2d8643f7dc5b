"""Rows of groups and partitions for the status pages, sorted by urgency. No HTML, no I/O.

A status comes from Burrow. A kind is the severity of a row: derived from the status, or ``late`` if the lag is too old,
whatever the status. Unknown values are ``None``.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType

from burrow_exporter.burrow.answers import Partition
from burrow_exporter.metrics.families import unless_uncommitted
from burrow_exporter.polling.history import Track, kind_of_group
from burrow_exporter.snapshot import Cluster, Group
from burrow_exporter.terms import MAX_LAG_SECONDS, Terms

KINDS: Mapping[str, str] = MappingProxyType(
    {"ERR": "err", "STOP": "err", "STALL": "err", "REWIND": "err", "WARN": "warn", "OK": "ok", "LATE": "late"}
)
RANKS: Mapping[str, int] = MappingProxyType({"err": 0, "late": 1, "warn": 2, "unknown": 3, "ok": 4})
SECTIONS = ("attention", "late", "watch", "muted", "fine")
"""Would page someone; late, but OK for Burrow; not alarming yet; muted by the policy; the rest."""
MARKS = ("err", "late", "warn", "unknown", "ok", "muted")
"""Filters for groups."""
REFRESHED = 120.0
"""Seconds within which Burrow has refreshed every log end."""
UNKNOWN = "UNKNOWN"
"""Status of a partition without a commit, which Burrow reports as OK, and of statuses without a kind.

Unknown statuses are not shown: they may contain anything, even credentials.
"""


def kind_of(status: str) -> str:
    """Return the kind of a group or partition status: a key of ``RANKS``."""
    return KINDS.get(status, "unknown")


def word_of(status: str) -> str:
    """Return a status as it may be shown."""
    return status if status in KINDS else UNKNOWN


@dataclass(frozen=True)
class PartitionRow:
    """A partition of a group; ``seconds`` and ``log_end`` are ``None`` if unknown.

    ``log_end`` is the one that Burrow computed the lag from. ``is_ahead`` if the committed offset is beyond the log
    end, and Burrow has refreshed the log end since the commit.
    """

    partition: Partition
    seconds: float | None
    log_end: int | None
    is_ahead: bool = False

    @property
    def status(self) -> str:
        """Burrow's status, or UNKNOWN."""
        return word_of(self.partition.status) if self.partition.end else UNKNOWN

    @property
    def kind(self) -> str:
        """The kind."""
        return kind_of(self.status)

    @property
    def host(self) -> str:
        """The owner's host, without the leading slash that Kafka clients add."""
        return self.partition.owner.removeprefix("/")

    def urgency(self) -> tuple[int, float, int, str, int]:
        """Return the sort key, worst first."""
        partition = self.partition
        rank = RANKS[self.kind]
        return rank, -(self.seconds or 0), -partition.current_lag, partition.topic, partition.partition


@dataclass(slots=True)
class GroupRow:
    """A consumer group. ``seconds`` is the largest lag in seconds of a partition.

    ``is_stale`` if the last poll did not read the group and this is an earlier reading; ``is_past`` if that is too old
    to be exposed. ``track`` is its last hour, ``terms`` its policy.

    Derived: ``kind``, the severity; ``max_seconds``, the threshold of lag in seconds; ``is_late``, whether it is
    exceeded; ``is_muted``, whether the policy mutes the alert; and ``section``, the heading. They are computed once, as
    a page has thousands of rows.
    """

    burrow: str
    cluster: str
    group: Group
    seconds: float | None
    is_stale: bool = False
    is_past: bool = False
    track: Track | None = None
    terms: Terms | None = None
    kind: str = field(init=False)
    max_seconds: float = field(init=False)
    is_late: bool = field(init=False)
    is_muted: bool = field(init=False)
    section: str = field(init=False)

    def __post_init__(self) -> None:
        """Judge it."""
        terms, status = self.terms, self.group.status
        self.max_seconds = terms.max_lag_seconds if terms else MAX_LAG_SECONDS
        self.is_late = self.seconds is not None and self.seconds >= self.max_seconds
        self.kind = kind = kind_of_group(status, self.seconds, self.max_seconds)
        self.is_muted = terms is not None and (bool(terms.muted) or (terms.severity == "none" and not self.is_late))
        if kind == "ok":
            self.section = "fine"
        elif self.is_muted:
            self.section = "muted"
        elif kind == "late":
            self.section = "late" if status == "OK" else "attention"
        else:
            self.section = "attention" if kind == "err" else "watch"

    def urgency(self) -> tuple[int, float, int, str, str, str]:
        """Return the sort key within a section, worst first: kind, lag relative to its threshold, lag in messages."""
        over = -(self.seconds or 0) / self.max_seconds
        return RANKS[self.kind], over, -self.group.total_lag, self.group.name, self.cluster, self.burrow

    def has(self, mark: str) -> bool:
        """Return whether the group has a mark of ``MARKS``."""
        if mark == "late":
            return self.is_late
        return self.section == "muted" if mark == "muted" else mark == kind_of(self.group.status)

    @property
    def status(self) -> str:
        """Burrow's status, or UNKNOWN."""
        return word_of(self.group.status)

    @property
    def word(self) -> str:
        """The status, or LATE."""
        return "LATE" if self.kind == "late" else self.status

    @property
    def lag(self) -> int | None:
        """Total lag in messages."""
        return unless_uncommitted(self.group.total_lag, self.group)

    @property
    def partitions(self) -> int:
        """Number of partitions, including those without a commit."""
        return len(self.group.partitions) + len(self.group.uncommitted)

    @property
    def not_ok(self) -> int:
        """Number of partitions with a commit that are not OK."""
        return len(self.group.partitions) - self.group.partitions.statuses.count("OK")

    @property
    def team(self) -> str:
        """The owning team from the policy."""
        return self.terms.team if self.terms else ""


def by_section(rows: Iterable[GroupRow]) -> dict[str, list[GroupRow]]:
    """Return rows by section, in order, without empty sections."""
    found: dict[str, list[GroupRow]] = {section: [] for section in SECTIONS}
    for row in rows:
        found[row.section].append(row)
    return {section: those for section, those in found.items() if those}


def counts(rows: Iterable[GroupRow]) -> dict[str, int]:
    """Return the number of rows for each of ``MARKS``."""
    found = dict.fromkeys(MARKS, 0)
    for (status, is_late, section), count in Counter((r.group.status, r.is_late, r.section) for r in rows).items():
        found[kind_of(status)] += count
        found["late"] += count * is_late
        found["muted"] += count * (section == "muted")
    return found


def partition_rows(group: Group, cluster: Cluster | None = None) -> list[PartitionRow]:
    """Return the partitions of a group, unsorted; log ends are looked up in ``cluster``."""
    topics = {topic.name: topic for topic in cluster.topics} if cluster else {}

    def row(partition: Partition, seconds: float | None) -> PartitionRow:
        topic = topics.get(partition.topic)
        # The lag was computed from an earlier log end than the topic's: show the one of that moment.
        then = partition.end.offset + partition.current_lag if partition.end else None
        if topic is None or partition.partition >= len(topic.offsets):
            return PartitionRow(partition, seconds, then)
        log_end = topic.offsets[partition.partition]
        is_beyond = is_ahead(partition, log_end, topic.read_at)
        return PartitionRow(partition, seconds, log_end if is_beyond or then is None else then, is_beyond)

    seconds = group.lag_seconds or [None] * len(group.partitions)
    committed = [row(*each) for each in zip(group.partitions, seconds, strict=True)]
    return committed + [row(partition, None) for partition in group.uncommitted]


def is_ahead(partition: Partition, log_end: int, read_at: float) -> bool:
    """Return whether the log end, read at ``read_at``, is below an offset committed two minutes earlier."""
    latest = (read_at - REFRESHED) * 1000
    commits = [commit for commit in (partition.start, partition.end) if commit]
    return any(commit.offset > log_end and commit.timestamp <= latest for commit in commits)
