"""Settings of the simulated Burrow: Burrow's own settings, and the load of generated groups."""

from __future__ import annotations

import math
from dataclasses import dataclass

UPTIME = 3600.0
"""Seconds that the simulated Burrow has been running when created."""


@dataclass(frozen=True, slots=True)
class Settings:
    """Burrow's configuration, with Burrow's defaults. Times are in seconds.

    A window has ``intervals`` commits; a commit within ``min_distance`` of the previous one replaces it; evaluations
    are cached for ``expire_cache``; log ends are read every ``offset_refresh``. ``moving`` is not a setting of Burrow:
    the share (0 to 1) of partitions with traffic in generated groups.
    """

    intervals: int = 10
    min_distance: float = 0.0
    expire_cache: float = 10.0
    offset_refresh: float = 10.0
    moving: float = 1.0

    def __post_init__(self) -> None:
        """Validate the settings."""
        if self.intervals < 1 or self.offset_refresh <= 0:
            message = "intervals and offset_refresh must be above 0"
            raise ValueError(message)
        if min(self.min_distance, self.expire_cache) < 0 or not 0 <= self.moving <= 1:
            message = "min_distance and expire_cache must not be negative, moving must be from 0 to 1"
            raise ValueError(message)


@dataclass(frozen=True, slots=True)
class Knowledge:
    """The log ends known to a Burrow that has been running since ``started`` (Unix seconds)."""

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
