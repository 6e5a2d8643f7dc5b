"""Rows of the status page: order, stale readings, and unknown values."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import pytest

from burrow_exporter.burrow.answers import Commit, Partition
from burrow_exporter.polling.ownership import Ownership
from burrow_exporter.snapshot import Cluster, Group, Outcome, Snapshot, Topic
from burrow_exporter.status.burrows import BurrowRow, burrow_row, counted
from burrow_exporter.status.rows import MARKS, GroupRow, PartitionRow, by_section, counts, partition_rows
from burrow_exporter.status.view import View
from burrow_exporter.terms import Terms
from tests.support import factories

NOW = 1_800_000_000.0
EXPIRY = 1000.0
COMMIT = Commit(90, int(NOW * 1000) - 5000, int(NOW * 1000) - 5000, 10)
GOOD = Outcome(good=True, last_good_at=NOW, expires_at=EXPIRY)


def partition(
    status: str = "OK", number: int = 0, lag: int = 0, owner: str = "", *, topic: str = "orders", client_id: str = ""
) -> Partition:
    """Return a partition with a commit."""
    return factories.partition(COMMIT, lag, number, status=status, owner=owner, topic=topic, client_id=client_id)


def uncommitted(number: int = 0) -> Partition:
    """Return a partition of which Burrow knows no commit."""
    return factories.partition(None, number=number, topic="orders")


def group(
    name: str = "g",
    status: str = "OK",
    partitions: Sequence[Partition] = (),
    seconds: Sequence[float | None] = (),
    none: Sequence[Partition] = (),
    expires_at: float = EXPIRY,
) -> Group:
    """Return a group that was read 3 s ago, with its members."""
    fields = {"status": status, "expires_at": expires_at, "lag_seconds": seconds}
    read = factories.group(NOW - 3, *partitions, name=name, uncommitted=none, **fields)
    (made,) = Ownership().follow([read], [], [name])
    return made


def cluster(*groups: Group, name: str = "west", topics: Sequence[Topic] = (), **fields: Any) -> Cluster:
    """Return a cluster as the last poll read it."""
    made = Cluster(name, groups, tuple(topics), len(groups), len(topics), NOW - 2, 7, 0, EXPIRY)
    return replace(made, **fields)


def snapshot(*clusters: Cluster, burrow: str = "default", outcome: Outcome = GOOD) -> Snapshot:
    """Return what the last poll, 4 s ago, has seen."""
    return Snapshot(burrow, clusters, NOW - 4, frozenset(each.name for each in clusters), outcome)


def row(made: Group) -> GroupRow:
    """Return the row of a group."""
    (found,) = View(["default"], {"default": snapshot(cluster(made))}, "/metrics", NOW, EXPIRY - 1).groups()
    return found


def test_what_pages_comes_first() -> None:
    """ERR; then what is too late by its threshold, OK or not; WARN and unknown words; muted groups; what is fine."""
    expected = [
        ("attention", row(group("a", "ERR", [partition(lag=1)], [9.0]))),
        ("attention", row(group("b", "ERR", [partition(lag=9)], [8.0]))),
        ("attention", row(group("c", "ERR", [partition(lag=8)], [8.0]))),
        ("attention", row(group("d", "ERR", [partition(lag=7)], [None]))),
        ("attention", row(group("e", "WARN", [partition(lag=99)], [300.0]))),
        ("late", with_terms(row(group("f", "OK", [partition(lag=99)], [90.0])), max_lag_seconds=30.0)),
        ("late", row(group("g", "OK", [partition(lag=99)], [720.0]))),
        ("watch", row(group("h", "WARN", [partition(lag=99)], [299.0]))),
        ("watch", row(group("i", "NEWS", [partition(lag=99)], [99.0]))),
        ("muted", with_terms(row(group("j", "ERR", [partition(lag=99)], [999.0])), muted=("quiet",))),
        ("muted", with_terms(row(group("k", "ERR", [partition(lag=99)], [1.0])), severity="none")),
        ("fine", with_terms(row(group("l", "OK", [partition(lag=99)], [720.0])), max_lag_seconds=900.0)),
        ("fine", row(group("m", "OK", [partition()], [0.0]))),
    ]
    found = by_section(each for _, each in reversed(expected))
    rows = [(section, each.group.name) for section in found for each in sorted(found[section], key=GroupRow.urgency)]
    assert [(section, each.group.name) for section, each in expected] == rows


def with_terms(made: GroupRow, **terms: Any) -> GroupRow:
    """Return a row with what the policy says of it."""
    return replace(made, terms=replace(Terms("", "critical", 300.0, (), ""), **terms))


@pytest.mark.parametrize(
    ("expected", "status", "seconds", "terms"),
    [
        ({"err"}, "ERR", 1.0, {}),
        ({"err", "late"}, "ERR", 300.0, {}),
        ({"warn", "late"}, "WARN", 300.0, {}),
        ({"ok", "late"}, "OK", 300.0, {}),
        ({"ok"}, "OK", 299.0, {}),
        ({"ok"}, "OK", 0.0, {"muted": ("off",)}),
        ({"ok", "late", "muted"}, "OK", 300.0, {"muted": ("off",)}),
        ({"unknown"}, "NEWS", None, {}),
        ({"err", "late"}, "ERR", 300.0, {"severity": "none"}),
    ],
)
def test_marks(expected: set[str], status: str, seconds: float | None, terms: dict[str, Any]) -> None:
    """What a group is filtered by: its status, whether it is late, and whether the policy mutes what it would raise."""
    made = with_terms(row(group("g", status, [partition()], [seconds])), **terms)
    assert expected == {mark for mark in MARKS if made.has(mark)}
    assert expected == {mark for mark, count in counts([made]).items() if count}


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
    one = factories.partition(last, topic="orders", start=first, complete=1.0)
    made = group(partitions=[one] if last else [], none=[] if last else [one], seconds=[0.0] if last else [])
    topics = [Topic("orders", [100], NOW, EXPIRY)]
    assert [expected] == [each.is_ahead for each in partition_rows(made, cluster(made, topics=topics))]


def test_committed_offset_and_log_end_are_of_one_moment() -> None:
    """The log end is the one against which the lag was counted; the topic's own only where an offset is beyond it."""
    topics = [Topic("orders", [100, 100, 95], NOW, EXPIRY)]
    old = int(NOW * 1000) - 121_000
    ahead = factories.partition(Commit(99, old, old, 0), number=2, topic="orders", start=COMMIT)
    made = group("g", "OK", [partition(number=0, lag=3), ahead, partition(topic="other")], none=[uncommitted(1)])
    ends = [each.log_end for each in partition_rows(made, cluster(made, topics=topics))]
    assert [93, 95, 90, 100] == ends


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


