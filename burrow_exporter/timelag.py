"""Lag in seconds: when did the log end pass the offset that a group committed? No I/O.

The method stands in docs/lag-seconds.md. All times are Unix seconds. A commit tells two things: when it was made, the
log end was at least ``offset`` (a bound, exact to the second), and when Burrow observed it, Burrow knew the log end
``offset + lag`` (a sighting, like a topic's offset: true at some time up to Burrow's ``offset-refresh`` before).
"""

from __future__ import annotations

from array import array
from bisect import bisect_left, bisect_right
from collections.abc import Mapping, Sequence
from typing import Final

from burrow_exporter.answers import Commit, Partition
from burrow_exporter.snapshot import Group, Topic

KNOTS: Final = 96
"""Most knots a curve keeps."""
NEAR: Final = 10.0
"""Seconds between two bounds within which a sighting, being less exact, adds nothing."""
GRACE: Final = 30.0
"""Seconds by which sightings and bounds may contradict each other: replicas of Burrow differ, refreshes are late."""
BACKLOG: Final = 300.0
"""Seconds between commit and observation from which Burrow was reading its backlog after a restart."""
TRUST: Final = 100.0
"""How many times its own length a curve may be extended into the past."""
TRUST_REMEMBERED: Final = 0.25
"""The same for a curve that begins with commits from the backlog: its mean rate says little of the time before."""
HOUR: Final = 3600.0
PATIENCE: Final = 0.05
"""Weight of one poll in the mean staleness of Burrow's log ends."""

BOUND: Final = 0
SIGHTING: Final = 1
REMEMBERED: Final = 2


