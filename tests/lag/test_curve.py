"""Tests of curve.py: the history of one partition, knot by knot, and the ages computed from it."""

from __future__ import annotations

import math
from collections.abc import Sequence

import pytest

from burrow_exporter.lag.curve import (
    AT_LEAST,
    BACKLOG_SECONDS,
    BOUND,
    KNOTS,
    REMEMBERED,
    SCATTER,
    SIGHTING,
    TRUST,
    Curve,
)

Knot = tuple[float, int, int]
ANY = 0.0
"""A lateness that does not matter to a test."""


def curve(*knots: Knot) -> Curve:
    """Return a curve of these knots: time, offset and kind."""
    made = Curve()
    for time, offset, kind in knots:
        made.times.append(time)
        made.offsets.append(offset)
        made.kinds.append(kind)
    return made


def knots(made: Curve) -> list[Knot]:
    """Return the knots of a curve."""
    return [(time, int(offset), kind) for time, offset, kind in zip(made.times, made.offsets, made.kinds, strict=True)]


@pytest.mark.parametrize(
    ("expected", "before", "seen"),
    [
        ([(98, 50, SIGHTING)], [], (100, 50)),
        ([(50, 40, BOUND), (98, 50, SIGHTING)], [(50, 40, BOUND)], (100, 50)),
        ([(97, 40, BOUND), (98.5, 50, SIGHTING)], [(97, 40, BOUND)], (100, 50)),
        ([(110, 40, BOUND), (110, 50, SIGHTING)], [(110, 40, BOUND)], (100, 50)),
        ([(130, 40, BOUND), (130, 50, SIGHTING)], [(130, 40, BOUND)], (100, 50)),
        ([(130.5, 40, BOUND)], [(130.5, 40, BOUND)], (100, 50)),
        ([(90, 30, BOUND), (130.5, 40, BOUND)], [(90, 30, BOUND), (130.5, 40, BOUND)], (100, 50)),
        ([(88, 50, SIGHTING), (90, 60, BOUND)], [(90, 60, BOUND)], (100, 50)),
        ([(68, 50, SIGHTING), (70, 60, BOUND)], [(70, 60, BOUND)], (100, 50)),
        ([(69.5, 60, BOUND)], [(69.5, 60, BOUND)], (100, 50)),
        ([(50, 40, BOUND), (88, 50, SIGHTING), (90, 60, SIGHTING)], [(50, 40, BOUND), (90, 60, SIGHTING)], (100, 50)),
        ([(90, 40, BOUND), (100, 60, BOUND)], [(90, 40, BOUND), (100, 60, BOUND)], (100, 50)),
        (
            [(89, 40, BOUND), (98, 50, SIGHTING), (100, 60, BOUND)],
            [(89, 40, BOUND), (100, 60, BOUND)],
            (100, 50),
        ),
        (
            [(90, 40, SIGHTING), (98, 50, SIGHTING), (100, 60, BOUND)],
            [(90, 40, SIGHTING), (100, 60, BOUND)],
            (100, 50),
        ),
        (
            [(90, 40, BOUND), (98, 50, SIGHTING), (100, 60, SIGHTING)],
            [(90, 40, BOUND), (100, 60, SIGHTING)],
            (100, 50),
        ),
    ],
    ids=[
        "the first",
        "grown",
        "at most half the way to the one before",
        "not before the one before",
        "contradicted within the grace",
        "contradicted beyond it",
        "contradicted by the last of two beyond it",
        "not after a higher one",
        "after a higher one within the grace",
        "after a higher one beyond it",
        "between two",
        "adds nothing between near bounds",
        "bounds that are not near",
        "a bound after a sighting",
        "a bound before a sighting",
    ],
)
def test_a_sighting_of_another_offset(expected: list[Knot], before: Sequence[Knot], seen: tuple[float, int]) -> None:
    """It stands in its place, two seconds before it was seen where that can be."""
    made = curve(*before)
    made.sighting(*seen, 2.0)
    assert expected == knots(made)


