"""The results as Markdown."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import pairwise

from benchmarks.probe import PHASES
from benchmarks.results import Latencies, PollCost, PollsResult, Results, SizeResult
from benchmarks.targets import judge

MIB = 1024 * 1024
NOTES = """\
Written by `make bench`; do not edit. CPU and wall are seconds. A poll's figures are medians of several polls after
the first, in a process that only polls, with timers around the package's functions. `fetch` is the walk without what
has a name of its own: requests, the reading of sockets, the event loop. `readings` is what is made of the answers.
The machine is noisy: trust ratios, which are taken within one run. Group partitions stand in groups of 100, ten
groups share a topic, and a tenth of every group moves from poll to poll unless said otherwise."""

SCRAPES_NOTE = """\
Milliseconds, p50 / p99 (number of scrapes). Each scraper waits between two scrapes, at random around 0.4 s for gzip
and around the poll's interval for plain pages. "At once": all scrape once, in the same moment; the slowest.
Failed requests: of polls that did not end before the next was due."""


def render(results: Results, machine: Sequence[tuple[str, str]]) -> str:
    """Return the whole report."""
    parts = [
        "# Benchmark",
        NOTES,
        table(("", ""), machine),
        "## Targets",
        table(("target", "bound", "measured", ""), [verdict.row() for verdict in judge(results)]),
        "## One poll",
        polls_table(results.sizes),
        "## Scrapes of the exporter as a process",
        SCRAPES_NOTE,
        scrapes_table(results.sizes),
        "## The exporter as a process",
        process_table(results.sizes),
        f"## What moves, at {results.modes_partitions:,} partitions",
        modes_table(results),
        f"## The floor, at {results.floor.partitions:,} partitions",
        floor_text(results),
        "## Many Burrows, and many polls",
        others_text(results),
        f"The benchmark took {results.seconds:.0f} s.",
    ]
    return "\n\n".join(parts) + "\n"


def table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """Return a table, its columns aligned."""
    cells = [tuple(head), *(tuple(row) for row in rows)]
    widths = [max(3, *(len(cell) for cell in column)) for column in zip(*cells, strict=True)]
    lines = [
        "| " + " | ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)) + " |" for row in cells
    ]
    lines.insert(1, "| " + " | ".join("-" * width for width in widths) + " |")
    return "\n".join(lines)


def polls_table(sizes: Sequence[SizeResult]) -> str:
    """Return what a poll costs at each size, a column each."""
    rows = [
        ("series", [f"{size.reference.samples:,}" for size in sizes]),
        ("answers of Burrow, MiB", [f"{size.polls.bytes / MIB:.2f}" for size in sizes]),
        ("**CPU**", [f"**{size.polls.later.cpu:.3f}**" for size in sizes]),
        *cpu_rows([size.polls.later for size in sizes]),
        ("wall", [f"{size.polls.later.wall:.3f}" for size in sizes]),
        *wall_rows([size.polls.later for size in sizes]),
        ("first poll, CPU / wall", [f"{size.polls.first.cpu:.3f} / {size.polls.first.wall:.3f}" for size in sizes]),
        ("CPU of generate_latest", [f"{size.reference.cpu:.3f}" for size in sizes]),
        ("**ratio**", [f"**{size.ratio:.3f}**" for size in sizes]),
        ("CPU a partition, µs", [f"{size.cpu_a_partition:.1f}" for size in sizes]),
        ("the same / at the size before", ["", *(growth_texts(sizes))]),
        ("CPU of the stand-in a poll", [f"{size.polls.standin_cpu:.3f}" for size in sizes]),
    ]
    head = ("group partitions", *(f"{size.partitions:,}" for size in sizes))
    return table(head, [(name, *cells) for name, cells in rows])


def growth_texts(sizes: Sequence[SizeResult]) -> list[str]:
    """Return how the CPU a partition grows from size to size."""
    pairs = pairwise(sizes)
    return [f"{larger.cpu_a_partition / smaller.cpu_a_partition:.2f}" for smaller, larger in pairs]


def cpu_rows(costs: Sequence[PollCost]) -> list[tuple[str, list[str]]]:
    """Return the CPU of the phases, and of what is in none."""
    rows = [(f"- {phase}", [figure(cost, phase, 0) for cost in costs]) for phase in PHASES]
    rest = [f"{cost.cpu - sum(cpu for cpu, _ in cost.phases.values()):.3f}" for cost in costs]
    return [*rows, ("- rest", rest)]


def wall_rows(costs: Sequence[PollCost]) -> list[tuple[str, list[str]]]:
    """Return the wall time of the phases that the polling thread goes through."""
    return [(f"- {phase}", [figure(cost, phase, 1) for cost in costs]) for phase in PHASES]


def figure(cost: PollCost, phase: str, place: int) -> str:
    """Return a phase's CPU (0) or wall (1) seconds."""
    return f"{cost.phases[phase][place]:.3f}" if phase in cost.phases else "-"


