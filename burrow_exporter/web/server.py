"""The HTTP server: one thread that accepts connections, and one per connection.

Uses only the standard library. A scrape needs the interpreter a dozen times, so a thread serves it about as fast as an
event loop, even during a poll, and a slow client blocks no other.
"""

from __future__ import annotations

import selectors
import socket
import threading
import time
from collections.abc import Sequence

import structlog

from burrow_exporter.web.application import Application, Content
from burrow_exporter.web.connection import Connection, Serving
from burrow_exporter.web.limits import DEFAULT_LIMITS, ConnectionTable, Limits, Phase
from burrow_exporter.web.listener import url
from burrow_exporter.web.security.authentication import AccessControl
from burrow_exporter.web.security.live_config import Security
from burrow_exporter.web.security.passwords import PasswordChecker
from burrow_exporter.web.threads import DaemonThreads

STOP_SECONDS = 0.5
ROOM_SECONDS = 0.25
REFUSED_SECONDS = 0.1
COMPLAINT_SECONDS = 60.0

log = structlog.get_logger(__name__)


class Server:
    """Serves ``content`` on listening sockets, from threads that do not keep the process alive.

    ``address`` is the URL of each socket, for humans. The server owns the sockets; other processes that share them
    can go on accepting connections after it stops. With ``security`` it enforces the web config file.
    """

    def __init__(
        self,
        content: Content,
        listeners: Sequence[socket.socket],
        telemetry_path: str,
        limits: Limits = DEFAULT_LIMITS,
        security: Security | None = None,
    ) -> None:
        scheme = "https" if security and security.has_tls else "http"
        self.address = " ".join(url(each, scheme) for each in listeners)
        self.connections = ConnectionTable(limits)
        self._listeners = listeners
        # Closing a listening socket does not wake a thread that waits on it; closing one end of this pair does.
        self._waker, self._woken = socket.socketpair()
        self._passwords = PasswordChecker()
        application = Application(content, telemetry_path)
        respond = AccessControl(application, security, self._passwords) if security else application
        self._serving = Serving(respond, self.connections, limits, security, threading.Event())
        self._threads = DaemonThreads("connection")
        self._most_threads = limits.connections + limits.connections // 8
        self._thread = threading.Thread(target=self._accept_all, name="server", daemon=True)
        self._refused = 0
        self._complain_at = 0.0

    def start(self) -> None:
        """Start serving; raises ``RuntimeError`` if a socket is unusable."""
        try:
            for each in self._listeners:
                each.settimeout(0)
        except OSError:
            self._close()
            message = "HTTP server did not start"
            raise RuntimeError(message) from None
        self._thread.start()

    def stop(self) -> None:
        """Stop listening, let responses finish within the grace time, then drop the rest.

        Takes less than 0.1 seconds when idle, and about a second at most.
        """
        self._serving.stopping.set()
        self._waker.close()
        if self._thread.ident is not None:
            self._thread.join(STOP_SECONDS)
            self.connections.drop(Phase.IDLE, Phase.UNFINISHED)
            self.connections.wait_for_at_most(0, self._serving.limits.grace_seconds)
            self.connections.drop(*Phase)
            self._passwords.close(0.3)
            self.connections.wait_for_at_most(0, 0.1)
        self._close()

    def is_alive(self) -> bool:
        """Return whether connections are accepted."""
        return self._thread.is_alive()

    def _close(self) -> None:
        for each in (*self._listeners, self._waker, self._woken):
            each.close()

    def _accept_all(self) -> None:
        try:
            with selectors.DefaultSelector() as selector:
                selector.register(self._woken, selectors.EVENT_READ)
                for each in self._listeners:
                    selector.register(each, selectors.EVENT_READ, each)
                while not self._serving.stopping.is_set():
                    for key, _ in selector.select():
                        if key.data:
                            self._accept(key.data)
        except Exception:
            log.exception("HTTP server died")
            self.connections.drop(*Phase)
        finally:
            self._close()

    def _accept(self, listener: socket.socket) -> None:
        """Accept a connection, if there is one, and hand it to a thread."""
        try:
            sock, address = listener.accept()
        except BlockingIOError:
            # The client has gone, or another process that shares the socket was faster.
            return
        except OSError as error:
            # Usually too many open files: the client waits in the kernel's queue.
            self._complain(error)
            self._serving.stopping.wait(REFUSED_SECONDS)
            return
        try:
            # Dropped connections need a moment to close.
            if not self.connections.wait_for_at_most(self._most_threads, ROOM_SECONDS):
                raise TimeoutError
            connection = Connection(sock, address[0], self._serving)
        except OSError:
            sock.close()
        else:
            self._hand_over(connection)

    def _hand_over(self, connection: Connection) -> None:
        """Hand a connection to a thread, unless it is refused."""
        self.connections.add(connection)
        try:
            if not connection.dropped:
                self._threads.run(connection.run)
                return
        except (RuntimeError, MemoryError) as error:
            self._complain(error)
        self.connections.close(connection)

    def _complain(self, error: Exception) -> None:
        """Log refused connections, at most once a minute."""
        self._refused += 1
        if not self._serving.stopping.is_set() and (now := time.monotonic()) >= self._complain_at:
            log.warning("connections refused", reason=str(error), count=self._refused)
            self._refused, self._complain_at = 0, now + COMPLAINT_SECONDS
