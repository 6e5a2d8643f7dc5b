"""The HTTP server: responses by path and format, and listen addresses."""

from __future__ import annotations

import gzip
import http.client
import re
import socket
import statistics
import threading
import time
import zlib
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass, field
from functools import partial
from urllib.parse import urlsplit

import pytest
from structlog.testing import capture_logs

from burrow_exporter.body import Body, body_of, cut
from burrow_exporter.status.page import Page
from burrow_exporter.web.application import MOST_READERS, Content
from burrow_exporter.web.limits import DEFAULT_LIMITS, SMALLEST_PIECE, Limits
from burrow_exporter.web.listener import bind
from burrow_exporter.web.security.live_config import Security
from burrow_exporter.web.server import Server

TEXT = "text/plain; version=0.0.4; charset=utf-8"
OPENMETRICS = "application/openmetrics-text; version=1.0.0; charset=utf-8"
PROMETHEUS_2_20 = "application/openmetrics-text; version=0.0.1,text/plain;version=0.0.4;q=0.5,*/*;q=0.1"
PROMETHEUS_2_42 = (
    "application/openmetrics-text;version=1.0.0,application/openmetrics-text;version=0.0.1;q=0.75,"
    "text/plain;version=0.0.4;q=0.5,*/*;q=0.1"
)
PROMETHEUS_3 = (
    "application/openmetrics-text;version=1.0.0;escaping=allow-utf-8;q=0.6,"
    "application/openmetrics-text;version=0.0.1;q=0.5,text/plain;version=1.0.0;escaping=allow-utf-8;q=0.4,"
    "text/plain;version=0.0.4;q=0.3,*/*;q=0.2"
)
PROMETHEUS_3_HISTOGRAMS = (
    f"application/vnd.google.protobuf;proto=io.prometheus.client.MetricFamily;encoding=delimited;q=0.7,{PROMETHEUS_3}"
)
PROMETHEUS_3_TEXT = "text/plain;version=0.0.4;q=0.5,*/*;q=0.4"
FIREFOX = "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8"


@dataclass
class FixedContent:
    """Content whose answers a test may change while it is served."""

    page: bytes = b'burrow_up{burrow="default"} 1\n' * 5000
    healthy: bool = True
    ready: bool = True
    failure: Exception | None = None
    failure_in_body: Exception | None = None
    asked: list[tuple[bool, bool]] = field(default_factory=list)
    reloadable: bool = False
    complaint: str = ""
    reloads: int = 0

    def metrics(self, *, openmetrics: bool, gzip: bool) -> Body:
        """Return the page, compressed as one large piece or plain as many."""
        self.asked.append((openmetrics, gzip))
        if self.failure is not None:
            raise self.failure
        page = self.page + b"# EOF\n" if openmetrics else self.page
        if not gzip:
            return Body(partial(self._plain, page), len(page))
        compressor = zlib.compressobj(wbits=31)
        large = compressor.compress(page) + compressor.flush(zlib.Z_SYNC_FLUSH)
        small = compressor.flush()
        return body_of(large, small)

    def status_page(self, path: str, query: str) -> Page:
        """Return a page that shows its path and query; group x does not exist, and a paused page does not reload."""
        status = 404 if "name=x" in query else 200
        return Page(status, f"<!DOCTYPE html><title>Läg</title>{path} {query}".encode(), 0 if "off" in query else 15)

    def api(self, path: str, query: str) -> tuple[int, bytes]:
        """Return what was asked for."""
        return 404 if "missing" in path else 200, f"{path} {query}".encode()

    def is_healthy(self) -> bool:
        """Tell what the test says."""
        return self.healthy

    def is_ready(self) -> bool:
        """Tell what the test says."""
        return self.ready

    def may_be_reloaded(self) -> bool:
        """Tell what the test says."""
        return self.reloadable

    def reload(self) -> str:
        """Count, and say what the test says."""
        self.reloads += 1
        return self.complaint

    def _plain(self, page: bytes, size: int) -> Iterator[bytes | memoryview]:
        yield page[:1000]
        if self.failure_in_body is not None:
            raise self.failure_in_body
        yield b""
        yield from cut((page[1000:],), size)


