"""Tests of settling.py: which evaluations Burrow made after it had caught up, also on real Burrows."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from typing import Any

import msgspec
import pytest

from burrow_exporter.burrow.answers import ConsumersAnswer, LagAnswer, TopicsAnswer
from burrow_exporter.burrow.partitions import GroupStatus
from burrow_exporter.polling.own_group import Progress, commits_partition, may_be_own
from burrow_exporter.polling.readings import read_group
from burrow_exporter.polling.settling import LIVE, Settling
from burrow_exporter.polling.state import BurrowState
from burrow_exporter.polling.walk import ClusterWalk, WalkResult
from burrow_exporter.settings.config import BurrowConfig, Filters
from burrow_exporter.snapshot import Group, Snapshot
from tests.support import factories
from tests.support.factories import commit, partition
from tests.support.recorded import load

NOW = 1_700_000_000_000
"""Burrow's time when the story begins, at 0 on the monotonic clock."""
DAY = 86_400.0
EXPIRE = 10.0
MAX_HOLD = 300.0


def group(name: str = "g", *, observed: float, made: float | None = None, offset: int = 70) -> Group:
    """Return a group whose newest commit was made, and observed by Burrow, at these seconds of the story."""
    made = observed if made is None else made
    end = commit(NOW / 1000 + made, offset, observed=NOW / 1000 + observed)
    return factories.group(0.0, partition(end), name=name)


def read(*lags: int | None, observed: float, since: float) -> Progress:
    """Return how far Burrow has read."""
    times = [NOW + int(observed * 1000)] * len(lags)
    return Progress(lags, times, NOW + int(since * 1000))


def restarted(*, caught_up_at: float = 20.0) -> Settling:
    """Return what is known of a Burrow that began at 0 and was behind until it was seen to have caught up."""
    settling = Settling(MAX_HOLD)
    settling.fell_behind()
    settling.follow(read(0, observed=caught_up_at - 2, since=0), (), caught_up_at)
    return settling


@pytest.mark.parametrize(
    ("expected", "observed", "read_at", "expire"),
    [
        (False, 15, 20, EXPIRE),
        (False, 18, 29, EXPIRE),
        (True, 19, 20, EXPIRE),
        (True, 15, 30, EXPIRE),
        (False, 15, 49, 30),
        (True, 15, 50, 30),
        (False, 15, 300, DAY),
        (True, 15, 320, DAY),
        (False, 15, 300, 0),
        (True, 15, 320, 0),
    ],
    ids=[
        "from before",
        "as old as what Burrow had read",
        "shows a commit since",
        "the cache has expired",
        "a longer cache",
        "a longer cache has expired",
        "a cache of a day",
        "a cache of a day, beyond the time-out",
        "a cache that never expires",
        "a cache that never expires, beyond the time-out",
    ],
)
def test_after_a_restart_an_answer_counts_once_it_must_be_newer(
    expected: bool,  # noqa: FBT001  the expected value
    observed: float,
    read_at: float,
    expire: float,
) -> None:
    """It is as old as the cache at most, and no older than the newest commit in it."""
    one = group(observed=observed, made=-3600)
    assert expected == restarted().is_settled(one, read_at, expire)


def test_a_group_whose_answer_has_changed_since_counts() -> None:
    """Two answers that were asked for after Burrow had caught up differ only if the second was evaluated since."""
    settling = restarted()
    before, after = group(observed=15, made=-3600), group(observed=16, made=-3600, offset=71)
    assert [False, False, True] == [
        settling.is_settled(one, at, DAY) for one, at in ((before, 25.0), (before, 30.0), (after, 35.0))
    ]
    # The answers of the poll that found Burrow to have caught up may have been asked for before.
    settling = restarted()
    assert [False, False, False] == [
        settling.is_settled(one, at, DAY) for one, at in ((before, 19.0), (after, 25.0), (after, 35.0))
    ]


@pytest.mark.parametrize("askers", [[0.0], [0.0, 4.0, 9.0], [float(second) for second in range(60)]])
def test_several_askers_keep_no_old_answer_alive(askers: list[float]) -> None:
    """Whoever asks, an evaluation lives for ``expire-cache`` from when it was made: what counts is from after 20 s."""
    for interval in (1.0, 5.0, 15.0):
        settling, made, asked = restarted(), -1.0, sorted({*askers, *(interval * step for step in range(60))})
        for moment in asked:
            if made < 0 or moment >= made + EXPIRE:
                made = moment
            if moment % interval == 0 and moment >= 20:
                one = group(observed=min(made, 12.0), made=-3600, offset=int(made))
                assert not settling.is_settled(one, moment, EXPIRE) or made >= 20


