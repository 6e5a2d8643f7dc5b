"""The exporter's page for a recorded Burrow, compared with Burrow's own /metrics of the same moment."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterator

import pytest

from burrow_exporter.settings.config import Filters, TopicFilter
from tests import ROOT
from tests.conftest import tool
from tests.support.faults import RecordedBurrow
from tests.support.pages import Polled, Sample, samples_in
from tests.support.recorded import load, mixed

GOLDEN = ROOT / "tests" / "golden" / "mixed.txt"
EVERYTHING = Filters(topic=TopicFilter.of())


@pytest.fixture
def burrow() -> Iterator[RecordedBurrow]:
    """Return the recorded Burrow."""
    with RecordedBurrow(mixed()) as burrow:
        yield burrow


def native() -> dict[Sample, float]:
    """Return what Burrow's own /metrics said, without the metrics of its runtime."""
    told = samples_in(load("mixed.json")["native_metrics"])
    return {sample: value for sample, value in told.items() if sample[0].startswith("burrow_kafka_")}


def missing_or_different(told: dict[Sample, float], published: dict[Sample, float]) -> set[Sample]:
    """Return Burrow's samples that the exporter does not publish with the same value."""
    return {sample for sample, value in told.items() if published.get(sample) != value}


def partition_of(sample: Sample) -> tuple[str, str, str, str]:
    """Return cluster, group, topic and partition of a sample, empty where it has none."""
    labels = dict(sample[1])
    return (
        labels["cluster"],
        labels.get("consumer_group", ""),
        labels.get("topic", ""),
        labels.get("partition", ""),
    )


def is_internal(sample: Sample) -> bool:
    """Tell whether a sample is of __consumer_offsets, or of a group that reads nothing else."""
    labels = dict(sample[1])
    return labels.get("topic") == "__consumer_offsets" or labels.get("consumer_group", "").startswith("burrow-")


def test_every_line_of_burrow_is_published_with_its_value_but_for_three_known_kinds(burrow: RecordedBurrow) -> None:
    """Of Burrow's 577 samples 519 are equal; the others are internal, unreachable, or say 0 for an unknown lag."""
    told = native()
    left = missing_or_different(told, Polled(burrow.address).poll())
    internal = {sample for sample in left if is_internal(sample)}
    unreachable = {sample for sample in left if partition_of(sample)[1] == "with/slash"}
    uncommitted = {sample for sample in left if partition_of(sample)[1] == "fraud-check"}
    assert (577, 519, 58) == (len(told), len(told) - len(left), len(left))
    assert (36, 20, 2) == (len(internal), len(unreachable), len(uncommitted))
    assert internal | unreachable | uncommitted == left
    assert internal == {sample for sample in told if is_internal(sample)}
    assert unreachable == {sample for sample in told if partition_of(sample)[1] == "with/slash"}
    assert {("burrow_kafka_consumer_partition_lag", 0)} == {(sample[0], told[sample]) for sample in uncommitted}
    assert {("eu-west", "fraud-check", "orders", "0"), ("eu-west", "fraud-check", "orders", "1")} == {
        partition_of(sample) for sample in uncommitted
    }


def test_without_the_filter_internal_topics_are_there_too(burrow: RecordedBurrow) -> None:
    """With the filter off, 555 of 577 samples are equal, and none of the rest is internal."""
    told = native()
    left = missing_or_different(told, Polled(burrow.address, EVERYTHING).poll())
    assert 22 == len(left)
    assert {"with/slash", "fraud-check"} == {partition_of(sample)[1] for sample in left}


def test_a_group_that_burrow_cannot_serve_is_counted_as_unreadable(burrow: RecordedBurrow) -> None:
    """The group whose name holds a slash is listed, answers 404 with an error, and is counted and no failed poll."""
    polled = Polled(burrow.address)
    polled.poll()
    assert 1 == polled.own("unreadable_groups", cluster="eu-west")
    assert 0 == polled.own("unreadable_groups", cluster="us-east")
    assert 1 == polled.own("request_failures_total", endpoint="lag", reason="http_4xx")
    assert 1 == polled.own("burrow_up")


def test_a_partition_without_a_commit_publishes_that_its_window_is_empty_and_nothing_else(
    burrow: RecordedBurrow,
) -> None:
    """Burrow's lag of 0 for such a partition means unknown."""
    samples = Polled(burrow.address).poll()
    assert {("burrow_kafka_consumer_partition_complete_ratio", 0)} == {
        (sample[0], value)
        for sample, value in samples.items()
        if partition_of(sample) == ("eu-west", "fraud-check", "orders", "0")
    }


def test_partitions_with_a_half_filled_window_are_published_unlike_by_burrow(burrow: RecordedBurrow) -> None:
    """Burrow's own /metrics leaves out status and offset until its window is full (Burrow #637)."""
    samples = Polled(burrow.address).poll()
    young = [sample for sample in samples if partition_of(sample)[1] == "young"]
    assert {2} == {samples[sample] for sample in young if sample[0] == "burrow_kafka_topic_partition_status"}
    assert {0.3} == {samples[sample] for sample in young if sample[0].endswith("complete_ratio")}
    assert not [s for s in native() if partition_of(s)[1] == "young" and s[0] == "burrow_kafka_topic_partition_status"]


def test_lag_max_is_the_lag_of_burrows_maxlag(burrow: RecordedBurrow) -> None:
    """The largest partition lag is that of the partition Burrow names as ``maxlag``."""
    told = {}
    for path, recorded in burrow.answers.items():
        if path.endswith("/lag") and recorded.status == 200:
            status = json.loads(recorded.body)["status"]
            told[status["cluster"], status["group"]] = status["maxlag"]["current_lag"]
    samples = Polled(burrow.address, EVERYTHING).poll()
    published = {partition_of(s)[:2]: v for s, v in samples.items() if s[0] == "burrow_kafka_consumer_lag_max"}
    assert told == published


def test_the_whole_page_is_the_golden_one(burrow: RecordedBurrow) -> None:
    """The exposition of the recording, at the moment it was made, is known to the byte.

    ``python -m tests.metrics.test_parity`` writes it anew; look at what changed.
    """
    assert GOLDEN.read_text(encoding="utf-8") == golden(burrow)


@pytest.mark.prometheus
def test_promtool_knows_one_complaint_about_the_page(burrow: RecordedBurrow) -> None:
    """``promtool check metrics`` minds only the name that is Burrow's own."""
    run = subprocess.run(
        [tool("promtool"), "check", "metrics"], input=golden(burrow).encode(), capture_output=True, check=False
    )
    said = (run.stdout + run.stderr).decode().splitlines()
    assert ['burrow_kafka_consumer_lag_total non-counter metrics should not have "_total" suffix'] == said


def golden(burrow: RecordedBurrow) -> str:
    """Return the page of the recording at the moment it was made."""
    at = load("mixed.json")["recorded_at"]
    polled = Polled(burrow.address, clock=lambda: at)
    polled.poll()
    return polled.text()


if __name__ == "__main__":
    with RecordedBurrow(mixed()) as recording:
        GOLDEN.write_text(golden(recording), encoding="utf-8")
