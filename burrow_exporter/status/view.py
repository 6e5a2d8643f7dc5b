"""The view: current snapshots, the last known state of expired ones, and the last hour."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace

from burrow_exporter.polling.history import History
from burrow_exporter.snapshot import Cluster, Group, Snapshot, largest
from burrow_exporter.status.burrows import BurrowRow, burrow_row
from burrow_exporter.status.rows import GroupRow
from burrow_exporter.terms import GroupPolicy, Terms


@dataclass(frozen=True, slots=True)
class Place:
    """A shown cluster of a Burrow; ``is_past`` if its readings are too old to be exposed."""

    burrow: str
    cluster: Cluster
    snapshot: Snapshot
    is_past: bool


@dataclass(frozen=True)
class View:
    """The data to show at a moment: ``now`` in Unix seconds, ``monotonic`` for expiry.

    ``burrows`` are all configured ones, even without a snapshot; ``addresses`` are theirs. ``interval`` is the poll
    interval in seconds. Pages link to ``grafana_url`` and ``alertmanager_url`` if set.
    """

    burrows: Sequence[str]
    snapshots: Mapping[str, Snapshot]
    telemetry_path: str
    now: float
    monotonic: float
    histories: Mapping[str, History] = field(default_factory=dict)
    addresses: Mapping[str, Sequence[str]] = field(default_factory=dict)
    interval: float = 15.0
    grafana_url: str = ""
    alertmanager_url: str = ""

    def places(self) -> Iterator[Place]:
        """Yield every shown cluster, with its last known state if its readings have expired."""
        for burrow in self.burrows:
            if snapshot := self.snapshots.get(burrow):
                past = self.past(burrow)
                for cluster in (*snapshot.clusters, *past.values()):
                    is_past = past.get(cluster.name) is cluster
                    if is_past or cluster.name not in past:
                        yield Place(burrow, cluster, snapshot, is_past)

    def past(self, burrow: str) -> dict[str, Cluster]:
        """Return the last known state of a Burrow's clusters whose groups have expired."""
        snapshot, history = self.snapshots.get(burrow), self.histories.get(burrow)
        if not snapshot or not history:
            return {}
        shown = {cluster.name for cluster in snapshot.clusters if cluster.groups} | snapshot.refused
        names = snapshot.names() - shown
        return {name: each for name, each in history.clusters.items() if name in names and each.groups}

    def place(self, burrow: str, cluster: str) -> Place | None:
        """Return a cluster of a Burrow; without a Burrow's name, from the first that has it."""
        found = (each for each in self.places() if each.cluster.name == cluster and burrow in ("", each.burrow))
        return next(found, None)

    def groups(self) -> list[GroupRow]:
        """Return all groups, unsorted."""
        return [row for place in self.places() for row in self.rows(place)]

    def rows(self, place: Place) -> list[GroupRow]:
        """Return the groups of a cluster, unsorted."""
        known: dict[int, Terms] = {}
        rows = [self._row(place, group, known, is_past=place.is_past) for group in place.cluster.groups]
        return rows + [self._row(place, group, known, is_past=True) for group in self._lost(place)]

    def _lost(self, place: Place) -> list[Group]:
        """Return the last readings of expired groups in a cluster that has not expired."""
        history = self.histories.get(place.burrow)
        lost = history.lost.get(place.cluster.name) if history and not place.is_past else None
        shown = {group.name for group in place.cluster.groups} if lost else set()
        return [group for group in lost or () if group.name not in shown]

    def group(self, place: Place, name: str) -> GroupRow | None:
        """Return a group of a cluster."""
        for is_past, groups in ((place.is_past, place.cluster.groups), (True, self._lost(place))):
            if group := next((each for each in groups if each.name == name), None):
                return self._row(place, group, {}, is_past=is_past)
        return None

    def burrow_rows(self) -> list[BurrowRow]:
        """Return the state of each Burrow."""
        return [
            burrow_row(burrow, self.snapshots.get(burrow), self.monotonic, self.past(burrow)) for burrow in self.burrows
        ]

    def _row(self, place: Place, group: Group, known: dict[int, Terms], *, is_past: bool) -> GroupRow:
        history = self.histories.get(place.burrow)
        track = history.group(place.cluster.name, group.name) if history else None
        entry = track.entry if track else None
        if entry and is_past:
            group = replace(group, lag_seconds=entry.lag_seconds(group))
        return GroupRow(
            place.burrow,
            place.cluster.name,
            group,
            largest(group.lag_seconds),
            group.expires_at < place.snapshot.outcome.expires_at,
            is_past,
            track,
            self._terms(entry, known) if entry else None,
        )

    def _terms(self, entry: GroupPolicy, known: dict[int, Terms]) -> Terms:
        """Return the current terms of an entry, cached because many groups share one."""
        if id(entry) not in known:
            known[id(entry)] = entry.terms(self.now)
        return known[id(entry)]
