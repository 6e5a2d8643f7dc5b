"""The web config file: its structure and validation. No I/O.

The keys are those of the Prometheus exporter-toolkit (its docs/web-configuration.md). Unsupported settings are rejected
rather than ignored, so that nobody relies on protection that is not there.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

from msgspec import field

from burrow_exporter.settings.reader import read_document
from burrow_exporter.settings.section import Section
from burrow_exporter.settings.validation import require
from burrow_exporter.settings.value_types import PEM
from burrow_exporter.settings.yaml_file import TextLoader, parse_yaml

CLIENT_AUTH_TYPES = ("NoClientCert", "VerifyClientCertIfGiven", "RequireAndVerifyClientCert")
TLS_VERSIONS = ("TLS12", "TLS13")
CURVES = {"CurveP256": "prime256v1", "CurveP384": "secp384r1", "CurveP521": "secp521r1", "X25519": "X25519"}
# The toolkit's and OpenSSL's name of each cipher suite. TLS 1.3 suites may be listed but are always enabled.
CIPHER_SUITES = {
    "TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256": "ECDHE-ECDSA-AES128-GCM-SHA256",
    "TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256": "ECDHE-RSA-AES128-GCM-SHA256",
    "TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384": "ECDHE-ECDSA-AES256-GCM-SHA384",
    "TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384": "ECDHE-RSA-AES256-GCM-SHA384",
    "TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256": "ECDHE-ECDSA-CHACHA20-POLY1305",
    "TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256": "ECDHE-RSA-CHACHA20-POLY1305",
    "TLS_ECDHE_ECDSA_WITH_AES_128_CBC_SHA": "ECDHE-ECDSA-AES128-SHA",
    "TLS_ECDHE_RSA_WITH_AES_128_CBC_SHA": "ECDHE-RSA-AES128-SHA",
    "TLS_ECDHE_ECDSA_WITH_AES_256_CBC_SHA": "ECDHE-ECDSA-AES256-SHA",
    "TLS_ECDHE_RSA_WITH_AES_256_CBC_SHA": "ECDHE-RSA-AES256-SHA",
}
TLS13_SUITES = ("TLS_AES_128_GCM_SHA256", "TLS_AES_256_GCM_SHA384", "TLS_CHACHA20_POLY1305_SHA256")
# Headers that may be set, with their allowed values if restricted.
HEADERS = {
    "Content-Security-Policy": (),
    "Strict-Transport-Security": (),
    "X-Content-Type-Options": ("nosniff",),
    "X-Frame-Options": ("deny", "sameorigin"),
    "X-XSS-Protection": (),
}
HEADER_VALUE = re.compile(r"[!-~]([ -~]*[!-~])?")
BCRYPT = re.compile(r"\$2[aby]\$(0[4-9]|1[0-9]|2[0-9]|3[01])\$[./A-Za-z0-9]{21}[.Oeu][./A-Za-z0-9]{31}")
DURATION_PART = re.compile(r"([0-9]{1,9}(?:\.[0-9]{0,9})?|\.[0-9]{1,9})(ms|us|µs|ns|s|m|h)")
UNITS = {"ns": 1e-9, "us": 1e-6, "µs": 1e-6, "ms": 1e-3, "s": 1, "m": 60, "h": 3600}


class Shape(Section, frozen=True):
    """A mapping in the file. Its content may be secret, so its repr hides it."""

    def __repr__(self) -> str:
        """Return the name alone."""
        return f"{type(self).__name__}(...)"


class TLS(Shape, frozen=True):
    """TLS settings of server and clients; certificates and keys are PEM, or paths to PEM files."""

    cert: str = ""
    key: str = ""
    client_ca: str = ""
    cert_file: str = ""
    key_file: str = ""
    client_ca_file: str = ""
    client_auth_type: str = "NoClientCert"
    client_allowed_sans: tuple[str, ...] | None = None
    min_version: str = "TLS12"
    max_version: str = "TLS13"
    cipher_suites: tuple[str, ...] = ()
    prefer_server_cipher_suites: bool = True
    curve_preferences: tuple[str, ...] = ()


class HTTP(Shape, frozen=True):
    """HTTP settings."""

    http2: bool = False
    headers: dict[str, str | None] = field(default_factory=dict)


class RateLimit(Shape, frozen=True):
    """A token bucket: one request per interval (0: no limit), and a burst."""

    interval: str = "0"
    burst: int = 0

    @property
    def seconds(self) -> float:
        """The interval in seconds."""
        return parse_interval(self.interval)


class WebFile(Shape, frozen=True):
    """The whole file; ``basic_auth_users`` maps user names to bcrypt hashes."""

    tls_server_config: TLS | None = None
    http_server_config: HTTP = HTTP()
    basic_auth_users: dict[str, str] = field(default_factory=dict)
    rate_limit: RateLimit = RateLimit()

    @property
    def headers(self) -> dict[str, str]:
        """Headers to set, with lower-case names; blank ones are not set."""
        return {name.lower(): value for name, value in self.http_server_config.headers.items() if value}


def parse(data: bytes) -> WebFile:
    """Parse and validate the file; raises ``ValueError``."""
    _, document = parse_yaml(data, TextLoader)
    file = read_document(WebFile, {} if document is None else document, Path(), of_text=True)
    if file.tls_server_config:
        check_tls(file.tls_server_config)
    check_http(file.http_server_config)
    check_users(file.basic_auth_users)
    check_rate_limit(file.rate_limit)
    return file


def one_of(key: str, value: str, allowed: Any, reason: str = "") -> None:  # noqa: ANN401  any sequence of names
    """Raise unless ``value`` is allowed."""
    require(key, value in allowed, f"{value!r} is not supported{reason}; must be one of {', '.join(allowed)}")


def check_tls(tls: TLS) -> None:
    """Validate the TLS section."""
    section = "tls_server_config"
    for name, inline, path in (
        ("cert", tls.cert, tls.cert_file),
        ("key", tls.key, tls.key_file),
        ("client_ca", tls.client_ca, tls.client_ca_file),
    ):
        require(f"{section}.{name}", not (inline and path), f"cannot be used with {name}_file")
        # Otherwise it would be quoted as an unreadable file, and it may be a key.
        require(f"{section}.{name}_file", PEM not in path, f"must be a file name; put inline PEM into {name}")
        require(section, bool(inline or path) or name == "client_ca", f"{name}_file (or {name}) is missing")
    check_clients(tls, f"{section}.client_auth_type", f"{section}.client_allowed_sans")
    for name, version in (("min_version", tls.min_version), ("max_version", tls.max_version)):
        one_of(f"{section}.{name}", version, TLS_VERSIONS, " (OpenSSL rejects older versions)")
    require(f"{section}.min_version", tls.min_version <= tls.max_version, "must not be above max_version")
    check_algorithms(tls, f"{section}.cipher_suites", f"{section}.curve_preferences")


def check_clients(tls: TLS, type_key: str, sans_key: str) -> None:
    """Reject client policies that Python's ssl does not support, or that accept more clients than they seem to."""
    reason = " (client certificates must be verified)"
    one_of(type_key, tls.client_auth_type, CLIENT_AUTH_TYPES, reason)
    verifies = tls.client_auth_type != "NoClientCert"
    has_ca = bool(tls.client_ca or tls.client_ca_file)
    require(type_key, verifies or not has_ca, f"must be {' or '.join(CLIENT_AUTH_TYPES[1:])} if a client CA is set")
    require(type_key, has_ca or not verifies, f"{tls.client_auth_type} needs client_ca_file (or client_ca)")
    if tls.client_allowed_sans is not None:
        needed = "needs VerifyClientCertIfGiven or RequireAndVerifyClientCert"
        require(sans_key, verifies, needed)
        require(sans_key, any(tls.client_allowed_sans), "must contain at least one name")


