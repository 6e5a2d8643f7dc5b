"""Authentication between Burrow and a Kafka cluster: SCRAM, IAM, TLS or none."""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass, field

from compose.renderer.cluster_variables import Cause, Given, differing

SCRAM = ("scram-sha-512", "scram-sha-256")
WAYS = ("plaintext", "tls", *SCRAM, "iam")
PORTS = {
    9092: "plaintext",
    9094: "tls",
    9194: "tls",
    9096: "scram-sha-512",
    9196: "scram-sha-512",
    9098: "iam",
    9198: "iam",
}
"""Authentication on MSK's ports (91xx for public access), and the default for any Kafka on such a port."""
USES = {
    WAYS[1:]: ("kafka_ca_file", "kafka_tls_skip_verify"),
    SCRAM: ("kafka_username", "kafka_password"),
    ("tls",): ("kafka_cert_file", "kafka_key_file"),
    ("iam",): ("aws_region", "aws_role_arn"),
}
"""Settings that are valid only with some kinds of authentication."""
MSK = re.compile(r"\.kafka(-serverless)?\.(?P<region>[a-z0-9-]+)\.amazonaws\.com(\.cn)?:\d+")
REGION = re.compile(r"[a-z]{2,4}(-[a-z]+){1,2}-\d{1,2}")
ROLE = re.compile(r"arn:aws(-[a-z-]+)?:iam::\d{12}:role/[\w+=,.@/-]+", re.ASCII)


@dataclass(frozen=True)
class Access:
    """The content of Burrow's client profile. Files are given by their PEM content."""

    auth: str = "plaintext"
    username: str = ""
    password: str = field(default="", repr=False)
    authorities: str = ""
    certificate: str = ""
    key: str = field(default="", repr=False)
    skip_verify: bool = False
    region: str = ""
    role_arn: str = ""

    @property
    def tls(self) -> bool:
        """Whether the connection uses TLS."""
        return self.auth != "plaintext"

    @property
    def mechanism(self) -> str:
        """Return the SASL mechanism of SCRAM, or an empty string."""
        return self.auth.upper() if self.auth in SCRAM else ""


OPEN = Access()
"""No encryption, no authentication."""


def read_access(given: Given, servers: tuple[str, ...], cause: Cause) -> Access:
    """Return the access to these servers; adds errors to the cause."""
    auth = _auth(given, servers, cause)
    if not auth:
        return OPEN
    _foreign(given, auth, cause)
    if auth == "plaintext":
        return OPEN
    if auth in SCRAM:
        _credentials(given, auth, cause)
    certificate, key = _client_certificate(given, cause) if auth == "tls" else ("", "")
    return Access(
        auth,
        username=given.kafka_username,
        password=given.kafka_password,
        authorities=cause.pem("kafka_ca_file", given.kafka_ca_file),
        certificate=certificate,
        key=key,
        skip_verify=_skip_verify(given, cause),
        region=_region(given, servers, cause) if auth == "iam" else "",
        role_arn=_role(given, cause) if auth == "iam" else "",
    )


def _auth(given: Given, servers: tuple[str, ...], cause: Cause) -> str:
    """Return the authentication, as set or inferred from the ports; empty if unknown."""
    ports = sorted({int(server.rpartition(":")[2]) for server in servers})
    said = given.kafka_auth
    if said and said not in WAYS:
        cause.fault("kafka_auth", f"must be one of {', '.join(WAYS)}")
        return ""
    if not said:
        return _told(ports, cause)
    msk = all(MSK.search(server) for server in servers)
    for port in ports:
        there = PORTS.get(port, said)
        if there != said and (msk or said == "iam"):  # IAM exists only on MSK, whatever the host name
            cause.fault("kafka_auth", f"{said}, but MSK has {there} at port {port}; change one of the two")
    return said


def _told(ports: list[int], cause: Cause) -> str:
    """Return the authentication that all ports imply; empty if there is none."""
    told = {PORTS.get(port, "") for port in ports}
    if len(told) == 1 and "" not in told:
        return told.pop()
    if ports:
        numbers = ", ".join(map(str, ports))
        cause.fault("kafka_auth", f"cannot be inferred from port {numbers}; set it to one of {', '.join(WAYS)}")
    return ""


def _foreign(given: Given, auth: str, cause: Cause) -> None:
    """Add errors for settings of another kind of authentication."""
    for ways, names in USES.items():
        for name in () if auth in ways else differing(given, names):
            what = f"only valid with {', '.join(ways)}, but this cluster uses {auth}"
            cause.fault(name, f"{what}; remove it or change {cause.name('kafka_auth')}")


def _credentials(given: Given, auth: str, cause: Cause) -> None:
    """Validate user name and password."""
    for name in USES[SCRAM]:
        value = getattr(given, name)
        if not value:
            cause.fault(name, f"missing; {auth} requires a user name and a password")
        elif unicodedata.normalize("NFKC", value) != value:
            cause.fault(
                name, "contains characters that Burrow normalizes (SASLprep) and Kafka does not; choose another"
            )


def _skip_verify(given: Given, cause: Cause) -> bool:
    """Return whether certificate verification is disabled."""
    if given.kafka_tls_skip_verify not in {"true", "false"}:
        cause.fault("kafka_tls_skip_verify", "must be true or false")
    if given.kafka_tls_skip_verify != "true":
        return False
    why = "so anyone on the network path can impersonate a broker; set KAFKA_CA_FILE to their CA instead"
    cause.warn("kafka_tls_skip_verify", f"the brokers' certificates are not verified, {why}")
    return True


def _region(given: Given, servers: tuple[str, ...], cause: Cause) -> str:
    """Return the region for IAM tokens, as set or inferred from MSK's broker names."""
    said = given.aws_region
    told = {match["region"] for server in servers if (match := MSK.search(server))}
    if said and not REGION.fullmatch(said):
        cause.fault("aws_region", "must be a region such as eu-west-1")
    elif said and told - {said}:
        cause.fault("aws_region", f"{said}, but the brokers are in {', '.join(sorted(told))}; change one of the two")
    elif not said and len(told) != 1:
        cause.fault("aws_region", "cannot be inferred from the brokers' names; set it, for example to eu-west-1")
    return said or "".join(told)


def _role(given: Given, cause: Cause) -> str:
    """Return the role to assume, if any."""
    if given.aws_role_arn and not ROLE.fullmatch(given.aws_role_arn):
        cause.fault("aws_role_arn", "must be the ARN of a role such as arn:aws:iam::123456789012:role/burrow")
    return given.aws_role_arn


def _client_certificate(given: Given, cause: Cause) -> tuple[str, str]:
    """Return Burrow's client certificate and key, or two empty strings."""
    names = ("kafka_cert_file", "kafka_key_file")
    certificate, key = (cause.pem(name, getattr(given, name)) for name in names)
    for name, other in (names, names[::-1]):
        if getattr(given, other) and not getattr(given, name):
            cause.fault(name, f"missing although {cause.name(other)} is set; a certificate needs its key")
    if certificate and key:
        cause.pair(given, *reversed(names))
    return certificate, key
