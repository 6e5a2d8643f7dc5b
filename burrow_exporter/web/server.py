"""The HTTP side: the socket, the ASGI application, and the thread that serves it.

The paths are the telemetry path, ``/`` and ``/group`` (pages for humans), ``/-/healthy``, ``/-/ready`` and
``/-/reload``.
"""

from __future__ import annotations

import asyncio
import socket
import threading
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Protocol

import structlog
import uvicorn

from burrow_exporter.metrics.body import Body, body_of
from burrow_exporter.status.page import GROUP_PATH, OVERVIEW_PATH
from burrow_exporter.web.limits import (
    ACCEPTED_AT_ONCE,
    BACKLOG,
    DEFAULT_LIMITS,
    PIECE_BYTES,
    SMALLEST_PIECE,
    LimitedProtocol,
    Limits,
    Receive,
    Scope,
    Send,
    drop_all,
    url,
)
from burrow_exporter.web.negotiation import accepts_gzip, prefers_openmetrics
from burrow_exporter.web.security.authentication import Guard, Passwords
from burrow_exporter.web.security.handshake import Handshake
from burrow_exporter.web.security.live_config import Security

TEXT = "text/plain; version=0.0.4; charset=utf-8"
OPENMETRICS = "application/openmetrics-text; version=1.0.0; charset=utf-8"
RELOAD_PATH = "/-/reload"
CONTENT_POLICY = (
    "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'"
)

log = structlog.get_logger(__name__)


class Content(Protocol):
    """What there is to serve.

    ``status_page`` and ``reload`` are called in another thread; the rest in the server's, and must not wait for
    anything.
    """

    def metrics(self, *, openmetrics: bool, gzip: bool) -> Body:
        """Return the page in OpenMetrics 1.0 or text format 0.0.4, compressed or not."""

    def status_page(self, path: str, query: str) -> tuple[int, bytes]:
        """Return the status and the HTML, in UTF-8, of one of the pages for humans; ``query`` as in the URL."""

    def is_healthy(self) -> bool:
        """Tell whether the exporter works."""

    def is_ready(self) -> bool:
        """Tell whether there is something of a Burrow to scrape."""

    def may_be_reloaded(self) -> bool:
        """Tell whether a client may ask for ``reload``."""

    def reload(self) -> str:
        """Read the configuration again; return what is wrong with it, else nothing."""


@dataclass(frozen=True, slots=True)
class Answer:
    """One HTTP answer; ``headers`` are those beyond Content-Type and Content-Length."""

    status: int
    content_type: str
    body: Body
    headers: tuple[tuple[str, str], ...] = ()

    def head(self) -> list[tuple[bytes, bytes]]:
        """Return the headers as ASGI wants them."""
        headers = (
            ("content-type", self.content_type),
            ("content-length", str(self.body.length)),
            ("x-content-type-options", "nosniff"),
            *self.headers,
        )
        return [(name.encode(), value.encode()) for name, value in headers]


class Application:
    """The ASGI application; ``telemetry_path`` hides whatever else would stand on that path."""

    def __init__(self, content: Content, telemetry_path: str) -> None:
        self._content = content
        self._one_page = asyncio.Semaphore()
        self._routes: dict[str, Callable[[Scope], Answer]] = {
            OVERVIEW_PATH: self._status_page,
            GROUP_PATH: self._status_page,
            "/-/healthy": self._healthy,
            "/-/ready": self._ready,
            telemetry_path: self._metrics,
        }

    async def __call__(self, scope: Scope, _receive: Receive, send: Send) -> None:
        """Answer one request; its body is not read."""
        if scope["path"] == RELOAD_PATH:
            answer = await asyncio.to_thread(self._reload, scope)
        elif self._routes.get(scope["path"]) == self._status_page:
            # Made of thousands of groups: beside the server's thread, so that scrapes go on, and one at a time.
            async with self._one_page:
                answer = await asyncio.to_thread(self._answer, scope)
        else:
            answer = self._answer(scope)
        await send({"type": "http.response.start", "status": answer.status, "headers": answer.head()})
        if scope["method"] != "HEAD":
            for piece in answer.body.pieces(scope.get(PIECE_BYTES, SMALLEST_PIECE)):
                await send({"type": "http.response.body", "body": piece, "more_body": True})
                # A client that reads fast never makes ``send`` wait: let the others have their turn.
                await asyncio.sleep(0)
        await send({"type": "http.response.body", "body": b""})

    def _answer(self, scope: Scope) -> Answer:
        route = self._routes.get(scope["path"])
        if route is None:
            return plain(404, "Not found.")
        if scope["method"] not in {"GET", "HEAD"}:
            return plain(405, "Method not allowed.", ("allow", "GET, HEAD"))
        try:
            return route(scope)
        except Exception:
            log.exception("request failed", path=scope["path"])
            return plain(500, "The answer could not be made; the exporter's log says why.")

    def _reload(self, scope: Scope) -> Answer:
        """Reload, in a thread: files are read for it. Methods and statuses are those of Prometheus."""
        if scope["method"] not in {"POST", "PUT"}:
            return plain(405, "Only POST and PUT are allowed.", ("allow", "POST, PUT"))
        if not self._content.may_be_reloaded():
            return plain(403, "Lifecycle API is not enabled: --web.enable-lifecycle is off.")
        complaint = self._content.reload()
        return plain(500, f"The configuration before stays: {complaint}") if complaint else plain(200, "Reloaded.")

    def _metrics(self, scope: Scope) -> Answer:
        openmetrics = prefers_openmetrics(header(scope, b"accept"))
        gzip = accepts_gzip(header(scope, b"accept-encoding"))
        headers = [("vary", "Accept, Accept-Encoding")]
        if gzip:
            headers.append(("content-encoding", "gzip"))
        body = self._content.metrics(openmetrics=openmetrics, gzip=gzip)
        return Answer(200, OPENMETRICS if openmetrics else TEXT, body, tuple(headers))

    def _status_page(self, scope: Scope) -> Answer:
        status, page = self._content.status_page(scope["path"], scope["query_string"].decode("latin-1"))
        headers = (
            ("cache-control", "no-store"),
            ("content-security-policy", CONTENT_POLICY),
            ("referrer-policy", "no-referrer"),
        )
        return Answer(status, "text/html; charset=utf-8", body_of(page), headers)

    def _healthy(self, _scope: Scope) -> Answer:
        return plain(200, "Healthy.") if self._content.is_healthy() else plain(503, "Not healthy.")

    def _ready(self, _scope: Scope) -> Answer:
        return plain(200, "Ready.") if self._content.is_ready() else plain(503, "Not ready.")


