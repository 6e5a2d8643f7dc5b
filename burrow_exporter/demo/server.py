"""The simulated Burrow's HTTP server: one daemon thread per connection."""

from __future__ import annotations

import socket
from contextlib import suppress
from http.server import BaseHTTPRequestHandler
from socketserver import TCPServer
from threading import Thread

from burrow_exporter.demo.api import Api

STOP_SECONDS = 0.5
"""Seconds that a stop waits for responses in progress."""


class Server(TCPServer):
    """Serves an ``Api`` on ``listen_address`` (``HOST:PORT``; no host means all addresses, port 0 a free port)."""

    allow_reuse_address = True
    request_queue_size = 128

    def __init__(self, api: Api, listen_address: str) -> None:
        """Bind and listen; raises ``ValueError`` for an invalid address, ``OSError`` for one in use."""
        host, colon, port = listen_address.rpartition(":")
        if not colon or not port.isdecimal():
            message = f"not HOST:PORT: {listen_address!r}"
            raise ValueError(message)
        self.api = api
        self.address_family = socket.AF_INET6 if ":" in host else socket.AF_INET
        self._connections: dict[Thread, socket.socket] = {}
        super().__init__((host.strip("[]"), int(port)), Handler)

    @property
    def url(self) -> str:
        """The server's URL on this machine."""
        host, port = self.server_address[:2]
        reachable = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(str(host), str(host))
        return f"http://[{reachable}]:{port}" if ":" in reachable else f"http://{reachable}:{port}"

    def process_request(self, request: socket.socket | tuple[bytes, socket.socket], client_address: object) -> None:
        """Serve a new connection in its own thread."""
        if isinstance(request, socket.socket):  # always so over TCP
            self._connections = {thread: known for thread, known in self._connections.items() if thread.is_alive()}
            thread = Thread(target=self._serve, args=(request, client_address), name="burrow-demo", daemon=True)
            self._connections[thread] = request
            thread.start()

    def _serve(self, request: socket.socket, client_address: object) -> None:
        with suppress(OSError):  # the client is gone, or the server stops
            self.finish_request(request, client_address)
        self.shutdown_request(request)

    def stop(self) -> None:
        """Stop listening, close every connection and wait a moment for their threads."""
        self.shutdown()
        self.server_close()
        for connection in self._connections.values():
            _hang_up(connection)
        for thread in self._connections:
            thread.join(STOP_SECONDS)


def _hang_up(connection: socket.socket) -> None:
    with suppress(OSError):  # it may be closed already
        connection.shutdown(socket.SHUT_RDWR)


class Handler(BaseHTTPRequestHandler):
    """One connection, kept alive between requests."""

    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    wbufsize = -1  # head and body in one packet; a second one would wait for the first to be acknowledged
    timeout = 300  # seconds, as in Burrow
    server: Server

    def do_GET(self) -> None:
        """Answer a GET."""
        answer = self.server.api.answer(self.command, self.path)
        self.send_response_only(answer.status)
        self.send_header("Content-Type", answer.content_type)
        self.send_header("Content-Length", str(len(answer.body)))
        for name, value in answer.headers.items():
            self.send_header(name, value)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(answer.body)

    def refuse(self) -> None:
        """Reject any other method (405 or 404) and close: a body is not read."""
        self.close_connection = True
        self.do_GET()

    do_HEAD = do_POST = do_PUT = do_PATCH = do_DELETE = refuse  # noqa: N815 - http.server names them so

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the base class names it so
        """Log nothing."""
