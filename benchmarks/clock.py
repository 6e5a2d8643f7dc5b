"""A clock that runs fast: so that a run of a minute sees the histories that hours of polls would build."""

from __future__ import annotations

import time
from collections.abc import Callable


def fast_clock(epoch: float, factor: float) -> Callable[[], float]:
    """Return a clock in Unix seconds that since ``epoch`` has run ``factor`` times as fast as the true one."""
    true = time.time
    return lambda: epoch + (true() - epoch) * factor
