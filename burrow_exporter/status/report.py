"""What ``check`` says of a poll. No I/O."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Final

from burrow_exporter.burrow.answers import Partition, Settings
from burrow_exporter.burrow.failures import advice
from burrow_exporter.polling.walk import WalkResult
from burrow_exporter.snapshot import GROUP_STATUS_CODES, Cluster, Snapshot
from burrow_exporter.status.burrows import missing
from burrow_exporter.status.words import duration

LONGEST_CACHE: Final = 60
"""Seconds of Burrow's ``expire-cache`` beyond which its answers are too old to go by."""
OLD: Final = 300.0
"""Seconds without any commit from which something may be wrong, as the alert BurrowBlind has it."""


def summary(snapshot: Snapshot, walk: WalkResult, now: float) -> list[str]:
    """Return what a poll saw that ended at ``now`` (Unix seconds), a line each, given the walk it came from."""
    outcome = snapshot.outcome
    lines = [f"{error.endpoint}: {error.reason}: {error.detail}" for error in walk.failures[:10]]
    lines += [f"... and {len(walk.failures) - 10} more failures"] if len(walk.failures) > len(lines) else []
    lines += filter(None, dict.fromkeys(map(advice, walk.failures)))
    lines += filter(None, [cached(walk.settings)])
    lines += [f"cluster {name}: Burrow has not caught up, lag {outcome.behind[name]}" for name in outcome.withheld]
    for cluster in snapshot.clusters:
        # A word that is none of Burrow's is told, as far as it may be, among the failures.
        statuses = Counter(each.status if each.status in GROUP_STATUS_CODES else "unknown" for each in cluster.groups)
        words = ", ".join(f"{count} {status}" for status, count in sorted(statuses.items()))
        lines.append(f"cluster {cluster.name}: {cluster.listed_groups} groups listed, exposed: {words or 'none'}")
        lines.append(f"cluster {cluster.name}: {cluster.listed_topics} topics listed, {len(cluster.topics)} published")
        notes = (left_out(cluster), missing(cluster), old(cluster, now))
        lines += [f"cluster {cluster.name}: {note}" for note in filter(None, notes)]
        lines += [f"cluster {cluster.name}: {hint}" for hint in hints(cluster)]
    return lines


def left_out(cluster: Cluster) -> str:
    """Return how many groups the filters leave out, and which do."""
    counts = [f"{count} by {name}" for name, count in cluster.filtered_groups.items() if count]
    return f"groups excluded by filters: {', '.join(counts)}" if counts else ""


def cached(settings: Settings | None) -> str:
    """Return what is wrong with how long Burrow keeps its answers, if anything."""
    if settings is None or 0 < settings.expire_cache <= LONGEST_CACHE:
        return ""
    seconds = settings.expire_cache
    how = f"may be {duration(seconds)} old" if seconds else "never expire"
    return f"expire-cache in Burrow's [evaluator] section is {seconds} (seconds): its responses {how}; set it to 5"


def old(cluster: Cluster, now: float) -> str:
    """Return that the newest commit is old, and what that may come from."""
    if cluster.last_commit is None or now - cluster.last_commit <= OLD:
        return ""
    ends = {topic.name: topic.offsets for topic in cluster.topics}
    if any(is_overtaken(one, ends.get(one.topic, ())) for group in cluster.groups for one in group.partitions):
        why = "log ends have moved since, so Burrow answers from its cache; see expire-cache in its [evaluator] section"
    else:
        why = "no group commits, Burrow has lost Kafka, or expire-cache in its [evaluator] section is too long"
    return f"the newest commit known to Burrow is {duration(now - cluster.last_commit)} old: {why}"


def is_overtaken(partition: Partition, offsets: Sequence[int]) -> bool:
    """Tell whether a log end is further than the one that a group's lag was told against."""
    if partition.end is None or partition.partition >= len(offsets):
        return False
    return partition.end.offset + partition.current_lag < offsets[partition.partition]


def hints(cluster: Cluster) -> list[str]:
    """Return what may be wrong with a cluster of which no group is published.

    Kafka leaves out of its lists what Burrow's user may not see, and Burrow takes that for nothing being there: it logs
    nothing, and its answers are good.
    """
    if cluster.groups:
        return []
    if not cluster.listed_groups:
        return ["Burrow has read no commits: there are none yet, or its user lacks Read on __consumer_offsets"]
    if cluster.listed_topics <= 1:
        return ["Burrow sees no topic except __consumer_offsets: there is none, or its user lacks Describe on topics"]
    return ["no group except Burrow's own: none commits, filters exclude all, or its user lacks Describe on groups"]
