"""A server that responds late, slowly, in part, or not at all. On real sockets."""

from __future__ import annotations

import json
import socket
import ssl
import struct
from collections.abc import Callable, Mapping
from contextlib import suppress
from threading import Event, Thread
from types import TracebackType
from typing import Any, Self

from tests.support.recorded import NOT_FOUND, Recorded

Step = Callable[[socket.socket], bool]
"""Answers one request on its connection, and tells whether that stays open for another."""
Plan = Callable[[str], Step]
"""The step for a request, by its target."""

CLOSE_WITH_RESET = struct.pack("ii", 1, 0)


def good(**fields: Any) -> bytes:
    """Return the JSON of a successful response with ``fields``."""
    return json.dumps({"error": False, "message": "", **fields}).encode()


def reply(body: bytes = b"", status: int = 200, **headers: str) -> Step:
    """Send a complete response; ``_`` in the name of a header becomes ``-``."""
    return send(head(len(body), status, **headers) + body)


def head(length: int, status: int = 200, **headers: str) -> bytes:
    """Return the head of a response of ``length`` bytes."""
    lines = [f"{name.replace('_', '-')}: {value}\r\n" for name, value in headers.items()]
    return f"HTTP/1.1 {status} Status\r\nContent-Length: {length}\r\n{''.join(lines)}\r\n".encode()


def chunked(*chunks: bytes, end: bool = True) -> bytes:
    """Return a chunked response, by default with the final empty chunk."""
    pieces = [b"%x\r\n%s\r\n" % (len(chunk), chunk) for chunk in chunks]
    return b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n" + b"".join(pieces) + b"0\r\n\r\n" * end


def send(data: bytes) -> Step:
    """Send bytes and keep the connection open."""

    def step(connection: socket.socket) -> bool:
        connection.sendall(data)
        return True

    return step


def then_close(data: bytes = b"") -> Step:
    """Send bytes and close the connection properly."""

    def step(connection: socket.socket) -> bool:
        connection.sendall(data)
        return False

    return step


def then_reset(data: bytes = b"") -> Step:
    """Send bytes, wait until they have arrived, and reset the connection."""

    def step(connection: socket.socket) -> bool:
        connection.sendall(data)
        Event().wait(0.05)
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, CLOSE_WITH_RESET)
        return False

    return step


def then_hang(data: bytes = b"") -> Step:
    """Send bytes and wait until the client gives up."""

    def step(connection: socket.socket) -> bool:
        connection.sendall(data)
        while connection.recv(1024):
            pass
        return False

    return step


def drip(data: bytes, then: bytes) -> Step:
    """Send bytes, then a few more every 50 ms for as long as the client reads."""

    def step(connection: socket.socket) -> bool:
        connection.sendall(data)
        while not Event().wait(0.05):
            connection.sendall(then)
        return False

    return step


def in_turn(*steps: Step) -> Plan:
    """Respond with the steps in order, whatever the request; the last one repeats."""
    left = list(steps)
    return lambda _: left.pop(0) if len(left) > 1 else left[0]


def by_path(answers: Mapping[str, Recorded | Step]) -> Plan:
    """Respond by path, from the current content of ``answers``."""

    def plan(path: str) -> Step:
        told = answers.get(path, NOT_FOUND)
        return reply(told.body.encode(), told.status) if isinstance(told, Recorded) else told

    return plan


class FaultServer:
    """Listens on a free or given port of this machine and responds by ``plan``; a context manager.

    It sends ``greeting`` before it is asked anything. ``asked`` are the targets of the requests, ``heads`` those
    requests whole, ``connections`` those ever accepted.
    """

    def __init__(self, plan: Plan, context: ssl.SSLContext | None = None, greeting: bytes = b"", port: int = 0) -> None:
        """Bind, with TLS if a context is given."""
        self._plan = plan
        self._greeting = greeting
        self._context = context
        self._listener = socket.create_server(("127.0.0.1", port), backlog=64)
        self.connections: list[socket.socket] = []
        self.heads: list[bytes] = []
        self.port = int(self._listener.getsockname()[1])
        self.address = f"{'https' if context else 'http'}://localhost:{self.port}"

    @property
    def asked(self) -> list[str]:
        """The targets of the requests so far."""
        return [head.split(b" ")[1].decode() for head in self.heads]

    def __enter__(self) -> Self:
        """Serve."""
        Thread(target=self._accept, name="faults", daemon=True).start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        """Close everything."""
        for each in (self._listener, *self.connections):
            with suppress(OSError):  # it may be closed already
                each.shutdown(socket.SHUT_RDWR)
        self._listener.close()

    def _accept(self) -> None:
        with suppress(OSError):  # the listener is closed
            while True:
                connection, _ = self._listener.accept()
                self.connections.append(connection)
                Thread(target=self._serve, args=(connection,), name="fault", daemon=True).start()

    def _serve(self, connection: socket.socket) -> None:
        with suppress(OSError):  # the client has gone, as some tests have it
            if self._context:
                connection = self._context.wrap_socket(connection, server_side=True)
            connection.sendall(self._greeting)
            while (request := read_head(connection)) and self._step(request)(connection):
                pass
        connection.close()

    def _step(self, request: bytes) -> Step:
        self.heads.append(request)
        return self._plan(request.split(b" ")[1].decode())


class RecordedBurrow(FaultServer):
    """Serves the current content of ``answers`` by path."""

    def __init__(self, answers: dict[str, Recorded]) -> None:
        super().__init__(by_path(answers))
        self.answers = answers


def read_head(connection: socket.socket) -> bytes:
    """Return the head of the next request, empty if the client closed the connection."""
    head = b""
    while not head.endswith(b"\r\n\r\n"):
        data = connection.recv(4096)
        if not data:
            return b""
        head += data
    return head
