"""The log of one Burrow's polls for operators: failures, reminders, and recoveries."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Any

import structlog

from burrow_exporter.burrow.client import encode
from burrow_exporter.burrow.failures import BurrowError, Endpoint, Reason, advice
from burrow_exporter.polling.walk import ClusterWalk, WalkResult
from burrow_exporter.snapshot import Snapshot

REMIND_SECONDS = 600.0
FIRST_PAUSE_SECONDS = 60.0
MOST_CLUSTERS = 100
"""The number of failing clusters per Burrow that are logged by name."""
LISTS = {Endpoint.CONSUMERS, Endpoint.TOPICS}
SUBJECTS = {Endpoint.LAG: "groups", Endpoint.TOPIC: "topics"}
EVENTS = {
    "Burrow": ("Burrow poll failed", "Burrow poll still failing", "Burrow recovered"),
    "replica": ("replica failed", "replica still failing", "replica recovered"),
    "cluster": ("cluster requests failed", "cluster requests still failing", "cluster requests recovered"),
    "behind": (
        "Burrow catching up, cluster withheld",
        "Burrow still catching up, cluster withheld",
        "Burrow caught up, cluster exposed",
    ),
    "held": (
        "groups held back: Burrow may not have read their commits",
        "groups still held back",
        "groups no longer held back",
    ),
    "contradicts": (
        "contradictory responses: several Burrows behind one address? list each replica instead of a load balancer",
        "responses still contradictory",
        "responses consistent again",
    ),
    "groups": ("group requests failed", "group requests still failing", "group requests recovered"),
    "topics": ("topic requests failed", "topic requests still failing", "topic requests recovered"),
    "requests": ("requests failed", "requests still failing", "requests recovered"),
}
"""By kind of failure: the events for its beginning, for a reminder, and for its end."""

Subject = tuple[str, ...]
"""What fails: a key of EVENTS, and a name."""


@dataclass(slots=True)
class Outage:
    """A failure that lasts or has ended recently. Times are in seconds on the monotonic clock.

    ``earlier`` counts the recent outages of the same subject. From the second outage on, one ends only after some time
    without failures, so that an intermittent failure is not logged each time.
    """

    since: float
    said_at: float
    failed_polls: int = 0
    good_since: float | None = None
    ended_at: float | None = None
    earlier: int = 0

    def pause(self) -> float:
        """Return how many seconds without failures end the outage."""
        return min(FIRST_PAUSE_SECONDS * 2.0 ** (self.earlier - 2), REMIND_SECONDS) if self.earlier > 1 else 0.0

    def lasted(self, until: float) -> dict[str, Any]:
        """Return the log fields for its duration."""
        return {"after": duration(until - self.since), "failed_polls": self.failed_polls}


@dataclass(frozen=True, slots=True)
class Attempt:
    """A replica tried in a poll: its failures, and whether its responses were used."""

    address: str
    failures: Sequence[BurrowError]
    used: bool


class OutageLog:
    """Logs the polls of a Burrow at ``addresses``: changes, and every ten minutes the failures that persist.

    ``monotonic`` returns seconds.
    """

    def __init__(self, burrow: str, addresses: Sequence[str], monotonic: Callable[[], float]) -> None:
        self._log = structlog.get_logger().bind(burrow=burrow)
        self._address = " ".join(addresses)
        self._monotonic = monotonic
        self._outages: dict[Subject, Outage] = {}
        self._was_read = False

    def polled(self, snapshot: Snapshot, walk: WalkResult, attempts: Sequence[Attempt], seconds: float) -> None:
        """Log a poll that took ``seconds`` and used ``walk``. ``attempts`` are the replicas that were tried."""
        figures = {
            "clusters": len(snapshot.clusters),
            "groups": sum(len(cluster.groups) for cluster in snapshot.clusters),
        }
        taken = {"seconds": round(seconds, 3), "answered": walk.answered()}
        outcome = snapshot.outcome
        self._log.debug("poll", good=outcome.good, **taken, **figures, **facts(walk.failures))
        if not outcome.good and not outcome.withheld:
            # Other failures are assumed to persist.
            self._fails(("Burrow",), address=self._address, **facts(walk.failures))
            return
        if outcome.good and not self._was_read:
            self._was_read = True
            outage = self._outages.pop(("Burrow",), None)
            lasted = outage.lasted(self._monotonic()) if outage else {}
            self._log.info("first poll succeeded", address=self._address, **figures, **lasted)
        self._works(("Burrow",), address=self._address, **figures)
        used = next(each for each in attempts if each.used)
        self._log_replicas(used, attempts)
        self._log_parts(snapshot, walk, used)

    def _log_replicas(self, used: Attempt, attempts: Sequence[Attempt]) -> None:
        """Log the replicas that failed, if another one responded."""
        self._works(("replica", used.address), address=used.address)
        for attempt in attempts:
            if not attempt.used:
                fields = {"address": attempt.address, "used": used.address, **facts(attempt.failures)}
                self._fails(("replica", attempt.address), **fields)

    def _log_parts(self, snapshot: Snapshot, walk: WalkResult, used: Attempt) -> None:
        """Log partial failures of a Burrow that responds."""
        failing = failing_parts(snapshot, walk, used.failures)
        for subject, fields in failing.items():
            self._fails(subject, address=used.address, **fields)
        for subject in [each for each in self._outages if each[0] not in {"Burrow", "replica"}]:
            if subject not in failing:
                self._works(subject, address=used.address, **names(subject))
        for cluster in snapshot.outcome.timed_out:
            event = "catch-up timeout exceeded, cluster exposed anyway"
            self._log.warning(event, cluster=cluster, burrow_lag=snapshot.outcome.behind.get(cluster))

    def _fails(self, subject: Subject, **fields: Any) -> None:  # noqa: ANN401  values of a log line
        """Record that a subject failed in this poll."""
        now = self._monotonic()
        outage = self._outages.get(subject)
        if outage is None or outage.ended_at is not None:
            outage = self._outages[subject] = Outage(now, now, earlier=outage.earlier + 1 if outage else 0)
            self._log.warning(EVENTS[subject[0]][0], **fields)
        outage.failed_polls += 1
        outage.good_since = None
        if now - outage.said_at >= REMIND_SECONDS:
            outage.said_at = now
            self._log.warning(EVENTS[subject[0]][1], **fields, **outage.lasted(now))

    def _works(self, subject: Subject, **fields: Any) -> None:  # noqa: ANN401  values of a log line
        """Record that a subject did not fail in this poll."""
        now = self._monotonic()
        outage = self._outages.get(subject)
        if outage is None:
            return
        if outage.ended_at is not None:
            if now - outage.ended_at >= REMIND_SECONDS:
                del self._outages[subject]
            return
        if outage.good_since is None:
            outage.good_since = now
        if now - outage.good_since >= outage.pause():
            self._log.info(EVENTS[subject[0]][2], **fields, **outage.lasted(outage.good_since))
            outage.ended_at = now


def failing_parts(
    snapshot: Snapshot, walk: WalkResult, failures: Sequence[BurrowError]
) -> dict[Subject, dict[str, Any]]:
    """Return the partial failures of a Burrow that responds, with the fields of their log lines."""
    failing: dict[Subject, dict[str, Any]] = {}
    left = list(failures)
    for cluster in islice(filter(is_unread, (walk.clusters or {}).values()), MOST_CLUSTERS):
        of_lists = [error for error in left if error.endpoint in LISTS and concerns(error, cluster.name)]
        left = [error for error in left if error not in of_lists]
        failing["cluster", cluster.name] = {"cluster": cluster.name, **facts(of_lists)}
    outcome = snapshot.outcome
    for name in islice(outcome.withheld, MOST_CLUSTERS):
        failing["behind", name] = {"cluster": name, "burrow_lag": outcome.behind[name]}
    held = [each for each in snapshot.clusters if each.held_groups and each.name not in outcome.withheld]
    for each in held[:MOST_CLUSTERS]:
        failing["held", each.name] = {"cluster": each.name, "groups": each.held_groups}
    for each in [each for each in snapshot.clusters if each.contradicts][:MOST_CLUSTERS]:
        failing["contradicts", each.name] = {"cluster": each.name}
    kinds: dict[tuple[Endpoint, Reason], list[BurrowError]] = defaultdict(list)
    for error in left:
        kinds[error.endpoint, error.reason].append(error)
    for (endpoint, reason), errors in kinds.items():
        failing[SUBJECTS.get(endpoint, "requests"), endpoint, reason] = facts(errors)
    return failing


def is_unread(cluster: ClusterWalk) -> bool:
    """Return whether one of the cluster's lists could not be read, and so nothing of the cluster."""
    return cluster.listed_groups is None or cluster.listed_topics is None


