"""Tests of poller.py and state.py on a Burrow with a real socket: what stays from poll to poll."""

from __future__ import annotations

import time
from collections.abc import Iterator

import pytest
from tenacity import wait_none

from burrow_exporter.burrow import retries
from burrow_exporter.polling.poller import next_turn
from burrow_exporter.settings.config import BurrowConfig, Filter, Filters, PollConfig, TopicFilter
from burrow_exporter.snapshot import Snapshot
from tests.conftest import START, Clock
from tests.support.faults import RecordedBurrow
from tests.support.pages import Polled, Sample, names, select
from tests.support.recorded import BROKEN, STARTING, Recorded, answer, commit, lag_answer, load, partition, small

LAG = "burrow_kafka_consumer_partition_lag"
OFFSET = "burrow_kafka_topic_partition_offset"
STATUS = "burrow_kafka_consumer_status"


@pytest.fixture(autouse=True)
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Try again at once: how long to wait between attempts is tested elsewhere."""
    monkeypatch.setattr(retries, "WAIT", wait_none())


@pytest.fixture
def burrow() -> Iterator[RecordedBurrow]:
    """Return a Burrow of one cluster, ``c``, with the groups ``g`` and ``h``."""
    groups = {name: lag_answer("c", name, partition()) for name in ("g", "h")}
    with RecordedBurrow(small(groups, {"orders": [100], "clicks": [5, 6]})) as burrow:
        yield burrow


def own_group(lag: int) -> Recorded:
    """Return the answer for Burrow's own group."""
    return lag_answer("c", "burrow-c", partition("__consumer_offsets", current_lag=lag))


def with_own(burrow: RecordedBurrow, lag: int) -> None:
    """Let Burrow list its own group, with this lag."""
    burrow.answers["/v3/kafka/c/consumer"] = answer(consumers=["burrow-c", "g", "h"])
    burrow.answers["/v3/kafka/c/consumer/burrow-c/lag"] = own_group(lag)


def test_a_vanished_group_is_gone_with_the_next_poll(burrow: RecordedBurrow) -> None:
    """What Burrow no longer lists leaves no series behind (Burrow #758)."""
    polled = Polled(burrow.address)
    assert {"g", "h"} == set(select(polled.poll(), STATUS, "consumer_group"))
    burrow.answers["/v3/kafka/c/consumer"] = answer(consumers=["h"])
    assert {"h"} == set(select(polled.poll(), STATUS, "consumer_group"))


def test_a_group_that_burrow_lists_but_does_not_know_is_left_out(burrow: RecordedBurrow) -> None:
    """NOTFOUND is no failure, and no reading either, not even an old one."""
    polled = Polled(burrow.address)
    polled.poll()
    burrow.answers["/v3/kafka/c/consumer/g/lag"] = Recorded(404, "", lag_answer("c", "g", status="NOTFOUND").body)
    assert {"h"} == set(select(polled.poll(), STATUS, "consumer_group"))
    assert 0 == polled.own("unreadable_groups", cluster="c")


def test_a_vanished_topic_partition_and_cluster_are_gone_with_the_next_poll(burrow: RecordedBurrow) -> None:
    """Topics, partitions of a group and clusters go as they go in Burrow; of a shorter topic it is not known which."""
    polled = Polled(burrow.address)
    assert {"orders", "clicks"} == set(select(polled.poll(), OFFSET, "topic"))
    burrow.answers["/v3/kafka/c/topic"] = answer(topics=["clicks"])
    burrow.answers["/v3/kafka/c/topic/clicks"] = answer(offsets=[5])
    burrow.answers["/v3/kafka/c/consumer/g/lag"] = lag_answer("c", "g")
    samples = polled.poll()
    assert {} == select(samples, OFFSET, "partition")
    assert {"h"} == set(select(samples, LAG, "consumer_group"))
    burrow.answers["/v3/kafka"] = answer(clusters=[])
    assert {} == polled.poll()
    assert 1 == polled.own("burrow_up")
    assert polled.own("unreadable_groups", cluster="c") is None