def plain(status: int, text: str, *headers: tuple[str, str]) -> Answer:
    """Return a short answer for humans, not to be kept."""
    body = f"{text}\n".encode()
    return Answer(status, "text/plain; charset=utf-8", body_of(body), (("cache-control", "no-store"), *headers))


def header(scope: Scope, name: bytes) -> str:
    """Return a request's header, lines of the same name joined, or an empty string."""
    return ",".join(value.decode("latin-1") for key, value in scope["headers"] if key == name)


class Server:
    """Serves ``content`` on a listening socket, from a thread of its own that does not keep the process alive.

    ``address`` is a URL for humans. The socket is the server's from now on. With ``security`` it asks clients for what
    the web config file wants of them.
    """

    def __init__(
        self,
        content: Content,
        sock: socket.socket,
        telemetry_path: str,
        limits: Limits = DEFAULT_LIMITS,
        security: Security | None = None,
    ) -> None:
        self.address = url(sock, "https" if security and security.has_tls else "http")
        self._sock = sock
        self._grace_seconds = limits.grace_seconds
        self._serving = threading.Event()
        self._passwords = Passwords()
        application: Callable[[Scope, Receive, Send], Awaitable[None]] = Application(content, telemetry_path)
        if security is not None:
            application = Guard(application, security, self._passwords)
        self._uvicorn = BoundedServer(config(application, limits, security), limits, self._serving)
        self._thread = threading.Thread(target=self._run, name="server", daemon=True)

    def start(self) -> None:
        """Return when the server serves; raise ``RuntimeError`` when it cannot."""
        self._thread.start()
        self._serving.wait()
        if not self._uvicorn.started:
            reason = "the HTTP server did not start"
            raise RuntimeError(reason)

    def stop(self) -> None:
        """Stop listening, let answers under way end within the grace time, drop the rest; takes a second at most."""
        self._uvicorn.should_exit = True
        if self._thread.ident is None:
            self._sock.close()
        else:
            self._thread.join(self._grace_seconds + 0.5)
            self._passwords.close(0.5)

    def is_alive(self) -> bool:
        """Tell whether the server's thread serves."""
        return self._thread.is_alive() and self._uvicorn.started

    def _run(self) -> None:
        try:
            self._uvicorn.run(sockets=[self._sock])
        except Exception:
            log.exception("the HTTP server has died")
        finally:
            self._sock.close()
            self._serving.set()


class BoundedServer(uvicorn.Server):
    """uvicorn's server, which tells when it serves and drops what is left at the end of the grace time."""

    def __init__(self, configuration: uvicorn.Config, limits: Limits, serving: threading.Event) -> None:
        super().__init__(configuration)
        self._grace_seconds = limits.grace_seconds
        self._serving = serving

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Listen; asyncio takes one number for the kernel's queue and for how many it accepts at a time."""
        await super().startup(sockets)
        for sock in sockets or ():
            sock.listen(BACKLOG)
        self._serving.set()

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """End: uvicorn waits for open connections for as long as they like, or whole seconds."""
        asyncio.get_running_loop().call_later(self._grace_seconds, drop_all, self.server_state.connections)
        await super().shutdown(sockets)


def config(
    application: Callable[[Scope, Receive, Send], Awaitable[None]], limits: Limits, security: Security | None = None
) -> uvicorn.Config:
    """Return uvicorn's configuration: nothing from the environment, no logs of its own, the limited protocol."""
    protocol: type[asyncio.Protocol] = type("Protocol", (LimitedProtocol,), {"limits": limits})
    if security is not None and security.has_tls:
        attributes = {"limits": limits, "security": security, "protocol": protocol}
        protocol = type("TLSProtocol", (Handshake,), attributes)
    return uvicorn.Config(
        application,
        loop="asyncio",
        http=protocol,
        ws="none",
        lifespan="off",
        interface="asgi3",
        workers=1,
        log_config=None,
        log_level="critical",
        access_log=False,
        proxy_headers=False,
        server_header=False,
        backlog=ACCEPTED_AT_ONCE,
        timeout_keep_alive=limits.idle_seconds,
        timeout_graceful_shutdown=1,
        h11_max_incomplete_event_size=limits.head_bytes,
    )
