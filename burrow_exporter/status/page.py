"""The status pages: every group at a glance, without Grafana. Rendered from a view; no I/O.

``/`` lists the groups, ``/group`` the partitions of a group, ``/topic`` the groups that read a topic. All parameters
are in the query string, so that names may contain any character. Links are relative, so that a reverse proxy may add a
prefix.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cache
from typing import Generic, NamedTuple, TypeVar
from urllib.parse import urlencode

from jinja2 import Environment, PackageLoader, StrictUndefined

from burrow_exporter import __version__
from burrow_exporter.log import one_line
from burrow_exporter.status import words
from burrow_exporter.status.burrows import cluster_row, counted
from burrow_exporter.status.hints import hint
from burrow_exporter.status.links import alertmanager, grafana, runbook
from burrow_exporter.status.missing import why_missing
from burrow_exporter.status.query import parse_query
from burrow_exporter.status.rows import (
    MARKS,
    GroupRow,
    by_section,
    counts,
    kind_of,
    partition_rows,
)
from burrow_exporter.status.topics import topic_row
from burrow_exporter.status.view import View

OVERVIEW_PATH, GROUP_PATH, TOPIC_PATH = "/", "/group", "/topic"
GROUPS_A_PAGE = 50
PARTITIONS_A_PAGE = 100
LONGEST_FILTER = 200
SHORTEST_REFRESH = 5
PAUSED = "off"

Row = TypeVar("Row")


class Page(NamedTuple):
    """A response: HTTP status, HTML in UTF-8, and the refresh interval in seconds (0: none)."""

    status: int
    body: bytes
    refresh: int


@dataclass(frozen=True, slots=True)
class Sheet(Generic[Row]):
    """One page of ``total`` rows: ``number``, from 1, of ``pages``."""

    rows: Sequence[Row]
    number: int
    pages: int
    total: int


def render(path: str, query: str, view: View) -> Page:
    """Return a page; ``query`` is encoded as in the URL."""
    given = parse_query(query)
    make = {GROUP_PATH: group_page, TOPIC_PATH: topic_page}.get(path, overview_page)
    status, body = make(given, view)
    return Page(status, body, 0 if given.get("refresh") == PAUSED else refresh_of(view))


def refresh_of(view: View) -> int:
    """Return the refresh interval in seconds."""
    return max(SHORTEST_REFRESH, round(view.interval))


def overview_page(given: Mapping[str, str], view: View) -> tuple[int, bytes]:
    """Return the page of groups that match the text ``q`` and the mark ``status``."""
    text = given.get("q", "").strip()[:LONGEST_FILTER]
    mark = given.get("status") if given.get("status") in MARKS else None
    team = given.get("team", "")
    every = view.groups()
    matching = [row for row in every if matches(row, text, team)] if text or team else every
    rows = [row for row in matching if row.has(mark)] if mark else matching
    sections = by_section(rows)
    return 200, page(
        "overview.html",
        view,
        given,
        burrows=view.burrow_rows(),
        sheet=worst_first(sections, given.get("page", "")),
        sections={section: len(those) for section, those in sections.items()},
        counts=counts(matching),
        matching=len(matching),
        every=len(every),
        text=text,
        mark=mark,
        team=team,
        has_teams=any(row.team for row in every),
        has_clusters=len({(row.burrow, row.cluster) for row in every}) > 1,
    )


def group_page(given: Mapping[str, str], view: View) -> tuple[int, bytes]:
    """Return the page of the group given by ``burrow``, ``cluster`` and ``name``, or why it is not shown."""
    burrow, wanted, name = (given.get(key, "") for key in ("burrow", "cluster", "name"))
    place = view.place(burrow, wanted) if burrow in view.burrows else None
    row = view.group(place, name) if place else None
    if not (place and row):
        return 404, missing_page("group", given, view)
    rows = partition_rows(row.group, place.cluster)
    worst: dict[str, tuple[int, float, int, str, int]] = {}
    for each in rows:
        topic = each.partition.topic
        worst[topic] = min(worst.get(topic, each.urgency()), each.urgency())
    rows.sort(key=lambda each: (worst[each.partition.topic], each.partition.topic, each.urgency()))
    status = words.worst_status(row)
    if status == "OK" and any(each.is_ahead for each in rows):
        status = "AHEAD"
    return 200, page(
        "group.html",
        view,
        given,
        row=row,
        burrow=next(each for each in view.burrow_rows() if each.name == place.burrow),
        cluster=cluster_row(place.snapshot, wanted, None if place.is_past else place.cluster),
        advice=words.ADVICE.get(status),
        grafana=grafana(view.grafana_url, "burrow-group", cluster=wanted, consumer_group=name),
        silence=alertmanager(view.alertmanager_url, cluster=wanted, consumer_group=name),
        runbook=runbook(view.grafana_url, row.terms),
        sheet=sheet(rows, given.get("page", ""), PARTITIONS_A_PAGE),
    )


def topic_page(given: Mapping[str, str], view: View) -> tuple[int, bytes]:
    """Return the page of the topic given by ``burrow``, ``cluster`` and ``name``, or that it is not found."""
    burrow, wanted, name = (given.get(key, "") for key in ("burrow", "cluster", "name"))
    place = view.place(burrow, wanted) if burrow in view.burrows else None
    found = topic_row(view, place, name) if place else None
    if not found:
        return 404, missing_page("topic", given, view)
    return 200, page(
        "topic.html",
        view,
        given,
        topic=found,
        sheet=sheet(found.readers, given.get("page", ""), GROUPS_A_PAGE),
        grafana=grafana(view.grafana_url, "burrow-topics", cluster=wanted, topic=name),
    )


def missing_page(what: str, given: Mapping[str, str], view: View) -> bytes:
    """Return the page that says why a group or topic is not shown."""
    burrow, cluster, name = (given.get(key, "") for key in ("burrow", "cluster", "name"))
    why = why_missing(view, burrow, cluster, name) if what == "group" else ""
    return page("missing.html", view, given, what=what, burrow=burrow, cluster=cluster, name=name, why=why)


def matches(row: GroupRow, text: str, team: str = "") -> bool:
    """Return whether the names of a group contain every word of ``text``, ignoring case, and the team matches.

    The names are those of group, cluster, Burrow and team.
    """
    if not text and not team:
        return True
    names = one_line(f"{row.group.name} {row.cluster} {row.burrow} {row.team}").casefold()
    return team in ("", row.team) and all(word in names for word in text.casefold().split())


def worst_first(sections: Mapping[str, Sequence[GroupRow]], wanted: str) -> Sheet[GroupRow]:
    """Return the ``wanted`` page of groups, sorting only the sections on it."""
    total = sum(map(len, sections.values()))
    number, pages = turned(wanted, total, GROUPS_A_PAGE)
    rows: list[GroupRow] = []
    left = (number - 1) * GROUPS_A_PAGE
    for those in sections.values():
        if left < len(those) and len(rows) < GROUPS_A_PAGE:
            rows += sorted(those, key=GroupRow.urgency)[left : left + GROUPS_A_PAGE - len(rows)]
        left = max(0, left - len(those))
    return Sheet(rows, number, pages, total)


def sheet(rows: Sequence[Row], wanted: str, size: int) -> Sheet[Row]:
    """Return the ``wanted`` page of ``rows``."""
    number, pages = turned(wanted, len(rows), size)
    return Sheet(rows[(number - 1) * size : number * size], number, pages, len(rows))


def turned(wanted: str, total: int, size: int) -> tuple[int, int]:
    """Return the number of the ``wanted`` page, or of the nearest, and the number of pages.

    The first one if ``wanted`` is not a number.
    """
    pages = max(1, -(-total // size))
    number = int(wanted) if wanted.isascii() and wanted.isdigit() and len(wanted) < len(str(10**9)) else 1
    return min(max(number, 1), pages), pages


def page(template: str, view: View, given: Mapping[str, str], **values: object) -> bytes:
    """Return a rendered template in UTF-8."""
    refresh = PAUSED if given.get("refresh") == PAUSED else ""
    common = {
        "view": view,
        "given": defaultdict(str, given),
        "now": view.now,
        "data_of": data_of(view),
        "metrics": "./" + view.telemetry_path.lstrip("/"),
        "back": link("./", **{key: given.get(key, "") for key in ("q", "status", "team")}, refresh=refresh),
        "refresh": refresh,
        "seconds": refresh_of(view),
        "other": "?" + urlencode({**given, "refresh": "" if refresh else PAUSED}, errors="replace"),
    }
    return environment().get_template(template).render(common | values).encode(errors="backslashreplace")


def data_of(view: View) -> float | None:
    """Return the age of the data as Unix seconds: the oldest last successful poll of all Burrows."""
    ends = [snapshot.outcome.last_good_at for snapshot in view.snapshots.values()]
    return min((end for end in ends if end is not None), default=None)


@cache
def environment() -> Environment:
    """Return the templates with their filters; created for the first page."""
    made = Environment(
        loader=PackageLoader("burrow_exporter.status"),
        autoescape=True,
        auto_reload=False,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    made.filters |= {
        "kind": kind_of,
        "shown": one_line,
        "number": "{:,}".format,
        "duration": words.duration,
        "clock": clock,
        "capitalize_first": lambda text: text[:1].upper() + text[1:],
        "counted": counted,
    }
    made.globals |= {"version": __version__, "marks": MARKS, "link": link, "words": words, "by_section": by_section}
    made.globals["hint"] = hint
    return made


def clock(moment: float) -> str:
    """Return a moment, in Unix seconds, as the time of day."""
    return datetime.fromtimestamp(moment, UTC).strftime("%H:%M:%S UTC")


def link(path: str, **values: object) -> str:
    """Return a relative link with a query of the non-empty values."""
    query = urlencode({name: value for name, value in values.items() if value}, errors="replace")
    return path if path == "./" and not query else f"{path}?{query}"
