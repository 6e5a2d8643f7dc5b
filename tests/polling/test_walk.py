"""One walk through a Burrow, over real sockets: its requests, its end, and the effect of failures."""

from __future__ import annotations

import gc
import socket
import threading
import time
import weakref
from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
from tenacity import RetryCallState, wait_fixed, wait_incrementing, wait_none

from burrow_exporter.burrow import retries
from burrow_exporter.burrow.client import BurrowClient, Observer
from burrow_exporter.burrow.failures import BurrowError, Endpoint, Reason
from burrow_exporter.burrow.retries import Attempts
from burrow_exporter.burrow.session import Target
from burrow_exporter.polling.bounds import Bounds
from burrow_exporter.polling.own_group import may_be_own
from burrow_exporter.polling.readings import MAX_NAME_BYTES
from burrow_exporter.polling.schedule import Request, Resource
from burrow_exporter.polling.walk import UNSHARDED, ClusterWalk, GroupRead, Walk, WalkResult, groups_to_ask
from burrow_exporter.settings.config import Filter, Filters, ShardConfig
from burrow_exporter.snapshot import Group
from tests.support.faults import FaultServer, RecordedBurrow, Step, by_path, good, in_turn, reply, then_close, then_hang
from tests.support.observers import RecordingObserver
from tests.support.recorded import BROKEN, STARTING, Recorded, answer, commit, lag_answer, partition, small

READY = "/burrow/admin/ready"
GROUP = "/v3/kafka/c/consumer/{}/lag".format
TOPIC = "/v3/kafka/c/topic/{}".format
PAUSES = retries.WAIT
NOW = 1_700_000_100.0


@pytest.fixture(autouse=True)
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Try again at once: how long to wait between attempts is not the point of most tests."""
    monkeypatch.setattr(retries, "WAIT", wait_none())


def walk_of(
    server: FaultServer,
    filters: Filters | None = None,
    seconds: float = 10.0,
    timeout: float = 30.0,
    observer: Observer | None = None,
    **options: Any,
) -> WalkResult:
    """Walk through the server's Burrow, for at most ``seconds``."""
    client = BurrowClient(Target(server.address), timeout, observer or RecordingObserver())
    now = time.monotonic()
    return Walk(client, filters or Filters(), deadline=now + seconds, expires_at=now + 45, **options).run()


def walk(
    changes: dict[str, Recorded | Step] | None = None,
    filters: Filters | None = None,
    seconds: float = 10.0,
    answers: dict[str, Recorded] | None = None,
) -> WalkResult:
    """Walk through a small Burrow (cluster ``c``, by default group ``g`` and topic ``orders``) with other answers."""
    told: dict[str, Recorded | Step] = {**(answers or small()), **(changes or {})}
    with FaultServer(by_path(told)) as server:
        return walk_of(server, filters, seconds)


def reasons(result: WalkResult) -> list[tuple[Endpoint, Reason]]:
    """Return what failed, sorted."""
    return sorted((error.endpoint, error.reason) for error in result.failures)


def groups(*names: str) -> dict[str, Recorded]:
    """Return answers for groups, by name."""
    return {name: lag_answer("c", name, partition()) for name in names}


# What is asked for


def test_whole_walk() -> None:
    """A walk asks for readiness, lists, groups and topics, each once and in the order in which it learns of them."""
    answers = small(groups("g", "h"), {"orders": [100], "payments": [1, 2]})
    with FaultServer(by_path(dict(answers))) as server:
        result = walk_of(server, concurrency=1)
    assert [
        READY,
        "/v3/kafka",
        "/v3/kafka/c/consumer",
        "/v3/kafka/c/topic",
        *(GROUP(name) for name in "gh"),
        *(TOPIC(name) for name in ("orders", "payments")),
    ] == server.asked
    assert [] == result.failures
    assert result.clusters
    cluster = result.clusters["c"]
    assert (["g", "h"], ["orders", "payments"]) == (cluster.listed_groups, cluster.listed_topics)
    assert {"g": 10, "h": 10} == {name: group.total_lag for name, group in cluster.groups.items() if group}
    assert {"orders": [100], "payments": [1, 2]} == {name: topic.offsets for name, topic in cluster.topics.items()}
    assert 1_700_000_000.0 == cluster.last_commit


def test_what_has_not_changed_is_taken_over() -> None:
    """An answer that is byte for byte the one of the walk before is not read again; its reading has the new times."""
    answers = small(groups("same", "moved"))
    with RecordedBurrow(answers) as server:
        client = BurrowClient(Target(server.address), 5.0, RecordingObserver())
        first = Walk(client, Filters(), deadline=time.monotonic() + 10, expires_at=1.0, clock=lambda: NOW).run()
        end = commit(offset=95, timestamp=1_700_000_015_000, lag=5)
        answers[GROUP("moved")] = lag_answer("c", "moved", partition(end=end, current_lag=5))
        options: dict[str, Any] = {"deadline": time.monotonic() + 10, "expires_at": 2.0, "reads": first.reads}
        later = Walk(client, Filters(), clock=lambda: NOW + 10, **options).run()
    before, after = read_in(first), read_in(later)
    assert before["same"].partitions is after["same"].partitions
    assert replace(before["same"], read_at=NOW + 10, expires_at=2.0) == after["same"]
    assert (10, 5) == (before["moved"].total_lag, after["moved"].total_lag)
    assert later.clusters
    assert 1_700_000_015.0 == later.clusters["c"].last_commit
    assert replace(first.reads["c", "same"], group=after["same"]) == later.reads["c", "same"]


