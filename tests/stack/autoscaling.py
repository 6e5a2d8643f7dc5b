"""A simulated consumer group, scaled by ``replicas_wanted`` of the rules or by its lag alone.

``python -m tests.stack.autoscaling`` prints how they compare (docs/autoscaling.md). The model: a topic of 24 partitions
that is produced to by a daily curve, with a burst in the night; a group whose members read 50 messages a second each,
and fewer for two hours in the afternoon; a rebalance halts all of them for half a minute. The loop is closed, so the
rules' arithmetic stands here once more, in ``Rules``; ``test_autoscaling.py`` has Prometheus compute the same.
"""

from __future__ import annotations

import math
import random
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import groupby, pairwise
from statistics import median

TICK, STEP, HOUR, DAY = 5, 30, 3600, 86400
"""Seconds: of the model, and between two scrapes, evaluations, and looks of the autoscaler."""
MINUTE = 60 // STEP
"""Scrapes."""
PARTITIONS, SPEED, FIRST = 24, 50, 6
"""Partitions, messages a second that a member reads, members at the beginning."""
START, PAUSE, STABLE, TOLERANCE = 20, 30, 300, 0.1
"""Seconds until a new member joins, of a rebalance, of the window in which an HPA scales down; its tolerance."""
TARGET, BEHIND = 300, 60
"""Seconds of lag that are too many, as in recording.yaml, and for being behind, as in advice.yaml."""

FULL = "nothing: always 24 members"


def produced(second: float) -> float:
    """Return the messages a second at a time of the day: 100 at 4 o'clock, 550 at 16, and a burst at 2 o'clock."""
    burst = 700 if 2 * HOUR <= second % DAY < 2.25 * HOUR else 0
    return 325 - 225 * math.cos(2 * math.pi * (second - 4 * HOUR) / DAY) + burst


def speed(second: float) -> float:
    """Return the messages a second that a member can read: less from 13 to 15 o'clock."""
    return SPEED * (0.6 if 13 * HOUR <= second % DAY < 15 * HOUR else 1)


@dataclass(frozen=True)
class Reading:
    """What is scraped at one moment: by partition the log end, committed offset and age of its lag; and the members."""

    ends: tuple[int, ...]
    committed: tuple[int, ...]
    ages: tuple[int, ...]
    members: int

    @property
    def lag(self) -> int:
        """Return the lag of the group."""
        return sum(self.ends) - sum(self.committed)


