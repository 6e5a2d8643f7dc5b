"""Members of a consumer group, and whether it rebalances."""

from __future__ import annotations

from grafana.burrow_dashboards import signals
from grafana.burrow_dashboards.dashboards import Section
from grafana.burrow_dashboards.panels import Look, Query, over_time

MEMBERS, UNOWNED = "burrow_kafka_consumer_members", "burrow_kafka_consumer_unowned_partitions"
NO_OWNERS = "Burrow knows no owner"


def members() -> Section:
    """Return how many members the group has, and how often partitions change hands."""
    who = Look(
        "Members over time",
        "Members that own a partition, and partitions without an owner. In a gap Burrow knows no owner.",
        "none",
        12,
        7,
        NO_OWNERS,
    )
    changes = Look(
        "Owner changes",
        "Partitions that moved from one member to another within 5 minutes. If this lasts for 10 minutes, the group "
        "keeps rebalancing.",
        "none",
        12,
        7,
        NO_OWNERS,
    )
    changed = f"burrow_kafka_consumer_owner_changes_total{{{signals.ONE_GROUP}}}"
    return Section(
        "Members",
        [
            over_time(
                who,
                Query(signals.merged(MEMBERS, "cluster", signals.ONE_GROUP), "members"),
                Query(signals.merged(UNOWNED, "cluster", signals.ONE_GROUP), "partitions without owner"),
            ),
            over_time(changes, Query(f"max by (cluster) (increase({changed}[5m]))", "partitions")),
        ],
    )
