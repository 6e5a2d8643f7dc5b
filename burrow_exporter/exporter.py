"""The exporter put together: pollers on one side, the server on the other, the publisher between them."""

from __future__ import annotations

import socket
import sys
import threading
import time

import structlog

from burrow_exporter import __version__, landing
from burrow_exporter.config import Config
from burrow_exporter.exposition import Renderer
from burrow_exporter.poller import Poller
from burrow_exporter.publisher import Publisher
from burrow_exporter.security import Security
from burrow_exporter.selfmetrics import SelfMetrics
from burrow_exporter.server import Body, Server
from burrow_exporter.state import Poll

SWITCH_SECONDS = 0.0005


class Exporter:
    """Polls the configured Burrows and answers the server's requests; ``stop`` ends all of it."""

    def __init__(self, config: Config, stop: threading.Event) -> None:
        self._config = config
        self._stop = stop
        metrics = SelfMetrics()
        info = config.metrics.partition_info
        self._publisher = Publisher(
            metrics,
            {burrow.name: Renderer(config.metrics.disable, partition_info=info) for burrow in config.burrows},
        )
        self._pollers = [
            Poller(burrow, config.poll, metrics.of_burrow(burrow.name), self._publisher.publish, stop)
            for burrow in config.burrows
        ]

    def serve(self, listener: socket.socket, security: Security | None = None) -> bool:
        """Poll, and serve on ``listener``, until stopped; return whether it ended because it was."""
        # A scrape needs the interpreter some eighty times, and each time waits for a poll's thread to let it go, with
        # Python's own interval up to 5 ms.
        sys.setswitchinterval(SWITCH_SECONDS)
        server = Server(self, listener, self._config.web.telemetry_path, security=security)
        server.start()
        log = structlog.get_logger()
        log.info("serving", address=server.address, version=__version__)
        for poller in self._pollers:
            poller.start()
        while not self._stop.wait(timeout=1) and server.is_alive():
            pass
        stopped = self._stop.is_set()
        self._stop.set()
        server.stop()
        log.info("stopped") if stopped else log.error("the server ended by itself")
        return stopped

    def poll_once(self) -> list[Poll]:
        """Poll every Burrow one time, one after the other."""
        return [poller.poll() for poller in self._pollers]

    def metrics(self, *, openmetrics: bool, gzip: bool) -> Body:
        """Return the page."""
        return self._publisher.metrics(openmetrics=openmetrics, gzip=gzip)

    def landing(self) -> bytes:
        """Return the landing page."""
        names = [burrow.name for burrow in self._config.burrows]
        return landing.render(names, self._publisher.snapshots, self._config.web.telemetry_path, time.time())

    def is_healthy(self) -> bool:
        """Tell whether every poll loop lives."""
        return all(poller.is_alive() for poller in self._pollers)

    def is_ready(self) -> bool:
        """Tell whether any Burrow has been polled well once."""
        return any(poller.was_good for poller in self._pollers)
