"""A simulated Burrow over simulated Kafka clusters, for demonstrations, tests and benchmarks.

It speaks Burrow's HTTP API (v3) on a real socket. What it tells is a function of the clock and a seed: topics are
produced to, groups keep up or do not, commits stand in windows and are judged by Burrow's rules.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from threading import Thread
from types import TracebackType
from typing import Self

from burrow_exporter.demo.api import Api
from burrow_exporter.demo.evaluation import Evaluator
from burrow_exporter.demo.server import Server
from burrow_exporter.demo.settings import UPTIME, Knowledge, Settings
from burrow_exporter.demo.world import build

__all__ = ["Settings", "SimulatedBurrow"]


class SimulatedBurrow:
    """A Burrow that watches simulated clusters, at the time its clock tells; also a context manager.

    ``groups`` is the number of consumer groups over all clusters (at least the twelve named ones; Burrow's own come on
    top), ``partitions`` how many each group beyond the named ones reads. ``listen_address`` is ``HOST:PORT``, port 0 a
    free one. ``clock`` gives Unix seconds. The world is the same for the same seed and the same time of making.
    """

    def __init__(
        self,
        groups: int = 20,
        partitions: int = 12,
        seed: int = 1,
        listen_address: str = "127.0.0.1:0",
        clock: Callable[[], float] = time.time,
        settings: Settings | None = None,
    ) -> None:
        """Make the clusters, their past included; nothing listens yet."""
        settings, now = settings or Settings(), clock()
        knowledge = Knowledge(settings, now - UPTIME)
        clusters = build(groups, partitions, seed, now, settings)
        self.api = Api(clusters, knowledge, Evaluator(knowledge, clock), clock)
        self._listen_address = listen_address
        self._server: Server | None = None
        self._thread: Thread | None = None

    def start(self) -> None:
        """Listen and serve in daemon threads; raises ``OSError`` where the address is taken."""
        self._server = Server(self.api, self._listen_address)
        self._thread = Thread(target=self._server.serve_forever, args=(0.05,), name="burrow-demo", daemon=True)
        self._thread.start()

    @property
    def address(self) -> str:
        """The URL to give to an exporter, such as ``http://127.0.0.1:8000``; raises ``RuntimeError`` when stopped."""
        if self._server is None:
            message = "the simulated Burrow is not started"
            raise RuntimeError(message)
        return self._server.url

    def stop(self) -> None:
        """Stop serving and close every connection, within a second; harmless when it is not started."""
        if self._server and self._thread:
            self._server.stop()
            self._thread.join()
        self._server = self._thread = None

    def __enter__(self) -> Self:
        """Start."""
        self.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        """Stop."""
        self.stop()
