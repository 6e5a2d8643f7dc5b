"""The one table of every family made from Burrow's answers: name, help with its origin, labels, and the value.

The exposition, the documentation, the lint test and the dashboards' test read it. Names, labels and values of the
first ones are those of Burrow's own ``/metrics``. Most are gauges. HELP holds no quote and no backslash, so that the
text format and OpenMetrics write it alike.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

from burrow_exporter.snapshot import (
    GROUP_STATUS_CODES,
    PARTITION_STATUS_CODES,
    Cluster,
    Group,
    GroupTopic,
    Topic,
    largest,
)
from burrow_exporter.terms import Terms

Value = int | float | None
INTEGER = b"%d"
MILLISECONDS = b"%.3f"
SHORTEST = b"%a"
Reading = TypeVar("Reading")
Result = TypeVar("Result")

CLUSTER_LABELS = ("cluster",)
GROUP_LABELS = (*CLUSTER_LABELS, "consumer_group")
PARTITION_LABELS = (*GROUP_LABELS, "topic", "partition")
TOPIC_LABELS = (*CLUSTER_LABELS, "topic", "partition")
INFO_LABELS = (*PARTITION_LABELS, "owner", "client_id")
POLICY_LABELS = (*GROUP_LABELS, "team", "severity")
MUTED_LABELS = (*GROUP_LABELS, "reason")
RUNBOOK_LABELS = (*GROUP_LABELS, "runbook_url")
WHOLE_TOPIC_LABELS = (*CLUSTER_LABELS, "topic")
GROUP_TOPIC_LABELS = (*GROUP_LABELS, "topic")


@dataclass(frozen=True)
class Family(Generic[Reading, Result]):
    """One metric family.

    ``read`` takes a reading to its value, or for families by partition to their values in the order of the reading's
    partitions; ``None`` stands for no sample. ``form`` is how a value is written: whole numbers, seconds to the
    millisecond, or what reads back as the same float (the slowest). ``kind`` is the type: ``gauge`` or ``counter``.
    """

    name: str
    help: str
    labels: tuple[str, ...]
    read: Callable[[Reading], Result]
    form: bytes = INTEGER
    kind: str = "gauge"


ClusterFamily = Family[Cluster, Value]
GroupFamily = Family[Group, Value]
PartitionFamily = Family[Group, Sequence[Value]]
GroupTopicFamily = Family[GroupTopic, Value]
TopicFamily = Family[Topic, Sequence[Value]]
PolicyFamily = Family[Terms, Sequence[tuple[tuple[str, ...], Value]]]
"""One whose ``read`` takes a group's terms to pairs: the values of the labels behind the group's own, and the value."""


def unless_uncommitted(figure: int, group: Group) -> int | None:
    """Return ``figure`` for a group of which some commit is known; a sum of unknown lags is no lag."""
    return figure if group.partitions or not group.uncommitted else None


def complete_ratios(group: Group) -> Sequence[Value]:
    """Return the filled share of Burrow's windows, the uncommitted partitions last; ``None`` where it is full."""
    committed: list[Value] = [complete if complete < 1 else None for complete in group.partitions.completes]
    return committed + [0] * len(group.uncommitted)


CLUSTER_FAMILIES: tuple[ClusterFamily, ...] = (
    ClusterFamily(
        "burrow_kafka_cluster_consumer_groups",
        "Number of consumer groups listed by Burrow, before filters (GET /v3/kafka/C/consumer).",
        CLUSTER_LABELS,
        lambda cluster: cluster.listed_groups,
    ),
    ClusterFamily(
        "burrow_kafka_cluster_topics",
        "Number of topics listed by Burrow, before filters (GET /v3/kafka/C/topic).",
        CLUSTER_LABELS,
        lambda cluster: cluster.listed_topics,
    ),
    ClusterFamily(
        "burrow_kafka_cluster_last_commit_timestamp_seconds",
        "Timestamp of the newest commit that Burrow has observed in any group, its own included (largest "
        "end.observedAt of /lag). It stops advancing when Burrow has lost Kafka.",
        CLUSTER_LABELS,
        lambda cluster: cluster.last_commit,
        MILLISECONDS,
    ),
    ClusterFamily(
        "burrow_kafka_cluster_burrow_lag",
        "Lag in messages of Burrow's own consumer group on __consumer_offsets (totallag of /lag).",
        CLUSTER_LABELS,
        lambda cluster: cluster.burrow_lag,
    ),
)

