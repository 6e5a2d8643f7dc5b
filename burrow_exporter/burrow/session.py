"""One connection to Burrow, built on requests, with limits on the time of a request and the size of a response."""

from __future__ import annotations

import http.client
import io
import socket
import ssl
import threading
import time
from contextlib import suppress
from dataclasses import dataclass, field
from http import HTTPStatus
from types import SimpleNamespace
from typing import Any, Self

import requests
import urllib3
from requests.adapters import HTTPAdapter
from requests.auth import HTTPBasicAuth
from urllib3.connection import HTTPConnection
from urllib3.connectionpool import HTTPConnectionPool
from urllib3.util import Timeout

from burrow_exporter.pem import as_path

PIECE_BYTES = 1024 * 1024
READ_BYTES = 64 * 1024
MOST_BYTES_OF_A_REFUSAL = 64 * 1024
LARGE_BYTES = 2 * 1024 * 1024


class TooLargeError(Exception):
    """The response exceeds the size limit."""


@dataclass(frozen=True, slots=True)
class Tls:
    """TLS settings, as PEM: certificate authorities (default: the system's), client certificate and key."""

    ca: bytes = b""
    cert: bytes = field(default=b"", repr=False)
    key: bytes = field(default=b"", repr=False)
    verify: bool = True


@dataclass(frozen=True, slots=True)
class Target:
    """The address of a Burrow and how to connect to it. ``credentials`` are user name and password, sent in UTF-8.

    Only ``proxy_url`` sets a proxy: the proxy variables of the environment are ignored.
    """

    address: str
    credentials: tuple[str, str] | None = None
    tls: Tls = Tls()
    proxy_url: str = ""


class Lane:
    """Admits large responses one at a time, from reading to the end of the block: several at once exhaust memory."""

    def __init__(self, lock: threading.Lock, timeout: float) -> None:
        self._lock = lock
        self._timeout = timeout
        self._is_in = False

    def __enter__(self) -> Self:
        """Enter without waiting: the size of the response is not known yet."""
        return self

    def enter(self) -> None:
        """Wait until no other large response is being processed. Raises ``TimeoutError``."""
        if not self._is_in and not self._lock.acquire(timeout=self._timeout):
            raise TimeoutError
        self._is_in = True

    def __exit__(self, *_: object) -> None:
        """Admit the next large response."""
        if self._is_in:
            self._lock.release()


