"""Commits, partitions, groups and topics as a poll reads them, with defaults for what a test does not use.

Times are Unix time in seconds.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from burrow_exporter.burrow.answers import Commit, Partition
from burrow_exporter.burrow.partitions import GroupStatus, Partitions
from burrow_exporter.snapshot import Group


def commit(at: float = 1.0, offset: int = 1, lag: int | None = 0, *, observed: float | None = None) -> Commit:
    """Return a commit made at ``at``, observed by Burrow then or at ``observed``."""
    return Commit(offset, int(at * 1000), int((at if observed is None else observed) * 1000), lag)


def partition(end: Commit | None, lag: int = 0, number: int = 0, **fields: Any) -> Partition:
    """Return a partition of topic ``t`` with one commit in its window, or none."""
    known = {"topic": "t", "owner": "", "client_id": "", "status": "OK", "start": end, "complete": 1.0 if end else 0.0}
    return Partition(partition=number, end=end, current_lag=lag, **{**known, **fields})


def group(
    read_at: float, *partitions: Partition, name: str = "g", uncommitted: Iterable[Partition] = (), **fields: Any
) -> Group:
    """Return a group read at ``read_at``; its lag is the sum of its partitions' lags."""
    lags = [each.current_lag for each in partitions]
    known = {"expires_at": read_at, "total_lag": sum(lags), "max_lag": max(lags, default=0)}
    columns = (Partitions(partitions), Partitions(uncommitted))
    return Group(name, fields.pop("status", "OK"), *columns, read_at=read_at, **{**known, **fields})


def group_status(name: str, *partitions: Partition, status: str = "OK") -> GroupStatus:
    """Return Burrow's evaluation of a group of cluster ``c``."""
    return GroupStatus("c", name, status, Partitions(partitions), sum(each.current_lag for each in partitions))
