"""Validation of the configuration, with its error messages."""

from __future__ import annotations

import re
import ssl
from collections.abc import Callable, Mapping
from urllib.parse import urlsplit

from burrow_exporter.burrow.failures import error_text
from burrow_exporter.metrics.families import FAMILIES, POLICY_FAMILIES
from burrow_exporter.pem import as_path
from burrow_exporter.settings.value_types import NamedFile

ADDRESS = re.compile(r"https?://(?P<host>\[[0-9a-fA-F:.]+(%\w+)?\]|[\w.-]+)(:(?P<port>[0-9]{1,5}))?(/[^\s\x00-\x1f]*)?")
LARGEST_PORT = 65535
MOST_VALUES = 100_000
"""Maximum number of values in a configuration: enough for some thousand Burrows, read within seconds."""
WHOLE = "the document"
SURROGATE = re.compile("[\ud800-\udfff]")
LABEL_NAME = re.compile(r"(?!__)[a-zA-Z_][a-zA-Z0-9_]*")
OF_POLICY = frozenset(family.name for family in POLICY_FAMILIES)
CONTRACT_LABELS = frozenset(label for family in FAMILIES if family.name not in OF_POLICY for label in family.labels)
POLICY_LABELS = frozenset(label for family in POLICY_FAMILIES for label in family.labels) - CONTRACT_LABELS
"""Labels that a Burrow may have only without a policy for groups."""


class ConfigError(ValueError):
    """An invalid value. ``key`` is its location, ``message`` says what is wrong or allowed."""

    def __init__(self, key: str, message: str) -> None:
        super().__init__(f"{key}: {message}")
        self.key = key
        self.message = message


def require(key: str, condition: object, message: str) -> None:
    """Raise ``ConfigError`` unless ``condition`` holds."""
    if not condition:
        raise ConfigError(key, message)


def attempt(key: str, check: Callable[..., object], *values: object) -> None:
    """Raise ``ConfigError`` if ``check`` of the values raises ``ValueError``."""
    try:
        check(*values)
    except ValueError as error:
        raise ConfigError(key, str(error)) from None


def check_address(key: str, address: str, example: str = "http://burrow:8000") -> None:
    """Raise ``ConfigError`` unless ``address`` is a base URL like ``example``, without credentials.

    A rejected address is not quoted, as it may contain a password or a token.
    """
    require(key, "@" not in address, "must not contain credentials")
    require(key, not set("?#") & set(address), "must not contain ? or #")
    match = ADDRESS.fullmatch(address)
    usable = match and 0 < int(match["port"] or 1) <= LARGEST_PORT and is_host(match["host"])
    require(key, usable, f"must be a URL such as {example}")


def check_proxy(key: str, address: str) -> None:
    """Raise ``ConfigError`` unless ``address`` is an http URL of a proxy, without credentials."""
    check_address(key, address)
    require(
        key,
        address.startswith("http:") and not urlsplit(address).path.strip("/"),
        "must be an http URL without a path, such as http://proxy:3128",
    )


def is_host(name: str) -> bool:
    """Return whether a host name or address is valid: labels of 1 to 63 characters."""
    try:
        return name.startswith("[") or bool(name.encode("idna"))
    except UnicodeError:
        return False


def check_text(key: str, text: str) -> None:
    """Raise ``ConfigError`` for text that is not valid UTF-8, such as a flag with a stray byte."""
    require(key, not SURROGATE.search(text), "is not valid UTF-8")


def check_size(document: object) -> None:
    """Raise ``ConfigError`` for a document that contains itself, or more than ``MOST_VALUES`` values.

    With aliases a short document may contain millions.
    """
    budget = iter(range(MOST_VALUES))

    def count(value: object) -> None:
        require(WHOLE, next(budget, None) is not None, f"holds more than {MOST_VALUES} values, including aliases")
        for each in (*value, *value.values()) if isinstance(value, dict) else value if isinstance(value, list) else ():
            count(each)

    try:
        count(document)
    except RecursionError:
        raise ConfigError(WHOLE, "contains itself") from None


def check_labels(labels: Mapping[str, str]) -> None:
    """Raise ``ConfigError`` if labels are invalid or used by the exporter."""
    for name, value in labels.items():
        key = f"labels.{name}"
        require(
            key,
            LABEL_NAME.fullmatch(name),
            "not a valid label name; use letters, digits and _, and do not start with a digit or __",
        )
        require(key, name not in CONTRACT_LABELS, "is used by the exporter; choose another name")
        require(key, value, "must not be empty: Prometheus treats an empty label as missing")


def check_policy_labels(key: str, labels: Mapping[str, str]) -> None:
    """Raise ``ConfigError`` if labels are used by the policy."""
    for name in labels:
        require(f"{key}.{name}", name not in POLICY_LABELS, "is used by the policy; choose another name")


def read_password(file: NamedFile) -> str:
    """Return the password in a file, without the trailing line break; raises ``ValueError``."""
    try:
        password = file.content.decode().rstrip("\r\n")
    except UnicodeDecodeError:
        password = ""  # nosec B105 # empty, which is rejected
    if not password:
        message = f"{file.path} contains no password, or is not valid UTF-8"
        raise ValueError(message)
    return password


def check_authorities(file: NamedFile) -> None:
    """Raise ``ValueError`` unless a file contains CA certificates."""
    try:
        with as_path(file.content) as path:
            ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT).load_verify_locations(path)
    except OSError as error:
        message = f"{file.path} contains no valid certificate: {error_text(error)}"
        raise ValueError(message) from None


def check_certificate(certificate: NamedFile, key: NamedFile) -> None:
    """Raise ``ValueError`` unless two files contain a certificate and its unencrypted key."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    try:
        with as_path(certificate.content) as cert_path, as_path(key.content) as key_path:
            context.load_cert_chain(cert_path, key_path, password="")  # nosec B106 # none: it is not encrypted
    except OSError as error:
        message = (
            f"{key.path} is not a valid private key for the certificate in {certificate.path}: {error_text(error)}"
        )
        raise ValueError(message) from None
