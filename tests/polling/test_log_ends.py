"""Tests of log_ends.py: which lists of log ends are trusted, poll after poll."""

from __future__ import annotations

import pytest

from burrow_exporter.polling.log_ends import LogEnds
from burrow_exporter.snapshot import Topic

Told = tuple[dict[str, int], dict[str, int]]
"""The lengths of the topics' lists, and how many partitions the groups tell of."""


def trusted(*polls: Told) -> list[str]:
    """Return the names of the topics that are published in each of some polls, without blanks between them."""
    log_ends = LogEnds()
    return [
        "".join(
            each.name
            for each in log_ends.trusted([Topic(name, range(length), 0, 0) for name, length in lengths.items()], counts)
        )
        for lengths, counts in polls
    ]


@pytest.mark.parametrize(
    ("expected", "polls"),
    [
        (["t"], [({"t": 4}, {"t": 4})]),
        ([""], [({"t": 3}, {"t": 4})]),
        (["t"], [({"t": 4}, {"t": 3})]),
        (["t"], [({"t": 4}, {})]),
        (["t", "", "t"], [({"t": 4}, {}), ({"t": 3}, {}), ({"t": 4}, {})]),
        (["t", ""], [({"t": 4}, {"t": 4}), ({"t": 3}, {})]),
        (["", "", "t"], [({"t": 3}, {"t": 4}), ({"t": 3}, {}), ({"t": 4}, {})]),
        (["t", "t", ""], [({"t": 4}, {}), ({"t": 5}, {}), ({"t": 4}, {})]),
        (["t", "t"], [({"t": 4}, {"t": 4}), ({"t": 2}, {"t": 2})]),
        (["t", "", ""], [({"t": 4}, {"t": 4}), ({"t": 3}, {"t": 2}), ({"t": 2}, {})]),
        (["t", "", "t"], [({"t": 4}, {}), ({}, {}), ({"t": 3}, {})]),
        (["t"], [({"t": 4, "u": 3}, {"t": 4, "u": 4})]),
        (["t"], [({"t": 4, "u": 3, "v": 3}, {"t": 4, "u": 4})]),
        (["tuv", "tv"], [({"t": 4, "u": 4, "v": 3}, {}), ({"t": 4, "u": 3, "v": 3, "w": 1}, {})]),
    ],
    ids=[
        "whole",
        "a hole",
        "a group that has not seen the newest partition",
        "nobody tells",
        "shorter than it was",
        "shorter than a group told",
        "as long as it was with a hole",
        "grown, then shorter",
        "made again with fewer",
        "shorter, and longer than a group tells",
        "gone and made again",
        "a hole in another that is told of",
        "a hole elsewhere, nobody tells",
        "a hole elsewhere, known from before",
    ],
)
def test_lists_of_log_ends_with_a_hole_are_not_published(expected: list[str], polls: list[Told]) -> None:
    """A list is believed that is as long as it was, and as the groups tell; in doubt only one that was known whole."""
    assert expected == trusted(*polls)
