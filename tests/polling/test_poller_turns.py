"""Tests of poller.py without a Burrow and without waiting: time per replica, logs, and schedule."""

from __future__ import annotations

import threading
from types import SimpleNamespace
from typing import Any

import pytest
from structlog.testing import capture_logs

from burrow_exporter.burrow.failures import BurrowError, Endpoint, Reason
from burrow_exporter.burrow.session import Target, Tls
from burrow_exporter.metrics.self_metrics import SelfMetrics
from burrow_exporter.polling import poller
from burrow_exporter.polling.poller import Poller
from burrow_exporter.polling.schedule import Resource
from burrow_exporter.polling.state import BurrowState
from burrow_exporter.polling.walk import ClusterWalk, WalkResult
from burrow_exporter.settings.config import BurrowConfig, Filter, Filters, PollConfig, ShardConfig
from burrow_exporter.settings.value_types import Secret
from burrow_exporter.snapshot import Snapshot
from tests.conftest import START, Clock

A, B, C = "http://a:1", "http://b:1", "http://c:1"
SHARD = ShardConfig(index=0, total=3)
CONFIG = BurrowConfig(
    addresses=(A, B, C),
    concurrency=7,
    timeout=5,
    username="exporter",
    password=Secret("x"),
    filters=Filters(group=Filter.of(["g.*"])),
)


class Stage:
    """A poller whose walks are played: each takes 3 s of its own monotonic clock, which begins at 100."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, clock: Clock, config: BurrowConfig = CONFIG) -> None:
        self.now = 100.0
        self.seconds = 3.0
        self.clock = clock
        self.results: list[WalkResult] = []
        self.walks: list[tuple[str, Filters, dict[str, Any]]] = []
        self.give_up_at: list[float | None] = []
        self.published: list[Snapshot] = []
        self.stop = threading.Event()
        self.metrics = SelfMetrics()
        self.observer = self.metrics.of_burrow("default")
        monkeypatch.setattr(poller, "Walk", self.walk)
        monkeypatch.setattr(poller, "BurrowClient", lambda *made: SimpleNamespace(target=made[0], made=made))
        schedule = PollConfig(interval=30, deadline=24, stale_after=90)
        options: dict[str, Any] = {"clock": clock, "shard": SHARD, "monotonic": lambda: self.now}
        self.poller = Poller(config, schedule, self.observer, self.published.append, self.stop, **options)

    def walk(self, client: Any, filters: Filters, **options: Any) -> Stage:
        """Note a walk that is made."""
        self.walks.append((client.target.address, filters, options))
        return self

    def run(self, give_up_at: float | None) -> WalkResult:
        """Let time go by, and return the next result."""
        self.give_up_at.append(give_up_at)
        self.now += self.seconds
        return self.results.pop(0)

    def poll(self, *results: WalkResult) -> tuple[Snapshot, WalkResult]:
        """Poll once, with walks that have these results."""
        self.results = list(results)
        return self.poller.poll()

    def is_set(self) -> bool:
        """Tell, in place of the poller's own event, that the polls go on."""
        return False

    def wait(self, seconds: float) -> None:
        """Let time go by instead of waiting."""
        self.now += seconds

    def own(self, name: str, **labels: str) -> float | None:
        """Return one of the exporter's own samples."""
        every = {"burrow": "default", **labels}
        return self.metrics.registry.get_sample_value(f"burrow_exporter_{name}", every)


@pytest.mark.parametrize(
    ("taken", "begun"),
    [
        ((3, 3, 3, 3), (100, 130, 160, 190)),
        ((3, 42, 3, 3), (100, 130, 190, 220)),
        ((95, 3, 3, 3), (100, 195, 220, 250)),
        ((31, 31, 31, 31), (100, 131, 162, 193)),
        ((30.1, 30.1, 30.1, 30.1), (100, 130.1, 160.2, 190.3)),
    ],
    ids=["short", "one too long", "one far too long", "each too long", "each at its deadline"],
)
def test_polls_keep_their_rhythm(
    stage: Stage, monkeypatch: pytest.MonkeyPatch, taken: tuple[float, ...], begun: tuple[float, ...]
) -> None:
    """Polls begin a whole number of intervals after the first; missed ones are not made up for.

    One that is hardly late counts as in time: a Burrow that hangs is polled at every interval.
    """
    found: list[float] = []

    def poll() -> None:
        found.append(stage.now)
        stage.now += taken[len(found) - 1]
        if len(found) == len(taken):
            stage.stop.set()

    monkeypatch.setattr(stage.poller, "poll", poll)
    monkeypatch.setattr(stage.poller, "_ended", stage)
    stage.poller._run()
    assert begun == tuple(round(each, 3) for each in found)


@pytest.fixture
def stage(monkeypatch: pytest.MonkeyPatch, clock: Clock) -> Stage:
    """Return a poller of three replicas."""
    return Stage(monkeypatch, clock)


