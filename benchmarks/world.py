"""A made-up Kafka cluster, and what Burrow answers about it, byte for byte in Burrow's own form.

Ten groups share one topic. From generation to generation (one a poll) every ``stride``-th partition of each topic gets
messages, and all groups that read it commit there: the stand-in moves a tenth of every group with a stride of 10,
everything with 1, and nothing with 0. What does not move is byte for byte what it was. About half of the partitions
have lag, and commits, lags and log ends agree with each other, so that lag in seconds has a true history to work on.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

GROUPS_A_TOPIC = 10
OWN_PARTITIONS = 50
OWN_GROUP = "burrow-bench"
INTERNAL_TOPIC = "__consumer_offsets"
HISTORY_SECONDS = 90
PARTITION = (
    b'{"topic":"%b","partition":%d,"owner":"%b","client_id":"%b","status":"%b",'
    b'"start":{"offset":%d,"timestamp":%d,"observedAt":%d,"lag":%d},'
    b'"end":{"offset":%d,"timestamp":%d,"observedAt":%d,"lag":%d},"current_lag":%d,"complete":%b}'
)
STATUS = (
    b'{"error":false,"message":"consumer status returned","status":{"cluster":"%b","group":"%b","status":"%b",'
    b'"complete":%b,"partitions":[%b],"partition_count":%d,"maxlag":%b,"totallag":%d},'
    b'"request":{"url":"%b","host":"bench"}}'
)
LIST = b'{"error":false,"message":"%b list returned","%b":[%b],"request":{"url":"%b","host":"bench"}}'
OFFSETS = b'{"error":false,"message":"topic offsets returned","offsets":[%b],"request":{"url":"%b","host":"bench"}}'

Commit = tuple[int, int, int, int]
"""Offset, timestamp and observedAt in milliseconds, lag in messages."""


@dataclass(frozen=True, slots=True)
class Shape:
    """How large a world is, and how much of it moves from one generation to the next (see ``stride`` above)."""

    groups: int
    partitions: int
    stride: int

    def moved(self, since: int, until: int) -> list[int]:
        """Return the partitions that move after generation ``since`` up to ``until``."""
        if not self.stride:
            return []
        steps = range(max(since, until - self.stride) + 1, until + 1)
        slots = {step % self.stride for step in steps}
        return [partition for partition in range(self.partitions) if partition % self.stride in slots]


class TopicLog:
    """The log ends of one topic's partitions."""

    def __init__(self, name: str, partitions: int, shape: Shape, now: float) -> None:
        self.name = name
        self.rates = [1 + (partition * 37 + len(name) * 11) % 120 for partition in range(partitions)]
        self.ends = [1_000_000 + partition * 7919 for partition in range(partitions)]
        self._shape = shape
        self._moved_at = [now - age(partition) for partition in range(partitions)]
        self._generation = 0

    def advance(self, generation: int, now: float) -> None:
        """Write the messages of the generations since the last call."""
        if generation == self._generation:
            return
        for partition in self._shape.moved(self._generation, generation):
            elapsed = now - self._moved_at[partition]
            self.ends[partition] += 1 + int(self.rates[partition] * elapsed)
            self._moved_at[partition] = now
        self._generation = generation

    def body(self, path: bytes) -> bytes:
        """Return Burrow's answer for the topic."""
        return OFFSETS % (b",".join(b"%d" % end for end in self.ends), path)


