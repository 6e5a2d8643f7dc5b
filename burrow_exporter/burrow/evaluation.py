"""Burrow's evaluation of a group, decoded only where its response differs from the previous one. No I/O.

Burrow's JSON is compact and each partition begins with its topic and number, so a response can be split into one piece
per partition without parsing it. The first piece also contains what precedes the partitions, the last one what follows
them. The first, the last and all changed pieces, joined, are a valid response again.
"""

from __future__ import annotations

from array import array
from collections.abc import Callable, Iterable
from dataclasses import dataclass

import msgspec

from burrow_exporter.burrow.answers import LagStatus
from burrow_exporter.burrow.failures import BurrowError
from burrow_exporter.burrow.partitions import GroupStatus
from burrow_exporter.burrow.session import LARGE_BYTES

SEPARATOR = b'},{"topic":'
Decode = Callable[[bytes], LagStatus]


@dataclass(frozen=True, slots=True)
class Evaluation:
    """A group's status with all its partitions, the hash of the response, and the hashes of its pieces.

    ``hashes`` has one entry per partition, or none if the pieces of the response are not its partitions. Equal hashes
    (64 bits) count as equal bytes.
    """

    digest: int
    hashes: array[int]
    status: GroupStatus


def evaluation_in(body: bytes, before: Evaluation | None, decode: Decode) -> Evaluation:
    """Return the evaluation in a response; ``before`` itself if the response is unchanged.

    ``decode`` decodes a response; its ``BurrowError`` is passed on.
    """
    digest = hash(body)
    if before and before.digest == digest:
        return before
    # Splitting a large response would take its memory twice.
    pieces = body.split(SEPARATOR) if len(body) <= LARGE_BYTES else []
    hashes = array("q", map(hash, pieces))
    status = updated(before, pieces, hashes, decode) if before else None
    if status is None:
        status = GroupStatus.of(decode(body))
        if not are_partitions(pieces, zip(status.partitions.topics, status.partitions.numbers, strict=True)):
            hashes = array("q")
    return Evaluation(digest, hashes, status)


def updated(before: Evaluation, pieces: list[bytes], hashes: array[int], decode: Decode) -> GroupStatus | None:
    """Return the status before with the changed partitions, or ``None`` if decoding the whole response is better."""
    if len(before.hashes) != len(hashes):
        return None
    changed = {place for place, (old, new) in enumerate(zip(before.hashes, hashes, strict=True)) if old != new}
    places = sorted(changed | {0, len(hashes) - 1})
    if len(places) > len(hashes) // 2:
        return None
    parts = [pieces[place] for place in places]
    try:
        answer = decode(SEPARATOR.join(parts))
    except BurrowError:  # the whole response gives the error with the right position
        return None
    if not are_partitions(parts, [(one.topic, one.partition) for one in answer.partitions]):
        return None
    rows = before.status.partitions.with_rows(places, answer.partitions)
    return GroupStatus(answer.cluster, answer.group, answer.status, rows, answer.totallag)


def are_partitions(pieces: list[bytes], names: Iterable[tuple[str, int]]) -> bool:
    """Return whether each piece holds the partition with the topic and number at the same index, and no other."""
    starts = [b'%b,"partition":%d,' % (msgspec.json.encode(topic), number) for topic, number in names]
    return len(pieces) == len(starts) and all(map(bytes.startswith, pieces[1:], starts[1:]))
