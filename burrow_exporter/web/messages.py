"""HTTP/1.1 messages (RFC 9112): strictly parsed request heads, and responses."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from email.utils import formatdate
from http import HTTPStatus

from burrow_exporter.body import Body, body_of

TOKEN = rb"[!#$%&'*+.^_`|~0-9A-Za-z-]+"
REQUEST_LINE = re.compile(rb"(%b) ([!-~]+) HTTP/1\.([01])" % TOKEN)
HEADER_LINE = re.compile(rb"(%b):([\t -~\x80-\xff]*)" % TOKEN)
# The origin form, the absolute form (RFC 9112, 3.2.2), and the asterisk of OPTIONS.
TARGET = re.compile(r"(?:https?://(?P<authority>[^/?#@]+))?(?P<path>/[^?#]*|\*)?(?:\?(?P<query>[^#]*))?", re.IGNORECASE)
CONTENT_LENGTH = re.compile(r"[0-9]{1,18}")
NOSNIFF = ("x-content-type-options", "nosniff")


class BadRequestError(Exception):
    """A malformed request; the response has ``status`` and the message as its body."""

    def __init__(self, message: str, status: int = 400) -> None:
        super().__init__(message)
        self.status = status


@dataclass(frozen=True, slots=True)
class Peer:
    """The IP addresses of both ends of a connection.

    ``lacks_certificate`` if the client presented no required certificate; it gets one response.
    """

    client: str
    server: str
    lacks_certificate: bool = False


@dataclass(frozen=True, slots=True)
class Request:
    """A request without its body. ``path`` and ``query`` are as sent, percent-encoded.

    ``headers`` maps lower-case names to all values of that name. ``body_length`` is in bytes, ``None`` for a chunked
    body.
    """

    peer: Peer
    method: str
    path: str
    query: str
    host: str
    headers: Mapping[str, Sequence[str]]
    body_length: int | None
    keep_alive: bool

    def header(self, name: str) -> str:
        """Return a header's value, several lines joined by commas, or an empty string."""
        return ",".join(self.headers.get(name, ()))


def parse_head(head: bytes, peer: Peer) -> Request:
    """Parse a head without the empty line that ends it. Raises ``BadRequestError``."""
    first, *lines = head.split(b"\r\n")
    request_line = REQUEST_LINE.fullmatch(first)
    if request_line is None:
        message = "Malformed request line."
        raise BadRequestError(message)
    method, raw_target, minor_version = (part.decode("ascii") for part in request_line.groups())
    target = TARGET.fullmatch(raw_target)
    if target is None or not (target["path"] or target["authority"]):
        message = "Malformed request target."
        raise BadRequestError(message)
    headers = parse_headers(lines)
    hosts = headers.get("host", ())
    if len(hosts) > 1 or (minor_version == "1" and not hosts):
        message = "Exactly one Host header is required."
        raise BadRequestError(message)
    options = ",".join(headers.get("connection", ())).lower().split(",")
    return Request(
        peer=peer,
        method=method,
        path=target["path"] or "/",
        query=target["query"] or "",
        host=target["authority"] or "".join(hosts),
        headers=headers,
        body_length=body_length(headers),
        keep_alive=minor_version == "1" and "close" not in map(str.strip, options),
    )


def parse_headers(lines: Sequence[bytes]) -> dict[str, list[str]]:
    """Return names in lower case and their values. Raises ``BadRequestError``."""
    headers: dict[str, list[str]] = {}
    for line in lines:
        header = HEADER_LINE.fullmatch(line)
        if header is None:
            message = "Malformed header."
            raise BadRequestError(message)
        headers.setdefault(header[1].decode("ascii").lower(), []).append(header[2].strip(b" \t").decode("latin-1"))
    return headers


def body_length(headers: Mapping[str, Sequence[str]]) -> int | None:
    """Return the length of the body in bytes (RFC 9112, 6.3), ``None`` if chunked. Raises ``BadRequestError``."""
    lengths, codings = headers.get("content-length", ()), headers.get("transfer-encoding", ())
    if len(lengths) > 1 or not all(map(CONTENT_LENGTH.fullmatch, lengths)):
        message = "Malformed Content-Length."
        raise BadRequestError(message)
    if lengths and codings:
        # Request smuggling: a proxy may use one and this server the other.
        message = "Content-Length and Transfer-Encoding are mutually exclusive."
        raise BadRequestError(message)
    if codings and [coding.lower() for coding in codings] != ["chunked"]:
        message = "Transfer-Encoding must be chunked."
        raise BadRequestError(message, HTTPStatus.NOT_IMPLEMENTED)
    return None if codings else int("".join(lengths) or "0")


@dataclass(frozen=True, slots=True)
class Response:
    """A response; ``headers``, with lower-case names, exclude Date, Content-Length and Connection."""

    status: int
    body: Body
    headers: tuple[tuple[str, str], ...]

    def with_headers(self, headers: Mapping[str, str]) -> Response:
        """Return the response with these headers replacing those of the same names."""
        others = tuple((name, value) for name, value in self.headers if name not in headers)
        return replace(self, headers=(*others, *headers.items()))

    def head(self, *, close: bool) -> bytes:
        """Return status line and headers; ``close`` if the connection ends with this response."""
        lines = [
            f"HTTP/1.1 {self.status} {HTTPStatus(self.status).phrase}",
            f"date: {formatdate(usegmt=True)}",
            *(f"{name}: {value}" for name, value in self.headers),
            f"content-length: {self.body.length}",
            *(["connection: close"] if close else []),
            "\r\n",
        ]
        return "\r\n".join(lines).encode("latin-1")


def plain(status: int, text: str, *headers: tuple[str, str]) -> Response:
    """Return a short plain-text response that must not be cached."""
    common = (("content-type", "text/plain; charset=utf-8"), NOSNIFF, ("cache-control", "no-store"))
    return Response(status, body_of(f"{text}\n".encode()), (*common, *headers))
