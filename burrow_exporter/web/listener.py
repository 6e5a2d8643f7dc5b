"""The socket to listen on, and the addresses that name one."""

from __future__ import annotations

import ipaddress
import re
import socket

ACCEPT_QUEUE = 1024
"""How many connections wait in the kernel to be accepted; one more would try again only after a second."""
LARGEST_PORT = 65535
LISTEN_ADDRESS = re.compile(r"(?:\[(?P<ipv6>[^\]\s]+)\]|(?P<host>[^\[\]:\s]*)):(?P<port>[0-9]{1,5})")


def bind(listen_address: str) -> socket.socket:
    """Return a socket that listens on ``host:port``, ``[IPv6]:port`` or ``:port``; port 0 is a free one.

    No host, or ``[::]``, means every address, IPv6 and IPv4, or IPv4 alone where there is no IPv6. Raises
    ``ValueError`` for a malformed address, ``OSError`` for a port that is taken or a host that is not known.
    """
    match = LISTEN_ADDRESS.fullmatch(listen_address)
    if match is None or int(match["port"]) > LARGEST_PORT:
        reason = f"{listen_address!r} is not a listen address such as ':9254', '127.0.0.1:9254' or '[::1]:9254'"
        raise ValueError(reason)
    host = str(ipaddress.IPv6Address(match["ipv6"])) if match["ipv6"] else match["host"]
    sock = _listen(host, int(match["port"]))
    # Connections inherit it. Without it every answer on a reused connection took 40 ms.
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return sock


def _listen(host: str, port: int) -> socket.socket:
    if host not in {"", "::"}:
        family, _, _, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)[0]
        return socket.create_server(address, family=family, backlog=ACCEPT_QUEUE)
    if socket.has_dualstack_ipv6():
        return socket.create_server(("", port), family=socket.AF_INET6, backlog=ACCEPT_QUEUE, dualstack_ipv6=True)
    return socket.create_server(("", port), backlog=ACCEPT_QUEUE)


def url(sock: socket.socket, scheme: str = "http") -> str:
    """Return the address at which a human on this machine reaches a listening socket."""
    host, port = sock.getsockname()[:2]
    if ipaddress.ip_address(host).is_unspecified:
        host = "localhost"
    return f"{scheme}://[{host}]:{port}" if ":" in host else f"{scheme}://{host}:{port}"
