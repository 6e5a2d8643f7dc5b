"""The JSON API: the rows of the status pages as JSON. Documented in docs/api.md and docs/openapi.yaml. No I/O."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, Final
from urllib.parse import quote, unquote, urlencode

from burrow_exporter.status import words
from burrow_exporter.status.missing import why_missing
from burrow_exporter.status.page import matches
from burrow_exporter.status.query import parse_query
from burrow_exporter.status.rows import MARKS, GroupRow, PartitionRow, partition_rows
from burrow_exporter.status.topics import topic_row
from burrow_exporter.status.view import View

API_PATH: Final = "/api/v1/"
LIMIT: Final = 100
LARGEST_LIMIT: Final = 1000

Result = tuple[int, dict[str, Any]]


def respond(path: str, query: str, view: View) -> tuple[int, bytes]:
    """Return HTTP status and JSON for a path below ``API_PATH``; path and query as in the URL."""
    given = parse_query(query)
    answer: dict[str, Any]
    match [unquote(part) for part in path.removeprefix(API_PATH).split("/")]:
        case ["clusters"]:
            status, answer = 200, {"clusters": clusters(view)}
        case ["groups"]:
            status, answer = groups(given, view)
        case ["groups", cluster, name]:
            status, answer = group(given, cluster, name, view)
        case ["topics", cluster, name]:
            status, answer = topic(given, cluster, name, view)
        case _:
            status, answer = 404, {"error": "Not found."}
    return status, json.dumps(answer).encode()


def clusters(view: View) -> list[dict[str, Any]]:
    """Return all clusters of all Burrows with their state."""
    return [
        {
            "burrow": burrow.name,
            "cluster": row.name,
            "state": row.state,
            "note": row.note,
            "groups": len(row.cluster.groups) if row.cluster else 0,
            "listed_groups": row.cluster.listed_groups if row.cluster else None,
            "listed_topics": row.cluster.listed_topics if row.cluster else None,
            "last_commit": moment(row.cluster.last_commit if row.cluster else None),
            "burrow_lag": row.cluster.burrow_lag if row.cluster else None,
            "last_good_poll": moment(burrow.snapshot.outcome.last_good_at if burrow.snapshot else None),
            "last_known": row.is_past,
        }
        for burrow in view.burrow_rows()
        for row in burrow.clusters
    ]


def groups(given: Mapping[str, str], view: View) -> Result:
    """Return a page of matching groups, sorted by Burrow, cluster and name, and the query of the next page."""
    mark, limit = given.get("status", "").lower(), given.get("limit", str(LIMIT))
    if mark not in ("", *MARKS):
        return 400, {"error": f"status must be one of {', '.join(MARKS)}"}
    if not (limit.isascii() and limit.isdigit() and 0 < int(limit[:9]) <= LARGEST_LIMIT):
        return 400, {"error": f"limit must be a number from 1 to {LARGEST_LIMIT}"}
    after = tuple(map(unquote, given["after"].split("/"))) if "after" in given else ()
    text, team = given.get("q", "").strip(), given.get("team", "")
    found = [
        row
        for row in view.groups()
        if key(row) > after
        and (not mark or row.has(mark))
        and matches(row, text, team)
        and given.get("burrow", row.burrow) == row.burrow
        and given.get("cluster", row.cluster) == row.cluster
    ]
    found.sort(key=key)
    rows, rest = found[: int(limit)], found[int(limit) :]
    last = "/".join(quote(name, safe="", errors="replace") for name in key(rows[-1])) if rest else ""
    follow = "?" + urlencode({**given, "after": last}, errors="replace") if rest else None
    return 200, {"groups": [summary(row, view.now) for row in rows], "next": follow}


def key(row: GroupRow) -> tuple[str, str, str]:
    """Return the sort key of groups, stable across pages."""
    return row.burrow, row.cluster, row.group.name


def group(given: Mapping[str, str], cluster: str, name: str, view: View) -> Result:
    """Return a group with its partitions, worst first; by default from the first Burrow that has it."""
    named = [given["burrow"]] if "burrow" in given else view.burrows
    for place in filter(None, (view.place(burrow, cluster) for burrow in named)):
        if row := view.group(place, name):
            partitions = sorted(partition_rows(row.group, place.cluster), key=PartitionRow.urgency)
            return 200, summary(row, view.now) | {"partitions": [partition(each) for each in partitions]}
    return 404, {"error": why(view, named, cluster, name)}


def why(view: View, burrows: Sequence[str], cluster: str, name: str) -> str:
    """Return why a group is not shown, by the Burrow that lists its cluster."""
    listing = [each for each in burrows if each in view.snapshots and cluster in view.snapshots[each].names()]
    return why_missing(view, (listing or [*burrows, ""])[0], cluster, name)


def topic(given: Mapping[str, str], cluster: str, name: str, view: View) -> Result:
    """Return a topic with the groups that read it, most lagging first."""
    named = [given["burrow"]] if "burrow" in given else view.burrows
    for place in filter(None, (view.place(burrow, cluster) for burrow in named)):
        if found := topic_row(view, place, name):
            readers = [
                {
                    "group": each.row.group.name,
                    "status": each.status,
                    "lag": each.lag,
                    "lag_seconds": each.seconds,
                    "max_lag_seconds": each.row.max_seconds,
                    "partitions": each.partitions,
                }
                for each in found.readers
            ]
            return 200, {
                "burrow": place.burrow,
                "cluster": cluster,
                "topic": name,
                "log_end_offsets": list(found.topic.offsets) if found.topic else [],
                "read_at": moment(found.topic.read_at if found.topic else None),
                "produced_per_second": found.rate,
                "groups": readers,
                "last_known": place.is_past,
            }
    return 404, {"error": "Unknown topic: Burrow does not list it, or no exposed group reads it."}


def summary(row: GroupRow, now: float) -> dict[str, Any]:
    """Return a group as in the list."""
    going = words.trend(row, now)
    track, terms = row.track, row.terms
    return {
        "burrow": row.burrow,
        "cluster": row.cluster,
        "group": row.group.name,
        "status": row.status,
        "late": row.is_late,
        "cause": words.cause(row),
        "since": moment(track.since if track else None),
        "since_exact": bool(track and track.is_exact),
        "lag": row.lag,
        "lag_max": row.group.max_lag if row.lag is not None else None,
        "lag_seconds": row.seconds,
        "max_lag_seconds": row.max_seconds,
        "lag_per_second": going.rate if going else None,
        "catch_up_seconds": words.catch_up(row, going),
        "partition_count": row.partitions,
        "partitions_not_ok": row.not_ok,
        "partitions_unknown": len(row.group.uncommitted),
        "members": row.group.members,
        "unowned_partitions": row.group.unowned_partitions,
        "owner_changes": row.group.owner_changes,
        "team": row.team,
        "severity": terms.severity if terms else None,
        "muted": list(terms.muted) if terms else [],
        "read_at": moment(row.group.read_at),
        "stale": row.is_stale,
        "last_known": row.is_past,
    }


def partition(row: PartitionRow) -> dict[str, Any]:
    """Return a partition; unknown values are null."""
    read, end = row.partition, row.partition.end
    return {
        "topic": read.topic,
        "partition": read.partition,
        "status": row.status,
        "lag": read.current_lag if end else None,
        "lag_seconds": row.seconds,
        "committed_offset": end.offset if end else None,
        "log_end_offset": row.log_end,
        "ahead": row.is_ahead,
        "committed_at": moment(end.timestamp / 1000 if end else None),
        "complete": read.complete if end else 0.0,
        "host": row.host,
        "client_id": read.client_id,
    }


def moment(seconds: float | None) -> str | None:
    """Return Unix seconds in RFC 3339 format; null if missing or out of range."""
    try:
        return None if seconds is None else datetime.fromtimestamp(seconds, UTC).isoformat(timespec="seconds")
    except (OverflowError, ValueError, OSError):
        return None
