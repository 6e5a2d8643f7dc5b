"""The state of one Burrow between polls: the last walk's readings, and earlier ones that are still valid."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, replace
from typing import TypedDict

from burrow_exporter.burrow.failures import advice
from burrow_exporter.lag.time_lag import TimeLag
from burrow_exporter.polling.absent import absent_groups
from burrow_exporter.polling.catch_up import CatchUp, Verdict
from burrow_exporter.polling.contradictions import Contradictions
from burrow_exporter.polling.log_ends import LogEnds
from burrow_exporter.polling.own_group import Progress, is_own, may_be_own, own_answers, own_lag, progress
from burrow_exporter.polling.ownership import Ownership
from burrow_exporter.polling.readings import LeftOut, has_lag, left_out_by, newest, unless_ahead
from burrow_exporter.polling.settling import Settling
from burrow_exporter.polling.walk import ClusterWalk, WalkResult
from burrow_exporter.settings.config import BurrowConfig, ShardConfig
from burrow_exporter.snapshot import Cluster, Group, Outcome, Snapshot


class BurrowState:
    """Converts the walks of one Burrow to snapshots.

    A failure affects only its own part: a group, topic or cluster without a usable response keeps its last reading
    until it expires. Anything Burrow no longer lists is removed at once. Keeps only the groups of ``shard``.
    """

    def __init__(self, burrow: BurrowConfig, shard: ShardConfig | None = None) -> None:
        self.snapshot = Snapshot(burrow.name, (), 0.0)
        self._burrow = burrow
        self._shard = shard or ShardConfig()
        self._clusters: dict[str, ClusterState] = {}
        self._settings = BurrowSettings(burrow.expire_cache)
        self._source = ""
        self._counted: dict[str, Ownership] = {}

    def count_on(self, before: BurrowState) -> None:
        """Continue the counts of the same Burrow's state under another configuration."""
        self._counted = {name: state.ownership for name, state in before._clusters.items()}

    def apply_walk(self, walk: WalkResult, now: float, monotonic: float) -> Snapshot:
        """Apply a walk that ended at ``now`` (Unix seconds), ``monotonic`` on the monotonic clock.

        The poll succeeded if Burrow was ready and at least one of its clusters, if it has any, could be read.
        """
        before = {cluster.name: cluster for cluster in self.snapshot.fresh(monotonic).clusters}
        clusters: list[Cluster | None] = [unread(cluster) for cluster in before.values()]
        states: dict[str, ClusterState] = {}
        if walk.clusters is not None:
            self._clusters = states = {name: self._state_of(name) for name in sorted(walk.clusters)}
            if walk.settings:
                self._settings = BurrowSettings(walk.settings.expire_cache, walk.settings.own_groups)
            if walk.source != self._source:
                self._source = walk.source
                for state in states.values():
                    state.reset()
            moment = Moment(now, monotonic, walk.expires_at)
            clusters = [
                state.apply_walk(walk.clusters[name], before.get(name), moment, self._settings)
                for name, state in states.items()
            ]
        known = tuple(filter(None, clusters))
        outcome = self._outcome(walk, states, known, now)
        self.snapshot = Snapshot(self._burrow.name, known, now, frozenset(self._clusters), outcome).fresh(monotonic)
        return self.snapshot

    def _outcome(
        self, walk: WalkResult, states: Mapping[str, ClusterState], known: Iterable[Cluster], now: float
    ) -> Outcome:
        """Return the outcome of a poll that ended at ``now`` and read the clusters of ``states``."""
        verdicts = {name: state.verdict for name, state in states.items()}
        withheld = {name: states[name].burrow_lag for name in verdicts if verdicts[name] is Verdict.BEHIND}
        behind = {each.name: each.burrow_lag for each in known if (each.burrow_lag or 0) > self._burrow.catch_up_lag}
        good = walk.clusters == {} or not {Verdict.ADMITTED, Verdict.TIMED_OUT}.isdisjoint(verdicts.values())
        return Outcome(
            good=good,
            last_good_at=now if good else self.snapshot.outcome.last_good_at,
            expires_at=walk.expires_at,
            failures=Counter((str(failure.endpoint), str(failure.reason)) for failure in walk.failures),
            behind=behind | withheld,
            withheld=tuple(withheld),
            timed_out=tuple(name for name, verdict in verdicts.items() if verdict is Verdict.TIMED_OUT),
            hints=tuple(dict.fromkeys(filter(None, map(advice, walk.failures)))),
        )

    def _state_of(self, name: str) -> ClusterState:
        known = self._clusters.get(name)
        if known is None:
            known = ClusterState(self._burrow, self._shard)
            known.ownership = self._counted.pop(name, known.ownership)
        return known


