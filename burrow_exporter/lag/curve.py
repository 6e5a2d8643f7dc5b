"""The log end offset of one partition over time, in bounded memory, and when it passed a given offset.

The method is described in docs/lag-seconds.md. All times are Unix seconds. A bound states that the log end was at least
at an offset at a time, exact to the second. A sighting is a log end offset that Burrow knew at a time; it was true up
to Burrow's ``offset-refresh`` earlier.
"""

from __future__ import annotations

from array import array
from bisect import bisect_left, bisect_right
from typing import Final

KNOTS: Final = 96
"""The maximum number of knots of a curve."""
SCATTER: Final = 16
"""A curve may be thinned with up to this many knots fewer."""
NEAR: Final = 10.0
"""Seconds. Between two bounds this close, a sighting adds nothing, as it is less exact."""
GRACE: Final = 30.0
"""Seconds by which sightings and bounds may contradict each other: Burrow replicas differ, refreshes may be late."""
BACKLOG_SECONDS: Final = 300.0
"""Seconds between a commit and its observation from which Burrow was reading its backlog after a restart."""
TRUST: Final = 0.25
"""The fraction of its length by which a curve may be extended into the past: no age is too large by more."""
AT_LEAST: Final = 600.0
"""Seconds. A curve this long gives its length as a minimum age for everything before it."""

BOUND: Final = 0
SIGHTING: Final = 1
REMEMBERED: Final = 2


class Curve:
    """The log end offset of one partition over time, as knots. Neither times nor offsets ever decrease."""

    __slots__ = ("kinds", "offsets", "read", "times")

    def __init__(self) -> None:
        self.times = array("d")
        self.offsets = array("d")
        self.kinds = bytearray()
        self.read = -1

    def bound(self, time: float, offset: int, late: float) -> None:
        """Add that the log end was at least ``offset`` at ``time``.

        Moves higher sightings to ``time`` if they were dated too early by up to ``late`` seconds.
        """
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
        """Add that Burrow knew the log end ``offset`` at ``time``, on average ``late`` seconds after it was true."""
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
        """Add a bound from before the first sighting: a commit that Burrow read from its backlog."""
        place = bisect_left(self.offsets, offset)
        known = place < len(self.times) and self.times[place] <= time
        if not known and (not place or (self.kinds[place - 1] == REMEMBERED and self.times[place - 1] <= time)):
            self._insert(place, time, offset, REMEMBERED)

    def reading(self, time: float, offset: int, late: float, previous: float) -> None:
        """Add a topic's offset read at ``time``, after one at ``previous``. Removes knots it contradicts."""
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
        """Return the seconds since the log end passed ``offset``, or ``None`` if unknown."""
        offsets = self.offsets
        after = bisect_right(offsets, offset)
        if not after:
            return self._age_before(offset, now)
        times = self.times
        start = times[after - 1]
        if after == len(times):
            return max(0.0, (now - start) / 2)
        low = offsets[after - 1]
        # Of n messages spread evenly over an interval, message k (from 1) arrives on average after k / (n + 1) of it.
        passed = start + (times[after] - start) * (offset - low + 1.0) / (offsets[after] - low + 1.0)
        return now - passed if passed < now else 0.0

    def move(self, seconds: float) -> None:
        """Shift all knots by some seconds: the clock that dated them was wrong by that much."""
        self.times[:] = array("d", [time + seconds for time in self.times])

    def _age_before(self, offset: float, now: float) -> float | None:
        """Return the age of an offset before the curve: at least its length, extended a little by its mean rate.

        The rate before the curve is unknown: extending it by many times its length could be wrong by as much.
        """
        times, offsets = self.times, self.offsets
        if not times:
            return None
        length = max(0.0, now - times[0])
        grown = offsets[-1] - offsets[0]
        grew = times[bisect_left(offsets, offsets[-1])] - times[0]
        further = (offsets[0] - offset) * grew / grown if grown else 0.0
        if length < AT_LEAST:
            return length + further if 0.0 < further <= length * TRUST else None
        # A longer curve needs no rate. This makes the transition without a decreasing age.
        return max(length, min(length + further, AT_LEAST * (1 + TRUST)))

    def _stand(self, knot: int, time: float) -> None:
        """Record that the log end was still, or already, at this last knot of its offset at ``time``."""
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
        """Return whether the knots from ``place`` on, higher than a new reading, are too old to be just ahead of it."""
        if offset < self.read and not place:
            return True
        if SIGHTING in self.kinds[place:]:
            return self.times[place] < time - GRACE
        # A reading that increased was fetched after the previous one; one that did not may be as old as that.
        return self.times[place] <= (previous if offset > self.read else time - BACKLOG_SECONDS)

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
        # Offsets vary the moment of thinning, so that curves that fill up together are not all thinned in one poll.
        if len(self.times) > KNOTS - SCATTER and len(self.times) > KNOTS - int(offset) % SCATTER:
            self._thin()

    def _delete(self, knot: int) -> None:
        del self.times[knot], self.offsets[knot], self.kinds[knot]

    def _thin(self) -> None:
        """Remove about a quarter of the knots: those whose removal moves the curve least, relative to their age."""
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
        """Return, for each inner knot, its distance in time from the line between its neighbours, over its age."""
        times, offsets = self.times.tolist(), self.offsets.tolist()
        newest = times[-1] + NEAR
        bends = []
        for a, b, c, x, y, z in zip(times, times[1:], times[2:], offsets, offsets[1:], offsets[2:], strict=False):
            share = (y - x) / (z - x) if z > x else 0.0
            bends.append(abs(b - a - (c - a) * share) / (newest - b) ** 0.5)
        return bends
