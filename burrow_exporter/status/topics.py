"""A topic and the groups that read it. No HTML, no I/O."""

from __future__ import annotations

from dataclasses import dataclass

from burrow_exporter.polling.history import late_or
from burrow_exporter.snapshot import Topic, largest
from burrow_exporter.status.rows import RANKS, GroupRow, kind_of, word_of
from burrow_exporter.status.view import Place, View


@dataclass(frozen=True)
class Reader:
    """A group on a topic: worst status, lag in messages and seconds, number of partitions."""

    row: GroupRow
    status: str
    lag: int
    seconds: float | None
    partitions: int

    @property
    def kind(self) -> str:
        """The kind."""
        return late_or(kind_of(self.status), self.seconds, self.row.max_seconds)

    @property
    def word(self) -> str:
        """The status, or LATE."""
        return "LATE" if self.kind == "late" else self.status

    def urgency(self) -> tuple[int, float, int, str]:
        """Return the sort key, worst first."""
        return RANKS[self.kind], -(self.seconds or 0) / self.row.max_seconds, -self.lag, self.row.group.name


@dataclass(frozen=True)
class TopicRow:
    """A topic: log ends if known, messages produced per second, and the groups that read it."""

    place: Place
    name: str
    topic: Topic | None
    rate: float | None
    readers: list[Reader]


def topic_row(view: View, place: Place, name: str) -> TopicRow | None:
    """Return a topic of a cluster; ``None`` if unknown."""
    topic = next((each for each in place.cluster.topics if each.name == name), None)
    history = view.histories.get(place.burrow)
    track = history.topic(place.cluster.name, name) if history else None
    readers = [reader for row in view.rows(place) if (reader := reader_of(row, name))]
    if topic is None and not readers:
        return None
    return TopicRow(place, name, topic, track.rate() if track else None, sorted(readers, key=Reader.urgency))


def reader_of(row: GroupRow, topic: str) -> Reader | None:
    """Return a group on a topic, if it reads it."""
    group = row.group
    partitions = group.partitions
    if topic not in partitions.topics:
        return None
    mine = [at for at, each in enumerate(partitions.topics) if each == topic]
    worst = min({partitions.statuses[at] for at in mine}, key=lambda status: RANKS[kind_of(status)])
    seconds = largest([group.lag_seconds[at] for at in mine]) if group.lag_seconds else None
    return Reader(row, word_of(worst), sum(partitions.lags[at] for at in mine), seconds, len(mine))
