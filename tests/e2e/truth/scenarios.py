"""The scenarios: which group shows what, in which seconds of the run, the expected values, and the script."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, replace

from tests.e2e.truth.habits import Habit
from tests.e2e.truth.traffic import steady
from tests.e2e.truth.world import READERS, TOPICS, World

WARM, CUT, NEW, REMADE, REWOUND = 90.0, 150.0, 240.0, 270.0, 210.0
DELETED, REPLAY, BURROW_RESTART, KAFKA_RESTART, END = 300.0, 200.0, 400.0, 560.0, 680.0
OUTAGE = 15.0
SLOWED = 30.0
LONG_CACHE = 30
"""Seconds of `expire-cache` after Burrow's slow restart: evaluations of its catch-up stay so long."""
REST = 12.0
"""Seconds after that restart until others ask: groups are then evaluated later than Burrow's own."""
AGAIN = KAFKA_RESTART - 20


@dataclass(frozen=True)
class Scenario:
    """One row: a group in a stretch of the run, and what is right there."""

    name: str
    group: str
    since: float
    until: float
    right: str


HABITS = ("fast", "slow", "crawl", "rare", "chatty", "batch", "burst", "kip848", "assigned", "by-admin", "skewed", "tx")
"""Groups whose lag in seconds is compared with the truth between WARM and BURROW_RESTART."""

QUIET = (WARM, BURROW_RESTART)
SCENARIOS = [
    Scenario("Fast consumer", "fast", *QUIET, "OK, age below 3 s"),
    Scenario("Slow consumer that recovers between waves", "slow", *QUIET, "OK, or WARN in a wave"),
    Scenario("Consumer that falls behind for good", "crawl", *QUIET, "WARN"),
    Scenario("Rare commits (45 s)", "rare", *QUIET, "OK, age up to 45 s"),
    Scenario("Chatty commits (5 a second)", "chatty", *QUIET, "OK"),
    Scenario("Batch job (60 s)", "batch", *QUIET, "OK, age up to 80 s"),
    Scenario("Bursts of messages", "burst", *QUIET, "OK"),
    Scenario("New group protocol (KIP-848)", "kip848", *QUIET, "like the slow consumer"),
    Scenario("Consumer with assign()", "assigned", *QUIET, "like the slow consumer"),
    Scenario("Commits by an admin client only", "by-admin", *QUIET, "OK, lag 50 or more"),
    Scenario("Forty partitions, one hot", "skewed", *QUIET, "WARN (falls behind on one) or OK"),
    Scenario("Paused partition", "paused", CUT, BURROW_RESTART, "ERR within 2 minutes, age grows"),
    Scenario("Group that never commits", "never", *QUIET, "absent"),
    Scenario("Idle group at the log end", "idle", *QUIET, "OK, 0"),
    Scenario("Transactions, read_committed, commits the position", "tx", *QUIET, "OK, age below 3 s"),
    Scenario("Transactions, quiet, commits the last message + 1", "tx-last", 150, BURROW_RESTART, "OK, age 0"),
    Scenario("Commit far ahead of the log end", "ahead", *QUIET, "a sign of it; no lag of 0"),
    Scenario("Beside a commit far ahead of the log end", "beside-ahead", *QUIET, "as without it"),
    Scenario("Stopped consumer", "stopped", CUT, BURROW_RESTART, "ERR within 2 minutes, age grows"),
    Scenario(
        "Stalled consumer: commits, reads nothing", "stalled", CUT, BURROW_RESTART, "ERR within 2 minutes, age grows"
    ),
    Scenario("Rewound by 3,000 messages", "rewound", REWOUND, NEW + 90, "ERR (REWIND) until it has caught up"),
    Scenario("Replays from the start", "replay", REPLAY, BURROW_RESTART, "age falls from the log's length to 0"),
    Scenario(
        "Stopped, then messages deleted past its commit", "truncated", CUT, BURROW_RESTART, "only what exists counts"
    ),
    Scenario("New topic, new group", "new", NEW, NEW + 90, "true age from the first poll, or none"),
    Scenario(
        "Topic recreated, its consumer restarted",
        "recreated",
        REMADE,
        REMADE + 90,
        "values of the new topic, or none",
    ),
    Scenario("Topic deleted", "doomed", DELETED, BURROW_RESTART, "gone after topic-refresh"),
    Scenario("Group deleted", "deleted", DELETED, BURROW_RESTART, "gone"),
    Scenario("Restart of a slow Burrow: fast consumer", "fast", BURROW_RESTART, AGAIN, "as before, or nothing"),
    Scenario("Restart of a slow Burrow: chatty consumer", "chatty", BURROW_RESTART, AGAIN, "as before, or nothing"),
    Scenario("Restart of a slow Burrow: KIP-848", "kip848", BURROW_RESTART, AGAIN, "as before, or nothing"),
    Scenario("Restart of a slow Burrow: slow consumer", "slow", BURROW_RESTART, AGAIN, "as before, or nothing"),
    Scenario("Restart of a slow Burrow: stopped group", "stopped", BURROW_RESTART, AGAIN, "ERR, true age or none"),
    Scenario("Restart of Kafka: fast consumer", "fast", KAFKA_RESTART, END, "OK once Kafka is back"),
    Scenario("Restart of Kafka: consumer that falls behind", "crawl", KAFKA_RESTART, END, "WARN, true age"),
]