@pytest.mark.parametrize(
    ("expected", "before", "time"),
    [
        ([(90, 50, SIGHTING), (98, 50, SIGHTING)], [(90, 50, SIGHTING)], 100),
        ([(90, 50, BOUND), (98, 50, SIGHTING)], [(90, 50, BOUND)], 100),
        ([(80, 50, SIGHTING), (98, 50, SIGHTING)], [(80, 50, SIGHTING), (90, 50, SIGHTING)], 100),
        ([(80, 40, SIGHTING), (90, 50, SIGHTING), (98, 50, SIGHTING)], [(80, 40, SIGHTING), (90, 50, SIGHTING)], 100),
        ([(78, 50, SIGHTING)], [(90, 50, SIGHTING)], 80),
        ([(78, 50, SIGHTING), (90, 50, SIGHTING)], [(85, 50, SIGHTING), (90, 50, SIGHTING)], 80),
        ([(82, 40, BOUND), (82, 50, SIGHTING)], [(82, 40, BOUND), (90, 50, SIGHTING)], 80),
        ([(72, 40, BOUND), (78, 50, SIGHTING)], [(72, 40, BOUND), (90, 50, SIGHTING)], 80),
        ([(90, 50, BOUND)], [(90, 50, BOUND)], 80),
        ([(85, 50, SIGHTING), (90, 50, SIGHTING)], [(85, 50, SIGHTING), (90, 50, SIGHTING)], 90),
        ([(90, 50, SIGHTING)], [(90, 50, SIGHTING)], 92),
    ],
    ids=[
        "still there",
        "still there after a bound",
        "still there again",
        "still there after another",
        "already there",
        "already there before two",
        "not before the one before",
        "already there after another",
        "a bound is exact",
        "between two",
        "at the same time",
    ],
)
def test_a_sighting_of_the_same_offset(expected: list[Knot], before: Sequence[Knot], time: float) -> None:
    """An offset keeps the first and the last time at which it was seen, and no more."""
    made = curve(*before)
    made.sighting(time, 50, 2.0)
    assert expected == knots(made)


@pytest.mark.parametrize(
    ("expected", "before"),
    [
        ([(100, 50, BOUND)], []),
        ([(90, 40, SIGHTING), (100, 50, BOUND)], [(90, 40, SIGHTING)]),
        ([(100, 40, SIGHTING), (100, 50, BOUND)], [(130, 40, SIGHTING)]),
        ([(100, 30, SIGHTING), (100, 40, SIGHTING), (100, 50, BOUND)], [(101, 30, SIGHTING), (102, 40, SIGHTING)]),
        ([(90, 30, SIGHTING), (100, 40, SIGHTING), (100, 50, BOUND)], [(90, 30, SIGHTING), (102, 40, SIGHTING)]),
        ([(130.5, 40, SIGHTING)], [(130.5, 40, SIGHTING)]),
        ([(90, 30, SIGHTING), (130.5, 40, SIGHTING)], [(90, 30, SIGHTING), (130.5, 40, SIGHTING)]),
        ([(100, 50, BOUND), (100, 60, SIGHTING)], [(99, 60, SIGHTING)]),
        ([(98, 60, SIGHTING)], [(98, 60, SIGHTING)]),
        ([(99, 60, BOUND)], [(99, 60, BOUND)]),
        ([(99, 60, REMEMBERED)], [(99, 60, REMEMBERED)]),
        ([(100, 60, BOUND)], [(100, 60, BOUND)]),
        ([(100, 50, BOUND), (101, 60, SIGHTING)], [(101, 60, SIGHTING)]),
        ([(99, 50, SIGHTING)], [(99, 50, SIGHTING)]),
        ([(100, 50, BOUND), (100, 60, SIGHTING), (100, 70, SIGHTING)], [(99, 60, SIGHTING), (99.5, 70, SIGHTING)]),
        ([(100, 50, BOUND), (102, 50, SIGHTING)], [(102, 50, SIGHTING)]),
        ([(100, 50, BOUND), (105, 50, SIGHTING)], [(102, 50, SIGHTING), (105, 50, SIGHTING)]),
        (
            [(100, 50, BOUND), (105, 50, SIGHTING), (110, 60, SIGHTING), (120, 70, SIGHTING)],
            [(102, 50, SIGHTING), (105, 50, SIGHTING), (110, 60, SIGHTING), (120, 70, SIGHTING)],
        ),
        (
            [(90, 30, SIGHTING), (99.5, 40, SIGHTING), (100.5, 60, SIGHTING)],
            [(90, 30, SIGHTING), (99.5, 40, SIGHTING), (100.5, 60, SIGHTING)],
        ),
        (
            [(99, 40, SIGHTING), (100, 50, BOUND), (100.5, 60, SIGHTING)],
            [(99, 40, SIGHTING), (100.5, 60, SIGHTING)],
        ),
        ([(90, 30, BOUND), (100, 50, BOUND)], [(90, 30, BOUND), (95, 40, SIGHTING)]),
        ([(89, 30, BOUND), (95, 40, SIGHTING), (100, 50, BOUND)], [(89, 30, BOUND), (95, 40, SIGHTING)]),
        ([(100, 50, BOUND), (110, 70, BOUND)], [(105, 60, SIGHTING), (110, 70, BOUND)]),
        ([(100, 50, BOUND), (105, 60, SIGHTING), (111, 70, BOUND)], [(105, 60, SIGHTING), (111, 70, BOUND)]),
        ([(90, 30, BOUND), (95, 40, BOUND), (100, 50, BOUND)], [(90, 30, BOUND), (95, 40, BOUND)]),
        (
            [(90, 30, BOUND), (92, 30, SIGHTING), (100, 50, BOUND)],
            [(90, 30, BOUND), (92, 30, SIGHTING)],
        ),
    ],
    ids=[
        "the first",
        "grown",
        "earlier than a lower one",
        "earlier than two lower ones",
        "earlier than one of two lower ones",
        "earlier than a lower one beyond the grace",
        "earlier than one of two beyond the grace",
        "a higher sighting that is late gives way",
        "a higher sighting knew it before",
        "a higher bound knew it before",
        "a higher commit of the backlog knew it before",
        "a higher bound of the same time",
        "before a higher one",
        "the same offset was seen before",
        "two higher sightings give way",
        "the same offset was seen later",
        "the same offset stood for a while",
        "the same offset stood for a while before others",
        "between two within a second",
        "between two",
        "a sighting between near bounds goes",
        "a sighting between far bounds stays",
        "a sighting between it and a near later bound goes",
        "a sighting between it and a far later bound stays",
        "a bound between near bounds stays",
        "the end of a rest between near bounds stays",
    ],
)
def test_a_bound(expected: list[Knot], before: Sequence[Knot]) -> None:
    """A bound is exact: lower sightings were late, higher ones that it contradicts by less than they are late too."""
    made = curve(*before)
    made.bound(100, 50, 2.0)
    assert expected == knots(made)


