"""Consumers: progress and commits are functions of time alone.

A consumer's *progress* maps a commit time to the time up to which everything produced has been read; the difference is
the age of the first unread message. Its *presence* defines the spans of time in which it commits.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice

from burrow_exporter.demo.topics import BURST, Cycle

Progress = Callable[[float], float]
Span = tuple[float, float]
Presence = Callable[[float], Sequence[Span]]
"""Maps a time to the spans (first, last second) up to then with valid commits, newest first."""

EVER = -1e12
PROMPT = 0.3
GOOD_SHARE = 0.75
"""Share of a cycle with trouble; in the rest the consumer catches up."""


def following(delay: float = PROMPT) -> Progress:
    """Read everything ``delay`` seconds after production."""
    return lambda time: time - delay


def falling_behind(cycle: Cycle, speed: float = 0.5) -> Progress:
    """Read at ``speed`` of what is produced, then catch up until the turn ends; a speed of 0 is a stalled consumer."""

    def progress(time: float) -> float:
        begun, over = cycle.at(time)
        if over < GOOD_SHARE:
            return begun + speed * (time - begun)
        behind = (1 - speed) * GOOD_SHARE * cycle.period
        return time - behind * (1 - over) / (1 - GOOD_SHARE)

    return progress


def rewinding(cycle: Cycle) -> Progress:
    """Rewind by two thirds of the period at every turn, and reread until the turn ends."""

    def progress(time: float) -> float:
        _, over = cycle.at(time)
        return time - PROMPT - cycle.period * (1 - over) * 2 / 3

    return progress


def working_off_bursts(cycle: Cycle) -> Progress:
    """Read a topic of bursts (of the same cycle) at a third of the speed of a burst."""

    def progress(time: float) -> float:
        begun, over = cycle.at(time)
        return begun + (time - begun) / 3 if over < 3 * BURST else time

    return progress


def resuming(cycle: Cycle, running: float) -> Progress:
    """Start every turn where the previous one stopped (after ``running`` of it), and catch up in half the run."""

    def progress(time: float) -> float:
        _, over = cycle.at(time)
        missed = (1 - running) * cycle.period
        return time - PROMPT - missed * max(0.0, 1 - 2 * over / running)

    return progress


def always(time: float) -> Sequence[Span]:
    """Commit forever."""
    return ((EVER, time),)


def never(_time: float) -> Sequence[Span]:
    """Commit nothing."""
    return ()


def until(end: float) -> Presence:
    """Commit until ``end`` (Unix seconds) and never again."""
    return lambda time: ((EVER, min(time, end)),)


def pausing(cycle: Cycle, running: float) -> Presence:
    """Commit in the first ``running`` share of every turn; Burrow keeps the commits from before the pause."""

    def presence(time: float) -> Sequence[Span]:
        begun, _ = cycle.at(time)
        lasts = running * cycle.period
        return (begun, min(time, begun + lasts)), (begun - cycle.period, begun - cycle.period + lasts)

    return presence


def reborn(cycle: Cycle, living: float, waits: float = 0.0) -> Presence:
    """Start afresh every turn after ``waits`` seconds, and disappear after ``living`` of it."""

    def presence(time: float) -> Sequence[Span]:
        begun, over = cycle.at(time)
        return ((begun + waits, time),) if over < living and begun + waits <= time else ()

    return presence


@dataclass(frozen=True, slots=True)
class Consumer:
    """The consumer of one partition. Burrow cannot compute the lag of its commits in the first ``blind`` seconds."""

    progress: Progress
    presence: Presence = always
    blind: float = 0.0


@dataclass(frozen=True, slots=True)
class Schedule:
    """When a group commits: every ``interval`` seconds, ``phase`` seconds after whole intervals.

    Burrow's ``min-distance`` merges ``merged`` consecutive commits into one slot of the window, with the time of the
    first and the offset of the last. After a pause the first slot is a full one.
    """

    interval: float
    phase: float = 0.0
    merged: int = 1

    @classmethod
    def of(cls, interval: float, phase: float, min_distance: float) -> Schedule:
        """Return the schedule with as many commits a slot as ``min_distance`` (seconds) asks for."""
        return cls(interval, phase, max(1, math.ceil(min_distance / interval)))

    @property
    def slot_seconds(self) -> float:
        """Distance between commits in a window, in seconds."""
        return self.interval * self.merged

    def slots(self, spans: Sequence[Span], count: int) -> list[Span]:
        """Return the first and the last commit's time of each of the latest ``count`` slots, oldest first."""
        latest = (slot for span in spans for slot in self._latest(span))
        return list(islice(latest, count))[::-1]

    def _latest(self, span: Span) -> Iterator[Span]:
        first, last = (int((end - self.phase) // self.interval) for end in span)
        for slot in range(last // self.merged, first // self.merged, -1):
            newest = min(last, slot * self.merged + self.merged - 1)
            yield self.phase + slot * self.slot_seconds, self.phase + newest * self.interval
