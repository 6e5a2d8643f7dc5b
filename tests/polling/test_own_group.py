"""Tests of own_group.py: which groups are Burrow's own, and how far it has read each partition of the offsets topic."""

from __future__ import annotations

from collections.abc import Mapping

import pytest

from burrow_exporter.burrow.answers import Commit, Partition
from burrow_exporter.burrow.partitions import GroupStatus
from burrow_exporter.polling.own_group import (
    Progress,
    commits_partition,
    is_own,
    own_answers,
    own_lag,
    progress,
)
from tests.support.factories import group_status, partition

NOW = 1_700_000_000_000
INTERNAL = "__consumer_offsets"


def part(lag: int | None = 0, number: int = 0, *, topic: str = INTERNAL, at: int = NOW, owner: str = "") -> Partition:
    """Return a partition; one without lag has no commit."""
    end = None if lag is None else Commit(70, at, NOW, 0)
    return partition(end, lag or 0, number, topic=topic, owner=owner)


@pytest.mark.parametrize(
    ("own", "answer"),
    [
        (True, group_status("burrow-c", part(), part(None, 1))),
        (False, group_status("burrow-c", part(topic="orders"))),
        (False, group_status("burrow-c", part(), part(topic="orders"))),
        (False, group_status("audit", part())),
        (False, group_status("burrow-c")),
    ],
    ids=["Burrow's own", "with another topic", "with another topic too", "another reader of the topic", "of nothing"],
)
def test_a_group_may_be_burrows_own_by_name_and_topic(answer: GroupStatus, *, own: bool) -> None:
    """Neither a name nor a topic alone makes a group Burrow's own."""
    assert own is is_own(answer)


MIRROR = group_status("burrow-mirror", part(99_999, at=NOW + 1))
TWIN = group_status("burrow-twin", part(99_999))
OWN = group_status("burrow-c", part(3))


@pytest.mark.parametrize(
    ("expected", "names", "answers"),
    [
        ([OWN], {"burrow-c"}, {"burrow-c": OWN, "burrow-mirror": MIRROR, "burrow-twin": TWIN}),
        ([TWIN], {"burrow-twin"}, {"burrow-c": OWN, "burrow-twin": TWIN}),
        ([OWN, TWIN], {"burrow-twin", "burrow-c"}, {"burrow-c": OWN, "burrow-twin": TWIN}),
        ([], set(), {"burrow-c": OWN}),
        ([], {"burrow-c"}, {"burrow-c": None}),
        ([], {"burrow-c"}, {"burrow-c": group_status("burrow-c")}),
        ([OWN], None, {"burrow-c": OWN, "burrow-mirror": MIRROR}),
        ([OWN], None, {"burrow-c": OWN, "burrow-mirror": group_status("burrow-mirror", part(0, owner="/10.0.0.7"))}),
        ([OWN], None, {"burrow-c": OWN, "burrow-twin": TWIN}),
        ([MIRROR], None, {"burrow-mirror": MIRROR}),
        ([OWN], None, {"burrow-c": OWN, "burrow-new": group_status("burrow-new", part(None))}),
        ([], None, {"burrow-c": None, "burrow-alerts": group_status("burrow-alerts", part(topic="orders"))}),
    ],
    ids=[
        "by its name",
        "by another name",
        "two modules",
        "hidden",
        "not found",
        "empty",
        "unknown, beside a consumer",
        "unknown, beside a consumer with an owner",
        "unknown, beside one that commits alike",
        "unknown, one that does not commit alike",
        "unknown, beside one without a commit",
        "unknown, none",
    ],
)
def test_burrows_own_groups(
    expected: list[GroupStatus], names: set[str] | None, answers: Mapping[str, GroupStatus | None]
) -> None:
    """By the names of its consumer modules, else by what its own group looks like, the one least behind."""
    assert expected == own_answers(answers, names)


def test_burrows_own_lag_is_that_of_its_slowest_group_with_a_commit() -> None:
    """Groups that have not committed yet know no lag."""
    assert 70 == own_lag(
        [group_status("burrow-a", part(7)), group_status("burrow-b", part(69), part(None, 1), part(1, 2))]
    )
    assert own_lag([group_status("burrow-c", part(None))]) is None
    assert own_lag([]) is None


def test_progress_is_told_by_partition_the_slowest_module_counting() -> None:
    """Lags by number, when it read the newest message, and since when it has read at the latest."""
    start, end = Commit(5, NOW, NOW - 9000, 0), Commit(9, NOW, NOW - 2000, 0)
    early = partition(end, 4, 2, topic=INTERNAL, start=start)
    first = group_status("burrow-a", part(7), part(None, 1), early)
    assert Progress([7, None, 4], [NOW, 0, NOW - 2000], NOW - 9000) == progress([first])
    second = group_status("burrow-b", part(3), part(0, 1), part(5, 2))
    assert Progress([7, None, 5], [NOW, NOW, NOW], NOW - 9000) == progress([first, second])
    assert progress([]) is None
    assert Progress([None, 1], [0, NOW], NOW) == progress([group_status("burrow-a", part(1, 1))])


@pytest.mark.parametrize(
    ("expected", "group", "partitions"),
    [
        (46, "well", 50),
        (34, "stuck", 50),
        (0, "", 50),
        (0, "polygenelubricants", 50),
        (34, "h\u00e9llo", 50),
        (49, "\U0001f600", 50),
        (4, "stuck", 5),
    ],
)
def test_the_partition_of_a_groups_commits(expected: int, group: str, partitions: int) -> None:
    """Java's hash of its name, over UTF-16; the absolute value of the least integer is 0 in Kafka."""
    assert expected == commits_partition(group, partitions)
