"""What the status page says of groups and partitions: rows that sort by what would page someone. No HTML, no I/O.

A status is Burrow's word. A kind is how bad a row is: a status, or ``late`` where the lag is too old, whatever the
status. A figure that is not known is ``None``.
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
"""What would page someone; late, but Burrow judges it OK; not alarming yet; muted by the policy; the rest."""
MARKS = ("err", "late", "warn", "unknown", "ok", "muted")
"""What groups can be filtered by."""
REFRESHED = 120.0
"""Seconds within which Burrow has asked for every log end again."""
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

    ``log_end`` is that against which Burrow counted the lag. ``is_ahead`` where the group committed an offset beyond
    the log end so long ago that Burrow has asked for it since.
    """

    partition: Partition
    seconds: float | None
    log_end: int | None
    is_ahead: bool = False

    @property
    def status(self) -> str:
        """Burrow's word, or that there is none to go by."""
        return word_of(self.partition.status) if self.partition.end else UNKNOWN

    @property
    def kind(self) -> str:
        """How bad it is."""
        return kind_of(self.status)

    @property
    def host(self) -> str:
        """The host that reads it, without the slash that Kafka's clients put before it."""
        return self.partition.owner.removeprefix("/")

    def urgency(self) -> tuple[int, float, int, str, int]:
        """Return what sorts the worst first."""
        partition = self.partition
        rank = RANKS[self.kind]
        return rank, -(self.seconds or 0), -partition.current_lag, partition.topic, partition.partition


@dataclass(slots=True)
class GroupRow:
    """A consumer group. ``seconds`` is the largest lag in seconds of a partition.

    ``is_stale`` when the last poll brought no reading of it, and this is one from before; ``is_past`` when that is so
    old that it is no longer exposed. ``track`` is its last hour, ``terms`` what the policy says of it.

    From these follow ``kind``, how bad it is; ``max_seconds``, from which age on its lag is too old; ``is_late``,
    whether it is; ``is_muted``, whether the policy mutes the alert that it would raise; and ``section``, the heading
    under which it stands. They are computed once: there are thousands of rows on a page.
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
        """Return what sorts the worst of a section first: by kind, lag against its threshold, lag in messages."""
        over = -(self.seconds or 0) / self.max_seconds
        return RANKS[self.kind], over, -self.group.total_lag, self.group.name, self.cluster, self.burrow

    def has(self, mark: str) -> bool:
        """Tell whether one of ``MARKS`` is true of it."""
        if mark == "late":
            return self.is_late
        return self.section == "muted" if mark == "muted" else mark == kind_of(self.group.status)

    @property
    def status(self) -> str:
        """Burrow's word, or that there is none to go by."""
        return word_of(self.group.status)

    @property
    def word(self) -> str:
        """The word for its kind: its status, or LATE."""
        return "LATE" if self.kind == "late" else self.status

    @property
    def lag(self) -> int | None:
        """The sum of the lags in messages."""
        return unless_uncommitted(self.group.total_lag, self.group)

    @property
    def partitions(self) -> int:
        """How many partitions there are, those without a commit included."""
        return len(self.group.partitions) + len(self.group.uncommitted)

    @property
    def not_ok(self) -> int:
        """How many partitions have a commit and another status than OK."""
        return len(self.group.partitions) - self.group.partitions.statuses.count("OK")

    @property
    def team(self) -> str:
        """The team that owns it by the policy."""
        return self.terms.team if self.terms else ""


def by_section(rows: Iterable[GroupRow]) -> dict[str, list[GroupRow]]:
    """Return rows under their headings, those headings in their order that have any."""
    found: dict[str, list[GroupRow]] = {section: [] for section in SECTIONS}
    for row in rows:
        found[row.section].append(row)
    return {section: those for section, those in found.items() if those}


def counts(rows: Iterable[GroupRow]) -> dict[str, int]:
    """Return of how many rows each of ``MARKS`` is true."""
    found = dict.fromkeys(MARKS, 0)
    for (status, is_late, section), count in Counter((r.group.status, r.is_late, r.section) for r in rows).items():
        found[kind_of(status)] += count
        found["late"] += count * is_late
        found["muted"] += count * (section == "muted")
    return found


def partition_rows(group: Group, cluster: Cluster | None = None) -> list[PartitionRow]:
    """Return the partitions of a group in no order; log ends are looked up in ``cluster``."""
    topics = {topic.name: topic for topic in cluster.topics} if cluster else {}

    def row(partition: Partition, seconds: float | None) -> PartitionRow:
        topic = topics.get(partition.topic)
        # The lag was counted against an earlier log end than the topic's own: one moment is shown, that of the lag.
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
    """Tell whether the log end, read at ``read_at``, is below an offset that the group committed two minutes before."""
    latest = (read_at - REFRESHED) * 1000
    commits = [commit for commit in (partition.start, partition.end) if commit]
    return any(commit.offset > log_end and commit.timestamp <= latest for commit in commits)
