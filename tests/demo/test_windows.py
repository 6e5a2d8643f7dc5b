"""The simulated Burrow evaluates windows by Burrow's rules."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator, Sequence
from typing import Any

import msgspec
import pytest

from burrow_exporter.demo.windows import Commit, Window, judge
from tests.support.recorded import load

MIXED = load("mixed.json")
NOW = 1_000
LAST = 995


def window(offsets: Sequence[int], lags: Sequence[int | None], log_ends: Sequence[int], last: int = LAST) -> Window:
    """Return a window of commits 10 s apart, the last at ``last`` (Unix seconds)."""
    times = range(last - 10 * (len(offsets) - 1), last + 1, 10)
    commits = [
        Commit(offset, time * 1000, time * 1000, lag) for offset, time, lag in zip(offsets, times, lags, strict=True)
    ]
    return Window(commits, log_ends)


@pytest.mark.parametrize(
    ("status", "offsets", "lags", "log_ends"),
    [
        pytest.param("OK", [], [], [50], id="nothing committed"),
        pytest.param("OK", [10, 20, 30], [0, 0, 0], [20, 30], id="at the end"),
        pytest.param("OK", [10, 20, 30], [5, 5, 5], [20, 25], id="ahead of the log end that Burrow knows"),
        pytest.param("OK", [10, 10, 10], [5, 6, 7], [5, 10], id="no lag any more, whatever the window says"),
        pytest.param("OK", [10, 10, 10], [0, 5, 9], [10, 19], id="no lag once in the window, though stalled since"),
        pytest.param("OK", [10, 20, 30], [9, 8, 9], [30, 50], id="lag fell once"),
        pytest.param("OK", [10, 20, 30], [9, None, 8], [30, 50], id="lag fell across an unknown one"),
        pytest.param("WARN", [10, 20, 30], [7, 8, 9], [31, 50], id="lag grows"),
        pytest.param("WARN", [10, 20, 30], [9, 9, 9], [31, 50], id="lag does not fall"),
        pytest.param("WARN", [10, 20, 30], [None, 8, None], [31, 50], id="lag known once"),
        pytest.param("WARN", [10, 10, 11], [9, 19, 28], [31, 50], id="one step ahead is no stall"),
        pytest.param("STALL", [10, 10, 10], [7, 8, 9], [31, 50], id="commits without reading on"),
        pytest.param("STALL", [10, 10, 10], [9, 8, 7], [31, 50], id="stalled though the known lag falls"),
        pytest.param("REWIND", [10, 20, 5], [7, 8, 9], [31, 50], id="stepped back"),
        pytest.param("REWIND", [20, 5, 19], [7, 8, 9], [31, 50], id="stepped back, not yet where it was"),
        pytest.param("REWIND", [20, 5, 9], [0, 8, 9], [31, 50], id="stepped back from the end"),
        pytest.param("OK", [20, 5, 20], [7, 8, 6], [31, 50], id="stepped back and made it good"),
        pytest.param("WARN", [20, 5, 21], [7, 8, 9], [31, 50], id="made it good, but the lag grows"),
        pytest.param("OK", [20, 5, 20, 4], [9, 9, 8, 9], [31, 50], id="only the first step back counts"),
    ],
)
def test_rules(status: str, offsets: list[int], lags: list[int | None], log_ends: list[int]) -> None:
    """A consumer that keeps committing is judged by its offsets and lags."""
    assert status == judge(window(offsets, lags, log_ends), NOW)


@pytest.mark.parametrize(
    ("status", "last", "log_ends"),
    [
        pytest.param("WARN", NOW - 20, [31, 50], id="silent as long as the window spans"),
        pytest.param("STOP", NOW - 21, [31, 50], id="silent for longer"),
        pytest.param("WARN", NOW - 21, [30, 50], id="at the end of a log end that Burrow still holds"),
        pytest.param("WARN", NOW - 21, [25, 50], id="beyond a log end that Burrow still holds"),
        pytest.param("OK", NOW - 500, [25, 30], id="silent at the end"),
    ],
)
def test_stopped(status: str, last: int, log_ends: list[int]) -> None:
    """A consumer with lag has stopped once it was silent for longer than its window, but not if it was at the end."""
    assert status == judge(window([10, 20, 30], [7, 8, 9], log_ends, last), NOW)


def test_a_stop_goes_before_a_rewind() -> None:
    """A consumer that stepped back and then fell silent has stopped."""
    assert judge(window([10, 20, 5], [7, 8, 9], [31, 50], NOW - 21), NOW) == "STOP"


def test_a_single_commit_is_a_stop_at_once() -> None:
    """One commit spans no time, so any silence after it is longer."""
    assert judge(window([10], [7], [31], NOW - 1), NOW) == "STOP"


def answers(end: str) -> Iterator[tuple[str, dict[str, Any]]]:
    """Yield the path and the body of the recorded 200 answers whose path ends so."""
    for path, answer in MIXED["responses"].items():
        if path.endswith(end) and answer["status"] == 200:
            yield path, json.loads(answer["body"])


def recorded_judgements() -> Iterator[tuple[str, str]]:
    """Yield what Burrow said of every partition with a commit, and what the rules say of its recorded window."""
    for path, answer in answers("/lag"):
        topics = json.loads(MIXED["responses"][path.removesuffix("/lag")]["body"])["topics"]
        for said in answer["status"]["partitions"]:
            kept = [commit for commit in topics[said["topic"]][said["partition"]]["offsets"] if commit]
            commits = msgspec.convert(kept, list[Commit])
            if kept and (kept[0], kept[-1]) == (said["start"], said["end"]):
                log_end = commits[-1].offset + said["current_lag"]
                yield said["status"], judge(Window(commits, [log_end]), int(MIXED["recorded_at"]))


def test_replay() -> None:
    """The windows of a real Burrow get the statuses that it gave them itself."""
    judgements = list(recorded_judgements())
    assert {"OK", "WARN", "STOP", "STALL"} == {status for status, _ in judgements}
    assert Counter(said for said, _ in judgements) == Counter(ours for said, ours in judgements if said == ours)


def test_replay_covers_the_recording() -> None:
    """All partitions with a commit are replayed: none changed between the recorded window and status."""
    partitions = [each for _, answer in answers("/lag") for each in answer["status"]["partitions"] if each["end"]]
    assert len(partitions) == len(list(recorded_judgements()))
