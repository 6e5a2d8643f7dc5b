"""The simulated clusters follow the clock, and Burrow's settings are honoured."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator
from itertools import pairwise
from typing import Any

import pytest

from burrow_exporter.demo import Settings, SimulatedBurrow
from tests.conftest import START, Clock

WEST = "/v3/kafka/eu-west"
EAST = "/v3/kafka/us-east"


def fetch(burrow: SimulatedBurrow, path: str) -> Any:
    """Return the decoded JSON of a path."""
    return json.loads(burrow.api.answer("GET", path).body)


def groups(burrow: SimulatedBurrow) -> Iterator[dict[str, Any]]:
    """Yield the status of every listed group."""
    for cluster in fetch(burrow, "/v3/kafka")["clusters"]:
        for group in fetch(burrow, f"/v3/kafka/{cluster}/consumer")["consumers"]:
            yield fetch(burrow, f"/v3/kafka/{cluster}/consumer/{group}/lag")["status"]


def partitions(burrow: SimulatedBurrow, path: str) -> list[dict[str, Any]]:
    """Return the partitions of the group at ``path``."""
    answer: list[dict[str, Any]] = fetch(burrow, f"{path}/lag")["status"]["partitions"]
    return answer


def statuses(burrow: SimulatedBurrow) -> tuple[Counter[str], Counter[str]]:
    """Return how many groups and how many partitions have which status."""
    answers = list(groups(burrow))
    each = Counter(partition["status"] for answer in answers for partition in answer["partitions"])
    return Counter(answer["status"] for answer in answers), each


@pytest.mark.parametrize(
    "settings",
    [Settings(), Settings(offset_refresh=3), Settings(intervals=20), Settings(min_distance=25)],
    ids=["defaults", "offset-refresh", "intervals", "min-distance"],
)
@pytest.mark.parametrize("seed", [1, 7])
def test_every_state_at_any_moment(clock: Clock, settings: Settings, seed: int) -> None:
    """At any of 60 moments of half an hour, and at once, every status of groups and partitions exists."""
    burrow = SimulatedBurrow(12, 1, seed, clock=clock, settings=settings)
    for moment in range(0, 1800, 30):
        clock.now = START + moment
        of_groups, of_partitions = statuses(burrow)
        assert {"OK", "WARN", "ERR", "NOTFOUND"} == set(of_groups), moment
        assert {"OK", "WARN", "STOP", "STALL", "REWIND"} == set(of_partitions), moment


def test_states_change(clock: Clock) -> None:
    """Groups in trouble recover and get into it again: dashboards are alive."""
    burrow = SimulatedBurrow(12, clock=clock)
    seen: dict[str, set[str]] = {}
    for moment in range(0, 1800, 30):
        clock.now = START + moment
        for group in groups(burrow):
            seen.setdefault(group["group"], set()).add(group["status"])
    assert {"OK", "WARN"} == seen["search-indexer"] == seen["recommendation-trainer"]
    assert {"OK", "ERR"} <= seen["ledger-archive"]
    assert {"ERR"} == seen["customer-360"] == seen["invoice-printer"] == seen["audit-replay"]
    assert {"OK"} == seen["checkout-payments"] == seen["session-aggregator"] == seen["burrow-eu-west"]


def test_offsets_are_possible(clock: Clock) -> None:
    """Log ends never fall, and no group commits beyond the log end of its moment."""
    burrow = SimulatedBurrow(30, 20, clock=clock, settings=Settings(offset_refresh=0.001, expire_cache=0))
    last: dict[tuple[str, str], list[int]] = {}
    for moment in range(0, 1200, 40):
        clock.now = START + moment
        ends = {
            (cluster, topic): fetch(burrow, f"/v3/kafka/{cluster}/topic/{topic}")["offsets"]
            for cluster in fetch(burrow, "/v3/kafka")["clusters"]
            for topic in fetch(burrow, f"/v3/kafka/{cluster}/topic")["topics"]
        }
        assert all(old <= new for key, old_ends in last.items() for old, new in zip(old_ends, ends[key], strict=True))
        last = ends
        for group in groups(burrow):
            for each in group["partitions"]:
                end = ends[group["cluster"], each["topic"]][each["partition"]]
                assert each["end"] is None or 0 <= each["end"]["offset"] <= end


def test_expire_cache(clock: Clock) -> None:
    """A group is evaluated again only when expire-cache is over; its windows and the topics' offsets are not cached."""
    burrow = SimulatedBurrow(clock=clock)
    group = f"{WEST}/consumer/checkout-payments"
    first, window = fetch(burrow, f"{group}/lag"), fetch(burrow, group)
    clock.now += 9.9
    assert first == fetch(burrow, f"{group}/lag")
    assert window != fetch(burrow, group)
    clock.now += 0.1
    assert first != fetch(burrow, f"{group}/lag")


