"""Consumer group: one group, its topics and partitions."""

from __future__ import annotations

from grafana.burrow_dashboards import signals, variables
from grafana.burrow_dashboards.dashboards import Section, dashboard
from grafana.burrow_dashboards.links import GROUP, TOPICS, from_row, from_series
from grafana.burrow_dashboards.panels import MESSAGES_A_SECOND, Look, Query, figure, over_time, states
from grafana.burrow_dashboards.retention import retention
from grafana.burrow_dashboards.statuses import (
    CATCH_UP,
    GROUP_STATUS,
    LAG_SECONDS,
    NONE_IS_GOOD,
    PARTITION_STATUS,
    RED,
    STATUS_OR_MUTED,
    WOULD_HELP,
)
from grafana.burrow_dashboards.tables import Cell, Column, Label, rows

ONE, TOPIC_OF = signals.ONE_GROUP, signals.GROUP_TOPICS
INFO = "burrow_kafka_consumer_partition_info"
COMMITTED_AT = "burrow_kafka_consumer_partition_commit_timestamp_seconds"
FILLED = "burrow_kafka_consumer_partition_complete_ratio"
TO_TOPIC = from_series("Show this topic", TOPICS, "cluster", labels=["topic"])
MUTED = "burrow_kafka_consumer_alerts_muted"
LATE = "late from here on"
GONE = "Burrow does not list this group: it is gone, or another one was chosen."
NOT_LISTED = "not listed by Burrow"
NO_OWNERS = "Burrow knows no owner"
NO_PARTITIONS = (
    "Burrow does not list this group, or the exporter publishes no series by partition (--metrics.granularity)."
)
MEMBERS, UNOWNED = "burrow_kafka_consumer_members", "burrow_kafka_consumer_unowned_partitions"
NO_RULES = "Prometheus does not evaluate the rules of advice.yaml."


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
                    "Burrow's judgement of the group: the worst of its partitions.",
                    "none",
                    3,
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
                    "Since when the group is not OK; 0 while it is. Known for 6 hours back.",
                    "s",
                    3,
                    4,
                    "as long as seen",
                ),
                Query(signals.not_ok_for(ONE, "cluster", "6h", "1m"), "not OK for"),
            ),
            figure(
                Look(
                    "Time lag",
                    "Age of the oldest message that the group has not read.",
                    "s",
                    3,
                    4,
                    "unknown",
                    steps=LAG_SECONDS,
                ),
                Query(signals.lag_seconds(ONE, "cluster"), "seconds"),
                spark=True,
            ),
            figure(
                Look("Lag", "Messages that the group has not read, on all partitions.", "short", 3, 4, "unknown"),
                Query(lag, "messages"),
                spark=True,
            ),
            figure(
                Look(
                    "Caught up in",
                    "How long it takes until nothing is left to read, if it goes on as in the last 10 minutes.",
                    "s",
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
                    "Partitions that Burrow judges WARN, STOP, STALL or REWIND.",
                    "none",
                    3,
                    4,
                    "unknown",
                    steps=NONE_IS_GOOD,
                ),
                Query(bad, "not OK"),
                spark=True,
            ),
            figure(
                Look(
                    "Number of partitions",
                    "Partitions of the group, those without a commit included.",
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
                    "Members that own a partition, by host and client id. Burrow knows none of groups with the new "
                    "protocol (KIP-848).",
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
    """Return how the group and its partitions were judged."""
    ever = f"max_over_time(burrow_kafka_topic_partition_status{{{TOPIC_OF}}}[$__range] @ end())"
    worst = f"topk(20, max by ({signals.PARTITION}) ({ever}))"
    return Section(
        "Status",
        [
            states(
                Look(
                    "Status of the group",
                    "Burrow's judgement of the group over time, and when the policy muted its alerts, and why.",
                    "none",
                    24,
                    5,
                    NOT_LISTED,
                    STATUS_OR_MUTED,
                ),
                Query(signals.status(ONE, "cluster"), "group"),
                Query(f"4 * {signals.merged(MUTED, 'reason', ONE)}", "alerts: {{reason}}"),
            ),
            states(
                Look(
                    "Status of each topic partition",
                    "Burrow's judgement of each partition: OK, WARN (lag grows), STOP (no commits), STALL (commits "
                    "without reading on), REWIND (offsets went back). At most 20, those that were worst in the range.",
                    "none",
                    24,
                    11,
                    NO_PARTITIONS,
                    PARTITION_STATUS,
                ),
                Query(signals.among(signals.partition_status(), worst, signals.PARTITION), "{{topic}} / {{partition}}"),
            ),
        ],
    )


def lag_over_time() -> Section:
    """Return how far behind the group is on each topic."""
    seconds = Look(
        "Time lag per topic",
        "Age of the oldest unread message of each topic. Above the red line the group is late: max_lag_seconds of the "
        "policy, or 5 minutes without one.",
        "s",
        12,
        8,
        links=[TO_TOPIC],
    )
    messages = Look("Lag per topic", "Unread messages of each topic.", "short", 12, 8, links=[TO_TOPIC])
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
        ],
    )