class _Curve:
    """The log end of one partition over time: knots, with neither times nor offsets ever falling."""

    __slots__ = ("kinds", "offsets", "read", "times")

    def __init__(self) -> None:
        self.times = array("d")
        self.offsets = array("d")
        self.kinds = bytearray()
        self.read = -1

    def bound(self, time: float, offset: int, late: float) -> None:
        """Note that the log end was at least ``offset`` at ``time``; sightings moved past it by ``late`` give way."""
        times, offsets, kinds = self.times, self.offsets, self.kinds
        size = len(times)
        first = after = bisect_left(offsets, offset)
        while after < size and times[after] <= time:
            if kinds[after] != SIGHTING or times[after] + late <= time or offsets[after] == offset:
                return
            after += 1
        if first and (times[first - 1] > time + GRACE or (first < size and times[first] - times[first - 1] <= 1.0)):
            return
        for knot in range(first, after):
            times[knot] = time
        before = first - 1
        while before >= 0 and times[before] > time:
            times[before] = time
            before -= 1
        self._insert(first, time, offset, BOUND)
        if first + 2 < len(times) and offsets[first + 2] == offset:
            self._delete(first + 1)
        self._drop_between_bounds(first + 1)
        self._drop_between_bounds(first - 1)

    def sighting(self, time: float, offset: int, late: float) -> None:
        """Note that Burrow knew the log end ``offset`` at ``time``, on average ``late`` seconds after it was true."""
        times, offsets = self.times, self.offsets
        place = bisect_right(offsets, offset)
        if place < len(times):
            if times[place] < time - GRACE:
                return
            time = min(time, times[place])
        if not place:
            self._insert(0, time - late, offset, SIGHTING)
        elif offsets[place - 1] == offset:
            self._stand(place - 1, time - late)
        elif times[place - 1] <= time + GRACE and not self._between_bounds(place - 1, place):
            previous = times[place - 1]
            self._insert(place, max(previous, time - min(late, (time - previous) / 2)), offset, SIGHTING)

    def remember(self, time: float, offset: int) -> None:
        """Note a bound from before the first sighting: a commit that Burrow read from its backlog."""
        place = bisect_left(self.offsets, offset)
        known = place < len(self.times) and self.times[place] <= time
        if not known and (not place or (self.kinds[place - 1] == REMEMBERED and self.times[place - 1] <= time)):
            self._insert(place, time, offset, REMEMBERED)

    def reading(self, time: float, offset: int, late: float, previous: float) -> None:
        """Note a topic's offset read at ``time``, after one at ``previous``; what it contradicts goes."""
        offsets = self.offsets
        if len(offsets) > 1 and offset == offsets[-1] == offsets[-2]:
            self.read = offset
            self.times[-1] = max(self.times[-1], time - late)
            return
        place = bisect_right(offsets, offset)
        if place < len(offsets) and self._contradicted(place, time, offset, previous):
            start = 0 if SIGHTING in self.kinds[place:] else place
            del self.times[start:], self.offsets[start:], self.kinds[start:]
        elif offset < self.read:
            return
        self.read = offset
        self.sighting(time, offset, late)

    def age(self, offset: float, now: float) -> float | None:
        """Return the seconds since the log end passed ``offset``, ``None`` where that is not known."""
        offsets = self.offsets
        after = bisect_right(offsets, offset)
        if not after:
            return self._age_before(offset, now)
        times = self.times
        start = times[after - 1]
        if after == len(times):
            return max(0.0, (now - start) / 2)
        low = offsets[after - 1]
        # Of n messages spread evenly over a time, message k (from 1) comes on average after k / (n + 1) of it.
        passed = start + (times[after] - start) * (offset - low + 1.0) / (offsets[after] - low + 1.0)
        return now - passed if passed < now else 0.0

    def _age_before(self, offset: float, now: float) -> float | None:
        """Extend the curve into the past with its mean rate; say "at least" only once it is an hour long."""
        times, offsets = self.times, self.offsets
        if not times:
            return None
        length = max(0.0, now - times[0])
        grown = offsets[-1] - offsets[0]
        grew = times[bisect_left(offsets, offsets[-1])] - times[0]
        further = (offsets[0] - offset) * grew / grown if grown else 0.0
        most = length * (TRUST_REMEMBERED if self.kinds[0] == REMEMBERED else TRUST)
        if length < HOUR and not 0.0 < further <= most:
            return None
        return length + min(further, most)

    def _stand(self, knot: int, time: float) -> None:
        """Note that the log end still, or already, was at this last knot of its offset at ``time``."""
        times, offsets = self.times, self.offsets
        paired = knot > 0 and offsets[knot - 1] == offsets[knot]
        first = knot - 1 if paired else knot
        if time > times[knot]:
            if paired:
                times[knot] = time
            else:
                self._insert(knot + 1, time, offsets[knot], SIGHTING)
        elif time < times[first] and self.kinds[first] == SIGHTING:
            times[first] = max(time, times[first - 1]) if first else time

    def _contradicted(self, place: int, time: float, offset: int, previous: float) -> bool:
        """Tell whether the knots from ``place`` on, higher than a new reading, are too old to be only ahead of it."""
        if offset < self.read and not place:
            return True
        if SIGHTING in self.kinds[place:]:
            return self.times[place] < time - GRACE
        # A reading that grew was fetched after the one before it; one that did not may be as old as it.
        return self.times[place] <= (previous if offset > self.read else time - BACKLOG)

    def _between_bounds(self, before: int, after: int) -> bool:
        if before < 0 or after >= len(self.times) or self.kinds[before] != BOUND or self.kinds[after] != BOUND:
            return False
        return self.times[after] - self.times[before] <= NEAR

    def _drop_between_bounds(self, knot: int) -> None:
        if not 0 < knot < len(self.times) - 1 or not self.kinds[knot]:
            return
        before, here, after = self.offsets[knot - 1 : knot + 2]
        if before < here < after and self._between_bounds(knot - 1, knot + 1):
            self._delete(knot)

    def _insert(self, place: int, time: float, offset: float, kind: int) -> None:
        self.times.insert(place, time)
        self.offsets.insert(place, offset)
        self.kinds.insert(place, kind)
        if len(self.times) > KNOTS:
            self._thin()

    def _delete(self, knot: int) -> None:
        del self.times[knot], self.offsets[knot], self.kinds[knot]

    def _thin(self) -> None:
        """Drop about a quarter of the knots: those whose loss moves the curve least, compared with their age."""
        bends = self._bends()
        limit = sorted(bends)[len(bends) // 3]
        kept = [0]
        for knot, bend in enumerate(bends, 1):
            if bend > limit or kept[-1] != knot - 1:
                kept.append(knot)
        kept.append(len(self.times) - 1)
        self.times[:] = array("d", [self.times[knot] for knot in kept])
        self.offsets[:] = array("d", [self.offsets[knot] for knot in kept])
        self.kinds[:] = bytes([self.kinds[knot] for knot in kept])

    def _bends(self) -> list[float]:
        """Return, for each inner knot, its distance in time from the line between its neighbours, by its age."""
        times, offsets = self.times.tolist(), self.offsets.tolist()
        newest = times[-1] + NEAR
        bends = []
        for a, b, c, x, y, z in zip(times, times[1:], times[2:], offsets, offsets[1:], offsets[2:], strict=False):
            share = (y - x) / (z - x) if z > x else 0.0
            bends.append(abs(b - a - (c - a) * share) / (newest - b) ** 0.5)
        return bends


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
        self._curves: dict[str, dict[int, _Curve]] = {}
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

    def _take_commit(self, curve: _Curve, commit: Commit, read_at: float, *, stood: bool) -> None:
        """Take in one commit; an old one of a group that ``stood`` still tells nothing of the time of its offset."""
        if commit.lag is None:
            return
        if _from_backlog(commit) and (commit.lag == 0 or not stood):
            curve.remember(commit.timestamp / 1000, commit.offset)
        if commit.lag:
            curve.sighting(min(read_at, commit.observed_at / 1000 + 0.5), commit.offset + commit.lag, self._late)
        elif not _from_backlog(commit):
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
                curve = curves[partition] = _Curve()
            curve.reading(topic.read_at, offset, self._late, previous)

    def _curve(self, partition: Partition) -> _Curve:
        curves = self._curves.setdefault(partition.topic, {})
        curve = curves.get(partition.partition)
        if curve is None:
            curve = curves[partition.partition] = _Curve()
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
        topic, curves = "", self._curves.get("", {})
        for partition in group.partitions:
            if not partition.current_lag:
                ages.append(0.0)
                continue
            if partition.topic != topic:
                topic = partition.topic
                curves = self._curves.get(topic, {})
            curve = curves.get(partition.partition)
            end = partition.end
            ages.append(None if curve is None or end is None else curve.age(float(end.offset), now))
        return ages