def failure(endpoint: Endpoint = Endpoint.LAG, reason: Reason = Reason.TIMEOUT, detail: str = "x") -> BurrowError:
    """Return a failed request."""
    return BurrowError(endpoint, reason, detail)


def result(answered: int, *failures: BurrowError, given_up: bool = False) -> WalkResult:
    """Return what came of a walk that had answers for so many groups of cluster ``c``."""
    groups: dict[str, Any] = {f"g{number}": None for number in range(answered)}
    seen = ClusterWalk("c", listed_groups=list(groups), listed_topics=[], groups=groups)
    return WalkResult(190.0, {"c": seen}, list(failures), given_up=given_up)


def nothing(*failures: BurrowError) -> WalkResult:
    """Return what came of a walk that was not told the clusters."""
    return WalkResult(190.0, None, list(failures))


def test_each_replica_has_a_client_of_its_own(stage: Stage) -> None:
    """It is made from what is configured of the Burrow; nothing runs yet. The share of the groups is as told."""
    targets = [Target(address, ("exporter", "x"), Tls(), CONFIG.proxy_url) for address in (A, B, C)]
    assert SHARD is stage.poller._state._shard
    assert [(target, 5, stage.observer) for target in targets] == [vars(each)["made"] for each in stage.poller._clients]
    thread = stage.poller._thread
    assert ("poll-default", True, False) == (thread.name, thread.daemon, stage.poller.is_alive())
    assert not stage.poller.was_good


def test_a_walk_is_told_all_it_needs(stage: Stage) -> None:
    """Its deadline and when its readings expire count from the poll's beginning; late and reads are the last walk's."""
    first = result(2)
    first.late = {Resource(Endpoint.LAG, "c", "x")}
    first.known = {Resource(Endpoint.LAG, "c", "g0")}
    first.reads = {("c", "g"): Any}  # type: ignore[dict-item] # it is handed on as it is
    stage.poll(first)
    options: dict[str, Any] = {
        "deadline": 124.0,
        "expires_at": 190.0,
        "concurrency": 7,
        "clock": stage.clock,
        "shard": SHARD,
        "late": set(),
        "reads": {},
        "stop": stage.stop,
    }
    assert set() == stage.walks[-1][2].pop("bounds")._known
    assert [(A, CONFIG.filters, options)] == stage.walks
    stage.poll(result(1))
    assert first.known == stage.walks[-1][2].pop("bounds")._known
    later = options | {"deadline": 127.0, "expires_at": 193.0, "late": first.late, "reads": first.reads}
    assert (A, CONFIG.filters, later) == stage.walks[-1]


def test_each_replica_has_its_share_of_the_time_that_is_left(stage: Stage) -> None:
    """The last has all of it. Taken is the walk with most answers, with the failures of all; its replica stays."""
    failures = [failure(detail=each) for each in "abc"]
    walks = [result(answered, each, given_up=True) for answered, each in zip((1, 5, 3), failures, strict=True)]
    snapshot, walk = stage.poll(*walks)
    assert [100 + 24 / 3, 103 + 21 / 2, None] == stage.give_up_at
    assert [A, B, C] == [address for address, _, _ in stage.walks]
    assert (failures, 5) == (walk.failures, snapshot.clusters[0].listed_groups)
    assert [B, C, A] == [each.target.address for each in stage.poller._clients]
    stage.poll(result(5))
    assert B == stage.walks[-1][0]


def test_a_usable_walk_is_taken_though_another_had_more_answers(stage: Stage) -> None:
    """One that was given up is not whole; no more replicas are asked than that needs."""
    snapshot, _ = stage.poll(result(9, given_up=True), result(1))
    assert (1, [A, B]) == (snapshot.clusters[0].listed_groups, [address for address, _, _ in stage.walks])
    assert [B, C, A] == [each.target.address for each in stage.poller._clients]


def test_without_any_answer_the_next_replica_has_the_next_turn(stage: Stage) -> None:
    """Whoever was first this time is the last one then."""
    for first, then in ((A, B), (B, C), (C, A)):
        assert first == stage.poller._clients[0].target.address
        assert not stage.poll(nothing(), nothing(), nothing())[0].outcome.good
        assert then == stage.poller._clients[0].target.address


def test_a_lone_replica_is_never_given_up(monkeypatch: pytest.MonkeyPatch, clock: Clock) -> None:
    """There is no other to be said of either."""
    stage = Stage(monkeypatch, clock, BurrowConfig(addresses=(A,)))
    with capture_logs() as logs:
        stage.poll(nothing(failure()))
    assert [None] == stage.give_up_at
    assert [] == [each for each in logs if "replica" in each["event"]]


