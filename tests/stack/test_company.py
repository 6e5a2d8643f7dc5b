"""The demo's workload: its groups show every status of Burrow."""

from __future__ import annotations

import math
import re

from compose.renderer.clusters import DEMO_CLUSTERS
from compose.workload.company import GROUPS, MINUTE, TOPICS, Group

QUARTER = range(int(15 * MINUTE))
"""The seconds of a quarter of an hour."""
WINDOW = 100
"""Burrow's window in seconds, as burrow.toml has it: a state has to last longer to be seen."""


def longest(group: Group, pace: float | None) -> int:
    """Return for how many seconds on end the group keeps this pace within a quarter of an hour."""
    found = current = 0
    for moment in QUARTER:
        current = current + 1 if group.pace(moment) == pace else 0
        found = max(found, current)
    return found


def test_every_state_lasts_longer_than_the_window() -> None:
    """There are groups that stand still, that are down, that are slow, that go back, and that never have trouble."""
    by_name = {group.name: group for group in GROUPS}
    assert longest(by_name["invoices"], 0) > 2 * WINDOW
    assert longest(by_name["warehouse"], None) > 2 * WINDOW
    assert longest(by_name["fraud-check"], 10) > 2 * WINDOW
    assert WINDOW < by_name["analytics-reports"].rewinds_every < len(QUARTER)
    assert len(QUARTER) == longest(by_name["billing"], math.inf)


def test_a_group_is_new() -> None:
    """One group is first seen some minutes after the start, and then never in trouble."""
    (new,) = [group for group in GROUPS if group.pace(0) is None]
    assert [None, math.inf, math.inf] == [new.pace(minute * MINUTE) for minute in (4, 6, 60)]


def test_slow_groups_are_slower_than_their_topic() -> None:
    """Where a group reads at a limit, more is produced meanwhile: it falls behind, and catches up later."""
    slower = {}
    for group in GROUPS:
        limited = [moment for moment in QUARTER if group.pace(moment) not in {None, 0, math.inf}]
        produced = sum(group.topic.rate(moment) for moment in limited)
        if read := sum(group.pace(moment) or 0 for moment in limited):
            slower[group.name] = produced / read
    assert {"fraud-check", "analytics-training"} == slower.keys()
    assert min(slower.values()) > 1.3


def test_production_is_uneven_and_never_negative() -> None:
    """Topics are steady, in waves and in bursts."""
    rates = {topic.name: [topic.rate(moment) for moment in QUARTER] for topic in TOPICS}
    assert min(map(min, rates.values())) >= 0
    assert {"payments"} == {name for name, each in rates.items() if min(each) == max(each)}
    assert {"mails"} == {name for name, each in rates.items() if min(each) == 0}


def test_both_clusters_have_groups() -> None:
    """Burrow's two consumers share the groups: each is shown by one, and both show some."""
    shown = {
        cluster.name: {
            group.name
            for group in GROUPS
            if re.search(cluster.allowed, group.name) and not (cluster.denied and re.search(cluster.denied, group.name))
        }
        for cluster in DEMO_CLUSTERS
    }
    assert {group.name for group in GROUPS} == shown["shop"] | shown["analytics"]
    assert not shown["shop"] & shown["analytics"]
    assert min(map(len, shown.values())) >= 3
