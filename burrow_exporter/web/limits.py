"""Connections: the socket to listen on, and what a client may cost (connections, bytes of a request, time to wait).

uvicorn times idle connections only. Everything here builds on transports and uvicorn's protocol, so it holds under TLS
and around any ASGI application.
"""

from __future__ import annotations

import asyncio
import ipaddress
import re
import socket
from collections.abc import Awaitable, Callable, Iterable, MutableMapping
from dataclasses import dataclass
from enum import IntEnum
from functools import partial
from typing import Any

import h11
import structlog
from uvicorn.protocols.http.h11_impl import H11Protocol

# How many connections are accepted before the first of them is read: well below the number that a server may have.
ACCEPTED_AT_ONCE = 128
# How many wait in the kernel to be accepted; one more would try again only after a second.
BACKLOG = 1024
SMALLEST_PIECE = 64 * 1024
LARGEST_PIECE = 512 * 1024
PIECE_BYTES = "burrow_exporter.piece_bytes"
"""Where an application finds, in the scope, how much of its answer it may send at a time."""
LARGEST_PORT = 65535
LISTEN_ADDRESS = re.compile(r"(?:\[(?P<ipv6>[^\]\s]+)\]|(?P<host>[^\[\]:\s]*)):(?P<port>[0-9]{1,5})")

Message = MutableMapping[str, Any]
Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Limits:
    """How far a client may go.

    ``connections`` are open at most; beyond it the idlest is dropped. ``head_bytes`` bounds a request's head (it may
    reach twice that when it arrives at once). ``unsent_bytes`` is what all answers under way share, of this process'
    memory and as much again of the kernel's; each may have 64 KiB. The rest are seconds: ``head_seconds`` for a request
    to arrive whole, from the connection or its first byte on, and for a TLS handshake before; ``idle_seconds`` between
    two requests (Prometheus reuses its connection, and an interval over two minutes leaves gaps in its graphs);
    ``unread_seconds`` for each piece of an answer to be taken; ``stalled_seconds`` after which such an answer may be
    dropped when there is no other room; ``grace_seconds`` for answers under way when the server stops.
    """

    connections: int = 512
    head_bytes: int = 16 * 1024
    unsent_bytes: int = 8 * 1024 * 1024
    head_seconds: float = 10.0
    idle_seconds: int = 150
    unread_seconds: float = 30.0
    stalled_seconds: float = 5.0
    grace_seconds: float = 0.5


DEFAULT_LIMITS = Limits()


class Phase(IntEnum):
    """What a connection waits for, in the order in which it is given up."""

    IDLE = 0
    UNFINISHED = 1
    ANSWERED = 2


class ClientGoneError(ConnectionError):
    """The client has closed the connection, or holds it open and reads nothing."""


class Held:
    """What the bound on connections counts: since when (by the loop's clock) which phase lasts, and how to end it."""

    limits: Limits
    loop: asyncio.AbstractEventLoop
    connections: set[Any]
    phase: Phase
    since = 0.0
    dropped = False

    def drop(self) -> None:
        """End the connection at once, whatever is unsent."""
        raise NotImplementedError


