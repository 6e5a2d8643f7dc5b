"""Snapshots to pages in the Prometheus text format.

Every sample line is ``name{labels} value``. What is the same in each poll, the labels, is kept; what is not, the
values, comes as one column a group and family, and is written by one operation on bytes. The same bytes serve text
format 0.0.4 and OpenMetrics 1.0: there are gauges only, without time stamps, and HELP has nothing to escape. Sources:
https://prometheus.io/docs/instrumenting/exposition_formats/ and the OpenMetrics 1.0 specification.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cache
from typing import Any

from burrow_exporter.burrow.answers import Partition
from burrow_exporter.metrics.compression import Piece, PieceWriter, compress, join
from burrow_exporter.metrics.families import (
    CLUSTER_FAMILIES,
    FAMILIES,
    FEW_FAMILIES,
    GROUP_FAMILIES,
    PARTITION_FAMILIES,
    PARTITION_INFO,
    TOPIC_FAMILIES,
    Family,
    Value,
)
from burrow_exporter.metrics.policy_samples import PolicySamples
from burrow_exporter.snapshot import Cluster, Group, Snapshot, Topic
from burrow_exporter.terms import Policy

ESCAPES = str.maketrans({"\\": r"\\", '"': r"\"", "\n": r"\n"})


@dataclass(frozen=True, slots=True)
class Rendered:
    """Part of a page, or all of it: compressed lines, and how many samples they hold."""

    piece: Piece
    samples: int


@dataclass(frozen=True, slots=True)
class PartitionLabels:
    """The label sets of one group's partitions, kept as long as the group has just these."""

    partitions: Sequence[tuple[str, int]]
    patterns: Sequence[bytes]


class FamilyWriter:
    """Writes one family's section, column by column. Label sets are patterns for ``%`` (see ``pattern``)."""

    def __init__(self, family: Family[Any, Any]) -> None:
        self._writer = PieceWriter()
        self._samples = 0
        self._name = family.name.encode()
        self._end = b" %b\n" % family.form

    def write(self, labels: Sequence[bytes], values: Sequence[Value]) -> None:
        """Write a line for each value that there is, with the label set that stands at its place."""
        if None in values:
            pairs = [pair for pair in zip(labels, values, strict=False) if pair[1] is not None]
            labels, values = [pair[0] for pair in pairs], [pair[1] for pair in pairs]
        if values:
            # One operation on bytes for all lines: a third of the CPU of one string a line.
            lines = self._name + (self._end + self._name).join(labels[: len(values)]) + self._end
            self._writer.write(lines % tuple(values))
            self._samples += len(values)

    def finish(self) -> Rendered:
        """Return what was written."""
        return Rendered(self._writer.finish(), self._samples)