def test_a_poll_is_counted_and_timed(stage: Stage) -> None:
    """The time of the last good one stays while the next ones fail; who was good once has been good."""
    stage.poll(result(1))
    found = [stage.own(name) for name in ("burrow_up", "polls_total", "poll_failures_total", "poll_duration_seconds")]
    assert [1, 1, 0, 3.0] == found
    assert (START, True) == (stage.own("last_poll_success_timestamp_seconds"), stage.poller.was_good)
    stage.clock.now += 30
    stage.poll(nothing(), nothing(), nothing())
    found = [stage.own(name) for name in ("burrow_up", "polls_total", "poll_failures_total", "poll_duration_seconds")]
    assert [0, 2, 1, 9.0] == found
    assert (START, True) == (stage.own("last_poll_success_timestamp_seconds"), stage.poller.was_good)
    assert [START, START + 30] == [snapshot.taken_at for snapshot in stage.published]


def test_failures_are_counted(stage: Stage) -> None:
    """Each, by endpoint and reason; so are the groups that could not be read."""
    failures = [failure(), failure(Endpoint.TOPIC), failure()]
    stage.poll(result(5, *failures))
    counts = [stage.own("request_failures_total", endpoint=each, reason="timeout") for each in ("lag", "topic")]
    assert [2, 1] == counts
    assert 0 == stage.own("unreadable_groups", cluster="c")


class Ended:
    """An event that nobody sets unless told, and that lets time go by while it is waited for."""

    def __init__(self, stage: Stage, *, ended: bool = False) -> None:
        self.stage = stage
        self.ended = ended
        self.waits: list[float] = []

    def is_set(self) -> bool:
        """Tell what was told."""
        return self.ended

    def wait(self, seconds: float) -> None:
        """Wait."""
        self.waits.append(seconds)
        self.stage.now += seconds


def test_between_polls_it_sleeps(stage: Stage) -> None:
    """Until the moment it was given, and not at all where all ends."""
    ended = stage.poller._ended = Ended(stage)  # type: ignore[assignment] # a stand-in
    stage.poller._sleep_until(110.0)
    assert [10.0] == ended.waits
    stage.poller._sleep_until(110.0)
    ended.ended = True
    stage.poller._sleep_until(200.0)
    ended.ended = False
    stage.stop.set()
    stage.poller._sleep_until(200.0)
    assert 1 == len(ended.waits)


def test_polls_begin_at_whole_intervals_and_a_fault_costs_one(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    """After one that takes longer the next comes at the next turn; a fault of ours is counted, logged, and all."""
    durations, turns, message = [1.0, 40.0, 33.0, 5.0], [], "broken"

    def poll() -> None:
        stage.now += durations.pop(0)
        if len(durations) == 1:
            raise RuntimeError(message)
        if not durations:
            stage.poller.end()

    def sleep_until(moment: float) -> None:
        turns.append(moment)
        stage.now = max(stage.now, moment)

    monkeypatch.setattr(stage.poller, "poll", poll)
    monkeypatch.setattr(stage.poller, "_sleep_until", sleep_until)
    with capture_logs() as logs:
        stage.poller._run()
    assert [130.0, 190.0, 220.0, 250.0] == turns
    assert [("poll broke off", "error")] == [(each["event"], each["log_level"]) for each in logs]
    assert [0, 1, 0.0] == [
        stage.own(f"{name}") for name in ("burrow_up", "poll_failures_total", "poll_duration_seconds")
    ]


@pytest.mark.parametrize("keeps_state", [True, False])
def test_a_state_is_taken_over_where_it_is_still_right(stage: Stage, *, keeps_state: bool) -> None:
    """A poller that stands in for another waits for it, and goes on from its state if it reads the same."""
    before, own = BurrowState(CONFIG, SHARD), stage.poller._state
    stage.stop.set()
    stage.poller.start(SimpleNamespace(last_state=lambda: before), keeps_state=keeps_state)  # type: ignore[arg-type] # a stand-in
    assert (before if keeps_state else own) is stage.poller.last_state()
    assert stage.poller._before is None


def test_a_poll_that_outlasts_its_deadline_is_not_waited_for(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever stands in for such a poller begins without its state, which may still change."""
    waited: list[float] = []
    thread = SimpleNamespace(ident=1, is_alive=lambda: True, join=waited.append)
    monkeypatch.setattr(stage.poller, "_thread", thread)
    assert (None, [25.0]) == (stage.poller.last_state(), waited)


def test_a_poll_that_does_not_end_is_overdue(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    """After three intervals and a deadline; each poll that ends, well or not, begins the time anew."""
    monkeypatch.setattr(stage.poller, "_thread", SimpleNamespace(start=lambda: None, is_alive=lambda: True))
    stage.poller.start()
    alive = []
    for stage.now in (100.0 + 3 * 30 + 24, 100.0 + 3 * 30 + 24.1):
        alive.append(stage.poller.is_alive())
    monkeypatch.setattr(stage.poller, "poll", stage.poller.end)
    stage.poller._run()
    assert [True, False, True] == [*alive, stage.poller.is_alive()]
