"""Replicas of one Burrow that replace each other, over real sockets."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import ExitStack

import pytest
from tenacity import wait_none

from burrow_exporter.burrow import retries
from burrow_exporter.polling.walk import GIVE_UP_AFTER
from burrow_exporter.settings.config import BurrowConfig, PollConfig
from tests.support.faults import FaultServer, Step, by_path, in_turn, reply, then_close, then_hang
from tests.support.pages import Polled, select
from tests.support.recorded import BROKEN, STARTING, Recorded, answer, lag_answer, partition, small

READY = "/burrow/admin/ready"
LAG = "burrow_kafka_consumer_partition_lag"
Answers = dict[str, Recorded | Step]


def replica(lag: int, groups: int = 1) -> Answers:
    """Return the answers of a replica in which every group has this lag."""
    names = [f"g{number:03}" for number in range(groups)]
    return {**small({name: lag_answer("c", name, partition(current_lag=lag)) for name in names})}


@pytest.fixture(autouse=True)
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Try again at once: how long to wait between attempts is tested elsewhere."""
    monkeypatch.setattr(retries, "WAIT", wait_none())


@pytest.fixture
def servers() -> Iterator[ExitStack]:
    """Return where servers are entered."""
    with ExitStack() as stack:
        yield stack


def poll_of(*servers: FaultServer, deadline: float = 6, timeout: float = 5, concurrency: int = 4) -> Polled:
    """Return a poller of these replicas."""
    addresses = tuple(server.address for server in servers)
    burrow = BurrowConfig(addresses=addresses, timeout=timeout, concurrency=concurrency)
    return Polled(burrow, poll=PollConfig(interval=6, deadline=deadline))


def lags(polled: Polled) -> set[float]:
    """Poll and return which lags are published."""
    return set(select(polled.poll(), LAG, "consumer_group").values())


@pytest.mark.parametrize(
    "fault",
    [
        {READY: STARTING},
        {READY: BROKEN},
        {READY: Recorded(401, "text/plain", "")},
        {READY: then_close()},
        {READY: then_hang()},
        {"/v3/kafka": BROKEN},
        {"/v3/kafka": then_hang()},
        {"/v3/kafka": Recorded(200, "", "<html>")},
        {"/v3/kafka/c/consumer": then_hang(), "/v3/kafka/c/topic": then_hang()},
    ],
    ids=[
        *("starting", "500", "401", "closed", "hangs"),
        *("no clusters", "clusters hang", "clusters no JSON", "lists hang"),
    ],
)
def test_the_next_replica_stands_in(servers: ExitStack, fault: Answers) -> None:
    """When a replica fails, the same poll has its answers from the next, or the next poll, and stays with it."""
    first, second = replica(1), replica(2)
    one, two = (servers.enter_context(FaultServer(by_path(each))) for each in (first, second))
    polled = poll_of(one, two, deadline=2)
    assert {1} == lags(polled)
    assert [] == two.asked
    first.update(fault)
    if {2} != lags(polled):
        assert "/v3/kafka/c/consumer" in fault  # seen only at the end of the poll: there is no time left
        assert {2} == lags(polled)
    assert 1 == polled.own("burrow_up")
    asked = len(one.asked)
    first.update(replica(3))
    assert [{2.0}, {2.0}] == [lags(polled), lags(polled)]
    assert asked == len(one.asked)
    second[READY] = BROKEN
    assert {3} == lags(polled)


def test_a_replica_that_is_gone_from_the_start(servers: ExitStack) -> None:
    """A replica at which nobody listens costs the first poll a moment, and the second nothing."""
    with FaultServer(in_turn(reply())) as gone:
        pass
    two = servers.enter_context(FaultServer(by_path(replica(2))))
    polled = poll_of(gone, two)
    begun = time.monotonic()
    assert {2} == lags(polled)
    assert time.monotonic() - begun < 2
    failures = polled.own("request_failures_total", endpoint="ready", reason="connection")
    assert {2} == lags(polled)
    assert failures == polled.own("request_failures_total", endpoint="ready", reason="connection")


