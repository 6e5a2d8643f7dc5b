"""What is known of one Burrow, from poll to poll: a walk's answers, and what earlier ones left standing."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field, replace

from burrow_exporter.burrow.failures import BurrowError
from burrow_exporter.lag.time_lag import TimeLag
from burrow_exporter.polling.catch_up import CatchUp, Verdict
from burrow_exporter.polling.readings import is_own, may_be_own, newest, own_lag, trusted_topics, unless_ahead
from burrow_exporter.polling.walk import ClusterWalk, WalkResult
from burrow_exporter.settings.config import BurrowConfig, ShardConfig
from burrow_exporter.snapshot import Cluster, Group, Outcome, Snapshot


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
    that expires. Whatever Burrow no longer lists is gone at once. Of the groups those of ``shard`` are kept.
    """

    def __init__(self, burrow: BurrowConfig, shard: ShardConfig | None = None) -> None:
        self.snapshot = Snapshot(burrow.name, (), 0.0)
        self._burrow = burrow
        self._shard = shard or ShardConfig()
        self._clusters: dict[str, ClusterState] = {}

    def absorb(self, walk: WalkResult, now: float, monotonic: float) -> Poll:
        """Take in a walk that ended at ``now`` (Unix seconds), which is ``monotonic`` on the monotonic clock."""
        poll = Poll(good=walk.clusters == {}, snapshot=self.snapshot, failures=walk.failures)
        before = {cluster.name: cluster for cluster in self.snapshot.fresh(monotonic).clusters}
        clusters: list[Cluster | None] = [unread(cluster) for cluster in before.values()]
        if walk.clusters is not None:
            self._clusters = {name: self._state_of(name) for name in sorted(walk.clusters)}
            moment = Moment(now, monotonic, walk.expires_at)
            clusters = [
                state.absorb(walk.clusters[name], before.get(name), poll, moment)
                for name, state in self._clusters.items()
            ]
        known = tuple(filter(None, clusters))
        outcome = self._outcome(poll, known, walk.expires_at, now)
        snapshot = Snapshot(self._burrow.name, known, now, frozenset(self._clusters), outcome)
        poll.snapshot = self.snapshot = snapshot.fresh(monotonic)
        return poll

    def _outcome(self, poll: Poll, clusters: Iterable[Cluster], expires_at: float, now: float) -> Outcome:
        """Return how a poll went that ended at ``now``."""
        behind = {each.name: each.burrow_lag for each in clusters if (each.burrow_lag or 0) > self._burrow.catch_up_lag}
        return Outcome(
            good=poll.good,
            last_good_at=now if poll.good else self.snapshot.outcome.last_good_at,
            expires_at=expires_at,
            failures=Counter((str(failure.endpoint), str(failure.reason)) for failure in poll.failures),
            behind=behind | poll.behind,
        )

    def _state_of(self, name: str) -> ClusterState:
        return self._clusters.get(name) or ClusterState(self._burrow, self._shard)


@dataclass(frozen=True, slots=True)
class Moment:
    """When a walk ended, in Unix seconds and on the monotonic clock, and when what it read expires there."""

    now: float
    monotonic: float
    expires_at: float


class ClusterState:
    """What is kept of one cluster from poll to poll, beside its last readings."""

    def __init__(self, burrow: BurrowConfig, shard: ShardConfig) -> None:
        self._filters = burrow.filters
        self._shard = shard
        self._catch_up = CatchUp(burrow.catch_up_lag, burrow.catch_up_timeout)
        self._time_lag = TimeLag()

    def absorb(self, walk: ClusterWalk, before: Cluster | None, poll: Poll, moment: Moment) -> Cluster | None:
        """Return the cluster after a walk, given what was published ``before``; note in ``poll`` how it went."""
        if walk.listed_groups is None or walk.listed_topics is None:
            return before and unread(before)
        lag = own_lag(answer for answer in walk.own.values() if answer)
        cluster = Cluster(
            name=walk.name,
            groups=before.groups if before else (),
            topics=before.topics if before else (),
            listed_groups=len(walk.listed_groups),
            listed_topics=len(walk.listed_topics),
            last_commit=newest(walk.last_commit, unless_ahead(before.last_commit, moment.now) if before else None),
            burrow_lag=before.burrow_lag if before and not walk.own else lag,
            unreadable_groups=len(self._mine(walk)),
            expires_at=moment.expires_at,
        )
        verdict = self._judge(walk, lag, moment.monotonic)
        if verdict is Verdict.BEHIND:
            poll.behind[walk.name] = lag
            return before and cluster
        if verdict is Verdict.OUT_OF_PATIENCE:
            poll.out_of_patience[walk.name] = lag
        poll.good = True
        return self._read(cluster, walk, moment.now)

    def _mine(self, walk: ClusterWalk) -> list[str]:
        """Return the listed groups of this share."""
        return [name for name in walk.listed_groups or () if self._shard.holds(walk.name, name)]

    def _judge(self, walk: ClusterWalk, lag: int | None, monotonic: float) -> Verdict:
        """Judge whether Burrow has caught up with the cluster, of which its own group is ``lag`` messages behind."""
        candidates = list(filter(may_be_own, walk.listed_groups or ()))
        others = [name for name, answer in walk.own.items() if answer and not is_own(answer)]
        return self._catch_up.judge(
            lag,
            own_listed=len(candidates) > len(others),
            own_answered=len(candidates) == len(walk.own),
            monotonic=monotonic,
        )

    def _read(self, cluster: Cluster, walk: ClusterWalk, now: float) -> Cluster:
        """Return the cluster with the groups and topics of the walk, and its old ones where the walk has none."""
        listed = sorted(filter(self._filters.group.admits, self._mine(walk)))
        known_groups: dict[str, Group | None] = {group.name: group for group in cluster.groups}
        known_groups |= walk.groups
        groups = [group for group in map(known_groups.get, listed) if group]
        known_topics = {topic.name: topic for topic in cluster.topics} | walk.topics
        topics = trusted_topics(filter(None, map(known_topics.get, sorted(walk.listed_topics or ()))), groups)
        lags = self._time_lag.update(groups, topics, now)
        return replace(
            cluster,
            groups=tuple(replace(group, lag_seconds=each) for group, each in zip(groups, lags, strict=True)),
            topics=topics,
            unreadable_groups=sum(name not in walk.groups for name in listed),
        )


def unread(cluster: Cluster) -> Cluster:
    """Return a cluster of which nothing could be read in the last poll."""
    return replace(cluster, unreadable_groups=len(cluster.groups))
