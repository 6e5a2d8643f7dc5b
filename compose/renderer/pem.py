"""PEM files that `.env` names: what is taken from them, and whether it is of any use."""

from __future__ import annotations

import re
import ssl
from pathlib import Path

BLOCK = re.compile(r"-----BEGIN ([A-Z0-9 ]+)-----\r?\n.*?-----END \1-----", re.DOTALL)


class PemError(ValueError):
    """Why a file is of no use, and what to do."""


def certificates(path: Path) -> str:
    """Return the certificates of a file and nothing else of it. Raises PemError."""
    found = _blocks(path, "CERTIFICATE")
    try:
        ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT).load_verify_locations(cafile=path)
    except ssl.SSLError as error:
        message = "its certificate cannot be read; export it anew, as PEM"
        raise PemError(message) from error
    return found


def private_key(path: Path) -> str:
    """Return the private key of a file and nothing else of it. Raises PemError."""
    text = _text(path)
    if "-----BEGIN ENCRYPTED PRIVATE KEY-----" in text or "Proc-Type: 4,ENCRYPTED" in text:
        message = "the key is encrypted; store it without a passphrase, which nobody is there to type"
        raise PemError(message)
    return _blocks(path, "PRIVATE KEY", "RSA PRIVATE KEY", "EC PRIVATE KEY")


def belongs(key: Path, certificate: Path) -> bool:
    """Return whether a key is that of a certificate (the first one in its file)."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.set_ciphers("DEFAULT:@SECLEVEL=0")  # whether a key is long enough is another matter
    try:
        context.load_cert_chain(certificate, key, password="")
    except ssl.SSLError:
        return False
    return True


def _blocks(path: Path, *kinds: str) -> str:
    """Return the blocks of these kinds."""
    found = [match.group() for match in BLOCK.finditer(_text(path)) if match.group(1) in kinds]
    if not found:
        message = f"has no -----BEGIN {kinds[0]}-----; a PEM file is needed"
        raise PemError(message)
    return "".join(f"{block}\n" for block in found)


def _text(path: Path) -> str:
    """Return what a file holds; bytes that are no ASCII can only stand between the blocks."""
    try:
        return path.read_bytes().decode("latin-1")
    except FileNotFoundError:
        message = "no such file; keep it in the checkout, from which paths count"
        raise PemError(message) from None
    except OSError as error:
        message = f"cannot be read: {(error.strerror or 'error').lower()}; name a file that can"
        raise PemError(message) from error
