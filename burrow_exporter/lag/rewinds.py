"""Whether a consumer was reset, or its topic recreated while Burrow still shows the old log. No I/O."""

from __future__ import annotations

from typing import Final

from burrow_exporter.burrow.partitions import NEVER, Partitions

REFRESH: Final = 90.0
"""Seconds until Burrow notices a recreated topic: its ``topic-refresh``, ``offset-refresh`` and cache."""
MEMORY: Final = 600.0
"""Seconds for which a partition's log end is kept after its last rewind, since statuses fluctuate."""


class Rewinds:
    """The partitions that went back, with the log end offset that Burrow showed at that time.

    After a topic is deleted and recreated, consumers begin at 0, and for a while Burrow compares that with the old
    log's end. A log end that moves, in either direction, is that of the new topic.
    """

    def __init__(self) -> None:
        self._seen: dict[tuple[str, str, int], tuple[float, float, int]] = {}

    def is_doubtful(self, key: tuple[str, str, int], log_end: int, now: float) -> bool:
        """Return whether the log end of a partition in REWIND (group, topic, number) may be that of an old log."""
        since, _, before = self._seen.get(key, (now, now, log_end))
        self._seen[key] = since, now, before
        return before == log_end and now - since < REFRESH

    def forget(self, now: float) -> None:
        """Remove partitions that went back long ago."""
        if self._seen:
            self._seen = {key: seen for key, seen in self._seen.items() if now - seen[1] < MEMORY}


def went_back(partitions: Partitions) -> set[int]:
    """Return the indexes of partitions in REWIND, or whose last commit in the window is lower than the first."""
    starts, ends = partitions.starts, partitions.ends
    back = [place for place, status in enumerate(partitions.statuses) if status == "REWIND"]
    for place, (end, start) in enumerate(zip(ends.offsets, starts.offsets, strict=True)):
        if end < start and NEVER not in (starts.observed[place], ends.observed[place]):
            back.append(place)
    return set(back)
