"""Production and consumption of a group's topics, and when it has caught up."""

from __future__ import annotations

from grafana.burrow_dashboards import signals
from grafana.burrow_dashboards.dashboards import Section
from grafana.burrow_dashboards.panels import MESSAGES_A_SECOND, Look, Query, figure, over_time
from grafana.burrow_dashboards.statuses import CATCH_UP, DURATION


def pace() -> Section:
    """Return what is produced, what is consumed, and when the group has caught up."""
    of_cluster = 'cluster="$cluster", topic=~"$topic"'
    speed = Look(
        "Production against consumption",
        "Messages a second produced to the topics and consumed by the group, over 5 minutes. While consumption stays "
        "below production, the group falls behind. Both come from offsets, so markers of transactions count as "
        "messages.",
        MESSAGES_A_SECOND,
        9,
        9,
    )
    until = Look(
        "Time to catch up per topic",
        "Time until the lag of each topic is 0 if it keeps shrinking as in the last 10 minutes: the 10 topics with the "
        "most lag.",
        DURATION,
        6,
        9,
        "unknown",
        CATCH_UP,
    )
    each, whole = (f"burrow_kafka_consumer_{name}_lag{{{signals.GROUP_TOPICS}}}" for name in ("partition", "topic"))
    slope = signals.coarser(
        "topic",
        f"sum by (topic) (max by ({signals.PARTITION}) (deriv({each}[{signals.TREND}])))",
        f"max by (topic) (deriv({whole}[{signals.TREND}]))",
    )
    most = f"topk(10, {signals.partition_lag(by='topic')})"
    offsets = Look(
        "Current offset and log end per topic",
        "Sum of the committed offsets and of the log end offsets over the partitions of each topic. A flat line means "
        "that nothing is consumed, or produced; a drop means that the group rewound.",
        "locale",
        9,
        9,
    )
    return Section(
        "Production, consumption and offsets",
        [
            over_time(
                speed,
                Query(signals.produced(of_cluster), "{{topic}}: produced"),
                Query(signals.consumed(), "{{topic}}: consumed"),
            ),
            figure(until, Query(signals.catch_up(most, slope), "{{topic}}")),
            over_time(
                offsets,
                Query(signals.committed(by="topic"), "{{topic}}: current offset"),
                Query(signals.log_end("topic"), "{{topic}}: log end offset"),
                from_zero=False,
            ),
        ],
    )
