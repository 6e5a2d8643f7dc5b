"""Tests of quiet.py: which moments a quiet window covers, and errors."""

from __future__ import annotations

from datetime import datetime
from zoneinfo import ZoneInfo

import pytest

from burrow_exporter.settings.quiet import parse_quiet


def covers(text: str, moment: str, zone: str = "UTC") -> bool:
    """Tell whether a window covers a moment such as ``2026-03-28 23:30``, of which ``+`` is the second time around."""
    local = datetime.fromisoformat(moment.rstrip("+")).replace(tzinfo=ZoneInfo(zone), fold=moment.endswith("+"))
    return parse_quiet(text).covers(local.timestamp())


@pytest.mark.parametrize(
    ("expected", "text", "moment"),
    [
        (False, "06:00-22:00", "2026-03-25 05:59"),
        (True, "06:00-22:00", "2026-03-25 06:00"),
        (True, "06:00-22:00", "2026-03-25 21:59"),
        (False, "06:00-22:00", "2026-03-25 22:00"),
        (True, "Sat,Sun", "2026-03-28 00:00"),
        (True, "Sat, Sun", "2026-03-29 23:59"),
        (False, "Sat,Sun", "2026-03-30 00:00"),
        (True, "Mon-Fri 09:00-24:00", "2026-03-27 23:59"),
        (False, "Mon-Fri 09:00-24:00", "2026-03-28 00:00"),
        (True, "Sat-Mon", "2026-03-30 12:00"),
        (False, "Sat-Mon", "2026-03-31 12:00"),
        (True, "22:00-06:00", "2026-03-25 23:00"),
        (True, "22:00-06:00", "2026-03-25 05:59"),
        (False, "22:00-06:00", "2026-03-25 06:00"),
        (True, "22:00-00:00", "2026-03-25 23:59"),
        (False, "22:00-00:00", "2026-03-25 00:00"),
    ],
)
def test_window(expected: bool, text: str, moment: str) -> None:  # noqa: FBT001  a column of the table
    """The start is in the window, the end is not; days and hours may each be left out."""
    assert expected is covers(text, moment)


@pytest.mark.parametrize(
    ("expected", "moment"),
    [
        (False, "2026-03-27 05:00"),
        (True, "2026-03-27 22:00"),
        (True, "2026-03-28 05:59"),
        (False, "2026-03-28 06:00"),
        (False, "2026-03-28 22:00"),
    ],
)
def test_a_window_over_midnight_belongs_to_the_day_on_which_it_begins(expected: bool, moment: str) -> None:  # noqa: FBT001
    """Friday 22:00 to 06:00 ends on Saturday morning, and Friday morning is not in it."""
    assert expected is covers("Fri 22:00-06:00", moment)


@pytest.mark.parametrize(
    ("expected", "text", "moment"),
    [
        # Summer time begins on 29 March 2026: after 01:59 comes 03:00.
        (False, "02:00-03:00 Europe/Berlin", "2026-03-29 01:59"),
        (False, "02:00-03:00 Europe/Berlin", "2026-03-29 03:00"),
        (True, "02:30-03:30 Europe/Berlin", "2026-03-29 03:29"),
        (True, "06:00-22:00 Europe/Berlin", "2026-03-29 06:00"),
        (False, "06:00-22:00 Europe/Berlin", "2026-03-29 05:59"),
        # It ends on 25 October: 02:00 to 03:00 comes twice.
        (True, "02:00-03:00 Europe/Berlin", "2026-10-25 02:59"),
        (True, "02:00-03:00 Europe/Berlin", "2026-10-25 02:00+"),
        (False, "02:00-03:00 Europe/Berlin", "2026-10-25 03:00"),
        (True, "Sun Europe/Berlin", "2026-10-25 00:00"),
        (True, "Sun Europe/Berlin", "2026-10-25 23:59"),
    ],
)
def test_the_clock_on_the_wall_decides_when_it_is_changed(expected: bool, text: str, moment: str) -> None:  # noqa: FBT001
    """Six in the morning is six in the morning, whatever happened to the clock at night."""
    assert expected is covers(text, moment, "Europe/Berlin")


def test_a_time_zone_counts_for_days_too() -> None:
    """In Auckland it is Saturday while it is still Friday in London."""
    assert covers("Sat Pacific/Auckland", "2026-03-27 12:00")
    assert not covers("Sat", "2026-03-27 12:00")


@pytest.mark.parametrize(
    ("expected", "text"),
    [
        ("is not a quiet window; use days, hours or both, and optionally a time zone", ""),
        ("is not a quiet window", "Europe/Berlin"),
        ("is not a quiet window", "6:00-7:00"),
        ("is not a quiet window", "06:00"),
        ("is not a quiet window", "24:00-06:00"),
        ("is not a quiet window", "Monday"),
        ("is not a time zone", "06:00-07:00 Sat"),
        ("starts and ends at the same time; omit the hours for the whole day", "08:00-08:00"),
        ("is not a time zone; use an IANA name such as Europe/Berlin", "Sat Europe/Berlim"),
        ("is not a time zone", "Sat Europe"),
        ("is not a time zone", "Sat CEST"),
    ],
)
def test_refused(expected: str, text: str) -> None:
    """What is no window is refused with what is allowed."""
    with pytest.raises(ValueError, match=r"window|ends|zone") as caught:
        parse_quiet(text)
    assert expected in str(caught.value)


def test_equal_by_text() -> None:
    """So that a configuration that was read again is the same where nothing changed."""
    one, same, other = parse_quiet("Sat"), parse_quiet("Sat"), parse_quiet("Sun")
    assert (True, False, True) == (one == same, one == other, hash(one) == hash(same))
    assert "Quiet('Sat')" == repr(one)
