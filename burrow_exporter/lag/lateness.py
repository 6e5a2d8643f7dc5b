"""How outdated the log end offsets are that Burrow knows, as commits prove it. No I/O.

All times are Unix seconds. The method is described in docs/lag-seconds.md.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final, NamedTuple

from burrow_exporter.burrow.answers import Commit
from burrow_exporter.lag.curve import BACKLOG_SECONDS, GRACE, Curve
from burrow_exporter.snapshot import Topic

SMOOTHING: Final = 0.05
"""The weight of one poll in the mean lateness of Burrow's log end offsets."""
BURST: Final = 10.0
"""The multiple of its mean rate at which a log may grow within the grace period."""


class Ahead(NamedTuple):
    """A commit beyond the known log end of its partition. ``held`` until other evidence confirms it."""

    group: str
    partition: int
    offset: int
    made: float
    held: bool


class Lateness:
    """The mean lateness of one cluster's log end offsets. Burrow fetches all of them at the same time.

    A commit at the head of a log is often ahead of the log end that Burrow knows, which proves a minimum lateness. But
    a group may commit any offset. A commit beyond what the topic's growth explains, or of a group whose last such
    commit the log end did not reach in time, counts only once the log end has reached it.
    """

    def __init__(self) -> None:
        self.mean = 1.0
        self._topics: Mapping[str, Topic] = {}
        self._ahead: dict[str, list[Ahead]] = {}
        self._doubted: dict[tuple[str, str, int], float] = {}
        self._shift = 0.0
        self._least = 0.0
        self._most = GRACE

    def next_poll(self, topics: Mapping[str, Topic], shift: float) -> list[tuple[str, Ahead]]:
        """Add the topics of a poll. Return the held commits that the log ends have reached.

        The exporter's clock, which dates the reading of topics, is ahead by ``shift`` seconds.
        """
        held = []
        ahead, self._ahead = self._ahead, {}
        for name, ones in ahead.items():
            topic = topics.get(name)
            if topic is None:
                continue
            for one in ones:
                if is_reached(one, topic):
                    held += [(name, one)] if one.held else []
                elif topic.read_at - shift - one.made < GRACE:
                    self._ahead.setdefault(name, []).append(one)
                else:
                    self._doubted[one.group, name, one.partition] = topic.read_at - shift
        self._topics, self._shift = topics, shift
        return held

    def end_poll(self, now: float) -> None:
        """Update the mean from the poll's evidence, and remove old doubts."""
        self.mean += SMOOTHING * (min(self._least, self._most) - self.mean)
        self._least, self._most = 0.0, GRACE
        self._doubted = {key: since for key, since in self._doubted.items() if now - since < BACKLOG_SECONDS}

    def holds(self, place: tuple[str, str, int], commit: Commit, made: float, curve: Curve) -> bool:
        """Return whether a commit beyond the log end must be held.

        ``place`` is the commit's group, topic and partition, ``made`` the time of the commit.
        """
        group, name, number = place
        topic = self._topics[name]
        read_at = topic.read_at - self._shift
        age = read_at - made
        if age >= GRACE or from_backlog(commit.timestamp, commit.observed_at):
            return True
        log_end = topic.offsets[number]
        held = place in self._doubted
        held = held or not explains(curve, log_end, commit.offset, read_at)
        ahead = Ahead(group, number, commit.offset, made, held)
        self._ahead.setdefault(name, []).append(ahead)
        if not held:
            self._least = max(self._least, age)
        return held

    def bound(self, observed: int, topic: Topic) -> None:
        """Add a commit observed when Burrow knew a smaller log end than now: Burrow has fetched it again since.

        ``observed`` is in Unix milliseconds.
        """
        self._most = min(self._most, max(0.0, topic.read_at - self._shift - observed / 1000))


def from_backlog(timestamp: int, observed: int) -> bool:
    """Return whether Burrow read a commit long after it was made: its lag is relative to a later log end.

    Both are in Unix milliseconds.
    """
    return observed - timestamp > BACKLOG_SECONDS * 1000


def is_reached(one: Ahead, topic: Topic) -> bool:
    """Return whether the log end has reached a commit."""
    return one.partition < len(topic.offsets) and one.offset <= topic.offsets[one.partition]


def explains(curve: Curve, log_end: int, offset: int, read_at: float) -> bool:
    """Return whether the curve's growth explains ``offset``, given ``log_end`` as read at ``read_at``."""
    if not curve.times or curve.times[0] >= read_at:
        return False
    return (offset - log_end) * (read_at - curve.times[0]) <= BURST * GRACE * (log_end - curve.offsets[0])
