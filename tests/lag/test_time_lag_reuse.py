"""Lag in seconds: what a poll adds to the histories, knot by knot, and what it shows about Burrow's delay."""

from __future__ import annotations

import msgspec
import pytest

from burrow_exporter.burrow.answers import Commit
from burrow_exporter.lag.curve import BACKLOG_SECONDS, BOUND, GRACE, REMEMBERED, SIGHTING
from burrow_exporter.lag.lateness import SMOOTHING
from burrow_exporter.lag.time_lag import TimeLag
from burrow_exporter.snapshot import Group, Topic
from tests.lag.test_time_lag import START, commit, topic
from tests.support.factories import group, partition

Knots = list[tuple[float, int, int]]


def taken(*polls: tuple[list[Group], list[Topic]], topic: str = "t", number: int = 0) -> Knots:
    """Return the knots of a partition after some polls, 15 s apart, in seconds since the start."""
    time_lag = TimeLag()
    for step, (groups, topics) in enumerate(polls):
        time_lag.update(groups, topics, START + 15 * step, START + 15 * step)
    return knots(time_lag, topic, number)


def knots(time_lag: TimeLag, topic: str = "t", number: int = 0) -> Knots:
    """Return the knots of a partition, in seconds since the start; none where there is no history."""
    found = time_lag._curves.get(topic, {}).get(number)
    if found is None:
        return []
    each = zip(found.times, found.offsets, found.kinds, strict=True)
    return [(round(time - START, 3), int(offset), kind) for time, offset, kind in each]


def grown() -> TimeLag:
    """Return histories of three partitions whose log ends grew from 0 to 100 within a minute."""
    time_lag = TimeLag()
    time_lag.update([], [topic(START - 60, 0, 0, 0)], START - 60, START - 60)
    return time_lag


def lateness(groups: list[Group], topics: list[Topic]) -> float:
    """Return what one poll proves of how late Burrow's log ends are, as it counts for a twentieth of the mean."""
    time_lag = grown()
    before = time_lag._lateness.mean
    time_lag.update(groups, topics, START, START)
    return before + (time_lag._lateness.mean - before) / SMOOTHING


OLD = START - BACKLOG_SECONDS - 9
"""A commit made then, but observed at START - 9, was in the backlog that Burrow read."""


@pytest.mark.parametrize(
    ("expected", "end", "read_at"),
    [
        ([(-9.0, 70, BOUND)], commit(70, START - 9, 0), START),
        ([(-8.7, 70, BOUND)], commit(70, START - 8.7, 0), START),
        ([(-8.0, 70, BOUND)], commit(70, START - 5, 0, observed=START - 9), START),
        ([(-9.0, 70, BOUND)], commit(70, START - 12, 0, observed=START - 9), START),
        ([(-9.5, 70, BOUND)], commit(70, START - 8.7, 0), START - 9.5),
        ([(-9.5, 100, SIGHTING)], commit(70, START - 8.7, 30), START),
        ([(-9.8, 100, SIGHTING)], commit(70, START - 9, 30), START - 8.8),
        ([], commit(70, START - 9, None), START),
        ([(-309.001, 70, REMEMBERED)], commit(70, OLD - 0.001, 0, observed=START - 9), START),
        ([(-9.0, 70, BOUND)], commit(70, OLD, 0, observed=START - 9), START),
    ],
    ids=[
        "at the head",
        "at the head, between two seconds",
        "Kafka's clock ahead",
        "Kafka's clock behind",
        "not after the reading",
        "behind",
        "behind, not after the reading",
        "unknown lag",
        "from the backlog",
        "just not from the backlog",
    ],
)
def test_a_commit(expected: Knots, end: Commit, read_at: float) -> None:
    """At the head it is a bound at its own time, within the second of its observation; behind it tells the log end."""
    known = [topic(read_at - 1, name="u"), topic(read_at - 1)]
    assert expected == taken(([group(read_at, partition(end, 0, start=end))], known))