def test_hosts_have_no_slash() -> None:
    """Kafka's Java clients write one before the address."""
    assert ["10.0.0.1", ""] == [
        each.host for each in partition_rows(group(partitions=[partition(owner="/10.0.0.1"), partition()]))
    ]


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
        ("polled", "in part", "3 groups held back", snapshot(cluster(held_groups=3))),
        ("polled", "in part", "hides groups with lag: a, b", snapshot(cluster(hidden_groups=("a", "b")))),
        ("polled", "in part", "a, b, c, d, e and 2 more", snapshot(cluster(hidden_groups=tuple("abcdefg")))),
        ("polled", "behind", "12,345 messages behind", snapshot(cluster(), outcome=BEHIND)),
        ("polled", "refused", "an earlier Burrow has", REFUSED),
        ("failed", "not exposed", "has not read all commits", NEVER_SHOWN),
        ("polled", "not exposed", "no recent reading", replace(snapshot(), listed=frozenset({"west"}))),
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


@pytest.mark.parametrize(
    ("expected", "listed", "absent"),
    [
        ("1 group", 1, {}),
        ("1 of 2 groups: 1 Burrow's own", 2, {"burrow-x": "own"}),
        (
            "1 of 5 groups: 2 no longer known to Burrow, 1 excluded by the group name filter",
            5,
            {"a": "not_found", "b": "not_found", "c": "name"},
        ),
        ("1 of 2 groups", 2, {}),
    ],
)
def test_what_became_of_listed_groups(expected: str, listed: int, absent: dict[str, str]) -> None:
    """Next to the number of listed groups is the reason why fewer are shown."""
    assert expected == counted(cluster(group(), listed_groups=listed, absent_groups=absent))
