"""Write the generated pages and the schema of the file from the code; ``--check`` only tells if they are current."""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import click
import msgspec

from burrow_exporter.burrow.failures import Endpoint, Reason
from burrow_exporter.cli import command
from burrow_exporter.metrics.families import (
    CLUSTER_LABELS,
    FAMILIES,
    GROUP_LABELS,
    GROUP_TOPIC_LABELS,
    PARTITION_LABELS,
    TOPIC_LABELS,
    WHOLE_TOPIC_LABELS,
)
from burrow_exporter.metrics.self_metrics import SelfMetrics
from burrow_exporter.settings.config import Config
from burrow_exporter.settings.flags import FLAGS, PATTERNS, Flag
from burrow_exporter.settings.policy import Policy
from burrow_exporter.settings.value_types import schema_of
from burrow_exporter.snapshot import Cluster

HERE = Path(__file__).parent
SCHEMA = HERE.parent / "burrow_exporter" / "config.schema.json"
POLICY_SCHEMA = HERE.parent / "burrow_exporter" / "policy.schema.json"
LEVELS = {
    "Consumer groups": GROUP_LABELS,
    "Topics of consumer groups": GROUP_TOPIC_LABELS,
    "Partitions of consumer groups": PARTITION_LABELS,
    "Partitions of topics": TOPIC_LABELS,
    "Topics": WHOLE_TOPIC_LABELS,
    "Clusters": CLUSTER_LABELS,
}
"""Sections of metrics by the labels that each of them has; a metric's further labels stand in its row."""
SOURCE = re.compile(r" \((?:[^()]* of /lag|offsets of GET [^()]*|GET [^()]*)\)(?=\.|:|,|;)")
"""Where a value is from, which the help of /metrics says."""
NOTE = "<!-- Written by docs/generate.py from the code: `make docs`. -->"
METRICS = f"""{NOTE}
# Metrics

Six families have the names, labels and values of Burrow's own `/metrics`
([differences](migration.md#burrows-own-metrics)). All are gauges, even `burrow_kafka_consumer_lag_total`, unless marked
as counters.

- A sample is missing if its value is unknown.
- A partition that the group never committed has `burrow_kafka_consumer_partition_complete_ratio` 0 and no other sample.
- If a filter removes partitions of a group, the group's values come from the remaining ones.
- What Burrow no longer lists is gone after the next poll. What could not be read keeps its value until
  `--poll.stale-after`.
- `--metrics.granularity`, or the policy, replaces families by partition with those by topic, or with none;
  `--metrics.topic-families` adds those by topic.
- The first shard exposes topics and clusters.
- HELP on `/metrics` names the field of Burrow's API that a value comes from.

{{burrow}}

## Exporter

Plus the usual `process_*` and `python_*`. `burrow` is the Burrow's name in the configuration, `default` with flags.
`endpoint` has {len(Endpoint)} values and `reason` {len(Reason)} ([faults](internals/faults.md)).

{{own}}
"""
CONFIGURATION = f"""{NOTE}
# Configuration

`burrow-exporter [serve|demo|once|check|healthcheck] [flags]`. Without a command it serves.

- Every flag has an environment variable: `--poll.interval` is `BURROW_EXPORTER_POLL_INTERVAL`. Separate the values of
  repeatable flags with white space there.
- A flag overrides the environment, which overrides the file.
- Switches have an opposite, such as `--no-metrics.partition-info`.
- Durations are written as in Prometheus: `15s`, `1m30s`.
- Filters are regular expressions that match the whole name. They are repeatable; an empty value means none.
- Exit codes: 0 success, 1 could not run, 2 wrong configuration.
- The exporter ignores `.netrc`, `http_proxy` and the like. `--burrow.proxy-url` takes an HTTP proxy without TLS or
  credentials; TLS to Burrow goes through a tunnel (`CONNECT`).

## Flags

{{flags}}

## File

`--config.file` names a YAML file; several Burrows need one. `config.example.yaml` shows every key;
`burrow_exporter/config.schema.json` in the package is the schema. With a file, `--burrow.*` and `--filter.*` are
errors. Paths are relative to the file, nothing is expanded (not even `${{{{VAR}}}}`), unknown and duplicate keys are
refused.

Keys are named like flags, with underscores: `poll.stale_after`, `burrows[].catch_up_lag`, `burrows[].addresses`,
`burrows[].filters.group.include`. `policy` takes the lists of [a policy file](policy.md). These have no flag:

{{keys}}

## Reload

SIGHUP, or `POST` or `PUT` to `/-/reload` with `--web.enable-lifecycle` (otherwise 403), reloads the file and the files
it names. `web` and `log` need a restart. An invalid configuration only sets
`burrow_exporter_config_last_reload_successful` to 0.
"""