def test_a_hanging_replica_takes_its_share_of_the_poll(servers: ExitStack) -> None:
    """One that hangs costs half the first poll where there are two, also with one request at a time."""
    one = servers.enter_context(FaultServer(in_turn(then_hang())))
    two = servers.enter_context(FaultServer(by_path(replica(2, groups=20))))
    polled = poll_of(one, two, deadline=3, concurrency=1)
    begun = time.monotonic()
    assert {2} == lags(polled)
    assert 1.4 < time.monotonic() - begun < 2.5
    begun = time.monotonic()
    assert {2} == lags(polled)
    assert time.monotonic() - begun < 1


def test_a_replica_that_dies_under_the_walk(servers: ExitStack) -> None:
    """After a few requests in a row without an answer the rest is not asked: the next replica has the time for all."""
    first = replica(1, groups=200)
    first.update({path: then_close() for path in first if "/g" in path and path > "/v3/kafka/c/consumer/g01"})
    one = servers.enter_context(FaultServer(by_path(first)))
    two = servers.enter_context(FaultServer(by_path(replica(2, groups=200))))
    polled = poll_of(one, two)
    begun = time.monotonic()
    assert {2} == lags(polled)
    assert time.monotonic() - begun < 4
    assert 200 == len(select(polled.poll(), LAG, "consumer_group"))
    assert len(one.asked) < 30 + 3 * (GIVE_UP_AFTER + 8)


def test_a_lone_replica_is_asked_to_the_end(servers: ExitStack) -> None:
    """Where there is no other, requests in a row without an answer are no reason to give up."""
    answers = replica(1, groups=15)
    answers.update({path: then_close() for path in answers if "/g" in path and path < "/v3/kafka/c/consumer/g014"})
    polled = poll_of(servers.enter_context(FaultServer(by_path(answers))), concurrency=8)
    assert ["g014"] == list(select(polled.poll(), LAG, "consumer_group"))


def test_when_all_replicas_fail(servers: ExitStack) -> None:
    """With every replica down the last readings stay, the poll is not good, and whichever returns first is taken."""
    answers = [replica(lag) for lag in (1, 2, 3)]
    polled = poll_of(*(servers.enter_context(FaultServer(by_path(each))) for each in answers))
    assert {1} == lags(polled)
    for each in answers:
        each[READY] = STARTING
    assert {1} == lags(polled)
    assert 0 == polled.own("burrow_up")
    assert 3 == polled.own("request_failures_total", endpoint="ready", reason="not_ready")
    answers[2].update(replica(4))
    assert {4} == lags(polled)


def test_a_replica_without_clusters(servers: ExitStack) -> None:
    """Where the one that stands in has nothing to list, that is an answer: the poll is good, and nothing published."""
    one = servers.enter_context(FaultServer(by_path({READY: BROKEN})))
    two = servers.enter_context(FaultServer(by_path({**small(), "/v3/kafka": answer(clusters=[])})))
    polled = poll_of(one, two)
    assert (set(), 1) == (lags(polled), polled.own("burrow_up"))
    asked = len(one.asked)
    assert (set(), asked) == (lags(polled), len(one.asked))


def test_a_replica_that_is_behind(servers: ExitStack) -> None:
    """One that has not caught up is READY all the same: its figures are not used, and the next poll asks another."""
    own = lag_answer("c", "burrow-c", partition("__consumer_offsets", current_lag=0))
    behind = lag_answer("c", "burrow-c", partition("__consumer_offsets", current_lag=5000))
    first, second = replica(1), replica(2)
    for each in (first, second):
        each["/v3/kafka/c/consumer"] = answer(consumers=["burrow-c", "g000"])
        each["/v3/kafka/c/consumer/burrow-c/lag"] = own
    polled = poll_of(*(servers.enter_context(FaultServer(by_path(each))) for each in (first, second)))
    assert {1, 0} == lags(polled) | {0}
    first["/v3/kafka/c/consumer/burrow-c/lag"] = behind
    first["/v3/kafka/c/consumer/g000/lag"] = lag_answer("c", "g000", partition(current_lag=999))
    assert 999 not in lags(polled)
    assert 2 in lags(polled)


def test_only_whole_walks_of_one_replica_are_used(servers: ExitStack) -> None:
    """A reading never stands beside one of another replica of the same poll, the groups of a cluster at least."""
    first = replica(1, groups=40)
    first.update({path: BROKEN for path in first if "/g" in path and path > "/v3/kafka/c/consumer/g010"})
    one = servers.enter_context(FaultServer(by_path(first)))
    two = servers.enter_context(FaultServer(by_path(replica(2, groups=40))))
    assert {2} == lags(poll_of(one, two))
