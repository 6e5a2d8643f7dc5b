"""What retention deletes before a consumer group reads it, and the lag that brokers of MSK tell themselves."""

from __future__ import annotations

from grafana.burrow_dashboards import signals
from grafana.burrow_dashboards.dashboards import Section
from grafana.burrow_dashboards.panels import Look, Query, over_time
from grafana.burrow_dashboards.statuses import USED

NO_LOG_START = "No JMX exporter of this cluster's brokers is scraped, or its targets lack the label cluster."
SECONDS_TO_LOSS = f"partition:burrow_kafka_consumer_partition:seconds_to_loss{{{signals.GROUP_TOPICS}}}"


def retention() -> Section:
    """Return what retention has deleted, or is about to, before the group read it."""
    lost = f"sum by (topic) ({signals.lost()})"
    left = f"{signals.partition_lag(by='topic')} - {lost} and {lost} > 0"
    return Section(
        "Retention",
        [
            over_time(
                Look(
                    "Messages lost",
                    "Messages that were deleted before the group read them, and where there are any, what is left to "
                    "read of the lag: Burrow counts both. As of two minutes ago. Needs the brokers' JMX.",
                    "short",
                    6,
                    9,
                    NO_LOG_START,
                ),
                Query(lost, "{{topic}}: lost"),
                Query(left, "{{topic}}: can still be read"),
            ),
            over_time(
                Look(
                    "Retention used",
                    "Share of what the logs hold that the group has not read, of the partition where it is largest. At "
                    "100 % messages are deleted unread. Needs the brokers' JMX.",
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
                    "When retention reaches the group's committed offset at the present speeds. A gap: it comes no "
                    "nearer. Needs the brokers' JMX, and the rules in loss.yaml.",
                    "s",
                    6,
                    9,
                    "Retention comes no nearer to the group. Without JMX that is not known: see Messages lost.",
                ),
                Query(f"min by (topic) ({SECONDS_TO_LOSS})", "{{topic}}"),
            ),
            over_time(
                Look(
                    "Lag beside MSK's own",
                    "Unread messages of each topic, by the exporter and by MSK's brokers (SumOffsetLag of their JMX). "
                    "MSK has none while a group rebalances.",
                    "short",
                    6,
                    9,
                    "No broker of MSK is scraped.",
                ),
                Query(signals.msk_lag("SumOffsetLag"), "{{topic}}: MSK"),
                Query(
                    f"{signals.partition_lag(by='topic')} and {signals.msk_lag('SumOffsetLag')}", "{{topic}}: exporter"
                ),
            ),
        ],
    )
