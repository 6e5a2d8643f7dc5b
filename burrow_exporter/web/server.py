"""The HTTP server: one thread that accepts connections, and one per connection.

Uses only the standard library. A scrape needs the interpreter a dozen times, so a thread serves it about as fast as an
event loop, even during a poll, and a slow client blocks no other.
"""

from __future__ import annotations

import socket
import threading
import time
from contextlib import suppress

import structlog

from burrow_exporter.web.application import Application, Content
from burrow_exporter.web.connection import Connection, Serving
from burrow_exporter.web.limits import DEFAULT_LIMITS, ConnectionTable, Limits, Phase
from burrow_exporter.web.listener import url
from burrow_exporter.web.security.authentication import AccessControl
from burrow_exporter.web.security.live_config import Security
from burrow_exporter.web.security.passwords import PasswordChecker
from burrow_exporter.web.threads import DaemonThreads

ACCEPT_SECONDS = 0.5
"""How often the accepting thread checks for a stop, on systems where a socket shutdown does not wake it."""
ROOM_SECONDS = 0.25
REFUSED_SECONDS = 0.1
COMPLAINT_SECONDS = 60.0

log = structlog.get_logger(__name__)


class Server:
    """Serves ``content`` on a listening socket, from threads that do not keep the process alive.

    ``address`` is a URL for humans. The server owns the socket. With ``security`` it enforces the web config file.
    """

    def __init__(
        self,
        content: Content,
        sock: socket.socket,
        telemetry_path: str,
        limits: Limits = DEFAULT_LIMITS,
        security: Security | None = None,
    ) -> None:
        self.address = url(sock, "https" if security and security.has_tls else "http")
        self.connections = ConnectionTable(limits)
        self._sock = sock
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
        """Start serving; raises ``RuntimeError`` if the socket is unusable."""
        try:
            self._sock.getsockname()
        except OSError:
            message = "HTTP server did not start"
            raise RuntimeError(message) from None
        self._sock.settimeout(ACCEPT_SECONDS)
        self._thread.start()

    def stop(self) -> None:
        """Stop listening, let responses finish within the grace time, drop the rest; takes at most a second."""
        self._serving.stopping.set()
        with suppress(OSError):
            self._sock.shutdown(socket.SHUT_RDWR)
        if self._thread.ident is not None:
            self._thread.join(ACCEPT_SECONDS)
            self.connections.drop(Phase.IDLE, Phase.UNFINISHED)
            self.connections.wait_for_at_most(0, self._serving.limits.grace_seconds)
            self.connections.drop(*Phase)
            self._passwords.close(0.3)
            self.connections.wait_for_at_most(0, 0.1)
        self._sock.close()

    def is_alive(self) -> bool:
        """Return whether connections are accepted."""
        return self._thread.is_alive()

    def _accept_all(self) -> None:
        try:
            while not self._serving.stopping.is_set():
                self._accept()
        except Exception:
            log.exception("HTTP server died")
            self.connections.drop(*Phase)
        finally:
            self._sock.close()

    def _accept(self) -> None:
        """Accept a connection, if there is one, and hand it to a thread."""
        try:
            sock, address = self._sock.accept()
        except TimeoutError:
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
