"""Memory limits of one walk: anyone who may commit offsets can create any number of groups."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Collection, Sequence
from heapq import nsmallest

from burrow_exporter.burrow.failures import BurrowError, Endpoint, Reason
from burrow_exporter.burrow.partitions import Partitions
from burrow_exporter.polling.schedule import Resource

LABEL_CHARACTERS = 1024
"""Characters of names that take as much memory as one partition."""
LARGE_SHARE = 100
"""A group or topic with more than 1/100 of the partition limit is large. All large ones may take half of it."""


class Bounds:
    """Limits on the names that are requested and the partitions that are kept. Thread-safe.

    Each kind of name has its own limit of ``max_names``, so that a flood of groups does not displace topics. Names that
    were ``known`` after the previous walk take precedence over new ones.
    """

    def __init__(self, max_names: int, max_partitions: int, known: Collection[Resource]) -> None:
        self._known = known
        self._max_partitions = max_partitions
        self._new_names = Counter(dict.fromkeys((Endpoint.LAG, Endpoint.TOPIC), max_names))
        self._new_names.subtract(each.endpoint for each in known)
        self._large = self._small = 0
        self._lock = threading.Lock()

    def admit(self, endpoint: Endpoint, cluster: str, names: Sequence[str]) -> list[Resource]:
        """Return the names of a list without duplicates that may be requested, known ones first. Drops the rest."""
        known = {each.name for each in self._known if (each.endpoint, each.cluster) == (endpoint, cluster)}
        new = (name for name in names if name not in known)
        with self._lock:
            # Of a million names, the first in alphabetical order, whatever their order in this response.
            room = max(0, self._new_names[endpoint])
            chosen = nsmallest(room, new) if len(names) > room else list(new)
            self._new_names[endpoint] -= len(chosen)
        return [Resource(endpoint, cluster, name) for name in (*filter(known.__contains__, names), *chosen)]

    def add(self, resource: Resource, partitions: int, characters: int) -> None:
        """Reserve room for a response with this many partitions and this many characters of names on the page.

        Raises ``BurrowError`` if the limit is reached.
        """
        weight = partitions + characters // LABEL_CHARACTERS
        is_large = weight * LARGE_SHARE > self._max_partitions
        with self._lock:
            large, small = self._large + weight * is_large, self._small + weight * (not is_large)
            if large > self._max_partitions // 2 or large + small > self._max_partitions:
                detail = f"{resource} has {partitions} partitions, more than max_partitions allows"
                raise BurrowError(resource.endpoint, Reason.TOO_MANY, detail)
            self._large, self._small = large, small


def label_characters(cluster: str, group: str, partitions: Partitions) -> int:
    """Return the number of characters in the labels of a group's partitions."""
    own = sum(sum(map(len, column)) for column in (partitions.topics, partitions.owners, partitions.client_ids))
    return own + len(partitions) * (len(cluster) + len(group))
