"""Tests of exposition.py and families.py: the page for a snapshot."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from prometheus_client import CollectorRegistry, Metric
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily
from prometheus_client.exposition import generate_latest
from prometheus_client.openmetrics.parser import text_string_to_metric_families as parse_openmetrics
from prometheus_client.parser import text_string_to_metric_families as parse_text

from burrow_exporter.burrow.answers import LARGEST, Commit, Partition
from burrow_exporter.burrow.partitions import Partitions
from burrow_exporter.metrics.exposition import Renderer, assemble
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
)
from burrow_exporter.settings.config import MetricsConfig
from burrow_exporter.snapshot import PARTITION_STATUS_CODES, Cluster, Group, Snapshot, Topic
from burrow_exporter.terms import GRANULARITIES, Granularity
from tests.support import factories
from tests.support.pages import Sample, samples_in, text_of

NAMES = st.text(st.characters(exclude_categories=["Cs"]), max_size=12) | st.sampled_from(
    ['"', "\\", "\n", '\\"\n', "ü✓ "]
)
COUNTS = st.integers(0, LARGEST)
SECONDS = st.none() | st.integers(0, 2**63).map(lambda milliseconds: milliseconds / 1000)
WORDS = st.sampled_from(["OK", "WARN", "STOP", "STALL", "REWIND", "ERR", "NEW"])


@st.composite
def partitions(draw: st.DrawFn, topic: str, number: int, *, committed: bool) -> Partition:
    """Return any partition."""
    end = Commit(draw(COUNTS), draw(COUNTS), draw(COUNTS), draw(st.none() | COUNTS)) if committed else None
    return Partition(
        topic, number, draw(NAMES), draw(NAMES), draw(WORDS), end, end, draw(COUNTS), draw(st.floats(0, 1))
    )


@st.composite
def groups(draw: st.DrawFn, name: str) -> Group:
    """Return any group of this name."""
    keys = draw(st.lists(st.tuples(NAMES, st.integers(0, 99)), unique=True, max_size=4))
    cut = draw(st.integers(0, len(keys)))
    return Group(
        name=name,
        status=draw(WORDS),
        partitions=Partitions(draw(partitions(*key, committed=True)) for key in keys[:cut]),
        uncommitted=Partitions(draw(partitions(*key, committed=False)) for key in keys[cut:]),
        total_lag=draw(COUNTS),
        max_lag=draw(COUNTS),
        read_at=0,
        expires_at=0,
        lag_seconds=draw(st.just(()) | st.lists(SECONDS, min_size=cut, max_size=cut)),
        members=draw(st.none() | COUNTS),
        unowned_partitions=draw(st.none() | COUNTS),
        owner_changes=draw(st.none() | COUNTS),
    )


@st.composite
def snapshots(draw: st.DrawFn) -> Snapshot:
    """Return any snapshot."""
    clusters = [
        Cluster(
            name=name,
            groups=tuple(draw(groups(group)) for group in draw(st.lists(NAMES, unique=True, max_size=3))),
            topics=tuple(
                Topic(topic, draw(st.lists(COUNTS, max_size=3)), 0, 0)
                for topic in draw(st.lists(NAMES, unique=True, max_size=3))
            ),
            listed_groups=draw(COUNTS),
            listed_topics=draw(COUNTS),
            last_commit=draw(SECONDS),
            burrow_lag=draw(st.none() | COUNTS),
            unreadable_groups=0,
            expires_at=0,
        )
        for name in draw(st.lists(NAMES, unique=True, max_size=2))
    ]
    return Snapshot("default", tuple(clusters), 0)


Row = tuple[Family[Any, Any], list[str], float | None]


def rows(snapshot: Snapshot, metrics: MetricsConfig) -> Iterator[Row]:
    """Yield family, label values and value of each sample that a snapshot holds, the plain way."""
    by_partition = metrics.granularity == "partition"
    by_topic = metrics.granularity == "topic" or (by_partition and metrics.topic_families)
    for cluster in snapshot.clusters:
        for cluster_family in CLUSTER_FAMILIES:
            yield cluster_family, [cluster.name], cluster_family.read(cluster)
        for topic in cluster.topics:
            if by_topic:
                yield TOPIC_OFFSET, [cluster.name, topic.name], sum(topic.offsets)
            for number, offset in enumerate(topic.offsets if by_partition else ()):
                yield TOPIC_FAMILIES[0], [cluster.name, topic.name, str(number)], offset
        for group in cluster.groups:
            for group_family in GROUP_FAMILIES:
                yield group_family, [cluster.name, group.name], group_family.read(group)
            yield from topic_rows(cluster, group) if by_topic else ()
            yield from partition_rows(cluster, group) if by_partition else ()


def partition_rows(cluster: Cluster, group: Group) -> Iterator[Row]:
    """Yield the samples by partition of a group."""
    parts = [*group.partitions, *group.uncommitted]
    for family in PARTITION_FAMILIES:
        for part, value in zip(parts, family.read(group), strict=False):
            yield family, [cluster.name, group.name, part.topic, str(part.partition)], value
    for part in group.partitions:
        values = [cluster.name, group.name, part.topic, str(part.partition), part.owner, part.client_id]
        yield PARTITION_INFO, values, 1


def topic_rows(cluster: Cluster, group: Group) -> Iterator[Row]:
    """Yield the samples by topic of a group."""
    seconds = group.lag_seconds or [None] * len(group.partitions)
    for topic in {part.topic for part in group.partitions}:
        pairs = [pair for pair in zip(group.partitions, seconds, strict=True) if pair[0].topic == topic]
        lags, ages = [part.current_lag for part, _ in pairs], [age for _, age in pairs if age is not None]
        codes = [PARTITION_STATUS_CODES[part.status] for part, _ in pairs if part.status in PARTITION_STATUS_CODES]
        offsets = [part.end.offset for part, _ in pairs if part.end]
        values = (max(codes, default=None), sum(lags), max(lags), max(ages, default=None), sum(offsets))
        for family, value in zip(GROUP_TOPIC_FAMILIES, values, strict=True):
            yield family, [cluster.name, group.name, topic], value


TYPES = {"gauge": GaugeMetricFamily, "counter": CounterMetricFamily}


def reference(snapshot: Snapshot) -> str:
    """Return the page that prometheus_client makes of a snapshot."""
    metrics = {family.name: TYPES[family.kind](family.name, family.help, labels=family.labels) for family in FAMILIES}
    for family, labels, value in rows(snapshot, EVERY_FAMILY):
        if value is not None:
            metrics[family.name].add_metric(labels, value)

    class Collector:
        """Gives the families to the registry."""

        def collect(self) -> list[Metric]:
            """Return all."""
            return list(metrics.values())

    registry = CollectorRegistry()
    registry.register(Collector())
    return generate_latest(registry).decode()


EVERY_FAMILY = MetricsConfig(partition_info=True, topic_families=True)


@given(snapshots(), st.sampled_from(GRANULARITIES), st.booleans())
def test_the_page_parses_to_the_snapshot_in_both_formats(
    snapshot: Snapshot,
    granularity: Granularity,
    topic_families: bool,  # noqa: FBT001
) -> None:
    """For any label values and numbers, both parsers read the samples that the snapshot holds, each once."""
    metrics = MetricsConfig(partition_info=True, granularity=granularity, topic_families=topic_families)
    expected = {
        (family.name, frozenset(zip(family.labels, labels, strict=True))): float(value)
        for family, labels, value in rows(snapshot, metrics)
        if value is not None
    }
    assert expected == samples_in(text_of(snapshot, metrics))
    assert expected == samples_in(text_of(snapshot, metrics, openmetrics=True), parse_openmetrics)


@given(snapshots())
def test_the_page_holds_what_prometheus_client_would_write(snapshot: Snapshot) -> None:
    """``generate_latest`` on the same samples parses to the same samples."""
    assert samples_in(reference(snapshot)) == samples_in(text_of(snapshot, EVERY_FAMILY))


@given(snapshots(), snapshots())
def test_what_a_renderer_keeps_does_not_show(first: Snapshot, second: Snapshot) -> None:
    """A page does not depend on the snapshots that were rendered before."""
    renderer = Renderer()
    renderer.render(first)
    kept = assemble([renderer.render(second)])
    fresh = assemble([Renderer().render(second)])
    assert fresh == kept


def one_group(**fields: Any) -> Snapshot:
    """Return a snapshot of one group with one partition."""
    end = Commit(90, 1_700_000_000_250, 1_700_000_001_000, 10)
    owner = {"owner": "/10.0.0.7", "client_id": "worker-1"}
    part = factories.partition(end, 10, 3, topic="orders", status="STALL", complete=0.5, **owner)
    group = replace(factories.group(0, part, status="ERR"), **fields)
    return Snapshot("default", (Cluster("c", (group,), (), 1, 0, None, None, 0, 0),), 0)


def test_values_are_written_as_the_contract_says() -> None:
    """One partition's samples, to the letter: codes for statuses, seconds for times, a ratio below 1."""
    labels = '{cluster="c",consumer_group="g",topic="orders",partition="3"}'
    lines = [line for line in text_of(one_group(lag_seconds=[2.5])).splitlines() if labels in line]
    assert [
        f"burrow_kafka_topic_partition_status{labels} 5",
        f"burrow_kafka_consumer_partition_lag{labels} 10",
        f"burrow_kafka_consumer_partition_lag_seconds{labels} 2.500",
        f"burrow_kafka_consumer_current_offset{labels} 90",
        f"burrow_kafka_consumer_partition_commit_timestamp_seconds{labels} 1700000000.250",
        f"burrow_kafka_consumer_partition_complete_ratio{labels} 0.5",
    ] == lines


