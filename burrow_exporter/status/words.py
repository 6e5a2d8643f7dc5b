"""Texts about a group: cause, duration, trend, and advice. No HTML, no I/O."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from math import isnan
from typing import Final, NamedTuple

from burrow_exporter.polling.history import SLOT_SECONDS, Track
from burrow_exporter.status.rows import GroupRow

UNITS = (("d", 86400), ("h", 3600), ("m", 60), ("s", 1))
TREND_SLOTS: Final = 10
"""The trend covers the last five minutes."""
FLAT: Final = 0.05
"""Relative change of the lag up to which it counts as flat."""
VERBS: Final = {"STOP": "stopped", "STALL": "stalled", "REWIND": "rewound", "WARN": "falling behind"}


class Advice(NamedTuple):
    """Meaning, diagnosis and mitigation of a status: the runbook in short."""

    means: str
    look: str
    do: str


ADVICE: Final = {
    "STOP": Advice(
        "The group has lag and has not committed for longer than Burrow's evaluation window: the consumer is down, "
        "hangs, or no longer reads the topic.",
        "Does the group have members (kafka-consumer-groups.sh --describe)? When did it last commit?",
        "Start or restart the consumers, and check their logs for rebalances and errors. If the group no longer reads "
        "the topic, delete its offsets (kafka-consumer-groups.sh --delete-offsets).",
    ),
    "STALL": Advice(
        "The group keeps committing the same offset while messages are waiting: it is alive but stuck.",
        "Which message is at the committed offset, and what does the consumer's log say about it?",
        "Fix what the consumer cannot process or is waiting for, or stop the group and skip the message "
        "(kafka-consumer-groups.sh --reset-offsets).",
    ),
    "REWIND": Advice(
        "The group committed an earlier offset than before: it is rereading messages.",
        "Did somebody reset the offsets? Was the topic recreated? Do two consumers overwrite each other's commits?",
        "If it was not on purpose, check offset retention and auto.offset.reset. Systems downstream of the group "
        "receive duplicates.",
    ),
    "WARN": Advice(
        "The group reads, but its lag has not shrunk once in Burrow's evaluation window.",
        "Is one partition affected or all of them? Is production higher than usual?",
        "All partitions: add consumers, up to the number of partitions, or find out what slows them down. One "
        "partition: look for a hot partition or a slow host.",
    ),
    "LATE": Advice(
        "The oldest unread message is older than the group's threshold. Burrow reports OK because the lag shrinks now "
        "and then.",
        "Does the lag shrink, and on which topic is it?",
        "If the group catches up, wait. If not, add consumers or find out what slows them down. If it is late by "
        "design, set max_lag_seconds or quiet hours in the policy.",
    ),
    "AHEAD": Advice(
        "The committed offset is beyond the log end. Burrow reports OK and lag 0, even while new messages arrive that "
        "the group does not read.",
        "Who commits? MirrorMaker 2 with sync.group.offsets, or a group whose topic was deleted and recreated?",
        "Reset the group's offsets to the end of the topic.",
    ),
}


@dataclass(frozen=True, slots=True)
class Trend:
    """Change of a lag in messages per second over the last minutes: ``up``, ``down`` or ``flat``."""

    rate: float
    direction: str


def duration(seconds: float) -> str:
    """Return seconds for humans, in the two largest units, such as ``2m 5s`` or ``3h``; negative ones are 0."""
    if 0 < seconds < 1:
        return "<1s"
    left = max(0, int(seconds))
    larger = next((index for index, (_, size) in enumerate(UNITS) if left >= size), len(UNITS) - 1)
    parts = []
    for unit, size in UNITS[larger : larger + 2]:
        count, left = divmod(left, size)
        parts += [f"{count}{unit}"] if count else []
    return " ".join(parts) or "0s"


def worst_status(row: GroupRow) -> str:
    """Return the most specific bad status: a key of ``VERBS``, LATE, or the group's status."""
    statuses = set(row.group.partitions.statuses)
    bad = next((status for status in VERBS if status in statuses), "")
    return bad if bad and (bad != "WARN" or row.group.status == "WARN") else row.word


def cause(row: GroupRow) -> str:
    """Return what is wrong with a group; empty if nothing is."""
    pairs = zip(row.group.partitions.statuses, row.group.partitions.topics, strict=True)
    counts = Counter(pair for pair in pairs if pair[0] in VERBS)
    statuses = [status for status in VERBS if any(status == each for each, _ in counts)]
    if statuses[:1] != ["WARN"]:
        statuses = [status for status in statuses if status != "WARN"]
    parts = [f"{VERBS[status]}: {where(row, status, counts)}" for status in statuses]
    if not parts and row.kind == "unknown":
        return (
            "no commit seen yet" if row.group.uncommitted else "Burrow reports a status that the exporter does not know"
        )
    if row.kind == "late" and row.group.status == "OK":
        parts.append("reading, but its oldest unread message is too old")
    return "; ".join(parts)


