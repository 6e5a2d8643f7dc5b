"""A group's partitions as columns: they return what was put in."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from burrow_exporter.burrow.answers import LARGEST, Commit, Partition
from burrow_exporter.burrow.partitions import Partitions
from tests.support.factories import commit, partition

NUMBERS, COUNTS = st.integers(-LARGEST, LARGEST), st.integers(0, LARGEST)
COMMITS = st.none() | st.builds(Commit, NUMBERS, NUMBERS, NUMBERS, st.none() | COUNTS)
TEXTS = st.text(max_size=3)
ROWS = st.lists(
    st.builds(Partition, TEXTS, COUNTS, TEXTS, TEXTS, TEXTS, COMMITS, COMMITS, COUNTS, st.floats(0, 1)), max_size=5
)


@given(rows=ROWS)
def test_partitions_come_back_as_they_were(rows: list[Partition]) -> None:
    """Whatever an answer may hold, one by one, in a slice, from the end, and all of them."""
    kept = Partitions(rows)
    assert rows == list(kept)
    assert rows[-2:] == list(kept[-2:])
    assert len(rows) == len(kept)
    assert all(one == kept[place - len(rows)] for place, one in enumerate(rows))
    assert Partitions(rows) == kept


def test_partitions_differ_in_any_field() -> None:
    """So that an answer that changed is seen."""
    one = partition(commit(), 1)
    others = [
        partition(commit(), 2),
        partition(None, 1),
        partition(commit(), 1, number=1),
        partition(commit(offset=2), 1),
    ]
    assert all(Partitions([one]) != Partitions([other]) for other in others)
    assert Partitions([one]) != [one]
    with pytest.raises(TypeError, match="cannot be hashed"):
        hash(Partitions([one]))


def test_equal_texts_are_one_object() -> None:
    """Decoded, each partition has a topic of its own."""
    rows = [partition(None, number=number, topic=b"orders".decode()) for number in range(2)]
    assert rows[0].topic is not rows[1].topic
    topics = Partitions(rows).topics
    assert topics[0] is topics[1]