@pytest.mark.parametrize(
    ("reason", "bad"),
    [
        ("http_5xx", BROKEN),
        ("http_4xx", Recorded(404, "text/plain", '{"error":true,"message":"invalid request type","result":{}}')),
        ("not_json", Recorded(200, "application/json", "<html>")),
        ("shape", answer(status={"cluster": "c", "group": "g"})),
        ("mismatch", lag_answer("c", "other", partition())),
        ("mismatch", lag_answer("d", "g", partition())),
        ("refused", Recorded(200, "application/json", '{"error":true,"message":"no"}')),
        ("shape", lag_answer("c", "g", partition(), partition())),
        ("name_too_long", lag_answer("c", "g", partition("x" * 5000))),
    ],
    ids=["500", "404", "no JSON", "shape", "other group", "other cluster", "refusal", "partition twice", "long name"],
)
def test_a_failing_group_keeps_its_last_reading_and_costs_nothing_else(
    burrow: RecordedBurrow,
    reason: str,
    bad: Recorded,
) -> None:
    """One group without a usable answer stays as it was, is counted with its reason, and the others move on."""
    polled = Polled(burrow.address)
    polled.poll()
    burrow.answers["/v3/kafka/c/consumer/g/lag"] = bad
    burrow.answers["/v3/kafka/c/consumer/h/lag"] = lag_answer("c", "h", partition(current_lag=11))
    assert {"g": 10.0, "h": 11.0} == select(polled.poll(), LAG, "consumer_group")
    assert 1 == polled.own("unreadable_groups", cluster="c")
    assert polled.own("request_failures_total", endpoint="lag", reason=reason)
    assert 1 == polled.own("burrow_up")
    burrow.answers["/v3/kafka/c/consumer/g/lag"] = lag_answer("c", "g", partition(current_lag=12))
    assert {"g": 12.0, "h": 11.0} == select(polled.poll(), LAG, "consumer_group")
    assert 0 == polled.own("unreadable_groups", cluster="c")


@pytest.mark.parametrize("path", ["/v3/kafka/c/consumer", "/v3/kafka/c/topic", "/v3/kafka", "/burrow/admin/ready"])
def test_a_failing_list_keeps_everything_and_counts_as_a_failed_poll(burrow: RecordedBurrow, path: str) -> None:
    """Without its lists a cluster keeps its last readings; the poll is not good."""
    polled = Polled(burrow.address)
    before = polled.poll()
    burrow.answers[path] = BROKEN
    assert before == polled.poll()
    assert (0, 1) == (polled.own("burrow_up"), polled.own("poll_failures_total"))
    assert 2 == polled.own("unreadable_groups", cluster="c")


def test_readings_expire_by_the_clock_also_while_polls_go_on(burrow: RecordedBurrow) -> None:
    """A group that goes on failing disappears when its last reading is older than stale-after, alone."""
    polled = Polled(burrow.address, poll=PollConfig(interval=1, deadline=1, stale_after=1))
    polled.poll()
    burrow.answers["/v3/kafka/c/consumer/g/lag"] = Recorded(404, "", "gone")
    assert {"g", "h"} == set(select(polled.poll(), STATUS, "consumer_group"))
    time.sleep(1)
    assert {"h"} == set(select(polled.poll(), STATUS, "consumer_group"))


def test_503_starting_publishes_nothing(burrow: RecordedBurrow) -> None:
    """Before Burrow is ready nothing else is asked."""
    burrow.answers["/burrow/admin/ready"] = STARTING
    polled = Polled(burrow.address)
    assert {} == polled.poll()
    assert ["/burrow/admin/ready"] == burrow.asked
    assert 1 == polled.own("request_failures_total", endpoint="ready", reason="not_ready")


def test_a_burrow_too_old_to_tell_its_readiness_counts_as_ready(burrow: RecordedBurrow) -> None:
    """404 on the readiness is how old versions answer."""
    burrow.answers["/burrow/admin/ready"] = Recorded(404, "text/plain", "404 page not found")
    polled = Polled(burrow.address)
    assert {"g", "h"} == set(select(polled.poll(), STATUS, "consumer_group"))
    assert polled.own("request_failures_total", endpoint="ready", reason="http_4xx") is None


def test_nothing_is_published_of_a_cluster_that_burrow_has_not_read_yet(burrow: RecordedBurrow) -> None:
    """READY with an own lag of 1,000,000: no groups; lag 0: all of them."""
    with_own(burrow, 1_000_000)
    polled = Polled(BurrowConfig(addresses=(burrow.address,), expire_cache=0.001))
    assert {} == polled.poll()
    assert 0 == polled.own("burrow_up")
    with_own(burrow, 0)
    polled.poll()
    samples = polled.poll()
    assert {"g", "h"} == set(select(samples, STATUS, "consumer_group"))
    assert {"c": 0.0} == select(samples, "burrow_kafka_cluster_burrow_lag", "cluster")
    assert 1 == polled.own("burrow_up")


def test_a_burrow_that_falls_behind_again_counts_as_failing_but_says_how_far(burrow: RecordedBurrow) -> None:
    """The last readings stay, no new ones are taken, and Burrow's own lag is on the page."""
    with_own(burrow, 0)
    polled = Polled(burrow.address)
    polled.poll()
    with_own(burrow, 5000)
    burrow.answers["/v3/kafka/c/consumer/h/lag"] = lag_answer("c", "h", partition(current_lag=11))
    samples = polled.poll()
    assert {"g": 10.0, "h": 10.0} == select(samples, LAG, "consumer_group")
    assert {"c": 5000.0} == select(samples, "burrow_kafka_cluster_burrow_lag", "cluster")
    assert (0, 0) == (polled.own("burrow_up"), polled.own("unreadable_groups", cluster="c"))
    assert 2 == polled.own("held_groups", cluster="c")


