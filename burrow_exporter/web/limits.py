"""What clients may cost: connections, bytes and seconds, and whose connection is dropped when there are too many."""

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
LARGEST_PIECE = 512 * 1024
FEWEST_CONNECTIONS = 8


@dataclass(frozen=True, slots=True)
class Limits:
    """How far a client may go.

    ``connections`` are open at most; beyond it the idlest is dropped. ``head_bytes`` bounds the head of a request.
    ``unsent_bytes`` is what all answers under way share, of this process' memory and as much again of the kernel's;
    each may have 64 KiB. The rest are seconds: ``head_seconds`` for a request to arrive whole, from the connection or
    its first byte on, and for a TLS handshake before; ``idle_seconds`` between two requests (Prometheus reuses its
    connection, and an interval over two minutes leaves gaps in its graphs); ``unread_seconds`` for each piece of an
    answer to be taken; ``stalled_seconds`` after which such an answer may be dropped when there is no other room;
    ``grace_seconds`` for answers under way when the server stops.
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
    """What a connection waits for, in the order in which it is given up."""

    IDLE = 0
    UNFINISHED = 1
    ANSWERED = 2


class TrackedConnection:
    """What the bound on connections counts: the phase, since when it lasts (monotonic seconds), and the socket."""

    def __init__(self, sock: socket.socket) -> None:
        self.sock = sock
        self.phase = Phase.UNFINISHED
        self.since = time.monotonic()
        self.dropped = False

    def enter(self, phase: Phase) -> None:
        """Begin a phase."""
        self.phase, self.since = phase, time.monotonic()


class ConnectionTable:
    """The open connections, for the thread that accepts them and the threads that serve them.

    A connection is dropped by shutting down its socket, which wakes its thread; the thread closes it. Both happen
    under one lock: the number of a closed socket may already belong to another.
    """

    def __init__(self, limits: Limits) -> None:
        self._limits = limits
        self._open: set[TrackedConnection] = set()
        self._changed = threading.Condition()

    def __len__(self) -> int:
        """Return how many are open, including those that are dropped but not closed yet."""
        return len(self._open)

    def add(self, newest: TrackedConnection) -> None:
        """Add a connection, and drop the idlest if that is one too many.

        First goes the one idle longest, then the one whose handshake or request is unfinished longest, then one whose
        answer has not moved for ``stalled_seconds``, else ``newest``: never an answer that is being taken.
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
        """Put another socket object in place of a connection's; raise ``ConnectionError`` if it has been dropped."""
        with self._changed:
            if connection.dropped:
                raise ConnectionAbortedError
            connection.sock = wrapper(connection.sock)

    def drop(self, *phases: Phase) -> None:
        """Drop all connections in these phases, whatever is unsent."""
        with self._changed:
            for each in self._open:
                if each.phase in phases:
                    self._drop(each)

    def wait_for_at_most(self, count: int, seconds: float) -> bool:
        """Wait until at most so many are open; return whether that happened in time."""
        with self._changed:
            return self._changed.wait_for(lambda: len(self._open) <= count, seconds)

    def piece_bytes(self) -> int:
        """Return how many bytes of an answer may be unsent at a time, here and as much again in the kernel.

        The fewer answers are under way, the larger the pieces: during a poll a thread has to wait for the interpreter
        several times a piece (with pieces of 512 KiB eight scrapes took half as long as with 64 KiB).
        """
        with self._changed:
            under_way = sum(each.phase is Phase.ANSWERED for each in self._open)
        return min(max(self._limits.unsent_bytes // max(under_way, 1), SMALLEST_PIECE), LARGEST_PIECE)

    @staticmethod
    def _drop(connection: TrackedConnection) -> None:
        connection.dropped = True
        with suppress(OSError):
            # Not ``shutdown`` of an SSLSocket: it ends the TLS that the connection's thread is using.
            socket.socket.shutdown(connection.sock, socket.SHUT_RDWR)
