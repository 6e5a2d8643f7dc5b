"""The world of a run: topics, producers and consumers, and the events of its script."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field

from confluent_kafka import Consumer, KafkaException, TopicPartition

from tests.e2e.truth.broker import Broker
from tests.e2e.truth.habits import Habit, Reader
from tests.e2e.truth.ledger import Ledger
from tests.e2e.truth.processes import Chain
from tests.e2e.truth.traffic import Stream, Traffic, Transactions, bursts, steady, uneven
from tests.e2e.truth.watch import settle

TOPICS: dict[str, Stream] = {
    one.topic: one
    for one in (
        Stream("orders", 3, [uneven(30)]),
        Stream("bursts", 3, [bursts(400, 60), bursts(200, 30), steady(2)]),
        Stream("shared", 1, [steady(10)]),
        Stream("recreated", 2, [steady(12)]),
        Stream("doomed", 1, [steady(5)]),
        Stream("truncated", 1, [steady(10)]),
        Stream("many", 40, [steady(60), steady(0.5)]),
    )
}
QUIET_TOPICS = {"idle": 1, "short": 1, "tx": 1, "tx-quiet": 1}
READERS: dict[str, tuple[str, Habit]] = {
    "fast": ("orders", Habit()),
    "slow": ("orders", Habit(rate=105)),
    "crawl": ("orders", Habit(rate=60)),
    "rare": ("orders", Habit(every=45)),
    "chatty": ("orders", Habit(every=0.2)),
    "batch": ("orders", Habit(every=40, work=20)),
    "kip848": ("orders", Habit(rate=105, protocol="consumer")),
    "assigned": ("orders", Habit(rate=105, assign=True)),
    "paused": ("orders", Habit()),
    "never": ("orders", Habit(every=1e9)),
    "stopped": ("orders", Habit()),
    "stalled": ("orders", Habit()),
    "rewound": ("orders", Habit(rate=250)),
    "deleted": ("orders", Habit()),
    "burst": ("bursts", Habit(rate=60)),
    "beside-ahead": ("shared", Habit(rate=9)),
    "recreated": ("recreated", Habit()),
    "doomed": ("doomed", Habit()),
    "truncated": ("truncated", Habit()),
    "skewed": ("many", Habit(rate=70)),
    "tx": ("tx", Habit()),
    "tx-last": ("tx-quiet", Habit(commit_last=True)),
}
NOISE = 250
"""Partitions that a group of no interest commits again and again: the backlog that a restarted Burrow reads."""


@dataclass
class World:
    """A running scene. ``noise`` is how many commits a second the backlog grows by."""

    chain: Chain
    ledger: Ledger
    noise: float
    begun: float = 0.0
    readers: dict[str, Reader] = field(default_factory=dict)
    log: list[str] = field(default_factory=list)
    over: threading.Event = field(default_factory=threading.Event)
    resting: threading.Event = field(default_factory=threading.Event)
    """While set, nobody but the exporter asks Burrow."""

    def __post_init__(self) -> None:
        """Make the clients."""
        self.broker = Broker(self.chain.servers, self.ledger)
        self.traffic = Traffic(self.chain.servers, self.ledger)
        self.transactions = [
            Transactions(self.chain.servers, self.ledger, "tx"),
            Transactions(self.chain.servers, self.ledger, "tx-quiet", quiet_after=60),
        ]

    def begin(self) -> None:
        """Make the topics, then let everybody write and read."""
        for topic, partitions in {**{one.topic: one.partitions for one in TOPICS.values()}, **QUIET_TOPICS}.items():
            self.broker.make(topic, partitions)
        for stream in TOPICS.values():
            self.traffic.add(stream.topic, stream.partitions, *stream.rates)
        self.begun = time.time()
        self.traffic.start()
        for transactions in self.transactions:
            transactions.start()
        self.traffic.once("idle", 0, 20)
        self.traffic.once("short", 0, 5)
        time.sleep(0.5)
        self._by_admin()
        for group, (topic, habit) in READERS.items():
            self.read(group, topic, habit)

    def read(self, group: str, topic: str, habit: Habit) -> None:
        """Start a consumer group."""
        partitions = TOPICS[topic].partitions if topic in TOPICS else 1
        self.readers[group] = Reader(self.chain.servers, self.ledger, group, topic, partitions, habit)
        self.readers[group].start()

    def play(self, script: list[tuple[float, str, Callable[[World], None]]], until: float) -> None:
        """Let things happen at their second; a failure is noted and the run goes on."""
        for second, what, act in sorted(script, key=lambda one: one[0]):
            settle(second, self.begun)
            failed = ""
            try:
                act(self)
            except (KafkaException, OSError) as error:
                failed = f": failed: {error}"
            self.log.append(f"{time.time() - self.begun:6.1f} s: {what}{failed}")
            print(self.log[-1], flush=True)  # noqa: T201  to whoever waits
        settle(until, self.begun)

    def end(self) -> None:
        """End all clients."""
        self.over.set()
        enders: list[Reader | Transactions | Traffic] = [*self.readers.values(), *self.transactions, self.traffic]
        for ender in enders:
            with suppress(RuntimeError):
                ender.stop()

    def _by_admin(self) -> None:
        """Commit what no consumer commits: at rest, ahead of the log end, and by an admin client every 10 s."""
        self.broker.commit("idle", {("idle", 0): 20})
        self.broker.commit("ahead", {("short", 0): 1_000_000_000, ("shared", 0): 1_000_000_000})
        threading.Thread(target=self._administrator, daemon=True).start()
        if self.noise:
            self.broker.make("noise", NOISE)
            threading.Thread(target=self._backlog, daemon=True).start()

    def _administrator(self) -> None:
        """Commit 50 messages behind the log end of a partition every 10 s."""
        while not self.over.wait(10):
            with suppress(KafkaException):
                ends = self.broker.ends({"orders": 1})
                self.broker.commit("by-admin", {place: max(0, end - 50) for place, end in ends.items()})

    def _backlog(self) -> None:
        """Commit in a group's name that shares the partitions of ``__consumer_offsets`` with nobody in particular."""
        groups = [f"noise-{number}" for number in range(8)]
        consumers = [Consumer({"bootstrap.servers": self.chain.servers, "group.id": group}) for group in groups]
        offset = 0
        while not self.over.wait(NOISE * len(consumers) / self.noise):
            offset += 1
            for consumer in consumers:
                with suppress(KafkaException):
                    consumer.commit(
                        offsets=[TopicPartition("noise", one, offset) for one in range(NOISE)], asynchronous=False
                    )
