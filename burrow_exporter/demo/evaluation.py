"""Burrow's evaluation of windows: statuses of partitions and groups, evaluated on request and cached."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from threading import Lock

import msgspec

from burrow_exporter.demo.groups import Cluster, Group, Subscription
from burrow_exporter.demo.settings import Knowledge
from burrow_exporter.demo.windows import Commit, Window, judge


class PartitionStatus(msgspec.Struct, frozen=True, gc=False):
    """One of ``partitions`` in ``/status`` and ``/lag``. ``complete`` is the filled share of the window, 0 to 1."""

    topic: str
    partition: int
    owner: str
    client_id: str
    status: str
    start: Commit | None
    end: Commit | None
    current_lag: int
    complete: float


class GroupStatus(msgspec.Struct, frozen=True):
    """``status`` in ``/status`` and ``/lag``. ``complete`` is the share of the partitions with a full window."""

    cluster: str
    group: str
    status: str
    complete: float
    partitions: Sequence[PartitionStatus]
    partition_count: int
    maxlag: PartitionStatus | None
    totallag: int

    def only_bad(self) -> GroupStatus:
        """Return this status with only the partitions that are not OK, as ``/status`` does."""
        return msgspec.structs.replace(self, partitions=[each for each in self.partitions if each.status != "OK"])


def not_found(cluster: str, group: str) -> GroupStatus:
    """Return Burrow's response for an unknown group."""
    return GroupStatus(cluster, group, "NOTFOUND", 1, (), 0, None, 0)


def evaluate(cluster: str, group: Group, knowledge: Knowledge, now: float) -> GroupStatus:
    """Return the status of a group at ``now`` (Unix seconds)."""
    partitions = [
        _partition_status(group, subscription, partition, window, knowledge, int(now))
        for subscription in group.subscriptions
        for partition, window in enumerate(subscription.windows(group.schedule, knowledge, now))
    ]
    return GroupStatus(
        cluster,
        group.name,
        _group_status({partition.status for partition in partitions}),
        _share(sum(partition.complete == 1 for partition in partitions), len(partitions)),
        partitions,
        len(partitions),
        max(partitions, key=lambda partition: partition.current_lag, default=None),
        sum(partition.current_lag for partition in partitions),
    )


def _partition_status(
    group: Group, subscription: Subscription, partition: int, window: Window, knowledge: Knowledge, now: int
) -> PartitionStatus:
    owner, client_id = group.owner(subscription, partition)
    commits = window.commits
    # Burrow counts one commit too many in a window that it created because of an owner.
    filled = len(commits) or (1 if owner else 0)
    return PartitionStatus(
        subscription.topic.name,
        partition,
        owner,
        client_id,
        judge(window, now),
        commits[0] if commits else None,
        commits[-1] if commits else None,
        window.current_lag,
        _share(filled, knowledge.settings.intervals),
    )


def _group_status(statuses: set[str]) -> str:
    if statuses & {"STOP", "STALL", "REWIND"}:
        return "ERR"
    return "WARN" if "WARN" in statuses else "OK"


def _share(part: int, whole: int) -> float:
    """Return a share as Burrow writes it: 0 and 1 without a decimal point."""
    return part / whole if 0 < part < whole else int(part > 0)


class Evaluator:
    """Evaluates groups on request, each at most every ``expire_cache`` seconds. Thread-safe."""

    def __init__(self, knowledge: Knowledge, clock: Callable[[], float]) -> None:
        self._knowledge = knowledge
        self._clock = clock
        self._lock = Lock()
        self._cache: dict[tuple[str, str], tuple[float, GroupStatus]] = {}

    def status(self, cluster: Cluster, group: str) -> GroupStatus:
        """Return the status of a group, up to ``expire_cache`` seconds old; unknown groups are NOTFOUND."""
        with self._lock:
            now, key = self._clock(), (cluster.name, group)
            expires, status = self._cache.get(key, (now, None))
            if status is None or now >= expires:
                found = cluster.group(group, now)
                status = evaluate(cluster.name, found, self._knowledge, now) if found else not_found(*key)
                self._cache[key] = (now + self._knowledge.settings.expire_cache, status)
            return status
