"""The owners of a group's partitions, and how often they change between polls. No I/O.

Burrow takes a partition's owner, the member's host and client id, from the group's metadata. It knows none for groups
with the new rebalance protocol (KIP-848), for consumers with manual assignment, and for commits by admin tools.
"""

from __future__ import annotations

from collections.abc import Collection, Hashable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from itertools import chain

from burrow_exporter.burrow.partitions import Partitions
from burrow_exporter.snapshot import Group

Place = tuple[str, int]
Owner = tuple[str, str]


@dataclass(slots=True)
class Members:
    """What is kept of one group: a hash of its owners, the counts derived from them, and the number of changes.

    ``earlier`` are the last known owners of partitions that have none now, including all of an unread group.
    """

    digest: int | None = None
    members: int | None = None
    unowned: int | None = None
    changes: int = 0
    earlier: Mapping[Place, Owner] = field(default_factory=dict)


class Ownership:
    """Follows the groups of one cluster."""

    def __init__(self) -> None:
        self._groups: dict[str, Members] = {}

    def follow(self, groups: Iterable[Group], before: Iterable[Group], listed: Collection[str]) -> list[Group]:
        """Return the groups of a poll with their members, given the previous poll's groups and all listed names.

        A partition counts as changed if its owner differs from the last known one. A partition that loses its owner and
        gets it back, as after a restart of Burrow, is not counted.
        """
        old = {group.name: group for group in before}
        listed = set(listed)
        self._groups = {name: kept for name, kept in self._groups.items() if name in listed}
        shown = [self._with_members(group, old.pop(group.name, None)) for group in groups]
        for name, gone in old.items():
            if kept := self._groups.get(name):
                kept.earlier = {**kept.earlier, **owners(every(gone))}
        return shown

    def _with_members(self, group: Group, before: Group | None) -> Group:
        kept = self._groups.setdefault(group.name, Members())
        digest = hash(tuple(map(columns, (group.partitions, group.uncommitted))))
        if digest != kept.digest:
            now, earlier = owners(every(group)), {**kept.earlier, **(owners(every(before)) if before else {})}
            kept.changes += sum(earlier.get(place, owner) != owner for place, owner in now.items())
            present = {(topic, number) for topic, number, _, _ in every(group)}
            kept.earlier = {place: owner for place, owner in earlier.items() if place in present and place not in now}
            kept.members = len(set(now.values())) if now else None
            kept.unowned = len(present) - len(now) if now else None
            kept.digest = digest
        changes = kept.changes if kept.changes or kept.members else None
        return replace(group, members=kept.members, unowned_partitions=kept.unowned, owner_changes=changes)


def columns(each: Partitions) -> Hashable:
    """Return the columns that determine the owners: hashing them takes less than 1 % of a poll."""
    return each.topics, each.numbers.tobytes(), each.owners, each.client_ids


def every(group: Group) -> Iterator[tuple[str, int, str, str]]:
    """Yield topic, partition number, owner and client id of each of a group's partitions."""
    return chain.from_iterable(
        zip(each.topics, each.numbers, each.owners, each.client_ids, strict=True)
        for each in (group.partitions, group.uncommitted)
    )


def owners(rows: Iterable[tuple[str, int, str, str]]) -> dict[Place, Owner]:
    """Return the owner of each partition that has a known one."""
    return {(topic, number): (owner, client) for topic, number, owner, client in rows if owner}
