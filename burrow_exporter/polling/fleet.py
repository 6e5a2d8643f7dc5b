"""The Burrows that are polled, and what becomes of each when the configuration changes."""

from __future__ import annotations

import threading
from dataclasses import dataclass

import structlog

from burrow_exporter.metrics.exposition import Renderer
from burrow_exporter.metrics.families import UNSHARED_FAMILIES
from burrow_exporter.metrics.publisher import Publisher
from burrow_exporter.metrics.self_metrics import BurrowMetrics, SelfMetrics
from burrow_exporter.polling.poller import Poller
from burrow_exporter.polling.state import Poll
from burrow_exporter.settings.config import BurrowConfig, Config, MetricsConfig, PollConfig, ShardConfig
from burrow_exporter.settings.policy import PolicyConfig


@dataclass(frozen=True, slots=True)
class Member:
    """One Burrow at work. It goes on as long as ``polled`` is what is configured; ``rendered`` goes for the page."""

    polled: tuple[BurrowConfig, PollConfig, ShardConfig]
    rendered: tuple[dict[str, str], MetricsConfig, ShardConfig, PolicyConfig]
    metrics: BurrowMetrics
    poller: Poller
    renderer: Renderer


class Fleet:
    """Polls the configured Burrows, each at its own rhythm with its own threads, until ``stop`` is set."""

    def __init__(self, config: Config, metrics: SelfMetrics, publisher: Publisher, stop: threading.Event) -> None:
        self._metrics = metrics
        self._publisher = publisher
        self._stop = stop
        self._members: dict[str, Member] = {}
        self._started = False
        self._was_ready = False
        self.arrange(config)

    def start(self) -> None:
        """Begin to poll."""
        self._started = True
        for member in self._members.values():
            member.poller.start()

    def arrange(self, config: Config) -> None:
        """Poll these Burrows: go on with those configured as before, begin anew with others, drop the rest.

        One that is configured otherwise keeps its metrics and what is published of it until its first poll.
        """
        before = self._members
        members = {burrow.name: self._member(burrow, config, before.get(burrow.name)) for burrow in config.burrows}
        renderers = {name: member.renderer for name, member in members.items()}
        self._publisher.arrange(renderers, config.metrics.max_series)
        replaced = {
            name: old for name, old in before.items() if name not in members or members[name].poller is not old.poller
        }
        for old in replaced.values():
            old.poller.end()
        if self._started:
            for name, member in members.items():
                if name not in before or name in replaced:
                    member.poller.start(replaced[name].poller if name in replaced else None)
        self._was_ready, self._members = self.is_ready(), members
        for name in before.keys() - members.keys():
            before[name].metrics.forget()

    def end(self) -> None:
        """Let the polls under way be the last."""
        for member in self._members.values():
            member.poller.end()

    def poll_once(self) -> list[Poll]:
        """Poll every Burrow one time, one after the other."""
        return [member.poller.poll() for member in self._members.values()]

    def names(self) -> list[str]:
        """Return the names of the Burrows."""
        return list(self._members)

    def is_alive(self) -> bool:
        """Tell whether every poll loop lives."""
        return all(member.poller.is_alive() for member in self._members.values())

    def is_ready(self) -> bool:
        """Tell whether any Burrow has been polled well once."""
        return self._was_ready or any(member.poller.was_good for member in self._members.values())

    def _member(self, burrow: BurrowConfig, config: Config, before: Member | None) -> Member:
        """Return a Burrow at work, with as much of what there was before as is still right."""
        polled = burrow, config.poll, config.shard
        rendered = burrow.labels, config.metrics, config.shard, config.policy
        metrics = before.metrics if before else self._metrics.of_burrow(burrow.name)
        if before and before.polled == polled:
            poller = before.poller
        else:
            poller = Poller(burrow, config.poll, metrics, self._publisher.publish, self._stop, shard=config.shard)
            if burrow.tls.insecure_skip_verify:
                structlog.get_logger().warning("the certificate of Burrow is not checked", burrow=burrow.name)
        renderer = before.renderer if before and before.rendered == rendered else open_renderer(*rendered)
        return Member(polled, rendered, metrics, poller, renderer)


def open_renderer(labels: dict[str, str], metrics: MetricsConfig, shard: ShardConfig, policy: PolicyConfig) -> Renderer:
    """Return what renders one Burrow's snapshots."""
    unshared = frozenset[str]() if shard.is_first() else frozenset(family.name for family in UNSHARED_FAMILIES)
    disable = metrics.disable | unshared
    return Renderer(disable, partition_info=metrics.partition_info, extra_labels=labels, policy=policy)