def test_the_window_begins_with_a_commit_that_counts_too() -> None:
    """Its oldest commit is a point as its newest is; a window without an oldest has none."""
    start, end = commit(50, START - 60, 0), commit(70, START - 9, 0)
    known = [topic(START)]
    assert [(-60, 50, BOUND), (-9, 70, BOUND)] == taken(([group(START, partition(end, 0, start=start))], known))


@pytest.mark.parametrize(
    ("expected", "start"),
    [
        ([(-340, 50, REMEMBERED), (-320, 70, REMEMBERED), (-9.5, 100, SIGHTING)], 50),
        ([(-9.5, 100, SIGHTING)], 70),
        ([(-9.5, 100, SIGHTING)], 80),
    ],
    ids=["moved", "stood", "went back"],
)
def test_a_window_from_the_backlog(expected: Knots, start: int) -> None:
    """Where the group moved its commits date their offsets; of one that stood they tell the log end of now only."""
    window = [
        commit(offset, START - ago, 100 - offset, observed=START - 9) for offset, ago in ((start, 340), (70, 320))
    ]
    one = partition(window[1], 30, start=window[0])
    assert expected == taken(([group(START, one)], [topic(START)]))


def test_a_window_from_the_backlog_at_the_head() -> None:
    """A group that stood at the head, when it made them, dates the log end too."""
    window = [commit(70, START - ago, 0, observed=START - 9) for ago in (340, 320)]
    one = partition(window[1], 0, start=window[0])
    assert [(-340, 70, REMEMBERED)] == taken(([group(START, one)], [topic(START)]))


def test_a_commit_that_was_taken_in_is_not_again() -> None:
    """Of a later reading commits count that were observed no earlier than the newest before, start and end alike."""
    first = partition(commit(70, START - 9, 0), 0, start=commit(50, START - 60, 0))
    again = partition(commit(71, START - 10, 0), 0, start=commit(51, START - 61, 0))
    before = taken(([group(START, first)], [topic(START)]))
    assert before == taken(([group(START, first)], [topic(START)]), ([group(START + 15, again)], [topic(START)]))
    newer = partition(commit(71, START - 9, 0), 0, start=commit(51, START - 61, 0))
    after = taken(([group(START, first)], [topic(START)]), ([group(START + 15, newer)], [topic(START)]))
    assert [*before, (-9, 71, BOUND)] == after
    moved = partition(commit(71, START - 9, 0), 0, start=commit(51, START - 60, 0))
    after = taken(([group(START, first)], [topic(START)]), ([group(START + 15, moved)], [topic(START)]))
    assert [(-60, 50, BOUND), (-60, 51, BOUND), (-9, 70, BOUND), (-9, 71, BOUND)] == after


def test_a_partition_without_an_oldest_commit_tells_nothing() -> None:
    """Burrow knows both or neither; the other partitions of the group do tell."""
    whole = partition(commit(70, START - 9, 0), 0, number=1)
    half = msgspec.structs.replace(partition(commit(70, START - 9, 0), 0), start=None)
    known = ([group(START, half, whole)], [topic(START - 60, 70, 70)])
    assert [(-61, 70, SIGHTING)] == taken(known)
    assert [(-9, 70, BOUND)] == taken(known, number=1)
    time_lag = TimeLag()
    lagging = msgspec.structs.replace(half, current_lag=5)
    for now in (START, START + 15):
        assert [[None]] == time_lag.update([group(START, lagging)], [topic(START, 100)], now, now)
    assert [(-1, 100, SIGHTING)] == knots(time_lag)


def test_what_was_taken_in_of_a_group_is_noted() -> None:
    """Time of the reading, newest observation of an end, and newest observation of a start."""
    time_lag = TimeLag()
    ones = [
        partition(commit(70, START - end, 0), 0, start=commit(50, START - start, 0), number=number)
        for number, (start, end) in enumerate([(60, 10), (50, 9), (70, 11)])
    ]
    time_lag.update([group(START, *ones)], [topic(START, 70, 70, 70)], START, START)
    assert {"g": (START, int(START - 9) * 1000, int(START - 50) * 1000)} == time_lag._groups_read


