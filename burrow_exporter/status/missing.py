"""Why a requested group is not shown."""

from __future__ import annotations

from burrow_exporter.polling.absent import MOST, Absence
from burrow_exporter.status.view import Place, View

WHY = {
    Absence.OWN: "This is Burrow's own group on __consumer_offsets, and a filter excludes that topic.",
    Absence.NOT_FOUND: "Burrow lists the group but has no commits for it: all of them have expired.",
    Absence.NAME: "A filter excludes the group by name (--filter.group-include, --filter.group-exclude).",
    Absence.TOPIC: "A filter excludes all of its topics (--filter.topic-include, --filter.topic-exclude).",
    Absence.COMMIT_AGE: "All of its commits are older than --filter.max-commit-age.",
    Absence.SHARD: "The group belongs to another shard of the exporter (--shard.index).",
    Absence.UNREADABLE: "Burrow lists the group, but the exporter has not been able to read it.",
    Absence.HELD: "Burrow lists the group but may not have read all of its commits yet. It is shown once Burrow has.",
}


def why_missing(view: View, burrow: str, cluster: str, name: str) -> str:
    """Return why a group of a cluster of a Burrow is not shown."""
    place = view.place(burrow, cluster) if burrow in view.burrows else None
    return why_not_in(place, name) if place else why_not_read(view, burrow, cluster)


def why_not_read(view: View, burrow: str, cluster: str) -> str:
    """Return why nothing of a cluster is shown."""
    snapshot = view.snapshots.get(burrow)
    if burrow not in view.burrows:
        return "No Burrow of this name is configured."
    if snapshot is None:
        return "This Burrow has not been polled yet."
    if cluster in snapshot.refused:
        return "The cluster is refused because an earlier Burrow in the configuration has a cluster of the same name."
    if cluster not in snapshot.names():
        return "This Burrow lists no cluster of this name, or a filter excludes it (--filter.cluster-exclude)."
    return "The exporter has not read this cluster yet."


def why_not_in(place: Place, name: str) -> str:
    """Return why a group is not among those of a cluster."""
    absent = place.cluster.absent_groups
    if name in absent:
        return WHY[Absence(absent[name])]
    if place.cluster.name in place.snapshot.outcome.behind:
        return "Burrow has not read all commits of this cluster yet."
    if len(absent) >= MOST:
        return f"Burrow does not list the group, or it is one of more than {MOST:,} that are excluded."
    if place.is_past:
        return "Burrow did not list the group when the exporter last read this cluster."
    return "Burrow lists no group of this name: it has never committed, was deleted, or its offsets have expired."