def check_algorithms(tls: TLS, suites_key: str, curves_key: str) -> None:
    """Reject ciphers and curves that are unknown or cannot be combined."""
    for suite in tls.cipher_suites:
        one_of(suites_key, suite, (*CIPHER_SUITES, *TLS13_SUITES))
    usable = any(suite in CIPHER_SUITES for suite in tls.cipher_suites)
    needed = "must include a TLS 1.2 cipher suite if max_version is TLS12"
    require(suites_key, usable or not tls.cipher_suites or tls.max_version != "TLS12", needed)
    for curve in tls.curve_preferences:
        one_of(curves_key, curve, CURVES)
    require(curves_key, len(tls.curve_preferences) <= 1, "must name at most one curve (a limit of Python's ssl module)")


def check_http(http: HTTP) -> None:
    """Reject HTTP/2 and unsupported headers."""
    require("http_server_config.http2", not http.http2, "HTTP/2 is not supported; remove it or set it to false")
    for name, value in http.headers.items():
        key = f"http_server_config.headers.{name}"
        require(key, name in HEADERS, f"cannot be set; allowed headers: {', '.join(HEADERS)}")
        if value:
            require(key, HEADER_VALUE.fullmatch(value) is not None, "must be one line of printable ASCII")
            one_of(key, value, HEADERS[name] or (value,))


def check_users(users: dict[str, str]) -> None:
    """Reject names that no client can send and invalid hashes, without quoting them."""
    for number, (name, digest) in enumerate(users.items(), 1):
        usable = bool(name) and ":" not in name and name.isprintable()
        require(
            "basic_auth_users", usable, f"user {number}: the name must be printable, not empty, and without a colon"
        )
        message = f"user {number}: not a bcrypt hash; generate one with `htpasswd -nBC 10 ''`"
        require("basic_auth_users", BCRYPT.fullmatch(digest) is not None, message)


def check_rate_limit(limit: RateLimit) -> None:
    """Reject a limit that admits no requests."""
    burst = "must be at least 1 if interval is set"
    require("rate_limit.burst", limit.burst >= (1 if limit.seconds else 0), burst)


def parse_interval(text: str) -> float:
    """Return the seconds of a duration in Go's notation (``1s``, ``1m30s``, ``0.5s``); raise ``ConfigError``."""
    if text == "0":
        return 0.0
    parts = DURATION_PART.findall(text)
    whole = bool(parts) and "".join(number + unit for number, unit in parts) == text
    require("rate_limit.interval", whole, "is not a duration such as 1s or 100ms")
    return sum(float(number) * UNITS[unit] for number, unit in parts)
