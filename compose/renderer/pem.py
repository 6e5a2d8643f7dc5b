"""PEM files referenced by `.env`: extraction and validation."""

from __future__ import annotations

import re
import ssl
from pathlib import Path

BLOCK = re.compile(r"-----BEGIN ([A-Z0-9 ]+)-----\r?\n.*?-----END \1-----", re.DOTALL)


class PemError(ValueError):
    """An unusable PEM file, with what to do."""


def certificates(path: Path) -> str:
    """Return only the certificates of a file. Raises PemError."""
    found = _blocks(path, "CERTIFICATE")
    try:
        ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT).load_verify_locations(cafile=path)
    except ssl.SSLError as error:
        message = "its certificate cannot be read; export it again as PEM"
        raise PemError(message) from error
    return found


def private_key(path: Path) -> str:
    """Return only the private key of a file. Raises PemError."""
    text = _text(path)
    if "-----BEGIN ENCRYPTED PRIVATE KEY-----" in text or "Proc-Type: 4,ENCRYPTED" in text:
        message = "the key is encrypted; store it without a passphrase"
        raise PemError(message)
    return _blocks(path, "PRIVATE KEY", "RSA PRIVATE KEY", "EC PRIVATE KEY")


def belongs(key: Path, certificate: Path) -> bool:
    """Return whether a key matches the first certificate of a file."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.set_ciphers("DEFAULT:@SECLEVEL=0")  # key length is not checked here
    try:
        context.load_cert_chain(certificate, key, password="")
    except ssl.SSLError:
        return False
    return True


def _blocks(path: Path, *kinds: str) -> str:
    """Return the PEM blocks of these kinds."""
    found = [match.group() for match in BLOCK.finditer(_text(path)) if match.group(1) in kinds]
    if not found:
        message = f"contains no -----BEGIN {kinds[0]}-----; use a PEM file"
        raise PemError(message)
    return "".join(f"{block}\n" for block in found)


def _text(path: Path) -> str:
    """Return the content of a file; non-ASCII bytes can only be between PEM blocks."""
    try:
        return path.read_bytes().decode("latin-1")
    except FileNotFoundError:
        message = "no such file; paths are relative to the checkout, which must contain it"
        raise PemError(message) from None
    except OSError as error:
        message = f"cannot be read: {(error.strerror or 'error').lower()}; use a readable file"
        raise PemError(message) from error
