"""Tests of state.py and snapshot.py without a Burrow: the result of a walk and of previous polls."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import msgspec
import pytest

from burrow_exporter.burrow.answers import Partition, Settings
from burrow_exporter.burrow.failures import BurrowError, Endpoint, Reason
from burrow_exporter.burrow.partitions import GroupStatus
from burrow_exporter.polling.own_group import commits_partition
from burrow_exporter.polling.state import BurrowState
from burrow_exporter.polling.walk import ClusterWalk, WalkResult
from burrow_exporter.settings.config import BurrowConfig, Filter, Filters, ShardConfig
from burrow_exporter.snapshot import Cluster, Group, Outcome, Snapshot, Topic
from tests.conftest import START
from tests.support import factories
from tests.support.factories import group_status

EXPIRES = 45.0
"""When what a walk read expires, on the monotonic clock."""
OWN = "burrow-c"


def part(lag: int = 0, *, topic: str = "t") -> Partition:
    """Return a partition with a commit at the start."""
    return factories.partition(factories.commit(START, 70, lag), lag, topic=topic)


def group(name: str, lag: int = 0, expires_at: float = EXPIRES, **fields: Any) -> Group:
    """Return a group as a walk read it."""
    return factories.group(START, part(lag), name=name, expires_at=expires_at, **fields)


def topic(name: str = "t", expires_at: float = EXPIRES) -> Topic:
    """Return a topic with one partition."""
    return Topic(name, (100,), START, expires_at)


def own(lag: int, *, topic: str = "__consumer_offsets") -> GroupStatus:
    """Return the answer for Burrow's own group."""
    return group_status(OWN, part(lag, topic=topic))


def walked(*groups: Group, **fields: Any) -> ClusterWalk:
    """Return what a walk saw of cluster ``c``: these groups, the topic ``t``, both listed, and a commit."""
    names = [each.name for each in groups]
    seen: dict[str, Any] = {"listed_groups": names, "groups": {each.name: each for each in groups}, "last_commit": 7.0}
    return ClusterWalk("c", **{**seen, "listed_topics": ["t"], "topics": {"t": topic()}, **fields})


def cluster(*groups: Group, **fields: Any) -> Cluster:
    """Return what is published of the cluster after ``walked``."""
    left_out = {"name": 0, "topic": 0, "commit_age": 0}
    listed = fields.get("listed_groups", len(groups))
    expected = Cluster("c", groups, (topic(),), listed, 1, 7.0, None, 0, EXPIRES, listed, filtered_groups=left_out)
    return replace(expected, **fields)


def read(name: str, expires_at: float = EXPIRES) -> Group:
    """Return a group without lag as it is published."""
    return group(name, 0, expires_at, lag_seconds=[0.0])


def withheld(snapshot: Snapshot) -> dict[str, int | None]:
    """Return the clusters whose answers were not used, with Burrow's lag."""
    return {name: snapshot.outcome.behind[name] for name in snapshot.outcome.withheld}


def bad(last_good_at: float | None, expires_at: float = EXPIRES, behind: int | None = None) -> Outcome:
    """Return how a poll went that was not good, with how far Burrow is behind on ``c``."""
    told = {} if behind is None else {"c": behind}
    outcome = Outcome(good=False, last_good_at=last_good_at, expires_at=expires_at, behind=told)
    return replace(outcome, withheld=tuple(told))


class Followed:
    """The state of one Burrow, and polls that end 15 s after one another."""

    def __init__(self, config: BurrowConfig | None = None, shard: ShardConfig | None = None) -> None:
        self.state = BurrowState(config or BurrowConfig(), shard)
        self.now = 0.0

    def apply_walk(self, *walks: ClusterWalk, expires_at: float = EXPIRES, **fields: Any) -> Snapshot:
        """Absorb a walk that saw these clusters."""
        clusters = {each.name: each for each in walks}
        result = WalkResult(expires_at, **{"clusters": clusters, **fields})
        poll = self.state.apply_walk(result, START + self.now, self.now)
        self.now += 15
        assert poll is self.state.snapshot
        return poll


def test_before_the_first_poll() -> None:
    """Nothing is known, and nothing was good."""
    assert Snapshot("default", (), 0.0) == BurrowState(BurrowConfig()).snapshot


