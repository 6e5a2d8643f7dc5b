"""Deprecated names of an older `.env`, mapped to current ones: see the table in docs/settings.md."""

from __future__ import annotations

import re
from collections.abc import Mapping

from compose.renderer.env_file import EnvFile

RENAMED = {
    "PROM_CLUSTER": "CLUSTER",
    "BURROW_USERNAME": "KAFKA_USERNAME",
    "BURROW_PASSWORD": "KAFKA_PASSWORD",
}
HOST = re.compile(r"BROKER_HOST_\d+")
GONE = {
    re.compile(r"ZOOKEEPER_HOST(_\d+)?"): "Burrow reads the groups from Kafka itself",
    re.compile("BURROW_PORT"): "Burrow's API can delete groups and is no longer published",
}


def translated(found: EnvFile) -> EnvFile:
    """Return the file with current names; a warning for each old one, and an error if both are set."""
    old = {name: new for name in found.values if (new := RENAMED.get(name))}
    hosts = sorted(filter(HOST.fullmatch, found.values), key=lambda name: int(name.rpartition("_")[2]))
    gone = {name: why for name in found.values for pattern, why in GONE.items() if pattern.fullmatch(name)}
    values = {name: value for name, value in found.values.items() if name not in {*old, *hosts, *gone}}
    twice = [(name, new) for name, new in {**old, **dict.fromkeys(hosts, "BROKERS")}.items() if new in values]
    values = {**{new: found.values[name] for name, new in old.items()}, **values}
    if hosts:
        values.setdefault("BROKERS", ",".join(_server(found.values[name], values) for name in hosts))
    return EnvFile(
        values,
        [
            *found.faults,
            *(f"{name}: deprecated name of {new}, which is set too; remove {name}" for name, new in twice),
        ],
        [
            *found.warnings,
            *(f"{name}: deprecated, used as {new}; rename it" for name, new in old.items()),
            *(f"{name}: deprecated, used as an entry of BROKERS; set BROKERS instead" for name in hosts),
            *(f"{name}: ignored: {why}; remove it" for name, why in gone.items()),
        ],
    )


def _server(host: str, values: Mapping[str, str]) -> str:
    """Return a broker; the default port is MSK's, with or without a password."""
    return host if ":" in host else f"{host}:{9096 if 'KAFKA_USERNAME' in values else 9092}"
