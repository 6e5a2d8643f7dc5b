"""Threads for connections: daemons that are reused."""

from __future__ import annotations

import threading
from collections.abc import Callable
from queue import Empty, SimpleQueue

IDLE_SECONDS = 10.0


class DaemonThreads:
    """As many threads as tasks; a thread that is idle for ten seconds ends.

    Starting a thread waits until it runs. In a flood of connections that delayed the next ``accept`` until a scrape
    waited over a second. Handing over to an existing thread does not wait.
    """

    def __init__(self, name: str) -> None:
        self._name = name
        self._tasks = SimpleQueue[Callable[[], None]]()
        self._idle = threading.Semaphore(0)

    def run(self, task: Callable[[], None]) -> None:
        """Run a task in a thread; the task must not raise. Raises ``RuntimeError`` if no thread can be started."""
        if not self._idle.acquire(blocking=False):
            threading.Thread(target=self._work, name=self._name, daemon=True).start()
        self._tasks.put(task)

    def _work(self) -> None:
        while True:
            try:
                task = self._tasks.get(timeout=IDLE_SECONDS)
            except Empty:
                # Otherwise a task is on its way to a thread that has just timed out.
                if self._idle.acquire(blocking=False):
                    return
            else:
                task()
                self._idle.release()
