"""Tests of readings.py: filters, totals, and invalid data."""

from __future__ import annotations

import pytest

from burrow_exporter.burrow.answers import Commit, Partition
from burrow_exporter.burrow.failures import BurrowError, Reason
from burrow_exporter.burrow.partitions import GroupStatus, Partitions
from burrow_exporter.polling.readings import (
    LeftOut,
    has_lag,
    is_too_long,
    last_commit,
    left_out_by,
    partition_counts,
    read_group,
    read_names,
    unknown_statuses,
    unless_ahead,
)
from burrow_exporter.settings.config import Filters, TopicFilter
from burrow_exporter.snapshot import Group
from tests.support.factories import partition

NOW = 1_700_000_000.0
ALL = Filters(topic=TopicFilter.of())


def part(topic: str = "orders", number: int = 0, status: str = "OK", lag: int = 10, age: float | None = 0) -> Partition:
    """Return a partition whose last commit is ``age`` seconds old, ``None`` for one without a commit."""
    moment = 0 if age is None else int((NOW - age) * 1000)
    end = None if age is None else Commit(90, moment, moment // 1000 * 1000, lag)
    return partition(end, lag, number, topic=topic, status=status, complete=1.0)


def status(*partitions: Partition, word: str = "ERR", group: str = "g", total: int = 999) -> GroupStatus:
    """Return a group's answer, whose total would be wrong for these partitions."""
    return GroupStatus("c", group, word, Partitions(partitions), total)


def read(answer: GroupStatus, filters: Filters = ALL) -> Group | None:
    """Return the reading of an answer that came now."""
    return read_group(answer, filters, NOW, 0)


def kept(answer: GroupStatus, filters: Filters = ALL) -> Group:
    """Return the reading of which something is left."""
    group = read(answer, filters)
    assert group
    return group


def test_a_group_of_which_nothing_is_filtered_keeps_burrows_own_figures() -> None:
    """Status and total are Burrow's, even where they do not follow from the partitions."""
    group = kept(status(part(lag=10), part(number=1, lag=30), word="WARN", total=999))
    assert ("WARN", 999, 30, 2) == (group.status, group.total_lag, group.max_lag, len(group.partitions))


@pytest.mark.parametrize(
    ("word", "statuses"),
    [("OK", ["OK"]), ("WARN", ["OK", "WARN"]), *(("ERR", ["WARN", bad]) for bad in ("STOP", "STALL", "REWIND"))],
)
def test_a_filtered_group_is_judged_by_what_is_left(word: str, statuses: list[str]) -> None:
    """Where a filter removed partitions, status, total and maximum come from those kept."""
    left = [part(number=number, status=each, lag=number + 1) for number, each in enumerate(statuses)]
    group = kept(status(*left, part("gone", status="REWIND", lag=500)), Filters(topic=TopicFilter.of(exclude=["gone"])))
    figures = (word, sum(each.current_lag for each in left), len(left))
    assert figures == (group.status, group.total_lag, group.max_lag)


def test_a_group_with_nothing_left_is_left_out_but_not_one_that_had_nothing() -> None:
    """A group that the filters emptied is gone; one that Burrow knows without partitions is not."""
    assert read(status(part("__consumer_offsets")), Filters()) is None
    assert 0 == len(kept(status(), Filters()).partitions)


def test_topics_that_a_group_gave_up_can_be_left_out_by_age() -> None:
    """Partitions without a commit for too long go, those without any commit stay: they have no age."""
    group = kept(
        status(part(age=3600, lag=50), part(number=1, age=3599), part(number=2, age=None, lag=0)),
        Filters(topic=TopicFilter.of(), max_commit_age=3599.5),
    )
    assert [1] == [each.partition for each in group.partitions]
    assert [2] == [each.partition for each in group.uncommitted]
    assert 10 == group.total_lag


@pytest.mark.parametrize(
    ("reason", "partitions"),
    [
        (Reason.SHAPE, [part(), part()]),
        (Reason.NAME_TOO_LONG, [part("x" * 4097)]),
        (Reason.NAME_TOO_LONG, [part("ü" * 2049)]),
    ],
    ids=["a partition twice", "a name over 4 KiB", "a name over 4 KiB in UTF-8"],
)
def test_an_answer_that_would_break_the_page_is_refused(reason: Reason, partitions: list[Partition]) -> None:
    """Duplicate samples and endless labels never reach the page, and the reason is told."""
    with pytest.raises(BurrowError) as caught:
        read_names(status(*partitions))
    assert reason == caught.value.reason


@pytest.mark.parametrize(("long", "name"), [(False, "x" * 4096), (True, "x" * 4097), (False, "ü" * 2048), (False, "")])
def test_names_may_have_4_kib(long: bool, name: str) -> None:  # noqa: FBT001  the expected value
    """The bound counts bytes of UTF-8."""
    assert long is is_too_long(name)


def test_unknown_status_words_are_found() -> None:
    """Words without a code are told, those of the group's partitions included; known ones are not."""
    assert {"NEW", "ODD"} == unknown_statuses(kept(status(part(status="ODD"), part(number=1, status="OK"), word="NEW")))
    assert set() == unknown_statuses(kept(status(part(status="STALL"), word="ERR")))


@pytest.mark.parametrize(
    ("expected", "lag", "answer"),
    [
        (LeftOut.COMMIT_AGE, True, status(part(age=7200), part("t", age=7200, lag=0))),
        (LeftOut.COMMIT_AGE, False, status(part(age=7200, lag=0))),
        (LeftOut.COMMIT_AGE, True, status(part(age=7200), part("__consumer_offsets"))),
        (LeftOut.TOPIC, True, status(part("__consumer_offsets"))),
    ],
    ids=["hangs", "rests", "in part by topic", "Burrow's own"],
)
def test_what_left_nothing_of_a_group(expected: LeftOut, answer: GroupStatus, *, lag: bool) -> None:
    """The age of its commits, or its topics alone; and whether it has lag."""
    filters = Filters(max_commit_age=3600)
    assert read(answer, filters) is None
    assert (expected, lag) == (left_out_by(answer, filters), has_lag(answer))


def test_the_last_commit_is_when_burrow_observed_the_newest() -> None:
    """It is in Unix seconds, and unknown for a group without commits."""
    assert NOW - 5 == last_commit(status(part(age=60), part(number=1, age=5), part(number=2, age=None)), NOW)
    assert last_commit(status(part(age=None)), NOW) is None


def test_a_commit_in_the_future_is_never_the_newest() -> None:
    """Unless it is only so far ahead as clocks may differ."""
    answer = status(part(age=5), part(number=1, age=-60), part(number=2, age=-61))
    assert NOW + 60 == last_commit(answer, NOW)
    assert NOW - 5 == last_commit(answer, NOW - 1)
    assert last_commit(status(part(age=-3600)), NOW) is None
    assert [5.0, 60.0, None, None] == [unless_ahead(moment, 0.0) for moment in (5.0, 60.0, 60.1, None)]


def test_a_group_tells_how_many_partitions_its_topics_have() -> None:
    """Burrow lists every partition of a topic that a group reads, whether the group has committed there or not."""
    answer = status(part("t", 2), part("t", 0, age=None), part("u", 0), part("t", 1))
    assert {"t": 3, "u": 1} == partition_counts(answer)
