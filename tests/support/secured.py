"""Servers with a web config file, certificates for both sides, and clients."""

from __future__ import annotations

import http.client
import ssl
from base64 import b64encode
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

import bcrypt
import trustme
import yaml

from burrow_exporter.web.limits import DEFAULT_LIMITS, Limits
from burrow_exporter.web.security.live_config import Security
from burrow_exporter.web.server import Server
from tests.web.test_server import FixedContent, Reply, exchange, port_of, serving


@cache
def authority(name: str) -> trustme.CA:
    """Return the certificate authority of a name."""
    return trustme.CA(organization_name=name)


@cache
def certificate(authority_name: str, name: str) -> trustme.LeafCert:
    """Return a certificate of an authority for a host name, an IP address, or an e-mail address."""
    return authority(authority_name).issue_cert(name)


@cache
def bcrypt_hash(password: str, cost: int = 4) -> str:
    """Return a cheap hash of a password."""
    return bcrypt.hashpw(password.encode(), bcrypt.gensalt(cost)).decode()


def pem(name: str = "server", host: str = "127.0.0.1") -> tuple[str, str]:
    """Return a certificate's chain and its key."""
    leaf = certificate(name, host)
    return "".join(each.bytes().decode() for each in leaf.cert_chain_pems), leaf.private_key_pem.bytes().decode()


@dataclass
class Web:
    """A web config file and the files it refers to."""

    folder: Path
    tls: dict[str, Any] = field(default_factory=dict)
    users: dict[str, str] = field(default_factory=dict)
    others: dict[str, Any] = field(default_factory=dict)

    @property
    def path(self) -> Path:
        """The web config file."""
        return self.folder / "web.yml"

    def write(self) -> Path:
        """Write the current configuration; return the file's path."""
        sections = {"tls_server_config": self.tls, "basic_auth_users": self.users, **self.others}
        self.path.write_text(yaml.safe_dump({key: value for key, value in sections.items() if value}), encoding="utf-8")
        return self.path

    def certify(self, name: str = "server") -> None:
        """Write a certificate of an authority next to it."""
        cert, key = pem(name)
        (self.folder / "cert.pem").write_text(cert, encoding="ascii")
        (self.folder / "key.pem").write_text(key, encoding="ascii")
        self.tls |= {"cert_file": "cert.pem", "key_file": "key.pem"}

    def trust(self, *names: str, policy: str = "RequireAndVerifyClientCert") -> None:
        """Write the authorities whose clients are admitted next to it."""
        text = "".join(authority(name).cert_pem.bytes().decode() for name in names)
        (self.folder / "clients.pem").write_text(text, encoding="ascii")
        self.tls |= {"client_ca_file": "clients.pem", "client_auth_type": policy}

    @contextmanager
    def serving(self, content: FixedContent | None = None, limits: Limits = DEFAULT_LIMITS) -> Iterator[Server]:
        """Serve with the current file."""
        security = Security(str(self.write()))
        with serving(content or FixedContent(), limits=limits, security=security) as server:
            yield server


def client_context(trusted: str = "server", own: tuple[str, str] | None = None) -> ssl.SSLContext:
    """Return a client's TLS context; ``own`` is authority and name of its certificate."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    authority(trusted).configure_trust(context)
    if own is not None:
        certificate(*own).configure_cert(context)
    return context


def connection_to(server: Server, context: ssl.SSLContext | None = None) -> http.client.HTTPConnection:
    """Return a connection, with TLS if a context is given."""
    if context is None:
        return http.client.HTTPConnection("127.0.0.1", port_of(server), timeout=5)
    return http.client.HTTPSConnection("127.0.0.1", port_of(server), timeout=5, context=context)


def fetch(
    server: Server, path: str = "/metrics", context: ssl.SSLContext | None = None, method: str = "GET", **headers: str
) -> Reply:
    """Send one request on a new connection."""
    with closing(connection_to(server, context)) as connection:
        return exchange(connection, path, method, **headers)


def basic(name: str, password: str) -> str:
    """Return a header's value."""
    return f"Basic {b64encode(f'{name}:{password}'.encode()).decode()}"
