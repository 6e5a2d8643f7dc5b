"""Pages of other exporters, made from what this one exposes at the same moment.

Names, labels and values are from their sources: jirwin/burrow_exporter 73db6ca and shamil/burrow_exporter 4d64b83
(alike in all three), seglo/kafka-lag-exporter 3fcb3c7, danielqsj/kafka_exporter 953e2f1, redpanda-data/kminion 4f3867a,
themoah/klag fc080c7 (whose reporter's names Micrometer writes with underscores).
"""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from tests.support.pages import samples_in

CLUSTER = "eu-west"
"""The cluster that an exporter of one Kafka watches."""


@dataclass(frozen=True)
class Family:
    """One of their families: its labels, each with the label here that holds the same, and what it is made of.

    Samples of ``ours`` that differ in nothing that ``labels`` keep are put together by ``value``.
    """

    name: str
    labels: dict[str, str]
    ours: str
    value: Callable[[Sequence[float]], float] = sum


def one_higher(codes: Sequence[float]) -> float:
    """Return a status as the two exporters count it: NOTFOUND is 1 there, OK 2, and so on."""
    (code,) = codes
    return code + 1


def most_in_ms(seconds: Sequence[float]) -> float:
    """Return the largest of some times in milliseconds."""
    return 1000 * max(seconds)


GROUP = {"cluster": "cluster", "group": "consumer_group"}
TOPIC = {"cluster": "cluster", "topic": "topic", "partition": "partition"}
PARTITION = GROUP | TOPIC
LAG_GROUP = {"cluster_name": "cluster", "group": "consumer_group"}
LAG_TOPIC = {"cluster_name": "cluster", "topic": "topic", "partition": "partition"}
MEMBER = {**LAG_GROUP, **LAG_TOPIC, "member_host": "owner", "consumer_id": "", "client_id": "client_id"}
KAFKA_GROUP = {"consumergroup": "consumer_group", "topic": "topic"}
KAFKA_TOPIC = {"topic": "topic", "partition": "partition"}
MINION_GROUP = {"group_id": "consumer_group"}
MINION_TOPIC = {"topic_name": "topic"}
MINION_PARTITION = {"topic_name": "topic", "partition_id": "partition"}
KLAG_GROUP = {"consumer_group": "consumer_group"}
KLAG_TOPIC = {"topic": "topic"}
ONE_KAFKA = {"kafka_exporter", "kminion", "klag"}
"""Exporters that each watch one Kafka, and name no cluster."""