class Session:
    """A ``requests.Session`` for one thread at a time. Follows no redirects and keeps no cookies.

    ``headers`` are all headers of a request except Host and Authorization. ``timeout`` is in seconds and covers the
    whole request, provided that another thread calls ``abort_overdue``.
    """

    def __init__(self, target: Target, headers: dict[str, str], timeout: float) -> None:
        self._target = target
        self._seconds = timeout
        # Addresses of a name are tried in turn. One that drops packets must leave time for the next.
        self._timeout: Any = Timeout(connect=min(timeout, max(1.0, timeout / 4)), read=timeout)
        self._session = requests.Session()
        self._session.trust_env = False
        self._session.headers.clear()
        self._session.headers.update(headers)
        if target.credentials:
            name, password = target.credentials
            # requests sends bytes unchanged, so the credentials go out in UTF-8 (RFC 7617).
            self._session.auth = HTTPBasicAuth(name.encode(), password.encode())
        if target.proxy_url:
            self._session.proxies = {"http": target.proxy_url, "https": target.proxy_url}
        if not target.tls.verify:
            urllib3.disable_warnings(urllib3.exceptions.InsecureRequestWarning)
        self._adapter = _Adapter(tls_context(target))
        self._request: requests.PreparedRequest | None = None
        self._base = ""
        self._deadline: float | None = None
        self.is_aborted = False

    def get(self, path: str, most: int, lane: Lane) -> tuple[int, bytes]:
        """Return status and body of ``GET path``; ``path`` is already encoded. A large body waits for the ``lane``.

        Raises ``TimeoutError``, ``TooLargeError`` for more than ``most`` bytes, and any exception of requests, urllib3
        and the OS if there is no response.
        """
        self._deadline = time.monotonic() + self._seconds
        try:
            answer = self._send(path)
            with answer.raw:
                body = self._body(answer, most, lane)
            if self._adapter.has_more():
                self.close()
        except Exception:
            self._check_time()
            raise
        finally:
            self._deadline = None
        return answer.status_code, body

    def _send(self, path: str) -> requests.Response:
        """Send a request: prepared once, only the path changes.

        The adapter sends it. ``Session.send`` adds redirects, cookies and hooks, for a seventh of a request's CPU time.
        """
        if self._request is None:
            self._request = self._session.prepare_request(requests.Request("GET", self._target.address))
            self._base = str(self._request.url).rstrip("/")
        self._request.url = f"{self._base}{path}"
        verify, proxies = self._target.tls.verify, self._session.proxies
        return self._adapter.send(self._request, stream=True, timeout=self._timeout, verify=verify, proxies=proxies)

    def _body(self, answer: requests.Response, most: int, lane: Lane) -> bytes:
        """Read a body without decompressing it, so that the limit on bytes read also limits its size.

        For a status other than 200, reads only the beginning.
        """
        if answer.status_code < HTTPStatus.OK:
            message = f"switched to another protocol ({answer.status_code})"
            raise ConnectionError(message)
        pieces: list[bytes] = []
        size = 0
        for piece in answer.raw.stream(PIECE_BYTES, decode_content=False):
            size += len(piece)
            pieces.append(piece)
            if answer.status_code != HTTPStatus.OK and size > MOST_BYTES_OF_A_REFUSAL:
                self.close()
                return b"".join(pieces)[:MOST_BYTES_OF_A_REFUSAL]
            if size > most:
                raise TooLargeError
            if size > LARGE_BYTES:
                lane.enter()
        self._check_time()
        has_length = "Content-Length" in answer.raw.headers or "Transfer-Encoding" in answer.raw.headers
        if not pieces and not has_length and answer.status_code == HTTPStatus.OK:
            # http.client accepts a truncated header as complete.
            message = "connection closed in the middle of the response"
            raise ConnectionError(message)
        return b"".join(pieces)

    def _check_time(self) -> None:
        if self.is_aborted:
            raise TimeoutError from None

    def abort_overdue(self) -> None:
        """Abort a request past its timeout. Another thread calls this periodically."""
        if self._deadline is not None and time.monotonic() >= self._deadline:
            self.abort()

    def abort(self) -> None:
        """Abort the request in flight, from another thread. The session cannot be used afterwards."""
        self.is_aborted = True
        self._adapter.shut()

    def close(self) -> None:
        """Close the connection. The next request resolves the host name and opens a new one."""
        self._adapter.close()


