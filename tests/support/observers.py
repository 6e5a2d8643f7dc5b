"""An observer of a client's requests."""

from __future__ import annotations

from dataclasses import dataclass, field

from burrow_exporter.burrow.failures import Endpoint, Reason


@dataclass
class RecordingObserver:
    """Records attempts, and failures that are retried."""

    attempts: list[Endpoint] = field(default_factory=list)
    failures: list[tuple[Endpoint, Reason]] = field(default_factory=list)

    def sent(self, endpoint: Endpoint) -> None:
        """Record an attempt."""
        self.attempts.append(endpoint)

    def failed(self, endpoint: Endpoint, reason: Reason) -> None:
        """Record a failure."""
        self.failures.append((endpoint, reason))
