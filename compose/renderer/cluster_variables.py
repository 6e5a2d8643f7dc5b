"""What `.env` says of one Kafka cluster, as it stands there, and a collector of what is wrong with it."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field, fields
from pathlib import Path

from compose.renderer import pem


@dataclass(frozen=True)
class Given:
    """The names for a cluster, lower case, with their defaults; of a second cluster they end in ``_2``, and so on."""

    cluster: str = ""
    brokers: str = ""
    kafka_auth: str = ""
    kafka_username: str = ""
    kafka_password: str = field(default="", repr=False)
    kafka_ca_file: str = ""
    kafka_cert_file: str = ""
    kafka_key_file: str = ""
    kafka_tls_skip_verify: str = "false"
    aws_region: str = ""
    aws_role_arn: str = ""
    groups_allowed: str = ""
    groups_denied: str = ""
    jmx_exporter_port: str = "11001"
    node_exporter_port: str = "11002"


NAMES = tuple(each.name for each in fields(Given))


def differing(given: object, names: Iterable[str]) -> list[str]:
    """Return which of these names of a dataclass have another value than their default."""
    return [name for name in names if getattr(given, name) != getattr(type(given), name)]


@dataclass
class Cause:
    """Where what is given comes from, and what turned out to be wrong or odd with it."""

    suffix: str = ""
    """What the names end in: nothing, ``_2``, ``_3`` and so on."""
    root: Path = Path()
    """From where relative paths count."""
    faults: list[str] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)

    def name(self, name: str) -> str:
        """Return a name as it stands in the file."""
        return f"{name.upper()}{self.suffix}"

    def fault(self, name: str, what: str) -> None:
        """Note what is wrong with a name, and what to do."""
        self.faults.append(f"{self.name(name)}: {what}")

    def warn(self, name: str, what: str) -> None:
        """Note what is odd with a name, though it works."""
        self.warnings.append(f"{self.name(name)}: {what}")

    def pem(self, name: str, path: str) -> str:
        """Return the certificates of the file that a name gives, or the key if the name ends in ``key_file``.

        Nothing where it gives none, and where the file is of no use, which is noted.
        """
        take = pem.private_key if name.endswith("key_file") else pem.certificates
        try:
            return take(self.root / path) if path else ""
        except pem.PemError as error:
            self.fault(name, str(error))
            return ""

    def pair(self, given: object, key: str, certificate: str) -> bool:
        """Return whether the file that one name gives is the key of the certificate of the other's, or note it."""
        files = (self.root / getattr(given, name) for name in (key, certificate))
        found = pem.belongs(*files)
        if not found:
            self.fault(key, f"does not match {self.name(certificate)}; set a matching pair")
        return found
