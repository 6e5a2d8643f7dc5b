"""Tests of contradictions.py: several Burrows behind one address, and cases that only look like it."""

from __future__ import annotations

from collections.abc import Iterable

import pytest

from burrow_exporter.polling.contradictions import POLLS, Contradictions
from burrow_exporter.snapshot import Group, Topic
from tests.support import factories

NOW = 1_700_000_000.0
GROUPS = "abcdefghij"


def group(name: str, at: float, since: float) -> Group:
    """Return a group read at a second, whose window begins at another."""
    return factories.group(NOW + at, factories.partition(factories.commit(NOW + since)), name=name)


class Story:
    """Polls 15 s apart, and after which of them the answers contradict each other."""

    def __init__(self) -> None:
        self.contradictions = Contradictions()
        self.found: list[bool] = []

    def poll(
        self,
        known: Iterable[str] = GROUPS,
        listed: str = GROUPS,
        missing: str = "",
        log_end: int = 100,
        since: float | None = None,
    ) -> None:
        """Poll: ``known`` groups answer, ``missing`` are NOTFOUND; windows begin at ``since``, else 90 s ago."""
        at = 15.0 * len(self.found)
        answers: dict[str, Group | None] = {
            name: group(name, at, at - 90 if since is None else since) for name in known
        }
        answers |= dict.fromkeys(missing)
        topics = [Topic("t", [log_end, 5], NOW + at, NOW + at)]
        self.found.append(self.contradictions.found(answers, set(listed), topics))


def test_one_burrow_contradicts_nothing() -> None:
    """Groups that come, go, expire and fail, log ends that grow and stand."""
    story = Story()
    story.poll()
    story.poll(known="abc", log_end=110)
    story.poll(known="abc", listed="abc", log_end=110)
    story.poll(known="ab", listed="abc", missing="c", log_end=120)
    story.poll(known="ab", listed="ab", log_end=120)
    story.poll(known="abx", listed="abx", log_end=130)
    assert not any(story.found)


@pytest.mark.parametrize("how", ["not listed", "listed and not known"])
def test_groups_that_come_and_go(how: str) -> None:
    """One Burrow knows ten groups, another three, and each is asked in turn."""
    story = Story()
    for turn in range(4):
        if not turn % 2:
            story.poll()
        elif how == "not listed":
            story.poll(known="abc", listed="abc")
        else:
            story.poll(known="abc", missing="defghij")
    story.poll()
    assert [False, False, False, False, True] == story.found


def test_log_ends_that_go_back_and_forth() -> None:
    """Each Burrow asks for them at times of its own."""
    story = Story()
    for log_end in (100, 90, 110, 105, 120, 118):
        story.poll(log_end=log_end)
    assert [False, False, False, False, True, True] == story.found


def test_a_burrow_that_is_restarted() -> None:
    """Its groups are gone and come back, but it observed their commits since; so does a group made again."""
    story = Story()
    for _ in range(3):
        story.poll()
        story.poll(known="", listed="")
        story.poll(since=15.0 * len(story.found) - 1)
    assert not any(story.found)


def test_a_topic_made_again() -> None:
    """Its log ends are lower once and do not come back at once, however often."""
    story = Story()
    for start in (1000, 500, 250):
        for step in range(POLLS + 2):
            story.poll(log_end=start + step)
    story.poll(log_end=2000)
    assert not any(story.found)


def test_it_passes() -> None:
    """Ten polls after the last contradiction but one."""
    story = Story()
    for log_end in (100, 90, 110, 105, 120):
        story.poll(log_end=log_end)
    for _ in range(POLLS):
        story.poll(log_end=120)
    assert [True] * 8 + [False] * 3 == story.found[4:]


def test_what_is_gone_leaves_nothing_behind() -> None:
    """Neither of groups nor of topics."""
    story = Story()
    story.poll()
    for _ in range(POLLS + 1):
        story.contradictions.found({}, set(), [])
    kept = story.contradictions
    assert ({}, {}, {}) == (kept._seen, kept._gone, kept._log_ends)
