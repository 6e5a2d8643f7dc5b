"""Converts snapshots to pages in the Prometheus text format.

Every sample line is ``name{labels} value``. Labels rarely change between polls and are cached; values arrive as one
column per group and family and are written by one operation on bytes. The same bytes serve text format 0.0.4 and
OpenMetrics 1.0, except for the lines that describe counters: there are no timestamps, and HELP has nothing to escape.
Sources: https://prometheus.io/docs/instrumenting/exposition_formats/ and the OpenMetrics 1.0 specification.
"""

from __future__ import annotations

from array import array
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from itertools import chain
from typing import Any, TypeVar

from isal import isal_zlib

from burrow_exporter.burrow.partitions import Partitions
from burrow_exporter.metrics.compression import Piece, PieceWriter, compress, join, new_compressor
from burrow_exporter.metrics.families import (
    CLUSTER_FAMILIES,
    FAMILIES,
    GROUP_FAMILIES,
    GROUP_TOPIC_FAMILIES,
    PARTITION_FAMILIES,
    PARTITION_INFO,
    TOPIC_FAMILIES,
    TOPIC_OFFSET,
    Family,
    Value,
)
from burrow_exporter.metrics.policy_samples import PolicySamples
from burrow_exporter.snapshot import Cluster, Group, Snapshot, Topic, group_topics
from burrow_exporter.terms import Granularity, Policy, coarsest

FamilyT = TypeVar("FamilyT", bound=Family[Any, Any])
Column = tuple[Family[Any, Any], bytes, Sequence[Value]]
"""A family, its label sets as patterns, one per line, and the values in the same order."""
ESCAPES = str.maketrans({"\\": r"\\", '"': r"\"", "\n": r"\n"})


@dataclass(frozen=True, slots=True)
class Page:
    """All families made from Burrow's responses.

    Gauges are identical in both formats and are joined. For counters the formats differ in the family's name.
    """

    gauges: Piece
    counters: tuple[tuple[Family[Any, Any], Piece], ...]

    @property
    def samples(self) -> int:
        """The number of samples."""
        return self.gauges.samples + sum(piece.samples for _, piece in self.counters)

    def pieces(self, *, openmetrics: bool = False) -> list[Piece]:
        """Return the page in OpenMetrics or text format as a list of pieces."""
        described = ((header(family, openmetrics=openmetrics), samples) for family, samples in self.counters)
        return [self.gauges, *chain.from_iterable(described)]

    def plain(self, size: int = 64 * 1024, *, openmetrics: bool = False) -> Iterator[bytes]:
        """Yield the page uncompressed, in chunks of at most ``size`` bytes."""
        return chain.from_iterable(piece.plain(size) for piece in self.pieces(openmetrics=openmetrics))


@dataclass(frozen=True, slots=True)
class PartitionLabels:
    """The label sets of one group's partitions, cached while the group's ``places`` are unchanged.

    They are patterns, one per line: for partitions with a committed offset, and for all partitions.
    """

    places: Sequence[tuple[Sequence[str], Sequence[int]]]
    committed: bytes
    every: bytes


NO_LABELS = PartitionLabels((), b"", b"")


class FamilyWriter(PieceWriter):
    """Writes the samples of one family by columns. Label sets are patterns (see ``pattern``), one per line."""

    def __init__(self, family: Family[Any, Any], compressor: isal_zlib.Compress) -> None:
        super().__init__(compressor)
        self._name = family.name.encode()
        self._end = b" %b\n" % family.form

    def write_column(self, labels: bytes, values: Sequence[Value]) -> None:
        """Write a line for each value that is not ``None``, with the label set at the same index."""
        if not isinstance(values, array) and None in values:
            pairs = [pair for pair in zip(labels.split(b"\n"), values, strict=False) if pair[1] is not None]
            labels, values = b"\n".join([pair[0] for pair in pairs]), [pair[1] for pair in pairs]
        if values:
            # One operation on bytes for all lines takes a third of the CPU time of one string per line.
            lines = self._name + labels.replace(b"\n", self._end + self._name) + self._end
            self.write(lines % tuple(values), len(values))


