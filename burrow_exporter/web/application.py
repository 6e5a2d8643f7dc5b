"""The routes: metrics, status pages, JSON API, health, readiness and reload."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Protocol

import structlog

from burrow_exporter.body import Body, body_of
from burrow_exporter.status.api import API_PATH
from burrow_exporter.status.page import GROUP_PATH, OVERVIEW_PATH, TOPIC_PATH, Page
from burrow_exporter.web.messages import NOSNIFF, Request, Response, plain
from burrow_exporter.web.negotiation import accepts_gzip, prefers_openmetrics

TEXT = "text/plain; version=0.0.4; charset=utf-8"
OPENMETRICS = "application/openmetrics-text; version=1.0.0; charset=utf-8"
RELOAD_PATH = "/-/reload"
MOST_READERS = 16
"""Maximum number of waiting requests for status pages; each occupies a thread."""
READING, WRITING = ("GET", "HEAD"), ("POST", "PUT")
STATUS_PAGE_HEADERS = (
    ("content-type", "text/html; charset=utf-8"),
    NOSNIFF,
    ("cache-control", "no-store"),
    (
        "content-security-policy",
        "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'",
    ),
    ("referrer-policy", "no-referrer"),
)
API_HEADERS = (("content-type", "application/json"), NOSNIFF, ("cache-control", "no-store"))
TOO_MANY = plain(503, "Too many pages are asked for.", ("retry-after", "1"))

log = structlog.get_logger(__name__)


class Content(Protocol):
    """The content to serve. Called concurrently by several threads, but ``status_page`` and ``api`` one at a time.

    So is ``reload``.
    """

    def metrics(self, *, openmetrics: bool, gzip: bool) -> Body:
        """Return the page in OpenMetrics 1.0 or text format 0.0.4, compressed or not."""

    def status_page(self, path: str, query: str) -> Page:
        """Return a status page; ``query`` as in the URL."""

    def api(self, path: str, query: str) -> tuple[int, bytes]:
        """Return HTTP status and JSON for a path below ``API_PATH``; path and query as in the URL."""

    def is_healthy(self) -> bool:
        """Return whether the exporter is healthy."""

    def is_ready(self) -> bool:
        """Return whether any Burrow has been polled successfully."""

    def may_be_reloaded(self) -> bool:
        """Return whether clients may trigger ``reload``."""

    def reload(self) -> str:
        """Reload the configuration; return the error, or an empty string."""


class Application:
    """Answers requests from ``content``; ``telemetry_path`` takes precedence over a page on the same path.

    Paths are compared as sent: ``/-%2freload`` is not ``/-/reload``, even if a proxy treats them alike.
    """

    def __init__(self, content: Content, telemetry_path: str) -> None:
        self._content = content
        self._rendering, self._reloading = threading.Lock(), threading.Lock()
        self._readers = threading.BoundedSemaphore(MOST_READERS)
        self._routes: dict[str, tuple[tuple[str, ...], Callable[[Request], Response]]] = {
            OVERVIEW_PATH: (READING, self._status_page),
            GROUP_PATH: (READING, self._status_page),
            TOPIC_PATH: (READING, self._status_page),
            "/-/healthy": (READING, self._healthy),
            "/-/ready": (READING, self._ready),
            RELOAD_PATH: (WRITING, self._reload),
            telemetry_path: (READING, self._metrics),
        }

    def __call__(self, request: Request) -> Response:
        """Answer one request; its body is not read."""
        is_api = request.path.startswith(API_PATH)
        route = self._routes.get(request.path) or ((READING, self._api) if is_api else None)
        if route is None:
            return plain(404, "Not found.")
        methods, respond = route
        if request.method not in methods:
            return plain(405, "Method not allowed.", ("allow", ", ".join(methods)))
        try:
            return respond(request)
        except Exception:
            log.exception("request failed", path=request.path)
            return plain(500, "Internal server error; see the exporter's log.")

    def _metrics(self, request: Request) -> Response:
        openmetrics = prefers_openmetrics(request.header("accept"))
        gzip = accepts_gzip(request.header("accept-encoding"))
        headers = [("content-type", OPENMETRICS if openmetrics else TEXT), NOSNIFF, ("vary", "Accept, Accept-Encoding")]
        if gzip:
            headers.append(("content-encoding", "gzip"))
        return Response(200, self._content.metrics(openmetrics=openmetrics, gzip=gzip), tuple(headers))

    def _status_page(self, request: Request) -> Response:
        with self._turn() as is_mine:
            if not is_mine:
                return TOO_MANY
            page = self._content.status_page(request.path, request.query)
        refresh = (("refresh", str(page.refresh)),) if page.refresh else ()
        return Response(page.status, body_of(page.body), STATUS_PAGE_HEADERS + refresh)

    def _api(self, request: Request) -> Response:
        with self._turn() as is_mine:
            if not is_mine:
                return TOO_MANY
            status, body = self._content.api(request.path, request.query)
        return Response(status, body_of(body), API_HEADERS)

    @contextmanager
    def _turn(self) -> Iterator[bool]:
        """Wait for the turn to render a page, unless too many requests wait already.

        Rendering may cover thousands of groups, and scrapes need the interpreter too.
        """
        if not self._readers.acquire(blocking=False):
            yield False
            return
        try:
            with self._rendering:
                yield True
        finally:
            self._readers.release()

    def _healthy(self, _request: Request) -> Response:
        return plain(200, "Healthy.") if self._content.is_healthy() else plain(503, "Not healthy.")

    def _ready(self, _request: Request) -> Response:
        return plain(200, "Ready.") if self._content.is_ready() else plain(503, "Not ready.")

    def _reload(self, request: Request) -> Response:
        """Reload, with Prometheus' methods and statuses."""
        if not self._content.may_be_reloaded():
            return plain(403, "Lifecycle API is not enabled: --web.enable-lifecycle is off.")
        if is_cross_origin(request):
            return plain(403, "Cross-origin reload is not allowed.")
        if not self._reloading.acquire(blocking=False):
            return plain(503, "A reload is already in progress.", ("retry-after", "1"))
        try:
            complaint = self._content.reload()
        finally:
            self._reloading.release()
        return (
            plain(500, f"Reload failed, keeping the previous configuration: {complaint}")
            if complaint
            else plain(200, "Reloaded.")
        )


def is_cross_origin(request: Request) -> bool:
    """Return whether a browser sent this from a page of another origin (Origin header, RFC 6454)."""
    origin = request.header("origin").lower()
    return bool(origin) and origin not in {f"http://{request.host}".lower(), f"https://{request.host}".lower()}
