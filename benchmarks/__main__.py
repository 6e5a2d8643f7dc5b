"""``python -m benchmarks [--quick | --large]``: measure, print the report, write ``benchmarks/RESULTS.md``."""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import TypeVar

from benchmarks import machine, report, scenarios
from benchmarks.results import LARGER_SIZE, MAIN_SIZE, SMALLER_SIZE, Results

RESULTS = Path(__file__).with_name("RESULTS.md")
SMALLEST_SIZE = 1_000

T = TypeVar("T")


def step(what: str, measure: Callable[[], T]) -> T:
    """Say what is measured, and how long that took."""
    begun = time.monotonic()
    print(f"{what} ...", end="", file=sys.stderr, flush=True)  # noqa: T201  progress
    result = measure()
    print(f" {time.monotonic() - begun:.0f} s", file=sys.stderr)  # noqa: T201  progress
    return result


def measure(sizes: list[int], effort: scenarios.Effort, leak_polls: int) -> Results:
    """Run all of it; the other loads are measured at 100,000 partitions, or the largest size below."""
    begun = time.monotonic()
    results = [step(f"{size:,} partitions", partial(scenarios.measure_size, size, effort)) for size in sizes]
    main = max(size for size in sizes if size <= MAIN_SIZE)
    few = max(2, effort.rounds // 2)
    modes = {
        "nothing": step("nothing moving", lambda: scenarios.measure_mode(main, "idle", few)),
        "everything": step("everything moving", lambda: scenarios.measure_mode(main, "all", few)),
    }
    floor = step("the floor", lambda: scenarios.measure_floor(main, few))
    each = min(main // 10, SMALLER_SIZE)
    many = step("ten Burrows", lambda: scenarios.measure_many(10, each, 2))
    leaks = step(f"{leak_polls:,} polls", lambda: scenarios.measure_leaks(leak_polls))
    return Results(results, main, modes, floor, many, leaks, time.monotonic() - begun)


def main() -> int:
    """Read the arguments, measure, report."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="small sizes only, within 30 s; writes no file")
    parser.add_argument("--large", action="store_true", help=f"{LARGER_SIZE:,} partitions too")
    given = parser.parse_args()
    about = machine.describe()
    if given.quick:
        results = measure([SMALLEST_SIZE, SMALLER_SIZE], scenarios.QUICK, 200)
    else:
        larger = [LARGER_SIZE] if given.large else []
        results = measure([SMALLEST_SIZE, SMALLER_SIZE, MAIN_SIZE, *larger], scenarios.FULL, 1000)
    text = report.render(results, about)
    print(text)  # noqa: T201  what it is for
    if not given.quick:
        RESULTS.write_text(text)
    return 0


if __name__ == "__main__":
    sys.exit(main())
