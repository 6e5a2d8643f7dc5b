"""Why a group that someone asks for is not shown: the one reason that is true."""

from __future__ import annotations

from burrow_exporter.polling.absent import MOST, Absence
from burrow_exporter.status.view import Place, View

WHY = {
    Absence.OWN: "This is Burrow's own group, with which it reads __consumer_offsets; a filter leaves that topic out.",
    Absence.NOT_FOUND: "Burrow lists the group but no longer knows any commit of it: they have all expired.",
    Absence.NAME: "A filter leaves the group out by its name (--filter.group-include, --filter.group-exclude).",
    Absence.TOPIC: "A filter leaves out all of its topics (--filter.topic-include, --filter.topic-exclude).",
    Absence.COMMIT_AGE: "All of its commits are older than --filter.max-commit-age.",
    Absence.SHARD: "Another shard of the exporter has it (--shard.index).",
    Absence.UNREADABLE: "Burrow lists the group, but the exporter has not been able to read it.",
    Absence.HELD: "Burrow lists the group, but may not have read all of its commits yet. It is shown once Burrow has.",
}


def why_missing(view: View, burrow: str, cluster: str, name: str) -> str:
    """Return why a group of a cluster of a Burrow is not shown."""
    place = view.place(burrow, cluster) if burrow in view.burrows else None
    return why_not_in(place, name) if place else why_not_read(view, burrow, cluster)


def why_not_read(view: View, burrow: str, cluster: str) -> str:
    """Return why nothing of a cluster is shown."""
    snapshot = view.snapshots.get(burrow)
    if burrow not in view.burrows:
        return "The exporter is not configured to poll a Burrow of this name."
    if snapshot is None:
        return "This Burrow has not been polled yet."
    if cluster in snapshot.refused:
        return "An earlier Burrow in the configuration has a cluster of this name, and this one is refused."
    if cluster not in snapshot.names():
        return "This Burrow does not list a cluster of this name, or a filter leaves it out (--filter.cluster-exclude)."
    return "The exporter has read nothing of this cluster yet."


def why_not_in(place: Place, name: str) -> str:
    """Return why a group is not among those of a cluster."""
    absent = place.cluster.absent_groups
    if name in absent:
        return WHY[Absence(absent[name])]
    if place.cluster.name in place.snapshot.outcome.behind:
        return "Burrow has not read all commits of this cluster yet."
    if len(absent) >= MOST:
        return f"Either Burrow does not list the group, or it is one of more than {MOST:,} that are left out."
    if place.is_past:
        return "Burrow did not list the group when the exporter last read this cluster."
    return "Burrow does not list a group of this name: it never committed, was deleted, or its offsets have expired."