@pytest.mark.parametrize(
    ("expected", "end", "offset"),
    [
        (4.0, commit(101, START - 4, 0), 100),
        (0.0, commit(100, START - 4, 0), 100),
        (29.9, commit(101, START - 29.9, 0), 100),
        (0.0, commit(101, START - GRACE, 0), 100),
        (0.0, commit(101, START - 310, 0, observed=START - 4), 100),
        (0.0, commit(101, START + 4, 0), 100),
    ],
    ids=["ahead", "at it", "ahead for long", "ahead for too long", "from the backlog", "of the future"],
)
def test_a_commit_ahead_of_its_topic_proves_how_late_burrow_is(expected: float, end: Commit, offset: int) -> None:
    """Burrow's log end is at least as old as the commit beyond it; one from the backlog proves nothing."""
    assert pytest.approx(expected, abs=0.01) == lateness([group(START, partition(end, 0))], [topic(START, offset)])


@pytest.mark.parametrize(
    ("expected", "end"),
    [
        (2.0, commit(50, START - 2, 40)),
        (9.0, commit(50, START - 2, 50)),
        (9.0, commit(50, START - 2, None)),
        (9.0, commit(50, START - 10, 40)),
        (0.0, commit(50, START + 2, 40)),
    ],
    ids=["a smaller one", "the same one", "unknown", "a smaller one, long ago", "of the future"],
)
def test_a_commit_made_when_burrow_knew_a_smaller_log_end_bounds_it(expected: float, end: Commit) -> None:
    """Since then Burrow has asked anew, so the log end is no older, whatever else seems to prove it."""
    ahead = partition(commit(101, START - 9, 0), 0)
    behind = partition(end, 50, number=1)
    assert pytest.approx(expected, abs=0.01) == lateness([group(START, ahead, behind)], [topic(START, 100, 100)])


@pytest.mark.parametrize("known", [[], [topic(START)], [topic(START, 100, name="u")]], ids=["none", "short", "another"])
def test_without_its_topics_offset_a_commit_proves_nothing(known: list[Topic]) -> None:
    """Where the partition's log end is not known there is nothing to compare with."""
    assert pytest.approx(0.0, abs=0.01) == lateness([group(START, partition(commit(101, START - 4, 0), 0))], known)


def test_lateness_is_a_mean_over_the_polls_and_taken_off_every_sighting() -> None:
    """It begins with a second; each poll counts a twentieth, and counts from the next poll on."""
    time_lag = grown()
    assert [(-61.0, 0, SIGHTING)] == knots(time_lag)
    assert pytest.approx(0.95) == time_lag._lateness.mean
    one = partition(commit(101, START - 5, 0), 0)
    time_lag.update([group(START, one)], [topic(START, 100), topic(START, 8, name="u")], START, START)
    assert [(-0.95, 8, SIGHTING)] == knots(time_lag, "u")
    assert pytest.approx(1.1525) == time_lag._lateness.mean
    time_lag.update([], [topic(START + 15, 9, name="v")], START + 15, START + 15)
    assert [(13.848, 9, SIGHTING)] == knots(time_lag, "v")


def ahead_in_turn(*polls: tuple[int, int]) -> list[bool]:
    """Return in which polls, 15 s apart, a commit of this offset beside this log end was believed at once."""
    time_lag, believed = grown(), []
    for step, (offset, log_end) in enumerate(polls):
        now = START + 15 * step
        end = commit(offset, now - 5, 0)
        time_lag.update([group(now, partition(end, 0))], [topic(now, log_end)], now, now)
        believed.append(not time_lag._lateness._ahead["t"][-1].held)
    return believed


@pytest.mark.parametrize(
    ("expected", "polls"),
    [
        ([True, True], [(110, 100), (130, 120)]),
        ([False, False], [(10**9, 100), (10**9, 120)]),
        ([True], [(590, 100)]),
        ([False], [(595, 100)]),
        ([True, True, False, False, False], [(500, 100), (520, 120), (540, 140), (560, 160), (580, 180)]),
        ([False], [(101, 0)]),
    ],
    ids=["at the head", "impossible", "in a burst", "beyond any burst", "never reached", "of a log that stands"],
)
def test_a_commit_ahead_is_believed_where_the_log_may_have_grown_so_far(
    expected: list[bool], polls: list[tuple[int, int]]
) -> None:
    """It grows ten times as fast at most; a group whose commits were not reached within the grace is doubted."""
    assert expected == ahead_in_turn(*polls)


