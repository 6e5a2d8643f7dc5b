"""What the policy says: frozen data, and what the exposition asks of the settings, which stand above it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, Literal, Protocol

from burrow_exporter.snapshot import Group

MAX_LAG_SECONDS: Final = 300.0
"""From which age on a group's lag is too old where no policy says otherwise."""


Granularity = Literal["partition", "topic", "group"]
GRANULARITIES: Final[tuple[Granularity, ...]] = ("partition", "topic", "group")
"""How fine the families of groups and topics are, the finest first."""


def coarsest(*granularities: Granularity) -> Granularity:
    """Return the one with the fewest series."""
    return max(granularities, key=GRANULARITIES.index)


@dataclass(frozen=True, slots=True)
class Terms:
    """The terms of one consumer group at one moment.

    ``severity`` is ``critical``, ``warning`` or ``none``. ``max_lag_seconds`` is the age in seconds from which on the
    group's lag is too old. ``muted`` holds why its alerts are muted now: ``quiet``, ``off``, both or nothing. An empty
    ``team`` or ``runbook_url`` is unset.
    """

    team: str
    severity: str
    max_lag_seconds: float
    muted: tuple[str, ...]
    runbook_url: str


class GroupPolicy(Protocol):
    """The entry of the policy that counts for a group.

    ``granularity`` is that of the group's families, ``None`` where it is the one of all.
    """

    @property
    def granularity(self) -> Granularity | None:
        """How fine the group's families are; ``None`` where it is as for all."""

    def terms(self, moment: float) -> Terms:
        """Return the terms at a moment, in Unix seconds."""

    def lag_seconds(self, group: Group) -> Sequence[float | None]:
        """Return the lags in seconds of a group's partitions."""


class Policy(Protocol):
    """The policy of all groups, topics and clusters."""

    def is_empty(self) -> bool:
        """Tell whether there is nothing in it."""

    def has_least_lags(self) -> bool:
        """Tell whether lags in seconds of any group are other than computed."""

    def has_topics(self) -> bool:
        """Tell whether topics are in it."""

    def of_group(self, burrow: str, cluster: str, group: str) -> GroupPolicy | None:
        """Return the entry that counts for a group, if there is one."""

    def max_silence_of(self, burrow: str, cluster: str, topic: str) -> float | None:
        """Return after how many seconds without production a topic is too silent; ``None`` where that is fine."""

    def may_idle(self, burrow: str, cluster: str) -> bool:
        """Tell whether it is normal that nobody commits on a cluster for a while."""
