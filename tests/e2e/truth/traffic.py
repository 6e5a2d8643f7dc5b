"""Producers: one thread writes to all topics at uneven rates; transactions have their own producer."""

from __future__ import annotations

import math
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

from confluent_kafka import KafkaError, KafkaException, Producer

from tests.e2e.truth.ledger import Ledger

Rate = Callable[[float], float]
"""Messages a second of one partition, by the seconds since the run's start."""

TICK = 0.1


def steady(rate: float) -> Rate:
    """Write evenly."""
    return lambda _: rate


def uneven(rate: float) -> Rate:
    """Write between a fifth and twice the rate, in waves of 47 s, with a silence of 7 s in each 61."""
    return lambda now: 0.0 if now % 61 > 54 else rate * (1.1 + 0.9 * math.sin(now / 47 * 2 * math.pi))


def bursts(size: float, every: float) -> Rate:
    """Write so many messages within one second, and nothing until the next burst."""
    return lambda now: size if now % every < 1.0 else 0.0


@dataclass
class Stream:
    """One topic's traffic: its rates by partition (the last holds for all others), and the rest not yet written."""

    topic: str
    partitions: int
    rates: list[Rate]
    owed: list[float] = field(default_factory=list)
    on: bool = True


class Traffic(threading.Thread):
    """Writes to all streams until stopped; the ledger learns each message's offset and timestamp."""

    def __init__(self, servers: str, ledger: Ledger) -> None:
        super().__init__(daemon=True, name="traffic")
        self.ledger = ledger
        self.streams: dict[str, Stream] = {}
        self.paused = threading.Event()
        self._producer = Producer({"bootstrap.servers": servers, "linger.ms": 5, "max.in.flight": 1})
        self._over = threading.Event()

    def add(self, topic: str, partitions: int, *rates: Rate) -> None:
        """Begin to write to a topic."""
        self.streams[topic] = Stream(topic, partitions, list(rates), [0.0] * partitions)

    def run(self) -> None:
        """Write, tick by tick."""
        begun = before = time.time()
        while not self._over.wait(TICK):
            now = time.time()
            for stream in list(self.streams.values()):
                if stream.on and not self.paused.is_set():
                    self._write(stream, now - begun, now - before)
            before = now
            self._producer.poll(0)
        self._producer.flush(10)

    def once(self, topic: str, partition: int, count: int) -> None:
        """Write some messages now."""
        for _ in range(count):
            self._produce(topic, partition)
        self._producer.flush(10)

    def stop(self) -> None:
        """End the thread."""
        self._over.set()
        self.join(15)

    def _write(self, stream: Stream, since: float, seconds: float) -> None:
        for partition in range(stream.partitions):
            rate = stream.rates[min(partition, len(stream.rates) - 1)]
            stream.owed[partition] += rate(since) * seconds
            for _ in range(int(stream.owed[partition])):
                self._produce(stream.topic, partition)
            stream.owed[partition] %= 1.0

    def _produce(self, topic: str, partition: int) -> None:
        try:
            self._producer.produce(topic, b"x", partition=partition, on_delivery=self._delivered)
        except BufferError:
            self._producer.poll(0.1)

    def _delivered(self, error: KafkaError | None, message: Any) -> None:
        if error is None:
            place = (message.topic(), message.partition())
            self.ledger.written(place, message.offset(), message.timestamp()[1] / 1000)


class Transactions(threading.Thread):
    """Writes to one partition in transactions: ten messages every second, and each commit's marker takes an offset."""

    def __init__(self, servers: str, ledger: Ledger, topic: str, quiet_after: float = math.inf) -> None:
        super().__init__(daemon=True, name=f"transactions {topic}")
        self.topic, self.ledger, self.quiet_after = topic, ledger, quiet_after
        settings = {"bootstrap.servers": servers, "transactional.id": topic, "linger.ms": 5}
        self._producer = Producer(settings)
        self._over = threading.Event()

    def run(self) -> None:
        """Write until stopped, or until it is time to be quiet."""
        self._producer.init_transactions(30)
        begun = time.time()
        while not self._over.wait(1.0):
            if time.time() - begun > self.quiet_after:
                continue
            try:
                self._transact()
            except KafkaException:
                with suppress(KafkaException):
                    self._producer.abort_transaction(30)

    def stop(self) -> None:
        """End the thread."""
        self._over.set()
        self.join(15)

    def _transact(self) -> None:
        self._producer.begin_transaction()
        for _ in range(10):
            self._producer.produce(self.topic, b"x", partition=0, on_delivery=self._delivered)
        self._producer.commit_transaction(30)

    def _delivered(self, error: KafkaError | None, message: Any) -> None:
        if error is None:
            place = (message.topic(), message.partition())
            self.ledger.written(place, message.offset(), message.timestamp()[1] / 1000)
