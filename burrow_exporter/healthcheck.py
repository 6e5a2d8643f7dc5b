"""What a container's health check asks: whether the exporter on this machine is healthy."""

from __future__ import annotations

import http.client

TIMEOUT = 5
HERE = {"": "127.0.0.1", "0.0.0.0": "127.0.0.1", "::": "::1"}  # noqa: S104  not bound, looked up


def ask_healthy(listen_address: str) -> str:
    """Ask ``/-/healthy`` of the exporter that listens on ``listen_address``; return what is wrong, else nothing."""
    host, _, port = listen_address.rpartition(":")
    host = host.strip("[]")
    connection = http.client.HTTPConnection(HERE.get(host, host), int(port), timeout=TIMEOUT)
    try:
        connection.request("GET", "/-/healthy")
        response = connection.getresponse()
        text = response.read(200).decode(errors="replace").strip()
    except (OSError, http.client.HTTPException) as error:
        return f"healthcheck: {error}"
    finally:
        connection.close()
    return "" if response.status == http.client.OK else f"healthcheck: {response.status} {text}"
