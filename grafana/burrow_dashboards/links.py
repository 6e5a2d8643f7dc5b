"""From one level to the next, with what is chosen, and the time."""

from __future__ import annotations

from grafana_foundation_sdk.builders.dashboard import DashboardLink
from grafana_foundation_sdk.models.dashboard import DashboardLinkType

TAG = "burrow"
KEPT = "${datasource:queryparam}&${__url_time_range}"
OVERVIEW, GROUP, TOPICS, BROKERS, MONITORING = (
    f"burrow-{each}" for each in ("overview", "group", "topics", "brokers", "monitoring")
)


def neighbours() -> DashboardLink:
    """Return links to the other dashboards, at the top of each."""
    made = DashboardLink("Burrow").type(DashboardLinkType.DASHBOARDS).tags([TAG])
    return made.keep_time(keep_time=True).include_vars(include_vars=True)


def from_row(uid: str, **variables: str) -> str:
    """Return an address for the cells of a table; variables take the value of a column, by its title."""
    chosen = "&".join(f'var-{name}=${{__data.fields["{title}"]:percentencode}}' for name, title in variables.items())
    return f"/d/{uid}?{chosen}&{KEPT}"


def from_series(title: str, uid: str, *labels: str) -> DashboardLink:
    """Return a link from a series; variables take the value of the label of their name."""
    chosen = "&".join(f"var-{name}=${{__field.labels.{name}:percentencode}}" for name in labels)
    return DashboardLink(title).url(f"/d/{uid}?{chosen}&{KEPT}")


def here(uid: str, *variables: str) -> str:
    """Return an address with what is chosen here."""
    return f"/d/{uid}?" + "".join(f"${{{name}:queryparam}}&" for name in variables) + KEPT