class Renderer:
    """Renders the snapshots of one Burrow. Caches the labels of the previous snapshot. Not thread-safe.

    ``extra_labels`` are added to each sample. ``policy`` is evaluated at the time of the snapshot. ``granularity`` is
    the finest level of the families of groups and topics. With ``topic_families``, those by topic are also rendered in
    addition to those by partition.
    """

    def __init__(
        self,
        disable: frozenset[str] = frozenset(),
        *,
        partition_info: bool = False,
        granularity: Granularity = "partition",
        topic_families: bool = False,
        extra_labels: Mapping[str, str] | None = None,
        policy: Policy | None = None,
    ) -> None:
        self._disable = disable if partition_info else disable | {PARTITION_INFO.name}
        self._granularity = granularity
        self._topic_families = topic_families
        self.extra_labels = frozenset((extra_labels or {}).items())
        self._extra = "".join(f",{label_pair(*item)}" for item in (extra_labels or {}).items())
        self._partition_tail = pattern(f'"{self._extra}}}')
        self._partition_labels: dict[tuple[str, str], PartitionLabels] = {}
        self._policy = PolicySamples(policy)
        self._cluster_families = self._enabled(CLUSTER_FAMILIES)
        self._group_families = self._enabled(GROUP_FAMILIES)
        self._group_topic_families = self._enabled(GROUP_TOPIC_FAMILIES)
        self._partition_families = self._enabled(PARTITION_FAMILIES)
        self._partition_info = self._enabled((PARTITION_INFO,))
        self._topic_offset = self._enabled((TOPIC_OFFSET,))
        self._topic_partition_families = self._enabled(TOPIC_FAMILIES)

    def _enabled(self, families: Iterable[FamilyT]) -> list[FamilyT]:
        return [family for family in families if family.name not in self._disable]

    def revise(self, snapshot: Snapshot) -> Snapshot:
        """Return the snapshot with lags in seconds adjusted to the policy's ``min_lag``."""
        return self._policy.revise(snapshot)

    def count(self, snapshot: Snapshot, limit: Granularity = "partition") -> int:
        """Return the number of samples in all sections, without those of the policy and without rendering them."""
        self._policy.refresh(snapshot)
        return sum(len(values) - values.count(None) for _, _, values in self._columns(snapshot, limit))

    def render(self, snapshot: Snapshot, limit: Granularity = "partition") -> dict[str, Piece]:
        """Return the section of each family that has samples, by family name; none finer than ``limit``."""
        self._policy.refresh(snapshot)
        self._refresh_labels(snapshot, limit)
        compressor = new_compressor()
        writers = {family.name: FamilyWriter(family, compressor) for family in self._enabled(FAMILIES)}
        for family, labels, values in self._columns(snapshot, limit):
            writers[family.name].write_column(labels, values)
        for name, pairs, value in self._policy.samples(snapshot):
            if writer := writers.get(name):
                writer.write_column(self._label_set(",".join(label_pair(*pair) for pair in pairs)), [value])
        sections = {name: writer.finish() for name, writer in writers.items()}
        return {name: section for name, section in sections.items() if section.samples}

    def _columns(self, snapshot: Snapshot, limit: Granularity) -> Iterator[Column]:
        """Yield each family's values with their label sets: of a cluster, a group, or a topic.

        Goes by group, not by family, so that a group's data stays in the CPU cache.
        """
        of_topics = coarsest(self._granularity, limit)
        for cluster in snapshot.clusters:
            labels = self._label_set(label_pair("cluster", cluster.name))
            yield from ((family, labels, [family.read(cluster)]) for family in self._cluster_families)
            for group in cluster.groups:
                yield from self._columns_of_group(cluster, group, limit)
            if of_topics != "group":
                for topic in cluster.topics:
                    yield from self._columns_of_topic(cluster, topic, of_topics)

    def _columns_of_group(self, cluster: Cluster, group: Group, limit: Granularity) -> Iterator[Column]:
        before = group_pairs(cluster, group)
        labels = self._label_set(before)
        for family in self._group_families:
            yield family, labels, [family.read(group)]
        granularity = self._granularity_of(cluster, group, limit)
        if self._shows_topics(granularity):
            topics = group_topics(group)
            labels = b"\n".join([self._label_set(f"{before},{label_pair('topic', topic.name)}") for topic in topics])
            for topic_family in self._group_topic_families:
                yield topic_family, labels, list(map(topic_family.read, topics))
        if granularity == "partition":
            known = self._partition_labels.get((cluster.name, group.name), NO_LABELS)
            for partition_family in self._partition_families:
                values = partition_family.read(group)
                yield partition_family, known.every if len(values) > len(group.partitions) else known.committed, values
            for info in self._partition_info:
                yield info, with_members(known.committed, group.partitions), info.read(group)

    def _columns_of_topic(self, cluster: Cluster, topic: Topic, granularity: Granularity) -> Iterator[Column]:
        before = f"{label_pair('cluster', cluster.name)},{label_pair('topic', topic.name)}"
        if self._shows_topics(granularity):
            for family in self._topic_offset:
                yield family, self._label_set(before), [family.read(topic)]
        if granularity == "partition":
            head, numbers = partition_head(before), range(len(topic.offsets))
            labels = b"\n".join([b"%b%d%b" % (head, number, self._partition_tail) for number in numbers])
            for partition_family in self._topic_partition_families:
                yield partition_family, labels, partition_family.read(topic)

    def _granularity_of(self, cluster: Cluster, group: Group, limit: Granularity) -> Granularity:
        """Return the granularity of a group's families: the policy's, else the default, capped by ``limit``."""
        entry = self._policy.entry(cluster.name, group.name)
        return coarsest((entry and entry.granularity) or self._granularity, limit)

    def _shows_topics(self, granularity: Granularity) -> bool:
        """Return whether the families by topic are rendered."""
        return granularity == "topic" or (granularity == "partition" and self._topic_families)

    def _refresh_labels(self, snapshot: Snapshot, limit: Granularity) -> None:
        """Render the labels of new and changed groups, and remove those of deleted groups."""
        known = self._partition_labels
        self._partition_labels = {
            (cluster.name, group.name): self._labels_of(cluster, group, known.get((cluster.name, group.name)))
            for cluster in snapshot.clusters
            for group in cluster.groups
            if self._granularity_of(cluster, group, limit) == "partition"
        }

    def _labels_of(self, cluster: Cluster, group: Group, known: PartitionLabels | None) -> PartitionLabels:
        places = [(each.topics, each.numbers) for each in (group.partitions, group.uncommitted)]
        if known and known.places == places:
            return known
        before = group_pairs(cluster, group)
        # The labels before the partition are the same for a whole topic: saves a fifth of a first page's CPU time.
        topics = {name for names, _ in places for name in set(names)}
        heads = {name: partition_head(f"{before},{label_pair('topic', name)}") for name in topics}
        tail = self._partition_tail
        committed, uncommitted = (
            [b"%b%d%b" % (heads[name], number, tail) for name, number in zip(*each, strict=True)] for each in places
        )
        every = b"\n".join(committed + uncommitted)
        return PartitionLabels(places, b"\n".join(committed) if uncommitted else every, every)

    def _label_set(self, pairs: str) -> bytes:
        return pattern(f"{{{pairs}{self._extra}}}")


