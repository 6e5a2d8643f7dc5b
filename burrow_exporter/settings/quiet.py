"""Quiet windows: days and hours of the week in which alerts are muted, in local time."""

from __future__ import annotations

import re
from datetime import datetime
from zoneinfo import ZoneInfo

DAYS = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")
MIDNIGHT = 24 * 60
DAY = "|".join(DAYS)
SPAN = rf"(?:{DAY})(?:-(?:{DAY}))?"
TIME = r"(?:[01]\d|2[0-3]):[0-5]\d"
ZONE = r"[A-Za-z][\w+-]*(?:/[\w+-]+)*"
WORDS = re.compile(
    rf"(?=[MTWFS\d])(?P<days>{SPAN}(?:,{SPAN})*)?"
    rf"(?:(?:^| )(?P<start>{TIME})-(?P<end>{TIME}|24:00))?(?: (?P<zone>{ZONE}))?"
)
"""Days, hours and time zone, all optional, but not both days and hours missing."""
ALLOWED = "days, hours or both, and optionally a time zone, such as Mon-Fri 22:00-06:00 Europe/Berlin"


class Quiet:
    """A weekly window; equal if the texts are equal.

    ``days`` are those on which it starts, Monday is 0. ``start`` and ``end`` are minutes since midnight in ``zone``; a
    window that does not end after its start ends on the next day.
    """

    def __init__(self, text: str, days: frozenset[int], start: int, end: int, zone: ZoneInfo) -> None:
        self.text = text
        self.days = days
        self.start = start
        self.end = end
        self.zone = zone

    def __eq__(self, other: object) -> bool:
        """Compare the texts."""
        return isinstance(other, Quiet) and other.text == self.text

    def __hash__(self) -> int:
        """Return the text's."""
        return hash(self.text)

    def __repr__(self) -> str:
        """Return the text."""
        return f"Quiet({self.text!r})"

    def covers(self, moment: float) -> bool:
        """Return whether a moment, in Unix seconds, is in the window.

        Local time applies: an hour skipped by daylight saving time is in no window, a repeated one counts twice.
        """
        local = datetime.fromtimestamp(moment, self.zone)
        minute = 60 * local.hour + local.minute
        today, yesterday = local.weekday() in self.days, (local.weekday() - 1) % 7 in self.days
        if self.start < self.end:
            return today and self.start <= minute < self.end
        return (today and minute >= self.start) or (yesterday and minute < self.end)


def parse_quiet(text: str) -> Quiet:
    """Parse a window; raises ``ValueError``."""
    match = WORDS.fullmatch(" ".join(text.split()).replace(", ", ","))
    if not match:
        message = f"{text!r} is not a quiet window; use {ALLOWED}"
        raise ValueError(message)
    start, end = minutes(match["start"] or "00:00"), minutes(match["end"] or "24:00")
    if start == end:
        message = f"{text!r} starts and ends at the same time; omit the hours for the whole day"
        raise ValueError(message)
    return Quiet(text, days_of(match["days"] or "Mon-Sun"), start, end, zone_of(match["zone"] or "UTC"))


def minutes(clock: str) -> int:
    """Return the minutes since midnight of a time such as 06:30."""
    hour, _, minute = clock.partition(":")
    return 60 * int(hour) + int(minute)


def days_of(text: str) -> frozenset[int]:
    """Return the days in a list such as ``Mon-Wed,Sat``; ``Sat-Mon`` includes Sunday."""
    found: set[int] = set()
    for span in text.split(","):
        first, _, last = span.partition("-")
        begin = DAYS.index(first)
        found.update((begin + step) % 7 for step in range((DAYS.index(last or first) - begin) % 7 + 1))
    return frozenset(found)


def zone_of(name: str) -> ZoneInfo:
    """Return a time zone by its IANA name; raises ``ValueError``."""
    try:
        return ZoneInfo(name)
    except (KeyError, ValueError, OSError):
        message = f"{name!r} is not a time zone; use an IANA name such as Europe/Berlin"
        raise ValueError(message) from None
