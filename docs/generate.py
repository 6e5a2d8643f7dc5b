"""Write the generated pages and the schema of the file from the code; ``--check`` only tells if they are current."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable, Iterator, Mapping
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
    INFO_LABELS,
    MUTED_LABELS,
    PARTITION_LABELS,
    POLICY_LABELS,
    RUNBOOK_LABELS,
    TOPIC_LABELS,
    WHOLE_TOPIC_LABELS,
)
from burrow_exporter.metrics.self_metrics import SelfMetrics
from burrow_exporter.settings.config import Config
from burrow_exporter.settings.flags import FLAGS, Flag
from burrow_exporter.settings.policy import Policy
from burrow_exporter.settings.value_types import schema_of
from burrow_exporter.snapshot import Cluster

HERE = Path(__file__).parent
SCHEMA = HERE.parent / "burrow_exporter" / "config.schema.json"
POLICY_SCHEMA = HERE.parent / "burrow_exporter" / "policy.schema.json"
EACH = {
    (): "exporter",
    ("burrow",): "Burrow",
    ("burrow", "cluster"): "cluster of a Burrow",
    ("burrow", "cluster", "filter"): "cluster of a Burrow and kind of filter",
    ("burrow", "endpoint"): f"Burrow and endpoint ({len(Endpoint)})",
    ("burrow", "endpoint", "reason"): f"Burrow, endpoint and reason ({len(Reason)}) that was met",
    ("format", "encoding"): "form of the page",
    ("version", "python_version"): "exporter",
    CLUSTER_LABELS: "cluster",
    GROUP_LABELS: "group",
    INFO_LABELS: "partition of a group",
    MUTED_LABELS: "group that is muted, and reason",
    PARTITION_LABELS: "partition of a group",
    POLICY_LABELS: "group",
    RUNBOOK_LABELS: "group",
    GROUP_TOPIC_LABELS: "topic of a group",
    TOPIC_LABELS: "partition of a topic",
    WHOLE_TOPIC_LABELS: "topic",
}
"""What there is one series of a metric for, by its labels."""
NOTE = "<!-- Written by docs/generate.py from the code: `make docs`. -->"
METRICS = f"""{NOTE}
# Metrics

