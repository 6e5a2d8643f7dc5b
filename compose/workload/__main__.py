"""Produces and consumes like a small company, for the demo.

``python -m workload BOOTSTRAP_SERVERS`` runs until stopped; with ``healthcheck`` it checks that the running one works.
Every group is one member in its own thread.
"""

from __future__ import annotations

import random
import signal
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from threading import Event, Thread

from confluent_kafka import Consumer, KafkaError, KafkaException, Message, Producer, TopicPartition
from confluent_kafka.admin import AdminClient, NewTopic

from .company import GROUPS, TOPICS, Group

BEAT = Path("/tmp/workload-beat")  # noqa: S108  a file system of the container's own
BEAT_EVERY, BEAT_LATE = 5.0, 30.0

stop = Event()


class Workload:
    """Producers and groups on one Kafka, from ``run`` until the process is stopped."""

    def __init__(self, servers: str) -> None:
        self._common = {"bootstrap.servers": servers, "client.id": "workload"}
        self._start = time.monotonic()
        self._committed = Event()

    def run(self) -> int:
        """Work, with a heartbeat every few seconds; return the exit code."""
        self._make_topics()
        jobs = [Thread(target=self._produce, daemon=True)]
        jobs += [Thread(target=self._live, args=(group,), name=group.name, daemon=True) for group in GROUPS]
        for job in jobs:
            job.start()
        while not stop.wait(BEAT_EVERY):
            dead = [job.name for job in jobs if not job.is_alive()]
            if dead:
                say(f"ended by itself: {', '.join(dead)}")
                return 1
            if self._committed.is_set():  # creates __consumer_offsets
                BEAT.touch()
        return 0

    def _moment(self) -> float:
        return time.monotonic() - self._start

    def _make_topics(self) -> None:
        wanted = [NewTopic(topic.name, num_partitions=topic.partitions, replication_factor=1) for topic in TOPICS]
        admin = AdminClient(self._common)  # its answers come only as long as it is kept
        for name, made in admin.create_topics(wanted).items():
            try:
                made.result()
            except KafkaException as error:
                if error.args[0].code() != KafkaError.TOPIC_ALREADY_EXISTS:
                    raise
                say(f"topic {name} is there already")

    def _produce(self) -> None:
        """Produce to every topic at its rate; the first partition gets three times as much as the others."""
        producer = Producer({**self._common, "linger.ms": 50})
        step = 0.2
        while not stop.wait(step):
            for topic in TOPICS:
                weights = [3, *[1] * (topic.partitions - 1)]
                due = topic.rate(self._moment()) * step
                count = int(due) + (random.random() < due % 1)  # noqa: S311  no secret
                for partition in random.choices(range(topic.partitions), weights, k=count):  # noqa: S311  no secret
                    producer.produce(topic.name, b"x" * 100, partition=partition)
            producer.poll(0)
        producer.flush(5)

    def _live(self, group: Group) -> None:
        """Be a member of the group whenever its process is up."""
        while not stop.wait(1):
            if group.pace(self._moment()) is not None:
                with self._member(group) as consumer:
                    self._work(group, consumer)

    @contextmanager
    def _member(self, group: Group) -> Iterator[Consumer]:
        consumer = Consumer(
            {
                **self._common,
                "client.id": f"{group.name}-1",
                "group.id": group.name,
                "enable.auto.commit": False,
                "auto.offset.reset": "earliest",
                "queued.max.messages.kbytes": 1024,
            }
        )
        consumer.subscribe([group.topic.name])
        try:
            yield consumer
        finally:
            consumer.close()

    def _work(self, group: Group, consumer: Consumer) -> None:
        """Read and commit once a second, until the group's process is down."""
        rewound = self._moment()
        while not stop.is_set():
            pace = group.pace(self._moment())
            if pace is None:
                return
            read(consumer, pace)
            if self._moment() - rewound > group.rewinds_every:
                rewound = self._moment()
                go_back(consumer)
            if commit(consumer):
                self._committed.set()


def read(consumer: Consumer, pace: float) -> None:
    """Read for a second, at most ``pace`` messages; members that read nothing poll to keep their membership."""
    if pace:
        end = time.monotonic() + 1
        check(consumer.consume(int(min(pace, 1000)), timeout=1))
        stop.wait(max(0.0, end - time.monotonic()))
        return
    assigned = consumer.assignment()
    consumer.pause(assigned)
    check([message for message in [consumer.poll(1)] if message])
    consumer.resume(assigned)


def check(messages: list[Message]) -> None:
    """Log errors that Kafka returned instead of messages."""
    for error in {str(message.error()) for message in messages if message.error()}:
        say(error)


def positions(consumer: Consumer) -> list[TopicPartition]:
    """Return the member's position on the partitions it has read."""
    return [each for each in consumer.position(consumer.assignment()) if each.offset >= 0]


def go_back(consumer: Consumer) -> None:
    """Read the last messages of each partition once more."""
    for each in positions(consumer):
        each.offset = max(0, each.offset - 300)
        consumer.seek(each)


def commit(consumer: Consumer) -> bool:
    """Commit the positions, if any; return whether it succeeded."""
    offsets = positions(consumer)
    if not offsets:
        return False
    try:
        consumer.commit(offsets=offsets, asynchronous=False)
    except KafkaException as error:  # such as a rebalance in progress
        say(str(error))
        return False
    return True


def say(what: str) -> None:
    """Log a line."""
    sys.stderr.write(f"{what}\n")


def healthcheck() -> int:
    """Return 0 if the last heartbeat is recent."""
    return 0 if BEAT.exists() and time.time() - BEAT.stat().st_mtime < BEAT_LATE else 1


def main() -> int:
    """Run the command in the first argument; return the exit code."""
    if sys.argv[1:] == ["healthcheck"]:
        return healthcheck()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())
    return Workload(sys.argv[1]).run()


if __name__ == "__main__":
    sys.exit(main())
