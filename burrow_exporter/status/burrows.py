"""The state of each Burrow and cluster: whether the data shown is complete and current. No HTML, no I/O."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType

from burrow_exporter.polling.absent import Absence
from burrow_exporter.snapshot import Cluster, Snapshot

REASONS = {
    Absence.OWN: "Burrow's own",
    Absence.NOT_FOUND: "no longer known to Burrow",
    Absence.NAME: "excluded by the group name filter",
    Absence.TOPIC: "excluded by the topic filter",
    Absence.COMMIT_AGE: "excluded by max_commit_age",
    Absence.SHARD: "exposed by another shard",
    Absence.UNREADABLE: "not read yet",
    Absence.HELD: "held back while Burrow reads their commits",
}
"""Why listed groups are not shown, after their number."""


@dataclass(frozen=True)
class ClusterRow:
    """A cluster listed by a Burrow. ``cluster`` is ``None`` if nothing of it is shown; ``note`` says why.

    ``kind`` is ``ok``, ``warn`` or ``err``; ``is_past`` if the data shown is too old to be exposed.
    """

    name: str
    cluster: Cluster | None
    kind: str
    state: str
    note: str
    is_past: bool = False


@dataclass(frozen=True)
class BurrowRow:
    """A configured Burrow and its last poll; ``snapshot`` is ``None`` before the first poll has ended."""

    name: str
    snapshot: Snapshot | None
    kind: str
    state: str
    clusters: tuple[ClusterRow, ...]

    @property
    def is_fine(self) -> bool:
        """Whether the Burrow and all its clusters are OK."""
        return self.kind == "ok" and all(cluster.kind == "ok" for cluster in self.clusters)


def burrow_row(
    name: str, snapshot: Snapshot | None, monotonic: float, past: Mapping[str, Cluster] = MappingProxyType({})
) -> BurrowRow:
    """Return a Burrow with its clusters; ``monotonic`` is the current time, for expiry.

    ``past`` holds clusters of which only the last known state is shown.
    """
    if snapshot is None:
        return BurrowRow(name, None, "unknown", "not polled yet", ())
    kind, state = ("ok", "polled") if snapshot.outcome.good else ("err", "failed")
    if 0 < snapshot.outcome.expires_at <= monotonic:
        kind, state = "err", "overdue"
    known = {cluster.name: cluster for cluster in snapshot.clusters}
    clusters = (cluster_row(snapshot, each, known.get(each), past.get(each)) for each in sorted(snapshot.names()))
    return BurrowRow(name, snapshot, kind, state, tuple(clusters))


def cluster_row(snapshot: Snapshot, name: str, cluster: Cluster | None, past: Cluster | None = None) -> ClusterRow:
    """Return a cluster of a snapshot, and why its data is incomplete."""
    outcome = snapshot.outcome
    behind = name in outcome.behind
    lag = outcome.behind.get(name)
    lacks = "Burrow has not read all commits" + (f": it is {lag:,} messages behind" if lag is not None else "")
    if name in snapshot.refused:
        kind, state, note = "err", "refused", "an earlier Burrow has a cluster of the same name and labels"
    elif past or cluster is None:
        kind, state, note = "err", "not exposed", lacks if behind else "there is no recent reading"
    elif behind:
        kind, state, note = "warn", "behind", lacks
    elif cluster.expires_at >= outcome.expires_at and not missing(cluster):
        kind, state, note = "ok", "up to date", ""
    elif cluster.expires_at < outcome.expires_at:
        kind, state, note = "err", "stale", "the last poll could not read it"
    else:
        kind, state, note = "warn", "in part", missing(cluster)
    return ClusterRow(name, past or cluster, kind, state, note, is_past=past is not None)


def counted(cluster: Cluster) -> str:
    """Return how many groups are shown and listed, and why the rest is not shown."""
    shown, listed = len(cluster.groups), cluster.listed_groups
    if shown == listed:
        return f"{shown:,} group{'s' * (shown != 1)}"
    counts = Counter(cluster.absent_groups.values())
    reasons = [f"{count:,} {REASONS[Absence(reason)]}" for reason, count in counts.items()]
    return f"{shown:,} of {listed:,} groups" + (f": {', '.join(reasons)}" if reasons else "")


def missing(cluster: Cluster) -> str:
    """Return why groups of a cluster are missing or stale."""
    unreadable, held, hidden = cluster.unreadable_groups, cluster.held_groups, cluster.hidden_groups
    notes = [f"{unreadable:,} groups could not be read"] if unreadable else []
    notes += [f"{held:,} groups held back: Burrow may not have read their commits yet"] if held else []
    notes += [f"max_commit_age hides groups with lag: {shortened(hidden)}"] if hidden else []
    notes += ["contradictory responses: several Burrows behind one address?"] if cluster.contradicts else []
    return "; ".join(notes)


def shortened(names: Sequence[str], most: int = 5) -> str:
    """Return names on one line, truncated if there are many."""
    return ", ".join(names[:most]) + (f" and {len(names) - most:,} more" if len(names) > most else "")
