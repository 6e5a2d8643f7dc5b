"""Which topics' lists of log end offsets may be read by index. No I/O.

Burrow omits partitions whose offset it does not know, such as one without a leader since Burrow started (``GET
/v3/kafka/C/topic/T``). After such a gap every index belongs to another partition. Burrow has no endpoint for the number
of partitions, but a group's response lists all partitions of a topic that the group reads.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from burrow_exporter.snapshot import Topic


class LogEnds:
    """The known partition counts of one cluster's topics."""

    def __init__(self) -> None:
        self._counts: dict[str, int] = {}

    def trusted(self, topics: Iterable[Topic], counts: Mapping[str, int]) -> tuple[Topic, ...]:
        """Return the topics whose lists have no gap. ``counts`` are partitions by topic, from the groups' responses.

        While one topic has a known gap, topics whose partition count is unknown may have one as well.
        """
        known, topics = self._counts, list(topics)
        whole = [topic for topic in topics if self._is_whole(topic, counts.get(topic.name, 0))]
        if len(whole) < len(topics):
            whole = [topic for topic in whole if topic.name in counts or topic.name in known]
        newest = ((topic.name, max(known.get(topic.name, 0), counts.get(topic.name, 0))) for topic in topics)
        self._counts = {name: count for name, count in newest if count} | {
            topic.name: len(topic.offsets) for topic in whole
        }
        return tuple(whole)

    def _is_whole(self, topic: Topic, reported: int) -> bool:
        """Return whether a list is complete.

        A list that has become shorter is complete if the groups report exactly that length: Burrow counts partitions
        from its start, and may find a topic that was recreated with fewer.
        """
        length = len(topic.offsets)
        return length >= max(reported, self._counts.get(topic.name, 0)) or length == reported