def where(row: GroupRow, status: str, counts: Counter[tuple[str, str]]) -> str:
    """Return on how many partitions, and of which topic, a group has a status."""
    found = {topic: count for (each, topic), count in counts.items() if each == status}
    if len(found) > 1:
        return f"{sum(found.values()):,} of {row.partitions:,} partitions, in {len(found):,} topics"
    ((topic, count),) = found.items()
    partitions = row.group.partitions.topics.count(topic) + row.group.uncommitted.topics.count(topic)
    return f"{count:,} of {partitions:,} partitions of {topic}"


def since(track: Track | None, now: float) -> str:
    """Return how long a group has been in its current state."""
    if track is None:
        return ""
    return ("for " if track.is_exact else "for at least ") + duration(now - track.since)


def trend(row: GroupRow, now: float) -> Trend | None:
    """Return the trend of a group's lag, by linear regression; ``None`` if too little is known."""
    if row.track is None or row.is_past:
        return None
    _, lags = row.track.last_hour(now)
    known = [(SLOT_SECONDS * at, lag) for at, lag in enumerate(lags[-TREND_SLOTS:]) if not isnan(lag)]
    if len(known) < 3:  # noqa: PLR2004  two points are a line, whatever they say
        return None
    middle = sum(at for at, _ in known) / len(known)
    mean = sum(lag for _, lag in known) / len(known)
    rate = sum((at - middle) * (lag - mean) for at, lag in known) / sum((at - middle) ** 2 for at, _ in known)
    change = rate * (known[-1][0] - known[0][0])
    if abs(change) < max(1, FLAT * mean):
        return Trend(rate, "flat")
    return Trend(rate, "up" if rate > 0 else "down")


def catch_up(row: GroupRow, going: Trend | None) -> float | None:
    """Return the time to catch up in seconds at the current rate; ``None`` if it does not catch up."""
    if going is None or going.direction != "down" or not row.lag:
        return None
    return row.lag / -going.rate


def where_to(row: GroupRow, going: Trend | None) -> str:
    """Return whether a group that is not OK is catching up."""
    if going is None or row.section == "fine" or not row.lag:
        return ""
    seconds = catch_up(row, going)
    return "not catching up" if seconds is None else f"catches up in {duration(seconds)}"


def path(values: Sequence[float], width: int, height: int) -> str:
    """Return values as an SVG path, left to right, with gaps."""
    known = [value for value in values if not isnan(value)]
    if not known:
        return ""
    most, step = max(*known, 1.0), width / max(1, len(values) - 1)
    parts, pen = [], "M"
    for at, value in enumerate(values):
        if isnan(value):
            pen = "M"
            continue
        parts.append(f"{pen}{at * step:.1f} {height - height * max(0.0, value) / most:.1f}")
        pen = "L"
    return "".join(parts)


def stretches(kinds: Sequence[str]) -> list[tuple[str, int, int]]:
    """Return runs of the same kind: kind, start and length, in slots."""
    runs: list[tuple[str, int, int]] = []
    for at, kind in enumerate(kinds):
        if runs and runs[-1][0] == kind:
            runs[-1] = (kind, runs[-1][1], runs[-1][2] + 1)
        else:
            runs.append((kind, at, 1))
    return runs


def most(lags: Sequence[float]) -> str:
    """Return the largest lag."""
    return f"{max((lag for lag in lags if not isnan(lag)), default=0):,.0f}"


def rate(messages: float) -> str:
    """Return messages per second, or per minute if there are few."""
    messages = abs(messages)
    return f"{messages:,.0f}/s" if messages >= 1 else f"{messages * 60:,.0f}/min"


def muted(row: GroupRow) -> str:
    """Return why the policy mutes a group."""
    reasons = {"quiet": "muted: quiet hours", "off": "muted: alerts are off"}
    named = [reasons[each] for each in row.terms.muted] if row.terms else []
    return ", ".join(named) or "no alerts: severity none"


def spans(kinds: Sequence[str]) -> str:
    """Return how long a group was of each kind, worst first."""
    counts = Counter(kinds)
    named = {"err": "ERR", "late": "LATE", "warn": "WARN", "unknown": "UNKNOWN", "ok": "OK", "none": "no data"}
    return ", ".join(f"{name} {duration(counts[kind] * SLOT_SECONDS)}" for kind, name in named.items() if counts[kind])
