"""From one level to the next, with what is chosen, and the time."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from grafana_foundation_sdk.builders.dashboard import DashboardLink
from grafana_foundation_sdk.models.dashboard import DashboardLinkType

TAG = "burrow"
OVERVIEW, GROUP, TOPICS, BROKERS, MONITORING = (
    f"burrow-{each}" for each in ("overview", "group", "topics", "brokers", "monitoring")
)
CLOUDWATCH = "burrow-cloudwatch"
"""Leads to the others; none leads to it, as most stacks do not have it."""
RUNBOOK = "/d/burrow-runbook"
"""The stack's dashboard of what to do about each alert; the mixin replaces it by ``runbookUrl``."""

TITLES = {
    OVERVIEW: "Overview",
    GROUP: "Consumer group",
    TOPICS: "Topics",
    BROKERS: "Brokers",
    MONITORING: "Monitoring itself",
}
OF_ONE_CLUSTER = {GROUP, TOPICS}
"""Where one cluster is chosen: it can be taken along, also to the overview, but not from there, where it may be all."""


def neighbours(uid: str) -> list[DashboardLink]:
    """Return links from a dashboard to the others, for the top of it."""
    return [neighbour(uid, other) for other in TITLES if other != uid]


def neighbour(uid: str, other: str) -> DashboardLink:
    """Return a link from a dashboard to another one that keeps data source and time, and the cluster if it is one."""
    kept = ("cluster",) if uid in OF_ONE_CLUSTER and other in {OVERVIEW, *OF_ONE_CLUSTER} else ()
    url = f"/d/{other}?" + "&".join(f"${{{name}:queryparam}}" for name in (*kept, "datasource"))
    return (
        DashboardLink(TITLES[other]).type(DashboardLinkType.LINK).icon("dashboard").url(url).keep_time(keep_time=True)
    )


def from_row(uid: str, *kept: str, **columns: str) -> str:
    """Return an address for the cells of a table.

    Variables take the value of a column, by its title; those ``kept`` are what they are here.
    """
    return address(uid, kept, {name: f'__data.fields["{title}"]' for name, title in columns.items()})


def from_series(title: str, uid: str, *kept: str, labels: Sequence[str]) -> DashboardLink:
    """Return a link from a series; variables take the value of the label of their name, or are ``kept``."""
    return DashboardLink(title).url(address(uid, kept, {name: f"__field.labels.{name}" for name in labels}))


def address(uid: str, kept: Sequence[str], values: Mapping[str, str]) -> str:
    """Return the address of a dashboard with variables set, or kept, and the data source and the time as they are."""
    chosen = [f"var-{name}=${{{value}:percentencode}}" for name, value in values.items()]
    chosen += [f"${{{name}:queryparam}}" for name in (*kept, "datasource")]
    return f"/d/{uid}?{'&'.join(chosen)}&${{__url_time_range}}"
