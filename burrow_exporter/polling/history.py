"""The last hour of one Burrow: the status and lag of each group over time, and the last known state.

In memory only, and bounded. A group takes 1.5 KiB: two rings of ``SLOTS`` slots, one for its kind, one for its lag.
"""

from __future__ import annotations

import math
from array import array
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Final

from burrow_exporter.polling.absent import Absence
from burrow_exporter.snapshot import Cluster, Group, Snapshot, Topic, largest
from burrow_exporter.terms import MAX_LAG_SECONDS, GroupPolicy, Policy

SLOT_SECONDS: Final = 30
SLOTS: Final = 120
TOPIC_SLOTS: Final = 12
"""Slots of a topic's ring: the produce rate is measured over the last five minutes."""
SPARE: Final = 100
"""How many deleted groups are kept, in addition to as many as there are groups."""
KINDS: Final = ("none", "ok", "unknown", "warn", "late", "err")
"""The condition of a group, from best to worst; ``none`` without a reading."""
CODES: Final = MappingProxyType({kind: code for code, kind in enumerate(KINDS)})
STATUS_KINDS: Final = MappingProxyType({"OK": "ok", "WARN": "warn", "ERR": "err"})
NOTHING: Final = math.nan
UNREAD: Final = frozenset({Absence.UNREADABLE, Absence.HELD})
"""Reasons for absence of groups whose condition may be unchanged."""


def kind_of_group(status: str, seconds: float | None, max_seconds: float) -> str:
    """Return the condition of a group: its status, or ``late`` if its lag of ``seconds`` exceeds the limit."""
    return late_or(STATUS_KINDS.get(status, "unknown"), seconds, max_seconds)


def late_or(kind: str, seconds: float | None, max_seconds: float) -> str:
    """Return ``late`` if the lag of ``seconds`` exceeds the limit and the status is no worse, else ``kind``."""
    return "late" if kind != "err" and seconds is not None and seconds >= max_seconds else kind


