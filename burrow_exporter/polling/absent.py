"""Why a group that Burrow lists is not shown."""

from __future__ import annotations

from collections.abc import Collection
from enum import StrEnum
from itertools import islice
from typing import Final

from burrow_exporter.polling.readings import left_out_by
from burrow_exporter.polling.walk import ClusterWalk
from burrow_exporter.settings.config import Filters

MOST: Final = 1000
"""The number of absent groups of a cluster that are kept with their reason."""


class Absence(StrEnum):
    """Why a listed group is not shown."""

    OWN = "own"
    NOT_FOUND = "not_found"
    NAME = "name"
    TOPIC = "topic"
    COMMIT_AGE = "commit_age"
    SHARD = "shard"
    UNREADABLE = "unreadable"
    HELD = "held"


def absent_groups(
    walk: ClusterWalk, wanted: Collection[str], shown: Collection[str], own: Collection[str], filters: Filters
) -> dict[str, str]:
    """Return the listed groups that are not ``shown``, each with the reason, at most ``MOST``.

    ``wanted`` are the groups of this shard that pass the name filters, ``own`` Burrow's own groups.
    """
    wanted = set(wanted)
    missing = (name for name in walk.listed_groups or () if name not in shown)

    def reason(name: str) -> Absence:
        if name in own:
            return Absence.OWN
        if name not in wanted:
            return Absence.SHARD if filters.group.admits(name) else Absence.NAME
        if name in walk.filtered:
            return Absence(left_out_by(walk.filtered[name], filters))
        if name not in walk.groups:
            return Absence.UNREADABLE
        return Absence.HELD if walk.groups[name] else Absence.NOT_FOUND

    return {name: reason(name) for name in islice(missing, MOST)}
