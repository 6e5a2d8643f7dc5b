"""The terms of the policy: frozen data, and the interface that the exposition needs from the settings above it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, Literal, Protocol

from burrow_exporter.snapshot import Group

MAX_LAG_SECONDS: Final = 300.0
"""Default threshold of a group's lag in seconds."""


Granularity = Literal["partition", "topic", "group"]
GRANULARITIES: Final[tuple[Granularity, ...]] = ("partition", "topic", "group")
"""Granularity of group and topic families, finest first."""


def coarsest(*granularities: Granularity) -> Granularity:
    """Return the one with the fewest series."""
    return max(granularities, key=GRANULARITIES.index)


@dataclass(frozen=True, slots=True)
class Terms:
    """The terms of one consumer group at one moment.

    ``severity`` is ``critical``, ``warning`` or ``none``. ``max_lag_seconds`` is the threshold of the group's lag in
    seconds. ``muted`` holds the reasons why its alerts are muted: ``quiet``, ``off``, both or none. An empty ``team``
    or ``runbook_url`` is unset.
    """

    team: str
    severity: str
    max_lag_seconds: float
    muted: tuple[str, ...]
    runbook_url: str


class GroupPolicy(Protocol):
    """The policy entry that applies to a group.

    ``granularity`` is that of the group's families, or ``None`` for the default.
    """

    @property
    def granularity(self) -> Granularity | None:
        """Granularity of the group's families, or ``None`` for the default."""

    def terms(self, moment: float) -> Terms:
        """Return the terms at a moment, in Unix seconds."""

    def lag_seconds(self, group: Group) -> Sequence[float | None]:
        """Return the lag in seconds of a group's partitions."""


class Policy(Protocol):
    """The policy of all groups, topics and clusters."""

    def is_empty(self) -> bool:
        """Return whether it has no entries."""

    def has_least_lags(self) -> bool:
        """Return whether the policy changes the lag in seconds of any group."""

    def has_topics(self) -> bool:
        """Return whether it has entries for topics."""

    def of_group(self, burrow: str, cluster: str, group: str) -> GroupPolicy | None:
        """Return the entry that applies to a group, if any."""

    def max_silence_of(self, burrow: str, cluster: str, topic: str) -> float | None:
        """Return after how many seconds without production a topic is silent; ``None`` if never."""

    def may_idle(self, burrow: str, cluster: str) -> bool:
        """Return whether it is normal that no group commits on a cluster for a while."""
