"""Inputs of the simulation: start time, settings and random source."""

from __future__ import annotations

from dataclasses import dataclass
from random import Random

from burrow_exporter.demo.consumers import Schedule
from burrow_exporter.demo.settings import Settings
from burrow_exporter.demo.topics import Cycle, Topic, bursts, waves

DAY = 86400.0
TROUBLE = 7.2
"""The length of a cycle of trouble in windows (the time that fills one): trouble lasts for 5.4 of them, and shows once
it fills a window. So two consumers in trouble half a cycle apart show it without a gap."""


@dataclass(frozen=True, slots=True)
class Stage:
    """Start time (Unix seconds), Burrow's settings, and the random source."""

    now: float
    settings: Settings
    random: Random

    def schedule(self, interval: float | None = None) -> Schedule:
        """Return a schedule; by default commits are as frequent as Burrow's reads of log ends.

        Only then does a slow consumer show: Burrow computes the lag of a commit from the last log end it read, so of
        two commits between two reads the second always seems to have caught up.
        """
        interval = interval or self.settings.offset_refresh
        return Schedule.of(interval, self.random.uniform(0, interval), self.settings.min_distance)

    def cycle(self, schedule: Schedule, windows: float, over: float) -> Cycle:
        """Return a cycle as long as ``windows`` windows fill, of which the share ``over`` is over at the start."""
        period = windows * self.settings.intervals * schedule.slot_seconds
        return Cycle(period, self.now - over * period)

    def topic(self, name: str, rates: list[float], burst: Cycle | None = None) -> Topic:
        """Return a topic with these mean rates (messages per second) by partition; with a cycle, it has bursts."""
        origin = self.now - self.random.uniform(2, 4) * DAY
        swing = Cycle(self.random.uniform(900, 2700), origin)
        produced = bursts(burst) if burst else waves(swing, self.random.uniform(0.05, 0.25))
        starts = tuple(self.random.randrange(1_000_000, 90_000_000) for _ in rates)
        return Topic(name, starts, tuple(rates), produced)

    def rates(self, partitions: int, mean: float) -> list[float]:
        """Return a rate for each partition, not far from ``mean`` (messages a second)."""
        return [max(2.0, mean * self.random.uniform(0.7, 1.3)) for _ in range(partitions)]
