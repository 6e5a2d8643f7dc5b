"""Lag in seconds: two recordings with known ages, simulated production, and invariants."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from statistics import median, quantiles
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from burrow_exporter.burrow.answers import Commit, LagAnswer, Partition, TopicAnswer
from burrow_exporter.lag.curve import KNOTS
from burrow_exporter.lag.time_lag import TimeLag
from burrow_exporter.snapshot import Group, Topic
from tests.support.factories import group, partition
from tests.support.recorded import load

START = 1_800_000_000.0


def commit(offset: int, time: float, lag: int | None, *, observed: float | None = None) -> Commit:
    """Make a commit at ``time`` that Burrow observed at once, or at ``observed``; the latter is cut to seconds."""
    return Commit(offset, int(time * 1000), int(time if observed is None else observed) * 1000, lag)


def topic(read_at: float, *offsets: int, name: str = "t") -> Topic:
    """Make a topic."""
    return Topic(name, offsets, read_at, read_at)


@dataclass
class World:
    """One partition ``t/0`` whose log end is a function of the seconds since the start, and a Burrow without delay."""

    log_end: Callable[[float], int]
    time_lag: TimeLag = field(default_factory=TimeLag)
    group_commit: Commit | None = None

    def commit(self, second: float, offset: int) -> None:
        """Let the group commit."""
        self.group_commit = commit(offset, START + second, max(0, self.log_end(second) - offset))

    def poll(self, second: float, *, with_topic: bool = True) -> float | None:
        """Return the age that a poll at this second gives to the group's offset, ``None`` before its first commit."""
        now, end, groups = START + second, self.log_end(second), []
        if self.group_commit:
            groups.append(group(now, partition(self.group_commit, max(0, end - self.group_commit.offset))))
        ages = self.time_lag.update(groups, [topic(now, end)] if with_topic else [], now, now)
        return ages[0][0] if groups else None

    def polls(self, first: float, last: float, interval: float = 15.0) -> list[float | None]:
        """Poll from one second to another, inclusive."""
        return [self.poll(first + step * interval) for step in range(int((last - first) / interval) + 1)]

    def age(self, second: float, offset: int) -> float | None:
        """Let the group commit, poll at once and return the age."""
        self.commit(second, offset)
        return self.poll(second)


@dataclass(frozen=True)
class Seen:
    """One partition with lag at one recorded poll."""

    group: str
    poll: int
    age: float | None
    truth: float

    @property
    def error(self) -> float:
        """How far the age is from the truth, in seconds."""
        assert self.age is not None
        return abs(self.age - self.truth)


def shifted(one: Partition, skew: float) -> Partition:
    """Return a partition whose commits' time stamps are those of a Kafka whose clock is ahead by ``skew`` seconds."""
    assert one.start is not None
    assert one.end is not None
    ends = [msgspec.structs.replace(each, timestamp=each.timestamp + int(skew * 1000)) for each in (one.start, one.end)]
    return msgspec.structs.replace(one, start=ends[0], end=ends[1])


def recorded_poll(poll: dict[str, Any], skew: float) -> tuple[list[Group], list[Topic]]:
    """Return what a recorded poll saw of groups other than Burrow's own, and of topics."""
    groups, topics, now = [], [], poll["time"]
    for path, answer in poll["responses"].items():
        if answer["status"] != 200:
            continue
        if "/topic/" in path:
            offsets = msgspec.json.decode(answer["body"], type=TopicAnswer).offsets
            topics.append(topic(now, *offsets, name=path.rsplit("/", 1)[1]))
        elif path.endswith("/lag") and "/burrow-" not in path:
            status = msgspec.json.decode(answer["body"], type=LagAnswer).status
            committed = [shifted(one, skew) for one in status.partitions if one.end is not None]
            groups.append(group(now, *committed, name=status.group))
    return groups, topics


