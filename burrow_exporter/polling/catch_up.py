"""Whether Burrow has read enough of a cluster's commits for its lag to be correct."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum, auto


class Verdict(Enum):
    """How to treat a cluster's responses."""

    ADMITTED = auto()
    BEHIND = auto()
    TIMED_OUT = auto()
    """Still behind, but past the timeout: exposed although values may be wrong. Returned once, then ``ADMITTED``."""


@dataclass(slots=True)
class CatchUp:
    """Follows one cluster. Burrow is READY long before it has read the backlog of ``__consumer_offsets``.

    ``max_lag`` is in messages per partition, ``timeout`` in seconds. ``held`` are the partitions that Burrow has not
    read yet while it has read others: groups with commits in them are held back. A single partition that stays behind
    stays held.
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
        """Judge the responses of one poll.

        ``own_listed`` is whether Burrow lists a group of its own, ``own_answered`` whether the request for it
        succeeded. ``lags`` is Burrow's lag on each partition, ``None`` before its first commit there. Without such a
        group there is nothing to wait for, unless there was one before: then Burrow has just restarted.
        """
        failed = own_listed and not own_answered
        if failed and self._seen_own and self._behind_since is None:
            return Verdict.ADMITTED  # one failed request says nothing about Burrow's progress
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