def test_a_group_without_any_commit_publishes_status_and_partitions_only() -> None:
    """Its lag is unknown, and no lag is better than a lag of 0."""
    part = one_group().clusters[0].groups[0].partitions[0]
    samples = samples_in(text_of(one_group(partitions=Partitions(), uncommitted=Partitions([part]))))
    assert {"burrow_kafka_consumer_status", "burrow_kafka_consumer_partitions"} == {
        name for name, _ in samples if name.startswith("burrow_kafka_consumer_") and "partition_" not in name
    }
    assert {0.0} == {value for (name, _), value in samples.items() if "consumer_partition_" in name}


@pytest.mark.parametrize(("seconds", "largest"), [([1.5, None, 0.0], 1.5), ([None], None), ([], None)])
def test_the_lag_in_seconds_of_a_group_is_its_largest_known(seconds: list[float | None], largest: float | None) -> None:
    """Partitions of which nothing is known count for nothing; without any other there is no sample."""
    samples = samples_in(text_of(one_group(lag_seconds=seconds)))
    assert largest == samples.get(key("burrow_kafka_consumer_lag_seconds", cluster="c", consumer_group="g"))


def key(name: str, **labels: str) -> Sample:
    """Return a sample's name and labels."""
    return name, frozenset(labels.items())