@dataclass(frozen=True)
class Reply:
    """What a client got."""

    status: int
    headers: dict[str, str]
    body: bytes


@contextmanager
def serving(
    content: Content,
    telemetry_path: str = "/metrics",
    limits: Limits = DEFAULT_LIMITS,
    address: str = "127.0.0.1:0",
    security: Security | None = None,
) -> Iterator[Server]:
    """Serve ``content`` on a free port, and stop."""
    server = Server(content, [bind(address)], telemetry_path, limits, security)
    server.start()
    try:
        yield server
    finally:
        server.stop()
        assert not server.is_alive()


def port_of(server: Server) -> int:
    """Return the port of a server."""
    return int(server.address.rpartition(":")[2])


def connect(server: Server) -> http.client.HTTPConnection:
    """Return a connection that a test may use for several requests."""
    return http.client.HTTPConnection("127.0.0.1", port_of(server), timeout=5)


def exchange(connection: http.client.HTTPConnection, path: str, method: str = "GET", **headers: str) -> Reply:
    """Send one request and read its response; ``_`` in the name of a header becomes ``-``."""
    connection.putrequest(method, path, skip_accept_encoding=True)
    for name, value in headers.items():
        connection.putheader(name.replace("_", "-"), value)
    connection.endheaders()
    response = connection.getresponse()
    lowered = {name.lower(): value for name, value in response.getheaders()}
    return Reply(response.status, lowered, response.read())


def ask(server: Server, path: str, method: str = "GET", **headers: str) -> Reply:
    """Send one request on a new connection."""
    with closing(connect(server)) as connection:
        return exchange(connection, path, method, **headers)


@pytest.fixture(scope="module")
def shared() -> Iterator[tuple[Server, FixedContent]]:
    """Return one server for all tests that do not stop it, and its content."""
    content = FixedContent()
    with serving(content) as running:
        yield running, content


@pytest.fixture
def content(shared: tuple[Server, FixedContent]) -> FixedContent:
    """Return content to serve, as new."""
    vars(shared[1]).update(vars(FixedContent()))
    return shared[1]


@pytest.fixture
def server(shared: tuple[Server, FixedContent], content: FixedContent) -> Server:
    """Return a server of ``content`` on its usual path."""
    assert content is shared[1]
    return shared[0]


@pytest.mark.parametrize(
    ("expected", "accept"),
    [
        (TEXT, None),
        (TEXT, ""),
        (TEXT, "*/*"),
        (TEXT, FIREFOX),
        (TEXT, "image/png"),
        (TEXT, "text/plain"),
        (TEXT, ",;,;q=,=;q=x"),
        (TEXT, PROMETHEUS_2_20),
        (TEXT, PROMETHEUS_3_TEXT),
        (TEXT, "application/openmetrics-text;q=0,*/*"),
        (TEXT, "application/openmetrics-text;q=0.4,text/plain;q=0.5"),
        (TEXT, "application/openmetrics-text;q=0.4,text/*;q=0.5"),
        (TEXT, "application/openmetrics-text;q=nan"),
        (TEXT, "application/openmetrics-text;version=2.0.0"),
        (TEXT, "application/openmetrics-text,text/plain"),
        (OPENMETRICS, PROMETHEUS_2_42),
        (OPENMETRICS, PROMETHEUS_3),
        (OPENMETRICS, PROMETHEUS_3_HISTOGRAMS),
        (OPENMETRICS, "application/openmetrics-text"),
        (OPENMETRICS, 'APPLICATION/OpenMetrics-Text ; Version="1.0.0" ; Q=0.2, */* ; q=0.1'),
        (OPENMETRICS, "application/*;q=0.5,text/plain;q=0.1"),
        (OPENMETRICS, "*/*;q=0.5,text/plain;q=0.1"),
    ],
)
def test_format_by_accept(server: Server, content: FixedContent, expected: str, accept: str | None) -> None:
    """OpenMetrics goes to those who rate it above the text format, the text format to all others."""
    reply = ask(server, "/metrics", **({} if accept is None else {"Accept": accept}))

    assert (200, expected) == (reply.status, reply.headers["content-type"])
    assert content.page + (b"# EOF\n" if expected == OPENMETRICS else b"") == reply.body


