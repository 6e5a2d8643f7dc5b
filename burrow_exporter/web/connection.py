"""One client's connection, served by a thread: the TLS handshake, requests and answers, each bounded in time."""

from __future__ import annotations

import re
import socket
import ssl
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass, replace
from functools import partial
from threading import Event

import structlog

from burrow_exporter.web.limits import SMALLEST_PIECE, ConnectionTable, Limits, Phase, TrackedConnection
from burrow_exporter.web.messages import TOKEN, BadRequestError, Peer, Request, Response, parse_head, plain
from burrow_exporter.web.security.addresses import is_local
from burrow_exporter.web.security.live_config import Security

READ_BYTES = 4096
END_OF_HEAD = b"\r\n\r\n"
FIRST_BYTES = re.compile(TOKEN)

log = structlog.get_logger(__name__)


class ClientGoneError(ConnectionError):
    """The client has closed the connection, or does not read."""


@dataclass(frozen=True, slots=True)
class Serving:
    """What all connections of a server share: ``respond`` makes the answers, ``stopping`` ends keep-alive."""

    respond: Callable[[Request], Response]
    connections: ConnectionTable
    limits: Limits
    security: Security | None
    stopping: Event


class Connection(TrackedConnection):
    """Answers one client's requests, one after the other, until either side ends it."""

    def __init__(self, sock: socket.socket, client: str, serving: Serving) -> None:
        super().__init__(sock)
        self._peer = Peer(client, sock.getsockname()[0])
        self._serving = serving
        self._limits = serving.limits
        self._received = bytearray()
        self._piece_bytes = 0

    def run(self) -> None:
        """Serve the connection and close it; the main function of its thread."""
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
        """Begin TLS with what the web config file says at this moment; return whether the client is let in."""
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
        """Answer one request; return whether another may follow."""
        try:
            head = self._read_head()
            request = parse_head(head, self._peer) if head else None
        except BadRequestError as error:
            self.enter(Phase.ANSWERED)
            self._send_answer(plain(error.status, str(error)), "", close=True)
            return False
        except OSError:
            # The client has gone, or takes too long.
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
            # Since the last piece went out: the client may be ahead of this thread, and another's request in between.
            self.phase = Phase.IDLE
        return sent and keep_alive

    def _read_head(self) -> bytes | None:
        """Return the head of the next request, ``None`` if the client has closed its half.

        The time counts from the beginning of the phase, so bytes that drip in do not prolong it. Raises
        ``TimeoutError``, and ``BadRequestError`` at the first byte that no request begins with.
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
        """Pass over a body that came with its head; return whether it did, as no other is read."""
        if length is None or length > len(self._received):
            return False
        del self._received[:length]
        return True

    def _send_answer(self, answer: Response, path: str, *, close: bool, head_only: bool = False) -> bool:
        """Send an answer piece by piece; return whether all of it was taken."""
        try:
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
        """Return how many bytes may be unsent at a time, and have the kernel hold less than such a piece.

        By default it would hold up to 4 MiB of each answer, which a container has to pay for.
        """
        granted = self._serving.connections.piece_bytes()
        if granted != self._piece_bytes and hasattr(socket, "TCP_NOTSENT_LOWAT"):
            self._piece_bytes = granted
            with suppress(OSError):
                self.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NOTSENT_LOWAT, granted // 2)
        return granted

    def _send(self, data: bytes) -> None:
        """Send all of ``data`` within ``unread_seconds``."""
        self.since = time.monotonic()
        try:
            self.sock.settimeout(self._limits.unread_seconds)
            self.sock.sendall(data)
        except OSError:
            raise ClientGoneError from None

    def _say_goodbye(self) -> None:
        """Send the alert that ends TLS, without waiting for the client's."""
        if isinstance(self.sock, ssl.SSLSocket):
            with suppress(OSError, ValueError):
                self.sock.settimeout(0)
                self.sock.unwrap()


def with_head(head: bytes, pieces: Iterable[bytes]) -> Iterator[bytes]:
    """Put the head of an answer before its pieces: in one packet with the first, unless that is large to copy."""
    for piece in pieces:
        if head and len(piece) > SMALLEST_PIECE:
            yield head
            head = b""
        yield head + piece
        head = b""
    if head:
        yield head
