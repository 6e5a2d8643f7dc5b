"""Tests of report.py: the output of ``check`` about ages, caches and filters."""

from __future__ import annotations

from dataclasses import replace

import pytest

from burrow_exporter.burrow.answers import Settings
from burrow_exporter.polling.walk import WalkResult
from burrow_exporter.snapshot import Cluster, Snapshot, Topic
from burrow_exporter.status.report import summary
from tests.support import factories

NOW = 1_700_000_000.0


def cluster(age: float | None = 10.0, lag: int = 0, log_end: int = 100) -> Cluster:
    """Return a cluster whose newest commit was seen some seconds ago: a group at offset 100 with a lag."""
    one = factories.partition(factories.commit(NOW, 100, lag), lag)
    group = factories.group(NOW, one, expires_at=NOW + 45, lag_seconds=[0.0])
    topics = (Topic("t", [log_end], NOW, NOW + 45),)
    return Cluster("c", (group,), topics, 1, 1, None if age is None else NOW - age, 0, 0, NOW + 45)


def said(made: Cluster, settings: Settings | None = None) -> list[str]:
    """Return what is said of a cluster beside what is listed and published."""
    lines = summary(Snapshot("default", (made,), NOW), WalkResult(NOW + 45, settings=settings), NOW)
    return [line for line in lines if "listed" not in line]


@pytest.mark.parametrize("seconds", [None, 1, 5, 60])
def test_a_cache_that_is_short_enough(seconds: int | None) -> None:
    """It is not reported."""
    assert [] == said(cluster(), None if seconds is None else Settings(seconds, {}))


@pytest.mark.parametrize(
    ("words", "seconds"),
    [("is 61 (seconds): its responses may be 1m 1s old", 61), ("may be 1d old", 86400), ("never expire", 0)],
)
def test_a_cache_that_is_too_long(words: str, seconds: int) -> None:
    """The setting is named, with its section, and what to set it to."""
    (line,) = said(cluster(), Settings(seconds, {}))
    assert line.startswith("expire-cache in Burrow's [evaluator] section is ")
    assert words in line
    assert line.endswith("set it to 5")


@pytest.mark.parametrize(("told", "age"), [(False, None), (False, 300.0), (True, 301.0)])
def test_the_age_of_the_newest_commit(age: float | None, *, told: bool) -> None:
    """It is said from five minutes on."""
    assert told == bool(said(cluster(age)))


@pytest.mark.parametrize(
    ("words", "made"),
    [
        ("log ends have moved since, so Burrow answers from its cache", cluster(902, 0, 101)),
        ("log ends have moved since, so Burrow answers from its cache", cluster(902, 5, 106)),
        ("no group commits, Burrow has lost Kafka, or expire-cache", cluster(902, 5, 105)),
        ("no group commits, Burrow has lost Kafka, or expire-cache", replace(cluster(902, 0, 500), topics=())),
    ],
    ids=["cached", "cached with lag", "frozen", "log ends not known"],
)
def test_why_the_newest_commit_may_be_old(words: str, made: Cluster) -> None:
    """Log ends are not cached: where they are beyond what lags were told against, the lags are."""
    (line,) = said(made)
    assert "cluster c: the newest commit known to Burrow is 15m 2s old: " in line
    assert words in line
    assert "expire-cache in its [evaluator] section" in line


def test_what_filters_leave_out() -> None:
    """How many groups by which filter, and which of them have lag."""
    left_out = {"name": 3, "topic": 0, "commit_age": 2}
    lines = said(replace(cluster(), filtered_groups=left_out, hidden_groups=("hangs",)))
    assert [
        "cluster c: groups excluded by filters: 3 by name, 2 by commit_age",
        "cluster c: max_commit_age hides groups with lag: hangs",
    ] == lines