def test_a_commit_that_was_not_believed_counts_once_the_log_end_reaches_it() -> None:
    """A burst that nothing foretold dates what it brought as soon as Burrow knows it; no other is dated by it."""
    time_lag = grown()
    burst = partition(commit(5000, START - 5, 0), 0)
    time_lag.update([group(START, burst)], [topic(START, 100)], START, START)
    assert (-5, 5000, BOUND) not in knots(time_lag)
    time_lag.update([], [topic(START + 15, 5001)], START + 15, START + 15)
    assert (-5, 5000, BOUND) in knots(time_lag)
    assert {} == time_lag._lateness._ahead


def test_doubts_pass() -> None:
    """A group whose commits were beyond the log end is believed again after five minutes without such a one."""
    time_lag = grown()
    for step, (offset, log_end) in enumerate([(500, 100), (None, 120), (None, 130), (None, 140)]):
        now = START + 15 * step
        groups = [group(now, partition(commit(offset, now - 5, 0), 0))] if offset else []
        time_lag.update(groups, [topic(now, log_end)], now, now)
    assert {("g", "t", 0)} == time_lag._lateness._doubted.keys()
    time_lag.update([], [topic(now + BACKLOG_SECONDS, 150)], now + BACKLOG_SECONDS, now + BACKLOG_SECONDS)
    assert {} == time_lag._lateness._doubted


@pytest.mark.parametrize(
    ("expected", "end", "lag"),
    [
        ([(-9.5, 80, SIGHTING), (-1, 100, SIGHTING)], commit(70, START - 9, 10), 30),
        ([(-9.5, 80, SIGHTING)], commit(70, START - 9, 10), 0),
        ([(-1, 100, SIGHTING)], commit(70, START - 9, None), 30),
    ],
    ids=["lag", "no lag", "lag of a commit without"],
)
def test_a_lag_tells_the_log_end_of_a_topic_that_is_not_known(expected: Knots, end: Commit, lag: int) -> None:
    """Also where another topic of the group is known; the lag is as of the reading."""
    one = group(START, partition(end, lag))
    assert expected == taken(([one], []))
    beside = partition(commit(5, START - 9, None), 7, topic="u")
    assert expected == taken(([group(START, partition(end, lag), beside)], [topic(START, name="u")]))


def test_a_lag_tells_nothing_of_a_topic_that_is_known() -> None:
    """The topic's own offsets count, those of the other topics of the group notwithstanding."""
    known, unknown = (partition(commit(70, START - 9, None), 30, topic=name) for name in "tu")
    polls = ([group(START, known, unknown)], [topic(START, 90)])
    assert [(-1, 90, SIGHTING)] == taken(polls)
    assert [(-1, 100, SIGHTING)] == taken(polls, topic="u")


def test_a_log_end_that_lags_told_before_may_be_as_old_as_the_grace() -> None:
    """A commit ahead of it is forgotten only if it was made before, where no topic tells what was read before."""
    bound = [commit(200, START - ago, 0) for ago in (29, 31)]
    behind = partition(commit(70, START - 9, None), 30)
    found = [taken(([group(START, partition(each, 0), name="h"), group(START, behind)], [])) for each in bound]
    assert [[(-30, 100, SIGHTING), (-29, 200, BOUND)], [(-1, 100, SIGHTING)]] == found


@pytest.mark.parametrize("ago", [5, 29, 31])
def test_a_commit_ahead_of_the_first_reading_of_its_topic(ago: int) -> None:
    """Nothing tells how fast the log grows: it waits for a log end that reaches it."""
    ahead = ([group(START, partition(commit(200, START - ago, 0), 0))], [topic(START, 100)])
    assert [(-1, 100, SIGHTING)] == taken(ahead)
    found = taken(ahead, ([], [topic(START + 15, 210)]))
    assert (ago < GRACE) == ((-ago, 200, BOUND) in found)


