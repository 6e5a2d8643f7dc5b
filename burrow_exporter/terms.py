"""What the policy says of one consumer group: frozen data between the settings and the exposition."""

from __future__ import annotations

from dataclasses import dataclass


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
