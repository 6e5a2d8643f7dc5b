"""Burrow's own groups: which they are, and how far Burrow has read ``__consumer_offsets``. No I/O.

Burrow reads that topic without a consumer group and commits its progress as a group ``burrow-N``, where N is the name
of the consumer module (``core/internal/consumer/kafka_client.go``).
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass

from burrow_exporter.burrow.partitions import GroupStatus
from burrow_exporter.settings.config import INTERNAL_TOPIC

OWN_GROUP_PREFIX = "burrow-"


def may_be_own(group: str) -> bool:
    """Return whether a name has the form of Burrow's own groups."""
    return group.startswith(OWN_GROUP_PREFIX)


def is_own(answer: GroupStatus) -> bool:
    """Return whether a group may be one with which Burrow itself reads ``__consumer_offsets``."""
    return may_be_own(answer.group) and set(answer.partitions.topics) == {INTERNAL_TOPIC}


def own_answers(answers: Mapping[str, GroupStatus | None], names: Collection[str] | None) -> list[GroupStatus]:
    """Return the responses for Burrow's own groups. ``names`` are those of its configuration.

    If they are not known (``None``), other consumers of ``__consumer_offsets`` may have such a name too. Only Burrow
    commits at whole seconds and without an owner. Of several candidates the one with the least backlog counts, since
    all of Burrow's progress ends up in the same place.
    """
    if names is not None:
        return [answer for name in sorted(names) if (answer := answers.get(name)) and answer.partitions]
    alike = [answer for answer in answers.values() if answer and is_own(answer)]
    alike = list(filter(looks_own, alike)) or alike
    return [min(alike, key=backlog)] if alike else []


def looks_own(answer: GroupStatus) -> bool:
    """Return whether a group commits the way Burrow does: at whole seconds, without an owner."""
    ends = [partition.end for partition in answer.partitions if partition.end]
    return not any(end.timestamp % 1000 for end in ends) and not any(one.owner for one in answer.partitions)


def backlog(answer: GroupStatus) -> tuple[bool, int]:
    """Return a sort key for the backlog. A group without a commit comes last."""
    return not any(partition.end for partition in answer.partitions), answer.totallag


def own_lag(answers: Iterable[GroupStatus]) -> int | None:
    """Return Burrow's lag in messages from its own groups, or ``None`` before their first commit.

    A cluster read by several consumer modules has several own groups; the slowest counts.
    """
    known = [answer for answer in answers if any(partition.end for partition in answer.partitions)]
    return max((answer.totallag for answer in known), default=None)


@dataclass(frozen=True, slots=True)
class Progress:
    """How far Burrow has read each partition of ``__consumer_offsets``, by partition number.

    ``lags`` are in messages, ``None`` for a partition without a commit, which may be empty. ``observed`` is when Burrow
    read the newest message (Unix milliseconds, its own clock), ``since`` the latest time at which it can have started.
    """

    lags: Sequence[int | None]
    observed: Sequence[int]
    since: int

    def partition_of(self, group: str) -> int:
        """Return the partition that holds a group's commits."""
        return commits_partition(group, len(self.lags))


def progress(answers: Iterable[GroupStatus]) -> Progress | None:
    """Return the progress of Burrow's own groups, the slowest per partition, or ``None`` without such a group."""
    lags: dict[int, int | None] = {}
    observed: dict[int, int] = {}
    since = []
    for answer in answers:
        for one in answer.partitions:
            before = lags.get(one.partition, 0)
            lags[one.partition] = None if before is None or not one.end else max(before, one.current_lag)
            observed[one.partition] = max(observed.get(one.partition, 0), one.end.observed_at if one.end else 0)
            since += [commit.observed_at for commit in (one.start, one.end) if commit]
    if not lags:
        return None
    numbers = range(max(lags) + 1)
    return Progress(
        [lags.get(each) for each in numbers], [observed.get(each, 0) for each in numbers], min(since or [0])
    )


def commits_partition(group: str, partitions: int) -> int:
    """Return the partition of ``__consumer_offsets`` that holds a group's commits: Kafka's ``partitionFor``.

    It is the absolute value of Java's ``String.hashCode``, modulo the number of partitions.
    """
    units = group.encode("utf-16-be", "surrogatepass")
    code = 0
    for high, low in zip(units[::2], units[1::2], strict=True):
        code = (31 * code + (high << 8 | low)) & 0xFFFFFFFF
    # Kafka takes 0 as the absolute value of the smallest integer.
    return min(code, 2**32 - code) % 2**31 % partitions
