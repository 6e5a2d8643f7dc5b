"""What retention deletes before a consumer group reads it, and the lag that MSK's brokers measure."""

from __future__ import annotations

from grafana.burrow_dashboards import signals
from grafana.burrow_dashboards.dashboards import Section
from grafana.burrow_dashboards.panels import Look, Query, over_time
from grafana.burrow_dashboards.statuses import DURATION, USED

NO_LOG_START = "No JMX exporter of this cluster's brokers is scraped, or its targets lack the label cluster."
SECONDS_TO_LOSS = f"partition:burrow_kafka_consumer_partition:seconds_to_loss{{{signals.GROUP_TOPICS}}}"


def retention() -> Section:
    """Return what retention has deleted before the group read it, and what it is about to delete."""
    lost = f"sum by (topic) ({signals.lost()})"
    left = f"{signals.partition_lag(by='topic')} - {lost} and {lost} > 0"
    return Section(
        "Retention",
        [
            over_time(
                Look(
                    "Messages lost",
                    "Messages deleted before the group read them, and the rest of the lag, which can still be read. "
                    "Burrow's lag includes both. As of two minutes ago. Needs the brokers' JMX.",
                    "short",
                    6,
                    9,
                    NO_LOG_START,
                ),
                Query(lost, "{{topic}}: lost"),
                Query(left, "{{topic}}: still readable"),
            ),
            over_time(
                Look(
                    "Retention used",
                    "Unread share of the log, in the partition where it is largest. At 100 % retention deletes unread "
                    "messages. Needs the brokers' JMX.",
                    "percentunit",
                    6,
                    9,
                    NO_LOG_START,
                    steps=USED,
                ),
                Query(f"max by (topic) ({signals.retention_used()})", "{{topic}}"),
            ),
            over_time(
                Look(
                    "Time to loss",
                    "Time until retention reaches the group's committed offset if both move on as they do now. In a "
                    "gap it comes no nearer. Needs the brokers' JMX and the rules in loss.yaml.",
                    DURATION,
                    6,
                    9,
                    "Retention comes no nearer to the group, or Messages lost has no data.",
                ),
                Query(f"min by (topic) ({SECONDS_TO_LOSS})", "{{topic}}"),
            ),
            over_time(
                Look(
                    "Lag beside MSK's own",
                    "Unread messages of each topic, by MSK's brokers (SumOffsetLag of their JMX) and by the exporter. "
                    "MSK has no value while a group rebalances.",
                    "short",
                    6,
                    9,
                    "No MSK broker is scraped.",
                ),
                Query(signals.msk_lag("SumOffsetLag"), "{{topic}}: MSK"),
                Query(
                    f"{signals.partition_lag(by='topic')} and {signals.msk_lag('SumOffsetLag')}", "{{topic}}: exporter"
                ),
            ),
        ],
    )
