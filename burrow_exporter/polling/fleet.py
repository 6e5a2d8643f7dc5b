"""The Burrows that are polled, and what becomes of each when the configuration changes."""

from __future__ import annotations

import dataclasses
import threading
import time
from dataclasses import dataclass
from functools import partial
from itertools import count

import structlog
from msgspec.structs import replace

from burrow_exporter.metrics.exposition import Renderer
from burrow_exporter.metrics.families import UNSHARED_FAMILIES
from burrow_exporter.metrics.publisher import Publisher
from burrow_exporter.metrics.self_metrics import BurrowMetrics, SelfMetrics
from burrow_exporter.polling.history import History
from burrow_exporter.polling.poller import Poller
from burrow_exporter.polling.walk import WalkResult
from burrow_exporter.settings.config import BurrowConfig, Config, MetricsConfig, PollConfig, ShardConfig
from burrow_exporter.settings.policy import PolicyConfig
from burrow_exporter.snapshot import Snapshot

WATCH_SECONDS = 1.0
STAGGER_SECONDS = 0.02
"""How long after one Burrow the next is first polled: hundreds of polls at once would take the interpreter from each
other, and end at their deadline instead of one after the other."""


@dataclass(frozen=True, slots=True)
class Member:
    """One Burrow at work. It goes on as long as ``polled`` is what is configured; ``rendered`` goes for the page.

    ``generation`` is a number of its own: what an earlier member of the same name still reports is not published.
    """

    generation: int
    polled: tuple[BurrowConfig, PollConfig, ShardConfig]
    rendered: tuple[dict[str, str], MetricsConfig, ShardConfig, PolicyConfig]
    metrics: BurrowMetrics
    poller: Poller
    renderer: Renderer
    history: History


