"""What the status page says of snapshots: which is worst, what is stale, what is not known."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import pytest

from burrow_exporter.burrow.answers import Commit, Partition
from burrow_exporter.snapshot import Cluster, Group, Outcome, Snapshot, Topic
from burrow_exporter.status.rows import BurrowRow, GroupRow, PartitionRow, burrow_row, group_row, partition_rows

NOW = 1_800_000_000.0
EXPIRY = 1000.0
COMMIT = Commit(90, int(NOW * 1000) - 5000, int(NOW * 1000) - 5000, 10)
GOOD = Outcome(good=True, last_good_at=NOW, expires_at=EXPIRY)


def partition(
    status: str = "OK", number: int = 0, lag: int = 0, owner: str = "", *, topic: str = "orders", client_id: str = ""
) -> Partition:
    """Return a partition with a commit."""
    return Partition(topic, number, owner, client_id, status, COMMIT, COMMIT, lag, 1.0)


def uncommitted(number: int = 0) -> Partition:
    """Return a partition of which Burrow knows no commit."""
    return Partition("orders", number, "", "", "OK", None, None, 0, 0.0)


def group(
    name: str = "g",
    status: str = "OK",
    partitions: Sequence[Partition] = (),
    seconds: Sequence[float | None] = (),
    none: Sequence[Partition] = (),
    expires_at: float = EXPIRY,
) -> Group:
    """Return a group that was read 3 s ago."""
    lags = [each.current_lag for each in partitions]
    return Group(
        name, status, tuple(partitions), tuple(none), sum(lags), max(lags, default=0), NOW - 3, expires_at, seconds
    )


def cluster(*groups: Group, name: str = "west", topics: Sequence[Topic] = (), **fields: Any) -> Cluster:
    """Return a cluster as the last poll read it."""
    made = Cluster(name, groups, tuple(topics), len(groups), len(topics), NOW - 2, 7, 0, EXPIRY)
    return replace(made, **fields)


def snapshot(*clusters: Cluster, burrow: str = "default", outcome: Outcome = GOOD) -> Snapshot:
    """Return what the last poll, 4 s ago, has seen."""
    return Snapshot(burrow, clusters, NOW - 4, frozenset(each.name for each in clusters), outcome)


def row(made: Group) -> GroupRow:
    """Return the row of a group."""
    return group_row(snapshot(cluster(made)), "west", made)


def test_worst_groups_first() -> None:
    """ERR comes before WARN, an unknown word and OK; within each the larger lag in seconds, then in messages."""
    expected = [
        group("a", "ERR", [partition(lag=1)], [9.0]),
        group("b", "ERR", [partition(lag=9)], [8.0]),
        group("c", "ERR", [partition(lag=8)], [8.0]),
        group("d", "ERR", [partition(lag=7)], [None]),
        group("e", "WARN", [partition(lag=99)], [99.0]),
        group("f", "NEWS", [partition(lag=99)], [99.0]),
        group("g", "OK", [partition(lag=99)], [99.0]),
        group("h", "OK", [partition()], [0.0]),
    ]
    rows = sorted(map(row, reversed(expected)), key=GroupRow.urgency)
    assert [each.name for each in expected] == [each.group.name for each in rows]


def test_worst_partitions_first() -> None:
    """STOP, STALL and REWIND are equally bad; what has no commit, or a word without a meaning, is unknown."""
    statuses = {"REWIND": 3.0, "STOP": 2.0, "STALL": 1.0, "WARN": 9.0, "NEWS": 9.0, "OK": 9.0}
    partitions = [partition(status, number, 5) for number, status in enumerate(statuses)]
    rows = partition_rows(group("g", "ERR", partitions[::-1], list(statuses.values())[::-1], [uncommitted(7)]))
    ordered = sorted(rows, key=PartitionRow.urgency)
    assert [4, 7] == [each.partition.partition for each in ordered if each.status == "UNKNOWN"]
    assert ["REWIND", "STOP", "STALL", "WARN", "UNKNOWN", "UNKNOWN", "OK"] == [each.status for each in ordered]


@pytest.mark.parametrize(
    ("expected", "start", "end", "ago"),
    [
        (True, 101, 101, 121),
        (True, 101, 90, 121),
        (False, 101, 101, 119),
        (False, 100, 100, 121),
        (False, None, None, 0),
    ],
    ids=["ahead", "was ahead", "just now", "at it", "no commit"],
)
def test_an_offset_ahead_of_the_log_end(start: int | None, end: int | None, ago: float, *, expected: bool) -> None:
    """What a group committed two minutes before the log end was read, and more than that, does not exist."""
    at = int((NOW - ago) * 1000)
    first, last = (None if offset is None else Commit(offset, at, at, 0) for offset in (start, end))
    one = Partition("orders", 0, "", "", "OK", first, last, 0, 1.0)
    made = group(partitions=[one] if last else [], none=[] if last else [one], seconds=[0.0] if last else [])
    topics = [Topic("orders", [100], NOW, EXPIRY)]
    assert [expected] == [each.is_ahead for each in partition_rows(made, cluster(made, topics=topics))]


def test_log_ends_stand_beside_partitions() -> None:
    """A log end comes from the topic's own offsets, and is unknown where those do not reach."""
    topics = [Topic("orders", [100], NOW, EXPIRY)]
    made = group("g", "OK", [partition(number=0), partition(number=1), partition(topic="other")])
    ends = [each.log_end for each in partition_rows(made, cluster(made, topics=topics))]
    assert [100, None, None] == ends