@pytest.mark.parametrize(
    ("expected", "before"),
    [
        ([(100, 50, REMEMBERED)], []),
        ([(100, 50, REMEMBERED), (200, 60, SIGHTING)], [(200, 60, SIGHTING)]),
        ([(90, 40, REMEMBERED), (100, 50, REMEMBERED)], [(90, 40, REMEMBERED)]),
        ([(100, 40, REMEMBERED), (100, 50, REMEMBERED)], [(100, 40, REMEMBERED)]),
        ([(101, 40, REMEMBERED)], [(101, 40, REMEMBERED)]),
        ([(90, 40, SIGHTING)], [(90, 40, SIGHTING)]),
        ([(90, 40, BOUND)], [(90, 40, BOUND)]),
        ([(100, 60, REMEMBERED)], [(100, 60, REMEMBERED)]),
        ([(99, 50, SIGHTING)], [(99, 50, SIGHTING)]),
        ([(100, 50, REMEMBERED), (101, 50, SIGHTING)], [(101, 50, SIGHTING)]),
    ],
    ids=[
        "the first",
        "before a sighting",
        "after one of its kind",
        "at the time of one of its kind",
        "before one of its kind with a lower offset",
        "after a sighting",
        "after a bound",
        "known by then",
        "seen by then",
        "seen later",
    ],
)
def test_a_commit_of_the_backlog(expected: list[Knot], before: Sequence[Knot]) -> None:
    """It is kept where it comes before all that was seen, and says more than what is known."""
    made = curve(*before)
    made.remember(100, 50)
    assert expected == knots(made)


def test_a_reading_of_a_log_end_that_stands_moves_its_last_knot_only() -> None:
    """As long as the same offset is read there are two knots of it; an older reading does not move the last back."""
    made = curve((70, 40, SIGHTING), (80, 50, SIGHTING), (90, 50, SIGHTING))
    for time, last in ((100, 98), (95, 98), (120, 118)):
        made.reading(time, 50, 2.0, ANY)
        assert [(70, 40, SIGHTING), (80, 50, SIGHTING), (last, 50, SIGHTING)] == knots(made)
        assert 50 == made.read


