"""Consumer group: one group, its topics and partitions."""

from __future__ import annotations

from grafana.burrow_dashboards import alerts, signals, variables
from grafana.burrow_dashboards.advice import advice
from grafana.burrow_dashboards.dashboards import Section, dashboard
from grafana.burrow_dashboards.links import GROUP, TOPICS, from_row, from_series
from grafana.burrow_dashboards.members import MEMBERS, NO_OWNERS, members
from grafana.burrow_dashboards.pace import pace
from grafana.burrow_dashboards.panels import MESSAGES_A_SECOND, Look, Query, figure, over_time, states
from grafana.burrow_dashboards.retention import retention
from grafana.burrow_dashboards.statuses import (
    CATCH_UP,
    DURATION,
    GROUP_STATUS,
    LAG_SECONDS,
    NONE_IS_GOOD,
    NOT_OK_FOR,
    PARTITION_STATUS,
    RED,
    STATUS_OR_MUTED,
)
from grafana.burrow_dashboards.tables import Cell, Column, Label, rows

ONE, TOPIC_OF = signals.ONE_GROUP, signals.GROUP_TOPICS
INFO = "burrow_kafka_consumer_partition_info"
COMMITTED_AT = "burrow_kafka_consumer_partition_commit_timestamp_seconds"
FILLED = "burrow_kafka_consumer_partition_complete_ratio"
TO_TOPIC = from_series("Show this topic", TOPICS, "cluster", labels=["topic"])
MUTED = "burrow_kafka_consumer_alerts_muted"
LATE = "limit"
GONE = "Burrow does not list this group."
NO_PARTITIONS = "Burrow does not list this group, or the exporter's --metrics.granularity is not partition."


def summary() -> Section:
    """Return the state of the group in eight figures."""
    status = signals.status(ONE, "cluster")
    lag, growth = signals.lag(ONE, "cluster"), signals.growth(ONE, "cluster")
    bad = f"sum({signals.partition_status(ONE)} > bool 1)"
    return Section(
        "",
        [
            figure(
                Look(
                    "Status",
                    "Status of the group in Burrow: that of its worst partition.",
                    "none",
                    2,
                    4,
                    GONE,
                    GROUP_STATUS,
                    filled=True,
                ),
                Query(status, "status"),
            ),
            figure(
                Look(
                    "Not OK for",
                    "Time since the group was last OK, looking back 6 hours; 0 while it is OK.",
                    DURATION,
                    3,
                    4,
                    GONE,
                    NOT_OK_FOR,
                ),
                Query(signals.not_ok_for(ONE, "cluster", "6h", "1m"), "not OK for"),
            ),
            figure(
                Look(
                    "Time lag",
                    "Age of the oldest unread message.",
                    DURATION,
                    3,
                    4,
                    "unknown",
                    steps=LAG_SECONDS,
                ),
                Query(signals.lag_seconds(ONE, "cluster"), "seconds"),
                spark=True,
            ),
            figure(
                Look("Lag", "Unread messages on all partitions.", "short", 3, 4, "unknown"),
                Query(lag, "messages"),
                spark=True,
            ),
            figure(
                Look(
                    "Caught up in",
                    "Time until the lag is 0 if it keeps shrinking as in the last 10 minutes.",
                    DURATION,
                    3,
                    4,
                    "unknown",
                    CATCH_UP,
                ),
                Query(signals.catch_up(lag, growth), "caught up in"),
            ),
            figure(
                Look(
                    "Partitions not OK",
                    "Partitions whose status in Burrow is WARN, STOP, STALL or REWIND.",
                    "none",
                    4,
                    4,
                    "unknown",
                    steps=NONE_IS_GOOD,
                ),
                Query(bad, "not OK"),
                spark=True,
            ),
            figure(
                Look(
                    "All partitions",
                    "Partitions of the group, including those without a committed offset.",
                    "none",
                    3,
                    4,
                    GONE,
                ),
                Query(signals.merged("burrow_kafka_consumer_partitions", "cluster", ONE), "partitions"),
            ),
            figure(
                Look(
                    "Members",
                    "Members that own a partition, by host and client ID. Burrow knows no members of groups that use "
                    "the new protocol (KIP-848).",
                    "none",
                    3,
                    4,
                    NO_OWNERS,
                ),
                Query(signals.merged(MEMBERS, "cluster", ONE), "members"),
            ),
        ],
    )


