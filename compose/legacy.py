"""The names of an older `.env`, taken for those of today: docs/settings.md has the table."""

from __future__ import annotations

import re
from collections.abc import Mapping

from compose.envfile import EnvFile

RENAMED = {
    "PROM_CLUSTER": "CLUSTER",
    "BURROW_USERNAME": "KAFKA_USERNAME",
    "BURROW_PASSWORD": "KAFKA_PASSWORD",
}
HOST = re.compile(r"BROKER_HOST_\d+")
GONE = {
    re.compile(r"ZOOKEEPER_HOST(_\d+)?"): "Burrow reads the groups from Kafka itself",
    re.compile("BURROW_PORT"): "Burrow's API, which deletes groups without a password, is no longer published",
}


def translated(found: EnvFile) -> EnvFile:
    """Return the same with today's names; a word for each old one, and a fault where both are set."""
    values, faults, warnings = dict(found.values), list(found.faults), list(found.warnings)
    for old, new in RENAMED.items():
        if old in values:
            value = values.pop(old)
            faults += [f"{old}: is an older name of {new}, which is set too; remove {old}"] * (new in values)
            warnings.append(f"{old}: an older name, taken for {new}")
            values.setdefault(new, value)
    hosts = sorted((name for name in values if HOST.fullmatch(name)), key=lambda name: int(name.rpartition("_")[2]))
    if hosts:
        faults += [f"{hosts[0]}: is an older name of BROKERS, which is set too; remove it"] * ("BROKERS" in values)
        warnings += [f"{name}: an older name, taken for one of BROKERS" for name in hosts]
        values.setdefault("BROKERS", ",".join(_server(values, name) for name in hosts))
    for name in list(values):
        if name in hosts:
            del values[name]
        for pattern, why in GONE.items():
            if pattern.fullmatch(name):
                warnings.append(f"{name}: ignored: {why}")
                del values[name]
    return EnvFile(values, faults, warnings)


def _server(values: Mapping[str, str], name: str) -> str:
    """Return a broker; where no port was said it is the one that the older stack used, with and without a password."""
    port = "9096" if "KAFKA_USERNAME" in values else "9092"
    return values[name] if ":" in values[name] else f"{values[name]}:{port}"