def test_commits_grow_old_in_answers_that_stay_the_same() -> None:
    """With a bound on the age of commits every answer is read anew: a partition may be too old by now."""
    with RecordedBurrow(small()) as server:
        client, filters = BurrowClient(Target(server.address), 5.0, RecordingObserver()), Filters(max_commit_age=60.0)
        now = time.monotonic()
        first = Walk(client, filters, deadline=now + 10, expires_at=1.0, clock=lambda: 1_700_000_050.0).run()
        options: dict[str, Any] = {"deadline": now + 10, "expires_at": 2.0, "reads": first.reads}
        later = Walk(client, filters, clock=lambda: 1_700_000_070.0, **options).run()
    assert ["g"] == list(read_in(first))
    assert [] == list(read_in(later))


def read_in(result: WalkResult) -> dict[str, Group]:
    """Return the readings of groups that a walk brought."""
    assert result.clusters
    return {name: group for name, group in result.clusters["c"].groups.items() if group}


def test_readings_carry_their_times() -> None:
    """A reading knows when it was read, by the clock that it was given, and expires when the walk was told."""
    with FaultServer(by_path(dict(small()))) as server:
        client = BurrowClient(Target(server.address), 5.0, RecordingObserver())
        deadline = time.monotonic() + 10
        result = Walk(client, Filters(), deadline=deadline, expires_at=77.0, clock=lambda: 1234.5).run()
    assert result.clusters
    group, topic = result.clusters["c"].groups["g"], result.clusters["c"].topics["orders"]
    assert group
    assert [(1234.5, 77.0)] * 2 == [(each.read_at, each.expires_at) for each in (group, topic)]
    assert 77.0 == result.expires_at


@pytest.mark.parametrize(
    "step",
    [reply(lag_answer("c", "g", partition()).body.encode()), reply(b"x" * 100_000, 500), reply(b"{"), then_close()],
    ids=["good", "500", "no JSON", "closed"],
)
def test_what_a_walk_saw_is_gone_with_its_result(step: Step) -> None:
    """Nothing else keeps it in memory, failures and bodies included: it waits for no collector."""
    gc.collect()
    gc.disable()
    try:
        told = small(groups("g", "h"))
        for _ in range(3):
            result = walk({GROUP("g"): step}, answers=told)
        assert result.clusters
        assert eventually(
            lambda: 1 == sum(isinstance(each, WalkResult) and each.reads != {} for each in gc.get_objects())
        )
        assert eventually(lambda: 2 >= sum(isinstance(each, GroupRead) for each in gc.get_objects()))
    finally:
        gc.enable()


def eventually(condition: Callable[[], bool]) -> bool:
    """Wait for the worker threads to let go."""
    end = time.monotonic() + 5
    while not condition() and time.monotonic() < end:
        time.sleep(0.05)
    return condition()


def test_no_clusters() -> None:
    """A Burrow without a cluster is walked through at once, and that is no failure."""
    result = walk({"/v3/kafka": answer(clusters=[])})
    assert ({}, []) == (result.clusters, result.failures)


def test_empty_cluster() -> None:
    """A cluster without groups and topics has empty lists, which is not the same as none."""
    result = walk(answers=small({}, {}))
    assert result.clusters
    assert ([], []) == (result.clusters["c"].listed_groups, result.clusters["c"].listed_topics)


def test_filters_spare_requests() -> None:
    """What the filters leave out is not asked for, yet counts as listed; Burrow's own group is always asked for."""
    answers = small(groups("g", "h", "burrow-c"), {"orders": [100], "__consumer_offsets": [1]})
    told: dict[str, Recorded | Step] = {**answers, "/v3/kafka": answer(clusters=["c", "d"])}
    only = Filters(cluster=Filter.of(["c"]), group=Filter.of(["g"]))
    with FaultServer(by_path(told)) as server:
        result = walk_of(server, only)
    lists = {READY, "/v3/kafka", "/v3/kafka/c/consumer", "/v3/kafka/c/topic"}
    told_of = {"/v3/config/evaluator", GROUP("g"), GROUP("burrow-c"), TOPIC("orders")}
    assert told_of == set(server.asked) - lists
    assert result.clusters
    assert ["c"] == list(result.clusters)
    cluster = result.clusters["c"]
    assert (["g", "h", "burrow-c"], ["orders", "__consumer_offsets"]) == (cluster.listed_groups, cluster.listed_topics)


