"""A client's connection, served by one thread: TLS handshake, requests and responses, each with a timeout."""

from __future__ import annotations

import re
import socket
import ssl
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass, replace
from functools import partial
from struct import Struct
from threading import Event

import structlog

from burrow_exporter.web.limits import SMALLEST_PIECE, ConnectionTable, Limits, Phase, TrackedConnection
from burrow_exporter.web.messages import TOKEN, BadRequestError, Peer, Request, Response, parse_head, plain
from burrow_exporter.web.security.addresses import is_local
from burrow_exporter.web.security.live_config import Security

READ_BYTES = 4096
TIMEVAL = Struct("@ll")
"""The ``struct timeval`` of C."""
END_OF_HEAD = b"\r\n\r\n"
FIRST_BYTES = re.compile(TOKEN)

log = structlog.get_logger(__name__)


class ClientGoneError(ConnectionError):
    """The client closed the connection or does not read."""


@dataclass(frozen=True, slots=True)
class Serving:
    """State shared by a server's connections: ``respond`` handles requests, ``stopping`` ends keep-alive."""

    respond: Callable[[Request], Response]
    connections: ConnectionTable
    limits: Limits
    security: Security | None
    stopping: Event


class Connection(TrackedConnection):
    """Serves the requests of one client, one after the other, until either side closes."""

    def __init__(self, sock: socket.socket, client: str, serving: Serving) -> None:
        super().__init__(sock)
        self._peer = Peer(client, sock.getsockname()[0])
        self._serving = serving
        self._limits = serving.limits
        self._received = bytearray()
        self._piece_bytes = 0
        seconds, microseconds = divmod(int(self._limits.unread_seconds * 1_000_000), 1_000_000)
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_SNDTIMEO, TIMEVAL.pack(seconds, microseconds))

    def run(self) -> None:
        """Serve the connection and close it; main function of its thread."""
        security = self._serving.security
        try:
            if security is None or not security.has_tls or self._shake_hands(security):
                while self._serve_request() and not self._serving.stopping.is_set():
                    pass
                self._say_goodbye()
        except Exception:
            log.exception("connection failed")
        finally:
            self._serving.connections.close(self)

    def _shake_hands(self, security: Security) -> bool:
        """Start TLS with the current web config; return whether the client is accepted."""
        try:
            contexts = security.current().contexts
            assert contexts is not None  # nosec B101 # TLS cannot be turned off
            context = contexts.local if is_local(self._peer) else contexts.everyone
            self.sock.settimeout(self._limits.head_seconds)
            self._serving.connections.wrap(
                self, partial(context.wrap_socket, server_side=True, do_handshake_on_connect=False)
            )
            assert isinstance(self.sock, ssl.SSLSocket)  # nosec B101 # for the type checker
            self.sock.do_handshake()
            certificate = self.sock.getpeercert()
        except OSError as error:
            log.debug("TLS handshake failed", reason=getattr(error, "reason", None) or type(error).__name__)
            return False
        except Exception:
            log.exception("TLS handshake failed")
            return False
        if not contexts.admits(certificate):
            log.debug("client certificate matches none of client_allowed_sans")
            return False
        self._peer = replace(self._peer, lacks_certificate=contexts.requires_certificate and not certificate)
        self.enter(Phase.UNFINISHED)
        return True

    def _serve_request(self) -> bool:
        """Handle one request; return whether another may follow."""
        try:
            head = self._read_head()
            request = parse_head(head, self._peer) if head else None
        except BadRequestError as error:
            self.enter(Phase.ANSWERED)
            self._send_answer(plain(error.status, str(error)), "", close=True)
            return False
        except OSError:
            # The client is gone or too slow.
            return False
        if request is None:
            return False
        self.enter(Phase.ANSWERED)
        keep_alive = self._skip_body(request.body_length) and request.keep_alive and not self._peer.lacks_certificate
        answer = self._serving.respond(request)
        sent = self._send_answer(answer, request.path, close=not keep_alive, head_only=request.method == "HEAD")
        if self._received:
            self.enter(Phase.UNFINISHED)
        else:
            # Counts from the last piece sent: the client may be ahead of this thread.
            self.phase = Phase.IDLE
        return sent and keep_alive

    def _read_head(self) -> bytes | None:
        """Return the head of the next request, or ``None`` if the client closed its half.

        The timeout counts from the start of the phase, so that a trickle of bytes does not extend it. Raises
        ``TimeoutError``, and ``BadRequestError`` at the first byte that cannot start a request.
        """
        while (end := self._received.find(END_OF_HEAD)) < 0 and len(self._received) <= self._limits.head_bytes:
            if self._received and not FIRST_BYTES.match(self._received):
                break
            idle = self.phase is Phase.IDLE
            deadline = self.since + (self._limits.idle_seconds if idle else self._limits.head_seconds)
            data = self._receive(deadline)
            if not data:
                return None
            if idle:
                self.enter(Phase.UNFINISHED)
            self._received += data
        if not 0 < end <= self._limits.head_bytes:
            message = "Malformed request, or request headers too large."
            raise BadRequestError(message)
        head = bytes(self._received[:end])
        del self._received[: end + len(END_OF_HEAD)]
        return head

    def _receive(self, deadline: float) -> bytes:
        seconds = deadline - time.monotonic()
        if seconds <= 0:
            raise TimeoutError
        self.sock.settimeout(seconds)
        return self.sock.recv(READ_BYTES)

    def _skip_body(self, length: int | None) -> bool:
        """Skip a body that arrived with its head; return whether it did. No other body is read."""
        if length is None or length > len(self._received):
            return False
        del self._received[:length]
        return True

    def _send_answer(self, answer: Response, path: str, *, close: bool, head_only: bool = False) -> bool:
        """Send a response in pieces; return whether all of it was sent."""
        try:
            self._prepare_to_send()
            pieces = () if head_only else answer.body.pieces(self._grant())
            for piece in with_head(answer.head(close=close), pieces):
                self._send(piece)
        except ClientGoneError:
            log.debug("response aborted: client disconnected or not reading", path=path)
            return False
        except Exception:
            log.exception("response failed", path=path)
            return False
        return True

    def _grant(self) -> int:
        """Return how many bytes may be unsent at a time, and limit the kernel's send buffer to less than that.

        By default it grows to 4 MiB per response, which counts towards a container's memory.
        """
        granted = self._serving.connections.piece_bytes()
        if granted != self._piece_bytes and hasattr(socket, "TCP_NOTSENT_LOWAT"):
            self._piece_bytes = granted
            with suppress(OSError):
                self.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NOTSENT_LOWAT, granted // 2)
        return granted

    def _prepare_to_send(self) -> None:
        """Let the kernel time sends out (``SO_SNDTIMEO``), not Python, which makes several calls for each piece.

        After each call a thread waits for the interpreter: during polls, plain pages took a quarter longer. With TLS a
        socket without a timeout of Python's would retry for ever.
        """
        self.sock.settimeout(self._limits.unread_seconds if isinstance(self.sock, ssl.SSLSocket) else None)

    def _send(self, data: bytes | memoryview) -> None:
        """Send all of ``data``. Raises ``ClientGoneError`` if the client does not read it in ``unread_seconds``."""
        self.since = time.monotonic()
        rest = memoryview(data)
        try:
            while rest and time.monotonic() < self.since + self._limits.unread_seconds:
                rest = rest[self.sock.send(rest) :]
        except OSError:
            raise ClientGoneError from None
        if rest:
            raise ClientGoneError

    def _say_goodbye(self) -> None:
        """Send the TLS close alert without waiting for the client's."""
        if isinstance(self.sock, ssl.SSLSocket):
            with suppress(OSError, ValueError):
                self.sock.settimeout(0)
                self.sock.unwrap()


def with_head(head: bytes, pieces: Iterable[bytes | memoryview]) -> Iterator[bytes | memoryview]:
    """Prepend the head of a response: in one packet with the first piece, unless that is expensive to copy."""
    for piece in pieces:
        if head and len(piece) > SMALLEST_PIECE:
            yield head
            head = b""
        yield head + piece
        head = b""
    if head:
        yield head
