"""Write docs/metrics.md and docs/configuration.md from the code; ``--check`` only tells whether they are current."""

from __future__ import annotations

import sys
from collections.abc import Iterable
from pathlib import Path

import click

from burrow_exporter.cli import command
from burrow_exporter.families import FAMILIES
from burrow_exporter.flags import FLAGS, Flag
from burrow_exporter.selfmetrics import SelfMetrics

HERE = Path(__file__).parent
NOTE = "<!-- Written by docs/generate.py from the code: `make docs`. -->"
METRICS = f"""{NOTE}
# Metrics

All families made from Burrow's answers are gauges. Names, labels and values of the first ones are those of Burrow's own
`/metrics`. A sample is left out where Burrow's answer does not tell its value: no figure is better than a wrong one.

- A partition on which the group never committed has `burrow_kafka_consumer_partition_complete_ratio` 0 and nothing else
  (Burrow says lag 0 for it, meaning unknown).
- Where a filter removed partitions of a group, the group's figures come from those that are left.
- What Burrow no longer lists is gone with the next poll. What could not be read stays as it was until it is older than
  `--poll.stale-after`.
- A label `cluster` set on the scrape target renames ours to `exported_cluster`, and as an external label it overwrites
  ours in Thanos, so that two clusters become one. Use another name, such as `monitor`.

## From Burrow

{{burrow}}

## The exporter's own

Beside these come the usual `process_*` and `python_*`. `burrow` is the name of the Burrow in the configuration,
`default` where flags name it.

{{own}}
"""
CONFIGURATION = f"""{NOTE}
# Configuration

`burrow-exporter [serve|demo|once|check|healthcheck] [flags]`; without a word it serves. Every flag has a twin in the
environment; a flag beats it. Repeatable flags are separated by white space in the environment. Durations are written as
in Prometheus (`15s`, `1m30s`). The exit code is 0 when all is fine, 1 when it could not run, and 2 when the
configuration is wrong, with one line that says what.

{{flags}}
"""


def table(head: Iterable[str], rows: Iterable[Iterable[str]]) -> str:
    """Return a Markdown table."""
    head = list(head)
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join("| " + " | ".join(cell.replace("|", "\\|") for cell in line) + " |" for line in lines)


def metrics() -> str:
    """Return docs/metrics.md."""
    ours = ((f"`{family.name}`", ", ".join(family.labels), family.help) for family in FAMILIES)
    collected = [
        metric
        for metric in SelfMetrics().registry.collect()
        if metric.name.startswith("burrow_exporter_")  # the others are prometheus_client's
    ]
    suffix = {"counter": "_total"}
    own = ((f"`{metric.name}{suffix.get(metric.type, '')}`", metric.type, metric.documentation) for metric in collected)
    return METRICS.format(
        burrow=table(["family", "labels", "value"], ours),
        own=table(["metric", "type", "value"], own),
    )


def configuration() -> str:
    """Return docs/configuration.md."""
    with click.Context(command) as context:
        rows = [(f"`{flag.opts[0]}`", f"`{flag.twin}`", default(flag, context), flag.help or "") for flag in FLAGS]
    return CONFIGURATION.format(flags=table(["flag", "environment", "default", "meaning"], rows))


def default(flag: Flag, context: click.Context) -> str:
    """Return a flag's default in words."""
    if isinstance(flag.show_default, str):
        return flag.show_default
    value = flag.get_default(context)
    if flag.is_flag:
        return "off"
    return " ".join(f"`{one}`" for one in (value if isinstance(value, tuple) else (value,)) if one is not None) or "-"


def main() -> int:
    """Write the pages, or check them; return the exit code."""
    pages = {HERE / "metrics.md": metrics(), HERE / "configuration.md": configuration()}
    if "--check" not in sys.argv:
        for path, text in pages.items():
            path.write_text(text, encoding="utf-8")
        return 0
    stale = [path.name for path, text in pages.items() if not path.exists() or path.read_text(encoding="utf-8") != text]
    for name in stale:
        sys.stderr.write(f"docs/{name} is not current: run make docs\n")
    return 1 if stale else 0


if __name__ == "__main__":
    sys.exit(main())
