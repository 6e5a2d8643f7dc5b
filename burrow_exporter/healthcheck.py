"""What a container's health check asks: whether the exporter on this machine is healthy."""

from __future__ import annotations

import http.client

from burrow_exporter.connections import LARGEST_PORT, LISTEN_ADDRESS

TIMEOUT = 5
HERE = {"": "127.0.0.1", "0.0.0.0": "127.0.0.1", "::": "::1"}  # noqa: S104  not bound, looked up


def ask_healthy(listen_address: str) -> str:
    """Ask ``/-/healthy`` of the exporter that listens on ``listen_address``; return what is wrong, else nothing.

    Raises ``ValueError`` for an address that nothing can listen on.
    """
    match = LISTEN_ADDRESS.fullmatch(listen_address)
    if match is None or not 0 < int(match["port"]) <= LARGEST_PORT:
        message = f"{listen_address!r} is not an address at which an exporter can be asked"
        raise ValueError(message)
    host = match["ipv6"] or match["host"]
    connection = http.client.HTTPConnection(HERE.get(host, host), int(match["port"]), timeout=TIMEOUT)
    try:
        connection.request("GET", "/-/healthy")
        response = connection.getresponse()
        text = response.read(200).decode(errors="replace").strip()
    except (OSError, http.client.HTTPException) as error:
        return str(error)
    finally:
        connection.close()
    return "" if response.status == http.client.OK else f"{response.status} {text}"
