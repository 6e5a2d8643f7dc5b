"""What the benchmark measured, and the arithmetic on it. Seconds and bytes, memory in MiB."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from statistics import median

MAIN_SIZE = 100_000
SMALLER_SIZE = 10_000
LARGER_SIZE = 300_000

Window = tuple[float, float]


@dataclass(frozen=True)
class PollCost:
    """CPU and wall seconds of a poll, and both by phase (of workers' phases there is no wall time)."""

    cpu: float
    wall: float
    phases: dict[str, tuple[float, float]]


@dataclass(frozen=True)
class Latencies:
    """Scrapes, sorted by their seconds."""

    seconds: Sequence[float]

    def quantile(self, share: float) -> float | None:
        """Return the latency that a share of the scrapes did not exceed, ``None`` without scrapes."""
        if not self.seconds:
            return None
        return self.seconds[min(len(self.seconds) - 1, int(share * len(self.seconds)))]


@dataclass(frozen=True)
class ScrapeResult:
    """Scrapes in one encoding by so many scrapers: those that met no poll, and those that met one.

    ``at_once`` is the slowest of one scrape by each of them in the same moment, in seconds, and ``failures``
    counts the requests to Burrow that failed meanwhile.
    """

    encoding: str
    scrapers: int
    page_bytes: int
    idle: Latencies
    during: Latencies
    at_once: float
    failures: int


@dataclass(frozen=True)
class ServeResult:
    """The exporter as a process of its own."""

    start_seconds: float
    first: PollCost
    later: PollCost
    cpu_interval: float
    scrapes: Sequence[ScrapeResult]
    peak_idle: float
    peak_gzip: float
    peak_plain: float
    threads: int


@dataclass(frozen=True)
class PollsResult:
    """Polls in process: the first, and the median of the later ones; ``bytes`` of the answers to one poll."""

    first: PollCost
    later: PollCost
    requests: float
    bytes: float
    standin_cpu: float


@dataclass(frozen=True)
class ReferenceResult:
    """``generate_latest`` on the same samples."""

    samples: int
    bytes: int
    cpu: float


@dataclass(frozen=True)
class SizeResult:
    """One size, in group partitions."""

    partitions: int
    serve: ServeResult
    polls: PollsResult
    reference: ReferenceResult

    @property
    def ratio(self) -> float:
        """Return the poll's CPU in that of ``generate_latest``."""
        return self.polls.later.cpu / self.reference.cpu

    @property
    def cpu_a_partition(self) -> float:
        """Return the microseconds of CPU that a poll takes for a partition."""
        return self.polls.later.cpu / self.partitions * 1e6


@dataclass(frozen=True)
class FloorResult:
    """What fetching alone costs: CPU and wall seconds by client."""

    partitions: int
    requests: int
    bytes: int
    clients: dict[str, Window]


@dataclass(frozen=True)
class ManyResult:
    """Several Burrows: the median poll of one of them, and of one of that size that is alone."""

    burrows: int
    partitions: int
    one: PollCost
    alone: PollCost


@dataclass(frozen=True)
class LeakResult:
    """Many polls at small size: memory in MiB, threads and open files at the start, in the middle, at the end."""

    polls: int
    memory: tuple[float, float, float]
    threads: tuple[int, int, int]
    files: tuple[int, int, int]


@dataclass(frozen=True)
class Results:
    """All of it; ``modes`` holds polls at ``modes_partitions`` with nothing and with everything moving."""

    sizes: Sequence[SizeResult]
    modes_partitions: int
    modes: dict[str, PollsResult]
    floor: FloorResult
    many: ManyResult
    leaks: LeakResult
    seconds: float

    def size(self, partitions: int) -> SizeResult | None:
        """Return the result of one size, if it was measured."""
        return next((result for result in self.sizes if result.partitions == partitions), None)


def median_cost(costs: Sequence[PollCost]) -> PollCost:
    """Return the medians of several polls, each figure for itself."""
    names = dict.fromkeys(name for cost in costs for name in cost.phases)
    phases = {name: median_pair(cost.phases.get(name, (0.0, 0.0)) for cost in costs) for name in names}
    return PollCost(median(cost.cpu for cost in costs), median(cost.wall for cost in costs), phases)


def median_pair(pairs: Iterable[Window]) -> Window:
    """Return the medians of the first and of the second figures."""
    first, second = zip(*pairs, strict=True)
    return median(first), median(second)


def split(scrapes: Iterable[tuple[float, float, int]], polls: Sequence[Window]) -> tuple[Latencies, Latencies]:
    """Return the latencies of scrapes that met no poll, and of those that did."""
    idle: list[float] = []
    during: list[float] = []
    for begun, seconds, _ in scrapes:
        met = any(begun < end and begin < begun + seconds for begin, end in polls)
        (during if met else idle).append(seconds)
    return Latencies(sorted(idle)), Latencies(sorted(during))
