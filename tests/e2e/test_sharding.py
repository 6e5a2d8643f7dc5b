"""Sharding: several exporters together expose the same as one, and nothing twice."""

from __future__ import annotations

import threading
from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from burrow_exporter.exporter import Exporter
from burrow_exporter.metrics.families import UNSHARED_FAMILIES
from burrow_exporter.settings.config import (
    BurrowConfig,
    Config,
    Filter,
    Filters,
    MetricsConfig,
    ShardConfig,
    TopicFilter,
)
from burrow_exporter.settings.policy import ClusterEntry, PolicyConfig, TopicEntry
from tests.support.faults import RecordedBurrow
from tests.support.pages import Sample, own_of, page_of
from tests.support.recorded import NOT_FOUND, mixed

EVERYTHING = Filters(topic=TopicFilter.of())
NO_POLICY = PolicyConfig()
SECONDS = tuple(f"burrow_kafka_consumer_{each}lag_seconds" for each in ("", "partition_", "topic_"))


def polled(
    burrow: RecordedBurrow, index: int, total: int, filters: Filters = EVERYTHING, policy: PolicyConfig = NO_POLICY
) -> Exporter:
    """Return an exporter of one share that has polled once."""
    burrows = (BurrowConfig(addresses=(burrow.address,), filters=filters),)
    shard, metrics = ShardConfig(index=index, total=total), MetricsConfig(topic_families=True)
    exporter = Exporter(Config(burrows=burrows, shard=shard, policy=policy, metrics=metrics), threading.Event())
    exporter.poll_once()
    return exporter


def from_burrow(exporter: Exporter) -> dict[Sample, float]:
    """Return what is published from Burrow's answers."""
    return {key: value for key, value in page_of(exporter).items() if key[0].startswith("burrow_kafka_")}


def test_three_shards_make_the_whole() -> None:
    """Three shards together expose the same as one exporter; no sample is on two pages, and each has a share."""
    with RecordedBurrow(mixed()) as burrow:
        whole = from_burrow(polled(burrow, 0, 1))
        shares = [from_burrow(polled(burrow, index, 3)) for index in range(3)]
    times = Counter(key for share in shares for key in share)
    assert {1} == set(times.values())
    assert whole.keys() == times.keys()
    union = {key: value for share in shares for key, value in share.items()}
    differing = {key[0] for key in whole if whole[key] != union[key]}
    assert differing <= set(SECONDS)  # derived at the moment of the poll
    assert all(0.1 * len(whole) < len(share) for share in shares)


def test_groups_of_others_are_not_asked_for() -> None:
    """Each group is asked for by one exporter; Burrow's own by all, to know whether Burrow has caught up."""
    asked: list[str] = []
    answers = mixed()
    with RecordedBurrow(answers) as burrow:
        polled(burrow, 0, 1)
        whole = {path for path in burrow.asked if path.endswith("/lag")}
        for index in range(3):
            burrow.heads.clear()
            polled(burrow, index, 3)
            asked += [path for path in burrow.asked if path.endswith("/lag")]
    times = Counter(asked)
    own = {path for path in times if "/consumer/burrow-" in path}
    assert own
    assert {3} == {times[path] for path in own}
    assert {1} == {count for path, count in times.items() if path not in own}
    assert whole == set(times)


def test_what_belongs_to_no_group_is_the_first_shards() -> None:
    """Counts, topics' offsets and the rest of a cluster's own figures are published by shard 0 alone."""
    names = {family.name for family in UNSHARED_FAMILIES}
    policy = PolicyConfig(topics=(TopicEntry(max_silence=60.0),), clusters=(ClusterEntry(idle="ok"),))
    with RecordedBurrow(mixed()) as burrow:
        shards = [polled(burrow, index, 2, policy=policy) for index in range(2)]
        published = [{key[0] for key in from_burrow(each)} & names for each in shards]
    assert [names, set()] == published


def test_unreadable_groups_are_counted_by_their_shard() -> None:
    """A group that fails is counted once in all."""
    answers = mixed()
    with RecordedBurrow(answers) as burrow:
        for path in [path for path in answers if path.endswith("/lag") and "/burrow-" not in path]:
            burrow.answers[path] = NOT_FOUND
        shards = [polled(burrow, index, 3) for index in range(3)]
        whole = polled(burrow, 0, 1)
    clusters = {dict(labels)["cluster"] for name, labels in page_of(whole) if name.endswith("unreadable_groups")}
    for cluster in clusters:
        counts = [own_of(each, "unreadable_groups", burrow="default", cluster=cluster) or 0 for each in shards]
        assert own_of(whole, "unreadable_groups", burrow="default", cluster=cluster) == sum(counts) > 0
    assert clusters


def test_shards_and_filters_go_together() -> None:
    """The union of the shares of filtered groups is what the filter leaves."""
    filters = Filters(group=Filter.of(exclude=["burrow-.*", ".*a.*"]))
    with RecordedBurrow(mixed()) as burrow:
        whole = from_burrow(polled(burrow, 0, 1, filters))
        times = Counter(key for index in range(2) for key in from_burrow(polled(burrow, index, 2, filters)))
    assert whole.keys() == times.keys()
    assert {1} == set(times.values())


@given(st.text(), st.text(), st.integers(1, 9))
def test_every_group_has_one_shard(cluster: str, group: str, total: int) -> None:
    """Whatever its name, of any number of shards exactly one holds a group."""
    assert 1 == sum(ShardConfig(index=index, total=total).holds(cluster, group) for index in range(total))


def test_shares_are_even() -> None:
    """Of many groups with like names each shard has about its part."""
    counts = Counter(
        index
        for number in range(3000)
        for index in range(3)
        if ShardConfig(index=index, total=3).holds("eu-west", f"payments-{number:04}")
    )
    assert {0, 1, 2} == counts.keys()
    assert all(900 < count < 1100 for count in counts.values())


@pytest.mark.parametrize(("expected", "cluster", "group"), [(2, "eu-west", "checkout"), (2, "a", "b"), (0, "", "")])
def test_shares_are_the_same_for_ever(expected: int, cluster: str, group: str) -> None:
    """The hash is the same in each process and version: shards may be updated one after the other."""
    assert [expected] == [index for index in range(3) if ShardConfig(index=index, total=3).holds(cluster, group)]
