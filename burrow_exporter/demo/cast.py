"""The named groups: together they show every status at any moment."""

from __future__ import annotations

from collections.abc import Sequence

from burrow_exporter.demo.consumers import (
    Consumer,
    Schedule,
    falling_behind,
    following,
    never,
    pausing,
    reborn,
    resuming,
    rewinding,
    until,
    working_off_bursts,
)
from burrow_exporter.demo.groups import Group, Subscription
from burrow_exporter.demo.settings import UPTIME
from burrow_exporter.demo.stage import TROUBLE, Stage
from burrow_exporter.demo.topics import Topic

PARTITIONS = 6
PROMPT = (Consumer(following()),)
NAMED = 12
"""Number of groups in ``eu_west`` and ``us_east`` together."""


def eu_west(stage: Stage) -> list[Group]:
    """Return the named groups of the first cluster."""
    orders = _topic(stage, "orders.placed.v1", 40)
    views = _topic(stage, "web.page-views.v1", 90)
    return [
        Group("checkout-payments", stage.schedule(5), [Subscription(orders, PROMPT, members=3)]),
        _slow(stage, "search-indexer", views, over=0.5),
        _slow(stage, "recommendation-trainer", views, over=0.0),
        _stalled(stage, "invoice-printer", orders),
        _stopped(stage, "ledger-archive", _topic(stage, "ledger.entries.v2", 15)),
        _rewinding(stage, "audit-replay", orders),
        _new(stage, "fraud-scoring", orders),
        _bursty(stage, "newsletter-mailer"),
    ]


def us_east(stage: Stage) -> list[Group]:
    """Return the named groups of the second cluster, one of which has the same name as in the first."""
    orders = _topic(stage, "orders.placed.v1", 25)
    return [
        Group("checkout-payments", stage.schedule(5), [Subscription(orders, PROMPT, members=2)]),
        Group("session-aggregator", stage.schedule(5), [Subscription(_topic(stage, "web.sessions.v1", 60), PROMPT)]),
        _half_given_up(stage, "customer-360", orders),
        Group("loyalty-batch", stage.schedule(5), [Subscription(orders, PROMPT)], expired=True),
    ]


def burrows_own(stage: Stage, cluster: str) -> Group:
    """Return Burrow's own group on ``__consumer_offsets``, which commits every whole second."""
    schedule = Schedule.of(1.0, 0.0, stage.settings.min_distance)
    topic = stage.topic("__consumer_offsets", stage.rates(4, 30))
    return Group(f"burrow-{cluster}", schedule, [Subscription(topic, (Consumer(following(0)),))])


def _topic(stage: Stage, name: str, mean: float) -> Topic:
    return stage.topic(name, stage.rates(PARTITIONS, mean))


def _slow(stage: Stage, name: str, topic: Topic, over: float) -> Group:
    """Return a group that falls behind, then catches up: WARN, then OK."""
    schedule = stage.schedule()
    consumer = Consumer(falling_behind(stage.cycle(schedule, TROUBLE, over)))
    return Group(name, schedule, [Subscription(topic, (consumer,), members=2)])


def _stalled(stage: Stage, name: str, topic: Topic) -> Group:
    """Return a group that commits without progress, alternating between even and odd partitions: STALL."""
    schedule = stage.schedule()
    cycle = stage.cycle(schedule, TROUBLE, over=0.5)
    consumers = [Consumer(falling_behind(each, speed=0)) for each in (cycle, cycle.later(0.5))]
    return Group(name, schedule, [Subscription(topic, consumers, members=1)])


def _stopped(stage: Stage, name: str, topic: Topic) -> Group:
    """Return a group whose process is down most of the time: STOP, then catching up, then OK."""
    schedule, running = stage.schedule(), 0.4
    cycle = stage.cycle(schedule, 10, over=0.7)
    consumer = Consumer(resuming(cycle, running), pausing(cycle, running))
    return Group(name, schedule, [Subscription(topic, (consumer,))])


def _rewinding(stage: Stage, name: str, topic: Topic) -> Group:
    """Return a group that keeps rewinding, one partition after the other: REWIND, then catching up."""
    schedule = stage.schedule()
    cycle = stage.cycle(schedule, 3, over=0.5)
    consumers = [Consumer(rewinding(cycle.later(each / PARTITIONS))) for each in range(PARTITIONS)]
    return Group(name, schedule, [Subscription(topic, consumers, members=3)])


def _new(stage: Stage, name: str, topic: Topic) -> Group:
    """Return a group that is deleted and recreated: its partitions commit one after the other, the last one never."""
    schedule = stage.schedule()
    cycle, living = stage.cycle(schedule, 8, over=0.1), 0.9
    blind = stage.settings.offset_refresh
    consumers = [
        Consumer(following(), reborn(cycle, living, waits=each * cycle.period / 12), blind)
        for each in range(PARTITIONS - 1)
    ]
    subscription = Subscription(topic, [*consumers, Consumer(following(), never)], members=2)
    return Group(name, schedule, [subscription], lives=reborn(cycle, living))


def _bursty(stage: Stage, name: str) -> Group:
    """Return a group on a topic with bursts of messages: its lag comes and goes, and is OK."""
    schedule = stage.schedule(5)
    cycle = stage.cycle(schedule, 12, over=0.1)
    topic = stage.topic("newsletter.mails.v1", stage.rates(PARTITIONS, 20), burst=cycle)
    return Group(name, schedule, [Subscription(topic, (Consumer(working_off_bursts(cycle)),), members=2)])


def _half_given_up(stage: Stage, name: str, read: Topic) -> Group:
    """Return a group that no longer reads one of its topics: its last commits there precede Burrow's start."""
    given_up: Sequence[Consumer] = (Consumer(following(), until(stage.now - 2 * UPTIME)),)
    legacy = _topic(stage, "crm.legacy-export", 3)
    subscriptions = [Subscription(read, PROMPT, members=2), Subscription(legacy, given_up)]
    return Group(name, stage.schedule(5), subscriptions)