def test_topics_are_taken_in_once_a_reading() -> None:
    """Each of its partitions has a history; a reading that was kept from an earlier poll adds nothing to it."""
    time_lag = TimeLag()
    time_lag.update([], [topic(START, 5, 6)], START, START)
    time_lag.update([], [topic(START, 7, 8)], START + 15, START + 15)
    assert [[(-1, 5, SIGHTING)], [(-1, 6, SIGHTING)]] == [knots(time_lag, number=number) for number in (0, 1)]
    time_lag.update([], [topic(START + 15, 5, 8)], START + 30, START + 30)
    assert [(-1, 5, SIGHTING), (14.098, 5, SIGHTING)] == knots(time_lag)
    assert [(-1, 6, SIGHTING), (14.098, 8, SIGHTING)] == knots(time_lag, number=1)


@pytest.mark.parametrize(
    ("expected", "moved", "uncounted"),
    [
        ([-15.0], GRACE, 0.0),
        ([-15.0], -GRACE, 0.0),
        ([], GRACE + 1, 0.0),
        ([], -GRACE - 1, 0.0),
        ([], 15 + GRACE + 1, 15.0),
    ],
)
def test_a_step_of_the_clock_beyond_the_grace_is_looked_at(
    expected: list[float], moved: float, uncounted: float
) -> None:
    """Where Burrow's clock agrees before and after it everything is forgotten; a smaller step is none."""
    time_lag = TimeLag()
    one = group(START - 15, partition(commit(70, START - 15, 0), 0))
    time_lag.update([one], [topic(START - 15, 70)], START - 15, 0.0)
    now = START + moved
    newer = group(now, partition(commit(70, now, None), 0))
    time_lag.update([newer], [topic(START - 15, 70)], now, 15.0 - uncounted)
    assert expected == [time for time, _, _ in knots(time_lag)]


def test_ages_stand_beside_partitions() -> None:
    """0 without lag, nothing where nothing is known, seconds to the millisecond, by topic and partition."""
    time_lag = TimeLag()
    for step in (0, 10):
        known = [topic(START + step, 100 + step, 200 + 2 * step), topic(START + step, 7 * step, name="u")]
        time_lag.update([], known, START + step, START + step)
    end = commit(103, START, None)
    ones = [
        partition(end, 9),
        partition(commit(206, START, None), 9, number=1),
        partition(commit(0, START, None), 9, topic="u"),
        partition(end, 9, topic="none"),
        partition(end, 9, number=5),
        partition(end, 0),
        partition(end, 9),
    ]
    (ages,) = time_lag.update([group(START + 20, *ones)], known, START + 20, START + 20)
    # The curves go from -1 s to 9.05 s: the mean lateness was 1 s and is 0.95 s.
    assert [17.345, 17.65, 20.858, None, None, 0.0, 17.345] == ages


def test_a_partition_of_which_nothing_was_taken_in_has_no_age() -> None:
    """One that turns up with a commit older than what was read before, beyond the offsets that its topic tells."""
    time_lag = TimeLag()
    one = partition(commit(70, START - 9, None), 0)
    time_lag.update([group(START, one)], [topic(START, 100)], START, START)
    late, other = (partition(commit(70, START - 20, None), 5, topic=name, number=1) for name in "tu")
    known = [topic(START + 15, 100), topic(START + 15, name="u")]
    assert [[0.0, None, None]] == time_lag.update([group(START + 15, one, late, other)], known, START + 15, START + 15)
    assert [] == knots(time_lag, number=1)


def test_a_topic_without_offsets_leaves_nothing_behind() -> None:
    """Burrow lists a topic whose offsets it does not know yet; when it is gone nothing is kept of it."""
    time_lag = TimeLag()
    time_lag.update([], [topic(START, name="empty"), topic(START, 5)], START, START)
    time_lag.update([], [topic(START + 15, 5)], START + 15, START + 15)
    assert ({"t"}, {"t"}) == (set(time_lag._curves), set(time_lag._topics_read))
