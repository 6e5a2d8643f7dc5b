"""The last hour, on a simulated clock: since when, the course of the lag, and the last known state."""

from __future__ import annotations

import tracemalloc
from collections.abc import Sequence
from dataclasses import replace
from math import isnan
from typing import Any

import pytest

from burrow_exporter.burrow.partitions import Partitions
from burrow_exporter.polling.absent import Absence
from burrow_exporter.polling.history import SLOTS, SPARE, History, kind_of_group
from burrow_exporter.settings.policy import GroupEntry, Policy
from burrow_exporter.snapshot import Cluster, Group, Outcome, Snapshot, Topic, largest
from tests.support.factories import commit, partition

START = 1_800_000_000.0
"""The beginning of a slot."""


def group(name: str = "g", status: str = "OK", lag: int = 0, seconds: float = 0.0) -> Group:
    """Return a group, whose readings expire an interval after those of the next poll begin to."""
    return Group(name, status, Partitions(), Partitions(), lag, lag, START, 100.0, [seconds])


def poll(moment: float, *groups: Group, topics: Sequence[Topic] = (), **outcome: Any) -> Snapshot:
    """Return what a poll saw that ended so many seconds after ``START``."""
    read = tuple(replace(each, read_at=START + moment, expires_at=moment + 45) for each in groups)
    cluster = Cluster("c", read, tuple(topics), len(groups), len(topics), None, None, 0, moment + 45)
    return Snapshot(
        "b", (cluster,), START + moment, frozenset({"c"}), replace(Outcome(), expires_at=moment + 45, **outcome)
    )


def failed(moment: float, *before: Cluster) -> Snapshot:
    """Return what is published when a poll could read nothing."""
    outcome = Outcome(good=False, expires_at=moment + 45)
    return Snapshot("b", before, START + moment, frozenset({"c"}), outcome)


def since(history: History, name: str = "g") -> tuple[str, float, bool]:
    """Return of which kind a group is, since how many seconds after ``START``, and whether that is exact."""
    track = history.group("c", name)
    assert track
    return track.kind, track.since - START, track.is_exact


@pytest.mark.parametrize(
    ("expected", "status", "seconds"),
    [
        ("err", "ERR", 900.0),
        ("late", "WARN", 300.0),
        ("late", "OK", 300.0),
        ("warn", "WARN", 299.0),
        ("ok", "OK", None),
        ("unknown", "NEWS", 0.0),
    ],
)
def test_kinds(expected: str, status: str, seconds: float | None) -> None:
    """A group in error is that; else one whose lag is too old is late, whatever Burrow says."""
    assert expected == kind_of_group(status, seconds, 300.0)


@pytest.mark.parametrize(
    ("expected", "seconds"), [(None, []), (None, [None]), (0.0, [None, 0.0]), (7.0, [0.0, None, 7.0, 3.0])]
)
def test_largest(expected: float | None, seconds: list[float | None]) -> None:
    """What is not known is not 0."""
    assert expected == largest(seconds)


def test_since_when_a_group_is_as_it_is() -> None:
    """From the poll that saw the change; of the first poll of all it is only known that it was not later."""
    history = History()
    seen = []
    for moment, status in ((0, "OK"), (15, "OK"), (30, "ERR"), (45, "ERR"), (60, "WARN")):
        history.record(poll(moment, group(status=status)))
        seen.append(since(history))
    assert [("ok", 0, False)] * 2 + [("err", 30, True)] * 2 + [("warn", 60, True)] == seen
    history.record(poll(75, group(status="WARN"), group("new", "ERR")))
    assert [("warn", 60, True), ("err", 75, True)] == [since(history), since(history, "new")]


def test_a_restart_of_burrow_changes_nothing() -> None:
    """While a group is missing, and while the cluster is not read, nothing is known; then it goes on as before."""
    history = History()
    history.record(poll(0, group(status="OK")))
    history.record(poll(15, group(status="ERR", lag=9)))
    history.record(failed(30))
    history.record(poll(150))
    history.record(poll(180, group(status="ERR", lag=9)))
    assert ("err", 15, True) == since(history)
    track = history.group("c", "g")
    assert track
    kinds, lags = track.last_hour(START + 180)
    assert ["none", "err", "none", "none", "none", "none", "none", "err"] == kinds[-8:]
    assert 7 + SLOTS - 8 == len([lag for lag in lags if isnan(lag)]) + 1


def test_a_restart_of_the_exporter_begins_with_nothing() -> None:
    """The hour before is unknown, and a group has been as it is for at least as long as the exporter runs."""
    history = History()
    history.record(poll(0, group(status="ERR", lag=5)))
    history.record(poll(30, group(status="ERR", lag=6)))
    track = history.group("c", "g")
    assert track
    kinds, lags = track.last_hour(START + 30)
    assert (["none"] * (SLOTS - 2) + ["err"] * 2, [5.0, 6.0]) == (kinds, lags[-2:])
    assert ("err", 0, False) == since(history)


def test_the_strip_of_an_hour() -> None:
    """A slot has the worst that was seen in it and the lag that it began with; what is older than an hour is gone."""
    history = History()
    for moment in range(0, 5400, 15):
        status = "ERR" if moment % 600 == 15 else "OK"
        history.record(poll(moment, group(status=status, lag=moment)))
    track = history.group("c", "g")
    assert track
    kinds, lags = track.last_hour(START + 5399)
    assert ["err" if slot % 20 == 0 else "ok" for slot in range(SLOTS)] == kinds
    assert [float(moment) for moment in range(1800, 5400, 30)] == lags