def replay(name: str, skew: float = 0.0) -> Iterator[Seen]:
    """Replay a recording in order; what has no lag must be 0 on the way."""
    time_lag = TimeLag()
    for number, poll in enumerate(load(name)["polls"]):
        truth = {(one["group"], one.get("topic", "bursty"), one["partition"]): one for one in poll["truth"]}
        groups, topics = recorded_poll(poll, skew)
        for each, ages in zip(groups, time_lag.update(groups, topics, poll["time"], poll["time"]), strict=True):
            for one, age in zip(each.partitions, ages, strict=True):
                if not one.current_lag:
                    assert age == 0.0
                elif true := truth.get((each.name, one.topic, one.partition)):
                    yield Seen(each.name, number, age, true["true_lag_seconds"])


def errors(seen: Sequence[Seen], name: str) -> tuple[float, float]:
    """Return median and 95th percentile of a consumer's errors after the third poll."""
    found = [one.error for one in seen if one.group == name and one.poll >= 3]
    return median(found), quantiles(found, n=20)[-1]


@pytest.mark.parametrize(
    ("name", "most"),
    [("bursty-slow", (0.6, 2.0)), ("bursty-crawl", (0.3, 1.2)), ("bursty-fast", (0.3, 0.4))],
)
def test_errors_on_a_real_burrow_stay_small(name: str, most: tuple[float, float]) -> None:
    """Against the messages' own times, median and 95th percentile stay within what docs/lag-seconds.md states."""
    middle, high = errors(list(replay("time-lag.json")), name)
    assert most[0] >= middle
    assert most[1] >= high


def test_single_errors_on_a_real_burrow_stay_within_the_promise() -> None:
    """No single estimate after the third poll is off by more than 5 s or 15 % of the true age."""
    seen = [one for one in replay("time-lag.json") if one.poll >= 3]
    assert len(seen) > 100
    assert [] == [one for one in seen if one.error > max(5.0, 0.15 * one.truth)]


def test_consumer_at_the_head_stays_young() -> None:
    """The fast consumer of the recording is never made older than Burrow's cache and its own commits allow."""
    fast = [one for one in replay("time-lag.json") if one.group == "bursty-fast"]
    assert fast
    assert all(one.age is not None and one.age < 15.0 for one in fast)


@pytest.mark.parametrize("skew", [-30.0, 30.0])
def test_skew_of_kafkas_clock_moves_the_figure_by_a_second_at_most(skew: float) -> None:
    """With Kafka's clock half a minute off, the errors on the recording stay what they were, give or take a second."""
    seen = list(replay("time-lag.json", skew))
    for name, middle, high in (("bursty-slow", 1.0, 2.5), ("bursty-crawl", 1.0, 2.5), ("bursty-fast", 1.0, 1.5)):
        found = errors(seen, name)
        assert middle >= found[0]
        assert high >= found[1]


def test_after_a_restart_ages_are_right_or_absent() -> None:
    """Commits an hour old with a fresh observation give an age within 15 % of the truth, or none."""
    seen = list(replay("restart.json"))
    known = [one for one in seen if one.age is not None]
    assert len(known) > len(seen) / 2
    assert not [one for one in known if one.error > 0.15 * one.truth]


def test_lag_read_from_the_backlog_is_no_point_of_the_past() -> None:
    """The log end that Burrow knew at its restart is not placed at the time of the old commit."""
    time_lag, now = TimeLag(), START + 20
    old = commit(100, START - 3600, 900, observed=START)
    new = commit(500, START + 15, 500)
    ages = time_lag.update([group(now, partition(old, 900)), group(now, partition(new, 500), name="h")], [], now, now)
    assert [[None], [None]] == ages


def test_group_that_moved_before_the_restart_is_as_old_as_its_last_commit() -> None:
    """A commit from the backlog dates the log end behind it, when the group was moving."""
    start, end = (
        commit(offset, START - ago, 1000 - offset, observed=START) for offset, ago in ((50, 4000), (90, 3600))
    )
    ages = TimeLag().update(
        [group(START + 9, partition(end, 910, start=start))], [topic(START + 9, 1000)], START + 9, START + 9
    )
    assert [[pytest.approx(3609, abs=5)]] == ages


@pytest.mark.parametrize("interval", [5.0, 15.0, 60.0])
@pytest.mark.parametrize("behind", [30, 600, 3000])
def test_constant_production(interval: float, behind: int) -> None:
    """At 10 messages a second, a consumer n messages behind is n / 10 seconds behind, at any poll interval."""
    world = World(lambda second: int(10 * second) + 100_000)
    for step in range(int(3600 / interval)):
        age = world.age(step * interval, world.log_end(step * interval) - behind)
    assert pytest.approx(behind / 10, abs=1.0) == age


