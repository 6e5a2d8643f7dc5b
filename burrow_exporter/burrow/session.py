"""A connection to Burrow: asyncio's streams and httptools, the parser of uvicorn and Node.js.

No redirect is followed, and no proxy used but one that is named: nothing of the environment counts.
"""

from __future__ import annotations

import asyncio
import re
import ssl
import threading
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any, TypeVar
from urllib.parse import urlsplit

import httptools

from burrow_exporter.settings.config import TlsConfig

T = TypeVar("T")
READ_BYTES = 256 * 1024
MAX_HEAD_BYTES = 64 * 1024
TUNNEL_ANSWER = re.compile(rb"HTTP/1\.[01] (\d{3})[ \r]")


class TooLargeError(Exception):
    """An answer longer than is read."""


class Connection:
    """One connection, over which requests go one after another. Time-outs are the caller's: cancel and close it."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self._writer = writer
        self._reusable = True

    @classmethod
    async def open(cls, address: str, context: ssl.SSLContext | None, proxy_url: str = "") -> Connection:
        """Connect to the host of ``address``; ``context`` is what ``client_context`` made for it.

        Through a proxy where one is named: a tunnel for TLS, else it is sent requests with the whole URL.
        """
        url, proxy = urlsplit(address), urlsplit(proxy_url)
        host, port = url.hostname or "", url.port or (443 if context else 80)
        if not proxy_url:
            return cls(*await asyncio.open_connection(host, port, ssl=context, limit=READ_BYTES))
        reader, writer = await asyncio.open_connection(proxy.hostname, proxy.port or 80, limit=READ_BYTES)
        if context:
            try:
                await open_tunnel(reader, writer, f"[{host}]:{port}" if ":" in host else f"{host}:{port}")
                await writer.start_tls(context, server_hostname=host)
            except BaseException:
                writer.transport.abort()
                raise
        return cls(reader, writer)

    def is_reusable(self) -> bool:
        """Tell whether another request can go over it; what has come unasked would be taken for its answer."""
        has_come = bool(vars(self._reader)["_buffer"])  # asyncio says it in no other way
        return self._reusable and not has_come and not self._reader.at_eof()

    async def exchange(self, request: bytes, most: int) -> tuple[int, bytes]:
        """Send a request, and return status and body of the answer.

        ``OSError`` where that is none, ``TooLargeError`` for more than ``most`` bytes.
        """
        answer = _Answer(most)
        self._writer.write(request)
        while not answer.is_whole:
            if data := await self._reader.read(READ_BYTES):
                answer.feed(data)
            else:
                answer.end()
        self._reusable = answer.keeps_alive
        return answer.status, b"".join(answer.pieces)

    def close(self) -> None:
        """Close it at once, whatever is under way."""
        self._writer.transport.abort()


async def open_tunnel(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, target: str) -> None:
    """Have a proxy pass on what is sent from now on; ``ConnectionError`` where it does not."""
    writer.write(f"CONNECT {target} HTTP/1.1\r\nHost: {target}\r\n\r\n".encode())
    try:
        answer = await reader.readuntil(b"\r\n\r\n")
    except (asyncio.IncompleteReadError, asyncio.LimitOverrunError):
        answer = b""
    if not (status := TUNNEL_ANSWER.match(answer)) or status[1] != b"200":
        message = f"the proxy answers {status[1].decode()}" if status else "the proxy answers otherwise than in HTTP"
        raise ConnectionError(message)


class _Answer:
    """Puts an answer together; httptools calls the methods that begin with ``on_``."""

    def __init__(self, most: int) -> None:
        self.pieces: list[bytes] = []
        self.status = 0
        self.is_whole = self.keeps_alive = False
        self._left = most
        self._head_left = MAX_HEAD_BYTES
        self._in_body = self._has_end = False
        self._parser = httptools.HttpResponseParser(self)

    def feed(self, data: bytes) -> None:
        """Take what has come."""
        try:
            self._parser.feed_data(data)
        except (httptools.HttpParserError, httptools.HttpParserUpgrade) as error:
            # After the end it is no longer this answer that is wrong.
            if not self.is_whole:
                upgrades = isinstance(error, httptools.HttpParserUpgrade)
                message = "goes over to another protocol" if upgrades else str(error)
                raise ConnectionError(message) from None
            self.keeps_alive = False
        if not self._in_body and not self.is_whole:
            self._head_left -= len(data)
            if self._head_left < 0:
                message = f"head of more than {MAX_HEAD_BYTES} bytes"
                raise ConnectionError(message)
        if self._left < 0:
            raise TooLargeError

    def end(self) -> None:
        """Take it that no more comes: the end of an answer that told none, else a failure."""
        if not self._in_body or self._has_end:
            raise ConnectionError("closed in the middle of the answer" if self.status else "closed without an answer")
        self.is_whole = True

    def on_message_begin(self) -> None:
        """Note an answer that nobody asked for."""
        self.keeps_alive = False

    def on_status(self, _: bytes) -> None:
        """Note the status, unless it is that of an answer that nobody asked for."""
        if not self.is_whole:
            self.status = self._parser.get_status_code()

    def on_header(self, name: bytes, _: bytes) -> None:
        """Note a header that tells where the body ends."""
        self._has_end = self._has_end or name.lower() in {b"content-length", b"transfer-encoding"}

    def on_headers_complete(self) -> None:
        """Begin with the body, but for an interim answer."""
        self._in_body = self._parser.get_status_code() >= 200  # noqa: PLR2004

    def on_body(self, piece: bytes) -> None:
        """Take a piece of the body, as long as it is not too much, nor another answer's."""
        if self.is_whole:
            return
        self._left -= len(piece)
        if self._left >= 0:
            self.pieces.append(piece)

    def on_message_complete(self) -> None:
        """End, but for an interim answer."""
        if self._in_body and not self.is_whole:
            self.is_whole = True
            self.keeps_alive = self._parser.should_keep_alive()


class _DaemonThreads(ThreadPoolExecutor):
    """Looks names up for an event loop, each in a thread of its own that nobody waits for.

    A look-up cannot be broken off. It must not hold up the end of a poll, nor that of the process.
    """

    def submit(self, fn: Callable[..., T], /, *args: Any, **kwargs: Any) -> Future[T]:  # noqa: ANN401  as it stands in the library
        """Run it."""
        future: Future[T] = Future()

        def run() -> None:
            if future.set_running_or_notify_cancel():
                try:
                    future.set_result(fn(*args, **kwargs))
                except Exception as error:  # noqa: BLE001  whoever waits has to know
                    future.set_exception(error)

        threading.Thread(target=run, name="look-up", daemon=True).start()
        return future

    def shutdown(self, wait: bool = True, *, cancel_futures: bool = False) -> None:  # noqa: FBT001, FBT002  as it stands in the library
        """Wait for nobody."""


def open_loop() -> asyncio.AbstractEventLoop:
    """Return an event loop for connections."""
    loop = asyncio.new_event_loop()
    loop.set_default_executor(_DaemonThreads())
    return loop


def client_context(address: str, tls: TlsConfig) -> ssl.SSLContext | None:
    """Return how to speak TLS with ``address``, ``None`` where that is plain HTTP.

    Certificates are verified against the system's authorities unless others are given.
    """
    if not address.startswith("https:"):
        return None
    context = ssl.create_default_context(cafile=tls.ca_file.path if tls.ca_file else None)
    if tls.insecure_skip_verify:
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    if tls.cert_file and tls.key_file:
        context.load_cert_chain(tls.cert_file.path, tls.key_file.path)
    return context
