"""The truth: when each message was written, and when each group committed what. All times are Unix seconds."""

from __future__ import annotations

import threading
from bisect import bisect_left, bisect_right
from collections import defaultdict
from dataclasses import dataclass, field

Place = tuple[str, int]
"""A topic and one of its partitions."""


@dataclass
class Log:
    """One partition's messages: their offsets (transactions leave gaps) and their timestamps, in order."""

    offsets: list[int] = field(default_factory=list)
    times: list[float] = field(default_factory=list)
    start: int = 0
    """Messages below it no longer exist (`delete_records`)."""

    def first_unread(self, offset: int) -> float | None:
        """Return when the first message at or after an offset was written; ``None`` if there is none."""
        at = bisect_left(self.offsets, max(offset, self.start))
        return self.times[at] if at < len(self.times) else None

    def end_at(self, moment: float) -> int:
        """Return the offset after the last message written until a moment."""
        at = bisect_right(self.times, moment)
        return self.offsets[at - 1] + 1 if at else self.start


class Ledger:
    """Messages and commits of the whole run; written by producers and consumers, read by the judge."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._logs: dict[Place, list[tuple[float, Log]]] = defaultdict(list)
        self._commits: dict[tuple[str, Place], tuple[list[float], list[int | None]]] = defaultdict(lambda: ([], []))

    def written(self, place: Place, offset: int, moment: float) -> None:
        """Take down one message; a smaller offset than the last means that the topic was made again."""
        with self._lock:
            lives = self._logs[place]
            if not lives or (lives[-1][1].offsets and offset <= lives[-1][1].offsets[-1]):
                lives.append((moment if lives else 0.0, Log()))
            log = lives[-1][1]
            log.offsets.append(offset)
            log.times.append(max(moment, log.times[-1]) if log.times else moment)

    def remade(self, topic: str, moment: float) -> None:
        """Begin a topic's logs anew: it was deleted."""
        with self._lock:
            for place in [place for place in self._logs if place[0] == topic]:
                self._logs[place].append((moment, Log()))

    def truncated(self, place: Place, start: int) -> None:
        """Take down that messages below an offset were deleted."""
        with self._lock:
            self._logs[place][-1][1].start = start

    def committed(self, group: str, place: Place, offset: int, moment: float) -> None:
        """Take down one commit."""
        with self._lock:
            times, offsets = self._commits[group, place]
            times.append(moment)
            offsets.append(offset)

    def gone(self, moment: float, group: str | None = None, topic: str | None = None) -> None:
        """Take down that a group, or all commits on a topic, were deleted."""
        with self._lock:
            for (name, place), (times, offsets) in self._commits.items():
                if group in (None, name) and topic in (None, place[0]):
                    times.append(moment)
                    offsets.append(None)

    def commit_at(self, group: str, place: Place, moment: float) -> int | None:
        """Return what a group had committed at a moment; ``None`` if nothing."""
        with self._lock:
            times, offsets = self._commits[group, place]
            at = bisect_right(times, moment)
            return offsets[at - 1] if at else None

    def places(self, group: str) -> list[Place]:
        """Return the partitions that a group ever committed."""
        with self._lock:
            return [place for name, place in self._commits if name == group]

    def age(self, place: Place, offset: int, moment: float) -> float:
        """Return how old, at a moment, the first message at or after an offset was; 0 if all were read."""
        log = self._log(place, moment)
        written = log.first_unread(offset) if log is not None else None
        return max(0.0, moment - written) if written is not None else 0.0

    def lag(self, place: Place, offset: int, moment: float) -> int:
        """Return how many offsets with messages lay between a commit and the log end at a moment."""
        log = self._log(place, moment)
        return max(0, log.end_at(moment) - max(offset, log.start)) if log is not None else 0

    def _log(self, place: Place, moment: float) -> Log | None:
        with self._lock:
            found = [log for since, log in self._logs.get(place, []) if since <= moment]
        return found[-1] if found else None

    def times(self, place: Place) -> tuple[list[int], list[float]]:
        """Return the offsets and timestamps of a partition's latest life."""
        with self._lock:
            log = self._logs[place][-1][1]
            return list(log.offsets), list(log.times)
