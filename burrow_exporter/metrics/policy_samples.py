"""The policy's metrics for one Burrow's groups, topics and clusters."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

from burrow_exporter.metrics.families import CLUSTER_IDLE, POLICY_FAMILIES, TOPIC_SILENCE, Family, Value
from burrow_exporter.snapshot import Cluster, Group, Snapshot
from burrow_exporter.terms import GroupPolicy, Policy

Sample = tuple[str, list[tuple[str, str]], Value]
"""A family's name, its labels in order, and the value."""


class PolicySamples:
    """Evaluates the policy for the snapshots of one Burrow, each at the time of the snapshot.

    Caches which entry applies to which group. Not thread-safe.
    """

    def __init__(self, policy: Policy | None) -> None:
        self._policy = policy
        self._entries: dict[tuple[str, str], GroupPolicy | None] = {}

    def revise(self, snapshot: Snapshot) -> Snapshot:
        """Return the snapshot with lags in seconds adjusted to ``min_lag``."""
        if not self._policy or not self._policy.has_least_lags():
            return snapshot
        self.refresh(snapshot)
        clusters = [
            replace(cluster, groups=tuple(self._revised(cluster, group) for group in cluster.groups))
            for cluster in snapshot.clusters
        ]
        return replace(snapshot, clusters=tuple(clusters))

    def samples(self, snapshot: Snapshot) -> Iterator[Sample]:
        """Yield each sample of the policy's families, none without entries. Call ``refresh`` first."""
        policy = self._policy
        if not policy or policy.is_empty():
            return
        for cluster in snapshot.clusters:
            for group in cluster.groups:
                if entry := self._entries[cluster.name, group.name]:
                    yield from of_group(entry, cluster.name, group.name, snapshot.taken_at)
            for topic in cluster.topics if policy.has_topics() else ():
                silence = policy.max_silence_of(snapshot.burrow, cluster.name, topic.name)
                yield from sample(TOPIC_SILENCE, (cluster.name, topic.name), TOPIC_SILENCE.read(silence))
            idle = policy.may_idle(snapshot.burrow, cluster.name)
            yield from sample(CLUSTER_IDLE, (cluster.name,), CLUSTER_IDLE.read(idle))

    def entry(self, cluster: str, group: str) -> GroupPolicy | None:
        """Return the entry that applies to a group of the last snapshot, or ``None``."""
        return self._entries.get((cluster, group))

    def refresh(self, snapshot: Snapshot) -> None:
        """Find the entry for new groups, and remove those of deleted groups."""
        policy = self._policy
        if not policy or policy.is_empty():
            return
        known, self._entries = self._entries, {}
        for cluster in snapshot.clusters:
            for group in cluster.groups:
                key = cluster.name, group.name
                found = known[key] if key in known else policy.of_group(snapshot.burrow, *key)
                self._entries[key] = found

    def _revised(self, cluster: Cluster, group: Group) -> Group:
        entry = self._entries[cluster.name, group.name]
        return replace(group, lag_seconds=entry.lag_seconds(group)) if entry else group


def of_group(entry: GroupPolicy, cluster: str, group: str, moment: float) -> Iterator[Sample]:
    """Yield the samples of one group at a moment, in Unix seconds."""
    terms = entry.terms(moment)
    for family in POLICY_FAMILIES:
        for more, value in family.read(terms):
            yield from sample(family, (cluster, group, *more), value)


def sample(family: Family[Any, Any], values: tuple[str, ...], value: Value) -> Iterator[Sample]:
    """Yield the sample, if it has a value."""
    if value is not None:
        yield family.name, list(zip(family.labels, values, strict=True)), value
