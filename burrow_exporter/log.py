"""Logging: one line per event on stderr, as logfmt or JSON. Never blocks and never raises.

Callers put lines into a bounded queue; one thread writes them. Lines that do not fit or cannot be written are dropped
and counted. An unread log, a closed pipe or a full disk has no other effect.
"""

from __future__ import annotations

import errno
import logging
import os
import select
import threading
import time
from collections.abc import Callable, Iterable
from contextlib import suppress
from functools import reduce
from queue import Full, Queue
from typing import Any, Literal, get_args

import structlog

Level = Literal["debug", "info", "warning", "error"]
Format = Literal["logfmt", "json"]
LEVELS: tuple[Level, ...] = get_args(Level)
FORMATS: tuple[Format, ...] = get_args(Format)
Step = Callable[[Any, str, Any], Any]
"""One of structlog's processors."""
STDERR = 2
QUEUED_LINES = 1000
MAX_TEXT = 8 * 1024
"""Maximum characters of a value; longer ones, such as a deep traceback, are truncated."""
FLUSH_SECONDS = 0.5


class Writer:
    """Writes lines to a file descriptor from its own thread, and counts those it cannot write.

    ``dropped`` is the number of lost lines. At most ``capacity`` lines are queued.
    """

    def __init__(self, descriptor: int = STDERR, capacity: int = QUEUED_LINES) -> None:
        self.dropped = 0
        self._descriptor = descriptor
        self._lines = Queue[bytes](capacity)
        self._lock = threading.Lock()
        self._thread: threading.Thread | None = None

    def put(self, line: str) -> None:
        """Queue a line."""
        try:
            self._start()
            self._lines.put_nowait(f"{line}\n".encode(errors="backslashreplace"))
        except (Full, RuntimeError, MemoryError):  # RuntimeError: no thread can be started
            self.drop()

    def drop(self) -> None:
        """Count a lost line."""
        with self._lock:
            self.dropped += 1

    def flush(self, seconds: float = FLUSH_SECONDS) -> None:
        """Wait until all lines are written or dropped, at most ``seconds``."""
        end = time.monotonic() + seconds
        while self._lines.unfinished_tasks and time.monotonic() < end:
            time.sleep(0.002)

    def _start(self) -> None:
        with self._lock:
            if self._thread is None:
                thread = threading.Thread(target=self._run, name="log", daemon=True)
                thread.start()
                self._thread = thread

    def _run(self) -> None:
        while True:
            line = self._lines.get()
            try:
                write(self._descriptor, line)
            except OSError:
                self.drop()
            finally:
                self._lines.task_done()


def write(descriptor: int, data: bytes) -> None:
    """Write all of ``data``, without a timeout; raises ``OSError``."""
    while data:
        try:
            data = data[os.write(descriptor, data) :]
        except BlockingIOError as error:  # another process has made the pipe non-blocking
            if error.errno != errno.EAGAIN:
                raise
            select.select([], [descriptor], [])


WRITER = Writer()


def set_up(level: str, form: str) -> None:
    """Configure structlog for the whole process; ``level`` is one of LEVELS, ``form`` one of FORMATS."""
    last: Step = structlog.processors.JSONRenderer()
    if form == "logfmt":
        last = structlog.processors.LogfmtRenderer(key_order=["ts", "level", "event"], bool_as_flag=False)
    time_stamper = structlog.processors.TimeStamper(fmt="iso", utc=True, key="ts")
    steps: list[Step] = [
        structlog.processors.add_log_level,
        time_stamper,
        structlog.processors.format_exc_info,
        clean,
        last,
    ]
    structlog.configure(
        processors=[guarded(steps)],
        wrapper_class=structlog.make_filtering_bound_logger(logging.getLevelNamesMapping()[level.upper()]),
        logger_factory=lambda *_: Lines(),
        cache_logger_on_first_use=False,
    )


class Lines:
    """The logger that takes structlog's rendered lines."""

    def msg(self, line: str) -> None:
        """Take a line."""
        WRITER.put(line)

    debug = info = warning = error = msg


def guarded(steps: Iterable[Step]) -> Step:
    """Return a processor that runs all steps; an event that fails counts as a dropped line."""

    def process(logger: Any, method: str, event: Any) -> Any:  # noqa: ANN401  as structlog has it: a line in the end
        try:
            return reduce(lambda event, step: step(logger, method, event), steps, event)
        except Exception:  # noqa: BLE001  whatever is wrong with it, the caller's work goes on
            WRITER.drop()
            raise structlog.DropEvent from None

    return process


def say(line: str) -> None:
    """Write a line to stderr that is not an event, such as why the process cannot start."""
    WRITER.put(line)


def dropped() -> int:
    """Return the number of lines dropped since the start."""
    return WRITER.dropped


def flush() -> None:
    """Wait briefly for queued lines, before the process exits."""
    WRITER.flush()


def occupy_standard_streams() -> None:
    """Open ``/dev/null`` for each standard stream that is closed.

    Otherwise a connection could get its number and receive the log. Opened read-only, so that lines count as dropped.
    """
    for descriptor in range(STDERR + 1):
        try:
            os.fstat(descriptor)
        except OSError:
            with suppress(OSError):
                os.open(os.devnull, os.O_RDONLY)


def clean(_logger: object, _method: str, event: dict[str, Any]) -> dict[str, Any]:
    """Truncate long values and escape control characters, as names and messages are untrusted."""
    return {key: escape(value[:MAX_TEXT]) if isinstance(value, str) else value for key, value in event.items()}


def escape(text: str) -> str:
    r"""Return ``text`` with unprintable characters escaped; ``\n`` is left to the renderers."""
    if text.isprintable():
        return text
    return "".join(letter if letter.isprintable() or letter == "\n" else repr(letter)[1:-1] for letter in text)


def one_line(text: str) -> str:
    """Return ``text`` for a terminal, on one line."""
    return escape(text).replace("\n", "\\n")