def test_a_snapshot_says_how_its_poll_went(burrow: RecordedBurrow, clock: Clock) -> None:
    """Whether it was good, when the last good one was, what failed, and which readings are older than it."""
    polled = Polled(burrow.address, clock=clock)
    burrow.answers["/v3/kafka/c/consumer/g/lag"] = Recorded(404, "", "gone")
    polled.poll()
    first = polled.published[-1]
    assert (True, START, {("lag", "http_4xx"): 1}) == how(first)
    assert [first.outcome.expires_at] == [group.expires_at for group in first.clusters[0].groups]
    clock.now += 15
    burrow.answers["/burrow/admin/ready"] = STARTING
    polled.poll()
    second = polled.published[-1]
    assert (False, START, {("ready", "not_ready"): 1}) == how(second)
    assert second.outcome.expires_at > second.clusters[0].groups[0].expires_at


def how(snapshot: Snapshot) -> tuple[bool, float | None, dict[tuple[str, str], int]]:
    """Return how the poll of a snapshot went."""
    return snapshot.outcome.good, snapshot.outcome.last_good_at, dict(snapshot.outcome.failures)


def test_a_snapshot_says_on_which_clusters_burrow_is_behind(burrow: RecordedBurrow) -> None:
    """Also when nothing is published of the cluster, and when it is published all the same after a while."""
    with_own(burrow, 5000)
    patient = Polled(burrow.address)
    patient.poll()
    assert ((), {"c": 5000}) == (patient.published[-1].clusters, patient.published[-1].outcome.behind)
    impatient = Polled(BurrowConfig(addresses=(burrow.address,), timeout=2, catch_up_timeout=0))
    assert {"g", "h"} == set(select(impatient.poll(), STATUS, "consumer_group"))
    assert {"c": 5000} == impatient.published[-1].outcome.behind
    with_own(burrow, 0)
    impatient.poll()
    assert {} == impatient.published[-1].outcome.behind


def test_the_recorded_restart_publishes_no_group_before_burrow_has_caught_up() -> None:
    """In the recording of a restart there is no poll whose own lag is large and whose groups are published."""
    published = []
    answers: dict[str, Recorded] = {}
    with RecordedBurrow(answers) as burrow:
        polled = Polled(burrow.address)
        for moment in load("restart.json")["polls"]:
            answers.clear()
            for path, told in moment["responses"].items():
                answers[path] = Recorded(told["status"], "application/json", told["body"])
            names_told = select(polled.poll(), STATUS, "consumer_group")
            lags = [cluster.burrow_lag for cluster in polled.published[-1].clusters]
            published.append((lags[0] if lags else None, len(names_told)))
    assert not [count for lag, count in published if count and (lag is None or lag > 1000)]
    assert max(count for _, count in published) > 0


def test_a_topic_list_with_a_missing_partition_gives_no_offsets(burrow: RecordedBurrow) -> None:
    """Where a group reads partition 1 and the topic has one offset, which one it is cannot be known.

    Nor is it of a topic that nothing has told of; once its list was known whole it is published.
    """
    polled = Polled(burrow.address)
    polled.poll()
    burrow.answers["/v3/kafka/c/consumer/g/lag"] = lag_answer("c", "g", partition("orders", 1))
    assert {"clicks"} == set(select(polled.poll(), OFFSET, "topic"))
    assert set() == set(select(Polled(burrow.address).poll(), OFFSET, "topic"))


def test_an_unknown_status_word_costs_that_sample_and_is_counted(burrow: RecordedBurrow) -> None:
    """The other samples of the partition, and of the group, are published."""
    burrow.answers["/v3/kafka/c/consumer/g/lag"] = lag_answer("c", "g", partition(status="NEW"), status="NEWER")
    polled = Polled(burrow.address)
    samples = polled.poll()
    assert {"h"} == set(select(samples, STATUS, "consumer_group"))
    assert {"h"} == set(select(samples, "burrow_kafka_topic_partition_status", "consumer_group"))
    assert {"g", "h"} == set(select(samples, LAG, "consumer_group"))
    assert 1 == polled.own("request_failures_total", endpoint="lag", reason="unknown_status")
    assert 0 == polled.own("unreadable_groups", cluster="c")


