"""Which topics' lists of log ends may be read by index. No I/O.

Burrow leaves out the partitions whose offset it does not know, such as one that has had no leader since Burrow started
(``GET /v3/kafka/C/topic/T``): every index behind such a hole is that of another partition. It says nowhere how many
partitions a topic has, but a group's answer lists all of a topic that the group reads.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from burrow_exporter.snapshot import Topic


class LogEnds:
    """How many partitions the topics of one cluster have, as far as anything has told."""

    def __init__(self) -> None:
        self._counts: dict[str, int] = {}

    def trusted(self, topics: Iterable[Topic], counts: Mapping[str, int]) -> tuple[Topic, ...]:
        """Return the topics whose lists have no hole; ``counts`` are partitions by topic, as the groups tell them.

        While a hole is known in one topic, another that nothing has told of may have one as well.
        """
        known, topics = self._counts, list(topics)
        whole = [topic for topic in topics if self._is_whole(topic, counts.get(topic.name, 0))]
        if len(whole) < len(topics):
            whole = [topic for topic in whole if topic.name in counts or topic.name in known]
        told = ((topic.name, max(known.get(topic.name, 0), counts.get(topic.name, 0))) for topic in topics)
        self._counts = {name: count for name, count in told if count} | {
            topic.name: len(topic.offsets) for topic in whole
        }
        return tuple(whole)

    def _is_whole(self, topic: Topic, told: int) -> bool:
        """Tell whether a list is as long as it has to be.

        One that is shorter than it was is right where the groups tell just that length: Burrow begins to count anew
        with its start, and may find a topic that was made again with fewer partitions.
        """
        length = len(topic.offsets)
        return length >= max(told, self._counts.get(topic.name, 0)) or length == told
