"""The hint at the cause of a group's lag."""

from __future__ import annotations

from dataclasses import replace

import pytest

from burrow_exporter.burrow.answers import Commit, Partition
from burrow_exporter.status.hints import hint
from tests.status.test_page import show, view
from tests.status.test_rows import NOW, cluster, group, row, snapshot

AT = int(NOW * 1000)


def partition(number: int, came: int, owner: str = "/a", client: str = "c", *, lag: int | None = 0) -> Partition:
    """Return a partition that got so many messages within a minute, and has a lag."""
    start, end = Commit(100, AT - 60_000, AT - 60_000, 0), Commit(100 + came - (lag or 0), AT, AT, lag)
    return Partition("orders", number, owner, client, "OK", start, end, lag or 0, 1.0)


EVEN = [partition(number, 600, f"/host-{number // 2}", f"client-{number // 2}") for number in range(4)]
HOT = [partition(number, 9000 if number == 3 else 600) for number in range(4)]


@pytest.mark.parametrize(
    ("expected", "partitions", "seconds"),
    [
        ("", EVEN, (0, 5, 0, 60)),
        ("members keep up; partition 3 of orders gets 83% of the messages", HOT, (0, 0, 0, 0)),
        ("partition 3 of orders gets 83% of the messages", HOT, (0, 0, 0, 61)),
        ("1 of 4 active partitions are behind, the others are not", HOT, (61, 0, 0, 0)),
        (
            "2 of 4 active partitions are behind, the others are not; all are read by client-1",
            EVEN,
            (0, 0, 300, 300),
        ),
        ("2 of 4 active partitions are behind, the others are not", EVEN, (0, 300, 300, None)),
        ("most partitions are behind, and 2 members read 4 partitions", EVEN, (300, 300, 300, 0)),
        ("most partitions are behind, and each already has its own member", EVEN[:1], (300,)),
        ("most partitions are behind", [partition(0, 600, "")], (300,)),
        ("", [partition(0, 0), partition(1, 600, lag=None)], (300, 300)),
        ("", HOT, ()),
        ("", [], ()),
    ],
)
def test_where_the_lag_comes_from(
    expected: str, partitions: list[Partition], seconds: tuple[float | None, ...]
) -> None:
    """By which partitions are behind, who reads them, and what they get."""
    assert expected == hint(row(group(partitions=partitions, seconds=seconds)))


def test_what_is_not_judged() -> None:
    """A group that Burrow judges ERR has a cause of its own, and what is past says nothing of now."""
    made = row(group(partitions=EVEN, seconds=(300, 300, 300, 300)))
    assert "" != hint(made)
    assert "" == hint(replace(made, is_past=True))
    assert "" == hint(row(group(status="ERR", partitions=EVEN, seconds=(300, 300, 300, 300))))


def test_a_partition_alone_is_not_hot() -> None:
    """It has no others to be compared with."""
    assert "" == hint(row(group(partitions=[partition(0, 9000)], seconds=(0,))))


def test_the_page_says_it() -> None:
    """After what is wrong, as a sentence; names stay names."""
    shown = view(snapshot(cluster(group("g", partitions=HOT, seconds=(0, 0, 0, 0)))))
    text = show("/group", shown, burrow="default", cluster="west", name="g").all
    assert "Nothing is wrong. Members keep up; partition 3 of orders gets 83% of the messages." in text