def stop(*groups: str) -> Callable[[World], None]:
    """Stop consumers."""

    def act(world: World) -> None:
        for group in groups:
            world.readers[group].stop()

    return act


def stall(world: World) -> None:
    """Let a consumer commit the same offsets again and again."""
    world.readers["stalled"].frozen.set()


def truncate(world: World) -> None:
    """Delete messages up to 50 before the log end."""
    end = world.broker.ends({"truncated": 1})["truncated", 0]
    world.broker.delete_records(("truncated", 0), end - 50)


def remake(world: World) -> None:
    """Delete a topic and make it again; its consumer is restarted (librdkafka's hangs else), and reads from 0."""
    world.readers["recreated"].stop()
    world.traffic.streams["recreated"].on = False
    time.sleep(0.5)
    world.broker.delete("recreated")
    now = time.time()
    world.ledger.remade("recreated", now)
    world.ledger.gone(now, topic="recreated")
    world.broker.make("recreated", 2)
    world.traffic.streams["recreated"].on = True
    world.read("recreated", *READERS["recreated"])


def new(world: World) -> None:
    """Make a topic, write to it and read it, slower than it is written."""
    world.broker.make("new", 2)
    world.traffic.add("new", 2, steady(10))
    TOPICS["new"] = world.traffic.streams["new"]
    world.read("new", "new", Habit(rate=18))


def delete(world: World) -> None:
    """Delete a topic, and a group of another topic."""
    stop("doomed", "deleted")(world)
    world.traffic.streams["doomed"].on = False
    world.broker.delete("doomed")
    world.ledger.gone(time.time(), topic="doomed")
    world.broker.delete_group("deleted")
    world.ledger.gone(time.time(), group="deleted")


def restart_burrow(world: World) -> None:
    """Restart Burrow with a long cache, so slow that it has read its backlog just before its own lag is evaluated."""
    settings, usual = world.chain.settings, world.chain.settings["expire_cache"]
    world.chain.stop("burrow")
    settings["expire_cache"] = LONG_CACHE
    world.resting.set()
    threading.Timer(0.5, world.chain.slow_burrow, [SLOWED, LONG_CACHE]).start()
    threading.Timer(REST, world.resting.clear).start()
    world.chain.start_burrow()
    settings["expire_cache"] = usual


def restart_again(world: World) -> None:
    """Restart Burrow with the settings of before."""
    world.chain.stop("burrow")
    world.chain.start_burrow()


def restart_kafka(world: World) -> None:
    """Take Kafka away for a while."""
    world.chain.stop("kafka")
    time.sleep(OUTAGE)
    world.chain.start_kafka()


SCRIPT: list[tuple[float, str, Callable[[World], None]]] = [
    (CUT, "stop 'stopped' and 'truncated'", stop("stopped", "truncated")),
    (CUT + 1, "stall 'stalled'", stall),
    (CUT + 2, "pause partition 1 of 'paused'", lambda world: world.readers["paused"].pause(1)),
    (REPLAY, "'replay' starts from the beginning", lambda world: world.read("replay", "orders", Habit(rate=200))),
    (REWOUND, "rewind 'rewound'", lambda world: world.readers["rewound"].rewind(1000)),
    (CUT + 60.5, "delete messages of 'truncated'", truncate),
    (NEW, "new topic, new group", new),
    (REMADE, "delete and recreate 'recreated'", remake),
    (DELETED, "delete topic 'doomed' and group 'deleted'", delete),
]
RESTARTS: list[tuple[float, str, Callable[[World], None]]] = [
    (BURROW_RESTART, "restart Burrow, slowed by SIGSTOP, with a cache of 30 s", restart_burrow),
    (AGAIN, "restart Burrow, with its usual cache", restart_again),
    (KAFKA_RESTART, "restart Kafka", restart_kafka),
]
SHORT_RESTART, SHORT_END = 90.0, 205.0


def short() -> tuple[list[tuple[float, str, Callable[[World], None]]], list[Scenario]]:
    """Return the script and the rows of a run that shows the restart of Burrow alone, early."""
    script = [(20.0, "stop 'stopped'", stop("stopped")), (SHORT_RESTART, RESTARTS[0][1], restart_burrow)]
    rows = [
        replace(one, since=SHORT_RESTART, until=SHORT_END)
        for one in SCENARIOS
        if one.name.startswith("Restart of a slow")
    ]
    return script, rows