@pytest.mark.parametrize(
    ("expected", "made"),
    [
        ((15, 7.0, 1, 2), group("g", "ERR", [partition("STOP", 0, 5), partition("OK", 1, 10)], [7.0, None])),
        ((10, 7.0, 0, 2), group("g", "OK", [partition("OK", 0, 10)], [7.0], [uncommitted(1)])),
        ((None, None, 0, 1), group("g", none=[uncommitted()])),
        ((0, None, 0, 0), group("g")),
    ],
)
def test_figures_of_a_group(expected: tuple[object, ...], made: Group) -> None:
    """Lag, seconds, partitions that are not OK and all of them; a group without any commit has an unknown lag."""
    each = row(made)
    assert expected == (each.lag, each.seconds, each.not_ok, each.partitions)


@pytest.mark.parametrize(
    ("expected", "partitions"),
    [
        (["b"], [partition("OK", 0, 9, "a"), partition("STOP", 1, 1, "b")]),
        ([], [partition("OK", 0, 9, "a"), partition("STOP", 1, 1)]),
        (["a", "b"], [partition("STALL", 0, 1, "b"), partition("STOP", 1, 1, "a"), partition("STOP", 2, 1, "b")]),
        (["a"], [partition("OK", 0, 9, "a"), partition("OK", 1)]),
    ],
)
def test_owners_are_those_of_the_worst(expected: list[str], partitions: list[Partition]) -> None:
    """Who reads what is fine is not named while something is not, also where nobody is known to read that."""
    assert expected == row(group("g", "ERR", partitions)).owners


def test_readings_of_an_earlier_poll_are_stale() -> None:
    """What the last poll did not bring expires before what it did."""
    assert [False, True] == [row(group(expires_at=at)).is_stale for at in (EXPIRY, EXPIRY - 15)]


BAD = replace(GOOD, good=False, last_good_at=None)
BEHIND = replace(GOOD, behind={"west": 12345})
REFUSED = replace(snapshot(), listed=frozenset({"west"}), refused=frozenset({"west"}))
NEVER_SHOWN = replace(snapshot(outcome=replace(BAD, behind={"west": None})), listed=frozenset({"west"}))


@pytest.mark.parametrize(
    ("state", "cluster_state", "note", "made"),
    [
        ("polled", "up to date", "", snapshot(cluster(group()))),
        ("failed", "up to date", "", snapshot(cluster(group()), outcome=BAD)),
        ("failed", "stale", "could not read it", snapshot(cluster(expires_at=EXPIRY - 15), outcome=BAD)),
        ("polled", "in part", "2 groups could not be read", snapshot(cluster(unreadable_groups=2))),
        ("polled", "in part", "3 groups are held back", snapshot(cluster(held_groups=3))),
        ("polled", "in part", "hides groups with lag: a, b", snapshot(cluster(hidden_groups=("a", "b")))),
        ("polled", "in part", "a, b, c, d, e and 2 more", snapshot(cluster(hidden_groups=tuple("abcdefg")))),
        ("polled", "behind", "12,345 messages behind", snapshot(cluster(), outcome=BEHIND)),
        ("polled", "refused", "an earlier Burrow has", REFUSED),
        ("failed", "not shown", "has not read all commits", NEVER_SHOWN),
        ("polled", "not shown", "no reading that is new enough", replace(snapshot(), listed=frozenset({"west"}))),
    ],
)
def test_states(state: str, cluster_state: str, note: str, made: Snapshot) -> None:
    """A Burrow and each cluster that it lists say in words how far to trust what is shown of them."""
    found = burrow_row("default", made, EXPIRY - 1)
    assert (state, ["west"]) == (found.state, [each.name for each in found.clusters])
    assert cluster_state == found.clusters[0].state
    assert note in found.clusters[0].note


def test_a_burrow_without_a_poll() -> None:
    """Before the first poll there is nothing to say; when polls no longer end, that is said."""
    assert BurrowRow("a", None, "unknown", "not polled yet", ()) == burrow_row("a", None, 0)
    assert ("err", "overdue") == ((late := burrow_row("a", snapshot(), EXPIRY)).kind, late.state)


def test_groups_are_counted_by_kind() -> None:
    """The counts of a cluster are those of its groups, an unknown word among them."""
    made = cluster(*(group(str(number), status) for number, status in enumerate(("ERR", "OK", "OK", "NEWS"))))
    assert {"err": 1, "ok": 2, "unknown": 1} == burrow_row("default", snapshot(made), 0).clusters[0].statuses
