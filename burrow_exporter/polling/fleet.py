"""The Burrows that are polled, and how each is affected when the configuration changes."""

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
"""The delay between the first polls of two Burrows.

Hundreds of simultaneous polls would compete for the interpreter and all end at their deadline.
"""


@dataclass(frozen=True, slots=True)
class Member:
    """One polled Burrow. Kept while its ``polled`` configuration is unchanged; ``rendered`` is the one for its metrics.

    ``generation`` is unique: snapshots from an earlier member of the same name are not published.
    """

    generation: int
    polled: tuple[BurrowConfig, PollConfig, ShardConfig]
    rendered: tuple[dict[str, str], MetricsConfig, ShardConfig, PolicyConfig]
    metrics: BurrowMetrics
    poller: Poller
    renderer: Renderer
    history: History


class Fleet:
    """Polls the configured Burrows, each on its own schedule with its own threads, until ``stop`` is set.

    A separate thread removes expired readings from the page, independently of polls.
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
        """Start polling."""
        with self._lock:
            self._started = True
            members = list(self._members.values())
        for index, member in enumerate(members):
            member.poller.start(delay=index * STAGGER_SECONDS)
        threading.Thread(target=self._watch, name="watch", daemon=True).start()

    def reconfigure(self, config: Config) -> None:
        """Apply a new configuration: keep the Burrows that are unchanged, restart changed ones, drop removed ones.

        The metrics of a changed Burrow stay until its first poll, and its counters continue. If it raises
        ``ConfigError`` or ``OSError``, nothing has changed.
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
        """Start a member after ``delay`` seconds, in place of ``before`` unless it is the same."""
        if before and before.generation == member.generation:
            return
        member.metrics.begin()
        if before:
            before.poller.end()
        if self._started:
            keeps_state = before is not None and what_is_read(*before.polled) == what_is_read(*member.polled)
            member.poller.start(before.poller if before else None, keeps_state=keeps_state, delay=delay)

    def _publish(self, generation: int, snapshot: Snapshot) -> None:
        """Publish a member's snapshot, unless the member has been removed or replaced."""
        with self._lock:
            member = self._members.get(snapshot.burrow)
            if member and member.generation == generation:
                self._publisher.publish(snapshot)
                member.history.record(snapshot)

    def _watch(self) -> None:
        """Remove expired readings from the page, and report a Burrow with an overdue poll as down."""
        while not self._stop.wait(WATCH_SECONDS):
            try:
                self._publisher.refresh(time.monotonic())
            except Exception:  # noqa: BLE001  an error in one round must not end the thread
                structlog.get_logger().exception("page not refreshed")
            for member in list(self._members.values()):
                if not member.poller.is_alive():
                    member.metrics.overdue()

    def end(self) -> None:
        """Stop after the polls in progress."""
        for member in self._members.values():
            member.poller.end()

    def poll_once(self) -> list[tuple[Snapshot, WalkResult]]:
        """Poll every Burrow once, one after the other. Return the snapshot and the walk of each."""
        polls = [member.poller.poll() for member in self._members.values()]
        self._publisher.refresh(time.monotonic())
        return polls

    def names(self) -> list[str]:
        """Return the names of the Burrows."""
        return list(self._members)

    def addresses(self) -> dict[str, tuple[str, ...]]:
        """Return the addresses of the Burrows, which contain no credentials, by name."""
        return {name: member.polled[0].addresses for name, member in self._members.items()}

    def histories(self) -> dict[str, History]:
        """Return the last hour of each Burrow."""
        return {name: member.history for name, member in self._members.items()}

    def is_alive(self) -> bool:
        """Return whether every poll loop is alive and no poll is overdue."""
        return all(member.poller.is_alive() for member in self._members.values())

    def is_ready(self) -> bool:
        """Return whether any Burrow has had a successful poll."""
        return self._was_ready or any(member.poller.was_good for member in self._members.values())

    def _member(self, burrow: BurrowConfig, config: Config, before: Member | None) -> Member:
        """Return a member for a Burrow, with the earlier state that remains valid."""
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
    """Return the settings that a Burrow's readings depend on: not those for the timing of polls."""
    return replace(burrow, timeout=1.0, concurrency=1), shard


def open_renderer(labels: dict[str, str], metrics: MetricsConfig, shard: ShardConfig, policy: PolicyConfig) -> Renderer:
    """Return the renderer for one Burrow."""
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
