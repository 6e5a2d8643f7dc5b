"""Processes of the benchmark: started, watched through ``/proc``, and ended by their id whatever happens."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from queue import Empty, SimpleQueue
from typing import Any

ANSWER_SECONDS = 300.0
GRACE_SECONDS = 5.0
KIB = 1024
ROOT = Path(__file__).resolve().parent.parent


class Child:
    """A running child process, which writes JSON lines to its standard output."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self.id = process.pid
        self._process = process
        self._lines: SimpleQueue[str] = SimpleQueue()
        threading.Thread(target=self._take_lines, daemon=True).start()

    def read(self) -> Any:  # noqa: ANN401  JSON
        """Return the next line that the child writes; raise ``RuntimeError`` if it ends or takes five minutes."""
        try:
            line = self._lines.get(timeout=ANSWER_SECONDS)
        except Empty:
            line = ""
        if not line:
            message = f"{self._process.args!r} wrote nothing; it ended with {self._process.poll()}"
            raise RuntimeError(message)
        return json.loads(line)

    def waiting(self) -> list[Any]:
        """Return the lines that the child has written since the last one read."""
        return [json.loads(self._lines.get()) for _ in range(self._lines.qsize())]

    def _take_lines(self) -> None:
        assert self._process.stdout  # noqa: S101  for the type checker
        for line in self._process.stdout:
            self._lines.put(line)
        self._lines.put("")

    def cpu(self) -> float:
        """Return the CPU seconds that the child has used, to the nanosecond."""
        # The kernel's number of another process' CPU clock (clock_getcpuclockid(3)): its id, inverted, and 2.
        return time.clock_gettime(~self.id << 3 | 2)

    def memory(self) -> tuple[float, float]:
        """Return resident memory now and at its peak, in MiB."""
        status = read_status(self.id)
        return status["VmRSS"], status["VmHWM"]

    def threads(self) -> int:
        """Return how many threads the child has."""
        return int(read_status(self.id)["Threads"])


@contextmanager
def child(module: str, *arguments: object) -> Iterator[Child]:
    """Run ``python -m module arguments``; at the end close its standard input and end it, by force after 5 s."""
    command = [sys.executable, "-m", module, *map(str, arguments)]
    process = subprocess.Popen(  # noqa: S603  our own modules
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, cwd=ROOT
    )
    try:
        yield Child(process)
    finally:
        end(process)


def run(module: str, *arguments: object) -> Any:  # noqa: ANN401  JSON
    """Run ``python -m module arguments`` and return the JSON line that it writes."""
    with child(module, *arguments) as process:
        return process.read()


def end(process: subprocess.Popen[str]) -> None:
    """End a child."""
    if process.stdin:
        process.stdin.close()
    process.terminate()
    try:
        process.wait(GRACE_SECONDS)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


def read_status(process_id: int | str) -> dict[str, float]:
    """Return the figures of ``/proc/ID/status``, those of memory in MiB."""
    lines = Path(f"/proc/{process_id}/status").read_text().splitlines()
    pairs = (line.split(":", 1) for line in lines)
    figures = {name: value.split() for name, value in pairs if name.startswith("Vm") or name == "Threads"}
    return {name: float(value[0]) / (KIB if len(value) > 1 else 1) for name, value in figures.items()}


def open_files() -> int:
    """Return how many file descriptors this process has open."""
    return len(os.listdir("/proc/self/fd"))  # noqa: PTH208  no path objects while leaks are counted
