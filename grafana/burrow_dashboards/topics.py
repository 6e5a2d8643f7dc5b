"""Topics: what is produced, who consumes it, and whether a partition gets more than its share."""

from __future__ import annotations

from grafana.burrow_dashboards import signals, variables
from grafana.burrow_dashboards.dashboards import Section, dashboard
from grafana.burrow_dashboards.links import GROUP, TOPICS, from_row, from_series
from grafana.burrow_dashboards.panels import MESSAGES_A_SECOND, Look, Query, bars, figure, over_time
from grafana.burrow_dashboards.statuses import DURATION, GREEN, LAG_SECONDS, ORANGE, PARTITION_STATUS, RED, Step
from grafana.burrow_dashboards.tables import Cell, Column, Label, rows

CLUSTER, TOPIC = signals.ONE_CLUSTER, signals.ONE_TOPIC
READER = "consumer_group"
HOT = 2
"""From how many times the mean of its topic a partition is hot."""
HEAT: tuple[Step, ...] = ((None, GREEN), (1.5, ORANGE), (HOT, RED))
TO_TOPIC = from_series("Show this topic", TOPICS, "cluster", labels=["topic"])
TO_GROUP = from_series("Show this group", GROUP, "cluster", labels=["consumer_group"])
NO_READER = "Burrow knows no group that reads this topic."


def all_topics() -> Section:
    """Return the topics of the cluster: the busiest, and hot partitions wherever they are."""
    written = signals.produced(CLUSTER)
    busiest = Look(
        "Production, the ten busiest topics",
        "Messages a second produced, over 5 minutes: the ten topics with the most at the end of the time range.",
        MESSAGES_A_SECOND,
        12,
        9,
        links=[TO_TOPIC],
        decimals=1,
    )
    table = Look(
        "Topics",
        "The 50 busiest topics of the cluster, by production over 5 minutes. 'Groups' counts those that have committed "
        "on partition 0.",
        "short",
        12,
        9,
    )
    chosen = f"topk(50, {written})"
    read_by = signals.topic_status(f'{CLUSTER}, partition=~"0|"', f"topic, {READER}")
    cells: list[Cell] = [
        Label("topic", "Topic", None, from_row(TOPICS, "cluster", topic="Topic")),
        Column("Production", chosen, MESSAGES_A_SECOND, 110, decimals=1),
        Column("Partitions", among_topics(f"count by (topic) ({each_partition()})", chosen), "none", 100),
        Column("Groups", among_topics(f"count by (topic) ({read_by})", chosen), "none", 100),
    ]
    return Section(
        "Topics of the cluster",
        [
            over_time(
                busiest,
                Query(
                    signals.worst_now(written, signals.produced(CLUSTER, at=" @ end()"), "topic"),
                    "{{topic}}",
                ),
                beside=True,
            ),
            rows(table, cells, sort_by=["Production"]),
        ],
    )


def each_partition() -> str:
    """Return the log end of each partition of the cluster."""
    return signals.merged("burrow_kafka_topic_partition_offset", signals.PARTITION, CLUSTER)


def among_topics(expression: str, chosen: str) -> str:
    """Return an expression for the topics that another one has chosen."""
    return signals.among(expression, chosen, "topic")


def summary() -> Section:
    """Return the chosen topic in four figures."""
    readers = f"count({signals.topic_status(TOPIC, READER)})"
    return Section(
        "Topic $topic",
        [
            figure(
                Look("Production", "Messages a second produced, over 5 minutes.", MESSAGES_A_SECOND, 6, 4, decimals=1),
                Query(signals.produced(TOPIC), "produced"),
                spark=True,
            ),
            figure(
                Look("Partitions", "Partitions of the topic.", "none", 6, 4, "unknown"),
                Query(
                    f"count({signals.merged('burrow_kafka_topic_partition_offset', signals.PARTITION, TOPIC)})",
                    "partitions",
                ),
            ),
            figure(
                Look("Groups", "Consumer groups that have committed on the topic.", "none", 6, 4, "none"),
                Query(readers, "groups"),
            ),
            figure(
                Look(
                    "Worst time lag",
                    "Age of the oldest unread message of any group.",
                    DURATION,
                    6,
                    4,
                    "no group",
                    steps=LAG_SECONDS,
                ),
                Query(f"max({signals.partition_lag_seconds(TOPIC, READER)})", "seconds"),
                spark=True,
            ),
        ],
    )