def test_offset_refresh(clock: Clock) -> None:
    """Log ends change every offset-refresh, and the lag of a commit is against the log end known then."""
    burrow = SimulatedBurrow(clock=clock, settings=Settings(offset_refresh=4, expire_cache=0))
    offsets = []
    for second in (0, 3.9, 4, 7.9, 8):
        clock.now = START + second
        offsets.append(fetch(burrow, f"{WEST}/topic/web.page-views.v1")["offsets"])
    assert [old == new for old, new in pairwise(offsets)] == [True, False, True, False]
    for each in partitions(burrow, f"{WEST}/consumer/search-indexer"):
        known = offsets[2][each["partition"]]  # it commits every 4 s: its last commit is from between 4 and 8 s
        assert known - each["end"]["offset"] == each["end"]["lag"]
        assert offsets[-1][each["partition"]] - each["end"]["offset"] == each["current_lag"]


def test_intervals(clock: Clock) -> None:
    """A window holds as many commits as ``intervals`` says, nulls in front of it where there were fewer."""
    burrow = SimulatedBurrow(clock=clock, settings=Settings(intervals=4))
    full = fetch(burrow, f"{WEST}/consumer/checkout-payments")["topics"]["orders.placed.v1"]
    young = fetch(burrow, f"{WEST}/consumer/fraud-scoring")["topics"]["orders.placed.v1"]
    assert [4] * 6 == [len(partition["offsets"]) for partition in full] == [len(each["offsets"]) for each in young]
    assert all(None not in partition["offsets"] for partition in full)
    assert young[-1]["offsets"] == [None] * 4


def merged(commits: list[dict[str, Any]], distance: int) -> list[dict[str, Any]]:
    """Return a window as Burrow builds it: a commit too soon after the last keeps that one's place and time stamp."""
    window: list[dict[str, Any]] = []
    for commit in commits:
        if window and commit["timestamp"] - window[-1]["timestamp"] < distance:
            window[-1] = commit | {"timestamp": window[-1]["timestamp"]}
        else:
            window.append(commit)
    return window


@pytest.mark.parametrize("moment", range(16))
def test_min_distance(clock: Clock, moment: int) -> None:
    """With min-distance the window is what Burrow makes of the same commits."""
    path = f"{WEST}/consumer/checkout-payments"
    every = SimulatedBurrow(clock=clock, settings=Settings(intervals=60))
    some = SimulatedBurrow(clock=clock, settings=Settings(min_distance=12))
    clock.now += moment
    raw, window = (fetch(each, path)["topics"]["orders.placed.v1"][0]["offsets"] for each in (every, some))
    since = [commit for commit in raw if commit["timestamp"] >= window[0]["timestamp"]]
    assert merged(since, 12_000) == window
    assert len(window) == 10


def test_observed_times(clock: Clock) -> None:
    """Burrow observes commits in whole seconds, and those older than itself when it starts."""
    burrow = SimulatedBurrow(clock=clock)
    for each in partitions(burrow, f"{WEST}/consumer/checkout-payments"):
        assert each["end"]["timestamp"] // 1000 * 1000 == each["end"]["observedAt"]
        assert each["end"]["timestamp"] > (START - 6) * 1000
    legacy = [
        each for each in partitions(burrow, f"{EAST}/consumer/customer-360") if each["topic"] != "orders.placed.v1"
    ]
    assert [each["end"]["observedAt"] for each in legacy] == [(START - 3600) * 1000] * 6
    assert all(each["end"]["timestamp"] <= (START - 7200) * 1000 for each in legacy)
    assert [each["status"] for each in legacy] == ["STOP"] * 6


def test_given_up_topic(clock: Clock) -> None:
    """The lag of a topic that a group gave up grows, and its last commit stays."""
    burrow = SimulatedBurrow(clock=clock)
    before = partitions(burrow, f"{EAST}/consumer/customer-360")[-1]
    clock.now += 60
    after = partitions(burrow, f"{EAST}/consumer/customer-360")[-1]
    assert (before["topic"], before["end"]) == ("crm.legacy-export", after["end"])
    assert before["current_lag"] < after["current_lag"]


def test_new_group_fills_and_vanishes(clock: Clock) -> None:
    """A new group begins without a commit, fills up but for one partition, is gone without a trace and comes back."""
    burrow = SimulatedBurrow(clock=clock)
    complete = []
    for moment in range(0, 900, 10):
        clock.now = START + moment
        listed = "fraud-scoring" in fetch(burrow, f"{WEST}/consumer")["consumers"]
        assert listed == (burrow.api.answer("GET", f"{WEST}/consumer/fraud-scoring").status == 200)
        each = partitions(burrow, f"{WEST}/consumer/fraud-scoring")
        complete.append([one["complete"] for one in each])
        for one in each:
            assert (one["start"] is None) == (one["end"] is None)
            assert one["end"] or (one["complete"], one["current_lag"], one["status"]) == (0.1, 0, "OK")
    assert [0.1] * 6 in complete
    assert [1, 1, 1, 1, 1, 0.1] in complete
    assert [] in complete


