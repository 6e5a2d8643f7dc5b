"""Which groups' responses Burrow evaluated after it had read their commits. No I/O.

Burrow caches a group's evaluation for ``expire-cache``, whoever requested it. So for that long after Burrow has caught
up, responses may be from before.
"""

from __future__ import annotations

from collections.abc import Container
from dataclasses import dataclass

from burrow_exporter.burrow.partitions import Partitions
from burrow_exporter.polling.own_group import Progress
from burrow_exporter.snapshot import Group

LIVE = 15_000
"""Milliseconds within which a Burrow that has caught up reads a commit."""


@dataclass(frozen=True, slots=True)
class CaughtUp:
    """When a partition of ``__consumer_offsets`` was first seen to be fully read.

    ``at`` is on the monotonic clock. ``observed`` is on Burrow's clock: when it read the newest message (Unix
    milliseconds). ``from_start`` means that it was never seen behind: it had caught up some time before.
    """

    at: float
    observed: int
    from_start: bool


class Settling:
    """Follows the partitions of one cluster's ``__consumer_offsets`` and the groups with commits in them.

    ``max_hold`` is the longest that a group is held back, in seconds.
    """

    def __init__(self, max_hold: float) -> None:
        self.max_hold = max_hold
        self._progress: Progress | None = None
        self._caught_up: dict[int, CaughtUp] = {}
        self._answers: dict[str, Partitions] = {}
        self._was_behind = False

    def fell_behind(self) -> None:
        """Reset: Burrow has not read the cluster, and has to catch up on all partitions again."""
        self._caught_up, self._answers, self._was_behind = {}, {}, True

    def follow(self, progress: Progress | None, behind: Container[int], monotonic: float) -> None:
        """Record Burrow's progress. ``behind`` are the partitions that it has not read."""
        if progress is None:
            return
        self._progress = progress
        caught_up, self._caught_up = self._caught_up, {}
        # A Burrow that has been up for longer than the longest hold cannot have caught up just now.
        is_old = max(progress.observed) - progress.since >= self.max_hold * 1000 and not self._was_behind
        for number, observed in enumerate(progress.observed):
            if number in behind:
                self._was_behind = True
            else:
                at = float("-inf") if is_old else monotonic
                new = CaughtUp(at, observed, from_start=not self._was_behind)
                self._caught_up[number] = caught_up.get(number, new)

    def is_over(self, begun: float, expire: float) -> bool:
        """Return whether all responses requested since ``begun`` (monotonic) are from after Burrow had caught up."""
        if all(begun >= each.at + self._wait(expire) for each in self._caught_up.values()):
            self._answers = {}
            return True
        return False

    def is_settled(self, group: Group, read_at: float, expire: float) -> bool:
        """Return whether a group's evaluation, requested at ``read_at`` (monotonic), was made after the catch-up.

        ``expire`` is Burrow's ``expire-cache`` in seconds; 0 means that evaluations never expire.
        """
        if self._progress is None:
            return True
        since = self._caught_up.get(self._progress.partition_of(group.name))
        if since is None or read_at >= since.at + self._wait(expire) or is_after(group, since):
            return True
        before = self._answers.get(group.name)
        # Responses of the poll that first saw Burrow caught up may be from before.
        if before is None and read_at > since.at:
            self._answers[group.name] = group.partitions
        return before is not None and before != group.partitions

    def _wait(self, expire: float) -> float:
        return min(expire, self.max_hold) if expire else self.max_hold


def is_after(group: Group, since: CaughtUp) -> bool:
    """Return whether a group's commits prove that Burrow evaluated them after it had caught up."""
    ends = group.partitions.ends
    if not ends.observed:
        return False
    observed = max(ends.observed)
    is_live = observed - ends.timestamps[ends.observed.index(observed)] <= LIVE
    return observed > since.observed or (since.from_start and is_live)
