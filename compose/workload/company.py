"""Topics and consumer groups of a small company, in every state that Burrow reports.

Moments are seconds since the start. Each cycle of trouble takes minutes, so that 15 minutes show everything.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

MINUTE = 60.0


@dataclass(frozen=True)
class Topic:
    """A topic: its partitions, and its rate in messages per second at a moment."""

    name: str
    partitions: int
    rate: Callable[[float], float]


def steady(rate: float) -> Callable[[float], float]:
    """Return a constant rate."""
    return lambda _: rate


def waves(rate: float, period: float) -> Callable[[float], float]:
    """Return a rate between a tenth and nearly twice ``rate``, up and down within ``period``."""
    return lambda moment: rate * (1 + 0.9 * math.sin(2 * math.pi * moment / period))


def bursts(rate: float, period: float, share: float) -> Callable[[float], float]:
    """Return a rate that is 0 except for a share of each period."""
    return lambda moment: rate if moment % period < period * share else 0.0


ORDERS = Topic("orders", 6, waves(40, 10 * MINUTE))
PAYMENTS = Topic("payments", 3, steady(15))
CLICKS = Topic("clicks", 6, waves(90, 6 * MINUTE))
MAILS = Topic("mails", 2, bursts(60, 4 * MINUTE, 0.1))
TOPICS = (ORDERS, PAYMENTS, CLICKS, MAILS)
Pace = Callable[[float], float | None]
"""Messages per second that a group reads at a moment; 0: it commits but reads nothing; None: its process is down."""


@dataclass(frozen=True)
class Group:
    """A consumer group with one member, which rewinds now and then, or never."""

    name: str
    topic: Topic
    pace: Pace
    rewinds_every: float = math.inf


def prompt(_: float) -> float | None:
    """Read everything."""
    return math.inf


def by_turns(well: float, trouble: float, pace_in_trouble: float | None) -> Pace:
    """Alternate between reading everything and trouble."""
    return lambda moment: math.inf if moment % (well + trouble) < well else pace_in_trouble


def later(start: float) -> Pace:
    """Read everything, but not before ``start``."""
    return lambda moment: math.inf if moment >= start else None


GROUPS = (
    Group("billing", ORDERS, prompt),
    Group("mailer", MAILS, prompt),
    Group("fraud-check", PAYMENTS, by_turns(4 * MINUTE, 8 * MINUTE, 10)),  # falls behind: WARN
    Group("invoices", PAYMENTS, by_turns(3 * MINUTE, 12 * MINUTE, 0)),  # commits in place: STALL
    Group("warehouse", ORDERS, by_turns(3 * MINUTE, 12 * MINUTE, None)),  # is down: STOP
    Group("loyalty", ORDERS, later(5 * MINUTE)),
    Group("analytics-clicks", CLICKS, prompt),
    Group("analytics-reports", ORDERS, prompt, rewinds_every=6 * MINUTE),  # reads again: REWIND
    Group("analytics-training", CLICKS, by_turns(5 * MINUTE, 5 * MINUTE, 50)),
)