@dataclass(slots=True)
class Track:
    """One group over time.

    It has been of its ``kind`` since ``since`` (Unix seconds), or for longer unless ``is_exact``. ``lags`` are in
    messages, NaN without a reading. Both rings are indexed by the number of the slot since 1970.
    """

    entry: GroupPolicy | None
    kind: str
    since: float
    is_exact: bool
    slot: int
    kinds: bytearray = field(default_factory=lambda: bytearray(SLOTS))
    lags: array[float] = field(default_factory=lambda: array("d", [NOTHING]) * SLOTS)

    def note(self, kind: str, lag: float, moment: float, hold: int) -> None:
        """Add a reading. The previous one fills at most ``hold`` slots."""
        if kind != self.kind:
            self.kind, self.since, self.is_exact = kind, moment, True
        slot = int(moment // SLOT_SECONDS)
        at, last = slot % SLOTS, self.slot % SLOTS
        if slot != self.slot:
            gap = slot - self.slot
            held = (self.kinds[last], self.lags[last]) if 0 < gap <= hold else (0, NOTHING)
            for back in range(1, min(gap, SLOTS) if gap > 0 else SLOTS):
                self.kinds[(slot - back) % SLOTS], self.lags[(slot - back) % SLOTS] = held
            self.slot, self.kinds[at], self.lags[at] = slot, 0, lag
        self.kinds[at] = max(self.kinds[at], CODES[kind])

    def last_hour(self, moment: float) -> tuple[list[str], list[float]]:
        """Return the kinds and lags by slot, oldest first. Slots after the last reading are empty."""
        now = int(moment // SLOT_SECONDS)
        slots = range(now - SLOTS + 1, now + 1)
        known = [slot % SLOTS if self.slot - SLOTS < slot <= self.slot else None for slot in slots]
        kinds = [KINDS[0 if at is None else self.kinds[at]] for at in known]
        return kinds, [NOTHING if at is None else self.lags[at] for at in known]


@dataclass(slots=True)
class TopicTrack:
    """The sum of a topic's log end offsets over the last minutes, with the time of each reading (Unix seconds)."""

    times: array[float] = field(default_factory=lambda: array("d", [0.0]) * TOPIC_SLOTS)
    ends: array[float] = field(default_factory=lambda: array("d", [0.0]) * TOPIC_SLOTS)
    last: tuple[float, float] = (0.0, 0.0)

    def note(self, topic: Topic) -> None:
        """Add a reading. A log that has become shorter counts as a new one."""
        end = float(sum(topic.offsets))
        if end < self.last[1]:
            self.times = array("d", [0.0]) * TOPIC_SLOTS
        self.last = topic.read_at, end
        at = int(topic.read_at // SLOT_SECONDS) % TOPIC_SLOTS
        if topic.read_at - self.times[at] >= SLOT_SECONDS:
            self.times[at], self.ends[at] = self.last

    def rate(self) -> float | None:
        """Return the messages produced per second over the last minutes, or ``None`` before two readings."""
        moment, end = self.last
        oldest = moment - TOPIC_SLOTS * SLOT_SECONDS
        known = [pair for pair in zip(self.times, self.ends, strict=True) if oldest <= pair[0] < moment]
        time, start = min(known, default=(moment, end))
        return (end - start) / (moment - time) if moment > time else None


class History:
    """The history of one Burrow. ``hold`` is how many seconds a reading is valid.

    ``clusters`` is the last known state of each cluster. ``lost`` are the last readings of groups that Burrow still
    lists but whose readings have expired.

    One thread writes at a time; others may read concurrently.
    """

    def __init__(self, policy: Policy | None = None, hold: float = 45.0) -> None:
        self.clusters: Mapping[str, Cluster] = {}
        self.lost: Mapping[str, tuple[Group, ...]] = {}
        self._policy = policy
        self._is_new = False
        self._hold = math.ceil(hold / SLOT_SECONDS)
        self._groups: dict[str, dict[str, Track]] = {}
        self._topics: dict[str, dict[str, TopicTrack]] = {}

    def reconfigure(self, policy: Policy | None, hold: float) -> None:
        """Use another policy and ``hold`` from the next poll on."""
        self._hold = math.ceil(hold / SLOT_SECONDS)
        self._is_new = self._is_new or policy != self._policy
        self._policy = policy

    def group(self, cluster: str, name: str) -> Track | None:
        """Return the history of a group."""
        return self._groups.get(cluster, {}).get(name)

    def topic(self, cluster: str, name: str) -> TopicTrack | None:
        """Return the history of a topic."""
        return self._topics.get(cluster, {}).get(name)

    def record(self, snapshot: Snapshot) -> None:
        """Add the snapshot of a poll. Keeps the last known state of clusters that the poll could not read."""
        names = snapshot.names()
        read = [cluster for cluster in snapshot.clusters if cluster.expires_at >= snapshot.outcome.expires_at]
        known = {name: cluster for name, cluster in self.clusters.items() if name in names}
        lost = {name: groups for name, groups in self.lost.items() if name in names}
        for cluster in read:
            lost[cluster.name] = self._lost(cluster)
            if cluster.groups or cluster.name not in snapshot.outcome.behind or cluster.name not in known:
                known[cluster.name] = cluster
            self._record(cluster, lost[cluster.name], snapshot)
        self.clusters, self.lost, self._is_new = known, lost, False
        for gone in self._groups.keys() - names:
            del self._groups[gone], self._topics[gone]

    def _lost(self, cluster: Cluster) -> tuple[Group, ...]:
        """Return the last readings of listed groups that a poll could not read and whose readings have expired."""
        old = self.clusters.get(cluster.name)
        reasons = cluster.absent_groups
        if not old or not reasons:
            return ()
        groups = (*old.groups, *self.lost.get(cluster.name, ()))
        return tuple(group for group in groups if reasons.get(group.name) in UNREAD)

    def _record(self, cluster: Cluster, lost: tuple[Group, ...], snapshot: Snapshot) -> None:
        is_first = cluster.name not in self._groups
        tracks = self._groups.setdefault(cluster.name, {})
        topics = self._topics.setdefault(cluster.name, {})
        moment, slot = snapshot.taken_at, int(snapshot.taken_at // SLOT_SECONDS)
        for group in cluster.groups:
            if group.expires_at < snapshot.outcome.expires_at:
                continue
            track = tracks.get(group.name)
            if track is None or self._is_new:
                entry = self._policy.of_group(snapshot.burrow, cluster.name, group.name) if self._policy else None
            else:
                entry = track.entry
            seconds = largest(entry.lag_seconds(group) if entry else group.lag_seconds)
            kind = kind_of_group(group.status, seconds, max_lag_seconds(entry, moment))
            if track is None:
                track = tracks[group.name] = Track(entry, kind, moment, not is_first, slot - SLOTS)
            track.entry = entry
            track.note(kind, group.total_lag, moment, self._hold)
        for topic in cluster.topics:
            topics.setdefault(topic.name, TopicTrack()).note(topic)
        forget(tracks, {group.name for group in (*cluster.groups, *lost)}, slot)
        for name in topics.keys() - {topic.name for topic in cluster.topics}:
            del topics[name]


def max_lag_seconds(entry: GroupPolicy | None, moment: float) -> float:
    """Return the limit on a group's lag in seconds."""
    return entry.terms(moment).max_lag_seconds if entry else MAX_LAG_SECONDS


def forget(tracks: dict[str, Track], present: Collection[str], slot: int) -> None:
    """Remove groups that have been gone for an hour, or all that are gone if there are too many."""
    gone = tracks.keys() - present
    if gone:
        many = len(gone) > len(present) + SPARE
        for name in [name for name in gone if many or tracks[name].slot <= slot - SLOTS]:
            del tracks[name]