def test_a_good_walk() -> None:
    """What it read is published whole, in the order of the names, with the ages of what is unread."""
    followed = Followed()
    failures = [BurrowError(Endpoint.TOPIC, Reason.TIMEOUT, "x") for _ in range(2)]
    poll = followed.apply_walk(walked(group("b"), group("a")), replace(walked(), name="b"), failures=failures)
    outcome = Outcome(good=True, last_good_at=START, expires_at=EXPIRES, failures={("topic", "timeout"): 2})
    clusters = (replace(cluster(), name="b"), cluster(read("a"), read("b")))
    expected = Snapshot("default", clusters, START, frozenset({"b", "c"}), outcome)
    assert expected == poll


def test_a_burrow_without_clusters() -> None:
    """That is no failure: what was known is gone."""
    followed = Followed()
    followed.apply_walk(walked(group("a")))
    poll = followed.apply_walk()
    assert (
        Snapshot(
            "default", (), START + 15, frozenset(), Outcome(good=True, last_good_at=START + 15, expires_at=EXPIRES)
        )
        == poll
    )
    assert poll.outcome.good


@pytest.mark.parametrize(
    ("walks", "lists"),
    [({"clusters": None}, {}), ({}, {"listed_groups": None}), ({}, {"listed_topics": None})],
    ids=["not ready", "no list of groups", "no list of topics"],
)
def test_a_walk_without_a_list(walks: dict[str, Any], lists: dict[str, Any]) -> None:
    """Everything stays, as read before, and counts as unread; the poll is not good, the last one keeps its time."""
    followed = Followed()
    before = followed.apply_walk(walked(group("a"), group("b")))
    poll = followed.apply_walk(walked(group("a", 5), **lists), expires_at=60.0, **walks)
    assert (cluster(read("a"), read("b"), unreadable_groups=2),) == poll.clusters
    assert bad(START, 60.0) == poll.outcome
    assert (False, before.listed, START + 15) == (poll.outcome.good, poll.listed, poll.taken_at)


def test_a_cluster_of_which_nothing_was_ever_read() -> None:
    """It is listed and there is nothing to show."""
    poll = Followed().apply_walk(walked(listed_groups=None))
    assert Snapshot("default", (), START, frozenset({"c"}), bad(None)) == poll


def test_what_failed_keeps_its_reading_and_what_is_not_listed_goes() -> None:
    """Group by group and topic by topic; a group that Burrow does not know, or that is filtered out, is not unread."""
    followed = Followed(BurrowConfig(filters=Filters(group=Filter.of(exclude=["x"]))))
    followed.apply_walk(
        walked(group("a"), group("b"), group("d"), listed_topics=["t", "u"], topics={"t": topic(), "u": topic("u")})
    )
    later = walked(
        listed_groups=["e", "d", "b", "x", "y"],
        groups={"b": group("b", 0, 60.0), "d": None},
        listed_topics=["v", "u"],
        topics={"v": topic("v", 60.0)},
        last_commit=None,
    )
    poll = followed.apply_walk(later, expires_at=60.0)
    expected = cluster(
        read("b", 60.0),
        topics=(topic("u"), topic("v", 60.0)),
        listed_groups=5,
        listed_topics=2,
        unreadable_groups=2,
        expires_at=60.0,
        wanted_groups=4,
        filtered_groups={"name": 1, "topic": 0, "commit_age": 0},
        absent_groups={"e": "unreadable", "d": "not_found", "x": "name", "y": "unreadable"},
    )
    assert (expected,) == poll.clusters
    assert poll.outcome.good


def test_of_several_shards_each_keeps_its_own_groups() -> None:
    """The counts of the cluster are of all; what is unread is its own alone."""
    names = [f"g{number:02}" for number in range(20)]
    shards = [ShardConfig(index=index, total=2) for index in range(2)]
    found = []
    for shard in shards:
        mine = [name for name in names if shard.holds("c", name)]
        seen = walked(listed_groups=names, groups={name: group(name) for name in mine[1:]})
        (made,) = Followed(shard=shard).apply_walk(seen).clusters
        assert (mine[1:], 20, 1) == ([each.name for each in made.groups], made.listed_groups, made.unreadable_groups)
        (behind,) = [Followed(shard=shard).apply_walk(walked(listed_groups=[*names, OWN], own={OWN: own(5000)}))]
        found += mine
        assert () == behind.clusters
    assert sorted(names) == sorted(found)