def concerns(error: BurrowError, cluster: str) -> bool:
    """Return whether a failed request concerns a cluster: its detail contains the path or the name."""
    return f"/{encode(cluster)}/" in error.detail or repr(cluster) in error.detail


def names(subject: Subject) -> dict[str, str]:
    """Return the log fields that identify a subject within its kind."""
    kind, *which = subject
    if kind in {"cluster", "behind", "held", "contradicts"}:
        return {"cluster": which[0]}
    return {"endpoint": which[0], "reason": which[1]}


def facts(failures: Sequence[BurrowError]) -> dict[str, Any]:
    """Return the log fields for failures: the first one's details, and the other kinds in ``also``."""
    if not failures:
        return {}
    first = failures[0]
    hint = next(filter(None, map(advice, failures)), "")
    also = dict.fromkeys(f"{error.endpoint} {error.reason}" for error in failures)
    also.pop(f"{first.endpoint} {first.reason}")
    fields = {"endpoint": first.endpoint, "reason": first.reason, "failures": len(failures), "error": first.detail}
    return fields | ({"also": ", ".join(also)} if also else {}) | ({"hint": hint} if hint else {})


def duration(seconds: float) -> str:
    """Format seconds as a Prometheus duration, such as ``1h2m3s``."""
    minutes, seconds = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}h{minutes}m{seconds}s" if hours else f"{minutes}m{seconds}s" if minutes else f"{seconds}s"
