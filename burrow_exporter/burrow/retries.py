"""Retries: which failed requests are retried, when, and when to give up. Uses tenacity's strategies."""

from __future__ import annotations

import threading
import time

from tenacity import (
    RetryCallState,
    Retrying,
    retry_if_exception,
    stop_after_attempt,
    stop_before_delay,
    stop_when_event_set,
    wait_exponential,
    wait_random,
)

from burrow_exporter.burrow.failures import TRANSIENT, BurrowError

ATTEMPTS = 3
WAIT = wait_exponential(multiplier=0.2) + wait_random(0, 0.2)
"""0.2 to 0.4 s before the second attempt, 0.4 to 0.6 s before the third."""


def is_transient(error: BaseException) -> bool:
    """Return whether a failure may be temporary: a broken connection, a timeout, a 5xx."""
    return isinstance(error, BurrowError) and error.reason in TRANSIENT


class Attempts:
    """The attempts of one request, from its first failure on.

    Makes at most ``most`` attempts, none that would begin at ``limit`` (monotonic seconds) or later, and none once
    ``stop`` is set. tenacity's strategies decide, but nothing sleeps: the thread makes other requests meanwhile.
    """

    def __init__(self, most: int, limit: float, stop: threading.Event) -> None:
        left = max(0.0, limit - time.monotonic())
        self._retry = retry_if_exception(is_transient)
        self._stop = stop_after_attempt(most) | stop_before_delay(left) | stop_when_event_set(stop)
        self._state = RetryCallState(Retrying(), fn=None, args=(), kwargs={})

    def pause_after(self, error: BurrowError) -> float | None:
        """Return the seconds to wait before the next attempt after this failure, or ``None`` if it was the last."""
        # Without the traceback, which would keep the response and the whole walk in memory.
        self._state.set_exception((type(error), error, None))
        self._state.upcoming_sleep = float(WAIT(self._state))
        if not self._retry(self._state) or self._stop(self._state):
            return None
        self._state.prepare_for_next_attempt()
        return self._state.upcoming_sleep