class GroupWindow:
    """One consumer group: the last two commits of its partitions, and its answer, patched where they move."""

    def __init__(self, index: int, name: str, topic: TopicLog, shape: Shape, now: float) -> None:
        self.name = name
        self._index = index
        self._topic = topic
        self._shape = shape
        self._generation = 0
        self._status = {3: b"ERR", 5: b"WARN"}.get(index % 20, b"OK")
        self._name = name.encode()
        self._windows: list[tuple[Commit, Commit]] = []
        for partition, end in enumerate(topic.ends):
            moved_at = now - age(partition)
            earlier = end - topic.rates[partition] * HISTORY_SECONDS
            before = self._commit(partition, earlier, moved_at - HISTORY_SECONDS)
            self._windows.append((before, self._commit(partition, end, moved_at)))
        self._rendered = [self._render(partition) for partition in range(shape.partitions)]
        self._cached = b""

    def body(self, cluster: str, path: bytes, generation: int, now: float) -> bytes:
        """Return Burrow's answer for the group's lag."""
        moved = self._shape.moved(self._generation, generation)
        self._generation = generation
        for partition in moved:
            commit = self._commit(partition, self._topic.ends[partition], now)
            self._windows[partition] = self._windows[partition][1], commit
            self._rendered[partition] = self._render(partition)
        if moved or not self._cached:
            self._cached = self._join(cluster.encode(), path)
        return self._cached

    def _commit(self, partition: int, end: int, now: float) -> Commit:
        behind = (self._index + partition) % 2 and self.name != OWN_GROUP
        lag = behind * (1 + (self._index * 31 + partition * 17 + self._generation * 7) % 3000)
        return end - lag, int(now * 1000) - 700, int(now) * 1000, lag

    def _render(self, partition: int) -> bytes:
        start, end = self._windows[partition]
        # Commits of an admin client or by the new group protocol name no member.
        owner = b"/10.0.%d.%d" % (self._index % 200, partition % 4) if self._index % 3 else b""
        client = b"billing-%d" % (partition % 4) if self._index % 3 else b""
        status, complete = self._judgement(partition)
        topic = self._topic.name.encode()
        return PARTITION % (topic, partition, owner, client, status, *start, *end, end[3], complete)

    def _judgement(self, partition: int) -> tuple[bytes, bytes]:
        """Return the status and the share of the window that is filled; most groups are well."""
        complete = b"0.9" if self._index % 50 == 7 and partition % 2 else b"1"  # noqa: PLR2004  one group in fifty
        bad = {b"ERR": (b"STOP", b"STALL", b"REWIND")[partition % 3], b"WARN": b"WARN"}.get(self._status, b"OK")
        return (bad if partition % 8 == 1 else b"OK"), complete

    def _join(self, cluster: bytes, path: bytes) -> bytes:
        lags = [end[3] for _, end in self._windows]
        worst = self._rendered[lags.index(max(lags))]
        partitions = b",".join(self._rendered)
        return STATUS % (cluster, self._name, self._status, b"1", partitions, len(lags), worst, sum(lags), path)


class World:
    """One cluster: ``answer`` is Burrow. ``name`` is the cluster's; a request for the clusters moves it on."""

    def __init__(self, name: str, shape: Shape, clock: Callable[[], float] = time.time) -> None:
        self.generation = 0
        self._name = name
        self._clock = clock
        self._now = clock()
        count = -(-shape.groups // GROUPS_A_TOPIC)
        topics = [f"orders-{index:04}" for index in range(count)]
        self._topics = {topic: TopicLog(topic, shape.partitions, shape, self._now) for topic in topics}
        self._groups = self._make_groups(topics, shape)
        always = Shape(1, OWN_PARTITIONS, 1)
        self._topics[INTERNAL_TOPIC] = own = TopicLog(INTERNAL_TOPIC, OWN_PARTITIONS, always, self._now)
        self._groups[OWN_GROUP] = GroupWindow(0, OWN_GROUP, own, always, self._now), own
        self._routes = self._make_routes()

    def answer(self, path: bytes) -> bytes | None:
        """Return the body of the answer to a GET, ``None`` for 404."""
        route = self._routes.get(path)
        return route(path) if route else None

    def _make_groups(self, topics: Sequence[str], shape: Shape) -> dict[str, tuple[GroupWindow, TopicLog]]:
        groups = {}
        for index in range(shape.groups):
            topic = self._topics[topics[index // GROUPS_A_TOPIC]]
            name = f"billing-{index:05}"
            groups[name] = GroupWindow(index, name, topic, shape, self._now), topic
        return groups

    def _make_routes(self) -> dict[bytes, Callable[[bytes], bytes | None]]:
        base = f"/v3/kafka/{self._name}"
        routes: dict[str, Callable[[bytes], bytes | None]] = {
            "/burrow/admin/ready": lambda _: b"READY",
            "/v3/kafka": self._clusters,
            f"{base}/consumer": lambda path: listing(b"consumers", self._groups, path),
            f"{base}/topic": lambda path: listing(b"topics", self._topics, path),
        }
        routes |= {f"{base}/consumer/{name}/lag": self._group for name in self._groups}
        routes |= {f"{base}/topic/{name}": self._topic for name in self._topics}
        return {path.encode(): route for path, route in routes.items()}

    def _clusters(self, path: bytes) -> bytes:
        self.generation += 1
        self._now = self._clock()
        return listing(b"clusters", [self._name], path)

    def _group(self, path: bytes) -> bytes:
        group, topic = self._groups[path.split(b"/")[-2].decode()]
        topic.advance(self.generation, self._now)
        return group.body(self._name, path, self.generation, self._now)

    def _topic(self, path: bytes) -> bytes:
        topic = self._topics[path.split(b"/")[-1].decode()]
        topic.advance(self.generation, self._now)
        return topic.body(path)


def age(partition: int) -> float:
    """Return how many seconds before the world's beginning a partition last moved."""
    return partition % 10 * 2.0


def listing(key: bytes, names: Iterable[str], path: bytes) -> bytes:
    """Return one of Burrow's lists."""
    return LIST % (key[:-1], key, b",".join(b'"%b"' % name.encode() for name in names), path)
