"""A deadline for a whole HTTP request, kept by its socket.

The time-outs of urllib3 are per read: an answer that drips outlasts them by any factor, in its headers as well as
in its body. Here every read of the socket waits at most until the deadline of the request that its thread is making.
"""

from __future__ import annotations

import socket
import ssl
import threading
import time
from typing import TYPE_CHECKING, Any

from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.connectionpool import HTTPConnectionPool, HTTPSConnectionPool
from urllib3.util import parse_url

from burrow_exporter.config import TlsConfig

_thread = threading.local()


def set_deadline(moment: float) -> None:
    """Let the socket reads of this thread end at ``moment`` (monotonic seconds)."""
    _thread.deadline = moment


def time_left() -> float:
    """Return the seconds until this thread's deadline; ``TimeoutError`` when it has passed."""
    left: float = _thread.deadline - time.monotonic()
    if left <= 0:
        message = "deadline of the request passed"
        raise TimeoutError(message)
    return left


if TYPE_CHECKING:
    _Base = socket.socket
else:
    _Base = object


class _Deadline(_Base):
    """Mixed into a socket: each read waits no longer than the thread's deadline."""

    def recv_into(self, *args: Any, **kwargs: Any) -> int:  # noqa: ANN401  passed on as they come
        self.settimeout(time_left())
        return super().recv_into(*args, **kwargs)


class _Socket(_Deadline, socket.socket):
    pass


class _TlsSocket(_Deadline, ssl.SSLSocket):
    pass


class _Connection(HTTPConnection):
    # urllib3 has no public hook for the socket of a connection; test_burrow's dripping answers fail if this one moves.
    def _new_conn(self) -> socket.socket:
        plain = super()._new_conn()
        timeout = plain.gettimeout()
        own = _Socket(fileno=plain.detach())
        own.settimeout(timeout)
        return own


class _TlsConnection(_Connection, HTTPSConnection):
    pass


class _Pool(HTTPConnectionPool):
    ConnectionCls = _Connection


class _TlsPool(HTTPSConnectionPool):
    ConnectionCls = _TlsConnection

    def _validate_conn(self, conn: Any) -> None:  # noqa: ANN401  as urllib3 has it
        """Connect, without urllib3's warning of an unchecked certificate: the log has said so."""
        if conn.is_closed:
            conn.connect()


def open_pool(address: str, context: ssl.SSLContext | None) -> HTTPConnectionPool:
    """Return a pool of one connection to the host of ``address``, which keeps the deadline set by ``set_deadline``.

    ``context`` is what ``client_context`` made for the address. No proxy is used, whatever the environment says.
    """
    url = parse_url(address)
    host = url.host or ""
    return _TlsPool(host, url.port, ssl_context=context) if context else _Pool(host, url.port)


def client_context(address: str, tls: TlsConfig) -> ssl.SSLContext | None:
    """Return how to speak TLS with ``address``, ``None`` where that is plain HTTP.

    Certificates are verified against the system's authorities unless others are given.
    """
    if not address.startswith("https:"):
        return None
    context = ssl.create_default_context(cafile=tls.ca_file.path if tls.ca_file else None)
    context.sslsocket_class = _TlsSocket
    if tls.insecure_skip_verify:
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    if tls.cert_file and tls.key_file:
        context.load_cert_chain(tls.cert_file.path, tls.key_file.path)
    return context
