"""Lag in seconds: when did the log end pass the offset that a group committed? No I/O.

The method stands in docs/lag-seconds.md. All times are Unix seconds. A commit tells two things: when it was made, the
log end was at least ``offset`` (a bound), and when Burrow observed it, Burrow knew the log end ``offset + lag`` (a
sighting, like a topic's offset).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final

from burrow_exporter.burrow.answers import Commit, Partition
from burrow_exporter.lag.curve import BACKLOG, GRACE, Curve
from burrow_exporter.snapshot import Group, Topic

PATIENCE: Final = 0.05
"""Weight of one poll in the mean staleness of Burrow's log ends."""


def _from_backlog(commit: Commit) -> bool:
    """Tell a commit that Burrow read long after it was made: its lag is against a later log end."""
    return commit.observed_at - commit.timestamp > BACKLOG * 1000


def _made(commit: Commit) -> float:
    """Return when a commit was made: its own time, kept to the second in which Burrow observed it.

    That rids the figure of skew between Kafka's clock and ours, and of commits that Burrow merges (``min-distance``),
    which keep the time of the first and carry the offset of the last.
    """
    observed = commit.observed_at / 1000
    return min(max(commit.timestamp / 1000, observed), observed + 1.0)


class _Staleness:
    """How old Burrow's log ends were in one poll, as the commits show: Burrow asks for all of them in one go."""

    def __init__(self, topics: Mapping[str, Topic]) -> None:
        self.topics = topics
        self._least = 0.0
        self._most = GRACE

    def note(self, partition: Partition, commit: Commit) -> None:
        """Compare one fresh commit with its topic's offset: ahead of it, or made when Burrow knew a smaller one."""
        topic = self.topics.get(partition.topic)
        if topic is None or partition.partition >= len(topic.offsets):
            return
        offset = topic.offsets[partition.partition]
        if commit.offset > offset:
            age = topic.read_at - _made(commit)
            if age < GRACE and not _from_backlog(commit):
                self._least = max(self._least, age)
        elif commit.lag and commit.offset + commit.lag < offset:
            self._most = min(self._most, max(0.0, topic.read_at - commit.observed_at / 1000))

    def seconds(self) -> float:
        """Return the age that is proven, in seconds."""
        return min(self._least, self._most)


class TimeLag:
    """Histories of one cluster's log ends, kept between polls."""

    def __init__(self) -> None:
        self._curves: dict[str, dict[int, Curve]] = {}
        self._topics_read: dict[str, float] = {}
        self._groups_read: dict[str, tuple[float, int, int]] = {}
        self._late = 1.0
        self._now = 0.0

    def update(self, groups: Sequence[Group], topics: Sequence[Topic], now: float) -> list[list[float | None]]:
        """Take in what is published of the cluster at ``now`` and return how old the first unread messages are.

        One list per group, one figure in seconds for each of its ``partitions``: 0 without lag, ``None`` where nothing
        is known. A reading that was taken in before is not taken in again.
        """
        if now < self._now - GRACE:  # our clock was set back: what is known lies in the future
            self._curves, self._groups_read = {}, {}
        self._now = now
        known = {topic.name: topic for topic in topics}
        staleness = _Staleness(known)
        self._groups_read = {group.name: self._take_group(group, staleness) for group in groups}
        for topic in topics:
            self._take_topic(topic)
        self._late += PATIENCE * (staleness.seconds() - self._late)
        self._forget(groups, known)
        return [self._ages(group, now) for group in groups]

    def _take_group(self, group: Group, staleness: _Staleness) -> tuple[float, int, int]:
        """Take in the commits that are new in a reading; return its time and its newest observations."""
        read_at, since_end, since_start = self._groups_read.get(group.name, (0.0, 0, 0))
        if group.read_at == read_at:
            return read_at, since_end, since_start
        newest_end = newest_start = 0
        for partition in [one for one in group.partitions if one.end is not None and one.end.observed_at >= since_end]:
            start, end = partition.start, partition.end
            if start is None or end is None:
                continue
            newest_end = max(newest_end, end.observed_at)
            newest_start = max(newest_start, start.observed_at)
            curve = self._curve(partition)
            stood = start.offset >= end.offset
            if start.observed_at >= since_start:
                self._take_commit(curve, start, group.read_at, stood=stood)
            self._take_commit(curve, end, group.read_at, stood=stood)
            staleness.note(partition, end)
        if not staleness.topics.keys() >= {partition.topic for partition in group.partitions}:
            self._take_log_ends(group, staleness.topics)
        return group.read_at, newest_end, newest_start

    def _take_log_ends(self, group: Group, topics: Mapping[str, Topic]) -> None:
        """Take in the log ends that the group's lags tell, of topics whose own offsets are not known."""
        for partition in group.partitions:
            if partition.end is not None and partition.current_lag and partition.topic not in topics:
                log_end = partition.end.offset + partition.current_lag
                self._curve(partition).reading(group.read_at, log_end, self._late, group.read_at - GRACE)

    def _take_commit(self, curve: Curve, commit: Commit, read_at: float, *, stood: bool) -> None:
        """Take in one commit; an old one of a group that ``stood`` still tells nothing of the time of its offset."""
        lag = commit.lag
        if lag is None:
            return
        from_backlog = _from_backlog(commit)
        if from_backlog and (not lag or not stood):
            curve.remember(commit.timestamp / 1000, commit.offset)
        if lag:
            curve.sighting(min(read_at, commit.observed_at / 1000 + 0.5), commit.offset + lag, self._late)
        elif not from_backlog:
            curve.bound(min(read_at, _made(commit)), commit.offset, self._late)

    def _take_topic(self, topic: Topic) -> None:
        previous = self._topics_read.get(topic.name, topic.read_at - GRACE)
        if topic.read_at == previous:
            return
        self._topics_read[topic.name] = topic.read_at
        curves = self._curves.setdefault(topic.name, {})
        for partition, offset in enumerate(topic.offsets):
            curve = curves.get(partition)
            if curve is None:
                curve = curves[partition] = Curve()
            curve.reading(topic.read_at, offset, self._late, previous)

    def _curve(self, partition: Partition) -> Curve:
        curves = self._curves.setdefault(partition.topic, {})
        curve = curves.get(partition.partition)
        if curve is None:
            curve = curves[partition.partition] = Curve()
        return curve

    def _forget(self, groups: Sequence[Group], topics: Mapping[str, Topic]) -> None:
        """Drop the histories of partitions that neither a topic's offsets nor a group holds any more."""
        sizes = {name: len(topics[name].offsets) if name in topics else 0 for name in self._curves}
        suspects = {name for name, curves in self._curves.items() if len(curves) > sizes[name]}
        if not suspects:
            return
        held = {(one.topic, one.partition) for group in groups for one in group.partitions if one.topic in suspects}
        for name in suspects:
            curves = self._curves[name]
            for partition in [one for one in curves if one >= sizes[name] and (name, one) not in held]:
                del curves[partition]
            if not curves:
                del self._curves[name]
                self._topics_read.pop(name, None)

    def _ages(self, group: Group, now: float) -> list[float | None]:
        ages: list[float | None] = []
        for partition in group.partitions:
            if not partition.current_lag:
                ages.append(0.0)
                continue
            curve = self._curves.get(partition.topic, {}).get(partition.partition)
            end = partition.end
            age = None if curve is None or end is None else curve.age(end.offset, now)
            ages.append(None if age is None else round(age, 3))
        return ages
