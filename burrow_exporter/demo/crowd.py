"""The unnamed groups: as many as requested, mostly healthy, with realistic names."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from itertools import count, islice, product

from burrow_exporter.demo.consumers import (
    Consumer,
    Schedule,
    falling_behind,
    following,
    pausing,
    resuming,
    rewinding,
    until,
    working_off_bursts,
)
from burrow_exporter.demo.groups import Group, Subscription
from burrow_exporter.demo.settings import UPTIME
from burrow_exporter.demo.stage import TROUBLE, Stage
from burrow_exporter.demo.topics import Cycle, Topic

TEAMS = (
    *("ads", "billing", "catalog", "content", "crm", "delivery", "forecast", "inventory", "media", "payments"),
    *("pricing", "returns", "reviews", "shipping", "support", "warehouse"),
)
SERVICES = (
    *("aggregator", "archiver", "auditor", "enricher", "exporter", "importer", "indexer", "mailer", "matcher"),
    *("notifier", "projector", "reporter", "router", "scorer", "sync", "validator"),
)
EVENTS = ("accepted", "assigned", "cancelled", "changed", "created", "deleted", "failed", "requested", "settled")
GROUPS_PER_TOPIC = 10
BURSTY_EVERY = 10
STRIPE = 20
"""Period of partitions with equal behaviour: the same ones have no traffic in a topic and in its groups."""

Behaviour = Callable[[Stage, Schedule], Sequence[Consumer]]


def crowd(stage: Stage, groups: int, partitions: int) -> list[Group]:
    """Return this many groups, ten per topic; each reads all ``partitions`` of its topic."""
    names = islice(_names(stage, TEAMS, SERVICES, "{}-{}"), groups)
    topics = _names(stage, TEAMS, EVENTS, "{}.{}")
    made: list[Group] = []
    readings: list[tuple[Topic, Cycle | None]] = []
    for number, name in enumerate(names):
        if number % GROUPS_PER_TOPIC == 0:
            bursty = len(readings) % BURSTY_EVERY == BURSTY_EVERY - 1
            readings.append(_reading(stage, next(topics), partitions, bursty=bursty))
        topic, burst = readings[-1]
        made.append(_group(stage, name, topic, burst))
    return made


def _names(stage: Stage, first: Sequence[str], second: Sequence[str], pattern: str) -> Iterator[str]:
    """Yield unique names forever: all pairs in random order, then again with a number."""
    pairs = [pattern.format(*pair) for pair in product(first, second)]
    stage.random.shuffle(pairs)
    for version in count(1):
        yield from (pair if version == 1 else f"{pair}-v{version}" for pair in pairs)


def _reading(stage: Stage, name: str, partitions: int, *, bursty: bool) -> tuple[Topic, Cycle | None]:
    """Return a new topic, with its cycle if it has bursts."""
    burst = Cycle(stage.random.uniform(300, 900), stage.now) if bursty else None
    rates = stage.rates(partitions, stage.random.choice((5, 10, 20, 50, 100)))
    moving = [rate if _moves(stage, partition) else 0.0 for partition, rate in enumerate(rates)]
    return stage.topic(name, moving, burst), burst


def _moves(stage: Stage, partition: int) -> bool:
    return partition % STRIPE < stage.settings.moving * STRIPE


def _group(stage: Stage, name: str, topic: Topic, burst: Cycle | None) -> Group:
    """Return a group with random behaviour, or one that works off its topic's bursts."""
    behaviour: Behaviour = stage.random.choices(BEHAVIOURS, WEIGHTS)[0]
    schedule = stage.schedule(5) if burst or behaviour is _prompt else stage.schedule()
    moving = [Consumer(working_off_bursts(burst))] if burst else behaviour(stage, schedule)
    quiet = Consumer(following(), until(stage.now - UPTIME / 2))
    consumers = [moving[each % len(moving)] if _moves(stage, each) else quiet for each in range(STRIPE)]
    subscription = Subscription(topic, consumers[: len(topic.rates)], members=stage.random.choice((0, 1, 2, 3, 5)))
    return Group(name, schedule, [subscription])


def _cycle(stage: Stage, schedule: Schedule) -> Cycle:
    return stage.cycle(schedule, TROUBLE * stage.random.uniform(1, 2), over=stage.random.random())


def _prompt(_stage: Stage, _schedule: Schedule) -> Sequence[Consumer]:
    return [Consumer(following())]


def _late(stage: Stage, _schedule: Schedule) -> Sequence[Consumer]:
    """Read everything after a constant delay: a steady lag that varies with production."""
    return [Consumer(following(stage.random.uniform(5, 120)))]


def _slow(stage: Stage, schedule: Schedule) -> Sequence[Consumer]:
    return [Consumer(falling_behind(_cycle(stage, schedule), speed=0.6))]


def _one_stalled(stage: Stage, schedule: Schedule) -> Sequence[Consumer]:
    """Stall on one partition in twenty: a message that cannot be processed."""
    stuck = Consumer(falling_behind(_cycle(stage, schedule), speed=0))
    return [stuck, *[Consumer(following())] * (STRIPE - 1)]


def _stopped(stage: Stage, schedule: Schedule) -> Sequence[Consumer]:
    cycle = _cycle(stage, schedule)
    return [Consumer(resuming(cycle, running=0.7), pausing(cycle, running=0.7))]


def _one_rewinding(stage: Stage, schedule: Schedule) -> Sequence[Consumer]:
    back = Consumer(rewinding(_cycle(stage, schedule)))
    return [back, *[Consumer(following())] * (STRIPE - 1)]


BEHAVIOURS: Sequence[Behaviour] = (_prompt, _late, _slow, _one_stalled, _stopped, _one_rewinding)
WEIGHTS = (80, 6, 5, 3, 3, 3)
