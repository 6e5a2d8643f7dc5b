"""Burrow's own group: which it is, and how far Burrow has read each partition of ``__consumer_offsets``. No I/O.

Burrow reads that topic without a consumer group and notes its progress as a group ``burrow-N``, N being the name of the
consumer module that reads (``core/internal/consumer/kafka_client.go``).
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass

from burrow_exporter.burrow.partitions import GroupStatus
from burrow_exporter.settings.config import INTERNAL_TOPIC

OWN_GROUP_PREFIX = "burrow-"


def may_be_own(group: str) -> bool:
    """Tell whether a group has a name that Burrow gives its own."""
    return group.startswith(OWN_GROUP_PREFIX)


def is_own(answer: GroupStatus) -> bool:
    """Tell whether a group may be one with which Burrow itself reads ``__consumer_offsets``."""
    return may_be_own(answer.group) and set(answer.partitions.topics) == {INTERNAL_TOPIC}


def own_answers(answers: Mapping[str, GroupStatus | None], names: Collection[str] | None) -> list[GroupStatus]:
    """Return the answers for Burrow's own groups, whose ``names`` are those of its configuration.

    Where these are not known (``None``), a consumer that reads ``__consumer_offsets`` may have such a name too. Only
    Burrow commits at whole seconds and without an owner; of several that look alike the one that is least behind
    counts, as all that Burrow reads comes to the same place.
    """
    if names is not None:
        return [answer for name in sorted(names) if (answer := answers.get(name)) and answer.partitions]
    alike = [answer for answer in answers.values() if answer and is_own(answer)]
    alike = list(filter(looks_own, alike)) or alike
    return [min(alike, key=backlog)] if alike else []


def looks_own(answer: GroupStatus) -> bool:
    """Tell whether a group commits as Burrow notes its progress: at whole seconds, without an owner."""
    ends = [partition.end for partition in answer.partitions if partition.end]
    return not any(end.timestamp % 1000 for end in ends) and not any(one.owner for one in answer.partitions)


def backlog(answer: GroupStatus) -> tuple[bool, int]:
    """Return what orders answers by how far behind they are; a group without a commit is behind all others."""
    return not any(partition.end for partition in answer.partitions), answer.totallag


def own_lag(answers: Iterable[GroupStatus]) -> int | None:
    """Return how many messages Burrow is behind, by its own groups; ``None`` as long as it has not committed itself.

    A cluster read by several consumer modules has several; the slowest counts.
    """
    known = [answer for answer in answers if any(partition.end for partition in answer.partitions)]
    return max((answer.totallag for answer in known), default=None)


@dataclass(frozen=True, slots=True)
class Progress:
    """How far Burrow has read the partitions of ``__consumer_offsets``, by their numbers.

    ``lags`` are in messages, ``None`` for a partition of which it has read nothing, which may be empty. ``observed`` is
    when it read the newest message (Unix milliseconds by its own clock), ``since`` when it began at the latest.
    """

    lags: Sequence[int | None]
    observed: Sequence[int]
    since: int

    def partition_of(self, group: str) -> int:
        """Return the partition that has the commits of a group."""
        return commits_partition(group, len(self.lags))


def progress(answers: Iterable[GroupStatus]) -> Progress | None:
    """Return how far Burrow's own groups have read, the slowest of each partition; ``None`` without such a group."""
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
    """Return which partition of ``__consumer_offsets`` has the commits of a group: Kafka's ``partitionFor``.

    It is the absolute value of Java's ``String.hashCode``, modulo the number of partitions.
    """
    units = group.encode("utf-16-be", "surrogatepass")
    code = 0
    for high, low in zip(units[::2], units[1::2], strict=True):
        code = (31 * code + (high << 8 | low)) & 0xFFFFFFFF
    # Java's absolute value of the least integer is 0 in Kafka.
    return min(code, 2**32 - code) % 2**31 % partitions
