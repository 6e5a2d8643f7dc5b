"""The report of ``check`` on a poll. No I/O."""

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
"""Seconds of Burrow's ``expire-cache`` above which its responses are too old."""
OLD: Final = 300.0
"""Seconds without any commit from which something may be wrong, as in the alert BurrowBlind."""


def summary(snapshot: Snapshot, walk: WalkResult, now: float) -> list[str]:
    """Return the result of a poll that ended at ``now`` (Unix seconds) as lines; ``walk`` is where it came from."""
    outcome = snapshot.outcome
    lines = [f"{error.endpoint}: {error.reason}: {error.detail}" for error in walk.failures[:10]]
    lines += [f"... and {len(walk.failures) - 10} more failures"] if len(walk.failures) > len(lines) else []
    lines += filter(None, dict.fromkeys(map(advice, walk.failures)))
    lines += filter(None, [cached(walk.settings)])
    lines += [f"cluster {name}: Burrow has not caught up, lag {outcome.behind[name]}" for name in outcome.withheld]
    for cluster in snapshot.clusters:
        # Unknown statuses are reported among the failures.
        statuses = Counter(each.status if each.status in GROUP_STATUS_CODES else "unknown" for each in cluster.groups)
        words = ", ".join(f"{count} {status}" for status, count in sorted(statuses.items()))
        lines.append(f"cluster {cluster.name}: {cluster.listed_groups} groups listed, exposed: {words or 'none'}")
        lines.append(f"cluster {cluster.name}: {cluster.listed_topics} topics listed, {len(cluster.topics)} exposed")
        notes = (left_out(cluster), missing(cluster), old(cluster, now))
        lines += [f"cluster {cluster.name}: {note}" for note in filter(None, notes)]
        lines += [f"cluster {cluster.name}: {hint}" for hint in hints(cluster)]
    return lines


def left_out(cluster: Cluster) -> str:
    """Return how many groups each filter excludes."""
    counts = [f"{count} by {name}" for name, count in cluster.filtered_groups.items() if count]
    return f"groups excluded by filters: {', '.join(counts)}" if counts else ""


def cached(settings: Settings | None) -> str:
    """Return what is wrong with Burrow's cache setting, if anything."""
    if settings is None or 0 < settings.expire_cache <= LONGEST_CACHE:
        return ""
    seconds = settings.expire_cache
    how = f"may be {duration(seconds)} old" if seconds else "never expire"
    return f"expire-cache in Burrow's [evaluator] section is {seconds} (seconds): its responses {how}; set it to 5"


def old(cluster: Cluster, now: float) -> str:
    """Return that the newest commit is old, with possible causes."""
    if cluster.last_commit is None or now - cluster.last_commit <= OLD:
        return ""
    ends = {topic.name: topic.offsets for topic in cluster.topics}
    if any(is_overtaken(group.partitions, ends) for group in cluster.groups):
        why = "log ends have moved since, so Burrow answers from its cache; see expire-cache in its [evaluator] section"
    else:
        why = "no group commits, Burrow has lost Kafka, or expire-cache in its [evaluator] section is too long"
    return f"the newest commit known to Burrow is {duration(now - cluster.last_commit)} old: {why}"


def is_overtaken(each: Partitions, log_ends: Mapping[str, Sequence[int]]) -> bool:
    """Return whether the log end of any partition has advanced since the group's lag was computed."""
    rows = zip(each.topics, each.numbers, each.ends.offsets, each.lags, strict=True)
    ends = ((log_ends.get(topic, ()), number, offset + lag) for topic, number, offset, lag in rows)
    return any(number < len(offsets) and then < offsets[number] for offsets, number, then in ends)


def hints(cluster: Cluster) -> list[str]:
    """Return what may be wrong with a cluster without exposed groups.

    Kafka hides what Burrow's user is not authorized to see. Burrow takes that for an empty cluster: it logs nothing,
    and its responses are valid.
    """
    if cluster.groups:
        return []
    if not cluster.listed_groups:
        return ["Burrow has read no commits: there are none yet, or its user lacks Read on __consumer_offsets"]
    if cluster.listed_topics <= 1:
        return ["Burrow sees no topic except __consumer_offsets: there is none, or its user lacks Describe on topics"]
    return ["no group except Burrow's own: none commits, filters exclude all, or its user lacks Describe on groups"]
