"""The role of a host in a stack of several hosts: what it runs, its peers, and its certificates."""

from __future__ import annotations

import re
import ssl
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from pathlib import Path

from compose.renderer.addresses import HOST
from compose.renderer.cluster_variables import Cause, differing

TLS_NAME = "burrow-stack"
"""The name in every host's certificate, whatever its address; see docs/hosts.md."""
MISSING = "missing; hosts authenticate with certificates, see docs/hosts.md"


@dataclass(frozen=True)
class Given:
    """The variables in `.env`, in lower case, with defaults."""

    role: str = "all"
    replica: str = ""
    query_host: str = ""
    collect_hosts: str = ""
    tls_bind_address: str = "0.0.0.0"  # noqa: S104  what is published there asks for certificates
    grpc_ca_file: str = ""
    grpc_cert_file: str = ""
    grpc_key_file: str = ""


NAMES = tuple(each.name for each in fields(Given))


@dataclass(frozen=True)
class Hosts:
    """This host among the others. Files are given by their PEM content."""

    role: str = "all"
    """``all`` on one host; ``collect`` on two, and ``query`` on a third, among several."""
    replica: str = ""
    """``a`` or ``b`` on a collecting host."""
    query_host: str = ""
    """Where a collecting host sends alerts."""
    collect_hosts: tuple[str, ...] = ()
    """The collecting hosts that the query host queries."""
    bind_address: str = Given.tls_bind_address
    """The address on which to publish ports that require certificates."""
    authorities: str = ""
    certificate: str = ""
    key: str = field(default="", repr=False)

    @property
    def several(self) -> bool:
        """Whether there are other hosts."""
        return self.role != "all"

    @property
    def collects(self) -> bool:
        """Whether Burrow runs here."""
        return self.role != "query"

    @property
    def answers(self) -> bool:
        """Whether Alertmanager and the query components run here."""
        return self.role != "collect"


ONE_HOST = Hosts()


def read_hosts(values: Mapping[str, str], root: Path) -> tuple[Hosts, list[str]]:
    """Return the role of this host, and errors; paths are relative to ``root``."""
    given = Given(**{name.lower(): value for name, value in values.items()})
    cause = Cause(root=root)
    if given.role not in {"all", "collect", "query"}:
        cause.fault("role", "must be all, collect or query")
    elif given.role == "all":
        if others := ", ".join(map(cause.name, differing(given, NAMES))):
            cause.fault("role", f"missing although {others} is set; set it to collect or query, or remove these")
    else:
        return _one_of_several(given, cause), cause.faults
    return ONE_HOST, cause.faults


def _is_host(text: str) -> bool:
    return bool(re.fullmatch(HOST, text))


def _one_of_several(given: Given, cause: Cause) -> Hosts:
    """Return the role of one of several hosts; adds errors to the cause."""
    collects = given.role == "collect"
    if collects and given.replica not in {"a", "b"}:
        cause.fault("replica", "must be a on one of the two collecting hosts, and b on the other")
    if collects and not _is_host(given.query_host):
        cause.fault("query_host", "must be the name or address of the host with ROLE=query, without a port")
    hosts = tuple(each.strip(" ") for each in given.collect_hosts.split(","))
    if not collects and (len(set(hosts)) != 2 or not all(map(_is_host, hosts))):  # noqa: PLR2004  a and b
        cause.fault("collect_hosts", "must be the names or addresses of the two hosts with ROLE=collect, such as x,y")
    authorities, certificate, key = _certificate(given, cause)
    return Hosts(
        given.role,
        given.replica if collects else given.role,
        given.query_host,
        hosts,
        given.tls_bind_address,
        authorities,
        certificate,
        key,
    )


def _certificate(given: Given, cause: Cause) -> tuple[str, str, str]:
    """Return the CA, this host's certificate and its key, checked by a handshake."""
    names = ("grpc_ca_file", "grpc_cert_file", "grpc_key_file")
    for name in names:
        if not getattr(given, name):
            cause.fault(name, MISSING)
    found = tuple(cause.pem(name, getattr(given, name)) for name in names)
    if all(found):
        files = (cause.root / getattr(given, name) for name in names)
        if cause.pair(given, "grpc_key_file", "grpc_cert_file") and (why := refusal(*files)):
            cause.fault(
                "grpc_cert_file", f"other hosts would reject it: {why}; issue a new one with the CA in GRPC_CA_FILE"
            )
    return found[0], found[1], found[2]


def refusal(authorities: Path, certificate: Path, key: Path) -> str:
    """Return why two hosts with this certificate would reject each other, by an in-memory handshake; empty if not."""
    client, server = (ssl.SSLContext(side) for side in (ssl.PROTOCOL_TLS_CLIENT, ssl.PROTOCOL_TLS_SERVER))
    server.verify_mode = ssl.CERT_REQUIRED
    for each in (client, server):
        each.load_verify_locations(authorities)
        each.load_cert_chain(certificate, key)
    there, back = ssl.MemoryBIO(), ssl.MemoryBIO()
    ends = (
        client.wrap_bio(back, there, server_hostname=TLS_NAME),
        server.wrap_bio(there, back, server_side=True),
    )
    try:
        for _ in range(3):
            _go_on(ends)
    except ssl.SSLCertVerificationError as error:
        return error.verify_message
    except ssl.SSLError as error:
        return error.reason
    return ""


def _go_on(ends: tuple[ssl.SSLObject, ...]) -> None:
    """Advance both ends of the handshake."""
    for end in ends:
        try:
            end.do_handshake()
        except ssl.SSLWantReadError:
            continue