@pytest.mark.parametrize(
    ("expected", "names", "include"),
    [
        (["a", "b"], ["a", "b"], []),
        (["a", "b"], ["a", "b"], ["a"]),
        (["a", "burrow-c"], ["a", "b", "burrow-c"], ["a"]),
        (["burrow-c", "burrow-d"], ["burrow-c", "a", "burrow-d"], ["x"]),
        (["a", "myburrow-c"], ["a", "myburrow-c"], ["a"]),
        ([], [], ["a"]),
    ],
)
def test_groups_to_ask(expected: list[str], names: list[str], include: list[str]) -> None:
    """Admitted groups and Burrow's own are asked; all are where Burrow shows none of its own."""
    assert expected == groups_to_ask(
        "c", names, set(filter(may_be_own, names)), Filters(group=Filter.of(include)), UNSHARDED
    )


def test_last_commit_of_what_is_filtered() -> None:
    """The newest commit of a cluster counts a group of which the filters leave nothing, Burrow's own above all."""
    newest = partition("__consumer_offsets", end=commit(timestamp=1_750_000_000_999))
    answers = small(groups("g") | {"burrow-c": lag_answer("c", "burrow-c", newest)})
    result = walk(answers=answers)
    assert result.clusters
    cluster = result.clusters["c"]
    assert 1_750_000_000.0 == cluster.last_commit
    assert (None, True) == (cluster.groups["burrow-c"], "burrow-c" in cluster.own)


# Lists that are not as they should be


def test_duplicates() -> None:
    """A name that a list holds twice is asked for once and counts once."""
    told = {
        "/v3/kafka": answer(clusters=["c", "c"]),
        "/v3/kafka/c/consumer": answer(consumers=["g", "h", "g"]),
        "/v3/kafka/c/topic": answer(topics=["orders", "orders"]),
    }
    with FaultServer(by_path({**small(groups("g", "h")), **told})) as server:
        result = walk_of(server)
    assert len(server.asked) == len(set(server.asked)) == 7
    assert [] == result.failures
    assert result.clusters
    assert (["g", "h"], ["orders"]) == (result.clusters["c"].listed_groups, result.clusters["c"].listed_topics)