@pytest.mark.parametrize(
    ("expected", "before", "read", "previous"),
    [
        ([(98, 50, SIGHTING)], [(60, 60, SIGHTING)], -1, 40),
        ([(68, 50, SIGHTING), (70, 60, SIGHTING)], [(70, 60, SIGHTING)], -1, 40),
        ([(98, 50, SIGHTING)], [(10, 40, SIGHTING), (69, 60, SIGHTING)], -1, 40),
        (
            [(10, 40, SIGHTING), (68, 50, SIGHTING), (70, 60, SIGHTING)],
            [(10, 40, SIGHTING), (70, 60, SIGHTING)],
            -1,
            40,
        ),
        ([(98, 50, SIGHTING)], [(90, 60, BOUND)], -1, 90),
        ([(88, 50, SIGHTING), (90, 60, BOUND)], [(90, 60, BOUND)], -1, 89),
        ([(10, 40, SIGHTING), (98, 50, SIGHTING)], [(10, 40, SIGHTING), (90, 60, BOUND)], -1, 90),
        ([(10, 40, BOUND), (98, 50, SIGHTING)], [(10, 40, BOUND), (85, 60, BOUND), (90, 70, BOUND)], 49, 85),
        ([(98, 50, SIGHTING)], [(90, 60, SIGHTING)], 60, 85),
        ([(10, 40, SIGHTING), (90, 60, BOUND)], [(10, 40, SIGHTING), (90, 60, BOUND)], 60, 95),
        ([(10, 40, SIGHTING), (90, 60, SIGHTING)], [(10, 40, SIGHTING), (90, 60, SIGHTING)], 60, 85),
        ([(10, 40, SIGHTING), (88, 50, SIGHTING), (90, 60, BOUND)], [(10, 40, SIGHTING), (90, 60, BOUND)], 50, 95),
        ([(88, 50, SIGHTING), (90, 60, BOUND)], [(90, 60, BOUND)], 50, 95),
        (
            [(10, 40, SIGHTING), (70, 50, SIGHTING), (88, 50, SIGHTING), (90, 60, BOUND)],
            [(10, 40, SIGHTING), (70, 50, SIGHTING), (80, 50, SIGHTING), (90, 60, BOUND)],
            50,
            95,
        ),
        ([(98, 50, SIGHTING)], [(60, 60, BOUND), (90, 70, SIGHTING)], -1, 40),
    ],
    ids=[
        "never read, far behind",
        "within the grace",
        "seen too long ago: all goes",
        "seen not long ago",
        "a bound as old as the reading before",
        "a bound since the reading before",
        "the bounds go, what was seen stays",
        "two bounds go",
        "fell below all that is known",
        "fell since, and bounds tell otherwise",
        "fell since, and a sighting tells otherwise",
        "as before, and a bound is younger than the backlog",
        "as before, and below all that is known",
        "as before, and it stood before a bound",
        "a sighting among what contradicts",
    ],
)
def test_a_reading_that_contradicts(expected: list[Knot], before: Sequence[Knot], read: int, previous: float) -> None:
    """What is too old to be only ahead of a reading goes, with all that was seen if some of it was seen."""
    made = curve(*before)
    made.read = read
    made.reading(100, 50, 2.0, previous)
    assert expected == knots(made)
    assert made.read == (read if expected == before else 50)


@pytest.mark.parametrize(("stays", "age"), [(True, BACKLOG_SECONDS - 1), (False, BACKLOG_SECONDS)])
def test_a_log_end_that_stands_below_a_commit(age: float, *, stays: bool) -> None:
    """A reading that is as before may be as old as the one before: a commit ahead of it goes only in five minutes."""
    made = curve((0, 40, SIGHTING), (1000 - age, 60, BOUND))
    made.read = 50
    made.reading(1000, 50, 2.0, 990)
    assert stays == (60 in made.offsets)


GROWN = ((100, 0, BOUND), (200, 5, BOUND))
RESTED = ((100, 5, SIGHTING), (200, 5, SIGHTING), (300, 10, BOUND))


@pytest.mark.parametrize(
    ("expected", "made", "offset", "now"),
    [
        (1000 - 100 - 100 / 6, GROWN, 0, 1000),
        (1000 - 100 - 300 / 6, GROWN, 2, 1000),
        (1000 - 100 - 500 / 6, GROWN, 4, 1000),
        (0, GROWN, 4, 150),
        (400, GROWN, 5, 1000),
        (400, GROWN, 7, 1000),
        (0, GROWN, 5, 150),
        (1000 - 200 - 100 / 6, RESTED, 5, 1000),
    ],
    ids=["first", "third", "last", "not passed yet", "at the end", "beyond", "beyond, from the future", "after a rest"],
)
def test_ages(expected: float, made: Sequence[Knot], offset: int, now: float) -> None:
    """Of n messages between two knots number k came after k / (n + 1) of the time; at its end by half of the time."""
    assert pytest.approx(expected) == curve(*made).age(offset, now)


EARLY = ((1000, 100, BOUND), (1100, 200, SIGHTING))
STANDING = (*EARLY, (1500, 200, SIGHTING))
BACK = ((1000, 100, REMEMBERED), (1100, 200, SIGHTING))


