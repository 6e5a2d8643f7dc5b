"""Burrow's evaluation of a group, decoded only where its response differs from the previous one. No I/O.

Burrow's JSON is compact and each partition begins with its topic, so a response can be split into one piece per
partition without parsing it: a JSON string cannot contain ``SEPARATOR``, since its quotes would be escaped. The first
piece also contains what precedes the partitions, the last one what follows them. The first, the last and all changed
pieces, joined, are a valid response again.
"""

from __future__ import annotations

from array import array
from collections.abc import Callable
from dataclasses import dataclass

from burrow_exporter.burrow.answers import LagStatus
from burrow_exporter.burrow.failures import BurrowError
from burrow_exporter.burrow.partitions import GroupStatus
from burrow_exporter.burrow.session import LARGE_BYTES

SEPARATOR = b'},{"topic":'
Decode = Callable[[bytes], LagStatus]


@dataclass(frozen=True, slots=True)
class Evaluation:
    """A group's status with all its partitions, and the hashes of the pieces of the response.

    Equal hashes (64 bits) count as equal pieces. Partitions that did not change are not decoded.
    """

    hashes: array[int]
    status: GroupStatus


def evaluation_in(body: bytes, before: Evaluation | None, decode: Decode) -> Evaluation:
    """Return the evaluation in a response; ``before`` itself if the response is unchanged.

    ``decode`` decodes a response; its ``BurrowError`` is passed on.
    """
    # Splitting a large response would take its memory twice.
    pieces = body.split(SEPARATOR) if len(body) <= LARGE_BYTES else [body]
    hashes = array("q", map(hash, pieces))
    if before is None:
        return Evaluation(hashes, GroupStatus.of(decode(body)))
    if before.hashes == hashes:
        return before
    return Evaluation(hashes, updated(before, pieces, hashes, decode) or GroupStatus.of(decode(body)))


def updated(before: Evaluation, pieces: list[bytes], hashes: array[int], decode: Decode) -> GroupStatus | None:
    """Return the status before with the changed partitions, or ``None`` if decoding the whole response is better."""
    partitions = before.status.partitions
    if not len(partitions) == len(before.hashes) == len(hashes):
        return None
    changed = {place for place, (old, new) in enumerate(zip(before.hashes, hashes, strict=True)) if old != new}
    places = sorted(changed | {0, len(hashes) - 1})
    if len(places) > len(hashes) // 2:
        return None
    try:
        answer = decode(SEPARATOR.join([pieces[place] for place in places]))
    except BurrowError:  # the whole response gives the error with the right position
        return None
    if len(answer.partitions) != len(places):
        return None
    rows = partitions.with_rows(places, answer.partitions)
    return GroupStatus(answer.cluster, answer.group, answer.status, rows, answer.totallag)