def table(head: Iterable[str], rows: Iterable[Iterable[str]]) -> str:
    """Return a Markdown table."""
    head = list(head)
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join("| " + " | ".join(cell.replace("|", "\\|") for cell in line) + " |" for line in lines)


def metrics() -> str:
    """Return docs/metrics.md."""
    levels = {title: [family for family in FAMILIES if level(family.labels) == title] for title in LEVELS}
    sections = (
        f"## {title}\n\nLabels: {', '.join(f'`{label}`' for label in LEVELS[title])}.\n\n"
        + table(["metric", "value"], (row(f.name, f.kind, f.labels[len(LEVELS[title]) :], f.help) for f in families))
        for title, families in levels.items()
    )
    return METRICS.format(burrow="\n\n".join(sections), own=table(["metric", "value"], own_rows()))


def level(labels: tuple[str, ...]) -> str:
    """Return the section of a metric: the one with which it has the most labels in common."""
    return max(LEVELS, key=lambda title: len(LEVELS[title]) if labels[: len(LEVELS[title])] == LEVELS[title] else 0)


def own_rows() -> Iterator[tuple[str, ...]]:
    """Yield a row for each of the exporter's own metrics, all of which have met something."""
    metrics = SelfMetrics()
    burrow = metrics.of_burrow("default")
    burrow.polled(good=True, at=0, duration=0)
    burrow.failed(Endpoint.LAG, Reason.TIMEOUT)
    burrow.clusters([Cluster("cluster", (), (), 0, 0, None, None, 0, 0.0, filtered_groups={"name": 1})])
    metrics.published(0, {("text", "gzip"): 0})
    for metric in metrics.registry.collect():
        if metric.name.startswith("burrow_exporter_"):  # the others are prometheus_client's
            name = metric.name + ("_total" if metric.type == "counter" else "")
            yield row(name, metric.type, tuple(metric.samples[0].labels), metric.documentation)


def row(name: str, kind: str, labels: tuple[str, ...], text: str) -> tuple[str, str]:
    """Return the row of a metric."""
    counter = " (counter)" if kind == "counter" else ""
    named = f"`{name}`{{{', '.join(labels)}}}{counter}" if labels else f"`{name}`{counter}"
    return named, SOURCE.sub("", text)


def configuration() -> str:
    """Return docs/configuration.md."""
    with click.Context(command) as context:
        flags = [
            (f"`{flag.flag}`", default(flag, context), (flag.help or "").replace(f" ({PATTERNS})", ""))
            for flag in FLAGS
        ]
    known = {flag.key for flag in FLAGS}
    own = [(f"`{path}`", text) for path, text in keys(schema()) if path.replace("[]", "") not in known]
    return CONFIGURATION.format(
        flags=table(["flag", "default", "meaning"], flags),
        keys=table(["key", "meaning"], (row for row in own if not row[0].startswith("`policy"))),
    )


def schema(whole: type = Config) -> dict[str, Any]:
    """Return the JSON schema of the configuration file, or of the policy's."""
    made = msgspec.json.schema(whole, schema_hook=schema_of)
    made["$schema"] = "https://json-schema.org/draft/2020-12/schema"
    if whole is Config:
        made["$defs"]["Config"]["required"] = ["burrows"]
    for section in made["$defs"].values():
        del section["title"], section["description"]  # they speak of the code
        for field in section["properties"].values():
            if isinstance(field.get("default"), float):
                field["default"] = f"{field['default']:g}s"
            if {"type": "null"} in field.get("anyOf", ()):  # what may be left out, but not be null
                field.update(field.pop("anyOf")[0])
                del field["default"]
    return made


def keys(schema: dict[str, Any], section: str = "Config", before: str = "") -> Iterator[tuple[str, str]]:
    """Yield path and description of each key of a section and those below it."""
    for name, field in schema["$defs"][section]["properties"].items():
        one = field.get("items", field)
        path = f"{before}{name}{'[]' if one is not field else ''}"
        if "$ref" in one:
            yield from keys(schema, one["$ref"].rpartition("/")[2], f"{path}.")
        else:
            yield path, field["description"]


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
    pages = {
        HERE / "metrics.md": metrics(),
        HERE / "configuration.md": configuration(),
        SCHEMA: json.dumps(schema(), indent=2, ensure_ascii=False) + "\n",
        POLICY_SCHEMA: json.dumps(schema(Policy), indent=2, ensure_ascii=False) + "\n",
    }
    if "--check" not in sys.argv:
        for path, text in pages.items():
            path.write_text(text, encoding="utf-8")
        return 0
    stale = [path.name for path, text in pages.items() if not path.exists() or path.read_text(encoding="utf-8") != text]
    for name in stale:
        sys.stderr.write(f"{name} is not current: run make docs\n")
    return 1 if stale else 0


if __name__ == "__main__":
    sys.exit(main())