@pytest.mark.parametrize(
    ("expected", "made", "since"),
    [(True, -LIVE / 1000, 0), (False, -LIVE / 1000 - 1, 0), (True, -3600, -MAX_HOLD), (False, -3600, -MAX_HOLD + 1)],
    ids=["read as it was made", "read later", "Burrow has run for long", "Burrow may have begun just now"],
)
def test_at_our_own_start_burrow_has_mostly_run_for_long(expected: bool, made: float, since: float) -> None:  # noqa: FBT001
    """A group counts at once whose commit Burrow read as it was made, or any where Burrow has read for long."""
    settling = Settling(MAX_HOLD)
    settling.follow(read(0, observed=0, since=since), (), 0.0)
    assert expected == settling.is_settled(group(observed=0, made=made), 0.0, EXPIRE)


def test_each_partition_settles_for_itself() -> None:
    """Groups whose commits are in a partition that was read before go on."""
    names = ["a", "b"]
    first, second = (commits_partition(name, 2) for name in names)
    assert first != second
    settling = Settling(MAX_HOLD)
    lags = [0, 0]
    lags[second] = 5000
    settling.follow(read(*lags, observed=0, since=-400), {second}, 0.0)
    settling.follow(read(0, 0, observed=14, since=-400), (), 15.0)
    old = [group(name, observed=-60, made=-3600) for name in names]
    assert [True, False] == [settling.is_settled(one, 15.0, EXPIRE) for one in old]
    assert not settling.is_over(15.0, EXPIRE)
    assert [True, True] == [settling.is_settled(one, 25.0, EXPIRE) for one in old]
    assert settling.is_over(25.0, EXPIRE)


def test_without_burrows_own_group_nothing_is_held() -> None:
    """Nobody knows when it caught up."""
    settling = Settling(MAX_HOLD)
    settling.follow(None, (), 0.0)
    assert settling.is_settled(group(observed=0, made=-3600), 0.0, EXPIRE)


def recorded_walk(recording: Any, poll: Any) -> WalkResult:
    """Return what a walk would have seen at a recorded moment."""
    name, now = recording["cluster"], poll["time"]
    bodies = {path: told["body"] for path, told in poll["responses"].items() if told["status"] == 200}
    root = f"/v3/kafka/{name}"
    walk = ClusterWalk(name)
    if f"{root}/consumer" in bodies:
        walk.listed_groups = msgspec.json.decode(bodies[f"{root}/consumer"], type=ConsumersAnswer).consumers
        walk.listed_topics = msgspec.json.decode(bodies[f"{root}/topic"], type=TopicsAnswer).topics
    for path, body in bodies.items():
        if path.endswith("/lag"):
            answer = GroupStatus.of(msgspec.json.decode(body, type=LagAnswer).status)
            walk.groups[answer.group] = read_group(answer, Filters(), now, now + 1)
            if may_be_own(answer.group):
                walk.own[answer.group] = answer
    return WalkResult(expires_at=now + 1, clusters={name: walk})


def replay(name: str) -> Iterator[tuple[Any, Snapshot]]:
    """Replay a recording of a Burrow that was restarted, poll by poll, with a monotonic clock that is Unix time."""
    recording = load(name)
    state = BurrowState(BurrowConfig())
    for moment in recording["polls"]:
        yield moment, state.apply_walk(recorded_walk(recording, moment), moment["time"], moment["time"])


def test_on_a_real_burrow_no_evaluation_of_the_catch_up_is_published() -> None:
    """Others keep its cache warm: for two polls after it had caught up, healthy groups were ERR with lags of 3,297."""
    published: dict[str, list[tuple[str, int, int]]] = defaultdict(list)
    held = []
    for moment, poll in replay("restart-cached.json"):
        true: dict[str, int] = defaultdict(int)
        for one in moment["truth"]:
            true[one["group"]] += one["true_lag"]
        for cluster in poll.clusters:
            held.append(cluster.held_groups)
            for each in cluster.groups:
                published[each.name].append((each.status, each.total_lag, true[each.name]))
    assert {"orders-fast", "orders-slow", "events-batch"} == set(published)
    assert [] == [told for name in published for told in published[name] if told[0] != "OK"]
    assert [] == [told for name in published for told in published[name] if told[1] > told[2] + 800]
    assert max(held) > 0
    assert 0 == held[-1]


def test_on_a_real_burrow_groups_that_rest_are_published_once_its_cache_has_expired() -> None:
    """Their last commits are an hour old: each is held until its answer changes, or for ten seconds."""
    told = [(moment["time"], poll.clusters) for moment, poll in replay("restart.json")]
    caught_up = next(time for time, clusters in told if clusters and clusters[0].held_groups)
    first = {each.name: time for time, clusters in reversed(told) for one in clusters for each in one.groups}
    assert {"audit", "billing", "bursty-crawl", "bursty-slow", "search-indexer"} == set(first)
    assert EXPIRE <= first["audit"] - caught_up < EXPIRE + 2
    assert all(4 <= time - caught_up < EXPIRE + 2 for time in first.values())
