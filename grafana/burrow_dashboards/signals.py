"""Expressions over what the exporter publishes of groups, topics and partitions.

Offsets and lags are gauges: they go back when a topic is made anew or a group rewinds, so ``rate``, which takes that
for a restart from 0, never fits. ``deriv`` does, and where only one direction makes sense it is clamped at 0.

Series are taken together by the labels that the exporter sets, so that two exporters (or replicas) of the same Burrow
count once.
"""

from __future__ import annotations

GROUP = "cluster, consumer_group"
PARTITION = "topic, partition"
TREND = "10m"
"""Over how long growth is measured: longer than commits and polls make lag swing."""

LIMIT_SECONDS = 300
"""From how many seconds on a lag is too old without a policy, as in compose/rules/recording.yaml."""

BOTTLENECK = "group:burrow_kafka_consumer:bottleneck"
REPLICAS_WANTED = "group:burrow_kafka_consumer:replicas_wanted"
ADVICE = ("none", "add_consumers", "add_partitions", "speed_up_consumers", "hot_partition", "fix_consumer")
"""What would help a group, by the label of the recording rule."""

CLUSTERS = 'cluster=~"$cluster"'
GROUPS = f'{CLUSTERS}, consumer_group=~".*($filter).*"'
ONE_GROUP = 'cluster="$cluster", consumer_group="$consumer_group"'
GROUP_TOPICS = f'{ONE_GROUP}, topic=~"$topic"'
ONE_CLUSTER = 'cluster="$cluster"'
ONE_TOPIC = 'cluster="$cluster", topic="$topic"'


def merged(metric: str, by: str, of: str) -> str:
    """Return a metric with no labels but ``by``, ``of`` what its matchers select."""
    return f"max by ({by}) ({metric}{{{of}}})"


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
    return f"max by ({by}) (deriv(burrow_kafka_consumer_lag_total{{{of}}}[{TREND}]{at}))"


def catch_up(amount: str, growing: str) -> str:
    """Return in how many seconds a lag will be 0 as it goes now; 0 without lag, -1 while it does not shrink."""
    return f"({amount} / (-({growing}) > 0)) or (({amount} > 0) * 0 - 1) or ({amount} == 0)"


def last_ok(of: str, by: str, window: str, step: str) -> str:
    """Return when groups were last OK (Unix seconds, to ``step``), if that was within ``window``."""
    return f"max_over_time(timestamp({status(of, by)} == 1)[{window}:{step}])"


def not_ok_for(of: str, by: str, window: str, step: str) -> str:
    """Return for how many seconds groups have not been OK; 0 for those that are, nothing beyond ``window``."""
    now = status(of, by)
    return f"((time() - {last_ok(of, by, window, step)}) * ({now} > bool 1)) or (({now} == 1) * 0)"


def worst_now(expression: str, at_end: str, by: str = GROUP, count: int = 10) -> str:
    """Return those series of an expression that are largest at the end of the range: the same at every step."""
    return f"{expression} and on ({by}) topk({count}, {at_end})"


def worst_groups_now(expression: str, metric: str, of: str = GROUPS) -> str:
    """Return an expression for the ten groups in which a metric is largest at the end of the range."""
    return worst_now(expression, f"max by ({GROUP}) ({metric}{{{of}}} @ end())")


def among(expression: str, chosen: str, by: str = GROUP) -> str:
    """Return an expression for what another one has chosen."""
    return f"{expression} and on ({by}) ({chosen})"


def partition_status(of: str = GROUP_TOPICS) -> str:
    """Return the status of partitions: 1 OK, 2 WARN, 4 STOP, 5 STALL, 6 REWIND."""
    return merged("burrow_kafka_topic_partition_status", PARTITION, of)


def coarser(by: str, of_partitions: str, of_topics: str) -> str:
    """Return an expression that asks topics where the exporter publishes no partitions (``--metrics.granularity``)."""
    return of_partitions if "partition" in by else f"({of_partitions} or {of_topics})"


def partition_lag(of: str = GROUP_TOPICS, by: str = PARTITION) -> str:
    """Return the lag of partitions in messages, or its sum by something less."""
    each = merged("burrow_kafka_consumer_partition_lag", f"consumer_group, {PARTITION}", of)
    of_topics = merged("burrow_kafka_consumer_topic_lag", "consumer_group, topic", of)
    return coarser(by, f"sum by ({by}) ({each})", f"sum by ({by}) ({of_topics})")


def partition_lag_seconds(of: str = GROUP_TOPICS, by: str = PARTITION) -> str:
    """Return the lag of partitions in seconds, or the largest by something less."""
    names = (f"burrow_kafka_consumer_{each}_lag_seconds" for each in ("partition", "topic"))
    return coarser(by, *(merged(name, by, of) for name in names))


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


def consumed(of: str = GROUP_TOPICS, by: str = "topic", window: str = "$__rate_interval") -> str:
    """Return how fast is read, in messages a second, by the offsets committed: 0 while a group rewinds."""
    pace = f"clamp_min(deriv(burrow_kafka_consumer_current_offset{{{of}}}[{window}]), 0)"
    of_topics = f"clamp_min(deriv(burrow_kafka_consumer_topic_current_offset{{{of}}}[{window}]), 0)"
    return coarser(
        by,
        f"sum by ({by}) (max by (consumer_group, {PARTITION}) ({pace}))",
        f"sum by ({by}) (max by (consumer_group, topic) ({of_topics}))",
    )


def produced(of: str, by: str = "topic", window: str = "$__rate_interval", at: str = "") -> str:
    """Return how fast is written, in messages a second, by the log ends: 0 while a topic is made anew."""
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
