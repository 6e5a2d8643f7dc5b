"""The stand-in for Burrow: a process of its own that answers from ready bytes, as cheaply as it can.

``python -m benchmarks.standin --groups 1000 --partitions 100`` prints its ports, a JSON list, and ends when its
standard input does. ``GET /bench`` tells what it has served and spent. Like Go's HTTP server in front of Burrow it
answers with a Content-Length up to 2048 bytes and in one chunk of the chunked coding beyond.
"""

from __future__ import annotations

import argparse
import asyncio
import gc
import json
import sys
import time
from dataclasses import dataclass
from functools import partial

from benchmarks.clock import fast_clock
from benchmarks.world import Shape, World

STRIDES = {"idle": 0, "tenth": 10, "all": 1}
LARGEST_BUFFERED = 2048
HEAD = b"HTTP/1.1 %b\r\nContent-Type: application/json\r\nDate: Mon, 23 Nov 2026 21:04:28 GMT\r\n"
NOT_FOUND = b'{"error":true,"message":"unknown resource","result":{}}'


@dataclass(slots=True)
class Served:
    """What was served so far: answers, and bytes of their bodies."""

    answers: int = 0
    body_bytes: int = 0

    def report(self) -> bytes:
        """Return this, and the CPU seconds spent by the process, as JSON."""
        return json.dumps({"answers": self.answers, "bytes": self.body_bytes, "cpu": time.process_time()}).encode()


class Connection(asyncio.Protocol):
    """One connection, kept alive; requests have no bodies."""

    def __init__(self, world: World, served: Served) -> None:
        self._world = world
        self._served = served
        self._pending = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Keep the transport."""
        assert isinstance(transport, asyncio.Transport)  # noqa: S101  for the type checker
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        """Answer every whole request."""
        *requests, self._pending = (self._pending + data).split(b"\r\n\r\n")
        for request in requests:
            path = request.split(b" ", 2)[1]
            self._transport.write(self._answer(path))

    def _answer(self, path: bytes) -> bytes:
        if path == b"/bench":
            return framed(b"200 OK", self._served.report())
        body = self._world.answer(path)
        if body is None:
            return framed(b"404 Not Found", NOT_FOUND)
        self._served.answers += 1
        self._served.body_bytes += len(body)
        return framed(b"200 OK", body)


def framed(status: bytes, body: bytes) -> bytes:
    """Return a whole answer, its body framed as Go does it."""
    head = HEAD % status
    if len(body) <= LARGEST_BUFFERED:
        return b"%bContent-Length: %d\r\n\r\n%b" % (head, len(body), body)
    return b"%bTransfer-Encoding: chunked\r\n\r\n%x\r\n%b\r\n0\r\n\r\n" % (head, len(body), body)


async def serve(worlds: list[World]) -> None:
    """Serve each world on a port of its own until standard input ends."""
    loop = asyncio.get_running_loop()
    ended = asyncio.Event()
    loop.add_reader(sys.stdin.fileno(), ended.set)
    served = Served()
    servers = [await loop.create_server(partial(Connection, world, served), "127.0.0.1", 0) for world in worlds]
    print(json.dumps([server.sockets[0].getsockname()[1] for server in servers]), flush=True)  # noqa: T201  to the parent
    await ended.wait()


def main() -> None:
    """Read the arguments and serve."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--burrows", type=int, default=1)
    parser.add_argument("--groups", type=int, default=1000)
    parser.add_argument("--partitions", type=int, default=100)
    parser.add_argument("--moving", choices=STRIDES, default="tenth")
    parser.add_argument("--clock", type=float, nargs=2, default=(time.time(), 1), metavar=("EPOCH", "FACTOR"))
    given = parser.parse_args()
    shape = Shape(given.groups, given.partitions, STRIDES[given.moving])
    worlds = [World(f"bench-{index}", shape, fast_clock(*given.clock)) for index in range(given.burrows)]
    gc.freeze()
    gc.disable()
    asyncio.run(serve(worlds))


if __name__ == "__main__":
    main()
