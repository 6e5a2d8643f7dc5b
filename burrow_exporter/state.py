"""What is known of one Burrow, from poll to poll: a walk's answers, and what earlier ones left standing."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field, replace

from burrow_exporter.burrow import BurrowError
from burrow_exporter.catchup import CatchUp, Verdict
from burrow_exporter.config import BurrowConfig
from burrow_exporter.readings import OWN_GROUP_PREFIX, is_own, newest, own_lag, trusted_topics
from burrow_exporter.snapshot import Cluster, Group, Snapshot, Topic
from burrow_exporter.walk import ClusterWalk, WalkResult


@dataclass(slots=True)
class Poll:
    """The outcome of one poll.

    ``good`` when Burrow was ready and at least one of its clusters, if it has any, could be read. ``behind`` holds the
    clusters whose answers were not used because Burrow itself is behind, ``out_of_patience`` those used all the same
    from now on, each with the lag of Burrow's own group (``None``: no commit of its own yet).
    """

    good: bool
    snapshot: Snapshot
    failures: list[BurrowError]
    behind: dict[str, int | None] = field(default_factory=dict)
    out_of_patience: dict[str, int | None] = field(default_factory=dict)


class BurrowState:
    """Turns the walks of one Burrow into snapshots.

    Whatever fails costs only itself: a group, topic or cluster without a usable answer keeps its last reading until
    that expires. Whatever Burrow no longer lists is gone at once. ``stale_after`` is in seconds.
    """

    def __init__(self, burrow: BurrowConfig, stale_after: float) -> None:
        self.snapshot = Snapshot(burrow.name, (), 0.0)
        self._burrow = burrow
        self._stale_after = stale_after
        self._catch_ups: dict[str, CatchUp] = {}

    def absorb(self, walk: WalkResult, now: float, monotonic: float) -> Poll:
        """Take in a walk that ended at ``now`` (Unix seconds), which is ``monotonic`` on the monotonic clock."""
        poll = Poll(good=walk.clusters == {}, snapshot=self.snapshot, failures=walk.failures)
        before = {cluster.name: cluster for cluster in self.snapshot.clusters}
        clusters = [unread(cluster) for cluster in before.values()]
        if walk.clusters is not None:
            names = sorted(walk.clusters)
            self._catch_ups = {name: self._catch_ups.get(name) or self._new_catch_up() for name in names}
            merged = (self._cluster(walk.clusters[name], before.get(name), poll, monotonic) for name in names)
            clusters = [cluster for cluster in merged if cluster]
        poll.snapshot = self.snapshot = Snapshot(self._burrow.name, tuple(clusters), now).fresh(monotonic)
        return poll

    def drop_expired(self, monotonic: float) -> bool:
        """Drop what has expired by ``monotonic``, and tell whether that was anything."""
        before, self.snapshot = self.snapshot, self.snapshot.fresh(monotonic)
        return self.snapshot is not before

    def _new_catch_up(self) -> CatchUp:
        return CatchUp(self._burrow.catch_up_lag, self._burrow.catch_up_timeout)

    def _cluster(self, walk: ClusterWalk, before: Cluster | None, poll: Poll, monotonic: float) -> Cluster | None:
        if walk.listed_groups is None or walk.listed_topics is None:
            return before and unread(before)
        lag = own_lag(answer for answer in walk.own.values() if answer)
        verdict = self._judge(walk, lag, monotonic)
        if verdict is Verdict.OUT_OF_PATIENCE:
            poll.out_of_patience[walk.name] = lag
        if verdict is Verdict.BEHIND:
            poll.behind[walk.name] = lag
            groups, topics = before.groups if before else (), before.topics if before else ()
            unreadable = len(walk.listed_groups)
        else:
            poll.good = True
            groups, unreadable = self._groups(walk, before.groups if before else ())
            topics = self._topics(walk, before.topics if before else ())
        cluster = Cluster(
            name=walk.name,
            groups=groups,
            topics=trusted_topics(topics, groups),
            listed_groups=len(walk.listed_groups),
            listed_topics=len(walk.listed_topics),
            last_commit=newest(walk.last_commit, before.last_commit if before else None),
            burrow_lag=lag if walk.own or not before else before.burrow_lag,
            unreadable_groups=unreadable,
            expires_at=monotonic + self._stale_after,
        )
        return cluster if before or verdict is not Verdict.BEHIND else None

    def _judge(self, walk: ClusterWalk, lag: int | None, monotonic: float) -> Verdict:
        """Judge whether Burrow has caught up with a cluster, of which its own group is ``lag`` messages behind."""
        candidates = [name for name in walk.listed_groups or () if name.startswith(OWN_GROUP_PREFIX)]
        others = [name for name, answer in walk.own.items() if answer and not is_own(answer)]
        return self._catch_ups[walk.name].judge(
            lag,
            own_listed=len(candidates) > len(others),
            own_answered=len(candidates) == len(walk.own),
            monotonic=monotonic,
        )

    def _groups(self, walk: ClusterWalk, before: Iterable[Group]) -> tuple[tuple[Group, ...], int]:
        """Return the readings of the listed groups, and how many of them had no usable answer."""
        listed = sorted(filter(self._burrow.filters.group.admits, walk.listed_groups or ()))
        known: dict[str, Group | None] = {group.name: group for group in before}
        readings = ((known | walk.groups).get(name) for name in listed)
        return tuple(filter(None, readings)), len(set(listed) - walk.groups.keys())

    def _topics(self, walk: ClusterWalk, before: Iterable[Topic]) -> tuple[Topic, ...]:
        """Return the readings of the listed topics."""
        known = {topic.name: topic for topic in before} | walk.topics
        return tuple(known[name] for name in sorted(walk.listed_topics or ()) if name in known)


def unread(cluster: Cluster) -> Cluster:
    """Return a cluster of which nothing could be read in the last poll."""
    return replace(cluster, unreadable_groups=len(cluster.groups))