def scrapes_table(sizes: Sequence[SizeResult]) -> str:
    """Return the latencies of scrapes."""
    rows = [
        (
            f"{size.partitions:,}",
            {"identity": "plain"}.get(scrape.encoding, scrape.encoding),
            str(scrape.scrapers),
            f"{scrape.page_bytes / MIB:.2f}",
            quantiles(scrape.idle),
            quantiles(scrape.during),
            f"{scrape.at_once * 1000:.1f}",
            str(scrape.failures),
        )
        for size in sizes
        for scrape in size.serve.scrapes
    ]
    return table(
        ("group partitions", "page", "scrapers", "MiB", "idle", "during polls", "at once", "failed requests"), rows
    )


def quantiles(latencies: Latencies) -> str:
    """Return median and 99th percentile in milliseconds, and the number of scrapes."""
    middle, high = latencies.quantile(0.5), latencies.quantile(0.99)
    if middle is None or high is None:
        return "-"
    return f"{middle * 1000:.1f} / {high * 1000:.1f} ({len(latencies.seconds)})"


def process_table(sizes: Sequence[SizeResult]) -> str:
    """Return start, memory and threads at each size."""
    serves = [size.serve for size in sizes]
    rows = [
        ("start to first page, s", [f"{serve.start_seconds:.2f}" for serve in serves]),
        ("a poll's CPU / wall", [f"{serve.later.cpu:.3f} / {serve.later.wall:.3f}" for serve in serves]),
        ("CPU from poll to poll, no scrapes", [f"{serve.cpu_interval:.3f}" for serve in serves]),
        ("peak memory, no scrapes, MiB", [f"{serve.peak_idle:.0f}" for serve in serves]),
        ("peak memory, 1 and 8 gzip scrapers", [f"{serve.peak_gzip:.0f}" for serve in serves]),
        ("peak memory, 1 and 8 plain scrapers", [f"{serve.peak_plain:.0f}" for serve in serves]),
        ("threads", [str(serve.threads) for serve in serves]),
    ]
    head = ("group partitions", *(f"{size.partitions:,}" for size in sizes))
    return table(head, [(name, *cells) for name, cells in rows])


def modes_table(results: Results) -> str:
    """Return what a poll costs with nothing, a tenth and everything moving."""
    tenth = results.size(results.modes_partitions)
    modes: dict[str, PollsResult] = dict(results.modes)
    if tenth:
        modes["a tenth of every group"] = tenth.polls
    costs = [mode.later for mode in modes.values()]
    rows = [
        ("CPU", [f"{cost.cpu:.3f}" for cost in costs]),
        *cpu_rows(costs),
        ("wall", [f"{cost.wall:.3f}" for cost in costs]),
    ]
    return table(("moving", *modes), [(name, *cells) for name, cells in rows])


def floor_text(results: Results) -> str:
    """Return what fetching alone costs, and how far from it the poll is."""
    floor = results.floor
    rows = [(name, f"{cpu:.3f}", f"{wall:.3f}") for name, (cpu, wall) in floor.clients.items()]
    measured = results.size(floor.partitions)
    lines = [f"Fetching the {floor.requests:,} answers of a poll ({floor.bytes / MIB:.1f} MiB), and nothing else."]
    if measured:
        least = min(cpu for cpu, _ in floor.clients.values())
        cost = measured.polls.later
        fetch = cost.phases["fetch"][0]
        rows += [
            ("the exporter's fetch", f"{fetch:.3f}", ""),
            ("the exporter's poll", f"{cost.cpu:.3f}", f"{cost.wall:.3f}"),
        ]
        lines.append(
            f"The poll takes {cost.cpu / least:.1f} times the CPU of the floor, its fetch {fetch / least:.1f} times."
        )
    return " ".join(lines) + "\n\n" + table(("client", "CPU", "wall"), rows)


def others_text(results: Results) -> str:
    """Return what many Burrows, and many polls, do."""
    many, leaks = results.many, results.leaks
    memory = " / ".join(f"{figure:.1f}" for figure in leaks.memory)
    return (
        f"{many.burrows} Burrows with {many.partitions:,} group partitions each: one's poll takes {many.one.cpu:.3f} s "
        f"of CPU while the others stand, that of a Burrow alone {many.alone.cpu:.3f} s "
        f"({many.one.cpu / many.alone.cpu:.2f} times).\n\n"
        f"{leaks.polls:,} polls of 8 groups x 25 partitions on a fast clock (some 15 s a poll), after a tenth / in "
        f"the middle / at the end: memory {memory} MiB, "
        f"threads {' / '.join(map(str, leaks.threads))}, open files {' / '.join(map(str, leaks.files))}."
    )
