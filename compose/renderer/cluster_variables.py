"""The raw variables of one Kafka cluster in `.env`, and a collector of errors and warnings."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field, fields
from pathlib import Path

from compose.renderer import pem


@dataclass(frozen=True)
class Given:
    """The variables of a cluster, in lower case, with defaults; those of a second cluster end in ``_2``, and so on."""

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
    """Return which of these fields differ from their default."""
    return [name for name in names if getattr(given, name) != getattr(type(given), name)]


@dataclass
class Cause:
    """Source of the variables, and errors and warnings about them."""

    suffix: str = ""
    """Suffix of the names: empty, ``_2``, ``_3`` and so on."""
    root: Path = Path()
    """Base of relative paths."""
    faults: list[str] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)

    def name(self, name: str) -> str:
        """Return a name as written in the file."""
        return f"{name.upper()}{self.suffix}"

    def fault(self, name: str, what: str) -> None:
        """Add an error for a name."""
        self.faults.append(f"{self.name(name)}: {what}")

    def warn(self, name: str, what: str) -> None:
        """Add a warning for a name."""
        self.warnings.append(f"{self.name(name)}: {what}")

    def pem(self, name: str, path: str) -> str:
        """Return the certificates in the file of a setting, or the key if its name ends in ``key_file``.

        Empty if the setting is unset, or the file is invalid, which adds an error.
        """
        take = pem.private_key if name.endswith("key_file") else pem.certificates
        try:
            return take(self.root / path) if path else ""
        except pem.PemError as error:
            self.fault(name, str(error))
            return ""

    def pair(self, given: object, key: str, certificate: str) -> bool:
        """Return whether the key in one file belongs to the certificate in the other; add an error if not."""
        files = (self.root / getattr(given, name) for name in (key, certificate))
        found = pem.belongs(*files)
        if not found:
            self.fault(key, f"does not match {self.name(certificate)}; set a matching pair")
        return found
