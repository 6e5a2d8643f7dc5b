"""Lag in seconds: when did the log end pass the offset that a group committed? No I/O.

The method is described in docs/lag-seconds.md. All times are Unix seconds. A commit provides two data points: when it
was made, the log end was at least ``offset`` (a bound), and when Burrow observed it, Burrow knew the log end ``offset +
lag`` (a sighting, like a topic's offset).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import chain
from typing import NamedTuple

from burrow_exporter.burrow.answers import Commit
from burrow_exporter.burrow.partitions import NEVER, UNKNOWN, Commits, Partitions
from burrow_exporter.lag.curve import GRACE, Curve
from burrow_exporter.lag.lateness import Lateness, from_backlog
from burrow_exporter.lag.rewinds import Rewinds, went_back
from burrow_exporter.lag.steady_clock import SteadyClock, Step
from burrow_exporter.snapshot import Group, Topic


class Place(NamedTuple):
    """A partition of a group: its index there, its curve, and its topic's log end offset, if known."""

    at: int
    curve: Curve
    log_end: int | None


class TimeLag:
    """The histories of one cluster's log end offsets, kept between polls.

    Lag of up to ``allowed_lag`` messages counts as none: transactions leave markers at the head of a topic that no
    consumer ever reads, and some clients commit the offset of the last message that they read, not the next one.
    """

    def __init__(self, allowed_lag: int = 0) -> None:
        self.allowed_lag = allowed_lag
        self._curves: dict[str, dict[int, Curve]] = {}
        self._topics_read: dict[str, float] = {}
        self._groups_read: dict[str, tuple[float, int, int]] = {}
        self._lateness = Lateness()
        self._clock = SteadyClock()
        self._rewinds = Rewinds()
        self._not_before = 0

    def update(
        self, groups: Sequence[Group], topics: Sequence[Topic], now: float, monotonic: float
    ) -> list[list[float | None]]:
        """Update the histories with the groups and topics at ``now``; return the age of the first unread messages.

        Returns one list per group, with one value in seconds per entry of its ``partitions``: 0 without lag, ``None``
        if unknown. Readings that were added before are skipped. ``monotonic`` is ``now`` on the monotonic clock, needed
        because the exporter's clock may be set.
        """
        if self._clock.tick(now, monotonic):
            self._follow_step(groups, now)
        known = {topic.name: topic for topic in topics}
        for name, one in self._lateness.next_poll(known, self._clock.shift):
            self._curve(name, one.partition).bound(one.made, one.offset, self._lateness.mean)
        self._groups_read = {group.name: self._take_group(group, known) for group in groups}
        for topic in topics:
            self._take_topic(topic)
        self._lateness.end_poll(self._clock.now)
        self._forget(groups, known)
        self._rewinds.forget(self._clock.now)
        return [self._ages(group) for group in groups]

    def _follow_step(self, groups: Sequence[Group], now: float) -> None:
        """Keep valid histories after the exporter's clock was set; reset them if the kind of step is unknown."""
        before = max((end for _, end, _ in self._groups_read.values()), default=None)
        newest = newest_observation(groups)
        step, seconds = self._clock.settle(now, newest, before and before / 1000)
        if step is Step.UNKNOWN:
            self._curves, self._groups_read = {}, {}
            self._not_before = int(now * 1000)
        elif step is Step.CORRECTED:
            for curves in self._curves.values():
                for curve in curves.values():
                    curve.move(seconds)

    def _take_group(self, group: Group, topics: Mapping[str, Topic]) -> tuple[float, int, int]:
        """Add a reading's new commits. Return its time and its newest observations."""
        read_at, since_end, since_start = self._groups_read.get(group.name, (0.0, 0, 0))
        if group.read_at == read_at:
            return read_at, since_end, since_start
        # A commit dated in the future must not block those of other partitions.
        latest = int((read_at - self._clock.shift + GRACE) * 1000)
        since_end = max(min(since_end, latest), self._not_before)
        since_start = max(min(since_start, latest), self._not_before)
        partitions, starts, ends = group.partitions, group.partitions.starts, group.partitions.ends
        pairs = enumerate(zip(ends.observed, starts.observed, strict=True))
        new = [index for index, (end, start) in pairs if end >= since_end and NEVER not in (start, end)]
        places = list(self._places(partitions, new, topics))
        self._take_commits(group, starts, [place for place in places if starts.observed[place.at] >= since_start])
        self._take_commits(group, ends, places)
        for index, _, log_end in places:
            if log_end is not None and ends.lags[index] > 0 and ends.offsets[index] + ends.lags[index] < log_end:
                self._lateness.bound(ends.observed[index], topics[partitions.topics[index]])
        if not topics.keys() >= set(partitions.topics):
            self._take_log_ends(group, topics)
        newest_end, newest_start = (max([each.observed[index] for index in new], default=0) for each in (ends, starts))
        return group.read_at, newest_end, newest_start

    def _places(self, partitions: Partitions, indexes: Iterable[int], topics: Mapping[str, Topic]) -> Iterator[Place]:
        for index in indexes:
            name, number = partitions.topics[index], partitions.numbers[index]
            topic = topics.get(name)
            log_end = topic.offsets[number] if topic is not None and number < len(topic.offsets) else None
            yield Place(index, self._curve(name, number), log_end)

    def _take_commits(self, group: Group, commits: Commits, places: Iterable[Place]) -> None:
        """Add the commits at one end of some partitions' windows.

        Skips commits in the future, and old commits of an idle group, which say nothing about the time of their offset.
        """
        read_at, late = group.read_at - self._clock.shift, self._lateness.mean
        latest = (read_at + GRACE) * 1000
        for index, curve, log_end in places:
            lag, observed = commits.lags[index], commits.observed[index]
            if lag == UNKNOWN or observed > latest:
                continue
            offset, timestamp = commits.offsets[index], commits.timestamps[index]
            is_old = from_backlog(timestamp, observed)
            if lag:
                if is_old and has_moved(group.partitions, index):
                    curve.remember(timestamp / 1000, offset)
                curve.sighting(min(read_at, observed / 1000 + 0.5), offset + lag, late)
                continue
            made = min(read_at, made_at(timestamp, observed))
            if log_end is not None and offset > log_end and self._is_held(group, index, commits[index], made, curve):
                continue
            if is_old:
                curve.remember(timestamp / 1000, offset)
            else:
                curve.bound(made, offset, late)

    def _is_held(self, group: Group, index: int, commit: Commit | None, made: float, curve: Curve) -> bool:
        """Return whether a commit beyond the log end must be held."""
        place = (group.name, group.partitions.topics[index], group.partitions.numbers[index])
        return commit is not None and self._lateness.holds(place, commit, made, curve)

    def _take_log_ends(self, group: Group, topics: Mapping[str, Topic]) -> None:
        """Add the log end offsets implied by the group's lag, for topics whose own offsets are unknown."""
        read_at = group.read_at - self._clock.shift
        each = group.partitions
        for topic, number, offset, lag in zip(each.topics, each.numbers, each.ends.offsets, each.lags, strict=True):
            if lag and topic not in topics:
                self._curve(topic, number).reading(read_at, offset + lag, self._lateness.mean, read_at - GRACE)

    def _take_topic(self, topic: Topic) -> None:
        previous = self._topics_read.get(topic.name, topic.read_at - GRACE)
        if topic.read_at == previous:
            return
        self._topics_read[topic.name] = topic.read_at
        read_at, late = topic.read_at - self._clock.shift, self._lateness.mean
        previous -= self._clock.shift
        curves = self._curves.setdefault(topic.name, {})
        for partition, offset in enumerate(topic.offsets):
            curve = curves.get(partition)
            if curve is None:
                curve = curves[partition] = Curve()
            curve.reading(read_at, offset, late, previous)

    def _curve(self, topic: str, partition: int) -> Curve:
        curves = self._curves.setdefault(topic, {})
        curve = curves.get(partition)
        if curve is None:
            curve = curves[partition] = Curve()
        return curve

    def _forget(self, groups: Sequence[Group], topics: Mapping[str, Topic]) -> None:
        """Remove the histories of partitions that no topic and no group has any more."""
        self._topics_read = {name: at for name, at in self._topics_read.items() if name in topics}
        sizes = {name: len(topics[name].offsets) if name in topics else 0 for name in self._curves}
        suspects = {name for name, curves in self._curves.items() if len(curves) > sizes[name] or not curves}
        if not suspects:
            return
        places = (zip(group.partitions.topics, group.partitions.numbers, strict=True) for group in groups)
        held = {place for place in chain.from_iterable(places) if place[0] in suspects}
        for name in suspects:
            curves = self._curves[name]
            for partition in [one for one in curves if one >= sizes[name] and (name, one) not in held]:
                del curves[partition]
            if not curves:
                del self._curves[name]

    def _ages(self, group: Group) -> list[float | None]:
        partitions, allowed, now = group.partitions, self.allowed_lag, self._clock.now
        topics, numbers, offsets = partitions.topics, partitions.numbers, partitions.ends.offsets
        curves = {topic: self._curves.get(topic, {}) for topic in set(topics)}
        ages: list[float | None] = [0.0] * len(partitions)
        back = went_back(partitions)
        for place in [place for place, lag in enumerate(partitions.lags) if lag > allowed]:
            curve = curves[topics[place]].get(numbers[place])
            if curve is None or (place in back and self._is_doubtful(group, place, curve)):
                ages[place] = None
            else:
                age = curve.age(offsets[place], now)
                ages[place] = None if age is None else round(age, 3)
        return ages

    def _is_doubtful(self, group: Group, place: int, curve: Curve) -> bool:
        """Return whether the log end of a partition that went back may be that of a deleted topic."""
        partitions = group.partitions
        log_end = curve.read if curve.read >= 0 else partitions.ends.offsets[place] + partitions.lags[place]
        key = group.name, partitions.topics[place], partitions.numbers[place]
        return self._rewinds.is_doubtful(key, log_end, self._clock.now)


def made_at(timestamp: int, observed: int) -> float:
    """Return when a commit was made, in Unix seconds: its timestamp, limited to the second in which it was observed.

    This corrects for skew between Kafka's clock and ours, and for commits that Burrow merges (``min-distance``), which
    keep the timestamp of the first and the offset of the last.
    """
    second = observed / 1000
    return min(max(timestamp / 1000, second), second + 1.0)


def has_moved(partitions: Partitions, index: int) -> bool:
    """Return whether the offset has increased within a partition's window."""
    return partitions.starts.offsets[index] < partitions.ends.offsets[index]


def newest_observation(groups: Sequence[Group]) -> float | None:
    """Return when Burrow observed the newest commit of these groups, in Unix seconds on Burrow's clock."""
    newest = max((max(group.partitions.ends.observed, default=0) for group in groups), default=0)
    return newest / 1000 if newest else None
