"""For moving over from CloudWatch: what MSK tells of a group and a topic there, beside what the exporter tells.

It is not among the others: the stack shows it only where CloudWatch is set up as a data source. Names and dimensions of
the metrics are those of MSK's developer guide, *Monitor consumer lags* and *Metrics for monitoring Standard brokers*.
"""

from __future__ import annotations

from dataclasses import replace

from grafana_foundation_sdk.builders import cloudwatch, timeseries
from grafana_foundation_sdk.builders.dashboard import TextBoxVariable
from grafana_foundation_sdk.models.cloudwatch import MetricEditorMode, MetricQueryType, QueryMode
from grafana_foundation_sdk.models.common import DataSourceRef
from grafana_foundation_sdk.models.dashboard import VariableOption

from grafana.burrow_dashboards import signals, variables
from grafana.burrow_dashboards.dashboards import Section, dashboard
from grafana.burrow_dashboards.links import CLOUDWATCH
from grafana.burrow_dashboards.panels import Look, Query, over_time

SOURCE = DataSourceRef("cloudwatch", "cloudwatch")
MIXED = DataSourceRef("datasource", "-- Mixed --")
ONE_TOPIC = f'{signals.ONE_GROUP}, topic="$topic"'
FREE = "CloudWatch has it at every level of monitoring, once a minute."
PAID = "CloudWatch has it at the level PER_TOPIC_PER_PARTITION alone, at a price for each partition."
DRAIN = (
    "CloudWatch estimates how long it takes to read all of it, the exporter tells the age of the first unread message."
)
EMPTY = "Nothing, of either: see that the names are right"


def told(letter: str, metric: str, statistic: str, label: str) -> cloudwatch.MetricsQuery:
    """Return a query to CloudWatch for a metric of the group on the topic; it may have more dimensions."""
    made = cloudwatch.MetricsQuery().ref_id(letter).datasource(SOURCE).id("")
    made.query_mode(QueryMode.METRICS).metric_query_type(MetricQueryType.SEARCH)
    made.metric_editor_mode(MetricEditorMode.BUILDER).region("default").namespace("AWS/Kafka").metric_name(metric)
    made.dimensions({"Cluster Name": "$msk_cluster", "Consumer Group": "$consumer_group", "Topic": "$topic"})
    return made.match_exact(match_exact=False).statistic(statistic).period("60").label(label).expression("")


def beside(look: Look, *ours: Query, theirs: cloudwatch.MetricsQuery) -> timeseries.Panel:
    """Return a panel with queries of ours and one of CloudWatch's."""
    return over_time(replace(look, step="1m"), *ours).datasource(MIXED).with_target(theirs)


def by_topic() -> Section:
    """Return the group's lag on the topic as a whole."""
    return Section(
        "Lag on the topic",
        [
            beside(
                Look("Lag in messages", f"Sum over the topic's partitions. {FREE}", "short", 12, 9, EMPTY),
                Query(signals.partition_lag(ONE_TOPIC, "topic"), "exporter"),
                Query(signals.msk_lag("SumOffsetLag"), "JMX, SumOffsetLag"),
                theirs=told("C", "SumOffsetLag", "Maximum", "CloudWatch, SumOffsetLag"),
            ),
            beside(
                Look("Lag in time", f"Of the partition furthest behind. {DRAIN} {FREE}", "s", 12, 9, EMPTY),
                Query(signals.partition_lag_seconds(ONE_TOPIC, "topic"), "exporter"),
                Query(signals.msk_lag("EstimatedMaxTimeLag"), "JMX, EstimatedMaxTimeLag"),
                theirs=told("C", "EstimatedMaxTimeLag", "Maximum", "CloudWatch, EstimatedMaxTimeLag"),
            ),
        ],
    )


def by_partition() -> Section:
    """Return the group's lag on each partition of the topic."""
    partition = "${PROP('Dim.Partition')}"
    return Section(
        "Lag on each partition",
        [
            beside(
                Look("Lag in messages by partition", f"Messages not read yet. {PAID}", "short", 12, 9, EMPTY),
                Query(signals.partition_lag(ONE_TOPIC, "partition"), "exporter {{partition}}"),
                theirs=told("B", "OffsetLag", "Maximum", f"CloudWatch {partition}"),
            ),
            beside(
                Look("Lag in time by partition", f"{DRAIN} {PAID}", "s", 12, 9, EMPTY),
                Query(signals.partition_lag_seconds(ONE_TOPIC, "partition"), "exporter {{partition}}"),
                theirs=told("B", "EstimatedTimeLag", "Maximum", f"CloudWatch {partition}"),
            ),
        ],
    )


def express() -> Section:
    """Return what Express brokers have in place of disks and under-replicated partitions."""
    nothing = "Nothing: these are Standard brokers, or the name of the cluster is another"

    def panel(title: str, description: str, unit: str, *queries: cloudwatch.MetricsQuery) -> timeseries.Panel:
        made = over_time(Look(title, description, unit, 12, 9, nothing, step="1m")).datasource(SOURCE)
        for each in queries:
            made.with_target(each.dimensions({"Cluster Name": "$msk_cluster"}))
        return made

    broker = "${PROP('Dim.Broker ID')}"
    return Section(
        "Express brokers",
        [
            panel(
                "Storage used",
                "Bytes that all brokers store, which MSK bills. Express brokers have no disks to fill.",
                "bytes",
                told("A", "StorageUsed", "Maximum", "${PROP('Dim.Cluster Name')}"),
            ),
            panel(
                "Throttle times",
                "How long brokers hold answers back as their throughput is used up. More than 0 for long: larger or "
                "more brokers, or less traffic. Needs the level PER_BROKER, at a price.",
                "ms",
                told("A", "ProduceThrottleTime", "Average", f"produce, broker {broker}"),
                told("B", "FetchThrottleTime", "Average", f"fetch, broker {broker}"),
            ),
        ],
    )


def build() -> str:
    """Return the dashboard as JSON."""
    topic = variables.choice("topic", "Topic", f"burrow_kafka_topic_partition_status{{{signals.ONE_GROUP}}}")
    name = TextBoxVariable("msk_cluster").label("Name in CloudWatch").default_value("*")
    return dashboard(
        CLOUDWATCH,
        "Burrow / CloudWatch",
        "Lag as CloudWatch has it, beside the exporter's. For the time in which one moves from the one to the other.",
        [
            variables.cluster(),
            variables.consumer_group(),
            topic,
            name.current(VariableOption(text="*", value="*")),
        ],
        [by_topic(), by_partition(), express()],
    )
