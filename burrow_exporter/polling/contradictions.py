"""Detects contradictory responses from one address, as several Burrows behind a load balancer give them.

Burrows know different groups, depending on when they started, and fetch log end offsets at different times. No I/O.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from typing import Final

from burrow_exporter.burrow.partitions import NEVER
from burrow_exporter.snapshot import Group, Topic

POLLS: Final = 10
"""The number of polls within which something that disappeared can reappear, and contradictions are counted."""
ENOUGH: Final = 2
"""How many of these polls must contradict earlier ones."""


@dataclass(slots=True)
class LogEnd:
    """The sum of a topic's log end offsets: the highest so far, and the poll that first saw a lower one, if any."""

    peak: int
    fell_in: int | None = None


class Contradictions:
    """Follows one cluster."""

    def __init__(self) -> None:
        self._poll = 0
        self._recent: deque[int] = deque(maxlen=POLLS)
        self._seen: dict[str, float] = {}
        self._gone: dict[str, tuple[int, float]] = {}
        self._log_ends: dict[str, LogEnd] = {}

    def found(self, groups: Mapping[str, Group | None], listed: Collection[str], topics: Iterable[Topic]) -> bool:
        """Add a poll and return whether the last polls contradict each other.

        ``groups`` are the responses, ``None`` for a group that Burrow does not know. ``listed`` are the names of all
        groups.
        """
        self._poll += 1
        topics = list(topics)
        self._recent.append(self._returned(groups, listed) + sum(map(self._went_back_and_forth, topics)))
        if len(self._log_ends) > len(topics):
            self._log_ends = {topic.name: self._log_ends[topic.name] for topic in topics}
        return sum(map(bool, self._recent)) >= ENOUGH

    def _returned(self, groups: Mapping[str, Group | None], listed: Collection[str]) -> int:
        """Return how many groups have reappeared after a short absence with commits from before it."""
        known = {name: group for name, group in groups.items() if group}
        back = [name for name in self._gone if name in known and remembers(known[name], self._gone[name][1])]
        gone = {name: at for name, at in self._seen.items() if name not in listed or groups.get(name, ...) is None}
        self._seen = {name: at for name, at in self._seen.items() if name not in gone}
        self._seen |= {name: group.read_at for name, group in known.items()}
        self._gone |= {name: (self._poll, at) for name, at in gone.items()}
        oldest = self._poll - POLLS
        self._gone = {name: each for name, each in self._gone.items() if each[0] > oldest and name not in known}
        return len(back)

    def _went_back_and_forth(self, topic: Topic) -> bool:
        """Return whether the log end offsets of a topic are back at their previous values after a short drop."""
        total = sum(topic.offsets)
        before = self._log_ends.setdefault(topic.name, LogEnd(total))
        if total < before.peak:
            before.fell_in = before.fell_in or self._poll
            if self._poll - before.fell_in >= POLLS:  # the log was truncated, or the topic recreated
                before.peak, before.fell_in = total, None
            return False
        is_back = before.fell_in is not None
        before.peak, before.fell_in = total, None
        return is_back


def remembers(group: Group, seen: float) -> bool:
    """Return whether Burrow observed a commit of a group before ``seen`` (Unix seconds), so knew the group then."""
    return any(NEVER < observed < seen * 1000 for observed in group.partitions.starts.observed)
