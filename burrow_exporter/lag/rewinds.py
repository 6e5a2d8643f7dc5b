"""Whether a consumer was set back, or its topic made again while Burrow still shows the old log. No I/O."""

from __future__ import annotations

from typing import Final

from burrow_exporter.burrow.partitions import NEVER, Partitions

REFRESH: Final = 90.0
"""Seconds within which Burrow notices that a topic was made again: its ``topic-refresh``, ``offset-refresh``, cache."""
MEMORY: Final = 600.0
"""Seconds after its last rewind for which a partition's log end is kept: statuses come and go."""


class Rewinds:
    """The partitions that went back, with the log end that Burrow showed when they did.

    Whoever deletes a topic and makes it again begins at 0, and for a while Burrow holds that against the old log's end.
    The log end tells: one that moves, either way, is that of the topic as it is.
    """

    def __init__(self) -> None:
        self._seen: dict[tuple[str, str, int], tuple[float, float, int]] = {}

    def is_doubtful(self, key: tuple[str, str, int], log_end: int, now: float) -> bool:
        """Tell whether the log end of a partition in REWIND (group, topic, number) may be that of another log."""
        since, _, before = self._seen.get(key, (now, now, log_end))
        self._seen[key] = since, now, before
        return before == log_end and now - since < REFRESH

    def forget(self, now: float) -> None:
        """Forget what went back long ago."""
        if self._seen:
            self._seen = {key: seen for key, seen in self._seen.items() if now - seen[1] < MEMORY}


def went_back(partitions: Partitions, place: int) -> bool:
    """Tell whether one of the commits in the window of a partition is lower than one before it, as far as is known."""
    starts, ends = partitions.starts, partitions.ends
    is_lower = ends.offsets[place] < starts.offsets[place]
    is_known = is_lower and NEVER not in (starts.observed[place], ends.observed[place])
    return is_known or partitions.statuses[place] == "REWIND"
