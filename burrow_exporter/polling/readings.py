"""Converts responses to readings: applies the filters, computes totals, and rejects invalid data. No I/O."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from itertools import compress

from burrow_exporter.burrow.failures import BurrowError, Endpoint, Reason
from burrow_exporter.burrow.partitions import NEVER, GroupStatus, Partitions
from burrow_exporter.polling.bounds import label_characters
from burrow_exporter.settings.config import Filters
from burrow_exporter.snapshot import GROUP_STATUS_CODES, PARTITION_STATUS_CODES, Group

MAX_NAME_BYTES = 4096
MAX_AHEAD = 60.0
"""The most seconds by which Burrow's clock may be ahead of ours."""
NO_PARTITIONS = Partitions()
BROKEN = frozenset({"STOP", "STALL", "REWIND"})


def read_group(answer: GroupStatus, filters: Filters, read_at: float, expires_at: float) -> Group | None:
    """Return the reading of a group, or ``None`` if the filters remove all of it.

    ``read_at`` is in Unix seconds, ``expires_at`` on the monotonic clock.
    """
    kept = filter_partitions(answer.partitions, filters, read_at)
    if answer.partitions and not kept:
        return None
    whole = len(kept) == len(answer.partitions)
    committed, uncommitted = kept, NO_PARTITIONS
    if NEVER in kept.ends.observed:
        has_commit = [observed != NEVER for observed in kept.ends.observed]
        committed, uncommitted = where(kept, has_commit), where(kept, [not one for one in has_commit])
    return Group(
        name=answer.group,
        status=answer.status if whole else worst_status(kept.statuses),
        partitions=committed,
        uncommitted=uncommitted,
        total_lag=answer.totallag if whole else sum(kept.lags),
        max_lag=max(kept.lags, default=0),
        read_at=read_at,
        expires_at=expires_at,
    )


@dataclass(frozen=True, slots=True)
class Names:
    """What follows from the names and numbers of a group's partitions alone, which rarely change.

    ``characters`` is the number of characters in their labels, ``partition_counts`` the number of partitions of each
    topic: Burrow lists all, with and without a commit.
    """

    characters: int
    partition_counts: Mapping[str, int]


def read_names(answer: GroupStatus) -> Names:
    """Check and count the names of a group's partitions.

    Raises ``BurrowError`` for a response that would not make a valid page: a name over 4 KiB, or a duplicate partition.
    """
    check_partitions(answer)
    return Names(label_characters(answer.cluster, answer.group, answer.partitions), partition_counts(answer))


def check_partitions(answer: GroupStatus) -> None:
    """Raise ``BurrowError`` for a response that would not make a valid page."""
    partitions = answer.partitions
    topics = set(partitions.topics)
    if any(map(is_too_long, topics.union(partitions.owners, partitions.client_ids))):
        detail = f"group {answer.group!r} contains a name of more than {MAX_NAME_BYTES} bytes"
        raise BurrowError(Endpoint.LAG, Reason.NAME_TOO_LONG, detail)
    if len(topics) == 1:  # true of most groups, and half the cost
        different = len(set(partitions.numbers))
    else:
        different = len(set(zip(partitions.topics, partitions.numbers, strict=True)))
    if different < len(partitions):
        raise BurrowError(Endpoint.LAG, Reason.SHAPE, f"group {answer.group!r} contains a duplicate partition")


def is_too_long(name: str) -> bool:
    """Return whether a name exceeds the limit of 4 KiB in UTF-8."""
    return len(name) > MAX_NAME_BYTES // 4 and len(name.encode()) > MAX_NAME_BYTES


def filter_partitions(partitions: Partitions, filters: Filters, now: float) -> Partitions:
    """Return the partitions that pass the filters for topics and for the commit age. ``now`` is Unix time.

    A partition without a commit has no age, and passes.
    """
    refused = {topic for topic in set(partitions.topics) if not filters.topic.admits(topic)}
    kept = where(partitions, [topic not in refused for topic in partitions.topics]) if refused else partitions
    if filters.max_commit_age is None:
        return kept
    oldest, ends = (now - filters.max_commit_age) * 1000, kept.ends
    pairs = zip(ends.observed, ends.timestamps, strict=True)
    return where(kept, [observed == NEVER or made >= oldest for observed, made in pairs])


def where(partitions: Partitions, keep: Sequence[bool]) -> Partitions:
    """Return the partitions for which ``keep`` is true; the same object if that is all of them."""
    return partitions if all(keep) else partitions.select(compress(range(len(keep)), keep))


class LeftOut(StrEnum):
    """The filter that removes all of a group."""

    TOPIC = "topic"
    COMMIT_AGE = "commit_age"


def left_out_by(answer: GroupStatus, filters: Filters) -> LeftOut:
    """Return which filter removes all of a group: the topic filter alone, or together with the commit age."""
    admitted = any(map(filters.topic.admits, set(answer.partitions.topics)))
    return LeftOut.COMMIT_AGE if admitted else LeftOut.TOPIC


def has_lag(answer: GroupStatus) -> bool:
    """Return whether a group has lag in any of its topics."""
    return any(answer.partitions.lags)


def worst_status(of_partitions: Iterable[str]) -> str:
    """Return the status of a group from those of its partitions, by Burrow's rule."""
    statuses = set(of_partitions)
    if statuses & BROKEN:
        return "ERR"
    return "WARN" if "WARN" in statuses else "OK"


def unknown_statuses(group: Group) -> set[str]:
    """Return the statuses of a group and its partitions that have no code."""
    partitions = set(group.partitions.statuses)
    return ({group.status} - GROUP_STATUS_CODES.keys()) | (partitions - PARTITION_STATUS_CODES.keys())


def last_commit(answer: GroupStatus, now: float) -> float | None:
    """Return when Burrow last observed a commit of a group, in Unix seconds, or ``None`` if it never did.

    ``now`` is Unix time, too. Times ahead of it are ignored: they would hide every commit until then.
    """
    latest = (now + MAX_AHEAD) * 1000
    ends = answer.partitions.ends.observed
    last = max(ends, default=NEVER)
    if last > latest:
        last = max((observed for observed in ends if observed <= latest), default=NEVER)
    return None if last == NEVER else last / 1000


def unless_ahead(moment: float | None, now: float) -> float | None:
    """Return ``moment``, or ``None`` if it is ahead of ``now``, as after a clock was set back."""
    return moment if moment is not None and moment <= now + MAX_AHEAD else None


def newest(*moments: float | None) -> float | None:
    """Return the latest known moment, or ``None`` if none is known."""
    return max((moment for moment in moments if moment is not None), default=None)


def partition_counts(answer: GroupStatus) -> dict[str, int]:
    """Return the partition count of each of a group's topics."""
    partitions = answer.partitions
    counts = dict.fromkeys(partitions.topics, 0)
    if len(counts) == 1:  # true of most groups, and half the cost
        return dict.fromkeys(counts, max(partitions.numbers) + 1)
    for topic, number in zip(partitions.topics, partitions.numbers, strict=True):
        if number >= counts[topic]:
            counts[topic] = number + 1
    return counts
