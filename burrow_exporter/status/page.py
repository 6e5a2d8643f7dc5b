"""The status page: what is known of every group, for a human without Grafana. Text made from snapshots, no I/O.

``/`` lists Burrows, clusters and groups, ``/group`` the partitions of one group. All that a page depends on stands in
its query string, so that names may hold anything. Links are relative: a reverse proxy may put a prefix before them.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cache
from typing import Generic, TypeVar
from urllib.parse import parse_qs, urlencode

from jinja2 import Environment, PackageLoader, StrictUndefined

from burrow_exporter import __version__
from burrow_exporter.log import one_line
from burrow_exporter.snapshot import Snapshot
from burrow_exporter.status.rows import (
    RANKS,
    GroupRow,
    PartitionRow,
    burrow_row,
    cluster_row,
    group_row,
    kind_of,
    partition_rows,
)

OVERVIEW_PATH, GROUP_PATH = "/", "/group"
GROUPS_A_PAGE = 50
PARTITIONS_A_PAGE = 100
LONGEST_FILTER = 200
UNITS = (("d", 86400), ("h", 3600), ("m", 60), ("s", 1))

Row = TypeVar("Row")


@dataclass(frozen=True, slots=True)
class View:
    """What there is to show, and when: ``now`` in Unix seconds, ``monotonic`` as readings expire.

    ``burrows`` are all that are configured, also those of which there is no snapshot yet.
    """

    burrows: Sequence[str]
    snapshots: Mapping[str, Snapshot]
    telemetry_path: str
    now: float
    monotonic: float


@dataclass(frozen=True, slots=True)
class Sheet(Generic[Row]):
    """Some of ``total`` rows: the page of this ``number``, from 1, out of so many ``pages``."""

    rows: Sequence[Row]
    number: int
    pages: int
    total: int


def render(path: str, query: str, view: View) -> tuple[int, bytes]:
    """Return the status of the answer and the page in UTF-8; ``query`` is the URL's, still encoded."""
    given = {name: values[-1] for name, values in parse_qs(query, keep_blank_values=True).items()}
    return group_page(given, view) if path == GROUP_PATH else overview_page(given, view)


def overview_page(given: Mapping[str, str], view: View) -> tuple[int, bytes]:
    """Return the page of all groups that match the text ``q``, of one kind of status where ``status`` names it."""
    text = given.get("q", "").strip()[:LONGEST_FILTER]
    kind = given.get("status") if given.get("status") in RANKS else None
    snapshots = [view.snapshots[burrow] for burrow in view.burrows if burrow in view.snapshots]
    every = [
        group_row(snapshot, cluster.name, group)
        for snapshot in snapshots
        for cluster in snapshot.clusters
        for group in cluster.groups
    ]
    matching = [row for row in every if matches(row, text)] if text else every
    rows = [row for row in matching if kind in (None, kind_of(row.group.status))]
    return 200, page(
        "overview.html",
        view,
        burrows=[burrow_row(burrow, view.snapshots.get(burrow), view.monotonic) for burrow in view.burrows],
        sheet=sheet(sorted(rows, key=GroupRow.urgency), given.get("page", ""), GROUPS_A_PAGE),
        counts=Counter(kind_of(row.group.status) for row in matching),
        matching=len(matching),
        every=len(every),
        text=text,
        kind=kind,
    )


def group_page(given: Mapping[str, str], view: View) -> tuple[int, bytes]:
    """Return the page of the group that ``burrow``, ``cluster`` and ``name`` tell, or that there is none."""
    burrow, wanted, name = (given.get(key, "") for key in ("burrow", "cluster", "name"))
    snapshot = view.snapshots.get(burrow)
    cluster = next((each for each in snapshot.clusters if each.name == wanted), None) if snapshot else None
    group = next((each for each in cluster.groups if each.name == name), None) if cluster else None
    if not (snapshot and group):
        return 404, page("missing.html", view, burrow=burrow, cluster=wanted, name=name)
    rows = sorted(partition_rows(group, cluster), key=PartitionRow.urgency)
    return 200, page(
        "group.html",
        view,
        row=group_row(snapshot, wanted, group),
        burrow=burrow_row(burrow, snapshot, view.monotonic),
        cluster=cluster_row(snapshot, wanted, cluster),
        sheet=sheet(rows, given.get("page", ""), PARTITIONS_A_PAGE),
    )


def matches(row: GroupRow, text: str) -> bool:
    """Tell whether the names of a group, of its cluster or of its Burrow hold each word of ``text``, whatever case."""
    names = one_line(f"{row.group.name} {row.cluster} {row.burrow}").casefold()
    return all(word in names for word in text.casefold().split())


def sheet(rows: Sequence[Row], wanted: str, size: int) -> Sheet[Row]:
    """Return the page of ``rows`` that is ``wanted``, the nearest there is, or the first where that is no number."""
    pages = max(1, -(-len(rows) // size))
    number = int(wanted) if wanted.isascii() and wanted.isdigit() and len(wanted) < len(str(10**9)) else 1
    number = min(max(number, 1), pages)
    return Sheet(rows[(number - 1) * size : number * size], number, pages, len(rows))


def page(template: str, view: View, **values: object) -> bytes:
    """Return a template filled in, in UTF-8."""
    moment = datetime.fromtimestamp(view.now, UTC).strftime("%Y-%m-%d %H:%M:%S UTC")
    common = {"now": view.now, "moment": moment, "metrics": "./" + view.telemetry_path.lstrip("/")}
    return environment().get_template(template).render(common | values).encode(errors="backslashreplace")


@cache
def environment() -> Environment:
    """Return the templates and what they may call; made when the first page is asked for."""
    made = Environment(
        loader=PackageLoader("burrow_exporter.status"),
        autoescape=True,
        auto_reload=False,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    made.filters |= {"kind": kind_of, "shown": one_line, "number": "{:,}".format, "duration": duration}
    made.globals |= {"version": __version__, "kinds": tuple(RANKS), "link": link}
    return made


def link(path: str, **values: object) -> str:
    """Return a relative link with a query of those values that are not empty; on another page the rest is kept."""
    return f"{path}?{urlencode({name: value for name, value in values.items() if value}, errors='replace')}"


def duration(seconds: float) -> str:
    """Return seconds as a human reads them: the two largest units, such as ``2m 5s`` or ``3h``; below 0 they are 0."""
    if 0 < seconds < 1:
        return "<1s"
    left = max(0, int(seconds))
    larger = next((index for index, (_, size) in enumerate(UNITS) if left >= size), len(UNITS) - 1)
    parts = []
    for unit, size in UNITS[larger : larger + 2]:
        count, left = divmod(left, size)
        parts += [f"{count}{unit}"] if count else []
    return " ".join(parts) or "0s"