@dataclass(frozen=True, slots=True)
class BurrowSettings:
    """Burrow's configuration, or the values assumed for it.

    ``expire_cache`` is in seconds; 0 means never. ``own_groups`` are the names of Burrow's own groups by cluster,
    ``None`` if they are not known.
    """

    expire_cache: float
    own_groups: Mapping[str, frozenset[str]] | None = None

    def names_in(self, cluster: str) -> frozenset[str] | None:
        """Return the names of Burrow's own groups in a cluster, or ``None`` if they are not known."""
        return None if self.own_groups is None else self.own_groups.get(cluster, frozenset())


@dataclass(frozen=True, slots=True)
class Moment:
    """When a walk ended, in Unix seconds and on the monotonic clock, and when its readings expire there."""

    now: float
    monotonic: float
    expires_at: float


class Filtered(TypedDict):
    """The fields of a cluster that count what the filters removed."""

    filtered_groups: Mapping[str, int]
    hidden_groups: tuple[str, ...]


class ClusterState:
    """The state of one cluster between polls, in addition to its last readings.

    ``verdict`` is that of the last walk, or ``None`` if a list could not be read. ``burrow_lag`` is Burrow's lag in
    messages at that time.
    """

    verdict: Verdict | None = None
    burrow_lag: int | None = None

    def __init__(self, burrow: BurrowConfig, shard: ShardConfig) -> None:
        self._filters = burrow.filters
        self._shard = shard
        self._catch_up = CatchUp(burrow.catch_up_lag, burrow.catch_up_timeout)
        self._settling = Settling(burrow.catch_up_timeout)
        self._log_ends = LogEnds()
        self._contradictions = Contradictions()
        self._time_lag = TimeLag(burrow.allowed_lag)
        self.ownership = Ownership()

    def reset(self) -> None:
        """Reset for responses from another replica, which has its own evaluations."""
        self._settling = Settling(self._settling.max_hold)
        self._contradictions = Contradictions()

    def apply_walk(
        self, walk: ClusterWalk, before: Cluster | None, moment: Moment, settings: BurrowSettings
    ) -> Cluster | None:
        """Return the cluster after a walk, given the cluster published ``before``. Stores the verdict."""
        self.verdict = None
        if walk.listed_groups is None or walk.listed_topics is None:
            return before and unread(before)
        answers = own_answers(walk.own, settings.names_in(walk.name))
        self.burrow_lag, read = own_lag(answers), progress(answers)
        wanted = self._wanted(walk)
        cluster = Cluster(
            name=walk.name,
            groups=before.groups if before else (),
            topics=before.topics if before else (),
            listed_groups=len(walk.listed_groups) + walk.omitted_groups,
            listed_topics=len(walk.listed_topics) + walk.omitted_topics,
            last_commit=newest(walk.last_commit, unless_ahead(before.last_commit, moment.now) if before else None),
            burrow_lag=before.burrow_lag if before and not walk.own else self.burrow_lag,
            unreadable_groups=sum(name not in walk.groups for name in wanted) + walk.left_out,
            expires_at=moment.expires_at,
            wanted_groups=len(wanted) + walk.left_out,
            contradicts=self._contradicts(walk),
            **self._filtered(walk, wanted, {answer.group for answer in answers}),
        )
        self.verdict = self._judge(walk, read, moment.monotonic, settings)
        if self.verdict is Verdict.BEHIND:
            self._settling.fell_behind()
            return before and replace(cluster, held_groups=sum(map(bool, map(walk.groups.get, wanted))))
        shown = self._read(cluster, walk, wanted, self._held(walk, read, moment, settings.expire_cache), moment)
        names, own = {group.name for group in shown.groups}, {answer.group for answer in answers}
        return replace(shown, absent_groups=absent_groups(walk, wanted, names, own, self._filters))

    def _wanted(self, walk: ClusterWalk) -> list[str]:
        """Return the listed groups of this shard that pass the name filters, in order."""
        names = filter(self._filters.group.admits, walk.listed_groups or ())
        return sorted(name for name in names if self._shard.holds(walk.name, name))

    def _contradicts(self, walk: ClusterWalk) -> bool:
        """Return whether the responses of the last polls contradict each other."""
        groups = {name: group for name, group in walk.groups.items() if name not in walk.filtered}
        return self._contradictions.found(groups, set(walk.listed_groups or ()), walk.topics.values())

    def _filtered(self, walk: ClusterWalk, wanted: Collection[str], own: Collection[str]) -> Filtered:
        """Return which of this shard's groups the filters removed, except Burrow's ``own``, and which have lag."""
        mine = sum(self._shard.holds(walk.name, name) for name in walk.listed_groups or ())
        known = [name for name in wanted if name in walk.filtered and name not in own]
        left_out = {name: left_out_by(walk.filtered[name], self._filters) for name in known}
        counts = Counter(left_out.values())
        hidden = [name for name, by in left_out.items() if by is LeftOut.COMMIT_AGE and has_lag(walk.filtered[name])]
        return {
            "filtered_groups": {"name": mine - len(wanted), **{str(by): counts[by] for by in LeftOut}},
            "hidden_groups": tuple(hidden),
        }

    def _judge(self, walk: ClusterWalk, read: Progress | None, monotonic: float, settings: BurrowSettings) -> Verdict:
        """Judge whether Burrow has caught up with the cluster, given its progress ``read``."""
        names = settings.names_in(walk.name)
        listed = [name for name in walk.listed_groups or () if (may_be_own(name) if names is None else name in names)]
        others = [name for name, answer in walk.own.items() if not (answer and is_own(answer))]
        return self._catch_up.judge(
            read.lags if read else None,
            own_listed=bool(set(listed) - set(others if names is None else ())),
            own_answered=read is not None or walk.own.keys() >= set(listed),
            monotonic=monotonic,
        )

    def _held(self, walk: ClusterWalk, read: Progress | None, moment: Moment, expire: float) -> set[str]:
        """Return the groups whose responses may be from before Burrow had read their commits."""
        behind = self._catch_up.held
        self._settling.follow(read, behind, moment.monotonic)
        groups = list(filter(None, walk.groups.values()))
        held = {group.name for group in groups if behind and read and read.partition_of(group.name) in behind}
        begun = min((group.read_at for group in groups), default=moment.now)
        ago = moment.monotonic - moment.now
        if not self._settling.is_over(begun + ago, expire):
            held |= {each.name for each in groups if not self._settling.is_settled(each, each.read_at + ago, expire)}
        return held

    def _read(self, cluster: Cluster, walk: ClusterWalk, wanted: list[str], held: set[str], moment: Moment) -> Cluster:
        """Return the cluster with the walk's groups and topics, and the old ones that the walk does not have."""
        known_groups: dict[str, Group | None] = {group.name: group for group in cluster.groups}
        known_groups |= {name: group for name, group in walk.groups.items() if name not in held}
        groups = [group for group in map(known_groups.get, wanted) if group]
        known_topics = {topic.name: topic for topic in cluster.topics} | walk.topics
        listed_topics = filter(None, map(known_topics.get, sorted(walk.listed_topics or ())))
        topics = self._log_ends.trusted(listed_topics, walk.partition_counts)
        groups = self.ownership.follow(groups, cluster.groups, walk.listed_groups or ())
        lags = self._time_lag.update(groups, topics, moment.now, moment.monotonic)
        return replace(
            cluster,
            groups=tuple(replace(group, lag_seconds=each) for group, each in zip(groups, lags, strict=True)),
            topics=topics,
            held_groups=len(held.intersection(wanted)),
        )


def unread(cluster: Cluster) -> Cluster:
    """Return a cluster marked as not read in the last poll."""
    return replace(cluster, unreadable_groups=cluster.wanted_groups, held_groups=0)
