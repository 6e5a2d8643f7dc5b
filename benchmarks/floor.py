"""The floor: what fetching the answers of one poll costs alone, with clients from the leanest to ``requests``.

Nothing is decoded and nothing kept. Writes one JSON line: CPU and wall seconds of every round by client.
"""

from __future__ import annotations

import argparse
import http.client
import json
import socket
import threading
import time
from collections.abc import Callable, Iterable

import requests
import urllib3

from burrow_exporter.burrow.client import HEADERS, MAX_ANSWER_BYTES
from burrow_exporter.burrow.session import Lane, Session, Target

CLUSTER = "bench-0"
BUFFER_BYTES = 1 << 18
TIMEOUT = 30.0

Fetch = Callable[[str], int]
"""Takes a path, returns the bytes of the body."""


class LeanClient:
    """A raw socket, one buffer for all answers, no parser: the two framings of Go's server and nothing more."""

    def __init__(self, port: int) -> None:
        self._socket = socket.create_connection(("127.0.0.1", port), TIMEOUT)
        self._buffer = bytearray(BUFFER_BYTES)
        self._view = memoryview(self._buffer)

    def fetch(self, path: str) -> int:
        """Fetch one answer."""
        self._socket.sendall(b"GET %b HTTP/1.1\r\nHost: burrow\r\n\r\n" % path.encode())
        got = self._receive(0)
        while (end := self._buffer.find(b"\r\n\r\n", 0, got)) < 0:
            got += self._receive(got)
        body = end + 4
        if (at := self._buffer.find(b"Content-Length: ", 0, end)) > 0:
            size = int(self._buffer[at + 16 : self._buffer.index(b"\r\n", at)])
            whole = body + size
        else:
            while (line := self._buffer.find(b"\r\n", body, got)) < 0:
                got += self._receive(got)
            size = int(self._buffer[body:line], 16)
            whole = line + 2 + size + len(b"\r\n0\r\n\r\n")
        if whole > len(self._buffer):
            self._view = memoryview(bytearray(1))
            self._buffer.extend(bytes(whole - len(self._buffer)))
            self._view = memoryview(self._buffer)
        while got < whole:
            got += self._receive(got)
        return size

    def _receive(self, at: int) -> int:
        got = self._socket.recv_into(self._view[at:])
        if not got:
            message = "the stand-in closed the connection"
            raise ConnectionError(message)
        return got


def standard_library(port: int) -> Fetch:
    """Return a client of ``http.client``."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=TIMEOUT)

    def fetch(path: str) -> int:
        connection.request("GET", path)
        return len(connection.getresponse().read())

    return fetch


def urllib3_pool(port: int) -> Fetch:
    """Return a client of urllib3's pool."""
    pool = urllib3.HTTPConnectionPool("127.0.0.1", port, maxsize=1, timeout=TIMEOUT)
    return lambda path: len(pool.urlopen("GET", path, retries=False).data)


def requests_session(port: int) -> Fetch:
    """Return a client of ``requests``, used as its documentation shows."""
    session = requests.Session()
    return lambda path: len(session.get(f"http://127.0.0.1:{port}{path}", timeout=TIMEOUT).content)


def exporters_session(port: int) -> Fetch:
    """Return the exporter's own client on requests."""
    session = Session(Target(f"http://127.0.0.1:{port}"), HEADERS, TIMEOUT)
    lane = Lane(threading.Lock(), TIMEOUT)
    return lambda path: len(session.get(path, MAX_ANSWER_BYTES, lane)[1])


def paths_of_a_poll(port: int) -> list[str]:
    """Return what one poll asks for, besides the lists."""
    address = f"http://127.0.0.1:{port}/v3/kafka"
    with requests.Session() as session:
        session.get(address, timeout=TIMEOUT)
        groups = session.get(f"{address}/{CLUSTER}/consumer", timeout=TIMEOUT).json()["consumers"]
        topics = session.get(f"{address}/{CLUSTER}/topic", timeout=TIMEOUT).json()["topics"]
    base = f"/v3/kafka/{CLUSTER}"
    return [f"{base}/consumer/{group}/lag" for group in groups] + [f"{base}/topic/{topic}" for topic in topics]


def fetch_all(clients: Iterable[Fetch], paths: list[str]) -> int:
    """Fetch all paths, each client in a thread of its own; return the bytes of all bodies."""
    waiting = iter(paths)
    sizes: list[int] = []

    def work(fetch: Fetch) -> None:
        for path in waiting:  # a list's iterator may be shared: ``next`` holds the GIL
            sizes.append(fetch(path))  # noqa: PERF401  a comprehension would add its sum at the end only

    threads = [threading.Thread(target=work, args=(client,)) for client in clients]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return sum(sizes)


def main() -> None:
    """Time every client in turn, round after round."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("port", type=int)
    parser.add_argument("--rounds", type=int, default=3)
    given = parser.parse_args()
    port = given.port
    clients: dict[str, list[Fetch]] = {
        "raw sockets, 1 connection": [LeanClient(port).fetch],
        "raw sockets, 4 connections": [LeanClient(port).fetch for _ in range(4)],
        "http.client, 1 connection": [standard_library(port)],
        "urllib3, 1 connection": [urllib3_pool(port)],
        "the exporter's session, 1 connection": [exporters_session(port)],
        "the exporter's session, 4 connections": [exporters_session(port) for _ in range(4)],
        "requests Session.get, 1 connection": [requests_session(port)],
        "requests Session.get, 4 connections": [requests_session(port) for _ in range(4)],
    }
    result: dict[str, list[tuple[float, float]]] = {name: [] for name in clients}
    for _ in range(given.rounds):
        for name, fetches in clients.items():
            paths = paths_of_a_poll(port)
            cpu, wall = time.process_time(), time.perf_counter()
            size = fetch_all(fetches, paths)
            result[name].append((time.process_time() - cpu, time.perf_counter() - wall))
    print(json.dumps({"requests": len(paths), "bytes": size, "clients": result}))  # noqa: T201  to the parent


if __name__ == "__main__":
    main()