@pytest.mark.parametrize(
    ("expected", "accept_encoding"),
    [
        (False, None),
        (False, ""),
        (False, "identity"),
        (False, "deflate, br"),
        (False, "gzip;q=0"),
        (False, "gzip;q=0, *"),
        (False, "gzip;q=0.5, identity"),
        (False, "gzip;q=many"),
        (True, "gzip"),
        (True, "gzip, deflate, br, zstd"),
        (True, "GZIP ; q=0.001"),
        (True, "x-gzip"),
        (True, "*"),
        (True, "identity;q=0.5, gzip;q=0.5"),
    ],
)
def test_gzip_by_accept_encoding(
    server: Server, content: FixedContent, *, expected: bool, accept_encoding: str | None
) -> None:
    """The page is compressed for those who accept it and do not rate plain bytes higher; both say what they vary by."""
    reply = ask(server, "/metrics", **({} if accept_encoding is None else {"Accept_Encoding": accept_encoding}))

    assert (200, "Accept, Accept-Encoding") == (reply.status, reply.headers["vary"])
    assert ("gzip" if expected else None) == reply.headers.get("content-encoding")
    assert content.page == (gzip.decompress(reply.body) if expected else reply.body)
    assert str(len(reply.body)) == reply.headers["content-length"]


def test_headers_in_several_lines(server: Server, content: FixedContent) -> None:
    """Accept and Accept-Encoding may stand in several lines."""
    with closing(connect(server)) as connection:
        connection.putrequest("GET", "/metrics", skip_accept_encoding=True)
        for name in ("Accept: text/plain;q=0.1", "Accept: application/openmetrics-text", "Accept-Encoding: br"):
            connection.putheader(*name.split(": "))
        connection.putheader("Accept-Encoding", "gzip")
        connection.endheaders()
        connection.getresponse().read()

    assert [(True, True)] == content.asked


@pytest.mark.parametrize("encoding", ["identity", "gzip"])
@pytest.mark.parametrize("path", ["/metrics", "/", "/-/healthy", "/-/ready", "/nothing"])
def test_head(server: Server, path: str, encoding: str) -> None:
    """HEAD has the headers of GET, the length included, no body, and leaves the connection usable."""
    with closing(connect(server)) as connection:
        head = exchange(connection, path, "HEAD", Accept_Encoding=encoding)
        get = exchange(connection, path, "GET", Accept_Encoding=encoding)

    assert b"" == head.body
    assert (get.status, {name: get.headers[name] for name in get.headers if name != "date"}) == (
        head.status,
        {name: head.headers[name] for name in head.headers if name != "date"},
    )


@pytest.mark.parametrize(
    ("status", "path"),
    [
        (200, "/metrics"),
        (200, "/metrics?collect[]=x&y=%zz"),
        (200, "http://example.org/metrics"),
        (200, "HTTPS://example.org:9254/metrics?x=1"),
        (404, "http://example.org/metrics/"),
        (400, "ftp://example.org/metrics"),
        (404, "/%6detrics"),
        (404, "/metrics/"),
        (404, "//metrics"),
        (404, "/x/../metrics"),
        (404, "/METRICS"),
        (404, "/metrics%00"),
        (404, "/%ff%fe"),
        (404, "*"),
        (404, "/-/"),
        (404, "/favicon.ico"),
    ],
)
def test_paths(server: Server, content: FixedContent, status: int, path: str) -> None:
    """Only the exact paths are served; a query string is ignored."""
    reply = ask(server, path)

    assert (status, status == 200) == (reply.status, reply.body == content.page)


