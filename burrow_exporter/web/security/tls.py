"""TLS of the server: SSL contexts from the web config file."""

from __future__ import annotations

import ipaddress
import ssl
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from burrow_exporter.pem import as_path
from burrow_exporter.settings.validation import ConfigError, require
from burrow_exporter.web.security.web_config import CIPHER_SUITES, CURVES, TLS

VERSIONS = {"TLS12": ssl.TLSVersion.TLSv1_2, "TLS13": ssl.TLSVersion.TLSv1_3}
VERIFY_MODES = {
    "NoClientCert": ssl.CERT_NONE,
    "VerifyClientCertIfGiven": ssl.CERT_OPTIONAL,
    "RequireAndVerifyClientCert": ssl.CERT_REQUIRED,
}
SECTION = "tls_server_config"


@dataclass(frozen=True, slots=True)
class Contexts:
    """SSL contexts; ``local`` is for clients on this machine, which may lack a certificate.

    ``local`` is ``everyone`` unless certificates are required; a local client without one may only run the health
    check. If ``allowed_sans`` is not empty, a certificate must contain one of them.
    """

    everyone: ssl.SSLContext
    local: ssl.SSLContext
    allowed_sans: frozenset[str]

    @property
    def requires_certificate(self) -> bool:
        """Whether a client certificate is required."""
        return self.everyone.verify_mode is ssl.CERT_REQUIRED

    def admits(self, certificate: dict[str, Any] | None) -> bool:
        """Return whether a verified certificate (as returned by ``getpeercert``) is accepted."""
        return not certificate or not self.allowed_sans or bool(self.allowed_sans & alternative_names(certificate))


def alternative_names(certificate: dict[str, Any]) -> frozenset[str]:
    """Return the names, addresses and URIs in a certificate."""
    wanted = {"DNS", "email", "URI"}
    names = certificate.get("subjectAltName", ())
    addresses = (str(ipaddress.ip_address(value.strip())) for kind, value in names if kind == "IP Address")
    return frozenset((*(value for kind, value in names if kind in wanted), *addresses))


def build(tls: TLS, read: Callable[[str, str], bytes]) -> Contexts:
    """Return contexts; ``read`` takes a key and the path there. Raises ``ConfigError``.

    They are recreated on every change: a CA cannot be removed from a context, and its session tickets would still
    accept clients of a removed CA.
    """
    pem = PemBundle(tls, read)
    everyone = build_context(tls, pem)
    local = everyone
    if everyone.verify_mode is ssl.CERT_REQUIRED:
        local = build_context(tls, pem)
        local.verify_mode = ssl.CERT_OPTIONAL
    return Contexts(everyone, local, frozenset(tls.client_allowed_sans or ()))


class PemBundle:
    """Certificate, key and client CA, each read and checked separately, as OpenSSL's errors do not distinguish them."""

    def __init__(self, tls: TLS, read: Callable[[str, str], bytes]) -> None:
        self._read = read
        self.cert = self._take("cert", tls.cert, tls.cert_file, "CERTIFICATE")
        self.key = self._take("key", tls.key, tls.key_file, "PRIVATE KEY")
        self.client_ca = self._take("client_ca", tls.client_ca, tls.client_ca_file, "CERTIFICATE")

    def _take(self, name: str, inline: str, path: str, what: str) -> bytes:
        if not inline and not path:
            return b""
        name = f"{SECTION}.{name}" if inline else f"{SECTION}.{name}_file"
        data = inline.encode() if inline else self._read(name, path)
        require(name, f"{what}-----".encode() in data, f"contains no PEM {what.lower()}")
        require(name, b"ENCRYPTED" not in data, "must not be encrypted")
        return data


def build_context(tls: TLS, pem: PemBundle) -> ssl.SSLContext:
    """Return one context."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version, context.maximum_version = VERSIONS[tls.min_version], VERSIONS[tls.max_version]
    context.options |= ssl.OP_NO_RENEGOTIATION | ssl.OP_NO_COMPRESSION
    if not tls.prefer_server_cipher_suites:
        context.options &= ~ssl.OP_CIPHER_SERVER_PREFERENCE
    choose_algorithms(context, tls)
    load_chain(context, pem)
    if pem.client_ca:
        load_client_ca(context, pem.client_ca)
    context.verify_mode = VERIFY_MODES[tls.client_auth_type]
    return context


def choose_algorithms(context: ssl.SSLContext, tls: TLS) -> None:
    """Restrict ciphers and curve; a list with only TLS 1.3 suites disables TLS 1.2."""
    suites = [CIPHER_SUITES[suite] for suite in tls.cipher_suites if suite in CIPHER_SUITES]
    try:
        if suites:
            context.set_ciphers(":".join(suites))
        elif tls.cipher_suites:
            context.minimum_version = ssl.TLSVersion.TLSv1_3
        for curve in tls.curve_preferences:
            context.set_ecdh_curve(CURVES[curve])
    except (ssl.SSLError, ValueError):
        message = "OpenSSL on this machine supports none of these cipher suites, or not the curve"
        raise ConfigError(SECTION, message) from None


def load_chain(context: ssl.SSLContext, pem: PemBundle) -> None:
    """Load certificate and key."""
    try:
        with as_path(pem.cert) as cert_path, as_path(pem.key) as key_path:
            # An explicit password keeps OpenSSL from prompting.
            context.load_cert_chain(cert_path, key_path, password="")  # nosec B106 # none
    except (ssl.SSLError, ValueError) as error:
        mismatch = getattr(error, "reason", None) == "KEY_VALUES_MISMATCH"
        what = "the key does not match the certificate" if mismatch else "the certificate or key is corrupt or too weak"
        raise ConfigError(SECTION, what) from None


def load_client_ca(context: ssl.SSLContext, client_ca: bytes) -> None:
    """Load the CAs of client certificates; each is trusted, even if it is an intermediate."""
    context.verify_flags |= ssl.VERIFY_X509_PARTIAL_CHAIN
    try:
        with as_path(client_ca) as path:
            context.load_verify_locations(path)
    except ssl.SSLError:
        key = f"{SECTION}.client_ca"
        raise ConfigError(key, "contains a corrupt certificate") from None