class LimitedProtocol(H11Protocol, Held):
    """One client's connection, kept to ``limits``."""

    limits = DEFAULT_LIMITS
    phase = Phase.ANSWERED
    _answers = 0
    _half_closed = False
    _timer: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override] # as uvicorn's own
        """Count the connection in, and start to wait for its first request."""
        super().connection_made(transport)
        # Any unsent byte pauses the answer, and only an empty buffer resumes it (0 would pause TLS for ever).
        transport.set_write_buffer_limits(high=1, low=0)
        self._application, self.app = self.app, self._answer
        self._settle()
        make_room(self)

    def connection_lost(self, exc: Exception | None) -> None:
        """Forget the connection's timer."""
        super().connection_lost(exc)
        self._cancel_timer()

    def data_received(self, data: bytes) -> None:
        """Parse ``data`` in small pieces: h11 parses all it is given before it checks its bound on the head."""
        try:
            for start in range(0, len(data), self.limits.head_bytes):
                if not self.transport.is_closing():
                    super().data_received(data[start : start + self.limits.head_bytes])
        except h11.LocalProtocolError:
            # Garbage in a request's body while the answer goes out: uvicorn begins a second answer, which h11 refuses.
            self.drop()
        self._settle()

    def eof_received(self) -> bool:  # type: ignore[override] # uvicorn's own has every connection closed
        """Tell whether a client that has closed its half is still to be answered; TLS has no halves."""
        self._half_closed = self.phase is Phase.ANSWERED and not self.transport.get_extra_info("sslcontext")
        return self._half_closed

    def on_response_complete(self) -> None:
        """Close where the request's body is still coming: it would be read to its end, however long.

        And where the client has closed its half, once all that it asked for is answered.
        """
        if self.conn.their_state is h11.SEND_BODY:
            self.transport.close()
        super().on_response_complete()
        if self._half_closed and self.cycle.response_complete:
            self.transport.close()

    def drop(self) -> None:
        """End the connection at once, whatever is unsent."""
        self.dropped = True
        self.transport.abort()

    async def _answer(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Run the application; drop a client that takes nothing, and one whose answer breaks half-way."""
        self._answers += 1
        scope[PIECE_BYTES] = self._grant()
        try:
            await self._application(scope, receive, partial(self._deliver, send))
        except ClientGoneError:
            log.debug("answer given up: the client has gone or does not read", path=scope["path"])
            self.drop()
        except Exception:
            log.exception("answer failed", path=scope["path"])
            self.drop()
        finally:
            self._answers -= 1
            self._settle()

    def _grant(self) -> int:
        """Return how many bytes of the answer may be unsent at a time, here and as much again in the kernel.

        The fewer answers are under way, the larger the pieces: while a poll works, a thread has to wait for the
        interpreter several times a piece (with pieces of 512 KiB eight scrapes took half as long as with 64 KiB). The
        kernel alone would hold up to 4 MiB of each client's, which a container has to pay for.
        """
        under_way = sum(isinstance(each, Held) and each.phase is Phase.ANSWERED for each in self.connections)
        granted = min(max(self.limits.unsent_bytes // max(under_way, 1), SMALLEST_PIECE), LARGEST_PIECE)
        if hasattr(socket, "TCP_NOTSENT_LOWAT"):
            sock = self.transport.get_extra_info("socket")
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NOTSENT_LOWAT, granted)
        return granted

    async def _deliver(self, send: Send, message: Message) -> None:
        """Send one message and wait until the kernel has taken it (uvicorn's own ``send`` waits for those before)."""
        if self.transport.is_closing():
            raise ClientGoneError
        self.since = self.loop.time()
        try:
            async with asyncio.timeout(self.limits.unread_seconds):
                await send(message)
                await self.flow.drain()
        except TimeoutError:
            raise ClientGoneError from None

    def _settle(self) -> None:
        """Note the phase, and start its clock when it has changed: bytes that drip in do not prolong a request."""
        phase = self._current_phase()
        if phase is self.phase or self not in self.connections:
            return
        self.phase, self.since = phase, self.loop.time()
        self._cancel_timer()
        if phase is Phase.UNFINISHED:
            self._timer = self.loop.call_later(self.limits.head_seconds, self.drop)

    def _current_phase(self) -> Phase:
        if self._answers or (self.cycle is not None and not self.cycle.response_complete):
            return Phase.ANSWERED
        pending, _ = self.conn.trailing_data
        if self.cycle is None or pending or self.transport.is_closing():
            return Phase.UNFINISHED
        return Phase.IDLE

    def _cancel_timer(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None


def make_room(newest: Held) -> None:
    """Drop the idlest connection if ``newest`` is one too many.

    First goes who has been idle longest, then whose handshake or request is unfinished longest, then whose answer has
    not moved for ``stalled_seconds``, else ``newest``: never an answer that is being taken.
    """
    present = [each for each in newest.connections if isinstance(each, Held) and not each.dropped]
    if len(present) > newest.limits.connections:
        stalled_since = newest.loop.time() - newest.limits.stalled_seconds
        others = (each for each in present if each is not newest)
        waiting = [each for each in others if each.phase is not Phase.ANSWERED or each.since < stalled_since]
        min(waiting, key=lambda each: (each.phase, each.since), default=newest).drop()


def drop_all(connections: Iterable[object]) -> None:
    """End all ``connections`` (those of uvicorn's ``ServerState``) at once."""
    for each in list(connections):
        if isinstance(each, Held):
            each.drop()


def bind(listen_address: str) -> socket.socket:
    """Return a socket that listens on ``host:port``, ``[IPv6]:port`` or ``:port``; port 0 is a free one.

    No host, or ``[::]``, means every address, IPv6 and IPv4, or IPv4 alone where there is no IPv6. Raises
    ``ValueError`` for a malformed address, ``OSError`` for a port that is taken or a host that is not known.
    """
    match = LISTEN_ADDRESS.fullmatch(listen_address)
    if match is None or int(match["port"]) > LARGEST_PORT:
        reason = f"{listen_address!r} is not an address to listen on, such as ':9254', '127.0.0.1:9254' or '[::1]:9254'"
        raise ValueError(reason)
    host = str(ipaddress.IPv6Address(match["ipv6"])) if match["ipv6"] else match["host"]
    sock = _listen(host, int(match["port"]))
    # Connections inherit these, under TLS too. asyncio sets TCP_NODELAY only on sockets made with IPPROTO_TCP, and
    # create_server makes them without: on reused connections every answer then took 40 ms.
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return sock


def _listen(host: str, port: int) -> socket.socket:
    if host not in {"", "::"}:
        family, _, _, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)[0]
        return socket.create_server(address, family=family, backlog=BACKLOG)
    if socket.has_dualstack_ipv6():
        return socket.create_server(("", port), family=socket.AF_INET6, backlog=BACKLOG, dualstack_ipv6=True)
    return socket.create_server(("", port), backlog=BACKLOG)


def url(sock: socket.socket, scheme: str = "http") -> str:
    """Return the address at which a human on this machine reaches a listening socket."""
    host, port = sock.getsockname()[:2]
    if ipaddress.ip_address(host).is_unspecified:
        host = "localhost"
    return f"{scheme}://[{host}]:{port}" if ":" in host else f"{scheme}://{host}:{port}"
