"""The exporter: pollers on one side, the server on the other, the publisher in between."""

from __future__ import annotations

import ctypes
import gc
import socket
import sys
import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from contextlib import suppress
from typing import TypeVar

import structlog
from msgspec.structs import fields

from burrow_exporter import __version__
from burrow_exporter.body import Body
from burrow_exporter.metrics.publisher import Publisher
from burrow_exporter.metrics.self_metrics import SelfMetrics
from burrow_exporter.polling.fleet import Fleet
from burrow_exporter.polling.walk import WalkResult
from burrow_exporter.settings.config import Config
from burrow_exporter.settings.section import Section
from burrow_exporter.settings.validation import ConfigError
from burrow_exporter.snapshot import Snapshot
from burrow_exporter.status.api import respond
from burrow_exporter.status.page import Page, render
from burrow_exporter.status.view import View
from burrow_exporter.web.limits import DEFAULT_LIMITS, Limits, affordable_connections
from burrow_exporter.web.security.live_config import Security
from burrow_exporter.web.server import Server

SWITCH_SECONDS, MOST_SWITCH_SECONDS = 0.0001, 0.005
"""Per Burrow, and maximum."""
STACK_BYTES = 512 * 1024
OWN_FILES = 24
"""Open files besides the requests to Burrow: standard streams, libraries, listening sockets, files being read."""
RELOAD_SECONDS = 30.0
M_ARENA_MAX, MOST_ARENAS = -8, 2
"""A parameter of glibc's mallopt(3), and its value."""
TRIM_SECONDS = 30.0
T = TypeVar("T")


def share_interpreter(config: Config) -> None:
    """Set the interpreter's switch interval.

    A scrape needs the interpreter some twenty times, and each time waits for a polling thread, by default up to 5 ms.
    But every waiting thread wakes that often: with 0.1 ms, the polls of 300 Burrows starved each other.
    """
    sys.setswitchinterval(min(MOST_SWITCH_SECONDS, SWITCH_SECONDS * len(config.burrows)))


def share_arenas() -> None:
    """Limit glibc to two malloc arenas.

    Each arena reserves 64 MiB of address space, and threads cannot use free memory of another arena. Without the limit
    100,000 partitions took 813 MiB of address space instead of 224, with the same 145 MiB resident.
    """
    with suppress(OSError, AttributeError):  # another C library, without arenas
        ctypes.CDLL(None).mallopt(M_ARENA_MAX, MOST_ARENAS)


def return_free_memory() -> None:
    """Return free memory to the operating system: glibc keeps what lies between blocks that are in use.

    A small exporter grew from 50 to 72 MiB in 8 minutes of failing polls; with this call every 30 s, to 52 MiB. The
    call takes up to 8 ms with 100,000 partitions.
    """
    with suppress(OSError, AttributeError):  # another C library
        ctypes.CDLL(None).malloc_trim(0)