class Renderer:
    """Renders the snapshots of one Burrow. It keeps the labels of what was there last time, and is not thread-safe.

    ``extra_labels`` stand on each sample. ``policy`` is judged at the moment in which a snapshot was taken.
    """

    def __init__(
        self,
        disable: frozenset[str] = frozenset(),
        *,
        partition_info: bool = False,
        extra_labels: Mapping[str, str] | None = None,
        policy: Policy | None = None,
    ) -> None:
        disable = disable if partition_info else disable | {PARTITION_INFO.name}
        self._families = [family for family in FAMILIES if family.name not in disable]
        self.extra_labels = frozenset((extra_labels or {}).items())
        self._extra = "".join(f",{label_pair(*item)}" for item in (extra_labels or {}).items())
        self._partition_labels: dict[tuple[str, str], PartitionLabels] = {}
        self._policy = PolicySamples(policy)

    def revise(self, snapshot: Snapshot) -> Snapshot:
        """Return a snapshot whose lags in seconds follow the policy's ``min_lag``."""
        return self._policy.revise(snapshot)

    def count(self, snapshot: Snapshot) -> int:
        """Return of how many samples all sections would be, without making them."""
        return sum(len(values) - values.count(None) for values in self._columns(snapshot))

    def _columns(self, snapshot: Snapshot) -> Iterator[Sequence[Value]]:
        names = {family.name for family in self._families}
        of_clusters = [family for family in CLUSTER_FAMILIES if family.name in names]
        of_groups = [family for family in GROUP_FAMILIES if family.name in names]
        of_partitions = [family for family in (*PARTITION_FAMILIES, PARTITION_INFO) if family.name in names]
        of_topics = [family for family in TOPIC_FAMILIES if family.name in names]
        for cluster in snapshot.clusters:
            yield [family.read(cluster) for family in of_clusters]
            for group in cluster.groups:
                yield [family.read(group) for family in of_groups]
                yield from (family.read(group) for family in of_partitions)
            for topic in cluster.topics:
                yield from (family.read(topic) for family in of_topics)

    def render(self, snapshot: Snapshot, *, few: bool = False) -> dict[str, Rendered]:
        """Return the section of each family that has samples, by the family's name; with ``few`` of no partitions."""
        self._refresh_labels(snapshot if not few else replace(snapshot, clusters=()))
        families = [family for family in self._families if not few or family in FEW_FAMILIES]
        writers = {family.name: FamilyWriter(family) for family in families}
        for cluster in snapshot.clusters:
            self._write_cluster(writers, cluster)
            # Group by group, not family by family: what is read of a group then stays in the CPU's cache.
            for group in cluster.groups:
                self._write_group(writers, cluster, group)
                if not few:
                    self._write_partitions(writers, cluster, group)
            for topic in () if few else cluster.topics:
                self._write_topic(writers, cluster, topic)
        for name, labels, value in self._policy.samples(snapshot):
            if writer := writers.get(name):
                writer.write([self._label_set(",".join(label_pair(*pair) for pair in labels))], [value])
        sections = {name: writer.finish() for name, writer in writers.items()}
        return {name: section for name, section in sections.items() if section.samples}

    def _refresh_labels(self, snapshot: Snapshot) -> None:
        """Render the labels of new and changed groups, and forget those of groups that are gone."""
        known = self._partition_labels
        self._partition_labels = {
            (cluster.name, group.name): self._labels_of(cluster, group, known.get((cluster.name, group.name)))
            for cluster in snapshot.clusters
            for group in cluster.groups
        }

    def _labels_of(self, cluster: Cluster, group: Group, known: PartitionLabels | None) -> PartitionLabels:
        every = (*group.partitions, *group.uncommitted)
        partitions = [(partition.topic, partition.partition) for partition in every]
        if known and known.partitions == partitions:
            return known
        before = group_pairs(cluster, group)
        # What stands before the partition is the same for a whole topic: a fifth of the CPU of a first page.
        heads = {name: pattern(f'{{{before},{label_pair("topic", name)},partition="') for name, _ in set(partitions)}
        tail = pattern(f'"{self._extra}}}')
        return PartitionLabels(partitions, [b"%b%d%b" % (heads[name], number, tail) for name, number in partitions])

    def _write_cluster(self, writers: Mapping[str, FamilyWriter], cluster: Cluster) -> None:
        labels = [self._label_set(label_pair("cluster", cluster.name))]
        for family in CLUSTER_FAMILIES:
            if writer := writers.get(family.name):
                writer.write(labels, [family.read(cluster)])

    def _write_group(self, writers: Mapping[str, FamilyWriter], cluster: Cluster, group: Group) -> None:
        labels = [self._label_set(group_pairs(cluster, group))]
        for group_family in GROUP_FAMILIES:
            if writer := writers.get(group_family.name):
                writer.write(labels, [group_family.read(group)])

    def _write_partitions(self, writers: Mapping[str, FamilyWriter], cluster: Cluster, group: Group) -> None:
        labels = self._partition_labels[cluster.name, group.name].patterns
        for partition_family in PARTITION_FAMILIES:
            if writer := writers.get(partition_family.name):
                writer.write(labels, partition_family.read(group))
        if writer := writers.get(PARTITION_INFO.name):
            pairs = zip(labels, group.partitions, strict=False)
            labels = [b"%b,%b}" % (before[:-1], pattern(member_pairs(partition))) for before, partition in pairs]
            writer.write(labels, PARTITION_INFO.read(group))

    def _write_topic(self, writers: Mapping[str, FamilyWriter], cluster: Cluster, topic: Topic) -> None:
        before = f"{label_pair('cluster', cluster.name)},{label_pair('topic', topic.name)}"
        labels = [self._label_set(f'{before},partition="{partition}"') for partition in range(len(topic.offsets))]
        for family in TOPIC_FAMILIES:
            if writer := writers.get(family.name):
                writer.write(labels, family.read(topic))

    def _label_set(self, pairs: str) -> bytes:
        return pattern(f"{{{pairs}{self._extra}}}")


def label_pair(name: str, value: str) -> str:
    """Return ``name="value"``, the value escaped as the format demands."""
    return f'{name}="{value.translate(ESCAPES)}"'


def group_pairs(cluster: Cluster, group: Group) -> str:
    """Return the labels of a group."""
    return f"{label_pair('cluster', cluster.name)},{label_pair('consumer_group', group.name)}"


def member_pairs(partition: Partition) -> str:
    """Return the labels of the member that reads a partition."""
    return f"{label_pair('owner', partition.owner)},{label_pair('client_id', partition.client_id)}"


def pattern(text: str) -> bytes:
    """Return a text as it stands in a pattern for ``%``."""
    return text.replace("%", "%%").encode()


@cache
def header(family: Family[Any, Any]) -> Piece:
    """Return the lines that describe a family."""
    return compress(f"# HELP {family.name} {family.help}\n# TYPE {family.name} gauge\n".encode())


def assemble(burrows: Iterable[Mapping[str, Rendered]], families: Iterable[Family[Any, Any]] = FAMILIES) -> Rendered:
    """Return the page of all Burrows' sections: each of the families stands once on it, and only if it has samples."""
    burrows = list(burrows)
    pieces: list[Piece] = []
    samples = 0
    for family in families:
        sections = [sections[family.name] for sections in burrows if family.name in sections]
        if sections:
            pieces += [header(family), *(section.piece for section in sections)]
            samples += sum(section.samples for section in sections)
    return Rendered(join(pieces), samples)
