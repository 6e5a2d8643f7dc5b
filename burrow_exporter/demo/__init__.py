"""A simulated Burrow over simulated Kafka clusters, for demonstrations, tests and benchmarks.

It serves Burrow's HTTP API (v3) on a real socket. Its data is a function of the clock and a seed: topics get messages,
groups keep up or fall behind, and commits are evaluated in windows by Burrow's rules.
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
    """A Burrow that monitors simulated clusters at the time of its clock; also a context manager.

    ``groups`` is the number of consumer groups in all clusters (at least the twelve named ones, plus Burrow's own),
    ``partitions`` the number that each unnamed group reads. ``listen_address`` is ``HOST:PORT``; port 0 picks a free
    port. ``clock`` returns Unix seconds. The same seed and creation time give the same data.
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
        """Create the clusters with their history, without listening."""
        settings, now = settings or Settings(), clock()
        knowledge = Knowledge(settings, now - UPTIME)
        clusters = build(groups, partitions, seed, now, settings)
        self.api = Api(clusters, knowledge, Evaluator(knowledge, clock), clock)
        self._listen_address = listen_address
        self._server: Server | None = None
        self._thread: Thread | None = None

    def start(self) -> None:
        """Listen and serve in daemon threads; raises ``OSError`` if the address is in use."""
        self._server = Server(self.api, self._listen_address)
        self._thread = Thread(target=self._server.serve_forever, args=(0.05,), name="burrow-demo", daemon=True)
        self._thread.start()

    @property
    def address(self) -> str:
        """The URL for an exporter, such as ``http://127.0.0.1:8000``; raises ``RuntimeError`` if stopped."""
        if self._server is None:
            message = "the simulated Burrow is not started"
            raise RuntimeError(message)
        return self._server.url

    def stop(self) -> None:
        """Stop serving and close all connections within a second; does nothing if not started."""
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