@pytest.mark.parametrize(("expected", "allowed"), [(7214, 0), (0, 1), (0, 5)])
def test_a_lag_that_is_allowed_is_no_lag(expected: float, allowed: int) -> None:
    """An exactly-once consumer at the head of a quiet topic: lag 1 for ever, of a marker that nobody reads."""
    time_lag, now = TimeLag(allowed), START + 7214
    one = partition(commit(1000, START, 1), 1, start=commit(990, START - 100, 1))
    ages = time_lag.update([group(now, one)], [topic(now, 1001)], now, now)[0]
    assert [expected if allowed else pytest.approx(expected, abs=120)] == ages


def test_stepped_production() -> None:
    """A batch each minute: everything in a batch is as old as the batch, up to a poll."""
    world = World(lambda second: int(second // 60) * 500)
    world.polls(0, 600)
    assert pytest.approx(601 - 120, abs=15) == world.age(601, 700)


def test_age_grows_while_production_and_consumer_stand_still() -> None:
    """After production stopped with unread messages, each poll of an hour adds exactly its interval to the age."""
    world = World(lambda second: int(10 * min(second, 300)))
    world.polls(0, 285)
    world.commit(290, 2000)
    ages = [age for age in world.polls(300, 3900) if age is not None]
    assert [pytest.approx(15.0)] * 240 == [later - earlier for earlier, later in pairwise(ages)]
    assert pytest.approx(3900 - 200, abs=3) == ages[-1]


def test_burst_after_silence_dates_from_the_burst() -> None:
    """The first unread message came with the burst, not when the silence began, an hour before."""
    world = World(lambda second: 1000 if second < 3600 else 6000)
    world.commit(0, 1000)
    world.polls(0, 3585)
    assert pytest.approx(15, abs=16) == world.poll(3615)


def test_bursts() -> None:
    """Within bursts of 10 s in each 100 s, offsets are dated to their burst."""
    world = World(lambda second: int(second // 100) * 1000 + int(min(second % 100, 10) * 100))
    world.polls(0, 1000)
    assert pytest.approx(1001 - 405, abs=15) == world.age(1001, 4500)


def test_a_consumer_a_little_older_than_the_history_is_extended_with_the_rate() -> None:
    """A consumer twelve minutes behind a history of ten minutes is twelve minutes old."""
    world = World(lambda second: int(10 * second) + 100_000)
    world.polls(0, 600)
    assert pytest.approx(720, abs=3) == world.age(601, 100_000 + 6010 - 7200)


def test_age_before_the_history_grows_like_the_clock() -> None:
    """Beyond the history too, silence makes an age grow by the time that passes, not faster."""
    world = World(lambda second: int(10 * min(second, 300)) + 100_000)
    world.polls(0, 285)
    world.commit(290, 99_500)
    ages = [age for age in world.polls(300, 690) if age is not None]
    assert pytest.approx(350, abs=15) == ages[0]
    assert [pytest.approx(15.0)] * 26 == [later - earlier for earlier, later in pairwise(ages)]


@pytest.mark.parametrize("back", [300_000, 1_800_000, 19_000_000])
def test_a_group_set_back_before_the_history_is_as_old_as_that_at_least(back: int) -> None:
    """A topic that was busy by day and is quiet by night: the night's rate makes no age of the day's messages."""
    world = World(lambda second: int(10 * second) + 20_000_000)
    world.polls(0, 7200)
    assert pytest.approx(7200, abs=2) == world.age(7200, 20_000_000 - back)


def test_a_replaying_group_has_no_age_beyond_what_was_seen() -> None:
    """A new group that reads a topic from its beginning: the window of one at the head gives its length, no more."""
    head = partition(commit(10_000_090, START - 5, 0), 0, start=commit(10_000_000, START - 5400, 0))
    end = commit(1000, START - 2, 9_999_090)
    replay = partition(end, 9_999_090, start=commit(0, START - 100, 10_000_090))
    groups = [group(START, head, name="head"), group(START, replay, name="replay")]
    ages = TimeLag().update(groups, [topic(START, 10_000_090)], START, START)
    assert [[0.0], [pytest.approx(5400, abs=10)]] == ages


def test_what_is_older_than_the_history_is_told_once_that_is_long() -> None:
    """A group that stands still on a silent topic has no age at first, and "at least the history" from ten minutes."""
    world = World(lambda _second: 1000)
    world.commit(0, 400)
    ages = world.polls(30, 7230)
    assert [None] * 38 == ages[:38]
    assert pytest.approx(600, abs=2) == ages[38]
    assert pytest.approx(7230, abs=2) == ages[-1]


def test_topic_made_anew_starts_its_history_anew() -> None:
    """When the log end falls, what was known of the old log dates nothing of the new one."""
    world = World(lambda second: int(10 * second) + 500 if second < 600 else int(10 * (second - 600)))
    world.commit(300, 3000)
    world.polls(300, 585)
    world.commit(614, 100)
    assert pytest.approx(675 - 610, abs=8) == world.polls(615, 675)[-1]


def test_commit_beyond_the_log_end_dates_nothing() -> None:
    """A group reset to an offset that does not exist spoils the ages of no other group."""
    world = World(lambda second: int(10 * second))
    world.polls(0, 300)
    reset = partition(commit(1_000_000, START + 310, 0), 0)
    world.time_lag.update(
        [group(START + 315, reset, name="reset")], [topic(START + 315, 3150)], START + 315, START + 315
    )
    world.commit(320, 1000)
    assert pytest.approx(500, abs=3) == world.polls(330, 600)[-1]
    assert pytest.approx(215, abs=3) == world.age(615, 4000)
    assert pytest.approx(310, abs=10) == world.age(630, 3200)


@pytest.mark.parametrize("every", [15, 60])
@pytest.mark.parametrize("where", ["elsewhere", "here"])
def test_commits_beyond_the_log_end_change_nothing(where: str, every: int) -> None:
    """A group that commits an impossible offset again and again leaves the ages of all others as they are."""
    ages: dict[str, list[float | None]] = {"without": [], where: []}
    for story, found in ages.items():
        time_lag = TimeLag()
        for second in range(0, 1200, 15):
            now, log_end = START + second, 10 * (second - second % 10) + 1000
            behind = partition(commit(10 * second + 400, now - 1, log_end - 10 * second - 400), 600)
            groups, topics = [group(now, behind)], [topic(now, log_end), topic(now, 5, name="u")]
            if story != "without":
                made = now - second % every
                name = "u" if story == "elsewhere" else "t"
                mirror = partition(commit(10**9, made, 0), 0, topic=name, start=commit(10**9, made - 9 * every, 0))
                groups.append(group(now, mirror, name="mirror"))
            found.append(time_lag.update(groups, topics, now, now)[0][0])
    assert ages["without"] == ages[where]


def test_rewound_consumer_is_older_at_once() -> None:
    """A consumer set back reads older messages: its age says so with the next poll."""
    world = World(lambda second: int(10 * second))
    world.polls(0, 585)
    assert pytest.approx(50, abs=3) == world.age(600, 5500)
    assert pytest.approx(515, abs=3) == world.age(615, 1000)


def test_partition_added_later_has_a_history_of_its_own() -> None:
    """A topic that grows by a partition gives the new one ages from its own offsets."""
    time_lag = TimeLag()
    for step in range(21):
        now = START + 15 * step
        offsets = (150 * step,) if step < 10 else (150 * step, 30 * (step - 10))
        new = partition(commit(60, now, 30 * (step - 10) - 60), max(0, 30 * (step - 10) - 60), number=1)
        ages = time_lag.update([group(now, new)] if step > 12 else [], [topic(now, *offsets)], now, now)
    assert [[pytest.approx(300 - 180, abs=3)]] == ages


def test_first_poll_has_history_from_the_commits() -> None:
    """The window's oldest and newest commit give a rate: the first poll after a start already dates."""
    start, end = commit(1000, START - 50, 500), commit(1400, START - 2, 580)
    ages = TimeLag().update([group(START, partition(end, 600, start=start))], [topic(START, 2000)], START, START)
    assert [[pytest.approx(60, abs=5)]] == ages


def test_lags_date_topics_whose_offsets_are_not_known() -> None:
    """Without a topic's own offsets the groups' lags tell its log end, also when the topic is made anew."""
    world = World(lambda second: int(10 * second) if second < 600 else int(10 * (second - 600)))
    world.commit(210, 2000)
    ages = [world.poll(second, with_topic=False) for second in range(210, 600, 15)]
    assert pytest.approx(585 - 200, abs=3) == ages[-1]
    world.commit(613, 100)
    ages = [world.poll(second, with_topic=False) for second in (615, 630, 645)]
    assert pytest.approx(35, abs=8) == ages[-1]


def test_commit_with_unknown_lag_dates_its_own_offset_only() -> None:
    """A ``lag`` that is null tells no log end; alone it dates nothing before it."""
    time_lag = TimeLag()
    ages = time_lag.update([group(START, partition(commit(70, START - 9, None), 0))], [], START, START)
    assert [[0.0]] == ages
    other = group(START + 15, partition(commit(50, START + 9, None), 5), name="h")
    assert [[None]] == time_lag.update([other], [topic(START + 15, 70)], START + 15, START + 15)


def test_kept_readings_are_taken_in_once_and_still_age() -> None:
    """A reading kept from an earlier poll moves nothing, and its group's age goes on growing."""
    world = World(lambda second: int(10 * second))
    world.polls(0, 285)
    kept = group(START + 300, partition(commit(1000, START + 100, 0), 2000))
    log_end = topic(START + 300, 3000)
    world.time_lag.update([kept], [log_end], START + 300, START + 300)
    before = list(world.time_lag._curves["t"][0].times)
    ages = [
        world.time_lag.update([kept], [log_end], START + 300 + later, START + 300 + later)[0][0] for later in (15, 30)
    ]
    assert ages == [pytest.approx(215, abs=3), pytest.approx(230, abs=3)]
    assert before == list(world.time_lag._curves["t"][0].times)


@dataclass
class Clocks:
    """A group steadily 600 s behind on a topic that grows by 10 messages a second, and three clocks, in seconds.

    ``ours`` and ``burrows`` are ahead of the time that passes by what they return at that time; ``uncounted`` is how
    much of the time the monotonic clock has not counted by then.
    """

    ours: Callable[[float], float] = lambda _: 0.0
    burrows: Callable[[float], float] = lambda _: 0.0
    uncounted: Callable[[float], float] = lambda _: 0.0
    rests_from: float = float("inf")
    time_lag: TimeLag = field(default_factory=TimeLag)

    def poll(self, second: float) -> float | None:
        """Return the age that a poll at this second gives."""
        now, end = START + second + self.ours(second), int(10 * second) + 100_000
        window = []
        for made in (min(second - 100, self.rests_from), min(second, self.rests_from)):
            at = START + made + self.burrows(made)
            window.append(commit(int(10 * made) + 100_000 - 6000, at, 6000, observed=at))
        lagging = partition(window[1], end - window[1].offset, start=window[0])
        monotonic = second - self.uncounted(second)
        return self.time_lag.update([group(now, lagging)], [topic(now, end)], now, monotonic)[0][0]

    def polls(self, first: float, last: float) -> list[float | None]:
        """Poll every 15 s from one second to another."""
        return [self.poll(second) for second in range(int(first), int(last) + 1, 15)]


def step(at: float, seconds: float) -> Callable[[float], float]:
    """Return a clock that is set by some seconds at a time."""
    return lambda second: seconds if second >= at else 0.0


@pytest.mark.parametrize("seconds", [3600, 300, 45, -45, -300, -3600])
def test_our_clock_set_wrong_changes_no_age(seconds: float) -> None:
    """Burrow's clock goes on as before: ages go by the monotonic clock, to when it is set right and after it."""
    clocks = Clocks(ours=lambda second: seconds if 1200 <= second < 2400 else 0.0)
    ages = clocks.polls(0, 3600)[60:]
    assert [pytest.approx(600, abs=3)] * len(ages) == ages


@pytest.mark.parametrize("seconds", [3600, 300, -300, -3600])
def test_our_clock_set_right_changes_no_age(seconds: float) -> None:
    """A machine that began with a wrong clock: what was seen before moves to the right time."""
    clocks = Clocks(ours=lambda second: -seconds if second < 1200 else 0.0)
    ages = clocks.polls(0, 3600)[60:]
    assert [age for age in ages if age != pytest.approx(600, abs=20)] == []


@pytest.mark.parametrize("seconds", [3600, 300, -3600])
def test_both_clocks_set_leave_no_age_until_it_is_known_anew(seconds: float) -> None:
    """Exporter and Burrow on one machine: what was seen before is forgotten, commits before the step included."""
    clocks = Clocks(ours=step(1200, seconds), burrows=step(1200, seconds))
    assert pytest.approx(600, abs=3) == clocks.polls(0, 1185)[-1]
    ages = clocks.polls(1200, 3600)
    assert ages[0] is None
    known = [age for age in ages if age is not None]
    assert [pytest.approx(600, abs=3)] * len(known) == known
    assert len(known) > 100


def test_time_that_nobody_counted_leaves_no_age_until_it_is_known_anew() -> None:
    """A machine that was halted for an hour: its clock is set after it, and the monotonic one has not moved."""
    clocks = Clocks(uncounted=step(4800, 3600))
    clocks.polls(0, 1185)
    ages = clocks.polls(4800, 7200)
    assert ages[0] is None
    assert [] == [age for age in ages if age is not None and age != pytest.approx(600, abs=3)]


def test_our_clock_set_while_nobody_commits_changes_no_age() -> None:
    """Nothing tells whether it is right now: an age grows with the time that passes."""
    clocks = Clocks(ours=step(2400, 3600), rests_from=1200)
    ages = [age for age in clocks.polls(0, 3600)[90:] if age is not None]
    assert [pytest.approx(15.0, abs=1)] * (len(ages) - 1) == [later - earlier for earlier, later in pairwise(ages)]


def test_a_commit_of_the_future_blinds_no_other_partition() -> None:
    """One partition whose commit Burrow observed in a hundred years: the others of its group go on to date."""
    time_lag = TimeLag()
    strange = partition(commit(5, START + 10**9, 0), 0, number=1)
    for second in range(0, 600, 15):
        now = START + second
        bound = partition(commit(10 * second + 50, now - 2, 0), 0)
        time_lag.update([group(now, bound, strange)], [topic(START, 10**6, 10**6)], now, now)
    assert pytest.approx(START + 583) == time_lag._curves["t"][0].times[-1]


def test_histories_of_what_is_gone_go() -> None:
    """Partitions that neither a topic nor a group holds leave nothing behind, groups neither."""
    time_lag = TimeLag()
    one = partition(commit(5, START, 5), 5)
    other = partition(commit(5, START, 5), 5, topic="u", number=3)
    time_lag.update([group(START, one, other)], [topic(START, 10, 20)], START, START)
    time_lag.update([group(START + 15, other)], [topic(START + 15, 10)], START + 15, START + 15)
    assert {"t": {0}, "u": {3}} == {name: set(curves) for name, curves in time_lag._curves.items()}
    time_lag.update([], [], START + 30, START + 30)
    assert ({}, {}, {}) == (time_lag._curves, time_lag._groups_read, time_lag._topics_read)


@pytest.mark.parametrize("interval", [5, 60])
def test_history_spans_hours_in_constant_memory(interval: int) -> None:
    """Four hours of uneven production stay within the bound of knots, from the first poll to the last."""
    time_lag, rounds = TimeLag(), 4 * 3600 // interval
    offsets = [0] * 40
    for step in range(rounds):
        offsets = [old + (step * 7919 + number * 104_729) % 1000 for number, old in enumerate(offsets)]
        time_lag.update(
            [], [topic(START + step * interval, *offsets)], START + step * interval, START + step * interval
        )
    curves = list(time_lag._curves["t"].values())
    assert KNOTS >= max(len(curve.times) for curve in curves)
    assert all(curve.times[-1] - curve.times[0] > 4 * 3600 - 2 * interval - 10 for curve in curves)


def test_thinned_history_still_dates_well() -> None:
    """An hour of polls every 5 s, thinned, dates an offset of any age within 5 % or 5 s."""
    world = World(lambda second: int(5 * second) + 3000 * int(second // 600))
    world.polls(0, 3600, 5)
    for true in (30, 100, 300, 1000, 3000):
        assert pytest.approx(true, rel=0.05, abs=5) == world.age(3605, world.log_end(3605 - true))


def test_many_partitions_over_many_polls_stay_bounded() -> None:
    """2,000 partitions that all move in each of 240 polls keep at most the bound of knots each."""
    time_lag = TimeLag()
    for step in range(240):
        offsets = [step * (100 + (step * number) % 37) for number in range(2000)]
        time_lag.update([], [topic(START + 15 * step, *offsets)], START + 15 * step, START + 15 * step)
    assert KNOTS >= max(len(curve.times) for curve in time_lag._curves["t"].values())


class Reader(msgspec.Struct, frozen=True):
    """A generated group: what it committed, how long before the poll, what Burrow said of its lag."""

    offset: int
    ago: float
    late: float
    lag: int | None
    current_lag: int


READERS = st.builds(
    Reader,
    offset=st.integers(0, 10**6),
    ago=st.floats(-40, 5000),
    late=st.floats(0, 5000),
    lag=st.none() | st.integers(0, 10**6),
    current_lag=st.integers(0, 10**6),
)
POLLS = st.lists(
    st.tuples(st.floats(1, 90), st.none() | st.integers(0, 10**6), st.lists(READERS, max_size=4)),
    min_size=1,
    max_size=12,
)


def generated(polls: list[tuple[float, int | None, list[Reader]]]) -> Iterator[tuple[TimeLag, float, list[Group]]]:
    """Feed generated polls, contradictions and all; yield the state, the time and the groups after each."""
    time_lag, now = TimeLag(), START
    for wait, log_end, readers in polls:
        now += wait
        groups = []
        for number, one in enumerate(readers):
            made = commit(one.offset, now - one.ago - one.late, one.lag, observed=now - one.ago)
            groups.append(group(now, partition(made, one.current_lag), name=str(number)))
        time_lag.update(groups, [] if log_end is None else [topic(now, log_end)], now, now)
        yield time_lag, now, groups


@given(POLLS)
@settings(deadline=None)
def test_whatever_is_read_ages_are_sound(polls: list[tuple[float, int | None, list[Reader]]]) -> None:
    """Lag 0 is 0 s; no age is negative or not finite; none falls for a lower offset of the same partition."""
    for time_lag, now, groups in generated(polls):
        ages = [one[0] for one in time_lag.update(groups, [], now, now)]
        lagging = []
        for each, age in zip(groups, ages, strict=True):
            one = each.partitions[0]
            assert one.end is not None
            assert one.current_lag or age == 0.0
            assert age is None or 0.0 <= age < float("inf")
            if one.current_lag and age is not None:
                lagging.append((one.end.offset, age))
        lagging.sort()
        assert sorted((age for _, age in lagging), reverse=True) == [age for _, age in lagging]


@given(POLLS, st.floats(1, 10**5))
@settings(deadline=None)
def test_ages_grow_with_the_clock(polls: list[tuple[float, int | None, list[Reader]]], later: float) -> None:
    """When neither side moves, no age falls as time goes by, and what was known stays known."""
    *_, (time_lag, now, groups) = generated(polls)
    first, second = ([one[0] for one in time_lag.update(groups, [], at, at)] for at in (now, now + later))
    for age, older in zip(first, second, strict=True):
        assert age is None or (older is not None and older >= age)


@given(POLLS)
@settings(deadline=None)
def test_curves_never_fall(polls: list[tuple[float, int | None, list[Reader]]]) -> None:
    """Whatever contradicts itself in what is read, the knots of a history stay in order."""
    for time_lag, _, _ in generated(polls):
        for curve in time_lag._curves.get("t", {}).values():
            assert sorted(curve.times) == list(curve.times)
            assert sorted(curve.offsets) == list(curve.offsets)
            assert len(curve.times) == len(curve.offsets) == len(curve.kinds)
