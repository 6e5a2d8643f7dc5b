"""Real consumers, one thread each, that read and commit in different ways and record their commits in the ledger."""

from __future__ import annotations

import threading
import time
from dataclasses import dataclass
from typing import Any

from confluent_kafka import Consumer, KafkaException, TopicPartition

from tests.e2e.truth.ledger import Ledger, Place


@dataclass(frozen=True)
class Habit:
    """How a consumer reads and commits."""

    rate: float = 1e9
    """Messages a second, at most."""
    every: float = 2.0
    """Seconds between commits."""
    work: float = 0.0
    """Seconds of work after each batch: a batch job. It reads all there is, works, commits."""
    protocol: str = "classic"
    isolation: str = "read_committed"
    assign: bool = False
    commit_last: bool = False
    """Commit the last message's offset + 1, not the position behind a transaction's marker (faust, others)."""
    reset: str = "earliest"


class Reader(threading.Thread):
    """One consumer group of one member."""

    def __init__(self, servers: str, ledger: Ledger, group: str, topic: str, partitions: int, habit: Habit) -> None:
        super().__init__(daemon=True, name=group)
        self.group, self.topic, self.partitions, self.habit, self.ledger = group, topic, partitions, habit, ledger
        self.frozen = threading.Event()
        self._rewind: int | None = None
        self._pause: int | None = None
        self._over = threading.Event()
        self._settings = {
            "bootstrap.servers": servers,
            "group.id": group,
            "client.id": f"{group}-1",
            "enable.auto.commit": False,
            "enable.auto.offset.store": False,
            "auto.offset.reset": habit.reset,
            "isolation.level": habit.isolation,
            "group.protocol": habit.protocol,
            "topic.metadata.refresh.interval.ms": 2000,
            "queued.max.messages.kbytes": 256,
            "fetch.wait.max.ms": 500,
        }
        if habit.protocol == "classic":
            self._settings["session.timeout.ms"] = 10_000
        self._last: dict[int, int] = {}

    def run(self) -> None:
        """Read and commit until stopped; then leave the group without a last commit."""
        consumer = Consumer(self._settings)
        if self.habit.assign:
            consumer.assign([TopicPartition(self.topic, one) for one in range(self.partitions)])
        else:
            consumer.subscribe([self.topic])
        committed_at, owed, before = time.time(), 0.0, time.time()
        while not self._over.is_set():
            now = time.time()
            owed, before = min(owed + self.habit.rate * (now - before), max(1.0, self.habit.rate)), now
            owed -= self._read(consumer, owed)
            self._obey(consumer)
            if time.time() - committed_at >= self.habit.every:
                if self.habit.work:
                    self._over.wait(self.habit.work)
                self._commit(consumer)
                committed_at = time.time()
        consumer.close()

    def stop(self) -> None:
        """Leave the group."""
        self._over.set()
        self.join(15)

    def rewind(self, messages: int) -> None:
        """Go back so many messages in every partition."""
        self._rewind = messages

    def pause(self, partition: int) -> None:
        """Read a partition no more, and go on with the others."""
        self._pause = partition

    def _read(self, consumer: Consumer, owed: float) -> int:
        """Read what may be read now; return how many messages that were."""
        if self.frozen.is_set() or owed < 1.0:
            time.sleep(0.05)
            return 0
        messages = [one for one in consumer.consume(min(int(owed), 500), 0.2) if one.error() is None]
        for message in messages:
            partition, offset = message.partition(), message.offset()
            if partition is not None and offset is not None:
                self._last[partition] = offset + 1
        return len(messages)

    def _obey(self, consumer: Consumer) -> None:
        """Carry out what was asked for from another thread."""
        if self._pause is not None:
            consumer.pause([TopicPartition(self.topic, self._pause)])
            self._pause = None
        if self._rewind is not None:
            for partition, offset in list(self._last.items()):
                self._last[partition] = max(0, offset - self._rewind)
                consumer.seek(TopicPartition(self.topic, partition, self._last[partition]))
            self._rewind = None

    def _places(self, consumer: Consumer) -> dict[Place, int]:
        """Return what there is to commit: positions (which pass a transaction's marker), or last messages + 1."""
        if self.habit.commit_last:
            return {(self.topic, one): offset for one, offset in self._last.items()}
        asked = [TopicPartition(self.topic, one) for one in self._last]
        found = consumer.position(asked) if asked else []
        return {(one.topic, one.partition): one.offset for one in found if one.offset >= 0}

    def _commit(self, consumer: Consumer) -> None:
        """Commit, and take it down as of the middle of the request; a failure is tried again the next time."""
        places, before = self._places(consumer), time.time()
        if not places:
            return
        try:
            answer: Any = consumer.commit(
                offsets=[TopicPartition(*place, offset) for place, offset in places.items()], asynchronous=False
            )
        except KafkaException:
            return
        for one in answer or []:
            if one.error is None:
                self.ledger.committed(self.group, (one.topic, one.partition), one.offset, (before + time.time()) / 2)
