"""The rate limit of the web config file."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable


class TokenBucket:
    """A token bucket: one request every ``interval`` seconds, with bursts of up to ``burst``."""

    def __init__(self, interval: float, burst: int, clock: Callable[[], float] = time.monotonic) -> None:
        self._interval = interval
        self._burst = burst
        self._clock = clock
        self._full_at = clock()
        self._lock = threading.Lock()

    def take(self) -> bool:
        """Take a token if available."""
        with self._lock:
            now = self._clock()
            full_at = max(self._full_at, now) + self._interval
            # Half a token of tolerance for rounding.
            if full_at - now > (self._burst + 0.5) * self._interval:
                return False
            self._full_at = full_at
            return True