class Fleet:
    """Polls the configured Burrows, each at its own rhythm with its own threads, until ``stop`` is set.

    A thread of its own takes expired readings off the page, whatever the polls do.
    """

    def __init__(self, config: Config, metrics: SelfMetrics, publisher: Publisher, stop: threading.Event) -> None:
        self._metrics = metrics
        self._publisher = publisher
        self._stop = stop
        self._lock = threading.Lock()
        self._generations = count()
        self._members: dict[str, Member] = {}
        self._started = False
        self._was_ready = False
        self.reconfigure(config)

    def start(self) -> None:
        """Begin to poll."""
        with self._lock:
            self._started = True
            members = list(self._members.values())
        for index, member in enumerate(members):
            member.poller.start(delay=index * STAGGER_SECONDS)
        threading.Thread(target=self._watch, name="watch", daemon=True).start()

    def reconfigure(self, config: Config) -> None:
        """Poll these Burrows: go on with those configured as before, begin anew with others, drop the rest.

        Of one that is configured otherwise the page keeps what it has until the first poll; its counters go on. Changes
        nothing where it raises ``ConfigError`` or ``OSError``.
        """
        with self._lock:
            before = self._members
            members = {burrow.name: self._member(burrow, config, before.get(burrow.name)) for burrow in config.burrows}
            self._was_ready, self._members = self.is_ready(), members
            renderers = {name: member.renderer for name, member in members.items()}
            self._publisher.reconfigure(renderers, config.metrics.max_series)
            for name, old in before.items():
                if name not in members:
                    old.poller.end()
                    old.metrics.forget()
            for index, (name, member) in enumerate(members.items()):
                member.history.reconfigure(config.policy, config.poll.stale_after)
                self._begin(member, before.get(name), index * STAGGER_SECONDS)

    def _begin(self, member: Member, before: Member | None, delay: float) -> None:
        """Let a member poll after ``delay`` seconds, in place of ``before``, unless it is the same."""
        if before and before.generation == member.generation:
            return
        member.metrics.begin()
        if before:
            before.poller.end()
        if self._started:
            keeps_state = before is not None and what_is_read(*before.polled) == what_is_read(*member.polled)
            member.poller.start(before.poller if before else None, keeps_state=keeps_state, delay=delay)

    def _publish(self, generation: int, snapshot: Snapshot) -> None:
        """Publish what a member saw, unless it has been removed or replaced."""
        with self._lock:
            member = self._members.get(snapshot.burrow)
            if member and member.generation == generation:
                self._publisher.publish(snapshot)
                member.history.record(snapshot)

    def _watch(self) -> None:
        """Take expired readings off the page, and tell of polls that are overdue."""
        while not self._stop.wait(WATCH_SECONDS):
            try:
                self._publisher.refresh(time.monotonic())
            except Exception:  # noqa: BLE001  a fault in one turn must not end them all
                structlog.get_logger().exception("page not refreshed")
            for member in list(self._members.values()):
                if not member.poller.is_alive():
                    member.metrics.overdue()

    def end(self) -> None:
        """Let the polls under way be the last."""
        for member in self._members.values():
            member.poller.end()

    def poll_once(self) -> list[tuple[Snapshot, WalkResult]]:
        """Poll every Burrow one time, one after the other; return what came of each, and the walk it came from."""
        polls = [member.poller.poll() for member in self._members.values()]
        self._publisher.refresh(time.monotonic())
        return polls

    def names(self) -> list[str]:
        """Return the names of the Burrows."""
        return list(self._members)

    def addresses(self) -> dict[str, tuple[str, ...]]:
        """Return the addresses of the Burrows, which hold no credentials, by their names."""
        return {name: member.polled[0].addresses for name, member in self._members.items()}

    def histories(self) -> dict[str, History]:
        """Return what the polls of each Burrow saw over the last hour."""
        return {name: member.history for name, member in self._members.items()}

    def is_alive(self) -> bool:
        """Tell whether every poll loop lives, and no poll is overdue."""
        return all(member.poller.is_alive() for member in self._members.values())

    def is_ready(self) -> bool:
        """Tell whether any Burrow has been polled well once."""
        return self._was_ready or any(member.poller.was_good for member in self._members.values())

    def _member(self, burrow: BurrowConfig, config: Config, before: Member | None) -> Member:
        """Return a Burrow at work, with as much of what there was before as is still right."""
        polled = replace(burrow, labels={}), config.poll, config.shard
        rendered = burrow.labels, config.metrics, config.shard, config.policy
        renderer = before.renderer if before and before.rendered == rendered else open_renderer(*rendered)
        history = before.history if before else History()
        if before and before.polled == polled:
            return dataclasses.replace(before, rendered=rendered, renderer=renderer)
        generation = next(self._generations)
        metrics = before.metrics if before else BurrowMetrics(self._metrics, burrow.name)
        publish = partial(self._publish, generation)
        poller = Poller(burrow, config.poll, metrics, publish, self._stop, shard=config.shard)
        if burrow.tls.insecure_skip_verify:
            structlog.get_logger().warning("Burrow certificate not verified", burrow=burrow.name)
        return Member(generation, polled, rendered, metrics, poller, renderer, history)


def what_is_read(burrow: BurrowConfig, _: PollConfig, shard: ShardConfig) -> tuple[BurrowConfig, ShardConfig]:
    """Return what a Burrow's readings depend on: not how often it is asked, and how fast."""
    return replace(burrow, timeout=1.0, concurrency=1), shard


def open_renderer(labels: dict[str, str], metrics: MetricsConfig, shard: ShardConfig, policy: PolicyConfig) -> Renderer:
    """Return what renders one Burrow's snapshots."""
    unshared = frozenset[str]() if shard.is_first() else frozenset(family.name for family in UNSHARED_FAMILIES)
    disable = metrics.disable | unshared
    return Renderer(
        disable,
        partition_info=metrics.partition_info,
        granularity=metrics.granularity,
        topic_families=metrics.topic_families,
        extra_labels=labels,
        policy=policy,
    )