def status_over_time() -> Section:
    """Return the status of the group and of its partitions over time."""
    ever = f"max_over_time(burrow_kafka_topic_partition_status{{{TOPIC_OF}}}[$__range] @ end())"
    worst = f"topk(20, max by ({signals.PARTITION}) ({ever}))"
    by_topic = signals.merged(signals.TOPIC_STATUS, "topic", TOPIC_OF)
    return Section(
        "Status",
        [
            states(
                Look(
                    "Status of the group",
                    "Status of the group over time, and when and why the policy muted its alerts.",
                    "none",
                    24,
                    5,
                    GONE,
                    STATUS_OR_MUTED,
                ),
                Query(signals.status(ONE, "cluster"), "group"),
                Query(f"4 * {signals.merged(MUTED, 'reason', ONE)}", "alerts: {{reason}}"),
            ),
            states(
                Look(
                    "Status of each topic partition",
                    "OK, WARN (the lag grows), STOP (no commits), STALL (commits without progress), REWIND (the "
                    "committed offset went back). The 20 partitions with the worst status in the time range, "
                    "or topics where the exporter publishes no partitions.",
                    "none",
                    24,
                    11,
                    NO_PARTITIONS,
                    PARTITION_STATUS,
                ),
                Query(signals.among(signals.partition_status(), worst, signals.PARTITION), "{{topic}} / {{partition}}"),
                Query(f"{by_topic} unless on (topic) {signals.PARTITION_STATUS}{{{TOPIC_OF}}}", "{{topic}}"),
            ),
        ],
    )


def lag_over_time() -> Section:
    """Return how far behind the group is on each topic and partition."""
    seconds = Look(
        "Time lag per topic",
        "Age of the oldest unread message of each topic. The red line is the policy's max_lag_seconds (default: 5 "
        "minutes).",
        DURATION,
        12,
        8,
        links=[TO_TOPIC],
    )
    messages = Look("Lag per topic", "Unread messages of each topic.", "short", 12, 8, links=[TO_TOPIC])
    each = Look(
        "Lag per partition",
        "Unread messages of each partition: the 20 partitions with the most lag at the end of the time range.",
        "short",
        24,
        9,
        empty=NO_PARTITIONS,
        links=[TO_TOPIC],
    )
    of_partitions = signals.worst_now(
        signals.partition_lag(), signals.partition_lag(at=" @ end()"), signals.PARTITION, count=20
    )
    return Section(
        "Lag",
        [
            over_time(
                seconds,
                Query(signals.partition_lag_seconds(by="topic"), "{{topic}}"),
                Query(signals.limit(ONE, "cluster"), LATE),
                colors={LATE: RED},
            ),
            over_time(messages, Query(signals.partition_lag(by="topic"), "{{topic}}")),
            over_time(each, Query(of_partitions, "{{topic}} / {{partition}}"), beside=True),
        ],
    )


def partitions() -> Section:
    """Return the table of partitions."""
    look = Look(
        "Partitions",
        "Every partition of the group, the most lag first. 'Window' is how full Burrow's window of commits is: at 0 % "
        "the group has not committed on the partition, and its lag is unknown. 'Owner' and 'Client' need the "
        "exporter's --metrics.partition-info.",
        "short",
        24,
        11,
        empty=NO_PARTITIONS,
    )
    filled = signals.merged(FILLED, signals.PARTITION, TOPIC_OF)
    read = signals.among(signals.consumed(TOPIC_OF, signals.PARTITION), signals.committed(), signals.PARTITION)
    cells: list[Cell] = [
        Column("Status", signals.partition_status(), "none", 80, words=PARTITION_STATUS, filled=True),
        Label("topic", "Topic", None, from_row(TOPICS, "cluster", topic="Topic")),
        Label("partition", "Partition", 80, number=True),
        Column("Lag", signals.partition_lag(), "short", 75),
        Column("Time lag", signals.partition_lag_seconds(), DURATION, 95, steps=LAG_SECONDS),
        Column("Current offset", signals.committed(), "locale", 115),
        Column("Log end offset", signals.log_end(), "locale", 115),
        Column("Consumption", read, MESSAGES_A_SECOND, 115, decimals=1),
        Column("Last commit", signals.age(COMMITTED_AT, signals.PARTITION, TOPIC_OF), DURATION, 100),
        Column("Window", f"{filled} or ({signals.partition_status()} > bool 0)", "percentunit", 75),
        Label("owner", "Owner", 110),
        Label("client_id", "Client", 160),
        Column("Known", f"max by ({signals.PARTITION}, owner, client_id) ({INFO}{{{TOPIC_OF}}})", "none", hidden=True),
    ]
    return Section("Partitions now", [rows(look, cells, sort_by=["Lag"])])


def build() -> str:
    """Return the dashboard as JSON."""
    return dashboard(
        GROUP,
        "Burrow / Consumer group",
        "One consumer group: the status and lag of its partitions, their owners, and whether it catches up.",
        [variables.cluster(), variables.consumer_group(), variables.topics_of_group()],
        [summary(), status_over_time(), lag_over_time(), partitions(), pace(), members(), retention(), advice()],
        [alerts.of_alerts(signals.ONE_GROUP), alerts.of_owner_changes()],
    )
