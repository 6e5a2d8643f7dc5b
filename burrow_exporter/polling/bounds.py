"""What one walk may keep in memory: whoever may commit offsets can make groups without end."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Collection, Sequence
from heapq import nsmallest

from burrow_exporter.burrow.failures import BurrowError, Endpoint, Reason
from burrow_exporter.burrow.partitions import Partitions
from burrow_exporter.polling.schedule import Resource

LABEL_CHARACTERS = 1024
"""Characters of names that cost as much memory as a partition."""
LARGE_SHARE = 100
"""What takes more than this part of the bound on partitions is large; all that is large may take half of the bound."""


class Bounds:
    """Bounds on the names that are asked for and the partitions that are kept, for use by several threads.

    There is room for ``max_names`` of each kind, so that a flood of groups takes none from the topics. What was
    ``known`` after the walk before goes before what is new, so that nothing new can displace it.
    """

    def __init__(self, max_names: int, max_partitions: int, known: Collection[Resource]) -> None:
        self._known = known
        self._max_partitions = max_partitions
        self._new_names = Counter(dict.fromkeys((Endpoint.LAG, Endpoint.TOPIC), max_names))
        self._new_names.subtract(each.endpoint for each in known)
        self._large = self._small = 0
        self._lock = threading.Lock()

    def admit(self, endpoint: Endpoint, cluster: str, names: Sequence[str]) -> list[Resource]:
        """Return what may be asked for of a list without doubles, the known first; the rest has no room."""
        known = {each.name for each in self._known if (each.endpoint, each.cluster) == (endpoint, cluster)}
        new = (name for name in names if name not in known)
        with self._lock:
            # Of a million names the first by name, whatever their order in this answer.
            room = max(0, self._new_names[endpoint])
            chosen = nsmallest(room, new) if len(names) > room else list(new)
            self._new_names[endpoint] -= len(chosen)
        return [Resource(endpoint, cluster, name) for name in (*filter(known.__contains__, names), *chosen)]

    def add(self, resource: Resource, partitions: int, characters: int) -> None:
        """Take room for an answer with so many partitions, and so many characters of names on the page.

        Raises ``BurrowError`` where there is none.
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
    """Return how many characters of names the partitions of a group take."""
    own = sum(sum(map(len, column)) for column in (partitions.topics, partitions.owners, partitions.client_ids))
    return own + len(partitions) * (len(cluster) + len(group))