def test_a_burrow_that_is_behind() -> None:
    """Nothing new is published; what was known stays, with the counts and Burrow's own lag of now."""
    followed = Followed()
    seen = walked(group("a"), listed_groups=["a", OWN], own={OWN: own(5000)})
    poll = followed.apply_walk(seen)
    assert ((), {"c": 5000}, False) == (poll.clusters, withheld(poll), poll.outcome.good)
    assert bad(None, behind=5000) == poll.outcome
    caught_up = followed.apply_walk(replace(seen, own={OWN: own(3)}))
    absent = {"a": "held", OWN: "own"}
    held = cluster(listed_groups=2, burrow_lag=3, unreadable_groups=1, held_groups=1, absent_groups=absent)
    assert ((held,), {}, True) == (caught_up.clusters, withheld(caught_up), caught_up.outcome.good)
    newer = replace(group("a", expires_at=90.0), read_at=START + 30)
    caught_up = followed.apply_walk(replace(seen, own={OWN: own(3)}, groups={"a": newer}), expires_at=60.0)
    known = cluster(replace(newer, lag_seconds=[0.0]), listed_groups=2, burrow_lag=3, unreadable_groups=1)
    known = replace(known, expires_at=60.0, absent_groups={OWN: "own"})
    assert ((known,), {}, True) == (caught_up.clusters, withheld(caught_up), caught_up.outcome.good)
    poll = followed.apply_walk(replace(seen, own={OWN: own(1001)}, groups={"a": group("a", 9)}), expires_at=60.0)
    old = replace(known, topics=(), burrow_lag=1001, held_groups=1, expires_at=60.0, absent_groups={})
    assert ((old,), {"c": 1001}, False) == (poll.clusters, withheld(poll), poll.outcome.good)
    assert bad(START + 30, 60.0, 1001) == poll.outcome


def test_a_burrow_that_is_behind_for_too_long() -> None:
    """After the time-out it is published all the same, which is said once; that it is behind always is."""
    followed = Followed(BurrowConfig(catch_up_timeout=30))
    seen = walked(group("a"), listed_groups=["a", OWN], own={OWN: own(5000)})
    polls = [followed.apply_walk(seen) for _ in range(4)]
    assert [{"c": 5000}, {"c": 5000}, {}, {}] == [withheld(poll) for poll in polls]
    assert [{}, {}, {"c": 5000}, {}] == [
        {name: poll.outcome.behind[name] for name in poll.outcome.timed_out} for poll in polls
    ]
    assert [{"c": 5000}] * 4 == [poll.outcome.behind for poll in polls]
    assert [False, False, True, True] == [poll.outcome.good for poll in polls]


def test_a_burrow_without_a_commit_of_its_own() -> None:
    """How far it is behind is not known; a bound on the lag that is reached is none that is passed."""
    followed = Followed(BurrowConfig(catch_up_lag=5))
    silent = msgspec.structs.replace(part(topic="__consumer_offsets"), start=None, end=None)
    seen = walked(group("a"), listed_groups=["a", OWN], own={OWN: group_status(OWN, silent)})
    poll = followed.apply_walk(seen)
    assert ({"c": None}, {"c": None}) == (withheld(poll), poll.outcome.behind)
    assert {} == followed.apply_walk(replace(seen, own={OWN: own(5)})).outcome.behind
    none = Followed(BurrowConfig(catch_up_lag=0)).apply_walk(replace(seen, own={OWN: own(0)}))
    assert ({}, 0) == (none.outcome.behind, none.clusters[0].burrow_lag)


@pytest.mark.parametrize(
    ("good", "listed", "answers"),
    [
        (False, ["a", OWN], {}),
        (True, ["a", OWN], {OWN: own(5000, topic="t")}),
        (False, ["a", OWN, "burrow-x"], {OWN: own(5000, topic="t")}),
        (True, ["a"], {}),
    ],
    ids=["unanswered", "an ordinary group of such a name", "one is ordinary, one unanswered", "none"],
)
def test_groups_that_may_be_burrows_own(good: bool, listed: list[str], answers: dict[str, GroupStatus]) -> None:  # noqa: FBT001
    """A name is not enough; one without an answer may be."""
    assert good == Followed().apply_walk(walked(group("a"), listed_groups=listed, own=answers)).outcome.good


@pytest.mark.parametrize("named", ["burrow-alerts", "burrow-mirror"])
def test_burrow_tells_which_group_is_its_own(named: str) -> None:
    """A consumer of such a name, even one that reads the commits and lags or hangs, holds nothing back."""
    settings = Settings(10, {"c": frozenset({OWN})})
    mirror = group_status(named, part(99_999, topic="__consumer_offsets"))
    for answers, listed in (
        ({OWN: own(0), named: mirror}, ["a", OWN, named]),
        ({OWN: own(0)}, ["a", OWN, named]),
        ({named: mirror}, ["a", named]),
        ({}, ["a", named]),
    ):
        seen = walked(group("a"), listed_groups=listed, own=answers)
        poll = Followed().apply_walk(seen, settings=settings)
        assert (True, {}, ["a"]) == (poll.outcome.good, withheld(poll), [each.name for each in poll.clusters[0].groups])


