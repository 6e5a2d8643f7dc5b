"""Limits on clients: connections, bytes and time, and which connection is dropped if there are too many."""

from __future__ import annotations

import resource
import socket
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from enum import IntEnum

SMALLEST_PIECE = 64 * 1024
LARGEST_PIECE = 1024 * 1024
FEWEST_CONNECTIONS = 8


@dataclass(frozen=True, slots=True)
class Limits:
    """Limits on clients.

    ``connections`` is the maximum number of open connections; above it the idlest is dropped. ``head_bytes`` is the
    maximum size of a request head. ``unsent_bytes`` is shared by all responses in progress, in this process and as much
    again in the kernel; each gets at least 64 KiB. The rest are timeouts in seconds: ``head_seconds`` for a whole
    request head, from the connection or its first byte, and for the TLS handshake; ``idle_seconds`` between two
    requests (Prometheus reuses its connection, and an interval over two minutes leaves gaps in its graphs);
    ``unread_seconds`` for the client to read each piece of a response; ``stalled_seconds`` after which such a response
    may be dropped to make room; ``grace_seconds`` for responses in progress when the server stops.
    """

    connections: int = 512
    head_bytes: int = 16 * 1024
    unsent_bytes: int = 8 * 1024 * 1024
    head_seconds: float = 10.0
    idle_seconds: float = 150.0
    unread_seconds: float = 30.0
    stalled_seconds: float = 5.0
    grace_seconds: float = 0.5


DEFAULT_LIMITS = Limits()


def affordable_connections(reserved: int) -> int:
    """Return how many connections the limit on open files allows, with ``reserved`` files for everything else.

    An eighth is left for connections that are dropped but not closed yet.
    """
    soft, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft == resource.RLIM_INFINITY:
        return DEFAULT_LIMITS.connections
    return min(DEFAULT_LIMITS.connections, max(FEWEST_CONNECTIONS, (soft - reserved) * 7 // 8))


class Phase(IntEnum):
    """What a connection waits for, in the order of being dropped."""

    IDLE = 0
    UNFINISHED = 1
    ANSWERED = 2


class TrackedConnection:
    """An open connection: its phase, the start of the phase (monotonic seconds), and its socket."""

    def __init__(self, sock: socket.socket) -> None:
        self.sock = sock
        self.phase = Phase.UNFINISHED
        self.since = time.monotonic()
        self.dropped = False

    def enter(self, phase: Phase) -> None:
        """Enter a phase."""
        self.phase, self.since = phase, time.monotonic()


class ConnectionTable:
    """The open connections, shared by the accepting thread and the serving threads.

    A connection is dropped by shutting down its socket, which wakes its thread; the thread closes it. Both happen under
    one lock, because the descriptor of a closed socket may be reused.
    """

    def __init__(self, limits: Limits) -> None:
        self._limits = limits
        self._open: set[TrackedConnection] = set()
        self._changed = threading.Condition()

    def __len__(self) -> int:
        """Return the number of open connections, including those dropped but not yet closed."""
        return len(self._open)

    def add(self, newest: TrackedConnection) -> None:
        """Add a connection, and drop the idlest if there are too many.

        Dropped first is the one idle longest, then the one with the longest unfinished handshake or request, then one
        whose response has stalled for ``stalled_seconds``, else ``newest``. A response that makes progress is never
        dropped.
        """
        with self._changed:
            self._open.add(newest)
            present = [each for each in self._open if not each.dropped]
            if len(present) > self._limits.connections:
                stalled_since = time.monotonic() - self._limits.stalled_seconds
                others = (each for each in present if each is not newest)
                waiting = [each for each in others if each.phase is not Phase.ANSWERED or each.since < stalled_since]
                self._drop(min(waiting, key=lambda each: (each.phase, each.since), default=newest))

    def close(self, connection: TrackedConnection) -> None:
        """Close a connection and forget it."""
        with self._changed:
            self._open.discard(connection)
            connection.sock.close()
            self._changed.notify_all()

    def wrap(self, connection: TrackedConnection, wrapper: Callable[[socket.socket], socket.socket]) -> None:
        """Replace the socket of a connection; raises ``ConnectionError`` if it has been dropped."""
        with self._changed:
            if connection.dropped:
                raise ConnectionAbortedError
            connection.sock = wrapper(connection.sock)

    def drop(self, *phases: Phase) -> None:
        """Drop all connections in these phases, even with unsent data."""
        with self._changed:
            for each in self._open:
                if each.phase in phases:
                    self._drop(each)

    def wait_for_at_most(self, count: int, seconds: float) -> bool:
        """Wait until at most this many are open; return whether that happened in time."""
        with self._changed:
            return self._changed.wait_for(lambda: len(self._open) <= count, seconds)

    def piece_bytes(self) -> int:
        """Return how many bytes of an answer may be unsent at a time, here and as much again in the kernel.

        Fewer responses in progress get larger pieces: during a poll a thread waits for the interpreter once or twice
        per piece. Together with sends that the kernel times out, 1 MiB instead of 512 KiB halved the 99th percentile of
        eight plain scrapes during polls, from 0.6 to 0.3 s; 2 MiB gained no more.
        """
        with self._changed:
            under_way = sum(each.phase is Phase.ANSWERED for each in self._open)
        return min(max(self._limits.unsent_bytes // max(under_way, 1), SMALLEST_PIECE), LARGEST_PIECE)

    @staticmethod
    def _drop(connection: TrackedConnection) -> None:
        connection.dropped = True
        with suppress(OSError):
            # Not ``SSLSocket.shutdown``: it would end the TLS session in use by the connection's thread.
            socket.socket.shutdown(connection.sock, socket.SHUT_RDWR)
