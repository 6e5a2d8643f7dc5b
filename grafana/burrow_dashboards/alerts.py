"""Firing alerts: as a table, and as annotations."""

from __future__ import annotations

from grafana_foundation_sdk.builders import table
from grafana_foundation_sdk.builders.dashboard import AnnotationQuery

from grafana.burrow_dashboards import signals
from grafana.burrow_dashboards.links import GROUP, RUNBOOK, from_row
from grafana.burrow_dashboards.panels import DATA_SOURCE, Look
from grafana.burrow_dashboards.statuses import BLUE, DURATION, ORANGE, RED, words
from grafana.burrow_dashboards.tables import Cell, Column, Label, rows

LABELS = "alertname, cluster, consumer_group, topic, team, instance"
ANY = 'cluster=~"$cluster|", consumer_group=~".*($filter).*", team=~"$team|"'
"""Alerts of the chosen clusters, groups and teams, and those without these labels, such as the exporter's own."""
SEVERITY = words({3: ("critical", RED), 2: ("warning", ORANGE), 1: ("other", BLUE)})


def firing(width: int, height: int) -> table.Panel:
    """Return a table of firing alerts."""
    look = Look(
        "Firing alerts",
        "The most severe first. Click an alert for its runbook, a group for its partitions. 'Runbook' is the group's "
        "own, from the policy. 'Active for' includes the time during which the alert was pending.",
        "short",
        width,
        height,
        empty="No alert is firing.",
    )
    return rows(look, columns(), sort_by=["Severity", "Active for"])


def columns() -> list[Cell]:
    """Return the columns of the table."""
    by_severity = enumerate(('severity!~"critical|warning"', 'severity="warning"', 'severity="critical"'), 1)
    severity = " or ".join(f"{code} * {alerts(f'{ANY}, {matcher}')}" for code, matcher in by_severity)
    active = f"time() - max by ({LABELS}) (ALERTS_FOR_STATE{{{ANY}}}) and {alerts(ANY)}"
    page = f"max by (cluster, consumer_group, runbook_url) (burrow_kafka_consumer_runbook_info{{{signals.GROUPS}}})"
    to_group = from_row(GROUP, cluster="Cluster", consumer_group="Consumer group")
    return [
        Column("Severity", severity, "none", 90, words=SEVERITY, filled=True),
        Label("alertname", "Alert", 260, RUNBOOK),
        Label("consumer_group", "Consumer group", None, to_group),
        Label("cluster", "Cluster", 120),
        Label("topic", "Topic", 180),
        Label("team", "Team", 100),
        Label("instance", "Instance", 150),
        Column("Active for", active, DURATION, 120),
        Label("runbook_url", "Runbook", 220, "${__value.raw}", empty=" "),
        Column("Own", f"{alerts(ANY)} * on ({signals.GROUP}) group_left (runbook_url) {page}", hidden=True),
    ]


def alerts(matchers: str, at: str = "") -> str:
    """Return the firing alerts that have labels."""
    return f'max by ({LABELS}) (ALERTS{{alertstate="firing", {matchers}}}{at})'


def of_alerts(matchers: str) -> AnnotationQuery:
    """Return an annotation for the moment in which alerts that have labels begin to fire."""
    made = AnnotationQuery().name("Alerts").datasource(DATA_SOURCE).icon_color(RED)
    made.expr(f"{alerts(matchers)} unless {alerts(matchers, ' offset 1m')}")
    return made.title_format("{{alertname}}").text_format("{{consumer_group}} {{topic}} {{instance}}")


def of_owner_changes() -> AnnotationQuery:
    """Return an annotation for the moment in which partitions of the group begin to change hands."""
    metric = f"burrow_kafka_consumer_owner_changes_total{{{signals.ONE_GROUP}}}"
    now, before = (f"max by ({signals.GROUP}) (increase({metric}[1m]{at})) > 0" for at in ("", " offset 1m"))
    made = AnnotationQuery().name("Owner changes").datasource(DATA_SOURCE).icon_color(BLUE)
    made.expr(f"{now} unless {before}")
    return made.title_format("Owner change").text_format("Partitions moved from one member to another.")