def test_burrow_tells_how_long_its_answers_last() -> None:
    """What it told once counts until it tells otherwise, and beats what is configured."""
    followed = Followed(BurrowConfig(expire_cache=1))
    assert 1 == followed.state._settings.expire_cache
    for told, expected in ((Settings(60, {}), 60), (None, 60), (Settings(0, {}), 0)):
        followed.apply_walk(walked(group("a")), settings=told)
        assert expected == followed.state._settings.expire_cache


def test_one_failed_request_for_its_own_group() -> None:
    """It tells nothing: the lag known before stays, and so does the newest commit where it was newer."""
    followed = Followed()
    seen = walked(group("a"), listed_groups=["a", OWN], own={OWN: own(3)})
    followed.apply_walk(seen)
    poll = followed.apply_walk(replace(seen, own={}, last_commit=6.0))
    expected = cluster(read("a"), listed_groups=2, burrow_lag=3, unreadable_groups=1, absent_groups={OWN: "unreadable"})
    assert (expected,) == poll.clusters
    poll = followed.apply_walk(replace(seen, own={OWN: None}, last_commit=8.0))
    assert poll.clusters[0].last_commit == 8.0
    assert poll.clusters[0].burrow_lag is None


def test_readings_expire_one_by_one() -> None:
    """Each at its own time; what has nothing to lose is the same object."""
    followed = Followed()
    followed.apply_walk(
        walked(group("a", expires_at=20.0), group("b", expires_at=30.0), topics={"t": topic("t", 25.0)})
    )
    snapshot = followed.state.snapshot
    assert 20.0 == snapshot.next_expiry()
    left = []
    for moment in (19.9, 20.0, 24.9, 25.0, 30.0, 45.0):
        before, snapshot = snapshot, snapshot.fresh(moment)
        counts = [[len(each.groups), len(each.topics)] for each in snapshot.clusters]
        left.append((snapshot is not before, counts, snapshot.next_expiry()))
    assert [
        (False, [[2, 1]], 20.0),
        (True, [[1, 1]], 25.0),
        (False, [[1, 1]], 25.0),
        (True, [[1, 0]], 30.0),
        (True, [[0, 0]], 45.0),
        (True, [], float("inf")),
    ] == left


def test_what_has_expired_by_the_end_of_a_walk_is_not_published() -> None:
    """A poll that took too long brings readings that are too old."""
    assert () == Followed().apply_walk(walked(group("a")), expires_at=0.0).clusters


def test_what_has_expired_before_a_walk_is_no_longer_known() -> None:
    """Groups of a cluster that cannot be read count as unreadable whether they are still published or not."""
    followed = Followed()
    followed.apply_walk(walked(group("a", expires_at=10.0), group("b", expires_at=30.0)))
    poll = followed.apply_walk(walked(listed_groups=None))
    assert [(["b"], 2)] == [([one.name for one in each.groups], each.unreadable_groups) for each in poll.clusters]


def test_groups_beyond_the_bound_are_counted() -> None:
    """As listed, and as unreadable those that would have been asked for."""
    poll = Followed().apply_walk(walked(group("a"), omitted_groups=5, omitted_topics=7, left_out=3))
    (seen,) = poll.clusters
    assert (6, 7 + len(walked().listed_topics or ()), 3) == (
        seen.listed_groups,
        seen.listed_topics,
        seen.unreadable_groups,
    )


def test_names_of_clusters() -> None:
    """Those listed, and those of which something is known; without some, these are noted as refused."""
    known = Snapshot("b", (replace(cluster(), name="x"), replace(cluster(), name="y")), 0.0, frozenset({"x", "z"}))
    assert {"x", "y", "z"} == known.names()
    assert replace(known, clusters=known.clusters[1:], refused=frozenset({"x"})) == known.without({"x"})


