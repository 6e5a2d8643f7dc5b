"""Consumer groups: from functions of time to Burrow's windows at a moment."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from burrow_exporter.demo.consumers import Consumer, Presence, Schedule, always
from burrow_exporter.demo.settings import Knowledge
from burrow_exporter.demo.topics import Topic
from burrow_exporter.demo.windows import Commit, Window

Stamp = tuple[float, float | None, int, int]
"""One commit of a consumer, the same for all its partitions: production read, production known to Burrow (both in
seconds of mean production), time of the commit, time of its observation (both in Unix milliseconds)."""


@dataclass(frozen=True, slots=True)
class Subscription:
    """A topic that a group reads: partition p is read by ``consumers[p % len(consumers)]``.

    ``members`` processes own the partitions in turn. 0 means that Burrow knows no owners: commits by an admin client,
    by the new group protocol (KIP-848), or on a topic that is no longer read.
    """

    topic: Topic
    consumers: Sequence[Consumer]
    members: int = 0

    def windows(self, schedule: Schedule, knowledge: Knowledge, now: float) -> list[Window]:
        """Return the window of every partition at ``now`` (Unix seconds)."""
        produced = [self.topic.produced(refresh) for refresh in knowledge.kept_refreshes(now)]
        stamps = [self._stamps(consumer, schedule, knowledge, now) for consumer in self.consumers]
        return [
            _window(start, rate, stamps[partition % len(stamps)], produced)
            for partition, (start, rate) in enumerate(zip(self.topic.starts, self.topic.rates, strict=True))
        ]

    def _stamps(self, consumer: Consumer, schedule: Schedule, knowledge: Knowledge, now: float) -> list[Stamp]:
        spans = consumer.presence(now)
        sighted = spans[-1][0] + consumer.blind if spans else now
        return [
            self._stamp(consumer, knowledge, *slot, sighted=sighted)
            for slot in schedule.slots(spans, knowledge.settings.intervals)
        ]

    def _stamp(self, consumer: Consumer, knowledge: Knowledge, first: float, last: float, *, sighted: float) -> Stamp:
        observed = max(last, knowledge.started)  # a Burrow that starts reads all older commits then
        known = self.topic.produced(knowledge.latest_refresh(observed)) if last >= sighted else None
        return self.topic.produced(consumer.progress(last)), known, int(first * 1000), int(observed) * 1000


def _window(start: int, rate: float, stamps: Sequence[Stamp], produced: Sequence[float]) -> Window:
    """Return one partition's window, scaled by the partition's rate."""
    commits = [
        Commit(
            offset := start + int(rate * read),
            timestamp,
            observed_at,
            None if known is None else max(0, start + int(rate * known) - offset),
        )
        for read, known, timestamp, observed_at in stamps
    ]
    return Window(commits, [start + int(rate * seconds) for seconds in produced])


@dataclass(frozen=True, slots=True)
class Group:
    """A consumer group; ``lives`` says when it exists. An ``expired`` one is listed but has no data."""

    name: str
    schedule: Schedule
    subscriptions: Sequence[Subscription]
    lives: Presence = always
    expired: bool = False

    def topics(self) -> set[str]:
        """Return the names of the topics in this group's answer."""
        return {subscription.topic.name for subscription in self.subscriptions}

    def owner(self, subscription: Subscription, partition: int) -> tuple[str, str]:
        """Return host and client ID of a partition's owner, both empty if unknown."""
        if not subscription.members:
            return "", ""
        member = partition % subscription.members
        return f"/10.0.0.{7 + member}", f"{self.name}-{member + 1}"


@dataclass(frozen=True, slots=True)
class Cluster:
    """A Kafka cluster: its topics and its groups by name."""

    name: str
    topics: Mapping[str, Topic]
    groups: Mapping[str, Group]

    def listed(self, now: float) -> list[Group]:
        """Return the groups that Burrow lists at ``now`` (Unix seconds)."""
        return [group for group in self.groups.values() if group.lives(now)]

    def group(self, name: str, now: float) -> Group | None:
        """Return a group that Burrow knows at ``now``, else ``None``."""
        group = self.groups.get(name)
        return group if group and group.lives(now) and not group.expired else None
