"""Burrow's window of commits on a partition, and its evaluation rules.

The rules are those of Burrow's evaluator (``core/internal/evaluator/caching.go``, described in its wiki as "Consumer
Lag Evaluation Rules"), with ``minimum-complete`` and ``allowed-lag`` at their default of 0.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

import msgspec


class Commit(msgspec.Struct, frozen=True, gc=False, rename="camel"):
    """One commit, in the shape of Burrow's JSON.

    ``timestamp`` is when the group committed and ``observed_at`` when Burrow read it (truncated to seconds), both in
    Unix milliseconds. ``lag`` is relative to the log end known then, or ``None``.
    """

    offset: int
    timestamp: int
    observed_at: int
    lag: int | None


class Window(msgspec.Struct, frozen=True, gc=False):
    """The latest commits on a partition and the latest log ends that Burrow has read, each oldest first."""

    commits: Sequence[Commit]
    log_ends: Sequence[int]

    @property
    def current_lag(self) -> int:
        """The messages between the last commit and the last known log end; 0 ("unknown") without a commit."""
        return max(0, self.log_ends[-1] - self.commits[-1].offset) if self.commits else 0


def judge(window: Window, now: int) -> str:
    """Return the status (OK, WARN, STOP, STALL or REWIND) of a window at ``now``, in whole Unix seconds."""
    commits = window.commits
    if window.current_lag == 0:
        return "OK"
    if _stopped(commits, now) and not _at_the_end_recently(window):
        return "STOP"
    if _rewound(commits):
        return "REWIND"
    if any(commit.lag == 0 for commit in commits):
        return "OK"
    if all(commit.offset == commits[0].offset for commit in commits):
        return "STALL"
    return "OK" if _lag_fell(commits) else "WARN"


def _stopped(commits: Sequence[Commit], now: int) -> bool:
    """Whether the last commit is older than the window's time span."""
    silence = now * 1000 - commits[-1].timestamp
    return silence > commits[-1].timestamp - commits[0].timestamp


def _at_the_end_recently(window: Window) -> bool:
    """Whether the last commit reached one of the log ends that Burrow still keeps."""
    return any(log_end <= window.commits[-1].offset for log_end in window.log_ends)


def _rewound(commits: Sequence[Commit]) -> bool:
    """Whether the first rewind in the window has not been caught up since."""
    for index, (before, after) in enumerate(pairwise(commits), start=1):
        if after.offset < before.offset:
            return all(later.offset < before.offset for later in commits[index:])
    return False


def _lag_fell(commits: Sequence[Commit]) -> bool:
    """Whether the lag decreased between any two commits with a known lag."""
    lags = [commit.lag for commit in commits if commit.lag is not None]
    return any(after < before for before, after in pairwise(lags))
