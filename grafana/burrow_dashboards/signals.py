"""Expressions over the exporter's metrics of groups, topics and partitions.

Offsets and lags are gauges that decrease when a topic is recreated or a group rewinds. ``rate`` would take that for a
counter's reset, so speeds use ``deriv``, clamped at 0 where only one direction makes sense.

Series are aggregated by the labels that the exporter sets, so that two exporters of the same Burrow count once.
"""

from __future__ import annotations

GROUP = "cluster, consumer_group"
PARTITION = "topic, partition"
TREND = "10m"
"""Range over which lag growth is measured: longer than the swing that commits and polls cause."""
SPEED = "5m"
"""Range over which speeds are measured, as in compose/rules/recording.yaml; one for all, so that panels agree."""

LIMIT_SECONDS = 300
"""From how many seconds on a lag is too old without a policy, as in compose/rules/recording.yaml."""

BOTTLENECK = "group:burrow_kafka_consumer:bottleneck"
REPLICAS_WANTED = "group:burrow_kafka_consumer:replicas_wanted"
ADVICE = ("none", "add_consumers", "add_partitions", "speed_up_consumers", "hot_partition", "fix_consumer")
"""What would help a group, by the label of the recording rule."""

PARTITION_STATUS, TOPIC_STATUS = "burrow_kafka_topic_partition_status", "burrow_kafka_consumer_topic_status"
CLUSTERS = 'cluster=~"$cluster"'
GROUPS = f'{CLUSTERS}, consumer_group=~".*($filter).*"'
POLICY = "burrow_kafka_consumer_policy_info"
ONE_GROUP = 'cluster="$cluster", consumer_group="$consumer_group"'
GROUP_TOPICS = f'{ONE_GROUP}, topic=~"$topic"'
ONE_CLUSTER = 'cluster="$cluster"'
ONE_TOPIC = 'cluster="$cluster", topic="$topic"'


def merged(metric: str, by: str, of: str, at: str = "") -> str:
    """Return a metric with the labels ``by`` only, ``of`` what its matchers select, ``at`` a modifier."""
    return of_team(f"max by ({by}) ({metric}{{{of}}}{at})", of, at)


def of_team(expression: str, of: str, at: str = "") -> str:
    """Return an expression over ``GROUPS`` without groups of other teams than those chosen; any other as it is.

    Groups without an entry in the policy belong to every choice.
    """
    others = f'{POLICY}{{{CLUSTERS}, team!~"$team"}}{at}'
    return f"({expression} unless on ({GROUP}) {others})" if of == GROUPS else expression


def status(of: str = GROUPS, by: str = GROUP) -> str:
    """Return the status of groups: 1 OK, 2 WARN, 3 ERR."""
    return merged("burrow_kafka_consumer_status", by, of)


def lag(of: str = GROUPS, by: str = GROUP) -> str:
    """Return the lag of groups in messages."""
    return merged("burrow_kafka_consumer_lag_total", by, of)


def lag_seconds(of: str = GROUPS, by: str = GROUP) -> str:
    """Return the lag of groups in seconds."""
    return merged("burrow_kafka_consumer_lag_seconds", by, of)


def limit(of: str = GROUPS, by: str = GROUP) -> str:
    """Return from how many seconds on the lag of groups is too old: by the policy, else as the rules have it."""
    by_policy = merged("burrow_kafka_consumer_lag_seconds_threshold", by, of)
    return f"({by_policy} or {lag_seconds(of, by)} * 0 + {LIMIT_SECONDS})"


def growth(of: str = GROUPS, by: str = GROUP, at: str = "") -> str:
    """Return how fast the lag of groups grows, in messages a second; below 0 it shrinks."""
    return of_team(f"max by ({by}) (deriv(burrow_kafka_consumer_lag_total{{{of}}}[{TREND}]{at}))", of, at)


