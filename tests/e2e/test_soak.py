"""The checks of the soak test detect errors."""

from __future__ import annotations

from collections import Counter

from tests.e2e.soak import Soak, Usage, differences

LAG, SECONDS = "burrow_kafka_consumer_lag_total", "burrow_kafka_consumer_lag_seconds"
GROUP = frozenset({("cluster", "c"), ("consumer_group", "g")})
STEADY = [Usage(40.0, 9, 12)] * 100


def judged(usages: list[Usage], polls: int = 100, warming: float = 0.0) -> list[str]:
    """Return the problems of a soak in which the exporter has used this."""
    seen = Soak(faults=Counter({"hang": 3}), usages=usages, polls=polls, failed_polls=2, warming=warming)
    seen.judge()
    return seen.problems


def test_series_that_are_missing_or_too_many_or_wrong() -> None:
    """Each of the three is reported; the exporter's own metrics may differ."""
    one: dict[tuple[str, frozenset[tuple[str, str]]], float] = {(LAG, GROUP): 1.0}
    assert [] == differences(one | {("burrow_exporter_polls_total", frozenset()): 9.0}, one)
    assert [1, 1, 1] == [
        len(differences(page, fresh)) for page, fresh in ((one, {}), ({}, one), ({(LAG, GROUP): 2.0}, one))
    ]


def test_seconds_of_lag() -> None:
    """They may be others than a new exporter's, but not where that says 0, and must not be missing."""
    assert [] == differences({(SECONDS, GROUP): 9.0}, {(SECONDS, GROUP): 5.0})
    assert [] == differences({(SECONDS, GROUP): 9.0}, {})
    assert 1 == len(differences({(SECONDS, GROUP): 9.0}, {(SECONDS, GROUP): 0.0}))
    assert 1 == len(differences({}, {(SECONDS, GROUP): 5.0}))


def test_use_that_grows() -> None:
    """Memory may grow until it is warm, threads and files come and go; what stays or is too much is told."""
    assert [] == judged([Usage(30.0, 9, 12)] * 20 + STEADY)
    assert ["memory has grown from 40.0 to 42.1 MiB"] == judged([*STEADY, *[Usage(42.1, 9, 12)] * 20])
    assert [] == judged([*STEADY, *[Usage(44.9, 9, 12)] * 20], warming=3.0)
    assert 1 == len(judged([*STEADY, *[Usage(45.1, 9, 12)] * 20], warming=3.0))
    assert ["threads: 21, at the start 9"] == judged([*STEADY, Usage(40.0, 21, 12)])
    assert ["threads: 12 left at the end, at the start 9"] == judged([*STEADY, *[Usage(40.0, 12, 12)] * 20])
    assert ["files: 25, at the start 12"] == judged([*STEADY, Usage(40.0, 9, 25)])
    assert ["files: 15 left at the end, at the start 12"] == judged([*STEADY, *[Usage(40.0, 9, 15)] * 20])


def test_a_soak_that_tries_nothing() -> None:
    """Without a good poll nothing was tried."""
    (problem,) = judged(STEADY, polls=2)
    assert problem.startswith("nothing was tried")