@pytest.mark.parametrize("path", ["/metrics", "/", "/group", "/-/healthy", "/-/ready"])
@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "OPTIONS", "PATCH", "NONSENSE"])
def test_other_methods(server: Server, method: str, path: str) -> None:
    """Other methods are refused with those that are allowed."""
    reply = ask(server, path, method)

    assert (405, "GET, HEAD") == (reply.status, reply.headers["allow"])


@pytest.mark.parametrize(
    ("expected", "method", "reloadable"),
    [
        *((405, method, on) for method in ("GET", "HEAD", "DELETE") for on in (True, False)),
        *((403, method, False) for method in ("POST", "PUT")),
        *((200, method, True) for method in ("POST", "PUT")),
    ],
)
def test_reload(server: Server, content: FixedContent, expected: int, method: str, *, reloadable: bool) -> None:
    """A reload is asked for as of Prometheus: by POST or PUT; 403 while the lifecycle is off, 405 for other methods."""
    content.reloadable = reloadable
    reply = ask(server, "/-/reload", method)

    assert (expected, 200 == expected) == (reply.status, content.reloads == 1)
    assert (expected == 405) == (reply.headers.get("allow") == "POST, PUT")
    assert (expected == 403) == (b"Lifecycle API is not enabled" in reply.body)


def test_failed_reload(server: Server, content: FixedContent) -> None:
    """A reload that fails is answered 500, with what is wrong."""
    content.reloadable, content.complaint = True, "burrow.yaml: poll.interval: must be at least 1s"
    reply = ask(server, "/-/reload", "POST")

    assert (500, f"Reload failed, keeping the previous configuration: {content.complaint}\n".encode()) == (
        reply.status,
        reply.body,
    )


@pytest.mark.parametrize(
    ("expected", "headers"),
    [
        (200, {}),
        (200, {"Host": "exporter.example:9254", "Origin": "http://exporter.example:9254"}),
        (200, {"Host": "Exporter.example", "Origin": "https://exporter.example"}),
        (403, {"Host": "exporter.example", "Origin": "https://example.org"}),
        (403, {"Host": "exporter.example:9254", "Origin": "http://exporter.example"}),
        (403, {"Host": "exporter.example", "Origin": "null"}),
    ],
)
@pytest.mark.parametrize("method", ["POST", "PUT"])
def test_reload_by_a_page(
    server: Server, content: FixedContent, method: str, expected: int, headers: dict[str, str]
) -> None:
    """A page that came from elsewhere cannot have a browser reload."""
    content.reloadable = True
    with closing(connect(server)) as connection:
        connection.putrequest(method, "/-/reload", skip_host="Host" in headers)
        for name, value in headers.items():
            connection.putheader(name, value)
        connection.endheaders()
        assert expected == connection.getresponse().status
    assert (expected == 200) == (content.reloads == 1)


@pytest.mark.parametrize("target", ["/-%2freload", "/-/%72eload", "//-/reload", "/x/../-/reload"])
def test_reload_by_another_path(server: Server, content: FixedContent, target: str) -> None:
    """What a proxy may not take for the path of the reload is not taken for it here either."""
    content.reloadable = True

    assert (404, 0) == (ask(server, target, "POST").status, content.reloads)


def test_reload_under_way() -> None:
    """During a slow reload, another one is rejected immediately, and pages, metrics and health checks are served."""
    content = FixedContent(reloadable=True)
    begun, go_on = threading.Event(), threading.Event()

    def slow() -> str:
        begun.set()
        go_on.wait(5)
        return ""

    content.reload = slow  # type: ignore[method-assign]
    with serving(content) as server, ThreadPoolExecutor() as pool:
        first = pool.submit(ask, server, "/-/reload", "POST")
        assert begun.wait(5)
        second = ask(server, "/-/reload", "POST")
        assert (503, b"A reload is already in progress.\n") == (second.status, second.body)
        assert [200] * 3 == [ask(server, path).status for path in ("/", "/metrics", "/-/healthy")]
        go_on.set()
        assert 200 == first.result().status
        assert 200 == ask(server, "/-/reload", "POST").status