def label_pair(name: str, value: str) -> str:
    """Return ``name="value"``, with the value escaped for the text format."""
    return f'{name}="{value.translate(ESCAPES)}"'


def partition_head(pairs: str) -> bytes:
    """Return a label set up to the number of the partition."""
    return pattern(f'{{{pairs},partition="')


def group_pairs(cluster: Cluster, group: Group) -> str:
    """Return the labels of a group."""
    return f"{label_pair('cluster', cluster.name)},{label_pair('consumer_group', group.name)}"


def with_members(labels: bytes, partitions: Partitions) -> bytes:
    """Return the label sets of partitions with the members that consume them."""
    rows = zip(labels.split(b"\n"), partitions.owners, partitions.client_ids, strict=False)
    return b"\n".join([b"%b,%b}" % (each[:-1], pattern(member_pairs(*member))) for each, *member in rows])


def member_pairs(owner: str, client_id: str) -> str:
    """Return the labels of the member that consumes a partition."""
    return f"{label_pair('owner', owner)},{label_pair('client_id', client_id)}"


def pattern(text: str) -> bytes:
    """Escape a text for use in a ``%`` pattern."""
    return text.replace("%", "%%").encode()


@cache
def header(family: Family[Any, Any], *, openmetrics: bool = False) -> Piece:
    """Return the HELP and TYPE lines of a family. OpenMetrics names a counter's family without ``_total``."""
    name = family.name.removesuffix("_total") if openmetrics and family.kind == "counter" else family.name
    return compress(f"# HELP {name} {family.help}\n# TYPE {name} {family.kind}\n".encode())


def assemble(burrows: Iterable[Mapping[str, Piece]]) -> Page:
    """Join the sections of all Burrows to a page, with each family once and only if it has samples."""
    burrows = list(burrows)
    gauges: list[Piece] = []
    counters: list[tuple[Family[Any, Any], Piece]] = []
    for family in FAMILIES:
        pieces = [sections[family.name] for sections in burrows if family.name in sections]
        if pieces and family.kind == "counter":
            counters.append((family, join(pieces)))
        elif pieces:
            gauges += [header(family), *pieces]
    return Page(join(gauges), tuple(counters))
