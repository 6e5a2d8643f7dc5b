"""A hint at the cause of a group's lag: all members, some members, or one partition. No HTML, no I/O.

The rules in compose/rules/advice.yaml say more, as they also use history.
"""

from __future__ import annotations

from typing import Final

from burrow_exporter.burrow.answers import Partition
from burrow_exporter.status.rows import GroupRow

BEHIND: Final = 60.0
"""Lag in seconds from which a group is behind on a partition, as in the rules."""
HOT: Final = 3.0
"""Ratio of a hot partition's rate to the mean of the others, as in the rules."""


def hint(row: GroupRow) -> str:
    """Return the hint; empty if too little is known, or if a partition is not read at all."""
    read = [each for each in zip(row.group.partitions, row.group.lag_seconds, strict=False) if produced(each[0])]
    if row.is_past or row.group.status == "ERR" or not read:
        return ""
    behind = [partition for partition, seconds in read if (seconds or 0) > BEHIND]
    hot = hottest([partition for partition, _ in read])
    if not behind:
        return f"members keep up; {hot[1]}" if hot else ""
    if 2 * len(behind) > len(read):
        return everywhere(row)
    if hot and hot[0] in behind:
        return hot[1]
    few = f"{len(behind):,} of {len(read):,} active partitions are behind, the others are not"
    owners = {(each.owner, each.client_id) for each in behind}
    if len(owners) == 1 and (row.group.members or 0) > 1:
        few += f"; all are read by {behind[0].client_id or behind[0].owner.removeprefix('/')}"
    return few


def everywhere(row: GroupRow) -> str:
    """Return the hint for a group that is behind on most of its partitions."""
    if row.group.members is None:
        return "most partitions are behind"
    if row.group.members < row.partitions:
        return f"most partitions are behind, and {row.group.members:,} members read {row.partitions:,} partitions"
    return "most partitions are behind, and each already has its own member"


def produced(partition: Partition) -> float:
    """Return a partition's production rate over Burrow's window in messages per millisecond; 0 if unknown."""
    start, end = partition.start, partition.end
    if not start or not end or start.lag is None or end.lag is None or end.timestamp <= start.timestamp:
        return 0
    return max(0, end.offset + end.lag - start.offset - start.lag) / (end.timestamp - start.timestamp)


def hottest(partitions: list[Partition]) -> tuple[Partition, str] | None:
    """Return the hot partition of a topic, if any, with its share of the messages."""
    most = max(partitions, key=produced)
    own, rates = produced(most), [produced(each) for each in partitions if each.topic == most.topic]
    if len(rates) < 2 or own * (len(rates) - 1) < HOT * (sum(rates) - own):  # noqa: PLR2004  one has no others
        return None
    return most, f"partition {most.partition} of {most.topic} gets {own / sum(rates):.0%} of the messages"