class Exporter:
    """Polls the configured Burrows and provides the server's content; ``stop`` ends everything.

    ``load`` reloads the configuration and may raise ``ConfigError``.
    """

    def __init__(self, config: Config, stop: threading.Event, load: Callable[[], Config] | None = None) -> None:
        self._config = config
        self._interval = config.poll.interval
        self._load = load or (lambda: config)
        self._stop = stop
        self._reloading = threading.Lock()
        self._metrics = SelfMetrics()
        self._publisher = Publisher(self._metrics, {})
        self._fleet = Fleet(config, self._metrics, self._publisher, stop)

    def serve(self, listeners: Sequence[socket.socket], security: Security | None = None) -> bool:
        """Poll and serve on ``listeners`` until stopped; return whether it was stopped."""
        share_interpreter(self._config)
        # One thread per connection: with the default stack of 8 MiB the kernel may back 2 MiB with a huge page.
        threading.stack_size(STACK_BYTES)
        share_arenas()
        server = Server(self, listeners, self._config.web.telemetry_path, self._limits(), security)
        log = structlog.get_logger()
        log.info("serving", address=server.address, version=__version__)
        # Polls start first: clients may already be connected to the listening sockets, and ask for /-/healthy.
        self._fleet.start()
        server.start()
        frozen, trimmed_at = False, time.monotonic()
        while not self._stop.wait(timeout=1) and server.is_alive():
            if not frozen and self.is_ready():
                # Objects of the first poll stay: frozen, they no longer make the collector halt all threads for 40 ms.
                gc.collect()
                gc.freeze()
                frozen = True
            if time.monotonic() - trimmed_at >= TRIM_SECONDS:
                return_free_memory()
                trimmed_at = time.monotonic()
        stopped = self._stop.is_set()
        self._stop.set()
        self._fleet.end()
        server.stop()
        log.info("stopped") if stopped else log.error("server terminated unexpectedly")
        return stopped

    def _limits(self) -> Limits:
        """Return the limits on clients, with open files reserved for polls."""
        requests = sum(burrow.concurrency for burrow in self._config.burrows)
        limits = Limits(connections=affordable_connections(OWN_FILES + requests))
        if limits.connections < DEFAULT_LIMITS.connections:
            structlog.get_logger().warning("open file limit is low", connections=limits.connections)
        return limits

    def poll_once(self) -> list[tuple[Snapshot, WalkResult]]:
        """Poll every Burrow once, one after the other; return the snapshot and the walk of each."""
        return self._fleet.poll_once()

    def reload(self, *, waits: bool = False) -> str:
        """Reload the configuration; return the error, if any, and keep the previous one then.

        Takes at most ``RELOAD_SECONDS``. Does nothing while another reload is in progress, unless it ``waits``.
        """
        if not self._reloading.acquire(blocking=waits):
            return "a reload is already in progress"
        try:
            return self._reload()
        finally:
            self._reloading.release()

    def _reload(self) -> str:
        log = structlog.get_logger()
        try:
            config = in_time(self._load, RELOAD_SECONDS)
            self._fleet.reconfigure(config)
            self._interval = config.poll.interval
            share_interpreter(config)
        except Exception as error:  # noqa: BLE001  whatever it is, the old configuration goes on
            self._metrics.reload.set(0)
            return refusal(error)
        self._metrics.reload.set(1)
        log.info("configuration reloaded", burrows=len(config.burrows))
        if waiting := [*changes("web", self._config.web, config.web), *changes("log", self._config.log, config.log)]:
            log.warning("restart required for changed settings", settings=" ".join(waiting))
        return ""

    def may_be_reloaded(self) -> bool:
        """Return whether clients may trigger ``reload``."""
        return self._config.web.enable_lifecycle

    def metrics(self, *, openmetrics: bool, gzip: bool) -> Body:
        """Return the page."""
        return self._publisher.metrics(openmetrics=openmetrics, gzip=gzip)

    def status_page(self, path: str, query: str) -> Page:
        """Return a status page."""
        return render(path, query, self._view())

    def api(self, path: str, query: str) -> tuple[int, bytes]:
        """Return HTTP status and JSON for a path of the API."""
        return respond(path, query, self._view())

    def _view(self) -> View:
        """Return what there is to show."""
        return View(
            burrows=self._fleet.names(),
            snapshots=self._publisher.snapshots,
            telemetry_path=self._config.web.telemetry_path,
            now=time.time(),
            monotonic=time.monotonic(),
            histories=self._fleet.histories(),
            addresses=self._fleet.addresses(),
            interval=self._interval,
            grafana_url=self._config.web.grafana_url,
            alertmanager_url=self._config.web.alertmanager_url,
        )

    def is_healthy(self) -> bool:
        """Return whether every poll loop is alive."""
        return self._fleet.is_alive()

    def is_ready(self) -> bool:
        """Return whether any Burrow has been polled successfully."""
        return self._fleet.is_ready()


def in_time(call: Callable[[], T], seconds: float) -> T:
    """Return what ``call`` returns; raises its exceptions, and ``TimeoutError`` if it takes longer.

    It then continues in an abandoned thread: a read from a lost file server cannot be interrupted.
    """
    future = Future[T]()

    def run() -> None:
        try:
            future.set_result(call())
        except BaseException as error:  # noqa: BLE001  whoever waits has to know
            future.set_exception(error)

    threading.Thread(target=run, name="load", daemon=True).start()
    try:
        return future.result(seconds)
    except TimeoutError:
        if future.done():
            raise
        message = f"loading it took more than {seconds:g} s"
        raise TimeoutError(message) from None


def refusal(error: Exception) -> str:
    """Log why a configuration is rejected, and return the reason."""
    log, event = structlog.get_logger(), "configuration reload failed, keeping the previous one"
    if isinstance(error, ConfigError | OSError):
        log.error(event, reason=str(error))
        return str(error)
    log.error(event, exc_info=error)
    return "unexpected error; see the exporter's log"


def changes(name: str, before: Section, now: Section) -> list[str]:
    """Return the keys of the section ``name`` whose values have changed."""
    keys = [field.name for field in fields(before) if getattr(before, field.name) != getattr(now, field.name)]
    return [f"{name}.{key}" for key in keys]
