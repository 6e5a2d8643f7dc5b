"""The targets of "Leaner than the leanest", and whether they are met."""

from __future__ import annotations

from dataclasses import dataclass

from benchmarks.results import LARGER_SIZE, MAIN_SIZE, SMALLER_SIZE, LeakResult, Results, ScrapeResult, SizeResult

MOST_RATIO = 0.25
MOST_GROWTH, MOST_LARGER_GROWTH = 1.2, 1.3
MOST_IDLE, MOST_DURING, MOST_PLAIN = 15.0, 30.0, 200.0
MOST_GZIP_MEMORY, MOST_PLAIN_MEMORY, MOST_LARGER_MEMORY = 150.0, 165.0, 420.0
MOST_LEAK = 1.02
MOST_STARTS, MOST_START_SECONDS = 1.5, 1.0
EIGHT = 8


@dataclass(frozen=True)
class Verdict:
    """One target: what it is, its bound, and the measured figure in the same unit, ``None`` where not measured."""

    what: str
    unit: str
    bound: float
    figure: float | None

    def row(self) -> tuple[str, str, str, str]:
        """Return the target as a row of the table."""
        bound = f"at most {self.bound:g}{self.unit}"
        if self.figure is None:
            return self.what, bound, "not measured", ""
        return self.what, bound, f"{self.figure:.3g}{self.unit}", "met" if self.figure <= self.bound else "**missed**"


def judge(results: Results) -> list[Verdict]:
    """Return the verdict on every target."""
    main = results.size(MAIN_SIZE)
    return [
        Verdict(
            "1. CPU of a poll / CPU of generate_latest on its samples", "", MOST_RATIO, main.ratio if main else None
        ),
        Verdict("2. CPU a partition at 100,000 / at 10,000", "", MOST_GROWTH, growth(results, MAIN_SIZE)),
        Verdict("2. CPU a partition at 300,000 / at 10,000", "", MOST_LARGER_GROWTH, growth(results, LARGER_SIZE)),
        *judge_scrapes(main),
        *judge_memory(results),
        Verdict("5. start to first page / wall time of a poll", "", MOST_STARTS, starts(main) if main else None),
        Verdict("5. start to first page", " s", MOST_START_SECONDS, main.serve.start_seconds if main else None),
    ]


def judge_memory(results: Results) -> list[Verdict]:
    """Return the verdicts on memory, in MiB."""
    main, larger = results.size(MAIN_SIZE), results.size(LARGER_SIZE)
    gzip, plain = (main.serve.peak_gzip, main.serve.peak_plain) if main else (None, None)
    return [
        Verdict("4. peak memory, idle and gzip scrapers", " MiB", MOST_GZIP_MEMORY, gzip),
        Verdict("4. peak memory, eight plain scrapers", " MiB", MOST_PLAIN_MEMORY, plain),
        Verdict(
            "4. peak memory at 300,000, gzip scrapers",
            " MiB",
            MOST_LARGER_MEMORY,
            larger.serve.peak_gzip if larger else None,
        ),
        Verdict(f"4. memory after {results.leaks.polls} polls / in the middle", "", MOST_LEAK, leak(results.leaks)),
    ]


def judge_scrapes(main: SizeResult | None) -> list[Verdict]:
    """Return the verdicts on the latencies with eight scrapers, in milliseconds."""
    gzip, plain = (find_scrapes(main, encoding) for encoding in ("gzip", "identity"))
    return [
        Verdict("3. gzip scrape p99, eight scrapers, idle", " ms", MOST_IDLE, milliseconds(gzip, "idle")),
        Verdict("3. gzip scrape p99, eight scrapers, during polls", " ms", MOST_DURING, milliseconds(gzip, "during")),
        Verdict("3. plain scrape p99, eight scrapers, idle", " ms", MOST_PLAIN, milliseconds(plain, "idle")),
        Verdict("3. plain scrape p99, eight scrapers, during polls", " ms", MOST_PLAIN, milliseconds(plain, "during")),
    ]


def find_scrapes(main: SizeResult | None, encoding: str) -> ScrapeResult | None:
    """Return the scrapes by eight scrapers in an encoding."""
    scrapes = main.serve.scrapes if main else ()
    return next((one for one in scrapes if one.encoding == encoding and one.scrapers == EIGHT), None)


def milliseconds(scrapes: ScrapeResult | None, when: str) -> float | None:
    """Return the 99th percentile of the scrapes that met no poll ("idle") or one ("during")."""
    if scrapes is None:
        return None
    seconds = (scrapes.idle if when == "idle" else scrapes.during).quantile(0.99)
    return None if seconds is None else seconds * 1000


def growth(results: Results, partitions: int) -> float | None:
    """Return how much more CPU a partition takes at a size than at 10,000."""
    larger, smaller = results.size(partitions), results.size(SMALLER_SIZE)
    return larger.cpu_a_partition / smaller.cpu_a_partition if larger and smaller else None


def leak(leaks: LeakResult) -> float:
    """Return the memory at the end in that in the middle."""
    _, middle, end = leaks.memory
    return end / middle


def starts(main: SizeResult) -> float:
    """Return how many polls the start to the first page takes."""
    return main.serve.start_seconds / main.serve.later.wall