def test_groups_whose_commits_burrow_has_not_read_are_held_alone() -> None:
    """One partition is stuck: of its groups the last readings stay until they expire, the others go on."""
    stuck, well = "stuck", "well"
    assert (4, 1) == tuple(commits_partition(name, 5) for name in (stuck, well))

    def own_with(lag: int) -> dict[str, GroupStatus | None]:
        each = [msgspec.structs.replace(part(topic="__consumer_offsets"), partition=number) for number in range(5)]
        each[4] = msgspec.structs.replace(each[4], current_lag=lag)
        return {OWN: group_status(OWN, *each)}

    followed = Followed()
    seen = walked(group(stuck), group(well), listed_groups=[stuck, well], own=own_with(0))
    followed.apply_walk(seen)
    now: dict[str, Group | None] = {stuck: group(stuck, 500, 90.0), well: group(well, 7, 90.0)}
    lags = []
    for lag in (0, 5000, 9000, 400_000):
        poll = followed.apply_walk(
            replace(seen, listed_groups=[stuck, well, OWN], own=own_with(lag), groups=now), expires_at=90
        )
        (made,) = poll.clusters
        lags.append(({each.name: each.total_lag for each in made.groups}, made.held_groups, poll.outcome.good))
    assert [({stuck: 500, well: 7}, 0, True)] + [({stuck: 500, well: 7}, 1, True)] * 3 == lags
    late = replace(seen, listed_groups=[stuck, well, OWN], own=own_with(400_000))
    followed.now = 100.0
    now = {each: group(each, 9, 190.0) for each in (stuck, well)}
    poll = followed.apply_walk(replace(late, groups=now), expires_at=190)
    assert [(well, 9)] == [(each.name, each.total_lag) for each in poll.clusters[0].groups]


def test_what_the_filters_leave_out_is_counted() -> None:
    """By name, topic and age, Burrow's own aside; one with lag of which its commits' age leaves nothing is named."""
    filters = Filters(group=Filter.of(exclude=["x"]), max_commit_age=3600)
    old = msgspec.structs.replace(part(), current_lag=0)
    answers = {
        "rests": group_status("rests", old),
        "hangs": group_status("hangs", msgspec.structs.replace(old, current_lag=9), status="ERR"),
        OWN: own(0),
        "reads-commits": group_status("reads-commits", part(topic="__consumer_offsets")),
    }
    listed = ["a", "x", *answers]
    seen = walked(group("a"), listed_groups=listed, own={OWN: answers[OWN]}, filtered=answers)
    seen.groups |= dict.fromkeys(answers)
    (made,) = Followed(BurrowConfig(filters=filters)).apply_walk(seen).clusters
    assert {"name": 1, "topic": 1, "commit_age": 2} == made.filtered_groups
    assert (("hangs",), 0, 5) == (made.hidden_groups, made.unreadable_groups, made.wanted_groups)
    assert len(listed) == len(made.groups) + sum(made.filtered_groups.values()) + len([OWN])


@pytest.mark.parametrize("unreadable", [0, 1])
def test_unreadable_groups_have_one_meaning(unreadable: int) -> None:
    """Those that should be published and had no usable answer: whether Burrow is fine, behind, or not ready."""
    followed = Followed(BurrowConfig(filters=Filters(group=Filter.of(include=["a"]))))
    names = ["a", "b", "c", "d", "e"]
    answered: dict[str, Group | None] = {} if unreadable else {"a": group("a")}
    fine = walked(group("a"), listed_groups=[*names, OWN], own={OWN: own(0)})
    (made,) = followed.apply_walk(fine).clusters
    assert (0, 1) == (made.unreadable_groups, made.wanted_groups)
    (made,) = followed.apply_walk(replace(fine, own={OWN: own(5000)}, groups=answered)).clusters
    assert (unreadable, 1 - unreadable) == (made.unreadable_groups, made.held_groups)
    poll = followed.apply_walk(clusters=None)
    assert [1] == [each.unreadable_groups for each in poll.clusters]


def test_answers_of_several_burrows() -> None:
    """The log ends of one address go back and forth; another replica's are its own. What is filtered is not gone."""
    followed = Followed()
    found = []
    for log_end, source in ((100, "x"), (90, "x"), (110, "x"), (105, "x"), (120, "x"), (110, "y"), (130, "y")):
        seen = walked(group("a"), topics={"t": replace(topic(), offsets=(log_end,))})
        seen.filtered["b"] = group_status("b", part())
        (made,) = followed.apply_walk(seen, expires_at=500.0, source=source).clusters
        found.append(made.contradicts)
    assert [False] * 4 + [True, False, False] == found


def test_another_replica_settles_for_itself() -> None:
    """One that has long caught up is published at once, though the one before it was behind."""
    followed = Followed()
    seen = walked(group("a"), listed_groups=["a", OWN], own={OWN: own(5000)})
    followed.apply_walk(seen, source="one")
    poll = followed.apply_walk(replace(seen, own={OWN: own(0)}), source="two")
    assert ["a"] == [each.name for each in poll.clusters[0].groups]