def catch_up(amount: str, growing: str) -> str:
    """Return in how many seconds a lag will be 0 as it goes now; 0 without lag, -1 while it does not shrink."""
    return f"({amount} / (-({growing}) > 0)) or (({amount} > 0) * 0 - 1) or ({amount} == 0)"


def last_ok(of: str, by: str, window: str, step: str) -> str:
    """Return when groups were last OK (Unix seconds, to ``step``), if that was within ``window``."""
    return f"max_over_time(timestamp({status(of, by)} == 1)[{window}:{step}])"


def not_ok_for(of: str, by: str, window: str, step: str) -> str:
    """Return for how many seconds groups have not been OK; 0 for those that are, -1 beyond ``window``."""
    now = status(of, by)
    since = f"time() - {last_ok(of, by, window, step)}"
    return f"(({since} or {now} * 0 - 1) and {now} > 1) or (({now} == 1) * 0)"


def worst_now(expression: str, at_end: str, by: str = GROUP, count: int = 10) -> str:
    """Return those series of an expression that are largest at the end of the range: the same at every step."""
    return f"{expression} and on ({by}) topk({count}, {at_end})"


def worst_groups_now(metric: str) -> str:
    """Return a metric of the ten groups in which it is largest at the end of the range."""
    return worst_now(merged(metric, GROUP, GROUPS), merged(metric, GROUP, GROUPS, " @ end()"))


def among(expression: str, chosen: str, by: str = GROUP) -> str:
    """Return an expression for what another one has chosen."""
    return f"{expression} and on ({by}) ({chosen})"


def cause(chosen: str) -> str:
    """Return the worst partition status of each group that an expression chooses, with its ``topic``."""
    return f"topk by ({GROUP}) (1, {among(topic_status(GROUPS, f'{GROUP}, topic'), chosen)})"


def topic_status(of: str, by: str) -> str:
    """Return the worst status of partitions, by their topics where the exporter publishes no partitions."""
    names = (PARTITION_STATUS, TOPIC_STATUS)
    return f"max by ({by}) ({' or '.join(f'{name}{{{of}}}' for name in names)})"


def partition_status(of: str = GROUP_TOPICS) -> str:
    """Return the status of partitions: 1 OK, 2 WARN, 4 STOP, 5 STALL, 6 REWIND."""
    return merged(PARTITION_STATUS, PARTITION, of)


def coarser(by: str, of_partitions: str, of_topics: str) -> str:
    """Return an expression that asks topics where the exporter publishes no partitions (``--metrics.granularity``)."""
    return of_partitions if "partition" in by else f"({of_partitions} or {of_topics})"


def partition_lag(of: str = GROUP_TOPICS, by: str = PARTITION, at: str = "") -> str:
    """Return the lag of partitions in messages, or its sum by something less."""
    each = merged("burrow_kafka_consumer_partition_lag", f"consumer_group, {PARTITION}", of, at)
    of_topics = merged("burrow_kafka_consumer_topic_lag", "consumer_group, topic", of, at)
    return coarser(by, f"sum by ({by}) ({each})", f"sum by ({by}) ({of_topics})")


def partition_lag_seconds(of: str = GROUP_TOPICS, by: str = PARTITION, at: str = "") -> str:
    """Return the lag of partitions in seconds, or the largest by something less."""
    names = (f"burrow_kafka_consumer_{each}_lag_seconds" for each in ("partition", "topic"))
    return coarser(by, *(merged(name, by, of, at) for name in names))


def committed(of: str = GROUP_TOPICS, by: str = PARTITION) -> str:
    """Return the committed offset of partitions, or the sum of them by something less."""
    each = merged("burrow_kafka_consumer_current_offset", PARTITION, of)
    of_topics = merged("burrow_kafka_consumer_topic_current_offset", "topic", of)
    return each if by == PARTITION else coarser(by, f"sum by ({by}) ({each})", f"sum by ({by}) ({of_topics})")


