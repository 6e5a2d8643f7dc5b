"""The exporter put together: the fleet of pollers on one side, the server on the other, the publisher between them."""

from __future__ import annotations

import gc
import socket
import sys
import threading
import time
from collections.abc import Callable

import structlog
from msgspec.structs import fields

from burrow_exporter import __version__
from burrow_exporter.metrics.body import Body
from burrow_exporter.metrics.publisher import Publisher
from burrow_exporter.metrics.self_metrics import SelfMetrics
from burrow_exporter.polling.fleet import Fleet
from burrow_exporter.polling.state import Poll
from burrow_exporter.settings.config import Config
from burrow_exporter.settings.section import Section
from burrow_exporter.settings.validation import ConfigError
from burrow_exporter.status.page import View, render
from burrow_exporter.web.security.live_config import Security
from burrow_exporter.web.server import Server

SWITCH_SECONDS = 0.0001


class Exporter:
    """Polls the configured Burrows and answers the server's requests; ``stop`` ends all of it.

    ``load`` reads the configuration again. It may raise ``ConfigError``.
    """

    def __init__(self, config: Config, stop: threading.Event, load: Callable[[], Config] | None = None) -> None:
        self._config = config
        self._load = load or (lambda: config)
        self._stop = stop
        self._reloading = threading.Lock()
        self._metrics = SelfMetrics()
        self._publisher = Publisher(self._metrics, {})
        self._fleet = Fleet(config, self._metrics, self._publisher, stop)

    def serve(self, listener: socket.socket, security: Security | None = None) -> bool:
        """Poll, and serve on ``listener``, until stopped; return whether it ended because it was."""
        # A scrape needs the interpreter some twenty times, and each time waits for a poll's thread to let it go, with
        # Python's own interval up to 5 ms.
        sys.setswitchinterval(SWITCH_SECONDS)
        server = Server(self, listener, self._config.web.telemetry_path, security=security)
        server.start()
        log = structlog.get_logger()
        log.info("serving", address=server.address, version=__version__)
        self._fleet.start()
        frozen = False
        while not self._stop.wait(timeout=1) and server.is_alive():
            if not frozen and self.is_ready():
                # What a first poll leaves stays: out of the collector's sight it no longer halts all threads for 40 ms.
                gc.collect()
                gc.freeze()
                frozen = True
        stopped = self._stop.is_set()
        self._stop.set()
        self._fleet.end()
        server.stop()
        log.info("stopped") if stopped else log.error("the server ended by itself")
        return stopped

    def poll_once(self) -> list[Poll]:
        """Poll every Burrow one time, one after the other."""
        return self._fleet.poll_once()

    def reload(self) -> str:
        """Read the configuration again and go by it; return what is wrong with it, if anything: then the old one stays.

        Waits for the reading of files.
        """
        log = structlog.get_logger()
        with self._reloading:
            try:
                config = self._load()
                self._fleet.arrange(config)
            except (ConfigError, OSError) as error:
                log.error("configuration not loaded, the one before stays", reason=str(error))  # noqa: TRY400  no fault of ours to trace
                self._metrics.reload.set(0)
                return str(error)
            except Exception:
                log.exception("configuration not loaded, the one before stays")
                self._metrics.reload.set(0)
                return "something unforeseen happened; the exporter's log says what"
            self._metrics.reload.set(1)
            log.info("configuration loaded again", burrows=len(config.burrows))
            if waiting := [
                *changes("web", self._config.web, config.web),
                *changes("log", self._config.log, config.log),
            ]:
                log.warning("a change takes effect with the next start only", settings=" ".join(waiting))
            return ""

    def may_be_reloaded(self) -> bool:
        """Tell whether a client may ask for ``reload``."""
        return self._config.web.enable_lifecycle

    def metrics(self, *, openmetrics: bool, gzip: bool) -> Body:
        """Return the page."""
        return self._publisher.metrics(openmetrics=openmetrics, gzip=gzip)

    def status_page(self, path: str, query: str) -> tuple[int, bytes]:
        """Return the status and the HTML of a page for humans."""
        view = View(
            burrows=self._fleet.names(),
            snapshots=self._publisher.snapshots,
            telemetry_path=self._config.web.telemetry_path,
            now=time.time(),
            monotonic=time.monotonic(),
        )
        return render(path, query, view)

    def is_healthy(self) -> bool:
        """Tell whether every poll loop lives."""
        return self._fleet.is_alive()

    def is_ready(self) -> bool:
        """Tell whether any Burrow has been polled well once."""
        return self._fleet.is_ready()


def changes(name: str, before: Section, now: Section) -> list[str]:
    """Return the keys of the section ``name`` whose values have changed."""
    keys = [field.name for field in fields(before) if getattr(before, field.name) != getattr(now, field.name)]
    return [f"{name}.{key}" for key in keys]
