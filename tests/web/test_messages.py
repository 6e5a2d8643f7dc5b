"""HTTP messages: which requests are accepted, which are rejected, and heads of responses."""

from __future__ import annotations

import re

import pytest

from burrow_exporter.web.messages import BadRequestError, Peer, Request, parse_head, plain

PEER = Peer("10.0.0.2", "10.0.0.1")


def parse(*lines: bytes) -> Request:
    """Parse a head of these lines."""
    return parse_head(b"\r\n".join(lines), PEER)


@pytest.mark.parametrize(
    ("expected", "target"),
    [
        (("/metrics", "", "x"), b"/metrics"),
        (("/metrics", "", "x"), b"/metrics?"),
        (("/group", "name=a%20b?&c=/d", "x"), b"/group?name=a%20b?&c=/d"),
        (("/-%2freload", "", "x"), b"/-%2freload"),
        (("//metrics", "", "x"), b"//metrics"),
        (("/metrics", "", "example.org:9254"), b"http://example.org:9254/metrics"),
        (("/", "", "[::1]"), b"HTTPS://[::1]"),
        (("/", "a=b", "example.org"), b"http://example.org?a=b"),
        (("*", "", "x"), b"*"),
    ],
)
def test_targets(expected: tuple[str, str, str], target: bytes) -> None:
    """A target is a path, or a whole URL, whose host then counts; nothing in it is decoded."""
    request = parse(b"GET " + target + b" HTTP/1.1", b"Host: x")

    assert expected == (request.path, request.query, request.host)


@pytest.mark.parametrize(
    "target", [b"", b"metrics", b"ftp://x/metrics", b"http://", b"http://u@x/", b"x:443", b"/#a", b"/a b", b"/\xff"]
)
def test_malformed_targets(target: bytes) -> None:
    """Any other target is refused."""
    with pytest.raises(BadRequestError, match="Malformed request"):
        parse(b"GET " + target + b" HTTP/1.1", b"Host: x")


def test_headers() -> None:
    """Names count in any case, lines of one name together, and space around a value does not."""
    request = parse(b"GET / HTTP/1.1", b"hOST:x", b"A: 1", b"a: \t2 3\xe9 ", b"B:")

    assert ("1,2 3\xe9", "", "") == (request.header("a"), request.header("b"), request.header("c"))
    assert (PEER, "GET", True, 0) == (request.peer, request.method, request.keep_alive, request.body_length)


@pytest.mark.parametrize(
    ("expected", "version", "headers"),
    [
        (True, b"1.1", []),
        (True, b"1.1", [b"Connection: keep-alive, x"]),
        (False, b"1.1", [b"Connection: close"]),
        (False, b"1.1", [b"Connection: x", b"Connection: y , CLOSE"]),
        (False, b"1.0", []),
        (False, b"1.0", [b"Connection: keep-alive"]),
    ],
)
def test_keep_alive(*, expected: bool, version: bytes, headers: list[bytes]) -> None:
    """A connection stays unless the client says it closes, or speaks HTTP/1.0."""
    assert expected == parse(b"GET / HTTP/" + version, b"Host: x", *headers).keep_alive


@pytest.mark.parametrize(
    ("expected", "headers"),
    [(0, []), (12, [b"Content-Length: 12"]), (None, [b"Transfer-Encoding: Chunked"])],
)
def test_body_length(expected: int | None, headers: list[bytes]) -> None:
    """The length of a body is known but where it is chunked."""
    assert expected == parse(b"POST / HTTP/1.1", b"Host: x", *headers).body_length


@pytest.mark.parametrize(
    ("expected", "headers"),
    [
        ("400 .* mutually exclusive", [b"Content-Length: 3", b"Transfer-Encoding: chunked"]),
        ("400 .* mutually exclusive", [b"Transfer-Encoding: identity", b"Content-Length: 0"]),
        ("400 Malformed Content-Length", [b"Content-Length: 3", b"Content-Length: 3"]),
        ("400 Malformed Content-Length", [b"Content-Length: 3, 3"]),
        ("400 Malformed Content-Length", [b"Content-Length: +3"]),
        ("400 Malformed Content-Length", [b"Content-Length: -1"]),
        ("400 Malformed Content-Length", [b"Content-Length: \xb2"]),
        ("400 Malformed Content-Length", [b"Content-Length:"]),
        ("400 Malformed Content-Length", [b"Content-Length: " + b"9" * 5000]),
        ("501 Transfer-Encoding must be", [b"Transfer-Encoding: gzip, chunked"]),
        ("501 Transfer-Encoding must be", [b"Transfer-Encoding: chunked", b"Transfer-Encoding: chunked"]),
        ("400 Malformed header", [b"no colon"]),
        ("400 Malformed header", [b"A : space before the colon"]),
        ("400 Malformed header", [b" folded: line"]),
        ("400 Malformed header", [b": no name"]),
        ("400 Malformed header", [b"A: zero\0byte"]),
        ("400 Malformed header", [b"A: line\nfeed: alone"]),
        ("400 Malformed header", [b"A: carriage\rreturn"]),
        ("400 Exactly one Host", [b"Host: y"]),
    ],
)
def test_refused(expected: str, headers: list[bytes]) -> None:
    """What two servers may read in two ways is refused: bodies of two lengths, and headers that are malformed."""
    with pytest.raises(BadRequestError) as refused:
        parse(b"GET / HTTP/1.1", b"Host: x", *headers)

    assert re.match(expected, f"{refused.value.status} {refused.value}")


@pytest.mark.parametrize(
    "line", [b"", b"GET", b"GET /", b"GET  / HTTP/1.1", b"GET / HTTP/2.0", b"GET / http/1.1", b"G\xe9T / HTTP/1.1"]
)
def test_malformed_request_lines(line: bytes) -> None:
    """A request line has three parts, and the version 1.0 or 1.1."""
    with pytest.raises(BadRequestError, match="Malformed request line"):
        parse(line, b"Host: x")


def test_host() -> None:
    """HTTP/1.1 needs a host, HTTP/1.0 does not."""
    assert "" == parse(b"GET / HTTP/1.0").host
    with pytest.raises(BadRequestError, match="Exactly one Host"):
        parse(b"GET / HTTP/1.1")


def test_answer_head() -> None:
    """An answer says its length, that its type is not to be guessed, and that it is the last one."""
    answer = plain(503, "No.", ("retry-after", "1")).with_headers({"retry-after": "2", "x-frame-options": "deny"})
    first, *lines = answer.head(close=True).decode().split("\r\n")

    assert "HTTP/1.1 503 Service Unavailable" == first
    assert {"content-length: 4", "connection: close", "x-content-type-options: nosniff"} <= set(lines)
    assert ["retry-after: 2"] == [line for line in lines if line.startswith("retry-after")]
    assert "x-frame-options: deny" in lines
    assert ["", ""] == lines[-2:]
    assert b"connection" not in answer.head(close=False)
