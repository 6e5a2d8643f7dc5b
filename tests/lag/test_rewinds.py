"""Tests of rewinds.py: consumers that were reset, and recreated topics while Burrow shows the old log end."""

from __future__ import annotations

import msgspec
import pytest

from burrow_exporter.burrow.answers import Partition
from burrow_exporter.burrow.partitions import Partitions
from burrow_exporter.lag.rewinds import MEMORY, REFRESH, Rewinds, went_back
from burrow_exporter.lag.time_lag import TimeLag
from tests.lag.test_time_lag import START, commit, recorded_poll, topic
from tests.support.factories import group, partition
from tests.support.recorded import load

KEY = ("g", "t", 0)


@pytest.mark.parametrize(
    ("expected", "story"),
    [
        ([True], [(0, 100)]),
        ([True, False], [(0, 100), (15, 101)]),
        ([True, False], [(0, 100), (15, 4)]),
        ([True, True, False], [(0, 100), (REFRESH - 1, 100), (REFRESH, 100)]),
        ([True, False, False], [(0, 100), (15, 101), (30, 101)]),
    ],
    ids=["at first", "the log goes on", "the log is another", "stands for long", "comes back"],
)
def test_a_rewind_is_doubtful_until_the_log_end_moves(expected: list[bool], story: list[tuple[float, int]]) -> None:
    """A log end that moves is that of the topic as it is now, and so is one that stands longer than Burrow needs."""
    rewinds = Rewinds()
    assert expected == [rewinds.is_doubtful(KEY, log_end, START + second) for second, log_end in story]


def test_rewinds_are_forgotten() -> None:
    """Statuses come and go, so a rewind counts as the same one for ten minutes."""
    rewinds = Rewinds()
    rewinds.is_doubtful(KEY, 100, START)
    rewinds.forget(START + MEMORY - 1)
    assert {KEY} == rewinds._seen.keys()
    rewinds.forget(START + MEMORY)
    assert {} == rewinds._seen


def window(start: int, end: int, status: str) -> Partition:
    """Return a partition with a window from one offset to another."""
    one = partition(commit(end, START, 10), 10, start=commit(start, START - 60, 10))
    return msgspec.structs.replace(one, status=status)


@pytest.mark.parametrize(
    ("expected", "one"),
    [
        (True, window(50, 60, "REWIND")),
        (True, window(60, 50, "OK")),
        (False, window(50, 50, "STALL")),
        (False, msgspec.structs.replace(window(60, 50, "OK"), start=None)),
        (False, msgspec.structs.replace(window(60, 50, "OK"), end=None)),
    ],
)
def test_a_window_that_went_back(one: Partition, *, expected: bool) -> None:
    """Burrow says so, or its last commit is lower than its first."""
    assert ({1} if expected else set()) == went_back(Partitions([window(50, 50, "OK"), one]))


def test_a_consumer_set_back_is_older_once_the_log_end_moves() -> None:
    """One that reads the topic from its beginning: no age at first, then that of what it reads."""
    time_lag, ages = TimeLag(), []
    for second in range(0, 1215, 15):
        now, log_end = START + second, 10 * second + 5000
        offset = log_end - 100 if second < 1170 else 5100
        one = window(log_end - 500, offset, "OK" if second < 1170 else "REWIND")
        end = commit(offset, now - 1, log_end - offset)
        known = [topic(now, log_end)]
        lagging = msgspec.structs.replace(one, end=end, current_lag=log_end - offset)
        ages += time_lag.update([group(now, lagging)], known, now, second)[0]
    assert [pytest.approx(10, abs=3), None, pytest.approx(1175, abs=5), pytest.approx(1190, abs=5)] == ages[-4:]


def test_on_a_real_burrow_new_topics_and_topics_made_again_have_true_ages_or_none() -> None:
    """Kafka made a topic, deleted another and made it again; within the cache and refreshes of Burrow ages are true."""
    time_lag, seen, missing = TimeLag(), 0, 0
    for poll in load("new-topic.json")["polls"]:
        groups, topics = recorded_poll(poll, 0.0)
        truth = {(one["group"], one["topic"], one["partition"]): one for one in poll["truth"]}
        for each, ages in zip(groups, time_lag.update(groups, topics, poll["time"], poll["time"]), strict=True):
            for one, age in zip(each.partitions, ages, strict=True):
                true = truth.get((each.name, one.topic, one.partition), {}).get("shown_offset_age_seconds")
                if one.current_lag and true is not None:
                    seen, missing = seen + 1, missing + (age is None)
                    assert age is None or true - 5 <= age <= true + 3
    assert seen > 80
    assert missing < 20