def log_end(by: str = PARTITION) -> str:
    """Return the log end of the partitions that the group has committed on, or the sum of them by something less."""
    topics = 'cluster="$cluster", topic=~"$topic"'
    ends = merged("burrow_kafka_topic_partition_offset", PARTITION, topics)
    each = among(ends, f"burrow_kafka_consumer_current_offset{{{GROUP_TOPICS}}}", PARTITION)
    read = f"burrow_kafka_consumer_topic_current_offset{{{GROUP_TOPICS}}}"
    of_topics = among(merged("burrow_kafka_topic_offset", "topic", topics), read, "topic")
    return each if by == PARTITION else coarser(by, f"sum by ({by}) ({each})", f"sum by ({by}) ({of_topics})")


def log_start() -> str:
    """Return where the logs of partitions began two minutes ago, by the brokers' JMX: by then commits are seen."""
    of = 'cluster="$cluster", topic=~"$topic", name="LogStartOffset"'
    return f"max by ({PARTITION}) (min_over_time(kafka_log_Log_Value{{{of}}}[2m]))"


def lost() -> str:
    """Return how many messages of partitions were deleted before the group read them; nothing without JMX."""
    return f"clamp_min({log_start()} - {committed()}, 0)"


def retention_used() -> str:
    """Return the share of the logs of partitions that the group has not read; nothing without JMX."""
    return f"{partition_lag()} / clamp_min({partition_lag()} + clamp_min({committed()} - {log_start()}, 0), 1)"


def msk_lag(name: str, by: str = "topic") -> str:
    """Return a lag of the group as the brokers of MSK have it themselves: messages, or seconds."""
    of = f'cluster="$cluster", groupId="$consumer_group", topic=~"$topic", name="{name}"'
    return f"max by ({by}) (kafka_consumer_group_ConsumerLagMetrics_Value{{{of}}})"


def consumed(of: str = GROUP_TOPICS, by: str = "topic", window: str = SPEED) -> str:
    """Return the consumption rate in messages a second, from committed offsets: 0 while a group rewinds."""
    pace = f"clamp_min(deriv(burrow_kafka_consumer_current_offset{{{of}}}[{window}]), 0)"
    of_topics = f"clamp_min(deriv(burrow_kafka_consumer_topic_current_offset{{{of}}}[{window}]), 0)"
    return coarser(
        by,
        f"sum by ({by}) (max by (consumer_group, {PARTITION}) ({pace}))",
        f"sum by ({by}) (max by (consumer_group, topic) ({of_topics}))",
    )


def produced(of: str, by: str = "topic", window: str = SPEED, at: str = "") -> str:
    """Return the production rate in messages a second, from log end offsets: 0 while a topic is recreated."""
    pace = f"clamp_min(deriv(burrow_kafka_topic_partition_offset{{{of}}}[{window}]{at}), 0)"
    of_topics = f"clamp_min(deriv(burrow_kafka_topic_offset{{{of}}}[{window}]{at}), 0)"
    of_partitions = f"sum by ({by}) (max by ({PARTITION}) ({pace}))"
    return coarser(by, of_partitions, f"sum by ({by}) (max by (topic) ({of_topics}))")


def heat(of: str) -> str:
    """Return how many times the mean of its topic a partition gets; topics that get next to nothing are left out."""
    pace = produced(of, PARTITION, TREND)
    return f"{pace} / on (topic) group_left () (avg by (topic) ({pace}) > 0.1)"


def advice(of: str, by: str) -> str:
    """Return what would help groups, as a number from 1 on in the order of ``ADVICE``."""
    each = (f'{number} * {BOTTLENECK}{{{of}, advice="{name}"}}' for number, name in enumerate(ADVICE, 1))
    return f"max by ({by}) ({' or '.join(each)})"


def heard(of: str = "") -> str:
    """Return how many seconds ago Burrow saw the last commit of any group, by cluster."""
    return age("burrow_kafka_cluster_last_commit_timestamp_seconds", "cluster", of)


def age(metric: str, by: str, of: str = "") -> str:
    """Return how many seconds ago a time stamp was; the newest where there are several."""
    return f"time() - {merged(metric, by, of)}"