Names, labels and values of six families are those of Burrow's own `/metrics` ([what differs](migration.md)). *One for
each* is how many series there are; a page's total is `burrow_exporter_series`, bounded by `--metrics.max-series`
([sizing](operations.md#sizing)). A sample is left out where Burrow's answer does not tell its value: no figure is
better than a wrong one.

- A partition on which the group never committed has `burrow_kafka_consumer_partition_complete_ratio` 0 and nothing else
  (Burrow says lag 0 for it, meaning unknown).
- `--metrics.granularity`, or an entry of the policy file, replaces families by partition by those by topic
  (`burrow_kafka_consumer_topic_…`, `burrow_kafka_topic_offset`) or by nothing; `--metrics.topic-families` adds those by
  topic.
- Where a filter removed partitions of a group, the group's figures come from those that are left.
- What Burrow no longer lists is gone with the next poll. What could not be read stays as it was until it is older than
  `--poll.stale-after`.
- A label `cluster` set on the scrape target renames ours to `exported_cluster`, and as an external label it overwrites
  ours in Thanos, so that two clusters become one. Use another name, such as `monitor`.

## From Burrow

{{burrow}}

## The exporter's own

Beside these come the usual `process_*` and `python_*`. `burrow` is the name of the Burrow in the configuration,
`default` where flags name it; the endpoints are those of Burrow's API, and the reasons are tried in
[faults.md](faults.md).

{{own}}
"""
CONFIGURATION = f"""{NOTE}
# Configuration

`burrow-exporter [serve|demo|once|check|healthcheck] [flags]`; without a word it serves. Every flag has an environment
variable, which a flag beats. One that takes no value has an opposite, such as `--no-metrics.partition-info`, to turn
off what the environment or the file turns on. Repeatable flags are separated by white space in the environment.
Durations are written as in Prometheus (`15s`, `1m30s`). The exit code is 0 when all is fine, 1 when it could not run,
and 2 when the configuration is wrong, with one line that says what.

No proxy is used unless `--burrow.proxy-url` or `burrows[].proxy_url` names one, whatever `http_proxy` and the like say:
Burrow is a neighbour, and its answers are not a proxy's business. Neither is `.netrc` read. A proxy is one of HTTP,
asked without TLS and without credentials; for a Burrow with TLS it is asked for a tunnel (`CONNECT`), so that it can
neither read nor change what passes.

## Flags

{{flags}}

## The file

`--config.file` names a YAML file, for several Burrows above all; `config.example.yaml` shows all of it, and
`burrow_exporter/config.schema.json` in the package tells an editor. With it, `--burrow.*` and `--filter.*` are an
error. For the rest a flag beats the environment, and that beats the file. Nothing in it is expanded, `${{{{VAR}}}}`
neither. Paths in it count from its own folder. Unknown keys, and keys that stand twice, are refused.

SIGHUP reads it and the files it names again (without it, those that flags name). So does `POST` or `PUT` of
`/-/reload`, as with Prometheus; without `--web.enable-lifecycle` that is answered 403. One that is wrong changes
nothing but `burrow_exporter_config_last_reload_successful`, to 0. `web` and `log` take effect with the next start only.

{{keys}}
"""


def table(head: Iterable[str], rows: Iterable[Iterable[str]]) -> str:
    """Return a Markdown table."""
    head = list(head)
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join("| " + " | ".join(cell.replace("|", "\\|") for cell in line) + " |" for line in lines)


def metrics() -> str:
    """Return docs/metrics.md."""
    head = ["metric", "type", "labels", "one for each", "value, and where it is from"]
    ours = (row(family.name, family.kind, family.labels, family.help) for family in FAMILIES)
    return METRICS.format(burrow=table(head, ours), own=table([*head[:-1], "value"], own_rows()))


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


def row(name: str, kind: str, labels: tuple[str, ...], text: str) -> tuple[str, ...]:
    """Return the row of a metric."""
    return f"`{name}`", kind, ", ".join(labels) or "-", EACH[labels], text


def configuration() -> str:
    """Return docs/configuration.md."""
    with click.Context(command) as context:
        defaults = {flag.key: default(flag, context) for flag in FLAGS}
        rows = [(f"`{flag.flag}`", f"`{flag.variable}`", default(flag, context), flag.help or "") for flag in FLAGS]
    return CONFIGURATION.format(
        flags=table(["flag", "environment", "default", "meaning"], rows),
        keys=table(["key", "value", "default", "meaning"], keys(schema(), defaults)),
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


def keys(
    schema: dict[str, Any],
    defaults: Mapping[str, str],
    section: str = "Config",
    before: str = "",
) -> Iterator[tuple[str, str, str, str]]:
    """Yield a row for each key of a section and those below it; ``defaults`` are those of the flags, by key."""
    for name, field in schema["$defs"][section]["properties"].items():
        one = field.get("items", field)
        path = f"{before}{name}{'[]' if one is not field else ''}"
        if "$ref" in one:
            yield from keys(schema, defaults, one["$ref"].rpartition("/")[2], f"{path}.")
        else:
            own = f"`{field['default']}`" if field.get("default") else "none"
            yield f"`{path}`", kind_of(one), defaults.get(path.replace("[]", ""), own), field["description"]


def kind_of(field: dict[str, Any]) -> str:
    """Return in words what a key may hold."""
    if "anyOf" in field:
        return "on or off"
    if "enum" in field:
        return ", ".join(f"`{value}`" for value in field["enum"])
    if "pattern" in field:
        return "duration"
    if "format" in field:
        return "regular expression"
    words = {"integer": "integer", "boolean": "boolean", "object": "map of strings"}
    return words.get(field["type"], "string")


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
