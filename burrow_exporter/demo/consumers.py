"""Consumers: until when a consumer has read, and when it commits, are functions of the time alone.

A consumer's *progress* says for a time of commit until when everything produced had been read by then: time minus
progress is the age of the first unread message. Its *presence* says in which spans of time it commits at all.
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
"""From a time to the spans (first, last second) until then in which there are commits that count, newest first."""

EVER = -1e12
PROMPT = 0.3
GOOD_SHARE = 0.75
"""The share of a cycle for which trouble lasts; in the rest of it the consumer catches up."""


def following(delay: float = PROMPT) -> Progress:
    """Read everything ``delay`` seconds after it was produced."""
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
    """Step back by two thirds of the period at every turn, and read it again until the turn ends."""

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
    """Begin every turn where the one before stopped (after ``running`` of it), and catch up in half the run."""

    def progress(time: float) -> float:
        _, over = cycle.at(time)
        missed = (1 - running) * cycle.period
        return time - PROMPT - missed * max(0.0, 1 - 2 * over / running)

    return progress


def always(time: float) -> Sequence[Span]:
    """Commit without an end."""
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
    """Begin anew every turn, ``waits`` seconds into it, and be gone without a trace after ``living`` of it."""

    def presence(time: float) -> Sequence[Span]:
        begun, over = cycle.at(time)
        return ((begun + waits, time),) if over < living and begun + waits <= time else ()

    return presence


@dataclass(frozen=True, slots=True)
class Consumer:
    """What reads one partition. Of its commits in the first ``blind`` seconds Burrow can tell no lag."""

    progress: Progress
    presence: Presence = always
    blind: float = 0.0


@dataclass(frozen=True, slots=True)
class Schedule:
    """When a group commits: every ``interval`` seconds, ``phase`` seconds after whole intervals.

    Burrow's ``min-distance`` makes ``merged`` commits in a row share one slot of the window: the slot has the time of
    the first of them and the offset of the last. After a pause the first slot is a whole one.
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
        """How far apart the commits in a window are."""
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