def test_reload_that_hangs() -> None:
    """A reload that never ends does not keep the server from stopping."""
    content = FixedContent(reloadable=True)
    begun, go_on = threading.Event(), threading.Event()

    def hang() -> str:
        begun.set()
        go_on.wait(20)
        return ""

    content.reload = hang  # type: ignore[method-assign]
    with serving(content) as server, ThreadPoolExecutor() as pool:
        hanging = pool.submit(ask, server, "/-/reload", "POST")
        assert begun.wait(5)
        begin = time.monotonic()
        server.stop()
        assert time.monotonic() - begin < 1
        assert isinstance(hanging.exception(5), OSError | http.client.HTTPException)
    go_on.set()
    while server.connections:
        time.sleep(0.01)


def test_failing_reload(server: Server, content: FixedContent) -> None:
    """A reload that breaks is answered 500, without its reason, and the next one is not held up."""

    def fail() -> str:
        message = "secret"
        raise RuntimeError(message)

    content.reloadable = True
    content.reload = fail  # type: ignore[method-assign]
    with capture_logs() as logs:
        replies = [ask(server, "/-/reload", "POST") for _ in range(2)]
    del content.reload

    assert [500, 500] == [reply.status for reply in replies]
    assert b"secret" not in replies[0].body
    assert ["request failed"] * 2 == [log["event"] for log in logs]


@pytest.mark.parametrize(
    ("expected", "target"),
    [
        (b"200 / ", "/"),
        (b"200 / q=a%20b&page=2", "/?q=a%20b&page=2"),
        (b"200 /group name=%2F..%2F%25%0A%FF", "/group?name=%2F..%2F%25%0A%FF"),
        (b"404 /group name=x", "/group?name=x"),
        (b"200 /topic refresh=off", "/topic?refresh=off"),
    ],
)
@pytest.mark.parametrize("method", ["GET", "HEAD"])
def test_status_page(server: Server, method: str, expected: bytes, target: str) -> None:
    """A status page is HTML in UTF-8, made from the raw query of the URL, not cached and without scripts."""
    reply = ask(server, target, method)

    status, _, rest = expected.partition(b" ")
    page = "<!DOCTYPE html><title>Läg</title>".encode() + rest
    assert (int(status), str(len(page))) == (reply.status, reply.headers["content-length"])
    assert (b"" if method == "HEAD" else page) == reply.body
    assert ("text/html; charset=utf-8", "no-store") == (reply.headers["content-type"], reply.headers["cache-control"])
    policy = set(reply.headers["content-security-policy"].split("; "))
    assert {"default-src 'none'", "style-src 'unsafe-inline'", "form-action 'self'", "frame-ancestors 'none'"} <= policy
    assert not [rule for rule in policy if rule.startswith("script-src")]
    assert (None if "off" in target else "15") == reply.headers.get("refresh")


@pytest.mark.parametrize(("status", "path"), [(200, "/api/v1/groups/a%2Fb/c"), (404, "/api/v1/missing")])
def test_api(server: Server, status: int, path: str) -> None:
    """Whatever is below the path of the API is answered as JSON that nothing caches; it is only read."""
    reply = ask(server, f"{path}?q=a%20b")
    assert (status, f"{path} q=a%20b".encode()) == (reply.status, reply.body)
    assert ("application/json", "no-store") == (reply.headers["content-type"], reply.headers["cache-control"])
    assert 405 == ask(server, path, "DELETE").status
    assert 404 == ask(server, "/api/v1").status


def test_status_page_does_not_hold_up_the_rest(server: Server, content: FixedContent) -> None:
    """While one page is made, which may take a while, metrics are answered; another page waits for its turn."""
    begun, go_on = threading.Event(), threading.Event()
    others: list[tuple[str, str]] = []

    def slow(path: str, query: str) -> Page:
        others.append((path, query))
        begun.set()
        go_on.wait(5)
        return Page(200, b"done", 0)

    content.status_page = slow  # type: ignore[method-assign]
    with ThreadPoolExecutor() as pool:
        pages = [pool.submit(ask, server, path) for path in ("/", "/group")]
        assert begun.wait(5)
        assert 200 == ask(server, "/metrics").status
        assert 1 == len(others)
        go_on.set()
        assert [b"done"] * 2 == [page.result().body for page in pages]


