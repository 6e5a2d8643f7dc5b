"""Which groups' answers were evaluated after Burrow had read their commits. No I/O.

Burrow keeps a group's evaluation for ``expire-cache`` from when it was made, whoever asked for it. So for as long after
it has caught up its answers may be from before.
"""

from __future__ import annotations

from collections.abc import Container
from dataclasses import dataclass

from burrow_exporter.burrow.partitions import Partitions
from burrow_exporter.polling.own_group import Progress
from burrow_exporter.snapshot import Group

LIVE = 15_000
"""Milliseconds within which Burrow reads a commit after it was made, when it has caught up."""


@dataclass(frozen=True, slots=True)
class CaughtUp:
    """When a partition of ``__consumer_offsets`` was first seen read to its end.

    ``at`` is on the monotonic clock, ``observed`` on Burrow's: when it read the newest message (Unix milliseconds).
    ``from_start`` where it was never seen behind: then it had caught up some time before.
    """

    at: float
    observed: int
    from_start: bool


class Settling:
    """Follows the partitions of one cluster's ``__consumer_offsets`` and the groups whose commits they have.

    ``max_hold`` is the most that a group is held, in seconds.
    """

    def __init__(self, max_hold: float) -> None:
        self.max_hold = max_hold
        self._progress: Progress | None = None
        self._caught_up: dict[int, CaughtUp] = {}
        self._answers: dict[str, Partitions] = {}
        self._was_behind = False

    def fell_behind(self) -> None:
        """Take in that Burrow has not read the cluster: all of it has to catch up anew."""
        self._caught_up, self._answers, self._was_behind = {}, {}, True

    def follow(self, progress: Progress | None, behind: Container[int], monotonic: float) -> None:
        """Take in how far Burrow has read; ``behind`` are the partitions that it has not."""
        if progress is None:
            return
        self._progress = progress
        caught_up, self._caught_up = self._caught_up, {}
        # One that has gone on for longer than anything is held will not have caught up just now.
        is_old = max(progress.observed) - progress.since >= self.max_hold * 1000 and not self._was_behind
        for number, observed in enumerate(progress.observed):
            if number in behind:
                self._was_behind = True
            else:
                at = float("-inf") if is_old else monotonic
                new = CaughtUp(at, observed, from_start=not self._was_behind)
                self._caught_up[number] = caught_up.get(number, new)

    def is_over(self, begun: float, expire: float) -> bool:
        """Tell whether whatever was asked for since ``begun`` (monotonic) is from after it had caught up."""
        if all(begun >= each.at + self._wait(expire) for each in self._caught_up.values()):
            self._answers = {}
            return True
        return False

    def is_settled(self, group: Group, read_at: float, expire: float) -> bool:
        """Tell whether the evaluation of a group, asked for at ``read_at`` (monotonic), was made after that.

        ``expire`` is Burrow's ``expire-cache`` in seconds, 0 where it never expires.
        """
        if self._progress is None:
            return True
        since = self._caught_up.get(self._progress.partition_of(group.name))
        if since is None or read_at >= since.at + self._wait(expire) or is_after(group, since):
            return True
        before = self._answers.get(group.name)
        # What the poll that found it caught up has read may be older than that.
        if before is None and read_at > since.at:
            self._answers[group.name] = group.partitions
        return before is not None and before != group.partitions

    def _wait(self, expire: float) -> float:
        return min(expire, self.max_hold) if expire else self.max_hold


def is_after(group: Group, since: CaughtUp) -> bool:
    """Tell whether a group's own commits show that they were evaluated after Burrow had caught up with them."""
    ends = group.partitions.ends
    if not ends.observed:
        return False
    observed = max(ends.observed)
    is_live = observed - ends.timestamps[ends.observed.index(observed)] <= LIVE
    return observed > since.observed or (since.from_start and is_live)
