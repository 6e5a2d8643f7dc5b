"""The stack's rules, their tests and their runbook, as files; and the metrics they may use."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import yaml

from burrow_exporter.metrics.families import FAMILIES
from tests import ROOT
from tests.support.promql import OWN

RULES = ROOT / "compose" / "rules"
RUNBOOK = ROOT / "docs" / "runbook.md"
Rule = dict[str, Any]

COUNTERS = {
    "node_cpu_seconds_total",
    "thanos_objstore_bucket_operation_failures_total",
    "thanos_shipper_upload_failures_total",
    "thanos_shipper_uploads_total",
}
GAUGES = {
    "up",
    "kafka_consumer_group_ConsumerLagMetrics_Value",
    "kafka_controller_KafkaController_Value",
    "kafka_log_Log_Value",
    "kafka_network_RequestMetrics_99thPercentile",
    "kafka_server_ReplicaManager_Value",
    "node_filesystem_avail_bytes",
    "node_filesystem_size_bytes",
    "thanos_compact_halted",
    "thanos_store_nodes_grpc_connections",
}
"""What is not the exporter's: of Prometheus, the node exporter, Kafka's JMX exporter (names as on MSK) and Thanos."""
BY_OWN_RULES = {"group:burrow_kafka_consumer_lag_seconds:override", "group:burrow_kafka_consumer_members:override"}
"""What a user's own rules may record."""

RATE = re.compile(r"\b(?:rate|irate|increase|resets)\(\s*([\w:]+)")


def files() -> Iterator[Path]:
    """Yield the files of rules."""
    yield from sorted(RULES.glob("*.yaml"))


def rules(kind: str) -> Iterator[Rule]:
    """Yield all rules of a kind, ``alert`` or ``record``."""
    for path in files():
        for group in yaml.safe_load(path.read_text(encoding="utf-8"))["groups"]:
            yield from (rule for rule in group["rules"] if kind in rule)


def tests() -> Iterator[Rule]:
    """Yield all tests for promtool."""
    for path in sorted((RULES / "tests").glob("*.yaml")):
        yield from yaml.safe_load(path.read_text(encoding="utf-8"))["tests"]


def sections() -> dict[str, str]:
    """Return the runbook's sections that are named after an alert, by title."""
    parts = re.split(r"^### (.+)$", RUNBOOK.read_text(encoding="utf-8"), flags=re.MULTILINE)
    return dict(zip(parts[1::2], parts[2::2], strict=True))


def rated(query: str) -> set[str]:
    """Return the names of the metrics that a query treats as counters."""
    return set(RATE.findall(query))


def own_counters() -> set[str]:
    """Return the counters of the exporter, those made from Burrow's answers included."""
    of_burrow = {family.name for family in FAMILIES if family.kind == "counter"}
    return of_burrow | {name for name, kind in OWN.items() if kind == "counter"}


def known() -> set[str]:
    """Return every metric that a query may ask for, recorded ones too."""
    recorded = {rule["record"] for rule in rules("record")}
    return {family.name for family in FAMILIES} | OWN.keys() | recorded | COUNTERS | GAUGES | BY_OWN_RULES