def readers() -> Section:
    """Return the groups that read the topic, and how far behind each is."""
    table = Look(
        "Groups that read the topic",
        "Every group that has committed on the topic. Status and time lag are those of its worst partition.",
        "short",
        24,
        8,
        empty=NO_READER,
    )
    seconds, lag = signals.partition_lag_seconds(TOPIC, READER), signals.partition_lag(TOPIC, READER)
    url = from_row(GROUP, "cluster", consumer_group="Consumer group")
    cells: list[Cell] = [
        Column(
            "Status",
            signals.topic_status(TOPIC, READER),
            "none",
            90,
            words=PARTITION_STATUS,
            filled=True,
        ),
        Label(READER, "Consumer group", None, url),
        Column("Time lag", seconds, DURATION, 130, steps=LAG_SECONDS),
        Column("Lag", lag, "short"),
        Column(
            "Consumption", signals.among(signals.consumed(TOPIC, READER), lag, READER), MESSAGES_A_SECOND, decimals=1
        ),
        Column(
            "Partitions",
            f"count by ({READER}) (max by ({READER}, partition) (burrow_kafka_topic_partition_status{{{TOPIC}}}))",
            "none",
        ),
    ]
    speed = Look(
        "Production against consumption",
        "Messages a second produced to the topic and consumed by each group, over 5 minutes: the ten groups with the "
        "most time lag.",
        MESSAGES_A_SECOND,
        8,
        10,
        links=[TO_GROUP],
    )
    behind = Look(
        "Time lag per group",
        "The ten groups with the most time lag at the end of the time range.",
        DURATION,
        8,
        10,
        empty=NO_READER,
        steps=LAG_SECONDS,
        links=[TO_GROUP],
    )
    left = Look(
        "Lag per group",
        "The ten groups with the most unread messages at the end of the time range.",
        "short",
        8,
        10,
        empty=NO_READER,
        links=[TO_GROUP],
    )
    furthest = signals.partition_lag_seconds(TOPIC, READER, " @ end()")
    most = signals.partition_lag(TOPIC, READER, " @ end()")
    return Section(
        "",
        [
            rows(table, cells, sort_by=["Time lag"]),
            over_time(
                speed,
                Query(signals.produced(TOPIC), "produced"),
                Query(signals.worst_now(signals.consumed(TOPIC, READER), furthest, READER), "{{consumer_group}}"),
            ),
            over_time(behind, Query(signals.worst_now(seconds, furthest, READER), "{{consumer_group}}")),
            over_time(left, Query(signals.worst_now(lag, most, READER), "{{consumer_group}}")),
        ],
    )


def hot() -> Section:
    """Return partitions that get more than the others of their topic."""
    share = Look(
        "Production per partition, against the topic's mean",
        "Production of each partition as a multiple of the topic's mean, over 10 minutes: the 20 partitions with the "
        "most. Far above 1, a few keys get most of the messages, or the producers' partitioner does not spread them.",
        "none",
        12,
        13,
        empty="Almost nothing is produced to this topic, or the exporter's --metrics.granularity is not partition.",
        steps=HEAT,
        decimals=2,
    )
    table = Look(
        "Hot partitions of the cluster",
        f"Partitions of any topic that get more than {HOT} times the mean of their topic, over 10 minutes.",
        "short",
        12,
        13,
        empty=f"No partition is known to get more than {HOT} times the mean of its topic.",
    )
    chosen = f"topk(50, ({signals.heat(CLUSTER)}) > {HOT})"
    cells: list[Cell] = [
        Label("topic", "Topic", None, from_row(TOPICS, "cluster", topic="Topic")),
        Label("partition", "Partition", 90, number=True),
        Column("Times the mean", chosen, "none", 130, steps=HEAT, decimals=1),
        Column(
            "Production",
            signals.among(signals.produced(CLUSTER, signals.PARTITION, signals.TREND), chosen, signals.PARTITION),
            MESSAGES_A_SECOND,
            decimals=1,
        ),
    ]
    return Section(
        "Hot partitions",
        [
            bars(share, Query(f"sort_desc(topk(20, {signals.heat(TOPIC)}))", "partition {{partition}}")),
            rows(table, cells, sort_by=["Times the mean"]),
        ],
    )


def build() -> str:
    """Return the dashboard as JSON."""
    return dashboard(
        TOPICS,
        "Burrow / Topics",
        "What is produced to topics, which groups read them and how far behind each is, and hot partitions.",
        [variables.cluster(), variables.topic()],
        [all_topics(), summary(), readers(), hot()],
    )
