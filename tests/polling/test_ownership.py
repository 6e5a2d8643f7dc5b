"""Tests of ownership.py: the members of a group, and partitions that change owners."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest

from burrow_exporter.burrow.answers import Commit, Partition
from burrow_exporter.polling.ownership import Ownership
from burrow_exporter.polling.state import BurrowState
from burrow_exporter.polling.walk import ClusterWalk, WalkResult
from burrow_exporter.settings.config import BurrowConfig
from burrow_exporter.snapshot import Group
from tests.polling.test_settling import recorded_walk
from tests.support import factories
from tests.support.factories import commit, partition
from tests.support.recorded import load

A, B, C = ("/10.0.0.1", "one"), ("/10.0.0.2", "two"), ("/10.0.0.2", "three")
NOBODY = ("", "")
Owners = Mapping[int, tuple[str, str]]


def group(owners: Owners, *, uncommitted: Owners | None = None, name: str = "g", topic: str = "t") -> Group:
    """Return a group whose partitions have these owners, by their numbers."""

    def made(end: Commit | None, owners: Owners) -> tuple[Partition, ...]:
        return tuple(
            partition(end, number=number, topic=topic, owner=owner, client_id=client)
            for number, (owner, client) in owners.items()
        )

    fresh = made(None, uncommitted or {})
    return factories.group(0.0, *made(commit(), owners), name=name, uncommitted=fresh, expires_at=45.0)


class Followed:
    """The groups of a cluster from poll to poll."""

    def __init__(self) -> None:
        self.ownership = Ownership()
        self.before: list[Group] = []

    def poll(self, *groups: Group, listed: tuple[str, ...] = ("g",)) -> list[tuple[int | None, ...]]:
        """Return members, partitions without an owner and changes so far of each group."""
        self.before = self.ownership.follow(groups, self.before, listed)
        return [(each.members, each.unowned_partitions, each.owner_changes) for each in self.before]


@pytest.mark.parametrize(
    ("expected", "owners", "uncommitted"),
    [
        ((2, 0, 0), {0: A, 1: B}, {}),
        ((1, 0, 0), {0: A, 1: A}, {}),
        ((2, 0, 0), {0: B, 1: C}, {}),
        ((1, 1, 0), {0: A, 1: NOBODY}, {}),
        ((2, 1, 0), {0: A}, {1: B, 2: NOBODY}),
        ((None, None, None), {0: NOBODY, 1: NOBODY}, {}),
        ((None, None, None), {}, {}),
    ],
    ids=["two", "one has both", "two on a host", "one is free", "without a commit", "nobody known", "no partition"],
)
def test_members(expected: tuple[int | None, ...], owners: Owners, uncommitted: Owners) -> None:
    """They are told apart by host and client id; where Burrow knows no owner nothing is told, not 0."""
    assert [expected] == Followed().poll(group(owners, uncommitted=uncommitted))


def test_changes_are_counted_by_partition() -> None:
    """From one poll to the next; the first poll is no change, and neither is a poll like the one before."""
    followed = Followed()
    told = [
        followed.poll(group(owners))[0][2]
        for owners in ({0: A, 1: A}, {0: A, 1: A}, {0: A, 1: B}, {0: B, 1: A}, {1: A, 0: B}, {0: B, 1: A, 2: C})
    ]
    assert [0, 0, 1, 3, 3, 3] == told


def test_owners_that_are_gone_for_a_while() -> None:
    """A restart of Burrow, or of all members, takes the owners away: only those that differ afterwards have changed."""
    followed = Followed()
    assert [(2, 0, 0)] == followed.poll(group({0: A, 1: B}))
    assert [(None, None, None)] == followed.poll(group({0: NOBODY, 1: NOBODY}))
    assert [(1, 1, 0)] == followed.poll(group({0: A, 1: NOBODY}))
    assert [(2, 0, 1)] == followed.poll(group({0: A, 1: C}))
    assert [(None, None, 1)] == followed.poll(group({0: NOBODY, 1: NOBODY}))


def test_a_group_that_is_not_read_for_a_while() -> None:
    """What was counted stays, also once its last reading has expired, as long as Burrow lists it."""
    followed = Followed()
    followed.poll(group({0: A}))
    assert [(1, 0, 1)] == followed.poll(group({0: B}))
    assert [(1, 0, 1)] == followed.poll(*followed.before)
    assert [] == followed.poll()
    assert [(1, 0, 1)] == followed.poll(group({0: B}))
    assert [(1, 0, 2)] == followed.poll(group({0: A}))
    assert [] == followed.poll()
    assert [(1, 0, 3)] == followed.poll(group({0: B}))
    followed.poll(listed=("h",))
    assert [(1, 0, 0)] == followed.poll(group({0: B}))


def test_a_partition_that_is_gone_has_no_owner_to_remember() -> None:
    """A topic that is given up and read again later has not changed hands."""
    followed = Followed()
    followed.poll(group({0: A, 1: B}))
    followed.poll(group({0: A}))
    assert [(2, 0, 0)] == followed.poll(group({0: A, 1: C}))


def walk(owners: Owners | None, *, listed: bool = True) -> WalkResult:
    """Return a walk that saw the group with these owners, or could not read it."""
    groups: dict[str, Any] = {} if owners is None else {"g": group(owners)}
    cluster = ClusterWalk("c", ["g"] if listed else None, [], groups=groups)
    return WalkResult(1e9, {"c": cluster})


def told(state: BurrowState, walked: WalkResult) -> list[int | None]:
    """Return the changes of the groups after a poll."""
    return [each.owner_changes for cluster in state.apply_walk(walked, 0.0, 0.0).clusters for each in cluster.groups]


def test_failed_polls_and_a_reload_between() -> None:
    """The count goes on over polls that could not read the group, and with the state of a Burrow configured anew."""
    state = BurrowState(BurrowConfig())
    assert [0] == told(state, walk({0: A, 1: B}))
    assert [0] == told(state, walk(None))
    assert [0] == told(state, walk(None, listed=False))
    assert [0] == told(state, WalkResult(1e9, None))
    assert [2] == told(state, walk({0: B, 1: A}))
    later = BurrowState(BurrowConfig(allowed_lag=1))
    later.count_on(state)
    assert [2] == told(later, walk({0: B, 1: A}))
    assert [3] == told(later, walk({0: B, 1: B}))


def test_a_recorded_restart_of_burrow() -> None:
    """Burrow learns the owners as it reads the backlog, and that they are gone: nothing has changed hands."""
    recording, followed = load("restart.json"), Followed()
    told: list[tuple[int | None, ...]] = []
    for moment in recording["polls"]:
        (cluster,) = (recorded_walk(recording, moment).clusters or {}).values()
        groups = [each for each in cluster.groups.values() if each]
        figures = followed.poll(*groups, listed=tuple(cluster.listed_groups or ()))
        told += [each for group, each in zip(groups, figures, strict=True) if group.name == "billing"]
    assert [(1, 2, 0), (None, None, None)] == list(dict.fromkeys(told))
