"""A clock for the histories that is unaffected when the exporter's clock is set. No I/O."""

from __future__ import annotations

from enum import Enum, auto

from burrow_exporter.lag.curve import GRACE


class Step(Enum):
    """The kind of a step of the exporter's clock, judged by Burrow's clock."""

    WRONG = auto()
    """The exporter's clock is wrong now, or its error is unknown: time continues as before."""
    CORRECTED = auto()
    """The exporter's clock was wrong before and is right now: earlier times move with it."""
    UNKNOWN = auto()
    """The difference from Burrow's clock is unchanged: both were set, or the host was suspended."""


class SteadyClock:
    """Unix seconds that advance with the monotonic clock, whatever the exporter's clock is set to.

    Times from Burrow are compared with it directly, times of the exporter's clock minus ``shift``.
    """

    def __init__(self) -> None:
        self.now = 0.0
        self.shift = 0.0
        self._monotonic: float | None = None
        self._last = self._told = 0.0

    def tick(self, now: float, monotonic: float) -> bool:
        """Advance to ``now`` (exporter's clock) at ``monotonic``. Return whether that clock was set since."""
        steady = now if self._monotonic is None else self.now + monotonic - self._monotonic
        self._monotonic = monotonic
        self._told, self._last = self._last, now
        if abs(now - self.shift - steady) > GRACE:
            self.now = steady
            return True
        self.now = now - self.shift
        return False

    def settle(self, now: float, observed: float | None, before: float | None) -> tuple[Step, float]:
        """Judge a step to ``now`` by when Burrow observed the newest commit, in this poll and in the one before.

        Returns the kind of step, and the seconds by which earlier times must be moved.
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