GROUP_FAMILIES: tuple[GroupFamily, ...] = (
    GroupFamily(
        "burrow_kafka_consumer_status",
        "Status of the consumer group as evaluated by Burrow: 1 OK, 2 WARN, 3 ERR (status.status of /lag).",
        GROUP_LABELS,
        lambda group: GROUP_STATUS_CODES.get(group.status),
    ),
    GroupFamily(
        "burrow_kafka_consumer_lag_total",
        "Total lag of the consumer group in messages, summed over its partitions (status.totallag of /lag).",
        GROUP_LABELS,
        lambda group: unless_uncommitted(group.total_lag, group),
    ),
    GroupFamily(
        "burrow_kafka_consumer_lag_max",
        "Largest partition lag of the consumer group in messages (largest current_lag of /lag).",
        GROUP_LABELS,
        lambda group: unless_uncommitted(group.max_lag, group),
    ),
    GroupFamily(
        "burrow_kafka_consumer_lag_seconds",
        "Largest partition lag of the consumer group in seconds (derived from offsets and commit times).",
        GROUP_LABELS,
        lambda group: largest(group.lag_seconds),
        MILLISECONDS,
    ),
    GroupFamily(
        "burrow_kafka_consumer_partitions",
        "Number of partitions of the consumer group, including those without a commit (partitions of /lag).",
        GROUP_LABELS,
        lambda group: len(group.partitions) + len(group.uncommitted),
    ),
    GroupFamily(
        "burrow_kafka_consumer_members",
        "Number of members that own a partition of the consumer group, counted by host and client ID "
        "(partitions[].owner and client_id of /lag). Absent if Burrow knows no owner.",
        GROUP_LABELS,
        lambda group: group.members,
    ),
    GroupFamily(
        "burrow_kafka_consumer_unowned_partitions",
        "Number of partitions of the consumer group without an owner, while others have one (partitions[].owner of "
        "/lag).",
        GROUP_LABELS,
        lambda group: group.unowned_partitions,
    ),
    GroupFamily(
        "burrow_kafka_consumer_owner_changes_total",
        "Number of partitions of the consumer group whose owner changed since the previous poll (partitions[].owner "
        "and client_id of /lag).",
        GROUP_LABELS,
        lambda group: group.owner_changes,
        kind="counter",
    ),
)

GROUP_TOPIC_FAMILIES: tuple[GroupTopicFamily, ...] = (
    GroupTopicFamily(
        "burrow_kafka_consumer_topic_status",
        "Worst partition status of the consumer group on the topic: 1 OK, 2 WARN, 4 STOP, 5 STALL, 6 REWIND (largest "
        "partitions[].status of /lag).",
        GROUP_TOPIC_LABELS,
        lambda topic: topic.status,
    ),
    GroupTopicFamily(
        "burrow_kafka_consumer_topic_lag",
        "Lag of the consumer group on the topic in messages (sum of partitions[].current_lag of /lag).",
        GROUP_TOPIC_LABELS,
        lambda topic: topic.lag,
    ),
    GroupTopicFamily(
        "burrow_kafka_consumer_topic_lag_max",
        "Largest partition lag of the consumer group on the topic in messages (largest partitions[].current_lag of "
        "/lag).",
        GROUP_TOPIC_LABELS,
        lambda topic: topic.max_lag,
    ),
    GroupTopicFamily(
        "burrow_kafka_consumer_topic_lag_seconds",
        "Largest partition lag of the consumer group on the topic in seconds (derived from offsets and commit times).",
        GROUP_TOPIC_LABELS,
        lambda topic: topic.lag_seconds,
        MILLISECONDS,
    ),
    GroupTopicFamily(
        "burrow_kafka_consumer_topic_current_offset",
        "Sum of the consumer group's committed offsets on the topic (partitions[].end.offset of /lag).",
        GROUP_TOPIC_LABELS,
        lambda topic: topic.current_offset,
    ),
)

PARTITION_FAMILIES: tuple[PartitionFamily, ...] = (
    PartitionFamily(
        "burrow_kafka_topic_partition_status",
        "Status of the partition as evaluated by Burrow: 1 OK, 2 WARN, 4 STOP, 5 STALL, 6 REWIND (partitions[].status "
        "of /lag).",
        PARTITION_LABELS,
        lambda group: list(map(PARTITION_STATUS_CODES.get, group.partitions.statuses)),
    ),
    PartitionFamily(
        "burrow_kafka_consumer_partition_lag",
        "Lag of the consumer group on the partition in messages (partitions[].current_lag of /lag).",
        PARTITION_LABELS,
        lambda group: group.partitions.lags,
    ),
    PartitionFamily(
        "burrow_kafka_consumer_partition_lag_seconds",
        "Age of the oldest message on the partition that the consumer group has not read, in seconds; 0 without lag "
        "(derived from offsets and commit times).",
        PARTITION_LABELS,
        lambda group: group.lag_seconds,
        MILLISECONDS,
    ),
    PartitionFamily(
        "burrow_kafka_consumer_current_offset",
        "Committed offset of the consumer group on the partition (partitions[].end.offset of /lag).",
        PARTITION_LABELS,
        lambda group: group.partitions.ends.offsets,
    ),
    PartitionFamily(
        "burrow_kafka_consumer_partition_commit_timestamp_seconds",
        "Timestamp of the consumer group's last commit on the partition (partitions[].end.timestamp of /lag).",
        PARTITION_LABELS,
        lambda group: [made / 1000 for made in group.partitions.ends.timestamps],
        MILLISECONDS,
    ),
    PartitionFamily(
        "burrow_kafka_consumer_partition_complete_ratio",
        "Ratio of Burrow's evaluation window that is filled (partitions[].complete of /lag); 0 without a commit, "
        "absent once it is 1.",
        PARTITION_LABELS,
        complete_ratios,
        SHORTEST,
    ),
)

