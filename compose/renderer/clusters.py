"""The Kafka clusters that Burrow monitors, parsed and validated from `.env`."""

from __future__ import annotations

import re
import warnings
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from compose.renderer.addresses import is_ip_address, is_port
from compose.renderer.cluster_variables import NAMES, Cause, Given, differing
from compose.renderer.kafka_auth import OPEN, Access, read_access

LABEL = "[A-Za-z0-9]([A-Za-z0-9-]{0,61}[A-Za-z0-9])?"
SERVER = re.compile(rf"(?P<host>{LABEL}(\.{LABEL})*|\[[0-9A-Fa-f:.]+\]):(?P<port>[0-9]{{1,5}})")
"""A broker as Burrow accepts it."""
NOT_IN_RE2 = re.compile(r"\(\?(=|!|<=|<!|>|P=|\()|(?<!\\)(\\\\)*\\[1-9]")
"""Lookaround, backreferences and the like, which Go's regular expressions do not support."""
ONLY_IN_RE2 = re.compile(r"\\[pP](\{\^?\w+\}|\w)|\\x\{[0-9A-Fa-f]+\}|\\[zCQE]|\[:\^?\w+:\]|\(\?[imsU-]+\)")
"""Syntax of Go that Python lacks; replaced by ``x`` for the check."""


@dataclass(frozen=True)
class Cluster:
    """A Kafka cluster: name, servers, authentication, group filters, and exporters to scrape."""

    name: str
    servers: tuple[str, ...]
    """Bootstrap servers, ``host:port``."""
    access: Access = OPEN
    allowed: str = ""
    denied: str = ""
    """Go regular expressions for group names; empty: all, and none."""
    jmx_port: str = ""
    node_port: str = ""
    """Ports of the exporters on the brokers' hosts; empty: none."""

    def targets(self, port: str) -> list[str]:
        """Return the unique broker hosts in order, with another port."""
        return list(dict.fromkeys(f"{server.rpartition(':')[0]}:{port}" for server in self.servers))


DEMO_CLUSTERS = (
    Cluster("shop", ("kafka:9092",), denied="^analytics-"),
    Cluster("analytics", ("kafka:9092",), allowed="^analytics-"),
)
"""The demo's Kafka under two names, so that every query has two clusters to distinguish."""


def suffixes(values: Mapping[str, str]) -> list[str]:
    """Return the suffixes of the clusters' names in order: empty for the first, ``_2``, ``_3`` and so on."""
    found = {_suffix(name) for name in values}
    return sorted({each for each in found if each is not None}, key=lambda each: int(each[1:] or 1))


def known(name: str) -> bool:
    """Return whether a name is a cluster setting."""
    return _suffix(name) is not None


def _suffix(name: str) -> str | None:
    match = re.fullmatch(r"([A-Z_]+?)(_[2-9]|_[1-9]\d+)?", name)
    return (match[2] or "") if match and match[1].lower() in NAMES else None


def read_clusters(values: Mapping[str, str], root: Path) -> tuple[tuple[Cluster, ...], list[str], list[str]]:
    """Return the clusters, errors and warnings; paths are relative to ``root``."""
    causes = [Cause(suffix, root) for suffix in suffixes(values)]
    clusters = tuple(_cluster(_given(values, cause.suffix), cause) for cause in causes)
    before: set[str] = set()
    for cluster, cause in zip(clusters, causes, strict=True):
        if cluster.name and cluster.name in before:
            cause.fault(
                "cluster", f"{cluster.name} is already the name of another cluster; cluster names must be unique"
            )
        before.add(cluster.name)
    faults = [fault for cause in causes for fault in cause.faults]
    return clusters, faults, [warning for cause in causes for warning in cause.warnings]


def _given(values: Mapping[str, str], suffix: str) -> Given:
    named = {name: f"{name.upper()}{suffix}" for name in NAMES}
    return Given(**{name: values[each] for name, each in named.items() if each in values})


def _cluster(given: Given, cause: Cause) -> Cluster:
    """Return one cluster; adds errors to the cause."""
    servers = _servers(given, cause)
    return Cluster(
        _name(given, cause),
        servers,
        read_access(given, servers, cause),
        allowed=_expression(given, "groups_allowed", cause),
        denied=_expression(given, "groups_denied", cause),
        jmx_port=_port(given, "jmx_exporter_port", cause),
        node_port=_port(given, "node_exporter_port", cause),
    )


def _name(given: Given, cause: Cause) -> str:
    name = given.cluster or ("" if cause.suffix else "kafka")
    if not name:
        cause.fault("cluster", "missing; every additional cluster needs a name")
    elif name != name.lower():
        cause.fault("cluster", f"must be lower case, or Burrow lists it without groups; write {name.lower()}")
    elif not re.fullmatch("[a-z0-9]([a-z0-9-]*[a-z0-9])?", name):
        cause.fault(
            "cluster",
            "must consist of a-z, 0-9, and - inside, as it becomes the name of a section in burrow.toml",
        )
    return name


def _servers(given: Given, cause: Cause) -> tuple[str, ...]:
    if not given.brokers:
        others = ", ".join(map(cause.name, differing(given, NAMES))) or "another name of the cluster"
        cause.fault("brokers", f"missing although {others} is set; set the brokers or remove these")
        return ()
    found = tuple(server.strip(" ") for server in given.brokers.split(","))
    wrong = [server for server in found if not _is_server(server)]
    if wrong:
        cause.fault("brokers", f"not host:port: {', '.join(map(repr, wrong))}; separate brokers by commas")
    cause.faults.extend(
        f"{cause.name('brokers')}: {server} is listed twice; list each broker once"
        for server, times in Counter(found).items()
        if times > 1
    )
    return () if wrong else found


def _is_server(text: str) -> bool:
    match = SERVER.fullmatch(text)
    if not match or not is_port(match["port"]):
        return False
    host = match["host"].strip("[]")
    return not re.fullmatch(r"[\d.]+|.*:.*", host) or is_ip_address(host)


def _port(given: Given, name: str, cause: Cause) -> str:
    """Return the port of an exporter, or an empty string."""
    value: str = getattr(given, name)
    if value == "off":
        return ""
    if not is_port(value):
        cause.fault(name, "must be a port or off")
    return value


def _expression(given: Given, name: str, cause: Cause) -> str:
    """Return a regular expression; Burrow does not start if it is not valid in Go."""
    value: str = getattr(given, name)
    plain = ONLY_IN_RE2.sub("x", value)
    if NOT_IN_RE2.search(plain):
        cause.fault(name, "uses lookaround or backreferences, which Go does not support; rewrite it")
    elif wrong := _wrong(plain):
        cause.fault(name, f"not a regular expression ({wrong}); fix it")
    return value


def _wrong(expression: str) -> str:
    """Return what is wrong with a regular expression, or an empty string."""
    try:
        with warnings.catch_warnings(action="ignore"):  # about syntax that may change in a later Python
            re.compile(expression)
    except re.error as error:
        return error.msg
    return ""
