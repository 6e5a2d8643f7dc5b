"""Scrapers in a process of their own: each a thread with one kept connection, which reads answers and drops them.

Writes one JSON line: begin (monotonic seconds), latency in seconds and bytes of every scrape. Pauses between scrapes
are random, from 0.5 to 1.5 times ``--pause``, so that scrapers meet each other as Prometheus servers do.
"""

from __future__ import annotations

import argparse
import json
import random
import socket
import time
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from itertools import chain

MOST_SCRAPES = 2000
TIMEOUT = 60.0
BUFFER_BYTES = 1 << 20
REQUEST = "GET /metrics HTTP/1.1\r\nHost: localhost\r\nAccept: text/plain;version=0.0.4\r\nAccept-Encoding: {}\r\n\r\n"

Scrape = tuple[float, float, int]


class Scraper:
    """One scraper. ``encoding`` is what it accepts: gzip or identity."""

    def __init__(self, port: int, encoding: str) -> None:
        self._request = REQUEST.format(encoding).encode()
        self._port = port
        self._socket: socket.socket | None = None
        self._buffer = memoryview(bytearray(BUFFER_BYTES))

    def scrape(self) -> Scrape:
        """Scrape once."""
        if self._socket is None:  # no sooner: a server may drop who connects and asks nothing
            self._socket = socket.create_connection(("127.0.0.1", self._port), TIMEOUT)
        begun = time.monotonic()
        self._socket.sendall(self._request)
        size = self._read_answer(self._socket)
        return begun, time.monotonic() - begun, size

    def close(self) -> None:
        """Close the connection."""
        if self._socket:
            self._socket.close()

    def _read_answer(self, connection: socket.socket) -> int:
        got, end = 0, -1
        while end < 0:
            got += receive(connection, self._buffer[got:])
            end = bytes(self._buffer[:got]).find(b"\r\n\r\n")
        head = bytes(self._buffer[:end]).lower()
        if not head.startswith(b"http/1.1 200"):
            raise RuntimeError(head)
        size = int(head.partition(b"content-length:")[2].split(b"\r\n")[0])
        left = size - (got - end - 4)
        while left:
            left -= receive(connection, self._buffer[:left])
        return size


def receive(connection: socket.socket, into: memoryview) -> int:
    """Return how many bytes came; ``ConnectionError`` when the exporter closed the connection."""
    got = connection.recv_into(into)
    if not got:
        message = "the exporter closed the connection"
        raise ConnectionError(message)
    return got


def scrape_for(seconds: float, pause: float, scraper: Scraper, seed: int) -> list[Scrape]:
    """Scrape again and again for so many seconds; with 0 seconds at once and once."""
    rng = random.Random(seed)  # noqa: S311  no secret
    end = time.monotonic() + seconds
    if not seconds:
        return [scraper.scrape()]
    scrapes: list[Scrape] = []
    time.sleep(rng.uniform(0, min(pause, seconds / 2)))
    while time.monotonic() < end and len(scrapes) < MOST_SCRAPES:
        scrapes.append(scraper.scrape())
        time.sleep(rng.uniform(0.5, 1.5) * pause)
    return scrapes


def main() -> None:
    """Read the arguments and scrape."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("port", type=int)
    parser.add_argument("--count", type=int, default=1)
    parser.add_argument("--seconds", type=float, default=5)
    parser.add_argument("--pause", type=float, default=0.4)
    parser.add_argument("--encoding", choices=["gzip", "identity"], default="gzip")
    given = parser.parse_args()
    scrapers = [Scraper(given.port, given.encoding) for _ in range(given.count)]
    with ThreadPoolExecutor(given.count) as pool:
        scrape = partial(scrape_for, given.seconds, given.pause)
        scrapes = list(chain.from_iterable(pool.map(scrape, scrapers, range(given.count))))
    for scraper in scrapers:
        scraper.close()
    print(json.dumps(scrapes))  # noqa: T201  to the parent


if __name__ == "__main__":
    main()
