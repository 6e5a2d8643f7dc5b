"""The time of the histories, in which a step of our own clock neither dates nor undates what was seen. No I/O."""

from __future__ import annotations

from enum import Enum, auto

from burrow_exporter.lag.curve import GRACE


class Step(Enum):
    """What a step of our own clock was, by the clock of Burrow."""

    WRONG = auto()
    """Ours is wrong now, or nothing tells: time goes on as before."""
    CORRECTED = auto()
    """Ours is right only now: what was seen moves with it."""
    UNKNOWN = auto()
    """Ours is as far from Burrow's as it was: both were set, or time passed that nobody counted."""


class SteadyClock:
    """Unix seconds that go on at the pace of the monotonic clock, whatever our own clock is set to.

    Times that Burrow tells are compared with it as they are, those of our own clock less ``shift``.
    """

    def __init__(self) -> None:
        self.now = 0.0
        self.shift = 0.0
        self._monotonic: float | None = None
        self._last = self._told = 0.0

    def tick(self, now: float, monotonic: float) -> bool:
        """Go on to ``now`` (our own clock), which is ``monotonic``; tell whether our own clock was set since."""
        steady = now if self._monotonic is None else self.now + monotonic - self._monotonic
        self._monotonic = monotonic
        self._told, self._last = self._last, now
        if abs(now - self.shift - steady) > GRACE:
            self.now = steady
            return True
        self.now = now - self.shift
        return False

    def settle(self, now: float, observed: float | None, before: float | None) -> tuple[Step, float]:
        """Judge a step to ``now`` by when Burrow had observed the newest commit, at this poll and at the one before.

        Returns what it was, and by how many seconds what was seen before has to be moved.
        """
        moved = now - self.now - self.shift
        if observed is None or before is None:
            self.shift += moved
            return Step.WRONG, 0.0
        off, was_off = now - observed, self._told - before
        if abs(off - was_off - moved) >= abs(off - was_off):
            step, seconds = Step.UNKNOWN, 0.0
        elif abs(off) < abs(was_off):
            step, seconds = Step.CORRECTED, now - self.now
        else:
            self.shift += moved
            return Step.WRONG, 0.0
        self.now, self.shift = now, 0.0
        return step, seconds
