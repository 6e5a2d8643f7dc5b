"""Tests of catch_up.py: when Burrow's responses about a cluster are used."""

from __future__ import annotations

import pytest

from burrow_exporter.polling.catch_up import CatchUp, Verdict

ADMITTED, BEHIND, IMPATIENT = Verdict.ADMITTED, Verdict.BEHIND, Verdict.TIMED_OUT
MISSING = "missing"
FAILED = "failed"
UNKNOWN = "unknown"


def judge(follower: CatchUp, own: int | str, at: float = 0) -> Verdict:
    """Judge a poll in which Burrow's own group has this lag, no commit yet (UNKNOWN), no answer, or is not listed."""
    lags = {UNKNOWN: [None]}.get(own) if isinstance(own, str) else [own]
    return follower.judge(
        lags,
        own_listed=own != MISSING,
        own_answered=own not in {MISSING, FAILED},
        monotonic=at,
    )


@pytest.mark.parametrize(
    ("verdicts", "story"),
    [
        ([ADMITTED], [1000]),
        ([BEHIND], [1001]),
        ([BEHIND, BEHIND, ADMITTED], [1_268_898, 467_042, 0]),
        ([ADMITTED, ADMITTED], [MISSING, MISSING]),
        ([BEHIND, BEHIND], [UNKNOWN, FAILED]),
        ([ADMITTED, ADMITTED], [0, FAILED]),
        ([ADMITTED, BEHIND, ADMITTED], [0, 5000, 0]),
        ([ADMITTED, BEHIND, BEHIND], [0, 5000, FAILED]),
        ([ADMITTED, BEHIND], [0, UNKNOWN]),
        ([ADMITTED, BEHIND], [0, MISSING]),
    ],
    ids=[
        "at the bound",
        "over it",
        "reads its backlog",
        "has no group of its own",
        "has not begun",
        "one failed request",
        "falls behind and recovers",
        "falls behind and fails",
        "begun anew",
        "begun anew and listed nothing yet",
    ],
)
def test_a_cluster_is_admitted_once_burrow_has_read_its_backlog(
    verdicts: list[Verdict], story: list[int | str]
) -> None:
    """Only Burrow's own lag, or the lack of any group of its own, admits a cluster."""
    follower = CatchUp(max_lag=1000, timeout=300)
    assert verdicts == [judge(follower, own) for own in story]


def test_timeout_ends_with_one_warning_until_burrow_has_caught_up() -> None:
    """A cluster that stays behind is admitted all the same after the time-out; each new time behind has its own."""
    follower = CatchUp(max_lag=1000, timeout=300)
    assert [BEHIND, BEHIND, IMPATIENT, ADMITTED] == [judge(follower, 5000, at) for at in (0, 299, 300, 315)]
    assert ADMITTED == judge(follower, 0, at=330)
    assert [BEHIND, BEHIND, IMPATIENT] == [judge(follower, 5000, at) for at in (345, 644, 645)]


@pytest.mark.parametrize(
    ("expected", "held", "lags"),
    [
        (ADMITTED, [], [0, 1000, 3]),
        (ADMITTED, [1], [0, 1001, 3]),
        (ADMITTED, [1], [0, None, 3]),
        (ADMITTED, [0, 1, 3], [5000, None, 7, 1001]),
        (BEHIND, [], [1001, 5000, None]),
        (BEHIND, [], [None, None]),
    ],
    ids=["read", "one stuck", "one not begun", "one read", "none read", "none begun"],
)
def test_partitions_that_burrow_has_not_read_are_held_alone(
    expected: Verdict, held: list[int], lags: list[int | None]
) -> None:
    """A bound of lag is that of one partition; with none read to its end the whole cluster is behind."""
    follower = CatchUp(max_lag=1000, timeout=300)
    assert expected == follower.judge(lags, own_listed=True, own_answered=True, monotonic=0)
    assert frozenset(held) == follower.held


def test_a_partition_that_stays_behind_stays_held() -> None:
    """However long it lasts: all that is known of its groups is of the past. A failed request changes nothing."""
    follower = CatchUp(max_lag=1000, timeout=300)
    for second in (0, 299, 300, 9000):
        assert ADMITTED == follower.judge([0, 5000], own_listed=True, own_answered=True, monotonic=second)
        assert {1} == follower.held
    assert ADMITTED == judge(follower, FAILED, 9015)
    assert {1} == follower.held
    assert ADMITTED == follower.judge([0, 5], own_listed=True, own_answered=True, monotonic=9030)
    assert set() == follower.held
