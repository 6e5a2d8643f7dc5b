"""Tests of the page by partition, by topic and by group: equal sums, fewer series."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Callable

import pytest

from burrow_exporter.metrics.exposition import Renderer, assemble
from burrow_exporter.settings.config import MetricsConfig
from burrow_exporter.settings.policy import GroupEntry, Policy
from burrow_exporter.snapshot import Snapshot
from burrow_exporter.terms import GRANULARITIES, Granularity
from tests.support.faults import RecordedBurrow
from tests.support.pages import Polled, Sample, samples_in, text_of
from tests.support.recorded import mixed

BY_TOPIC = "burrow_kafka_consumer_topic_"
PLACES = ("cluster", "consumer_group", "topic")


@pytest.fixture(scope="module")
def snapshot() -> Snapshot:
    """Return what a poll of a recorded Burrow saw."""
    with RecordedBurrow(mixed()) as burrow:
        polled = Polled(burrow.address)
        polled.poll()
        return polled.published[-1]


def folded(samples: dict[Sample, float], name: str) -> dict[tuple[str, ...], list[float]]:
    """Return a family's values by cluster, group and topic."""
    found: dict[tuple[str, ...], list[float]] = defaultdict(list)
    for (family, labels), value in samples.items():
        if family == name:
            found[tuple(dict(labels).get(each, "") for each in PLACES)].append(value)
    return dict(found)


@pytest.mark.parametrize(
    ("of_topics", "of_partitions", "fold"),
    [
        (f"{BY_TOPIC}lag", "burrow_kafka_consumer_partition_lag", sum),
        (f"{BY_TOPIC}lag_max", "burrow_kafka_consumer_partition_lag", max),
        (f"{BY_TOPIC}lag_seconds", "burrow_kafka_consumer_partition_lag_seconds", max),
        (f"{BY_TOPIC}status", "burrow_kafka_topic_partition_status", max),
        (f"{BY_TOPIC}current_offset", "burrow_kafka_consumer_current_offset", sum),
        ("burrow_kafka_topic_offset", "burrow_kafka_topic_partition_offset", sum),
    ],
)
def test_topics_say_what_their_partitions_say(
    snapshot: Snapshot, of_topics: str, of_partitions: str, fold: Callable[[list[float]], float]
) -> None:
    """Sums and largest values of a recorded Burrow are those of its partitions, whichever page has them."""
    partitions = folded(samples_in(text_of(snapshot)), of_partitions)
    expected = {place: [fold(values)] for place, values in partitions.items()}
    assert expected
    for metrics in (MetricsConfig(granularity="topic"), MetricsConfig(topic_families=True)):
        assert expected == folded(samples_in(text_of(snapshot, metrics)), of_topics)


def names(granularity: Granularity, snapshot: Snapshot) -> set[str]:
    """Return the names on the page."""
    return {name for name, _ in samples_in(text_of(snapshot, MetricsConfig(granularity=granularity)))}


def test_what_gives_way(snapshot: Snapshot) -> None:
    """Families of groups and clusters stay as they are; those by topic are only where partitions are not."""
    by_partition, by_topic, by_group = (names(each, snapshot) for each in GRANULARITIES)
    assert by_group == by_partition & by_topic
    assert {f"{BY_TOPIC}{each}" for each in ("lag", "lag_max", "lag_seconds", "status", "current_offset")} | {
        "burrow_kafka_topic_offset"
    } == by_topic - by_group
    assert all(
        "partition_" in name or name == "burrow_kafka_consumer_current_offset" for name in by_partition - by_group
    )


@pytest.mark.parametrize("limit", GRANULARITIES)
@pytest.mark.parametrize("granularity", GRANULARITIES)
def test_series_are_counted(snapshot: Snapshot, granularity: Granularity, limit: Granularity) -> None:
    """As many as are on the page then, which is never finer than the limit."""
    renderer = Renderer(granularity=granularity)
    page = assemble([renderer.render(snapshot, limit)])
    assert page.samples == renderer.count(snapshot, limit) == len(samples_in(b"".join(page.plain()).decode()))
    coarser = max(granularity, limit, key=GRANULARITIES.index)
    assert page == assemble([Renderer(granularity=coarser).render(snapshot)])


@pytest.mark.parametrize("of_all", GRANULARITIES)
def test_the_policy_may_have_groups_otherwise(snapshot: Snapshot, of_all: Granularity) -> None:
    """Finer or coarser than all others; the limit counts for them, too."""
    entries = [GroupEntry(match=re.compile("billing"), granularity=each) for each in GRANULARITIES]
    for entry in entries:
        renderer = Renderer(granularity=of_all, policy=Policy(groups=(entry,)))
        for limit in GRANULARITIES:
            samples = samples_in(b"".join(assemble([renderer.render(snapshot, limit)]).plain()).decode())
            for group in ("billing", "fraud-check"):
                wanted = (entry.granularity or of_all) if group == "billing" else of_all
                families = {name for name, labels in samples if ("consumer_group", group) in labels}
                found = (
                    "burrow_kafka_consumer_partition_lag" in families,
                    f"{BY_TOPIC}lag" in families,
                )
                coarser = max(wanted, limit, key=GRANULARITIES.index)
                assert (coarser == "partition", coarser == "topic") == found