def test_many_readers_of_pages() -> None:
    """Of very many that ask for pages at once the last are sent away: the others' threads are not held up for long."""
    content = FixedContent()
    go_on = threading.Event()
    content.status_page = lambda *_: Page(200, b"done", 0) if go_on.wait(5) else Page(500, b"", 0)  # type: ignore[method-assign]
    with serving(content) as server, ThreadPoolExecutor(2 * MOST_READERS) as pool:
        pages = [pool.submit(ask, server, "/") for _ in range(2 * MOST_READERS)]
        while sum(page.done() for page in pages) < MOST_READERS:
            time.sleep(0.01)
        go_on.set()
        statuses = [page.result().status for page in pages]

    assert (MOST_READERS, MOST_READERS) == (statuses.count(200), statuses.count(503))


def test_telemetry_path_of_root(content: FixedContent) -> None:
    """A telemetry path of / puts the metrics there, and there is no list of groups."""
    with serving(content, "/") as server:
        assert (TEXT, content.page) == ((reply := ask(server, "/")).headers["content-type"], reply.body)
        assert 404 == ask(server, "/metrics").status
        assert 200 == ask(server, "/-/healthy").status


@pytest.mark.parametrize("path", ["/-/healthy", "/-/ready"])
def test_health(server: Server, content: FixedContent, path: str) -> None:
    """Health and readiness answer 200 or 503, each by its own state, and are not to be cached."""
    assert 200 == ask(server, path).status

    content.healthy, content.ready = path != "/-/healthy", path != "/-/ready"
    reply = ask(server, path)
    other = ask(server, "/-/ready" if path == "/-/healthy" else "/-/healthy")

    assert (503, "no-store", 200) == (reply.status, reply.headers["cache-control"], other.status)


def test_says_little_of_itself(server: Server) -> None:
    """No answer names the server software, and each forbids to guess its type."""
    replies = [ask(server, path) for path in ("/metrics", "/", "/-/ready", "/nothing")]

    replies += [ask(server, path, "POST") for path in ("/metrics", "/-/reload")]
    replies += [ask(server, "/metrics", Transfer_Encoding=coding, Content_Length="1") for coding in ("x", "chunked")]

    assert [405, 403, 400, 400] == [reply.status for reply in replies[4:]]
    assert ["nosniff"] * 8 == [reply.headers["x-content-type-options"] for reply in replies]
    assert not any("server" in reply.headers for reply in replies)


def test_failing_content(server: Server, content: FixedContent) -> None:
    """Content that fails gives 500 and one line in the log, without its reason in the answer, and the next works."""
    content.failure = RuntimeError("secret")
    with capture_logs() as logs, closing(connect(server)) as connection:
        failed = exchange(connection, "/metrics")
        content.failure = None
        works = exchange(connection, "/metrics")

    assert (500, 200) == (failed.status, works.status)
    assert b"secret" not in failed.body
    assert [("request failed", "error", "/metrics")] == [(log["event"], log["log_level"], log["path"]) for log in logs]


@pytest.mark.parametrize("failure", [RuntimeError("broken"), ConnectionError("broken"), TimeoutError("broken")])
def test_content_that_fails_half_way(server: Server, content: FixedContent, failure: Exception) -> None:
    """A response that fails midway closes its connection, so that it does not look complete, and is logged."""
    content.failure_in_body = failure
    with capture_logs() as logs, pytest.raises((http.client.IncompleteRead, ConnectionError)):
        ask(server, "/metrics")
    content.failure_in_body = None

    assert [("response failed", "error")] == [(log["event"], log["log_level"]) for log in logs]
    assert content.page == ask(server, "/metrics").body