@pytest.mark.parametrize(
    ("expected", "made", "offset", "now"),
    [
        (None, (), 50, 1100),
        (101, EARLY, 99, 1100),
        (510, STANDING, 90, 1500),
        (AT_LEAST + 10, EARLY, 90, 1000 + AT_LEAST),
        (AT_LEAST * (1 + TRUST), EARLY, -1_000_000, 1000 + AT_LEAST),
        (2 * AT_LEAST, EARLY, -1_000_000, 1000 + 2 * AT_LEAST),
        (2 * AT_LEAST, EARLY, 90, 1000 + 2 * AT_LEAST),
        (100 + 100 * TRUST, EARLY, 100 - 100 * TRUST, 1100),
        (None, EARLY, 100 - 100 * TRUST - 1, 1100),
        (125, BACK, 75, 1100),
        (None, BACK, 74, 1100),
        (None, EARLY[:1], 50, 1000 + AT_LEAST - 1),
        (AT_LEAST, EARLY[:1], 50, 1000 + AT_LEAST),
        (None, EARLY, 99, 900),
    ],
    ids=[
        "empty",
        "by the rate, near",
        "by the rate before a rest",
        "by the rate, of a long curve",
        "further, of a long curve",
        "further, of a longer one",
        "near, of a longer one",
        "as far as it is trusted",
        "further",
        "as far as a backlog is trusted",
        "further than a backlog is trusted",
        "without a rate",
        "without a rate, of a long curve",
        "of the future",
    ],
)
def test_ages_before_the_curve(expected: float | None, made: Sequence[Knot], offset: int, now: float) -> None:
    """It is extended with its mean rate by a quarter at most; beyond that a long one says "at least its length"."""
    found = curve(*made).age(offset, now)
    assert expected == (None if found is None else pytest.approx(found))


def straight(count: int, remainder: int = 0) -> list[Knot]:
    """Return sightings of even production, a knot each 10 s; their offsets leave this remainder by 16."""
    return [(10 * step, 16 * step + remainder, SIGHTING) for step in range(count)]


@pytest.mark.parametrize("remainder", [0, 1, SCATTER - 1])
def test_curves_are_thinned_at_different_moments(remainder: int) -> None:
    """A curve holds at most its bound of knots, and up to 15 less, by what its offsets end in."""
    made, sizes = Curve(), []
    for time, offset, _ in straight(2 * KNOTS, remainder):
        made.sighting(time, offset, ANY)
        sizes.append(len(made.times))
    assert KNOTS - remainder == max(sizes)
    assert sizes[: KNOTS - remainder + 1] == [*range(1, KNOTS - remainder + 1), (KNOTS - remainder + 1) // 2 + 1]


def test_a_straight_curve_keeps_every_other_knot() -> None:
    """Where nothing bends no two neighbours go, and both ends stay."""
    made = curve(*straight(9))
    made._thin()
    assert straight(9)[::2] == knots(made)


def test_bends_stay_and_what_is_straight_is_thinned() -> None:
    """A curve that was even for long and is uneven since keeps all of its bends."""
    uneven = [(410 + 10 * step, 16 * 41 + 10 * step + 7 * (step % 2), BOUND) for step in range(20)]
    made = curve(*straight(41), *uneven)
    made._thin()
    assert [*straight(41)[::2], *uneven] == knots(made)


def test_the_third_that_bends_least_goes() -> None:
    """Bends count by the root of their age: of like ones the oldest go, but no two neighbours."""
    uneven = [(10 * step, 10 * step + 4 * (step % 2), SIGHTING) for step in range(14)]
    made = curve(*uneven)
    bends = made._bends()
    assert sorted(bends) == bends
    assert [4 / math.sqrt(140 - time) for time in range(10, 130, 10)] == [pytest.approx(bend) for bend in bends]
    made._thin()
    assert [uneven[knot] for knot in (0, 2, 4, *range(6, 14))] == knots(made)


def test_a_bend_is_measured_from_the_line_between_its_neighbours() -> None:
    """In seconds: half of the messages came in a quarter of the time, 10 s early, and 40 s before the newest and 10."""
    made = curve((0, 0, BOUND), (10, 30, BOUND), (40, 60, BOUND))
    assert [pytest.approx(10 / math.sqrt(40))] == made._bends()
    assert [pytest.approx(10 / math.sqrt(40))] == curve((0, 7, BOUND), (10, 7, BOUND), (40, 7, BOUND))._bends()
