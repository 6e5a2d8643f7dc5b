"""Only what differs from the previous response is decoded, and the result equals that of decoding all of it."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from burrow_exporter.burrow.answers import LagAnswer, LagStatus
from burrow_exporter.burrow.client import decode
from burrow_exporter.burrow.evaluation import SEPARATOR, Evaluation, evaluation_in
from burrow_exporter.burrow.failures import BurrowError, Endpoint
from tests.support.recorded import commit, partition

TEXTS = st.text(max_size=4) | st.sampled_from(['},{"topic":', '"},{"topic":"x', "\\", '\\"'])
CHANGES = st.fixed_dictionaries(
    {
        "current_lag": st.integers(0, 3),
        "status": st.sampled_from(["OK", "STOP"]),
        "complete": st.sampled_from([0.5, 1]),
    },
    optional={"owner": TEXTS, "client_id": TEXTS, "topic": TEXTS, "partition": st.integers(0, 3), "end": st.none()},
)


class Decoder:
    """Decodes responses and records how many partitions each had."""

    def __init__(self) -> None:
        self.decoded: list[int] = []

    def __call__(self, body: bytes) -> LagStatus:
        """Decode a response."""
        status = decode(Endpoint.LAG, "/", body, LagAnswer).status
        self.decoded.append(len(status.partitions))
        return status


def body_of(partitions: Sequence[dict[str, Any]], *, compact: bool = True, **fields: Any) -> bytes:
    """Return a response in Burrow's form, or with spaces between its items."""
    largest = max(partitions, key=lambda each: each["current_lag"], default=None)
    status = {"cluster": "c", "group": "g", "status": "OK", "complete": 1, "partitions": partitions}
    status |= {"partition_count": len(partitions), "maxlag": largest, "totallag": len(partitions), **fields}
    answer = {"error": False, "message": "consumer status returned", "status": status}
    return json.dumps(answer, separators=(",", ":") if compact else None).encode()


def partitions(count: int) -> list[dict[str, Any]]:
    """Return partitions that differ from each other."""
    return [partition(number=number, end=commit(offset=number)) for number in range(count)]


@given(
    count=st.integers(0, 12),
    polls=st.lists(st.dictionaries(st.integers(0, 11), CHANGES, max_size=4), max_size=4),
    compact=st.booleans(),
    shorter=st.integers(0, 2),
)
def test_whatever_changes(count: int, polls: list[dict[int, dict[str, Any]]], shorter: int, *, compact: bool) -> None:
    """Values, names, the number of partitions, and texts that look like the boundary between two partitions."""
    rows, before = partitions(count), None
    for poll, changes in enumerate([{}, *polls]):
        rows = [{**row, **changes.get(place, {})} for place, row in enumerate(rows)][shorter if poll == 3 else 0 :]
        body = body_of(rows, compact=compact, totallag=poll, status="OK" if poll % 2 else "WARN")
        before = evaluation_in(body, before, Decoder())
        assert before.status == evaluation_in(body, None, Decoder()).status


def evaluated(rows: Sequence[dict[str, Any]], before: Evaluation | None = None) -> tuple[Evaluation, list[int]]:
    """Return an evaluation and how many partitions were decoded each time."""
    decoder = Decoder()
    return evaluation_in(body_of(rows), before, decoder), decoder.decoded


def test_unchanged_partitions_are_not_decoded() -> None:
    """Of a hundred partitions, the changed one and the two at the ends, which have the group's fields around them."""
    rows = partitions(100)
    before, decoded = evaluated(rows)
    assert [100] == decoded
    assert (before, []) == evaluated(rows, before)
    rows[50]["current_lag"] = 7
    after, decoded = evaluated(rows, before)
    assert [3] == decoded
    assert 7 == after.status.partitions.lags[50]
    assert before.status.partitions.topics is after.status.partitions.topics
    assert after.status.partitions.has_names_of(before.status.partitions)
    assert 10 == before.status.partitions.lags[50]


def test_another_owner_is_another_name() -> None:
    """So that what was derived from the names is derived anew."""
    rows = partitions(9)
    before, _ = evaluated(rows)
    rows[4]["owner"] = "/10.0.0.1"
    after, _ = evaluated(rows, before)
    assert not after.status.partitions.has_names_of(before.status.partitions)
    assert "/10.0.0.1" == after.status.partitions.owners[4]


def test_many_changes_and_other_counts_decode_everything() -> None:
    """Above half of the partitions, one pass is cheaper than two."""
    rows = partitions(10)
    before, _ = evaluated(rows)
    assert [11] == evaluated(partitions(11), before)[1]
    for row in rows[:5]:
        row["current_lag"] = 3
    assert [10] == evaluated(rows, before)[1]


def test_a_partition_inside_a_piece_is_not_missed() -> None:
    """As a proxy might write it: there are as many pieces as before, but one has two partitions."""
    rows = partitions(9)
    before, _ = evaluated(rows)
    head, last = body_of([*rows, partition(number=9)]).rsplit(SEPARATOR, 1)
    body = b'%b}, {"topic":%b' % (head, last)
    decoder = Decoder()
    after = evaluation_in(body, before, decoder)
    assert ([3, 10], 10) == (decoder.decoded, len(after.status.partitions))


def test_the_error_names_the_right_partition() -> None:
    """Its index is that in the whole response."""
    rows = partitions(9)
    before, _ = evaluated(rows)
    rows[5]["status"] = None
    with pytest.raises(BurrowError, match=r"partitions\[5\].status"):
        evaluated(rows, before)


def test_as_many_pieces_as_partitions_that_are_not_theirs() -> None:
    """Partitions 1 and 2 are one piece because of a space; an unknown field with an array makes two of partition 4."""

    def body(changed: int) -> bytes:
        rows = partitions(10)
        for place in (1, 2, 4):
            rows[place]["current_lag"] = changed
        head, *pieces = body_of(rows).split(SEPARATOR)
        pieces[3] += b',"history":[{"lag":%d},{"topic":%d}]' % (changed, changed)
        return SEPARATOR.join([head, b'%b}, {"topic":%b' % (pieces[0], pieces[1]), *pieces[2:]])

    before = evaluation_in(body(0), None, Decoder())
    after = evaluation_in(body(5), before, Decoder())
    assert evaluation_in(body(5), None, Decoder()).status == after.status


def test_at_most_one_hash_per_partition_is_kept() -> None:
    """The limit on partitions limits the memory: an array in an unknown field does not add to it."""
    answer = body_of(partitions(2)).removesuffix(b"}")
    body = b'%b,"x":[{"topic":0%b}]}' % (answer, b'},{"topic":0' * 1000)
    assert len(evaluation_in(body, None, Decoder()).hashes) <= 2