PARTITION_INFO = PartitionFamily(
    "burrow_kafka_consumer_partition_info",
    "Host and client ID of the group member that owns the partition (partitions[].owner and client_id of /lag).",
    INFO_LABELS,
    lambda group: [1] * len(group.partitions),
)

TOPIC_FAMILIES: tuple[TopicFamily, ...] = (
    TopicFamily(
        "burrow_kafka_topic_partition_offset",
        "Log end offset of the partition (offsets of GET /v3/kafka/C/topic/T).",
        TOPIC_LABELS,
        lambda topic: topic.offsets,
    ),
)

TOPIC_OFFSET: Family[Topic, Value] = Family(
    "burrow_kafka_topic_offset",
    "Sum of the log end offsets of the topic's partitions (offsets of GET /v3/kafka/C/topic/T).",
    WHOLE_TOPIC_LABELS,
    lambda topic: sum(topic.offsets),
)

POLICY_FAMILIES: tuple[PolicyFamily, ...] = (
    PolicyFamily(
        "burrow_kafka_consumer_policy_info",
        "Team and severity of the consumer group. Absent if no entry of the policy file matches the group.",
        POLICY_LABELS,
        lambda terms: [((terms.team, terms.severity), 1)],
    ),
    PolicyFamily(
        "burrow_kafka_consumer_lag_seconds_threshold",
        "Lag in seconds from which the consumer group is too late (max_lag_seconds of the policy file).",
        GROUP_LABELS,
        lambda terms: [((), terms.max_lag_seconds)],
        MILLISECONDS,
    ),
    PolicyFamily(
        "burrow_kafka_consumer_alerts_muted",
        "1 while the policy file mutes the alerts of the consumer group, as of the last poll: during quiet hours "
        "(reason quiet) or always (reason off).",
        MUTED_LABELS,
        lambda terms: [((reason,), 1) for reason in terms.muted],
    ),
    PolicyFamily(
        "burrow_kafka_consumer_runbook_info",
        "URL of the consumer group's runbook (runbook_url of the policy file).",
        RUNBOOK_LABELS,
        lambda terms: [((terms.runbook_url,), 1)] if terms.runbook_url else [],
    ),
)

TOPIC_SILENCE: Family[float | None, Value] = Family(
    "burrow_kafka_topic_max_silence_seconds",
    "Time in seconds without production after which the topic is silent (max_silence of the policy file).",
    WHOLE_TOPIC_LABELS,
    lambda seconds: seconds,
    MILLISECONDS,
)

CLUSTER_IDLE: Family[bool, Value] = Family(
    "burrow_kafka_cluster_idle_ok",
    "1 if it is normal that no group commits on the cluster for a while (idle of the policy file).",
    CLUSTER_LABELS,
    lambda idle: 1 if idle else None,
)

FEW_FAMILIES: tuple[Family[Any, Any], ...] = (
    *GROUP_FAMILIES,
    *POLICY_FAMILIES,
    TOPIC_SILENCE,
    *CLUSTER_FAMILIES,
    CLUSTER_IDLE,
)
"""Those whose number of series grows neither with the partitions nor with the topics of a group."""

OPTIONAL_FAMILIES: tuple[Family[Any, Any], ...] = (PARTITION_INFO, *GROUP_TOPIC_FAMILIES, TOPIC_OFFSET)
"""Those that are on the page only if asked for."""

UNSHARED_FAMILIES: tuple[Family[Any, Any], ...] = (
    *TOPIC_FAMILIES,
    TOPIC_OFFSET,
    TOPIC_SILENCE,
    *CLUSTER_FAMILIES,
    CLUSTER_IDLE,
)
"""Those that belong to no group: of several exporters that share the groups one publishes them."""

FAMILIES: tuple[Family[Any, Any], ...] = (
    *GROUP_FAMILIES,
    *POLICY_FAMILIES,
    *GROUP_TOPIC_FAMILIES,
    *PARTITION_FAMILIES,
    PARTITION_INFO,
    *TOPIC_FAMILIES,
    TOPIC_OFFSET,
    TOPIC_SILENCE,
    *CLUSTER_FAMILIES,
    CLUSTER_IDLE,
)
