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


def open_pool(address: str) -> HTTPConnectionPool:
    """Return a pool of one connection to the host of ``address``, which keeps the deadline set by ``set_deadline``.

    Certificates are verified against the system's authorities.
    """
    url = parse_url(address)
    host = url.host or ""
    if url.scheme != "https":
        return _Pool(host, url.port)
    context = ssl.create_default_context()
    context.sslsocket_class = _TlsSocket
    return _TlsPool(host, url.port, ssl_context=context)
