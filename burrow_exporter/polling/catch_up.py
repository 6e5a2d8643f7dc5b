"""Whether Burrow has read enough of a cluster's commits for its figures to be true."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum, auto


class Verdict(Enum):
    """What to make of a cluster's answers."""

    ADMITTED = auto()
    BEHIND = auto()
    TIMED_OUT = auto()
    """Still behind, but for so long that figures that may be wrong are better than none; said once each time."""


@dataclass(slots=True)
class CatchUp:
    """Follows one cluster: Burrow is READY long before it has read the backlog of ``__consumer_offsets``.

    ``max_lag`` is in messages of one partition, ``timeout`` in seconds. ``held`` are the partitions that Burrow has
    not read while it has others: the groups whose commits they have are to be held back. A partition that stays behind
    alone stays held.
    """

    max_lag: int
    timeout: float
    held: frozenset[int] = frozenset()
    _seen_own: bool = False
    _behind_since: float | None = None
    _impatient: bool = False

    def judge(
        self, lags: Sequence[int | None] | None, *, own_listed: bool, own_answered: bool, monotonic: float
    ) -> Verdict:
        """Judge one poll's answers.

        ``own_listed`` tells whether Burrow lists a group of its own, ``own_answered`` whether it answered for it, and
        ``lags`` how far that is behind on each partition, ``None`` as long as it has no commit there. Without such a
        group there is nothing to wait for, unless there once was one: then Burrow has just begun anew.
        """
        failed = own_listed and not own_answered
        if failed and self._seen_own and self._behind_since is None:
            return Verdict.ADMITTED  # one failed request tells nothing of Burrow's own progress
        behind = frozenset(number for number, lag in enumerate(lags or ()) if lag is None or lag > self.max_lag)
        caught_up = lags is not None and len(behind) < len(lags)
        self._seen_own = self._seen_own or caught_up
        self.held = behind if caught_up else frozenset()
        if caught_up or not (own_listed or self._seen_own):
            self._behind_since, self._impatient = None, False
            return Verdict.ADMITTED
        if self._behind_since is None:
            self._behind_since = monotonic
        return self._while_behind(monotonic)

    def _while_behind(self, monotonic: float) -> Verdict:
        if self._impatient:
            return Verdict.ADMITTED
        if self._behind_since is not None and monotonic - self._behind_since >= self.timeout:
            self._impatient = True
            return Verdict.TIMED_OUT
        return Verdict.BEHIND
