"""Listening sockets: bound to an address, or passed by systemd."""

from __future__ import annotations

import ipaddress
import os
import re
import socket
from contextlib import ExitStack

from burrow_exporter.settings.validation import LARGEST_PORT

ACCEPT_QUEUE = 1024
"""Connections waiting in the kernel to be accepted; one beyond that would retry only after a second."""
FIRST_ACTIVATED = 3
"""SD_LISTEN_FDS_START of sd_listen_fds(3)."""
COUNT = re.compile(r"[0-9]{1,5}")
IP = {socket.AF_INET, socket.AF_INET6}
LISTEN_ADDRESS = re.compile(r"(?:\[(?P<ipv6>[^\]\s]+)\]|(?P<host>[^\[\]:\s]*)):(?P<port>[0-9]{1,5})")


def bind(listen_address: str) -> socket.socket:
    """Return a socket that listens on ``host:port``, ``[IPv6]:port`` or ``:port``; port 0 is a free one.

    Without a host, or with ``[::]``, it listens on all IPv6 and IPv4 addresses, or on IPv4 only if there is no IPv6.
    Raises ``ValueError`` for a malformed address, ``OSError`` if the port is in use or the host unknown.
    """
    match = LISTEN_ADDRESS.fullmatch(listen_address)
    if match is None or int(match["port"]) > LARGEST_PORT:
        reason = f"{listen_address!r} is not a listen address such as ':9254', '127.0.0.1:9254' or '[::1]:9254'"
        raise ValueError(reason)
    host = str(ipaddress.IPv6Address(match["ipv6"])) if match["ipv6"] else match["host"]
    sock = _listen(host, int(match["port"]))
    # Inherited by connections. Without it every response on a reused connection took 40 ms.
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return sock


def _listen(host: str, port: int) -> socket.socket:
    if host not in {"", "::"}:
        family, _, _, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)[0]
        return socket.create_server(address, family=family, backlog=ACCEPT_QUEUE)
    if socket.has_dualstack_ipv6():
        return socket.create_server(("", port), family=socket.AF_INET6, backlog=ACCEPT_QUEUE, dualstack_ipv6=True)
    return socket.create_server(("", port), backlog=ACCEPT_QUEUE)


def activated() -> list[socket.socket]:
    """Return the sockets that systemd passed to this process (socket activation, sd_listen_fds(3)).

    Raises ``OSError`` if it passed none, one that does not listen for TCP connections, or no valid number of them.
    """
    count = os.environ.get("LISTEN_FDS", "0") if os.environ.get("LISTEN_PID") == str(os.getpid()) else "0"
    if not COUNT.fullmatch(count):
        message = f"LISTEN_FDS must be the number of sockets passed by systemd, not {count!r}"
        raise OSError(message)
    if not int(count):
        message = "no sockets passed by systemd: start burrow-exporter.socket"
        raise OSError(message)
    with ExitStack() as closing:
        sockets = [
            closing.enter_context(socket.socket(fileno=FIRST_ACTIVATED + number)) for number in range(int(count))
        ]
        for sock in sockets:
            if sock.family not in IP or not sock.getsockopt(socket.SOL_SOCKET, socket.SO_ACCEPTCONN):
                message = f"file descriptor {sock.fileno()} passed by systemd is not a listening TCP socket"
                raise OSError(message)
            sock.set_inheritable(False)
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        closing.pop_all()
    return sockets


def url(sock: socket.socket, scheme: str = "http") -> str:
    """Return the URL of a listening socket for a browser on this machine."""
    host, port = sock.getsockname()[:2]
    if ipaddress.ip_address(host).is_unspecified:
        host = "localhost"
    return f"{scheme}://[{host}]:{port}" if ":" in host else f"{scheme}://{host}:{port}"