class _Adapter(HTTPAdapter):
    """Connects to one host over one connection, whose socket another thread can shut down."""

    def __init__(self, context: ssl.SSLContext | None) -> None:
        self._context = context
        self._pool: HTTPConnectionPool | None = None
        self._connection: _Connection | None = None
        self.is_shut = False
        super().__init__(pool_connections=1, pool_maxsize=1)

    def shut(self) -> None:
        """Shut down the socket, whatever waits for it. A socket that is still connecting is shut down right after."""
        self.is_shut = True
        if sock := self._connection.live_socket() if self._connection else None:
            with suppress(OSError):  # may already be closed
                # Not TLS's own shutdown, which would destroy the state that the reading thread uses.
                socket.socket.shutdown(sock, socket.SHUT_RDWR)

    def has_more(self) -> bool:
        """Return whether bytes follow the last response. They would be read as the next response."""
        return self._connection is not None and self._connection.reader is not None and self._connection.reader.has_more

    def opened(self, connection: _Connection) -> None:
        """Store the connection that is being opened."""
        self._connection = connection

    def init_poolmanager(self, *args: Any, **options: Any) -> None:  # noqa: ANN401  the library's signature
        """Create the pool manager with the adapter's TLS context."""
        super().init_poolmanager(*args, **options, ssl_context=self._context)

    def proxy_manager_for(self, proxy: str, **options: Any) -> Any:  # noqa: ANN401  the library's signature
        """Create the pool manager for a proxy with the adapter's TLS context."""
        return super().proxy_manager_for(proxy, **options, ssl_context=self._context)

    def get_connection_with_tls_context(self, *args: Any, **options: Any) -> HTTPConnectionPool:  # noqa: ANN401  the library's signature
        """Return the only pool. A lookup per request would take a tenth of the request's CPU time."""
        if self._pool is None:
            pool: Any = super().get_connection_with_tls_context(*args, **options)
            pool.ConnectionCls = type("Connection", (_Connection, pool.ConnectionCls), {"adapter": self})
            self._pool = pool
        return self._pool

    def request_url(self, request: requests.PreparedRequest, proxies: Any) -> str:  # noqa: ANN401  the library's signature
        """Return the request target. Without a proxy it is the path, which saves the library's three URL parses."""
        return super().request_url(request, proxies) if proxies else f"/{str(request.url).split('/', 3)[3]}"

    def cert_verify(self, *_: Any) -> None:  # noqa: ANN401  the library's signature
        """Do nothing: the TLS context verifies certificates. requests would add certifi's authorities."""

    def build_response(self, req: requests.PreparedRequest, resp: Any) -> requests.Response:  # noqa: ANN401  the library's signature
        """Return a response without the parts that are never used: cookies, a copy of the headers, redirects."""
        response = requests.Response()
        response.status_code, response.raw, response.request, response.url = resp.status, resp, req, str(req.url)
        return response

    def close(self) -> None:
        """Close the connection."""
        super().close()
        self._pool = self._connection = None


class _Connection(HTTPConnection):
    """A connection that reports when it opens and keeps the reader of its last response."""

    adapter: _Adapter
    reader: _Reader | None = None

    def connect(self) -> None:
        """Connect, unless the request has been aborted."""
        self.adapter.opened(self)
        super().connect()
        if self.adapter.is_shut:
            self.close()
            raise TimeoutError

    def live_socket(self) -> socket.socket | None:
        """Return the socket that a thread may wait on. A response with ``Connection: close`` takes it over."""
        return self.sock or (self.reader.sock if self.reader else None)

    def response_class(self, sock: socket.socket, method: str | None = None) -> http.client.HTTPResponse:  # type: ignore[override] # a factory
        """Return a response that reads from the socket."""
        self.reader = _Reader(sock)
        source: Any = SimpleNamespace(makefile=lambda _: self.reader)
        return http.client.HTTPResponse(source, method=method)


class _Reader(io.BufferedReader):
    """Reads one response from a socket. After ``close``, ``has_more`` is true if bytes follow the response."""

    def __init__(self, sock: socket.socket) -> None:
        super().__init__(sock.makefile("rb", buffering=0), READ_BYTES)
        self.sock = sock
        self.has_more = False

    def close(self) -> None:
        """Check for bytes left in this buffer and in the kernel's, without waiting."""
        if not self.closed:
            timeout = self.sock.gettimeout()
            with suppress(OSError, ValueError):  # no bytes, or the connection is closed
                self.sock.settimeout(0)
                self.has_more = bool(self.peek(1))
            with suppress(OSError):
                self.sock.settimeout(timeout)
        super().close()


def tls_context(target: Target) -> ssl.SSLContext | None:
    """Return the TLS context for a Burrow, or ``None`` for plain HTTP.

    Certificates are verified against the system's authorities unless others are configured.
    """
    if not target.address.startswith("https:"):
        return None
    tls = target.tls
    with as_path(tls.ca) as ca_path:
        context = ssl.create_default_context(cafile=ca_path if tls.ca else None)
    if not tls.verify:
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    if tls.cert and tls.key:
        with as_path(tls.cert) as cert_path, as_path(tls.key) as key_path:
            context.load_cert_chain(cert_path, key_path)
    return context
