"""The log of a Burrow's polls: an hour of ups and downs, line by line."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
import structlog
from structlog.testing import capture_logs

from burrow_exporter.burrow.failures import BurrowError, Clue, Endpoint, Reason
from burrow_exporter.burrow.partitions import GroupStatus
from burrow_exporter.polling.outage_log import duration
from burrow_exporter.polling.walk import ClusterWalk, WalkResult
from burrow_exporter.settings.config import BurrowConfig
from tests.conftest import Clock
from tests.polling.test_poller_turns import A, B, Stage
from tests.support.factories import commit, group_status, partition

GOLDEN = Path(__file__).parents[1] / "golden" / "outages.txt"
OWN = "burrow-c"
INTERVAL = 15
REFUSED = BurrowError(Endpoint.READY, Reason.CONNECTION, "/burrow/admin/ready: Connection refused", clue=Clue.REFUSED)
STARTING = BurrowError(Endpoint.READY, Reason.NOT_READY, "/burrow/admin/ready returned 503")
SLOW = BurrowError(Endpoint.LAG, Reason.TIMEOUT, "/v3/kafka/c/consumer/slow/lag: timed out")
FLAPPING = BurrowError(Endpoint.LAG, Reason.HTTP_5XX, "/v3/kafka/c/consumer/odd/lag returned 500")
TOPICS = BurrowError(Endpoint.TOPICS, Reason.TIMEOUT, "/v3/kafka/d/topic: timed out")


def minute(at: float) -> float:
    """Return a time of the hour in seconds."""
    return at * 60


def own(lag: int) -> GroupStatus:
    """Return the answer for Burrow's own group."""
    return group_status(OWN, partition(commit(0, lag=lag), lag, topic="__consumer_offsets", start=None))


def seen(*failures: BurrowError, lag: int = 3, unread: bool = False) -> WalkResult:
    """Return a walk through two clusters, of which ``d`` may be unread, and Burrow ``lag`` messages behind in ``c``."""
    first = ClusterWalk("c", listed_groups=["g", OWN], listed_topics=[], groups={"g": None}, own={OWN: own(lag)})
    second = ClusterWalk("d", listed_groups=["h"], listed_topics=None if unread else [], groups={"h": None})
    return WalkResult(1e9, {"c": first, "d": second}, list(failures))


def walks(at: float) -> list[WalkResult]:
    """Return what each replica that is asked says at a second of the hour."""
    down = WalkResult(1e9, None, [REFUSED])
    if at < minute(0.75):
        return [WalkResult(1e9, None, [STARTING])] * 2
    if minute(5) <= at < minute(5.75) or at >= minute(55):
        return [down] * 2
    if minute(40) <= at < minute(40.25) or minute(50) <= at < minute(50.25):
        return [down, seen()]
    failures = [SLOW] * (minute(10) <= at < minute(33)) + [FLAPPING] * (minute(20) <= at < minute(32) and at % 30 == 0)
    unread = minute(15) <= at < minute(16)
    return [seen(*failures, *[TOPICS] * unread, lag=5000 if minute(36) <= at < minute(38) else 3, unread=unread)]


def played(stage: Stage, hour: Callable[[float], list[WalkResult]]) -> str:
    """Return what is logged above debug in an hour of polls, a line each with its time."""
    render = structlog.processors.LogfmtRenderer(key_order=["level", "event"], drop_missing=True)
    lines = []
    for at in range(0, 3600, INTERVAL):
        stage.now = 1000.0 + at
        with capture_logs() as logs:
            stage.poll(*hour(at))
        for line in logs:
            fields = {"level": line.pop("log_level"), **line}
            if fields["level"] != "debug":
                lines.append(f"{at // 60:02}:{at % 60:02} {render(None, '', fields)}\n")
    return "".join(lines)


@pytest.fixture
def stage(monkeypatch: pytest.MonkeyPatch, clock: Clock) -> Stage:
    """Return a poller of two replicas whose walks take no time."""
    stage = Stage(monkeypatch, clock, BurrowConfig(addresses=(A, B), catch_up_timeout=1000))
    stage.seconds = 0.0
    return stage


def test_an_hour_of_ups_and_downs(stage: Stage) -> None:
    """Each change is one line, what lasts one every ten minutes, and what comes and goes no more than that."""
    assert GOLDEN.read_text(encoding="utf-8") == played(stage, walks)


def test_an_hour_in_which_nothing_fails(stage: Stage) -> None:
    """It is one line, of the first poll."""
    line = f'00:00 level=info event="first poll succeeded" burrow=default address="{A} {B}" clusters=2 groups=0\n'
    assert line == played(stage, lambda _: [seen()])


def test_at_debug_each_poll_is_a_line(stage: Stage) -> None:
    """With its figures, and what failed."""
    stage.poll(seen())
    with capture_logs() as logs:
        stage.poll(seen(SLOW, SLOW))
    assert {
        "event": "poll",
        "log_level": "debug",
        "burrow": "default",
        "good": True,
        "seconds": 0.0,
        "answered": 2,
        "clusters": 2,
        "groups": 0,
        "endpoint": "lag",
        "reason": "timeout",
        "failures": 2,
        "error": SLOW.detail,
    } == logs[0]


def test_the_end_is_no_outage(stage: Stage) -> None:
    """What is not asked for any more because the process ends is not logged."""
    stage.stop.set()
    with capture_logs() as logs:
        stage.poll(WalkResult(1e9, None, [REFUSED]), WalkResult(1e9, None, [REFUSED]))
    assert [] == logs


def test_many_clusters_that_fail(stage: Stage) -> None:
    """No more than a hundred are named in one poll."""
    clusters = {f"c{number}": ClusterWalk(f"c{number}") for number in range(1000)}
    clusters["good"] = ClusterWalk("good", listed_groups=[], listed_topics=[])
    with capture_logs() as logs:
        stage.poll(WalkResult(1e9, clusters, []))
    assert 100 == sum(line["event"] == "cluster requests failed" for line in logs)


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("0s", 0.2), ("59s", 59), ("1m0s", 59.9), ("10m0s", 600), ("1h0m1s", 3601), ("27h0m0s", 97200)],
)
def test_durations(text: str, seconds: float) -> None:
    """They are written as in Prometheus."""
    assert text == duration(seconds)
