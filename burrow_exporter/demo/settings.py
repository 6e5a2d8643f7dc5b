"""How the simulated Burrow is set up: Burrow's own settings by their names, and how busy the generated groups are."""

from __future__ import annotations

import math
from dataclasses import dataclass

UPTIME = 3600.0
"""How long, in seconds, the simulated Burrow has been running when it is made."""


@dataclass(frozen=True, slots=True)
class Settings:
    """What Burrow's configuration says, with Burrow's defaults. Times are in seconds.

    ``intervals`` commits make a window; a commit less than ``min_distance`` after the one before takes its place; an
    evaluation is repeated only after ``expire_cache``; log ends are read every ``offset_refresh``. ``moving`` is no
    setting of Burrow's: the share (0 to 1) of the partitions of generated groups that have any traffic.
    """

    intervals: int = 10
    min_distance: float = 0.0
    expire_cache: float = 10.0
    offset_refresh: float = 10.0
    moving: float = 1.0

    def __post_init__(self) -> None:
        """Refuse what no Burrow could run with."""
        if self.intervals < 1 or self.offset_refresh <= 0:
            message = "intervals and offset_refresh must be above 0"
            raise ValueError(message)
        if min(self.min_distance, self.expire_cache) < 0 or not 0 <= self.moving <= 1:
            message = "min_distance and expire_cache must not be negative, moving must be from 0 to 1"
            raise ValueError(message)


@dataclass(frozen=True, slots=True)
class Knowledge:
    """What a Burrow running since ``started`` (Unix seconds) can know at a time of the log ends it reads regularly."""

    settings: Settings
    started: float

    def latest_refresh(self, time: float) -> float:
        """Return when the log ends that Burrow knew at ``time`` were read."""
        every = self.settings.offset_refresh
        return self.started + math.floor((time - self.started) / every) * every

    def kept_refreshes(self, time: float) -> list[float]:
        """Return when the log ends that Burrow still held at ``time`` were read, oldest first."""
        latest, every = self.latest_refresh(time), self.settings.offset_refresh
        kept = (latest - back * every for back in reversed(range(self.settings.intervals)))
        return [refresh for refresh in kept if refresh >= self.started]