def test_others_have_their_turn() -> None:
    """While one answer is being made, piece by piece, others are answered."""
    begun, go_on = threading.Event(), threading.Event()

    def slow(size: int) -> Iterator[bytes]:
        yield bytes(size)
        begun.set()
        go_on.wait(5)
        yield bytes(size)

    content = FixedContent()
    content.metrics = lambda **_: Body(slow, 2 * SMALLEST_PIECE)  # type: ignore[method-assign]
    with serving(content, limits=Limits(unsent_bytes=SMALLEST_PIECE)) as other, ThreadPoolExecutor() as pool:
        page = pool.submit(ask, other, "/metrics")
        assert begun.wait(5)
        assert 200 == ask(other, "/-/ready").status
        go_on.set()
        assert bytes(2 * SMALLEST_PIECE) == page.result().body


def test_reused_connections_are_fast(server: Server) -> None:
    """An answer on a reused connection does not wait for the client's delayed acknowledgement (40 ms)."""
    seconds = []
    with closing(connect(server)) as connection:
        for _ in range(20):
            begin = time.perf_counter()
            exchange(connection, "/metrics")
            seconds.append(time.perf_counter() - begin)

    assert statistics.median(seconds) < 0.02


def test_dead_server_is_seen(content: FixedContent, monkeypatch: pytest.MonkeyPatch) -> None:
    """When the server's thread dies, is_alive tells, the log says why, and nobody is left hanging on the port."""
    server = Server(content, [bind("127.0.0.1:0")], "/metrics")
    assert not server.is_alive()
    server.start()
    assert server.is_alive()

    def fail(_: socket.socket) -> None:
        message = "the loop broke"
        raise RuntimeError(message)

    with capture_logs() as logs:
        monkeypatch.setattr(server, "_accept", fail)
        with suppress(ConnectionResetError), closing(socket.create_connection(("127.0.0.1", port_of(server)), 2)):
            server._thread.join(2)

    assert not server.is_alive()
    assert ["HTTP server died"] == [log["event"] for log in logs]
    with pytest.raises(ConnectionRefusedError):
        ask(server, "/metrics")
    server.stop()


def test_server_that_cannot_start(content: FixedContent) -> None:
    """A server whose socket is unusable says so at the start."""
    sock = bind("127.0.0.1:0")
    server = Server(content, [sock], "/metrics")
    sock.close()

    with pytest.raises(RuntimeError, match="did not start"):
        server.start()
    assert not server.is_alive()


def test_stop_before_start(content: FixedContent) -> None:
    """A server that never started can be stopped, and gives the port back."""
    server = Server(content, [bind("127.0.0.1:0")], "/metrics")
    server.stop()
    server.stop()

    with closing(bind(f"127.0.0.1:{port_of(server)}")) as again:
        assert port_of(server) == again.getsockname()[1]


@pytest.mark.parametrize(
    ("url", "address"),
    [
        ("http://localhost", ":0"),
        ("http://localhost", "[::]:0"),
        ("http://localhost", "0.0.0.0:0"),
        ("http://127.0.0.1", "127.0.0.1:0"),
        ("http://127.0.0.1", "localhost:0"),
        ("http://[::1]", "[::1]:0"),
    ],
)
def test_listen_addresses(content: FixedContent, monkeypatch: pytest.MonkeyPatch, url: str, address: str) -> None:
    """The server listens on each form of address, and shows it as a URL."""
    ipv4 = [(socket.AF_INET, socket.SOCK_STREAM, 6, "", ("127.0.0.1", 0))]
    if address == "localhost:0":  # Which of its addresses comes first is the machine's business.
        monkeypatch.setattr(socket, "getaddrinfo", lambda *_arguments, **_options: ipv4)
    with serving(content, address=address) as server:
        assert f"{url}:{port_of(server)}" == server.address
        monkeypatch.undo()
        host = "::1" if "::1" in address else "127.0.0.1"
        with closing(http.client.HTTPConnection(host, port_of(server), timeout=5)) as connection:
            assert 200 == exchange(connection, "/-/ready").status