PEERS: dict[str, tuple[Family, ...]] = {
    "jirwin/burrow_exporter and shamil/burrow_exporter": (
        Family("kafka_burrow_status", GROUP, "burrow_kafka_consumer_status", one_higher),
        Family("kafka_burrow_total_lag", GROUP, "burrow_kafka_consumer_lag_total"),
        Family("kafka_burrow_partition_status", PARTITION, "burrow_kafka_topic_partition_status", one_higher),
        Family("kafka_burrow_partition_lag", PARTITION, "burrow_kafka_consumer_partition_lag"),
        Family("kafka_burrow_partition_current_offset", PARTITION, "burrow_kafka_consumer_current_offset"),
        Family("kafka_burrow_partition_max_offset", PARTITION, ""),  # a field that Burrow's API v3 does not have: 0
        Family("kafka_burrow_topic_partition_offset", TOPIC, "burrow_kafka_topic_partition_offset"),
    ),
    "kafka-lag-exporter": (
        Family("kafka_consumergroup_group_offset", MEMBER, "burrow_kafka_consumer_current_offset"),
        Family("kafka_consumergroup_group_lag", MEMBER, "burrow_kafka_consumer_partition_lag"),
        Family("kafka_consumergroup_group_lag_seconds", MEMBER, "burrow_kafka_consumer_partition_lag_seconds"),
        Family("kafka_consumergroup_group_max_lag", LAG_GROUP, "burrow_kafka_consumer_lag_max"),
        Family("kafka_consumergroup_group_max_lag_seconds", LAG_GROUP, "burrow_kafka_consumer_lag_seconds"),
        Family("kafka_consumergroup_group_sum_lag", LAG_GROUP, "burrow_kafka_consumer_lag_total"),
        Family(
            "kafka_consumergroup_group_topic_sum_lag",
            {**LAG_GROUP, "topic": "topic"},
            "burrow_kafka_consumer_partition_lag",
        ),
        Family("kafka_partition_latest_offset", LAG_TOPIC, "burrow_kafka_topic_partition_offset"),
        Family("kafka_partition_earliest_offset", LAG_TOPIC, ""),
        Family(
            "kafka_consumergroup_poll_time_ms", {"cluster_name": "cluster"}, "burrow_exporter_poll_duration_seconds"
        ),
    ),
    "kafka_exporter": (
        Family("kafka_consumergroup_lag", KAFKA_GROUP | KAFKA_TOPIC, "burrow_kafka_consumer_partition_lag"),
        Family("kafka_consumergroup_lag_sum", KAFKA_GROUP, "burrow_kafka_consumer_partition_lag"),
        Family("kafka_consumergroup_current_offset", KAFKA_GROUP | KAFKA_TOPIC, "burrow_kafka_consumer_current_offset"),
        Family("kafka_consumergroup_current_offset_sum", KAFKA_GROUP, "burrow_kafka_consumer_current_offset"),
        Family("kafka_consumergroup_members", {"consumergroup": "consumer_group"}, "burrow_kafka_consumer_members"),
        Family("kafka_topic_partitions", {"topic": "topic"}, "burrow_kafka_topic_partition_offset", len),
        Family("kafka_topic_partition_current_offset", KAFKA_TOPIC, "burrow_kafka_topic_partition_offset"),
        Family("kafka_topic_partition_oldest_offset", KAFKA_TOPIC, ""),
    ),
    "kminion": (
        Family(
            "kminion_kafka_consumer_group_topic_partition_lag",
            MINION_GROUP | MINION_PARTITION,
            "burrow_kafka_consumer_partition_lag",
        ),
        Family(
            "kminion_kafka_consumer_group_topic_lag",
            MINION_GROUP | MINION_TOPIC,
            "burrow_kafka_consumer_partition_lag",
        ),
        Family(
            "kminion_kafka_consumer_group_topic_offset_sum",
            MINION_GROUP | MINION_TOPIC,
            "burrow_kafka_consumer_current_offset",
        ),
        Family("kminion_kafka_consumer_group_members", MINION_GROUP, "burrow_kafka_consumer_members"),
        Family(
            "kminion_kafka_topic_partition_high_water_mark", MINION_PARTITION, "burrow_kafka_topic_partition_offset"
        ),
        Family("kminion_kafka_topic_high_water_mark_sum", MINION_TOPIC, "burrow_kafka_topic_partition_offset"),
        Family("kminion_kafka_topic_partition_low_water_mark", MINION_PARTITION, ""),
        Family("kminion_kafka_topic_low_water_mark_sum", MINION_TOPIC, ""),
        Family("kminion_kafka_consumer_group_info", MINION_GROUP, ""),
        Family("kminion_kafka_consumer_group_topic_members", MINION_GROUP | MINION_TOPIC, ""),
        Family("kminion_kafka_consumer_group_offset_commits_total", MINION_GROUP, ""),
    ),
    "klag": (
        Family("klag_consumer_lag", KLAG_GROUP | KAFKA_TOPIC, "burrow_kafka_consumer_partition_lag"),
        Family("klag_consumer_lag_sum", KLAG_GROUP, "burrow_kafka_consumer_lag_total"),
        Family("klag_consumer_lag_max", KLAG_GROUP, "burrow_kafka_consumer_lag_max"),
        Family("klag_consumer_lag_min", KLAG_GROUP, "burrow_kafka_consumer_partition_lag", min),
        Family(
            "klag_consumer_lag_ms", KLAG_GROUP | KLAG_TOPIC, "burrow_kafka_consumer_partition_lag_seconds", most_in_ms
        ),
        Family("klag_consumer_committed_offset", KLAG_GROUP | KAFKA_TOPIC, "burrow_kafka_consumer_current_offset"),
        Family("klag_partition_log_end_offset", KAFKA_TOPIC, "burrow_kafka_topic_partition_offset"),
        Family("klag_partition_log_start_offset", KLAG_GROUP | KAFKA_TOPIC, ""),
        Family("klag_topic_partitions", KLAG_TOPIC, "burrow_kafka_topic_partition_offset", len),
        Family("klag_consumer_group_state", KLAG_GROUP, ""),
        Family("klag_consumer_lag_velocity", KLAG_GROUP | KLAG_TOPIC, ""),
        Family("klag_consumer_lag_time_to_close_seconds", KLAG_GROUP | KLAG_TOPIC, ""),
        Family("klag_consumer_lag_retention_percent", KLAG_GROUP | KLAG_TOPIC, ""),
        Family("klag_consumer_commit_staleness_seconds", KLAG_GROUP | KLAG_TOPIC, ""),
        Family("klag_hot_partition", KAFKA_TOPIC, ""),
        Family("klag_hot_partition_lag", KLAG_GROUP | KAFKA_TOPIC, ""),
    ),
}
"""By the title of the section in docs/migration.md; where ``ours`` is empty there is nothing of the kind here."""


def page_of(page: str) -> str:
    """Return lines of all of these exporters for a page of this one."""
    samples = [(name, dict(labels), value) for (name, labels), value in samples_in(page).items()]
    members = {
        tuple(labels[name] for name in PARTITION.values()): labels
        for name, labels, _ in samples
        if name == "burrow_kafka_consumer_partition_info"
    }
    found: list[str] = []
    for peer, families in PEERS.items():
        seen = [each for each in samples if peer not in ONE_KAFKA or each[1].get("cluster") == CLUSTER]
        for family in families:
            found += lines(family, seen, members)
    return "\n".join((*found, ""))


def lines(
    family: Family,
    samples: Sequence[tuple[str, dict[str, str], float]],
    members: dict[tuple[str, ...], dict[str, str]],
) -> Iterator[str]:
    """Yield the lines of one family; ``members`` hold owner and client id of a partition."""
    together = defaultdict(list)
    for name, labels, value in samples:
        if name == family.ours:
            known = members.get(tuple(labels.get(each, "") for each in PARTITION.values()), {}) | labels
            together[tuple((theirs, known.get(ours, "")) for theirs, ours in family.labels.items())].append(value)
    for key, values in together.items():
        yield f"{family.name}{{{','.join(f'{name}={json.dumps(text)}' for name, text in key)}}} {family.value(values)}"
