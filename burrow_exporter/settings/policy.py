"""The policy: owner, lag threshold and quiet hours of consumer groups.

The first matching entry applies. Regular expressions are fully anchored; ``None`` matches any name.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Annotated, Literal

from burrow_exporter.settings.quiet import Quiet
from burrow_exporter.settings.section import Section, about
from burrow_exporter.settings.validation import require
from burrow_exporter.settings.value_types import NamedFile, Seconds
from burrow_exporter.snapshot import Group
from burrow_exporter.terms import MAX_LAG_SECONDS, Granularity, Terms

Severity = Literal["critical", "warning", "none"]
Switch = Literal["on", "off"]
Expression = re.Pattern[str] | None


class Entry(Section, frozen=True):
    """What an entry applies to."""

    match: Annotated[Expression, about("Names the entry applies to: a fully anchored regular expression.")] = None
    cluster: Annotated[Expression, about("Clusters the entry applies to: a fully anchored regular expression.")] = None
    burrow: Annotated[
        Expression, about("Names of the Burrows the entry applies to: a fully anchored regular expression.")
    ] = None

    def is_for(self, burrow: str, cluster: str, name: str) -> bool:
        """Return whether the entry applies to a group or topic."""
        pairs = ((self.match, name), (self.cluster, cluster), (self.burrow, burrow))
        return all(expression is None or expression.fullmatch(text) for expression, text in pairs)

    def is_for_all(self) -> bool:
        """Return whether the entry applies to every name, so that later entries never apply."""
        return all(each is None or each.pattern in (".*", "") for each in (self.match, self.cluster, self.burrow))


class GroupEntry(Entry, frozen=True):
    """The policy of consumer groups. ``max_lag_seconds`` is in seconds, ``min_lag`` in messages of a partition."""

    team: Annotated[str, about("Team that owns the groups; a label on their alerts.", max_length=200)] = ""
    severity: Annotated[Severity, about("Severity of the alert on a group in error; none disables that alert.")] = (
        "critical"
    )
    max_lag_seconds: Annotated[Seconds, about("Age from which the lag is too old.")] = MAX_LAG_SECONDS
    min_lag: Annotated[int, about("Lag in seconds is 0 for a partition with fewer unread messages.", ge=0)] = 0
    quiet: Annotated[tuple[Quiet, ...], about("When alerts are muted: days, hours and time zone (default UTC).")] = ()
    granularity: Annotated[
        Granularity | None,
        about("Expose the groups by partition, by topic, or by group only; default: metrics.granularity."),
    ] = None
    runbook_url: Annotated[str, about("URL of the runbook that alerts link to.")] = ""
    alerts: Annotated[Switch | bool, about("Set to off to mute all alerts of the groups.")] = True

    def __post_init__(self) -> None:
        """Validate the section."""
        require("max_lag_seconds", self.max_lag_seconds > 0, "must be greater than 0")
        usable = not self.runbook_url or re.fullmatch(r"https?://[^\s\"<>\\]+", self.runbook_url)
        require("runbook_url", usable, "must be a URL such as https://wiki.example.org/page")

    def muted(self, moment: float) -> tuple[str, ...]:
        """Return why alerts are muted at a moment, in Unix seconds; empty if they are not."""
        quiet = ("quiet",) if any(window.covers(moment) for window in self.quiet) else ()
        return quiet if self.alerts in (True, "on") else (*quiet, "off")

    def terms(self, moment: float) -> Terms:
        """Return the terms at a moment, in Unix seconds."""
        return Terms(self.team, self.severity, self.max_lag_seconds, self.muted(moment), self.runbook_url)

    def lag_seconds(self, group: Group) -> Sequence[float | None]:
        """Return the lag in seconds of a group's partitions, 0 below ``min_lag`` messages."""
        if not self.min_lag:
            return group.lag_seconds
        pairs = zip(group.partitions.lags, group.lag_seconds, strict=False)
        return [0.0 if lag < self.min_lag else seconds for lag, seconds in pairs]


class TopicEntry(Entry, frozen=True):
    """The policy of topics. ``max_silence`` is in seconds."""

    max_silence: Annotated[Seconds | None, about("Alert when nothing has been produced for this long.")] = None

    def __post_init__(self) -> None:
        """Validate the section."""
        require("max_silence", self.max_silence is None or self.max_silence > 0, "must be greater than 0")


class ClusterEntry(Section, frozen=True):
    """The policy of clusters."""

    match: Annotated[Expression, about("Clusters the entry applies to: a fully anchored regular expression.")] = None
    burrow: Annotated[
        Expression, about("Names of the Burrows the entry applies to: a fully anchored regular expression.")
    ] = None
    idle: Annotated[Literal["ok", "alert"], about("Set to ok if it is normal that no group commits for a while.")] = (
        "alert"
    )

    def is_for(self, burrow: str, cluster: str) -> bool:
        """Return whether the entry applies to a cluster."""
        pairs = ((self.match, cluster), (self.burrow, burrow))
        return all(expression is None or expression.fullmatch(text) for expression, text in pairs)


class Policy(Section, frozen=True):
    """The whole policy; without entries it adds no series."""

    groups: Annotated[tuple[GroupEntry, ...], about("Policy of consumer groups.", flag=None)] = ()
    topics: Annotated[tuple[TopicEntry, ...], about("Policy of topics.", flag=None)] = ()
    clusters: Annotated[tuple[ClusterEntry, ...], about("Policy of clusters.", flag=None)] = ()

    def __post_init__(self) -> None:
        """Reject entries that can never apply."""
        for name, entries in (("groups", self.groups), ("topics", self.topics)):
            for index, entry in enumerate(entries[:-1]):
                require(f"{name}[{index}]", not entry.is_for_all(), "matches every name, so it must be the last entry")

    def is_empty(self) -> bool:
        """Return whether it has no entries."""
        return not (self.groups or self.topics or self.clusters)

    def has_least_lags(self) -> bool:
        """Return whether any group has a ``min_lag``."""
        return any(entry.min_lag for entry in self.groups)

    def has_topics(self) -> bool:
        """Return whether it has entries for topics."""
        return bool(self.topics)

    def of_group(self, burrow: str, cluster: str, group: str) -> GroupEntry | None:
        """Return the entry that applies to a group, if any."""
        return next((entry for entry in self.groups if entry.is_for(burrow, cluster, group)), None)

    def min_lag_of(self, cluster: str, group: str, burrow: str = "default") -> int:
        """Return from how many unread messages a partition has lag in seconds."""
        entry = self.of_group(burrow, cluster, group)
        return entry.min_lag if entry else 0

    def max_silence_of(self, burrow: str, cluster: str, topic: str) -> float | None:
        """Return after how many seconds without production a topic is silent; ``None`` if never."""
        return next((entry.max_silence for entry in self.topics if entry.is_for(burrow, cluster, topic)), None)

    def may_idle(self, burrow: str, cluster: str) -> bool:
        """Return whether it is normal that no group commits on a cluster for a while."""
        return next((entry.idle == "ok" for entry in self.clusters if entry.is_for(burrow, cluster)), False)


class PolicyConfig(Policy, frozen=True):
    """The policy in the configuration: inline entries, or a file."""

    file: Annotated[
        NamedFile | None, about("YAML policy file: team, severity, threshold and quiet hours of consumer groups.")
    ] = None

    def __post_init__(self) -> None:
        """Validate the section."""
        super().__post_init__()
        require("file", self.file is None or self.is_empty(), "cannot be used with groups, topics or clusters")
