"""What would help a consumer group, and how many members it needs: what the rules in advice.yaml record."""

from __future__ import annotations

from grafana.burrow_dashboards import signals
from grafana.burrow_dashboards.dashboards import Section
from grafana.burrow_dashboards.members import MEMBERS
from grafana.burrow_dashboards.panels import Look, Query, over_time, states
from grafana.burrow_dashboards.statuses import WOULD_HELP

NO_RULES = "Prometheus does not evaluate the rules in advice.yaml."


def advice() -> Section:
    """Return what would help the group, and how many members it needs."""
    what = Look(
        "What would help",
        "More or faster consumers, or more partitions, judged by production, consumption, members and where the lag "
        "is. docs/autoscaling.md explains each answer.",
        "none",
        12,
        7,
        NO_RULES,
        WOULD_HELP,
    )
    number = Look(
        "Members wanted",
        "Members that the group needs to keep up and to clear its lag in time; never more than its partitions.",
        "none",
        12,
        7,
        NO_RULES,
    )
    wanted, current, most = (
        signals.merged(name, "cluster", signals.ONE_GROUP)
        for name in (signals.REPLICAS_WANTED, f"group:{MEMBERS}:latest", "burrow_kafka_consumer_partitions")
    )
    return Section(
        "What would help",
        [
            states(what, Query(signals.advice(signals.ONE_GROUP, "cluster"), "advice")),
            over_time(number, Query(wanted, "wanted"), Query(current, "members"), Query(most, "partitions")),
        ],
    )