@pytest.mark.parametrize(("expected", "gap"), [(["ok", "ok", "err"], 60), (["ok", "none", "none", "err"], 90)])
def test_polls_that_are_far_apart(expected: list[str], gap: int) -> None:
    """A reading counts for as long as it is exposed; where polls are missing beyond that nothing is known."""
    history = History(hold=60.0)
    history.record(poll(0, group()))
    history.record(poll(gap, group(status="ERR")))
    track = history.group("c", "g")
    assert track
    assert expected == track.last_hour(START + gap)[0][-len(expected) :]


def test_a_clock_that_is_set_back() -> None:
    """It empties the past, and the past goes on from there."""
    history = History()
    history.record(poll(300, group(lag=1)))
    history.record(poll(0, group(lag=2)))
    track = history.group("c", "g")
    assert track
    kinds, lags = track.last_hour(START)
    assert (["none", "ok"], 2.0) == (kinds[-2:], lags[-1])
    assert {"none"} == set(track.last_hour(START + 7200)[0])


def test_thresholds_are_those_of_the_policy() -> None:
    """A group is late by its own, with no fewer messages than count; another policy counts from the next poll on."""
    history = History(Policy(groups=(GroupEntry(max_lag_seconds=10),)))
    history.record(poll(0, group(seconds=20.0)))
    assert "late" == since(history)[0]
    history.reconfigure(Policy(), 45.0)
    history.record(poll(15, group(seconds=20.0)))
    assert ("ok", 15, True) == since(history)
    history.reconfigure(Policy(groups=(GroupEntry(max_lag_seconds=10, min_lag=5),)), 45.0)
    little = replace(group(seconds=20.0), partitions=Partitions([partition(commit(0, lag=4), 4)]))
    history.record(poll(30, little))
    assert "ok" == since(history)[0]


def test_the_last_known_state() -> None:
    """It stays while the cluster cannot be read, or Burrow is behind, and goes with what Burrow no longer lists."""
    history = History()
    history.record(poll(0, group("a"), group("b")))
    (known,) = history.clusters.values()
    for later in (failed(15, known), failed(90), poll(105, behind={"c": 5000})):
        history.record(later)
        assert {"c": known} == history.clusters
    history.record(poll(120, group("b")))
    assert [["b"]] == [[each.name for each in cluster.groups] for cluster in history.clusters.values()]
    history.record(replace(poll(135), clusters=(), listed=frozenset()))
    assert ({}, None) == (history.clusters, history.group("c", "b"))


def test_groups_that_expire_alone() -> None:
    """What Burrow lists but the exporter cannot read stays as it was last, with its history, however many they are."""
    history = History()
    names = [str(number) for number in range(2 * SPARE)]
    history.record(poll(0, *(group(name, "ERR") for name in names)))

    def later(moment: float, reason: Absence) -> Snapshot:
        seen = poll(moment, group("0"))
        cluster = replace(seen.clusters[0], absent_groups=dict.fromkeys(names[1:], reason))
        return replace(seen, clusters=(cluster,))

    for moment in (60, 75, 90):
        history.record(later(moment, Absence.UNREADABLE))
        assert names[1:] == [each.name for each in history.lost["c"]]
    assert ("err", 0, False) == since(history, "199")
    history.record(later(105, Absence.NOT_FOUND))
    assert ((), None) == (history.lost["c"], history.group("c", "199"))


def test_stale_groups_are_not_recorded() -> None:
    """What the last poll did not read tells nothing of now."""
    history = History()
    history.record(poll(0, group(status="OK")))
    stale = replace(poll(0, group(status="ERR")).clusters[0], expires_at=75.0)
    history.record(replace(poll(30), clusters=(stale,)))
    assert ("ok", 0, False) == since(history)


def test_groups_that_are_gone_are_forgotten() -> None:
    """After an hour, or at once where many are gone."""
    history = History()
    history.record(poll(0, group("a"), group("b")))
    history.record(poll(3570, group("b")))
    assert history.group("c", "a")
    history.record(poll(3600, group("b")))
    assert history.group("c", "a") is None
    history.record(poll(3630, *(group(str(number)) for number in range(SPARE + 2))))
    history.record(poll(3660, group("b")))
    assert [True, False] == [history.group("c", name) is not None for name in ("b", "0")]


def topic(moment: float, *offsets: int) -> Topic:
    """Return a topic as it was read so many seconds after ``START``."""
    return Topic("t", offsets, START + moment, moment + 45)


def rate(history: History) -> float | None:
    """Return the messages produced a second."""
    track = history.topic("c", "t")
    assert track
    return track.rate()


def test_production() -> None:
    """It is measured over the last minutes; a topic that was made again begins anew."""
    history = History()
    found = []
    for moment in range(0, 1200, 15):
        offset = 10 * moment if moment < 600 else 6000 + 20 * (moment - 600)
        history.record(poll(moment, topics=[topic(moment, offset, 7)]))
        found.append(rate(history))
    assert (None, 10.0, 20.0) == (found[0], found[39], found[-1])
    history.record(poll(1200, topics=[topic(1200, 5)]))
    assert rate(history) is None
    history.record(poll(1230, topics=[topic(1230, 65)]))
    assert 2.0 == rate(history)
    history.record(poll(1245))
    assert history.topic("c", "t") is None


def test_memory() -> None:
    """A thousand groups take less than 2 MiB, an hour long, and a hundred topics beside them hardly more."""
    history = History()
    groups = [group(str(number), lag=number) for number in range(1000)]
    polls = [
        poll(moment, *groups, topics=[replace(topic(moment, moment), name=str(number)) for number in range(100)])
        for moment in range(0, 300, 15)
    ]
    tracemalloc.start()
    before = tracemalloc.get_traced_memory()[0]
    for each in polls:
        history.record(each)
    used = tracemalloc.get_traced_memory()[0] - before
    tracemalloc.stop()
    assert 1_000_000 < used < 2 * 2**20