def test_several_addresses(content: FixedContent) -> None:
    """Each address is scraped, IPv4 or IPv6, and the text for humans names all of them."""
    server = Server(content, [bind(f"{host}:0") for host in ("127.0.0.1", "127.0.0.2", "[::1]")], "/metrics")
    server.start()
    try:
        parts = [urlsplit(each) for each in server.address.split()]
        assert ["127.0.0.1", "127.0.0.2", "::1"] == [each.hostname for each in parts]
        for each in parts:
            with closing(http.client.HTTPConnection(str(each.hostname), each.port, timeout=5)) as connection:
                assert content.page == exchange(connection, "/metrics").body
    finally:
        server.stop()


def test_a_shared_socket_stays_open(content: FixedContent) -> None:
    """When the server stops, another holder of its socket accepts the connections that come next."""
    with closing(bind("127.0.0.1:0")) as ours:
        for _ in range(2):
            server = Server(content, [ours.dup()], "/metrics")
            server.start()
            assert 200 == ask(server, "/-/ready").status
            server.stop()
            assert not server.is_alive()
            with closing(connect(server)) as connection:
                connection.connect()
                ours.accept()[0].close()


def test_many_starts_and_stops(content: FixedContent) -> None:
    """A server stops at once: never used, after a scrape, and with a connection that idles."""
    seconds = []
    for number in range(60):
        server = Server(content, [bind("127.0.0.1:0"), bind("127.0.0.1:0")], "/metrics")
        server.start()
        with closing(connect(server)) as connection:
            if number % 3:
                assert 200 == exchange(connection, "/-/ready").status
            if number % 3 == 1:
                connection.close()
            begin = time.perf_counter()
            server.stop()
            seconds.append(time.perf_counter() - begin)
        assert not server.is_alive()
    assert statistics.median(seconds) < 0.02
    assert max(seconds) < 0.1, seconds


def test_both_protocols(content: FixedContent) -> None:
    """No host means IPv6 and IPv4 on one port."""
    with serving(content, address=":0") as server:
        for host in ("127.0.0.1", "::1"):
            with closing(http.client.HTTPConnection(host, port_of(server), timeout=5)) as connection:
                assert 200 == exchange(connection, "/-/ready").status


def test_no_ipv6(content: FixedContent, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where there is no IPv6, no host means IPv4 alone."""
    monkeypatch.setattr(socket, "has_dualstack_ipv6", lambda: False)
    with serving(content, address=":0") as server:
        assert socket.AF_INET == server._listeners[0].family
        assert 200 == ask(server, "/-/ready").status


@pytest.mark.parametrize("address", [":{}", "127.0.0.1:{}"])
def test_taken_port(address: str) -> None:
    """A taken port is an error at once, in the thread that asks, and names the address."""
    with closing(bind(":0")) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(OSError, match=str(port)):
            bind(address.format(port))


@pytest.mark.parametrize(
    "address",
    [
        *("", ":", "9254", "host", "::1:9254", "[::1]", "[]:1", ":65536", ":-1", ":1_0"),
        *("a b:1", "host:http", ":9254/", " :9254", ":\N{FULLWIDTH DIGIT NINE}"),
    ],
)
def test_malformed_addresses(address: str) -> None:
    """A malformed address is refused in words that repeat it."""
    with pytest.raises(ValueError, match=f"^{re.escape(repr(address))} is not a listen address such as"):
        bind(address)


@pytest.mark.parametrize(
    ("expected", "address"),
    [
        ("expected in 'nope'", "[nope]:1"),
        ("expected in '127.0.0.1'", "[127.0.0.1]:1"),
        ("label.* too long", f"{'a' * 70}.b:1"),
    ],
)
def test_hosts_that_cannot_be(expected: str, address: str) -> None:
    """What is no IPv6 address in its brackets, or has a part that is too long, is a ValueError that says so."""
    with pytest.raises(ValueError, match=expected):
        bind(address)