class Group:
    """A topic and the members that read it, tick by tick. They commit what they had read a tick before."""

    def __init__(
        self,
        seed: int = 1,
        *,
        load: Callable[[float], float] = produced,
        capability: Callable[[float], float] = speed,
        start: int = 0,
        members: int = FIRST,
        pause: int = PAUSE,
    ) -> None:
        self.random = random.Random(seed)  # noqa: S311 - no secret
        self.load, self.capability, self.now, self.pause = load, capability, start, pause
        self.ends, self.read, self.committed = ([0] * PARTITIONS for _ in range(3))
        self.written: list[deque[tuple[int, int]]] = [deque() for _ in range(PARTITIONS)]
        self.members = self.joined = members
        self.joins = self.paused = 0

    def scale(self, members: int) -> None:
        """Ask for so many members: new ones have to start, others leave at once."""
        self.joins = self.now + (START if members > self.members else 0)
        self.members = members

    def tick(self) -> None:
        """Let some seconds go by."""
        self.now += TICK
        if self.joined != self.members and self.now > self.joins:
            self.joined, self.paused = self.members, self.now + self.pause
        self.committed = list(self.read)
        mean = self.load(self.now) * self.random.uniform(0.8, 1.2) * TICK / PARTITIONS
        for number in range(PARTITIONS):
            self.ends[number] += int(mean + self.random.random())
            self.written[number].append((self.ends[number], self.now))
        if self.now > self.paused:
            for member in range(self.joined):
                self._consume(range(member, PARTITIONS, self.joined))

    def _consume(self, own: Sequence[int]) -> None:
        """Have a member read, the same of each of its partitions as far as there is something."""
        left = int(self.capability(self.now) * TICK)
        for done, number in enumerate(sorted(own, key=lambda each: self.ends[each] - self.read[each])):
            took = min(self.ends[number] - self.read[number], left // (len(own) - done))
            self.read[number] += took
            left -= took

    def reading(self) -> Reading:
        """Return what is scraped now."""
        return Reading(tuple(self.ends), tuple(self.committed), tuple(map(self._age, range(PARTITIONS))), self.joined)

    def _age(self, number: int) -> int:
        """Return how long ago the first unread message of a partition was written."""
        written = self.written[number]
        while written and written[0][0] <= self.committed[number]:
            written.popleft()
        return self.now - written[0][1] if written else 0


def slope(values: Sequence[float]) -> float:
    """Return what ``deriv`` says of values that are a step apart."""
    middle = (len(values) - 1) / 2
    spread = sum((number - middle) ** 2 for number in range(len(values)))
    return sum((number - middle) * value for number, value in enumerate(values)) / spread / STEP


def whole(partitions: float) -> int:
    """Return how many members it takes if each can read so many partitions."""
    return math.ceil(PARTITIONS / max(math.floor(partitions), 1))


@dataclass
class Rules:
    """The arithmetic of advice.yaml for a group of which everything is known and no offset goes back."""

    readings: deque[Reading] = field(default_factory=lambda: deque(maxlen=5 * MINUTE))
    rates: deque[float] = field(default_factory=lambda: deque(maxlen=10 * MINUTE))
    busy: deque[float | None] = field(default_factory=lambda: deque(maxlen=180 * MINUTE))
    capacities: deque[float] = field(default_factory=lambda: deque(maxlen=1440 * MINUTE))
    most: deque[int] = field(default_factory=lambda: deque(maxlen=10 * MINUTE))
    behind: float = 0
    wanted: int = 0

    def evaluate(self, reading: Reading) -> int:
        """Take in a scrape; return the members wanted, or those there are while nothing is known."""
        self.readings.append(reading)
        recent = [*self.readings][-2 * MINUTE :]
        lag_seconds = zip(*(each.ages for each in recent), strict=True)
        self.behind = sum(min(ages) > BEHIND for ages in lag_seconds) / PARTITIONS
        if len(self.readings) < 2:
            return reading.members
        capacity = self._capacity()
        self.capacities.append(capacity)
        return self._wanted(reading, capacity) if capacity else reading.members

    def _capacity(self) -> float:
        """Return what a member can read, 0 while that is not known."""
        recent = [*self.readings][-3 * MINUTE :]
        members = {each.members for each in recent}
        self.rates.append(slope([sum(each.committed) for each in recent]) / max(members))
        self.busy.append(self.rates[-1] if self.rates[-1] and self.behind > 0.5 and len(members) == 1 else None)
        now = median(self.rates)
        measured = [rate for rate in self.busy if rate]
        lately = [rate for rate in [*self.busy][-15 * MINUTE :] if rate]
        known = max(lately) if lately else measured[-1] if measured else max(self.capacities, default=0)
        return max(now, known) if known or len(self.rates) > 9 * MINUTE else 0

    def _wanted(self, reading: Reading, capacity: float) -> int:
        """Return how many members are wanted."""
        held = self.wanted or reading.members
        late = self.behind > 0.5
        load = slope([sum(each.ends) for each in self.readings]) + (reading.lag / TARGET if late else 0)
        partitions = min(capacity * PARTITIONS / load, 2 * PARTITIONS) if load else 2 * PARTITIONS
        least = whole(partitions / 0.9)
        self.most.append(PARTITIONS if late else whole(partitions / 1.2))
        if self.rates[-1] or not self.behind:
            self.wanted = max(least, held if held <= max(self.most) else self.most[-1])
        return self.wanted


def by_lag(threshold: int, *, evenly: bool = False) -> Callable[[Reading], int]:
    """Scale as KEDA's scaler of Kafka: a member for so many messages of lag, and no more than partitions.

    ``evenly`` has each member read the same number of partitions (ensureEvenDistributionOfPartitions).
    """

    def wish(reading: Reading) -> int:
        members = max(min(math.ceil(reading.lag / threshold), PARTITIONS), 1)
        return next(each for each in range(members, PARTITIONS + 1) if PARTITIONS % each == 0) if evenly else members

    return wish


@dataclass
class Autoscaler:
    """What a HorizontalPodAutoscaler makes of a figure: at once upwards, downwards the most of ``stable`` seconds."""

    wish: Callable[[Reading], int]
    stable: int = STABLE
    seen: deque[int] = field(init=False)

    def __post_init__(self) -> None:
        """Begin without a past."""
        self.seen = deque(maxlen=self.stable // STEP)

    def decide(self, reading: Reading, members: int) -> int:
        """Return the members there should be."""
        wanted = max(self.wish(reading), 1)
        self.seen.append(members if abs(wanted / members - 1) <= TOLERANCE else wanted)
        return self.seen[-1] if self.seen[-1] > members else min(max(self.seen), members)


@dataclass(frozen=True)
class Run:
    """A simulated time: each reading, and the members wanted at it."""

    readings: list[Reading] = field(default_factory=list)
    wanted: list[int] = field(default_factory=list)

    @property
    def days(self) -> float:
        """Return how long it took."""
        return len(self.readings) * STEP / DAY

    @property
    def changes(self) -> list[tuple[int, int]]:
        """Return when (which reading) members joined or left, and how many: those that left are negative."""
        pairs = pairwise(each.members for each in self.readings)
        return [(number, after - before) for number, (before, after) in enumerate(pairs, 1) if before != after]

    @property
    def member_hours(self) -> float:
        """Return what it cost."""
        return sum(each.members for each in self.readings) * STEP / HOUR

    @property
    def ages(self) -> list[int]:
        """Return the lag in seconds."""
        return [max(each.ages) for each in self.readings]

    def minutes_above(self, seconds: int) -> float:
        """Return for how long the lag was older."""
        return sum(age > seconds for age in self.ages) * STEP / 60

    def longest_above(self, seconds: int) -> float:
        """Return the longest time in minutes for which the lag was older without a break."""
        stretches = (list(each) for older, each in groupby(self.ages, key=lambda age: age > seconds) if older)
        return max(map(len, stretches), default=0) * STEP / 60


def simulate(scaler: Autoscaler, group: Group | None = None, seconds: int = 2 * DAY) -> Run:
    """Let a group be scaled for so long."""
    group, run = group or Group(), Run()
    for _ in range(seconds // STEP):
        for _ in range(STEP // TICK):
            group.tick()
        run.readings.append(group.reading())
        members = scaler.decide(run.readings[-1], group.members)
        run.wanted.append(scaler.seen[-1])
        if members != group.members:
            group.scale(members)
    return run


def ways() -> dict[str, Run]:
    """Return two days under each way to scale."""
    scalers = {
        "`replicas_wanted`": Autoscaler(Rules().evaluate),
        **{f"lag, `lagThreshold: {lag}`": Autoscaler(by_lag(lag)) for lag in (500, 2_000, 10_000)},
        "lag, 500, down after an hour": Autoscaler(by_lag(500), stable=HOUR),
        "lag, 10000, evenly": Autoscaler(by_lag(10_000, evenly=True)),
        "lag, 10000, evenly, down after an hour": Autoscaler(by_lag(10_000, evenly=True), stable=HOUR),
    }
    runs = {name: simulate(scaler) for name, scaler in scalers.items()}
    return runs | {FULL: simulate(Autoscaler(lambda _: PARTITIONS), Group(members=PARTITIONS))}


def table(runs: Mapping[str, Run]) -> str:
    """Return how runs compare, in Markdown."""
    heads = ("scaled by", "changes per day", "member hours per day", "oldest lag, s", "over 300 s, min per day")
    lines = [f"| {' | '.join(heads)} |", "| --- " * len(heads) + "|"]
    for name, run in runs.items():
        late = run.minutes_above(TARGET) / run.days
        figures = (len(run.changes) / run.days, run.member_hours / run.days, max(run.ages), late)
        lines.append(f"| {name} | {' | '.join(f'{each:,.0f}' for each in figures)} |")
    return "\n".join(lines)


if __name__ == "__main__":
    print(table(ways()))  # noqa: T201 - a script
