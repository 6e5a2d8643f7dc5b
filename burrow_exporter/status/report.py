"""What ``check`` says of a poll. No I/O."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Final

from burrow_exporter.burrow.answers import Settings
from burrow_exporter.burrow.failures import advice
from burrow_exporter.burrow.partitions import Partitions
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
    lines += [f"... and {len(walk.failures) - 10} failures more"] if len(walk.failures) > len(lines) else []
    lines += filter(None, dict.fromkeys(map(advice, walk.failures)))
    lines += filter(None, [cached(walk.settings)])
    lines += [f"cluster {name}: Burrow has not caught up, lag {outcome.behind[name]}" for name in outcome.withheld]
    for cluster in snapshot.clusters:
        # A word that is none of Burrow's is told, as far as it may be, among the failures.
        statuses = Counter(each.status if each.status in GROUP_STATUS_CODES else "unknown" for each in cluster.groups)
        words = ", ".join(f"{count} {status}" for status, count in sorted(statuses.items()))
        lines.append(f"cluster {cluster.name}: {cluster.listed_groups} groups listed, published: {words or 'none'}")
        lines.append(f"cluster {cluster.name}: {cluster.listed_topics} topics listed, {len(cluster.topics)} published")
        notes = (left_out(cluster), missing(cluster), old(cluster, now))
        lines += [f"cluster {cluster.name}: {note}" for note in filter(None, notes)]
        lines += [f"cluster {cluster.name}: {hint}" for hint in hints(cluster)]
    return lines


def left_out(cluster: Cluster) -> str:
    """Return how many groups the filters leave out, and which do."""
    counts = [f"{count} by {name}" for name, count in cluster.filtered_groups.items() if count]
    return f"filters leave out groups: {', '.join(counts)}" if counts else ""


def cached(settings: Settings | None) -> str:
    """Return what is wrong with how long Burrow keeps its answers, if anything."""
    if settings is None or 0 < settings.expire_cache <= LONGEST_CACHE:
        return ""
    seconds = settings.expire_cache
    how = f"may be {duration(seconds)} old" if seconds else "never change once they were made"
    return f"expire-cache in the [evaluator] section of Burrow is {seconds} (seconds): its answers {how}; set it to 5"


def old(cluster: Cluster, now: float) -> str:
    """Return that the newest commit is old, and what that may come from."""
    if cluster.last_commit is None or now - cluster.last_commit <= OLD:
        return ""
    ends = {topic.name: topic.offsets for topic in cluster.topics}
    if any(is_overtaken(group.partitions, ends) for group in cluster.groups):
        why = "log ends have moved on since: Burrow answers from a cache, see expire-cache in its [evaluator] section"
    else:
        why = "nobody commits, Burrow has lost Kafka, or expire-cache in its [evaluator] section is too long"
    return f"the newest commit that Burrow tells of is {duration(now - cluster.last_commit)} old: {why}"


def is_overtaken(each: Partitions, log_ends: Mapping[str, Sequence[int]]) -> bool:
    """Tell whether the log end of any partition is further than the one that a group's lag was told against."""
    rows = zip(each.topics, each.numbers, each.ends.offsets, each.lags, strict=True)
    ends = ((log_ends.get(topic, ()), number, offset + lag) for topic, number, offset, lag in rows)
    return any(number < len(offsets) and then < offsets[number] for offsets, number, then in ends)


def hints(cluster: Cluster) -> list[str]:
    """Return what may be wrong with a cluster of which no group is published.

    Kafka leaves out of its lists what Burrow's user may not see, and Burrow takes that for nothing being there: it logs
    nothing, and its answers are good.
    """
    if cluster.groups:
        return []
    if not cluster.listed_groups:
        return ["Burrow has read no commit: there is none yet, or its user may not Read __consumer_offsets"]
    if cluster.listed_topics <= 1:
        return ["Burrow sees no topic but __consumer_offsets: there is none, or its user may not Describe topics"]
    return ["no group but Burrow's own: none commits, filters leave all out, or its user may not Describe groups"]
