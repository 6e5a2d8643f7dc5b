"""Topics: production is a function of time alone, so that any moment can be computed."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

Production = Callable[[float], float]
"""Maps a time (Unix seconds) to the amount produced by then, in seconds of mean production."""

BURST = 0.2
"""Share of a cycle in which a bursty topic gets all its messages."""


@dataclass(frozen=True, slots=True)
class Cycle:
    """Something that repeats every ``period`` seconds; one of its turns begins at ``origin`` (Unix seconds)."""

    period: float
    origin: float

    def at(self, time: float) -> tuple[float, float]:
        """Return when the turn under way at ``time`` began (Unix seconds) and how much of it is over, 0 to 1."""
        begun = self.origin + (time - self.origin) // self.period * self.period
        return begun, (time - begun) / self.period

    def later(self, share: float) -> Cycle:
        """Return the same cycle, later by a share of its period."""
        return Cycle(self.period, self.origin + share * self.period)


def waves(cycle: Cycle, strength: float) -> Production:
    """Produce at a rate that swings around its mean by ``strength`` (0 to 1) of it."""
    turn = 2 * math.pi / cycle.period

    def produced(time: float) -> float:
        elapsed = time - cycle.origin
        return elapsed + strength * math.sin(turn * elapsed) / turn

    return produced


def bursts(cycle: Cycle) -> Production:
    """Produce only in the first part of every turn."""

    def produced(time: float) -> float:
        begun, over = cycle.at(time)
        return begun - cycle.origin + cycle.period * min(1.0, over / BURST)

    return produced


@dataclass(frozen=True, slots=True)
class Topic:
    """A topic: of every partition the log end at the production's origin and the mean rate in messages a second."""

    name: str
    starts: tuple[int, ...]
    rates: tuple[float, ...]
    produced: Production

    def log_ends(self, time: float) -> list[int]:
        """Return the log-end offset of every partition at ``time``."""
        produced = self.produced(time)
        return [start + int(rate * produced) for start, rate in zip(self.starts, self.rates, strict=True)]