def partitions() -> Section:
    """Return the table of partitions."""
    look = Look(
        "Partitions",
        "Every partition of the group, the furthest behind first. 'Window' is how much of what Burrow judges by is "
        "filled: at 0 the group has never committed on the partition, and its lag is unknown. Owner and client need "
        "--metrics.partition-info of the exporter.",
        "short",
        24,
        11,
        empty=NO_PARTITIONS,
    )
    filled = signals.merged(FILLED, signals.PARTITION, TOPIC_OF)
    read = signals.among(signals.consumed(TOPIC_OF, signals.PARTITION, "5m"), signals.committed(), signals.PARTITION)
    cells: list[Cell] = [
        Column("Status", signals.partition_status(), "none", 90, words=PARTITION_STATUS, filled=True),
        Label("topic", "Topic", None, from_row(TOPICS, "cluster", topic="Topic")),
        Label("partition", "Partition", 80, number=True),
        Column("Lag", signals.partition_lag(), "short", 90),
        Column("Time lag", signals.partition_lag_seconds(), "s", 120, steps=LAG_SECONDS),
        Column("Current offset", signals.committed(), "none", 120),
        Column("Log end", signals.log_end(), "none", 120),
        Column("Reads", read, MESSAGES_A_SECOND, 100, decimals=1),
        Column("Last commit", signals.age(COMMITTED_AT, signals.PARTITION, TOPIC_OF), "s", 105),
        Column("Window", f"{filled} or ({signals.partition_status()} > bool 0)", "percentunit", 80),
        Label("owner", "Owner", 150),
        Label("client_id", "Client", 180),
        Column("Known", f"max by ({signals.PARTITION}, owner, client_id) ({INFO}{{{TOPIC_OF}}})", "none", hidden=True),
    ]
    return Section("Lag per partition", [rows(look, cells, sort_by=["Lag"])])


def pace() -> Section:
    """Return what is written, what is read, and when the two meet."""
    of_cluster = 'cluster="$cluster", topic=~"$topic"'
    speed = Look(
        "Production against consumption",
        "Messages a second written to the topics, and read by the group. Where the second stays below the first, it "
        "falls behind. Both come from offsets: transactions count their markers as messages.",
        MESSAGES_A_SECOND,
        8,
        9,
        step="1m",
    )
    until = Look(
        "Time to catch up per topic",
        "How long it takes until nothing is left to read, if it goes on as in the last 10 minutes. A gap: the lag of "
        "the topic does not shrink, or would take more than a day.",
        "s",
        8,
        9,
        empty="No lag shrinks: all is read, or falls behind.",
        step="1m",
    )
    each, whole = (f"burrow_kafka_consumer_{name}_lag{{{TOPIC_OF}}}" for name in ("partition", "topic"))
    slope = signals.coarser(
        "topic",
        f"sum by (topic) (max by ({signals.PARTITION}) (deriv({each}[{signals.TREND}])))",
        f"max by (topic) (deriv({whole}[{signals.TREND}]))",
    )
    shrinking = f"(-{slope} > 0)"
    offsets = Look(
        "Current offset and log end per topic",
        "Sum of the offsets that the group has committed, and of the log ends, over the partitions of each topic. A "
        "line that goes flat has stopped; one that drops is read again.",
        "locale",
        8,
        9,
    )
    return Section(
        "Production, consumption and offsets",
        [
            over_time(
                speed,
                Query(signals.produced(of_cluster), "{{topic}}: written"),
                Query(signals.consumed(), "{{topic}}: read"),
            ),
            over_time(until, Query(f"({signals.partition_lag(by='topic')} / {shrinking}) < 86400", "{{topic}}")),
            over_time(
                offsets,
                Query(signals.committed(by="topic"), "{{topic}}: current offset"),
                Query(signals.log_end("topic"), "{{topic}}: log end"),
                from_zero=False,
            ),
        ],
    )


def members() -> Section:
    """Return who is in the group, and whether it rebalances."""
    who = Look(
        "Members over time",
        "Members that own a partition, and partitions that nobody owns. A gap: Burrow knows no owner.",
        "none",
        12,
        7,
        NO_OWNERS,
    )
    changes = Look(
        "Changes of owner",
        "Partitions that went from one member to another in 5 minutes. Where this goes on for 10 minutes, the group "
        "keeps rebalancing.",
        "none",
        12,
        7,
        NO_OWNERS,
    )
    changed = f"burrow_kafka_consumer_owner_changes_total{{{ONE}}}"
    return Section(
        "Members",
        [
            over_time(
                who,
                Query(signals.merged(MEMBERS, "cluster", ONE), "members"),
                Query(signals.merged(UNOWNED, "cluster", ONE), "partitions without owner"),
            ),
            over_time(changes, Query(f"max by (cluster) (increase({changed}[5m]))", "partitions")),
        ],
    )


def help_needed() -> Section:
    """Return what would help the group, and how many members it needs."""
    advice = Look(
        "What would help",
        "More consumers, more partitions, or faster ones: by production, consumption, members, and where the lag is. "
        "docs/autoscaling.md explains each.",
        "none",
        12,
        7,
        NO_RULES,
        WOULD_HELP,
    )
    number = Look(
        "Members wanted",
        "Members that the group needs to keep up and to clear its lag in time, never more than its partitions.",
        "none",
        12,
        7,
        NO_RULES,
    )
    return Section(
        "What would help",
        [
            states(advice, Query(signals.advice(ONE, "cluster"), "advice")),
            over_time(
                number,
                Query(signals.merged(signals.REPLICAS_WANTED, "cluster", ONE), "wanted"),
                Query(signals.merged("group:burrow_kafka_consumer_members:latest", "cluster", ONE), "members"),
                Query(signals.merged("burrow_kafka_consumer_partitions", "cluster", ONE), "partitions"),
            ),
        ],
    )


def build() -> str:
    """Return the dashboard as JSON."""
    return dashboard(
        GROUP,
        "Burrow / Consumer group",
        "One consumer group: status of its partitions, lag, who owns what, and whether it catches up.",
        [variables.cluster(), variables.consumer_group(), variables.topics_of_group()],
        [summary(), status_over_time(), lag_over_time(), partitions(), pace(), members(), retention(), help_needed()],
    )