def test_families_can_be_left_out() -> None:
    """A disabled family leaves neither samples nor its description; the info family is off unless asked for."""
    disabled = "burrow_kafka_consumer_partition_lag"
    text = text_of(one_group(), MetricsConfig(disable=frozenset({disabled})))
    assert f"{disabled}{{" not in text
    assert f"# HELP {disabled} " not in text
    assert PARTITION_INFO.name not in text
    assert PARTITION_INFO.name not in Renderer().render(one_group())
    assert PARTITION_INFO.name in text_of(one_group(), EVERY_FAMILY)


def test_families_of_several_burrows_stand_once_on_the_page() -> None:
    """Each family is described once, with the samples of all Burrows below, those of the first one first."""
    sections = [Renderer(extra_labels={"dc": dc}).render(one_group()) for dc in ("a", "b")]
    page = assemble(sections)
    text = b"".join(page.plain()).decode()
    described = re.findall(r"^# TYPE (\S+)", text, re.MULTILINE)
    assert len(set(described)) == len(described)
    assert page.samples == len(samples_in(text))
    assert ["a", "b"] == re.findall(r'^burrow_kafka_consumer_status{.*,dc="(\w)"} 3$', text, re.MULTILINE)


def test_extra_labels_stand_on_each_sample() -> None:
    """Not one sample goes without the labels that tell a Burrow's clusters apart."""
    sections = Renderer(extra_labels={"dc": 'e"u', "zone": "b"}, partition_info=True).render(one_group())
    samples = samples_in(b"".join(assemble([sections]).plain()).decode())
    assert {('e"u', "b")} == {(dict(labels)["dc"], dict(labels)["zone"]) for _, labels in samples}


def test_samples_are_counted() -> None:
    """Those of all groups of a family, as they stand on the page."""
    (cluster,) = one_group().clusters
    groups = tuple(replace(cluster.groups[0], name=name) for name in "gh")
    page = assemble([Renderer().render(replace(one_group(), clusters=(replace(cluster, groups=groups),)))])
    assert page.samples == len(samples_in(b"".join(page.plain()).decode())) == 2 * 9 + 2


def test_labels_are_made_once_and_anew_when_partitions_change() -> None:
    """Most of a page is labels: those of a group that stays as it is are kept, of one that is gone not."""
    renderer = Renderer()
    renderer.render(one_group())
    first = renderer._partition_labels["c", "g"]
    assert b'{cluster="c",consumer_group="g",topic="orders",partition="3"}' == first.every
    renderer.render(one_group(lag_seconds=[9.0]))
    assert first is renderer._partition_labels["c", "g"]
    part = one_group().clusters[0].groups[0].partitions[0]
    renderer.render(one_group(uncommitted=Partitions([part])))
    assert b"\n".join([first.every] * 2) == renderer._partition_labels["c", "g"].every
    renderer.render(Snapshot("default", (), 0))
    assert {} == renderer._partition_labels


@pytest.mark.parametrize("family", FAMILIES, ids=lambda family: family.name)
def test_the_table_of_families_keeps_the_rules_of_the_format(family: Family[Any, Any]) -> None:
    """HELP has nothing to escape, so that one text serves both formats; names and labels are the field's."""
    assert not set(family.help) & set('"\\\n')
    assert re.fullmatch(r"burrow_kafka_[a-z_]+", family.name)
    assert "cluster" == family.labels[0]
    assert list(parse_text(f"# HELP {family.name} {family.help}\n"))