def test_lag_is_unknown_without_a_log_end(clock: Clock) -> None:
    """The first commit of a new group has no lag, for Burrow knew no log end then; the later ones have."""
    burrow = SimulatedBurrow(clock=clock)
    first = partitions(burrow, f"{WEST}/consumer/fraud-scoring")[0]
    assert first["start"]["lag"] is None
    assert first["end"]["lag"] is not None


def test_owners(clock: Clock) -> None:
    """Owners are a host and a client id where Burrow knows them, both empty where it does not."""
    burrow = SimulatedBurrow(clock=clock)
    owned = partitions(burrow, f"{WEST}/consumer/checkout-payments")
    owners = {
        ("/10.0.0.7", "checkout-payments-1"),
        ("/10.0.0.8", "checkout-payments-2"),
        ("/10.0.0.9", "checkout-payments-3"),
    }
    assert owners == {(each["owner"], each["client_id"]) for each in owned}
    free = partitions(burrow, f"{EAST}/consumer/session-aggregator")
    assert {("", "")} == {(each["owner"], each["client_id"]) for each in free}


def test_burrows_own_group(clock: Clock) -> None:
    """Each cluster has Burrow's own group, which reads ``__consumer_offsets`` without lag."""
    burrow = SimulatedBurrow(clock=clock)
    for cluster in ("eu-west", "us-east"):
        status = fetch(burrow, f"/v3/kafka/{cluster}/consumer/burrow-{cluster}/lag")["status"]
        assert {"__consumer_offsets"} == {each["topic"] for each in status["partitions"]}
        assert (status["status"], status["totallag"]) == ("OK", 0)


def test_topic_consumers(clock: Clock) -> None:
    """A topic's consumers are the groups whose response contains it."""
    burrow = SimulatedBurrow(clock=clock)
    assert fetch(burrow, f"{EAST}/topic/crm.legacy-export/consumers")["consumers"] == ["customer-360"]


@pytest.mark.parametrize(("asked", "made"), [(0, 12), (12, 12), (20, 20), (345, 345)])
def test_size(clock: Clock, asked: int, made: int) -> None:
    """There are as many groups as asked for, Burrow's own not counted, each of the others with its partitions."""
    burrow = SimulatedBurrow(asked, 7, clock=clock)
    names = [group for each in burrow.api.clusters.values() for group in each.groups if not group.startswith("burrow-")]
    assert made == len(names)
    others = [
        fetch(burrow, f"{WEST}/consumer/{group}/lag")["status"]
        for group in list(burrow.api.clusters["eu-west"].groups)[8:-1]
    ]
    assert {7} >= {group["partition_count"] for group in others}


def test_names_do_not_run_out(clock: Clock) -> None:
    """Names are numbered where the made-up ones do not suffice."""
    burrow = SimulatedBurrow(3000, 1, clock=clock)
    names = [(cluster, group) for cluster, each in burrow.api.clusters.items() for group in each.groups]
    assert len(set(names)) == 3002


def test_moving(clock: Clock) -> None:
    """Only the given share of the generated groups' partitions changes between two polls."""
    burrow = SimulatedBurrow(112, 20, clock=clock, settings=Settings(moving=0.1))
    names = list(burrow.api.clusters["eu-west"].groups)[8:-1]
    before = [each for name in names for each in partitions(burrow, f"{WEST}/consumer/{name}")]
    clock.now += 600
    after = [each for name in names for each in partitions(burrow, f"{WEST}/consumer/{name}")]
    changed = sum(old != new for old, new in zip(before, after, strict=True))
    assert 0.08 < changed / len(before) <= 0.1


def test_deterministic(clock: Clock) -> None:
    """The same seed and the same clock give the same answers, whatever was asked before; another seed gives others."""
    one, two, other = (SimulatedBurrow(40, 5, seed, clock=clock) for seed in (3, 3, 4))
    list(groups(one))
    clock.now += 100
    assert list(groups(one)) == list(groups(two))
    assert list(groups(one)) != list(groups(other))


@pytest.mark.parametrize(
    "wrong",
    [{"intervals": 0}, {"offset_refresh": 0.0}, {"expire_cache": -1.0}, {"min_distance": -1.0}, {"moving": 1.1}],
)
def test_settings_are_checked(wrong: dict[str, Any]) -> None:
    """Settings with which no Burrow could run are refused."""
    with pytest.raises(ValueError, match=next(iter(wrong))):
        Settings(**wrong)