@pytest.mark.parametrize("letter", ["a", "ü", "✓", "𝄞"])
def test_long_names(letter: str) -> None:
    """A name of 4 KiB in UTF-8 is used, one that is longer is refused, counted, and not asked for."""
    most = letter * (MAX_NAME_BYTES // len(letter.encode()))
    over = most + letter
    told = {
        "/v3/kafka": answer(clusters=["c", over]),
        "/v3/kafka/c/consumer": answer(consumers=["g", most, over]),
        "/v3/kafka/c/topic": answer(topics=["orders", most, over]),
    }
    with FaultServer(by_path({**small(), **told})) as server:
        result = walk_of(server)
    too_long = [error for error in result.failures if error.reason is Reason.NAME_TOO_LONG]
    assert {Endpoint.CLUSTERS, Endpoint.CONSUMERS, Endpoint.TOPICS} == {error.endpoint for error in too_long}
    assert 3 == len(too_long)
    assert {f"{over[:40]!r}... has more than 4096 bytes"} == {error.detail for error in too_long}
    assert 2 == sum(error.reason is Reason.HTTP_4XX for error in result.failures)
    assert 8 == len(server.asked)
    assert result.clusters
    assert 3 == len(result.clusters["c"].listed_groups or ())


@pytest.mark.parametrize("name", ["topic", "owner", "client_id"])
def test_long_names_in_a_group(name: str) -> None:
    """A group's answer that holds a name over the bound costs that group alone."""
    told = groups("g", "h") | {"g": lag_answer("c", "g", partition() | {name: "x" * (MAX_NAME_BYTES + 1)})}
    result = walk(answers=small(told))
    assert [(Endpoint.LAG, Reason.NAME_TOO_LONG)] == reasons(result)
    assert result.clusters
    assert ["h"] == list(result.clusters["c"].groups)


def test_partition_twice() -> None:
    """A group's answer that contains a duplicate partition, which no page can, costs that group alone."""
    told = groups("g", "h") | {"g": lag_answer("c", "g", partition(), partition("other"), partition())}
    result = walk(answers=small(told))
    assert [(Endpoint.LAG, Reason.SHAPE)] == reasons(result)
    assert result.clusters
    assert ["h"] == list(result.clusters["c"].groups)


# What a failure costs


@pytest.mark.parametrize(
    ("reason", "told"),
    [
        (Reason.NOT_READY, STARTING),
        (Reason.HTTP_5XX, BROKEN),
        (Reason.CONNECTION, then_close()),
    ],
)
def test_not_ready(reason: Reason, told: Recorded | Step) -> None:
    """Of a Burrow that is not ready nothing more is asked."""
    with FaultServer(by_path({**small(), READY: told})) as server:
        result = walk_of(server)
    assert (None, [(Endpoint.READY, reason)]) == (result.clusters, reasons(result))
    assert {READY} == set(server.asked)


def test_no_list_of_clusters() -> None:
    """Without the list of clusters there is none, which is not the same as an empty list."""
    result = walk({"/v3/kafka": reply(b"{}")})
    assert (None, [(Endpoint.CLUSTERS, Reason.SHAPE)]) == (result.clusters, reasons(result))


@pytest.mark.parametrize(
    ("failed", "path"),
    [
        (Endpoint.CONSUMERS, "/v3/kafka/c/consumer"),
        (Endpoint.TOPICS, "/v3/kafka/c/topic"),
        (Endpoint.LAG, GROUP("g")),
        (Endpoint.TOPIC, TOPIC("orders")),
    ],
)
@pytest.mark.parametrize(
    ("reason", "told"),
    [
        (Reason.HTTP_4XX, reply(b"", 404)),
        (Reason.HTTP_5XX, reply(b"", 500)),
        (Reason.NOT_JSON, reply(b"oops")),
        (Reason.SHAPE, reply(good())),
    ],
)
def test_failure_costs_itself(failed: Endpoint, path: str, reason: Reason, told: Step) -> None:
    """A list, group or topic whose answer fails is missing, and everything else of the cluster is there."""
    result = walk({path: told}, answers=small(groups("g", "h"), {"orders": [100], "payments": [1]}))
    assert [(failed, reason)] == reasons(result)
    assert result.clusters
    cluster = result.clusters["c"]
    assert {"g", "h"} - ({"g"} if failed is Endpoint.LAG else set()) == cluster.groups.keys() or (
        failed is Endpoint.CONSUMERS and (None, {}) == (cluster.listed_groups, cluster.groups)
    )
    assert {"orders", "payments"} - ({"orders"} if failed is Endpoint.TOPIC else set()) == cluster.topics.keys() or (
        failed is Endpoint.TOPICS and (None, {}) == (cluster.listed_topics, cluster.topics)
    )


def test_one_cluster_of_two() -> None:
    """A cluster whose lists fail does not cost another cluster anything."""
    result = walk({"/v3/kafka": answer(clusters=["broken", "c"])})
    assert [(Endpoint.CONSUMERS, Reason.HTTP_4XX), (Endpoint.TOPICS, Reason.HTTP_4XX)] == reasons(result)
    assert result.clusters
    assert None is result.clusters["broken"].listed_groups
    assert {"g"} == result.clusters["c"].groups.keys()


def test_forgotten_group() -> None:
    """A group that Burrow lists but does not know is noted as gone, which is no failure."""
    told = lag_answer("c", "g", status="NOTFOUND")
    result = walk({GROUP("g"): replace(told, status=404)})
    assert [] == result.failures
    assert result.clusters
    assert {"g": None} == result.clusters["c"].groups


def test_unknown_statuses() -> None:
    """A status without a code is told once a group, and the group is kept."""
    odd = lag_answer("c", "g", partition(status="ODD"), partition(number=1, status="ODD"), status="STRANGE")
    result = walk({GROUP("g"): odd})
    assert [(Endpoint.LAG, Reason.UNKNOWN_STATUS)] == reasons(result)
    assert "group 'g' has ODD, STRANGE" == result.failures[0].detail
    assert result.clusters
    assert result.clusters["c"].groups["g"]


def test_mixed_up_answers() -> None:
    """Of a proxy that answers one group with another's, neither reading is used."""
    both = groups("g", "h")
    result = walk({GROUP("g"): both["h"], GROUP("h"): both["g"]}, answers=small(both))
    assert [(Endpoint.LAG, Reason.MISMATCH)] * 2 == reasons(result)
    assert result.clusters
    assert {} == result.clusters["c"].groups


def test_own_mistakes_are_loud() -> None:
    """An error that nobody foresaw breaks the walk off rather than pass for an answer."""

    class Faulty(BurrowClient):
        def clusters(self) -> list[str]:
            raise ZeroDivisionError

    with FaultServer(by_path(dict(small()))) as server:
        client = Faulty(Target(server.address), 5.0, RecordingObserver())
        now = time.monotonic()
        with pytest.raises(ZeroDivisionError):
            Walk(client, Filters(), deadline=now + 5, expires_at=now + 5).run()


# The deadline


@pytest.mark.parametrize(
    ("failed", "path"),
    [
        (Endpoint.READY, READY),
        (Endpoint.CLUSTERS, "/v3/kafka"),
        (Endpoint.CONSUMERS, "/v3/kafka/c/consumer"),
        (Endpoint.TOPICS, "/v3/kafka/c/topic"),
        (Endpoint.LAG, GROUP("g")),
        (Endpoint.TOPIC, TOPIC("orders")),
    ],
)
def test_deadline(failed: Endpoint, path: str) -> None:
    """A walk ends at its deadline with what there is; what hangs has failed, and says so."""
    begun = time.monotonic()
    result = walk({path: then_hang()}, answers=small(groups("g", "h")), seconds=0.4)
    assert 0.35 < time.monotonic() - begun < 0.8
    assert 1 == len(result.failures)
    assert failed is result.failures[0].endpoint
    assert result.failures[0].reason in {Reason.DEADLINE, Reason.TIMEOUT}  # whoever looks at the clock first
    assert (failed in {Endpoint.READY, Endpoint.CLUSTERS}) == (result.clusters is None)
    if result.clusters and failed is not Endpoint.CONSUMERS:
        assert "h" in result.clusters["c"].groups


@pytest.mark.parametrize(("given_up", "seconds"), [(True, 0.2), (False, None)], ids=["a spare", "none"])
def test_when_the_clusters_are_not_listed_in_time(given_up: bool, seconds: float | None) -> None:  # noqa: FBT001
    """It is given up where another replica stands by; alone it has the time until its deadline."""
    with FaultServer(by_path({**small(), READY: then_hang()})) as server:
        client = BurrowClient(Target(server.address), 30.0, RecordingObserver())
        now = time.monotonic()
        walk = Walk(client, Filters(), deadline=now + (30 if given_up else 0.5), expires_at=now + 45)
        result = walk.run(seconds and now + seconds)
    assert (given_up, [Reason.DEADLINE]) == (result.given_up, [error.reason for error in result.failures])


def test_a_look_up_that_hangs_holds_up_no_end(monkeypatch: pytest.MonkeyPatch) -> None:
    """A walk ends at its deadline though the system still looks for the address of a name."""
    go_on, ended = threading.Event(), threading.Event()

    def hang(*_arguments: Any, **_options: Any) -> list[Any]:
        go_on.wait(20)
        ended.set()
        return []

    monkeypatch.setattr(socket, "getaddrinfo", hang)
    client = BurrowClient(Target("http://burrow.example:8000"), 30.0, RecordingObserver())
    now = time.monotonic()
    try:
        result = Walk(client, Filters(), deadline=now + 0.3, expires_at=now + 45).run()
        assert [Reason.DEADLINE] == [error.reason for error in result.failures]
        assert not ended.is_set()
    finally:
        go_on.set()
    assert ended.wait(20)


def test_everything_unanswered_is_told() -> None:
    """Of many groups that hang, each counts as a failure, those that no worker came to as well."""
    names = [f"g{number}" for number in range(20)]
    result = walk({GROUP(name): then_hang() for name in names}, answers=small(groups(*names)), seconds=0.4)
    failures = [error for error in result.failures if error.endpoint is Endpoint.LAG]
    assert 20 == len(failures)
    assert {Reason.DEADLINE, Reason.TIMEOUT} >= {error.reason for error in failures}
    assert sum("was not answered before the poll's end" in error.detail for error in failures) >= 16


def test_a_thousand_that_hang(monkeypatch: pytest.MonkeyPatch) -> None:
    """With 1,000 groups that hang, and pauses as they are, a walk ends at its deadline, and each counts once."""
    monkeypatch.setattr(retries, "WAIT", PAUSES)
    names = [f"g{number}" for number in range(1000)]
    told: dict[str, Recorded | Step] = {**small(groups("h", *names)), **{GROUP(name): then_hang() for name in names}}
    with FaultServer(by_path(told)) as server:
        begun = time.monotonic()
        result = walk_of(server, seconds=2, timeout=0.1)
        assert 2 <= time.monotonic() - begun < 3
    failures = Counter(error.endpoint for error in result.failures)
    assert result.clusters
    assert (1000, ["h"]) == (failures[Endpoint.LAG], list(result.clusters["c"].groups))


def test_one_that_hangs_holds_up_nobody() -> None:
    """While one group hangs, the other workers read all the rest."""
    names = [f"g{number}" for number in range(50)]
    result = walk({GROUP("g0"): then_hang()}, answers=small(groups(*names)), seconds=1.0)
    assert [Endpoint.LAG] == [error.endpoint for error in result.failures]
    assert result.clusters
    assert set(names[1:]) == result.clusters["c"].groups.keys()


def test_work_left_over_is_dropped() -> None:
    """What no worker had come to when a walk ended is not asked for afterwards."""
    names = [f"g{number}" for number in range(30)]
    hanging: dict[str, Recorded | Step] = {GROUP(name): then_hang() for name in names}
    with FaultServer(by_path({**small(groups(*names)), **hanging})) as server:
        walk_of(server, seconds=0.3, concurrency=2)
        time.sleep(0.2)
        asked = [path for path in server.asked if path.endswith("/lag")]
    assert len(asked) <= 2


# Several at once


@pytest.mark.parametrize("count", [1, 3])
def test_concurrency(count: int) -> None:
    """No more requests are under way at once than are allowed, and as many as that."""
    names = [f"g{number}" for number in range(9)]
    lock, now, most = threading.Lock(), [0], [0]

    def slow(name: str) -> Step:
        whole = reply(groups(name)[name].body.encode())

        def step(connection: Any) -> bool:
            with lock:
                now[0] += 1
                most[0] = max(most[0], now[0])
            time.sleep(0.05)
            with lock:
                now[0] -= 1
            return whole(connection)

        return step

    told: dict[str, Recorded | Step] = {GROUP(name): slow(name) for name in names}
    with FaultServer(by_path({**small(groups(*names)), **told})) as server:
        assert [] == walk_of(server, concurrency=count).failures
        assert count == most[0]
        assert len(server.connections) <= count


def test_connections_last() -> None:
    """A walk has as many connections as requests at once; the next has its own, to where the name leads then."""
    with FaultServer(by_path(dict(small(groups(*"abcdefgh"))))) as server:
        client = BurrowClient(Target(server.address), 5.0, RecordingObserver())
        for walks in range(1, 4):
            now = time.monotonic()
            run = Walk(client, Filters(), deadline=now + 5, expires_at=now + 5, concurrency=3).run
            assert [] == run().failures
            assert walks * (4 + 8 + 1) == len(server.asked)
            assert walks <= len(server.connections) <= 3 * walks


# What is tried again


def of_group(*steps: Step, **options: Any) -> tuple[WalkResult, RecordingObserver, FaultServer]:
    """Walk through a small Burrow whose group is answered in these steps."""
    group, others, heard = in_turn(*steps), by_path(dict(small())), RecordingObserver()
    with FaultServer(lambda path: (group if path == GROUP("g") else others)(path)) as server:
        result = walk_of(server, observer=heard, **options)
    return result, heard, server


GOOD_GROUP = reply(lag_answer("c", "g", partition()).body.encode())


@pytest.mark.parametrize(
    ("reason", "step"),
    [
        (Reason.HTTP_5XX, reply(b"", 500)),
        (Reason.HTTP_5XX, reply(b"", 502)),
        (Reason.HTTP_5XX, reply(b"", 503)),
        (Reason.CONNECTION, then_close()),
        (Reason.CONNECTION, then_close(b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n{")),
        (Reason.TIMEOUT, then_hang()),
    ],
)
def test_second_try(monkeypatch: pytest.MonkeyPatch, reason: Reason, step: Step) -> None:
    """A failure that may pass is tried again after a moment; the observer hears of it and of both attempts."""
    monkeypatch.setattr(retries, "WAIT", wait_incrementing(0.3, 0.3))
    begun = time.monotonic()
    result, heard, _ = of_group(step, GOOD_GROUP, timeout=0.3)
    assert time.monotonic() - begun > 0.3
    assert result.clusters
    assert ([], ["g"]) == (result.failures, list(result.clusters["c"].groups))
    assert [(Endpoint.LAG, reason)] == heard.failures
    assert 2 == heard.attempts.count(Endpoint.LAG)


def test_last_try(monkeypatch: pytest.MonkeyPatch) -> None:
    """After three attempts a failure counts; the observer hears of the first two, the result tells the last."""
    paused: list[int] = []

    def pause(state: RetryCallState) -> float:
        paused.append(state.attempt_number)
        return 0.0

    monkeypatch.setattr(retries, "WAIT", pause)
    result, heard, _ = of_group(reply(b"", 500), reply(b"", 502), reply(b"", 503), GOOD_GROUP)
    assert ["lag: /v3/kafka/c/consumer/g/lag returned 503"] == [str(error) for error in result.failures]
    assert [(Endpoint.LAG, Reason.HTTP_5XX)] * 2 == heard.failures
    assert [1, 2] == paused[:2]
    assert 3 == heard.attempts.count(Endpoint.LAG)


@pytest.mark.parametrize("step", [reply(b"", 301, Location="/"), reply(b"", 400), reply(b"", 429), reply(b"{}")])
def test_never_tried_again(step: Step) -> None:
    """What Burrow refuses, sends elsewhere, or answers in another shape is not asked for again."""
    result, heard, _ = of_group(step, GOOD_GROUP)
    assert (1, [], 1) == (len(result.failures), heard.failures, heard.attempts.count(Endpoint.LAG))


def test_no_try_beyond_the_deadline(monkeypatch: pytest.MonkeyPatch) -> None:
    """There is no waiting for an attempt that the deadline would not let happen."""
    monkeypatch.setattr(retries, "WAIT", wait_fixed(3))
    begun = time.monotonic()
    result, heard, _ = of_group(reply(b"", 500), seconds=3.0)
    assert time.monotonic() - begun < 1
    assert ([Reason.HTTP_5XX], []) == ([error.reason for error in result.failures], heard.failures)


def test_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    """Between attempts there is a moment, a longer one each time, never the same."""
    monkeypatch.setattr(retries, "WAIT", PAUSES)
    error = BurrowError(Endpoint.LAG, Reason.TIMEOUT, "x")
    pauses: dict[int, set[float]] = {1: set(), 2: set()}
    for _ in range(100):
        attempts = Attempts(3, time.monotonic() + 60, threading.Event())
        for number in (1, 2):
            pauses[number].add(attempts.pause_after(error) or 0.0)
        assert attempts.pause_after(error) is None
    assert all(len(each) > 90 for each in pauses.values())
    assert 0.2 <= min(pauses[1]) <= max(pauses[1]) <= 0.4 <= min(pauses[2]) <= max(pauses[2]) <= 0.6


def test_a_stop_ends_it() -> None:
    """Once told to stop, a walk asks for nothing more."""
    stop = threading.Event()
    stop.set()
    with FaultServer(by_path(dict(small()))) as server:
        result = walk_of(server, stop=stop)
    assert ([(Endpoint.READY, Reason.DEADLINE)], []) == (reasons(result), server.asked)
    assert ["ready: readiness not requested: the poll has ended"] == [str(error) for error in result.failures]


# Those that hang


def test_those_that_hang_come_last() -> None:
    """Groups that hang are tried again when all others have been asked, so that these have their turn in time."""
    hanging, healthy = [f"h{number}" for number in range(4)], [f"g{number}" for number in range(20)]
    told: dict[str, Recorded | Step] = {**small(groups(*hanging, *healthy))}
    told.update({GROUP(name): then_hang() for name in hanging})
    with FaultServer(by_path(told)) as server:
        result = walk_of(server, seconds=1.5, timeout=0.5)
        asked = [path for path in server.asked if path.endswith("/lag")]
    assert result.clusters
    assert set(healthy) == result.clusters["c"].groups.keys()
    again = {GROUP(name) for name in hanging}
    assert again == set(asked[:4])
    # The last of the others may be under way while the first of them is asked again.
    assert again <= set(asked[21:])
    assert not again & set(asked[4:21])
    assert {Resource(Endpoint.LAG, "c", name) for name in hanging} == result.late


def test_those_that_hung_are_asked_last_and_once() -> None:
    """What had no answer in time in one walk costs the next one no time before all others are read."""
    hanging, healthy = [f"h{number}" for number in range(4)], [f"g{number}" for number in range(20)]
    told: dict[str, Recorded | Step] = {**small(groups(*hanging, *healthy))}
    told.update({GROUP(name): then_hang() for name in hanging})
    late = {Resource(Endpoint.LAG, "c", name) for name in hanging}
    with FaultServer(by_path(told)) as server:
        begun = time.monotonic()
        result = walk_of(server, timeout=0.5, late=late)
        assert time.monotonic() - begun < 1.5
        asked = [path for path in server.asked if path.endswith("/lag")]
    last = [GROUP(name) for name in hanging]
    # The last of the others may be under way while the first of them is asked.
    assert last == sorted(path for path in asked[17:] if path in last)
    assert 24 == len(set(asked)) == len(asked)
    assert (late, [(Endpoint.LAG, Reason.TIMEOUT)] * 4) == (result.late, reasons(result))


def test_what_was_late_may_recover() -> None:
    """What is answered is late no more."""
    with FaultServer(by_path(dict(small()))) as server:
        result = walk_of(server, late={Resource(Endpoint.LAG, "c", "g"), Resource(Endpoint.READY)})
    assert result.clusters
    assert ([], ["g"]) == (list(result.late), list(result.clusters["c"].groups))


def test_failures_name_what_failed() -> None:
    """Whoever reads a failure knows the endpoint, the resource and the reason."""
    result = walk({GROUP("g"): reply(b"", 500)})
    (error,) = result.failures
    assert isinstance(error, BurrowError)
    assert "lag: /v3/kafka/c/consumer/g/lag returned 500" == str(error)


# Walks without a Burrow


def unasked(**options: Any) -> Walk:
    """Return a walk that asks nobody."""
    client = BurrowClient(Target("http://127.0.0.1:9"), 1.0, RecordingObserver())
    return Walk(client, Filters(), deadline=0.0, expires_at=0.0, **options)


@pytest.mark.parametrize(
    ("expected", "answered", "failed", "changes"),
    [
        (True, 0, [], {}),
        (True, 2, [Reason.TIMEOUT] * 2, {}),
        (False, 2, [Reason.TIMEOUT, Reason.CONNECTION, Reason.DEADLINE], {}),
        (True, 0, [Reason.HTTP_4XX] * 9, {}),
        (False, 2, [], {"given_up": True}),
        (False, 0, [], {"clusters": None}),
    ],
    ids=["nothing to ask", "half", "less than half", "refused", "given up", "no list of clusters"],
)
def test_a_walk_that_saw_most(expected: bool, answered: int, failed: list[Reason], changes: dict[str, Any]) -> None:  # noqa: FBT001
    """Requests without an answer must not outnumber those with one, groups and topics alike; a refusal is an answer."""
    seen = ClusterWalk("c", groups=dict.fromkeys(["g"][:answered]), topics=dict.fromkeys(["t"][: answered - 1]))  # type: ignore[arg-type] # only counted
    failures = [BurrowError(Endpoint.LAG, reason, "x") for reason in failed]
    result = WalkResult(0.0, **{"clusters": {"c": seen}, "failures": failures, **changes})
    assert expected == result.is_usable()


def test_a_replica_is_given_up_after_requests_in_a_row() -> None:
    """Eight that were not answered, each asked for the first time; an answer, if only a refusal, begins a new row."""
    walk = unasked()
    walk._has_spare = True

    def fail(reason: Reason | None, turn: int = 0, name: str = "x") -> float:
        request: Request[None] = Request(Resource(Endpoint.LAG, "c", name), lambda: None, lambda _: None, turn)
        walk._schedule.end_at = 7.0
        walk._on_outcome(request, BurrowError(Endpoint.LAG, reason, "x") if reason else None)
        return walk._schedule.end_at

    row = [*[Reason.TIMEOUT] * 7, Reason.HTTP_4XX, *[Reason.CONNECTION] * 7, None, *[Reason.CONNECTION] * 7]
    assert [7.0] * 23 == [fail(reason) for reason in row]
    assert 7.0 == fail(Reason.TIMEOUT, turn=1, name="y")
    assert 0.0 == fail(Reason.TIMEOUT)
    assert {"x", "y"} == {resource.name for resource in walk._result.late}


def test_the_newest_commit_counts_in_whatever_order_groups_are_answered() -> None:
    """A group that is answered later may have been silent for longer."""
    cluster = ClusterWalk("c")
    for name, moment in (("a", 5.0), ("b", 3.0), ("d", None)):
        unasked()._on_group(cluster, name, GroupRead(last_commit=moment))
    assert (5.0, {"a": None, "b": None, "d": None}) == (cluster.last_commit, cluster.groups)


def asked_by(walk: Walk) -> set[str]:
    """Return what a walk has put on its schedule since the last time, in words."""
    pending, walk._schedule._pending = walk._schedule._pending, set()
    return {str(request.resource) for request in pending}


@pytest.mark.parametrize("index", [0, 1])
def test_what_is_asked_for_is_named(index: int) -> None:
    """In words for humans; of a share of the groups, those that are held."""
    shard = ShardConfig(index=index, total=2)
    walk = unasked(shard=shard)
    walk._on_ready(None)
    assert {"the list of clusters"} == asked_by(walk)
    walk._on_clusters(["c"])
    assert {"the groups of 'c'", "the topics of 'c'"} == asked_by(walk)
    names = [f"g{number}" for number in range(20)]
    walk._on_groups(ClusterWalk("c"), [*names, "burrow-c"])
    held = [name for name in names if shard.holds("c", name)]
    asked = {f"group {name!r} of 'c'" for name in [*held, "burrow-c"]}
    assert asked | {"Burrow's configuration"} == asked_by(walk)
    walk._on_groups(ClusterWalk("d"), ["burrow-d"])
    assert {"group 'burrow-d' of 'd'"} == asked_by(walk)
    walk._on_topics(ClusterWalk("c"), ["t"])
    assert {"topic 't' of 'c'"} == asked_by(walk)


def test_a_walk_leaves_nothing_behind() -> None:
    """It is freed when its result is, without the garbage collector, whatever failed in it."""
    answers: dict[str, Recorded | Step] = {**small(groups("g", "h", "i")), GROUP("g"): reply(b"x" * 1_000_000, 404)}
    answers[GROUP("h")] = Recorded(200, "", "<html>")
    gc.disable()
    try:
        with FaultServer(by_path(answers)) as server:
            client = BurrowClient(Target(server.address), 5.0, RecordingObserver())
            walk = Walk(client, Filters(), deadline=time.monotonic() + 10, expires_at=1.0)
            result, gone = walk.run(), weakref.ref(walk)
        assert [Reason.HTTP_4XX, Reason.NOT_JSON] == sorted(each.reason for each in result.failures)
        assert all((None, None) == (each.__traceback__, each.__context__) for each in result.failures)
        del walk
        end = time.monotonic() + 2
        while gone() and time.monotonic() < end:  # a thread of it may be about to end
            time.sleep(0.01)
        assert gone() is None
    finally:
        gc.enable()


def test_names_beyond_the_bound() -> None:
    """Those known are read, the rest is counted and noted as one failure of the list; so it is for topics."""
    answers = small(groups(*"abcdz"), {name: [1] for name in "vwxy"})
    known = {Resource(Endpoint.LAG, "c", "z"), Resource(Endpoint.TOPIC, "c", "y")}
    with RecordedBurrow(answers) as server:
        client = BurrowClient(Target(server.address), 5.0, RecordingObserver())
        bounds = Bounds(3, 100, known)
        result = Walk(client, Filters(), deadline=time.monotonic() + 10, expires_at=1.0, bounds=bounds).run()
    assert result.clusters
    cluster = result.clusters["c"]
    assert ["z", "a", "b"] == cluster.listed_groups
    assert {"z", "a", "b"} == set(cluster.groups)
    assert (2, 2, 1) == (cluster.omitted_groups, cluster.left_out, cluster.omitted_topics)
    assert (["y", "v", "w"], {"y", "v", "w"}) == (cluster.listed_topics, set(cluster.topics))
    assert {
        ("consumers", "too_many", "the groups of 'c': 2 of 5 not read, limited by max_groups"),
        ("topics", "too_many", "the topics of 'c': 1 of 4 not read, limited by max_groups"),
    } == {(each.endpoint, each.reason, each.detail) for each in result.failures}
    read = {Endpoint.LAG: "zab", Endpoint.TOPIC: "yvw"}
    assert {Resource(kind, "c", name) for kind, names in read.items() for name in names} == result.known


def test_groups_beyond_the_bound_on_partitions() -> None:
    """They are failures of their own, and nothing of them is kept."""
    answers = small({"g": lag_answer("c", "g", *(partition("orders", number=n) for n in range(5)))})
    with RecordedBurrow(answers) as server:
        client = BurrowClient(Target(server.address), 5.0, RecordingObserver())
        bounds = Bounds(4, 8, ())
        result = Walk(client, Filters(), deadline=time.monotonic() + 10, expires_at=1.0, bounds=bounds).run()
    assert [("lag", "too_many")] == [(each.endpoint, each.reason) for each in result.failures]
    assert {} == result.reads
