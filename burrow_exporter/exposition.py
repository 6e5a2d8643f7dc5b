"""Snapshots to pages in the Prometheus text format.

Every sample line is ``name{labels} value``. What is the same in each poll, the labels, is kept; what is not, the
values, comes as one column a group and family. The same bytes serve text format 0.0.4 and OpenMetrics 1.0: there are
gauges only, without time stamps, and HELP has nothing to escape. Sources:
https://prometheus.io/docs/instrumenting/exposition_formats/ and the OpenMetrics 1.0 specification.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any

from burrow_exporter.answers import Partition
from burrow_exporter.compression import Piece, PieceWriter, compress, join
from burrow_exporter.families import (
    CLUSTER_FAMILIES,
    FAMILIES,
    GROUP_FAMILIES,
    PARTITION_FAMILIES,
    PARTITION_INFO,
    TOPIC_FAMILIES,
    Family,
    Value,
)
from burrow_exporter.snapshot import Cluster, Group, Snapshot

ESCAPES = str.maketrans({"\\": r"\\", '"': r"\"", "\n": r"\n"})

Block = tuple[Sequence[str], Sequence[Value]]
"""Label sets as they stand on the page, and their values; there may be more label sets than values."""


@dataclass(frozen=True, slots=True)
class Section:
    """One family's samples of one Burrow, without the lines that describe the family."""

    piece: Piece
    samples: int


@dataclass(frozen=True, slots=True)
class Page:
    """All families made from Burrows' answers, and how many samples that is."""

    piece: Piece
    samples: int


@dataclass(frozen=True, slots=True)
class PartitionLabels:
    """The label sets of one group's partitions, kept as long as the group has just these."""

    partitions: Sequence[tuple[str, int]]
    rendered: Sequence[str]


class Renderer:
    """Renders the snapshots of one Burrow. It keeps the labels of what was there last time, and is not thread-safe.

    ``extra_labels`` stand on each sample.
    """

    def __init__(
        self,
        disable: frozenset[str] = frozenset(),
        *,
        partition_info: bool = False,
        extra_labels: Mapping[str, str] | None = None,
    ) -> None:
        self._disable = disable if partition_info else disable | {PARTITION_INFO.name}
        self.extra_labels = frozenset((extra_labels or {}).items())
        self._extra = "".join(f",{label_pair(*item)}" for item in (extra_labels or {}).items())
        self._partition_labels: dict[tuple[str, str], PartitionLabels] = {}

    def render(self, snapshot: Snapshot) -> dict[str, Section]:
        """Return the section of each family that has samples, by the family's name."""
        self._refresh_labels(snapshot)
        sections = {
            family.name: write_section(family.name, blocks)
            for family, blocks in self._families(snapshot)
            if family.name not in self._disable
        }
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
        before = self._group_labels(cluster, group)
        rendered = [f"{{{before},{topic_pair(*partition)}{self._extra}}}" for partition in partitions]
        return PartitionLabels(partitions, rendered)

    def _families(self, snapshot: Snapshot) -> Iterator[tuple[Family[Any, Any], Iterator[Block]]]:
        """Yield every family with its blocks: one a cluster, a group or a topic."""
        for group_family in GROUP_FAMILIES:
            yield group_family, self._group_blocks(snapshot, group_family)
        for partition_family in PARTITION_FAMILIES:
            yield partition_family, self._partition_blocks(snapshot, partition_family)
        yield PARTITION_INFO, self._info_blocks(snapshot)
        for topic_family in TOPIC_FAMILIES:
            yield topic_family, self._topic_blocks(snapshot, topic_family)
        for cluster_family in CLUSTER_FAMILIES:
            yield cluster_family, self._cluster_blocks(snapshot, cluster_family)

    def _cluster_blocks(self, snapshot: Snapshot, family: Family[Cluster, Value]) -> Iterator[Block]:
        for cluster in snapshot.clusters:
            yield [f"{{{label_pair('cluster', cluster.name)}{self._extra}}}"], [family.read(cluster)]

    def _group_blocks(self, snapshot: Snapshot, family: Family[Group, Value]) -> Iterator[Block]:
        for cluster in snapshot.clusters:
            rendered = [f"{{{self._group_labels(cluster, group)}{self._extra}}}" for group in cluster.groups]
            yield rendered, [family.read(group) for group in cluster.groups]

    def _partition_blocks(self, snapshot: Snapshot, family: Family[Group, Sequence[Value]]) -> Iterator[Block]:
        for cluster in snapshot.clusters:
            for group in cluster.groups:
                yield self._partition_labels[cluster.name, group.name].rendered, family.read(group)

    def _info_blocks(self, snapshot: Snapshot) -> Iterator[Block]:
        for cluster in snapshot.clusters:
            for group in cluster.groups:
                rendered = self._partition_labels[cluster.name, group.name].rendered
                with_member = [
                    f"{before[:-1]},{member_pairs(partition)}}}"
                    for before, partition in zip(rendered, group.partitions, strict=False)
                ]
                yield with_member, PARTITION_INFO.read(group)

    def _topic_blocks(self, snapshot: Snapshot, family: Family[Any, Sequence[Value]]) -> Iterator[Block]:
        for cluster in snapshot.clusters:
            before = label_pair("cluster", cluster.name)
            for topic in cluster.topics:
                offsets = family.read(topic)
                pairs = (topic_pair(topic.name, partition) for partition in range(len(offsets)))
                yield [f"{{{before},{pair}{self._extra}}}" for pair in pairs], offsets

    def _group_labels(self, cluster: Cluster, group: Group) -> str:
        return f"{label_pair('cluster', cluster.name)},{label_pair('consumer_group', group.name)}"


def label_pair(name: str, value: str) -> str:
    """Return ``name="value"``, the value escaped as the format demands."""
    return f'{name}="{value.translate(ESCAPES)}"'


def topic_pair(topic: str, partition: int) -> str:
    """Return the labels of a topic partition."""
    return f'{label_pair("topic", topic)},partition="{partition}"'


def member_pairs(partition: Partition) -> str:
    """Return the labels of the member that reads a partition."""
    return f"{label_pair('owner', partition.owner)},{label_pair('client_id', partition.client_id)}"


def write_section(name: str, blocks: Iterable[Block]) -> Section:
    """Return the section of the family ``name``."""
    writer = PieceWriter()
    samples = 0
    for rendered, values in blocks:
        lines = [
            f"{name}{labels} {value}\n" for labels, value in zip(rendered, values, strict=False) if value is not None
        ]
        samples += len(lines)
        writer.write("".join(lines).encode())
    return Section(writer.finish(), samples)


@cache
def header(family: Family[Any, Any]) -> Piece:
    """Return the lines that describe a family."""
    return compress(f"# HELP {family.name} {family.help}\n# TYPE {family.name} gauge\n".encode())


def assemble(burrows: Iterable[Mapping[str, Section]], families: Iterable[Family[Any, Any]] = FAMILIES) -> Page:
    """Return the page of all Burrows' sections: each of the families stands once on it, and only if it has samples."""
    burrows = list(burrows)
    pieces: list[Piece] = []
    samples = 0
    for family in families:
        sections = [sections[family.name] for sections in burrows if family.name in sections]
        if sections:
            pieces += [header(family), *(section.piece for section in sections)]
            samples += sum(section.samples for section in sections)
    return Page(join(pieces), samples)