def test_cluster_figures_count_what_burrow_lists_whatever_the_filters(burrow: RecordedBurrow) -> None:
    """Filters hide groups and topics, and neither the counts nor the newest commit."""
    with_own(burrow, 0)
    fresh = commit(timestamp=1_700_000_100_999)
    burrow.answers["/v3/kafka/c/consumer/burrow-c/lag"] = lag_answer(
        "c", "burrow-c", partition("__consumer_offsets", end=fresh, current_lag=3)
    )
    filters = Filters(group=Filter.of(include=["g"]), topic=TopicFilter.of(include=["nothing"]))
    samples = Polled(burrow.address, filters).poll()
    told = {name.removeprefix("burrow_kafka_cluster_"): value for (name, _), value in samples.items()}
    assert {"consumer_groups": 3, "topics": 2, "burrow_lag": 3, "last_commit_timestamp_seconds": 1_700_000_100} == told
    assert "/v3/kafka/c/consumer/h/lag" not in burrow.asked


def test_without_a_group_of_its_own_every_group_is_asked_for_the_newest_commit(burrow: RecordedBurrow) -> None:
    """A denylist hides Burrow's own group; then a filtered group is asked all the same, and not published."""
    fresh = partition(end=commit(timestamp=1_700_000_200_000))
    burrow.answers["/v3/kafka/c/consumer/h/lag"] = lag_answer("c", "h", fresh)
    samples = Polled(burrow.address, Filters(group=Filter.of(include=["g"]))).poll()
    assert {"g"} == set(select(samples, STATUS, "consumer_group"))
    assert [1_700_000_200] == list(
        select(samples, "burrow_kafka_cluster_last_commit_timestamp_seconds", "cluster").values()
    )


def test_a_filtered_cluster_is_not_asked(burrow: RecordedBurrow) -> None:
    """It costs no request."""
    assert {} == Polled(burrow.address, Filters(cluster=Filter.of(exclude=["c"]))).poll()
    assert ["/burrow/admin/ready", "/v3/kafka"] == burrow.asked


@pytest.mark.parametrize(
    ("following", "turn", "passed"),
    [(1, 0, 0.1), (1, 0, 1.01), (1, 0, 1.25), (2, 0, 1.4), (3, 2, 2.0), (3, 2, 3.1), (5, 2, 4.5)],
)
def test_missed_turns_are_left_out_but_for_one_that_is_hardly_late(following: int, turn: int, passed: float) -> None:
    """A poll that takes its whole interval does not cost the next one; one that takes longer does."""
    assert following == next_turn(turn, passed)


def test_ready_is_said_after_the_page_is_there(burrow: RecordedBurrow, monkeypatch: pytest.MonkeyPatch) -> None:
    """Who waits for readiness finds the groups on the page: it is published before the poll counts as good."""
    polled = Polled(burrow.address)
    said: list[bool] = []
    monkeypatch.setattr(polled.poller, "_publish", lambda _: said.append(polled.poller.was_good))
    polled.poller.poll()
    assert ([False], True) == (said, polled.poller.was_good)


def test_a_poll_that_breaks_off_is_counted_and_the_next_one_comes(
    burrow: RecordedBurrow,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A fault of the exporter's own costs one poll, and says so."""
    polled = Polled(burrow.address)
    publish = polled.poller._publish

    def fail_once(snapshot: Snapshot) -> None:
        monkeypatch.setattr(polled.poller, "_publish", publish_last)
        message = f"cannot publish {snapshot.burrow}"
        raise RuntimeError(message)

    def publish_last(snapshot: Snapshot) -> None:
        publish(snapshot)
        polled.stop.set()

    monkeypatch.setattr(polled.poller, "_publish", fail_once)
    monkeypatch.setattr(polled.poller, "_sleep_until", lambda _: None)
    polled.poller.start()
    polled.poller._thread.join(timeout=30)
    assert polled.poller.was_good
    assert (2, 1) == (polled.own("polls_total"), polled.own("poll_failures_total"))
    assert 1 == len(polled.published)


def of_group(samples: dict[Sample, float], group: str) -> set[Sample]:
    """Return a group's samples."""
    return {sample for sample in samples if ("consumer_group", group) in sample[1]}


def test_the_page_does_not_depend_on_the_order_in_which_burrow_lists(burrow: RecordedBurrow) -> None:
    """Burrow lists from Go's maps, in another order each time; the page keeps one order, and compresses well."""
    polled = Polled(burrow.address, clock=lambda: 1_700_000_010.0)
    polled.poll()
    before = polled.text()
    burrow.answers["/v3/kafka/c/consumer"] = answer(consumers=["h", "g", "h"])
    burrow.answers["/v3/kafka/c/topic"] = answer(topics=["clicks", "orders"])
    polled.poll()
    assert before == polled.text()
    assert {STATUS, LAG} <= names(of_group(polled.poll(), "g"))
