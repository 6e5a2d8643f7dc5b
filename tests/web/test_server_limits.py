"""Limits of the server: clients on real sockets that are idle, slow, greedy or send garbage."""

from __future__ import annotations

import errno
import http.client
import logging
import multiprocessing
import os
import re
import resource
import socket
import statistics
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, closing, contextmanager, suppress
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

import pytest
from structlog.testing import capture_logs

from burrow_exporter.body import Body, body_of
from burrow_exporter.web.limits import Limits, affordable_connections
from burrow_exporter.web.server import Server
from burrow_exporter.web.threads import DaemonThreads
from tests.web.test_server import FixedContent, Reply, ask, connect, exchange, port_of, serving

HEAD = b"GET /metrics HTTP/1.1\r\nHost: x\r\n"
REQUEST = HEAD + b"\r\n"
READY = b"GET /-/ready HTTP/1.1\r\nHost: x\r\n\r\n"
MEGABYTE = 1_000_000
CHUNK = 64 * 1024
PATIENCE = 5.0
"""How many seconds late a machine that is busy may be; well below the limits that hold by default."""


@dataclass
class LargeContent(FixedContent):
    """60 MB when plain, made while they are taken; 3 MB when compressed."""

    chunks: int = 60 * MEGABYTE // CHUNK
    compressed: bytes = field(default_factory=lambda: os.urandom(3 * MEGABYTE))
    produced: int = 0
    ended: int = 0

    def metrics(self, *, openmetrics: bool, gzip: bool) -> Body:
        """Return as many bytes as a large installation has."""
        self.asked.append((openmetrics, gzip))
        if gzip:
            return body_of(self.compressed, b"")
        return Body(self._produce, self.chunks * CHUNK)

    def _produce(self, size: int) -> Iterator[bytes]:
        left = self.chunks * CHUNK
        try:
            while piece := os.urandom(min(size, left)):
                left -= len(piece)
                self.produced += len(piece)
                yield piece
        finally:
            self.ended += 1


@pytest.fixture
def content() -> LargeContent:
    """Return a large page."""
    return LargeContent()


@pytest.fixture
def sockets() -> Iterator[ExitStack]:
    """Close the sockets that a test leaves open."""
    with ExitStack() as stack:
        yield stack


def dial(server: Server, sockets: ExitStack, sent: bytes = b"", receive_buffer: int | None = None) -> socket.socket:
    """Open a connection, and send some bytes."""
    client = sockets.enter_context(socket.socket())
    if receive_buffer is not None:
        client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
    client.settimeout(5)
    client.connect(("127.0.0.1", port_of(server)))
    client.sendall(sent)
    return client


def read_to_end(client: socket.socket) -> bytes:
    """Read until the server closes or drops the connection."""
    received = bytearray()
    with suppress(ConnectionError):
        while data := client.recv(CHUNK):
            received += data
    return bytes(received)


def idle(server: Server, sockets: ExitStack) -> socket.socket:
    """Open a connection, have one request answered, and leave it."""
    client = dial(server, sockets)
    ask_again(client)
    return client


def ask_again(client: socket.socket, request: bytes = READY) -> None:
    """Have one request answered on an open connection."""
    client.sendall(request)
    received = b""
    while not received.endswith(b"Ready.\n"):
        received += (data := client.recv(CHUNK))
        assert data
    assert received.startswith(b"HTTP/1.1 200")


def is_closed(client: socket.socket) -> bool:
    """Tell whether the server has closed the connection of a client that has nothing to read."""
    client.settimeout(0)
    try:
        return client.recv(1) == b""
    except BlockingIOError:
        return False
    except ConnectionError:
        return True


def seconds_until_closed(client: socket.socket, begun: float | None = None) -> float:
    """Measure how long the server keeps a silent client's connection, by default from now on."""
    begun = time.monotonic() if begun is None else begun
    read_to_end(client)
    return time.monotonic() - begun


def eventually(condition: Callable[[], bool], seconds: float = PATIENCE) -> bool:
    """Wait for a condition, and tell whether it came."""
    deadline = time.monotonic() + seconds
    while not condition() and time.monotonic() < deadline:
        time.sleep(0.01)
    return condition()


def resident_bytes() -> int:
    """Return the resident memory of this process, in bytes."""
    return int(Path("/proc/self/statm").read_text(encoding="ascii").split()[1]) * os.sysconf("SC_PAGESIZE")


@pytest.mark.parametrize("sent", [b"", b"GE", HEAD, REQUEST[:-1], b"POST / HTTP/1.1\r\nHost: x"])
def test_unfinished_request_ends(content: LargeContent, sockets: ExitStack, sent: bytes) -> None:
    """A connection that never brings a whole request is dropped after head_seconds."""
    with serving(content, limits=Limits(head_seconds=0.3)) as server:
        begun = time.monotonic()
        assert 0.3 <= seconds_until_closed(dial(server, sockets, sent), begun) < PATIENCE


def test_dripping_request_ends(content: LargeContent, sockets: ExitStack) -> None:
    """A request's time counts from its beginning: bytes that drip in do not prolong it."""
    with serving(content, limits=Limits(head_seconds=0.3)) as server:
        begin = time.monotonic()
        client = dial(server, sockets)
        with suppress(ConnectionError):
            for byte in HEAD * 20:
                client.sendall(bytes((byte,)))
                time.sleep(0.02)

        assert 0.3 <= time.monotonic() - begin < PATIENCE


def test_unfinished_second_request_ends(content: LargeContent, sockets: ExitStack) -> None:
    """On a reused connection too, a request that is begun has to be finished, however long it was idle before."""
    with serving(content, limits=Limits(head_seconds=0.3)) as server:
        client = idle(server, sockets)
        time.sleep(0.5)
        begun = time.monotonic()
        client.sendall(HEAD)

        assert 0.3 <= seconds_until_closed(client, begun) < PATIENCE


def test_idle_connection_ends(content: LargeContent, sockets: ExitStack) -> None:
    """An idle connection outlasts head_seconds, and is closed after idle_seconds."""
    with serving(content, limits=Limits(head_seconds=0.2, idle_seconds=1)) as server:
        begun = time.monotonic()
        assert 1 <= seconds_until_closed(idle(server, sockets), begun) < 1 + PATIENCE


@pytest.mark.parametrize("connection", [b"", b"Connection: close\r\n"])
@pytest.mark.parametrize("encoding", [b"", b"Accept-Encoding: gzip\r\n"])
def test_unread_answer_ends(content: LargeContent, sockets: ExitStack, encoding: bytes, connection: bytes) -> None:
    """An answer of which nothing is taken is given up after unread_seconds, and nothing of it is kept."""
    with serving(content, limits=Limits(unread_seconds=0.3)) as server, capture_logs() as logs:
        begun = time.monotonic()
        client = dial(server, sockets, HEAD + encoding + connection + b"\r\n", receive_buffer=4096)
        assert eventually(lambda: bool(logs))
        # Whatever else this machine does: a look before that time could itself come too late.
        assert time.monotonic() - begun >= 0.3

        assert eventually(lambda: not server.connections)
        assert ["debug"] == [log["log_level"] for log in logs]
        assert (0 if encoding else 1) == content.ended
        assert len(read_to_end(client)) < MEGABYTE


@pytest.mark.parametrize("pieces", [1, 500])
def test_any_content(content: LargeContent, sockets: ExitStack, pieces: int) -> None:
    """The limits hold for any content, also for one that makes larger pieces than it may, or very small ones."""
    chunks = [bytes(5 * MEGABYTE // pieces)] * pieces
    content.metrics = lambda **_: Body(lambda _size: chunks, 5 * MEGABYTE)  # type: ignore[method-assign]
    with serving(content, limits=Limits(unread_seconds=0.3)) as server:
        begun = time.monotonic()
        client = dial(server, sockets, REQUEST, receive_buffer=4096)
        assert eventually(lambda: bool(server.connections))

        assert eventually(lambda: not server.connections)
        assert time.monotonic() - begun >= 0.3
        assert len(read_to_end(client)) < MEGABYTE


def test_slow_but_steady_reader(content: LargeContent, sockets: ExitStack) -> None:
    """A client that reads slowly gets its whole answer, however long it takes altogether."""
    content.chunks = 20
    with serving(content, limits=Limits(unread_seconds=1, head_seconds=0.2)) as server:
        client = dial(server, sockets, REQUEST, receive_buffer=CHUNK)
        begin, received = time.monotonic(), 0
        while received < 20 * CHUNK:
            received += len(client.recv(CHUNK))
            time.sleep(0.06)

        assert 1 < time.monotonic() - begin
        assert 1 == content.ended


def test_client_that_goes_away(content: LargeContent, sockets: ExitStack) -> None:
    """Nothing more is made of an answer whose client has closed the connection."""
    with serving(content) as server:
        client = dial(server, sockets, REQUEST)
        client.recv(CHUNK)
        client.close()

        assert eventually(lambda: content.ended == 1)
        assert content.produced < content.chunks * CHUNK


@pytest.mark.alone
def test_too_many_connections_drop_the_idlest(content: LargeContent, sockets: ExitStack) -> None:
    """Beyond the bound go the longest idle, then the longest unfinished, and never one that is being answered."""
    with serving(content, limits=Limits(connections=5)) as server:
        answered = dial(server, sockets, REQUEST, receive_buffer=CHUNK)
        unfinished = dial(server, sockets, HEAD)
        first, second = idle(server, sockets), idle(server, sockets)
        ask_again(second)
        ask_again(first)
        later = dial(server, sockets, HEAD)
        waiting = [second, first, unfinished, later]
        for gone in range(1, 5):
            dial(server, sockets, HEAD)
            assert eventually(partial(is_closed, waiting.pop(0)))
            assert [False] * (4 - gone) == [is_closed(client) for client in waiting]
        answered.settimeout(5)
        received = len(answered.recv(CHUNK))
        while received < content.chunks * CHUNK:
            received += len(answered.recv(MEGABYTE))


def test_full_of_answers(content: LargeContent, sockets: ExitStack) -> None:
    """When all are being answered the newest is refused; an answer that stands still gives way to it."""
    with serving(content, limits=Limits(connections=2, stalled_seconds=0.5)) as server:
        clients = [dial(server, sockets, REQUEST, receive_buffer=CHUNK) for _ in range(2)]
        assert eventually(lambda: len(content.asked) == 2)
        with pytest.raises(ConnectionError):
            ask(server, "/-/ready")

        def keep_reading() -> None:
            with suppress(OSError):
                while clients[0].recv(CHUNK):
                    time.sleep(0.01)

        reader = threading.Thread(target=keep_reading)
        reader.start()
        time.sleep(0.7)
        assert 200 == ask(server, "/-/ready").status
        assert eventually(lambda: content.ended == 1)
        assert reader.is_alive()
        clients[0].shutdown(socket.SHUT_RDWR)
        reader.join()


def test_flood_of_connections(content: LargeContent, sockets: ExitStack) -> None:
    """However many connect at once, no more than the bound are held, and the server answers."""
    with serving(content, limits=Limits(connections=50)) as server:
        seconds = []
        for _ in range(400):
            begin = time.monotonic()
            dial(server, sockets)
            seconds.append(time.monotonic() - begin)
        assert 200 == ask(server, "/-/ready").status
        # One that the kernel turns away tries again after a second.
        assert max(seconds) < 0.9

        assert eventually(lambda: len(server.connections) <= 50)


@pytest.mark.parametrize(
    ("expected", "soft", "reserved"),
    [(512, resource.RLIM_INFINITY, 28), (512, 1024, 28), (203, 256, 24), (31, 64, 28), (8, 64, 60), (8, 64, 5000)],
)
def test_affordable_connections(monkeypatch: pytest.MonkeyPatch, expected: int, soft: int, reserved: int) -> None:
    """Where few files may be open, fewer connections are accepted, so that polls find theirs."""
    monkeypatch.setattr(resource, "getrlimit", lambda _: (soft, soft))

    assert expected == affordable_connections(reserved)


@pytest.mark.parametrize(
    ("owner", "name", "failure"),
    [
        (socket.socket, "accept", OSError(errno.EMFILE, "Too many open files")),
        (DaemonThreads, "run", RuntimeError("can't start new thread")),
    ],
)
def test_connections_that_cannot_be_had(
    content: LargeContent, monkeypatch: pytest.MonkeyPatch, owner: type, name: str, failure: Exception
) -> None:
    """Where no file can be opened, or no thread started, the log says so once, nothing spins, and it passes."""
    attempts: list[object] = []

    def fail(*arguments: object) -> None:
        attempts.append(arguments)
        raise failure

    with serving(content) as server, capture_logs() as logs:
        with monkeypatch.context() as patch:
            patch.setattr(owner, name, fail)
            begin = time.monotonic()
            while time.monotonic() - begin < 0.5 or len(attempts) < 2:
                with closing(http.client.HTTPConnection("127.0.0.1", port_of(server), timeout=0.1)) as connection:
                    # The first one may still be accepted, by a call that began before.
                    with suppress(OSError, http.client.HTTPException):
                        exchange(connection, "/-/ready")
                    time.sleep(0.01)
        assert 200 == ask(server, "/-/ready").status
        assert eventually(lambda: not server.connections)

    assert 2 <= len(attempts) < 200
    assert [("connections refused", str(failure), 1)] == [
        (log["event"], log["reason"], log["count"]) for log in logs if log["log_level"] != "debug"
    ]


@pytest.mark.parametrize(("clients", "most"), [(5, 6 * MEGABYTE), (100, 50 * MEGABYTE)])
@pytest.mark.parametrize("encoding", [b"", b"Accept-Encoding: gzip\r\n"])
def test_unread_answers_cost_little(
    content: LargeContent, sockets: ExitStack, encoding: bytes, clients: int, most: int
) -> None:
    """Clients that do not read their 60 MB cost 1 MB each, half of it in the kernel, and the less the more they are."""
    with serving(content) as server:
        ask(server, "/metrics")
        content.produced = 0
        before = resident_bytes()
        for _ in range(clients):
            dial(server, sockets, HEAD + encoding + b"\r\n", receive_buffer=CHUNK)
        assert eventually(lambda: len(content.asked) == 1 + clients)
        time.sleep(0.3)

        assert resident_bytes() - before < 20 * MEGABYTE + most / 2
        assert content.produced < most
        assert 200 == ask(server, "/-/ready").status


@pytest.mark.parametrize("size", [40_000, 200_000, 5 * MEGABYTE])
@pytest.mark.parametrize("head", [b"X: %b", b"GET /%b", b"%b"])
def test_huge_head(content: LargeContent, sockets: ExitStack, head: bytes, size: int) -> None:
    """A head beyond the bound is refused, also when it arrives at once, and the server goes on."""
    sent = (HEAD if head.startswith(b"X") else b"") + head % (b"a" * size) + b"\r\n\r\n"
    with serving(content) as server:
        client = dial(server, sockets)
        with suppress(ConnectionError):
            client.sendall(sent)
        answer = read_to_end(client)

        assert answer[:12] in {b"HTTP/1.1 400", b""}
        assert [] == content.asked
        assert 200 == ask(server, "/-/ready").status


@pytest.mark.parametrize(("expected", "size"), [(b"HTTP/1.1 200", 3000), (b"HTTP/1.1 400", 9000)])
def test_head_bound(content: LargeContent, sockets: ExitStack, expected: bytes, size: int) -> None:
    """The bound on the head is the one that was set."""
    with serving(content, limits=Limits(head_bytes=4000)) as server:
        client = dial(server, sockets, READY[:-2] + b"X: " + b"a" * size + b"\r\n\r\n")

        assert client.recv(CHUNK).startswith(expected)


def test_many_small_headers(content: LargeContent, sockets: ExitStack) -> None:
    """A head of very many headers is refused before they are parsed."""
    with serving(content) as server:
        client = dial(server, sockets)
        begin = time.monotonic()
        with suppress(ConnectionError):
            client.sendall(HEAD + b"a:\r\n" * 60_000 + b"\r\n")

        assert read_to_end(client)[:12] in {b"HTTP/1.1 400", b""}
        assert time.monotonic() - begin < 0.5
        assert [] == content.asked


@pytest.mark.parametrize(
    "sent",
    [
        *(b"\r\n", b"\x00" * 100, b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc", b"GET\r\n\r\n", b"HTTP/1.1 200 OK\r\n\r\n"),
        *(
            b"GET /metrics HTTP/1.1\r\n\r\n",
            b"GET /\xff HTTP/1.1\r\nHost: x\r\n\r\n",
            b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
        ),
        HEAD + b"Content-Length: 1\r\nContent-Length: 2\r\n\r\n",
        HEAD + b"Content-Length: 1\r\nTransfer-Encoding: gzip\r\n\r\n",
    ],
)
def test_garbage(
    content: LargeContent,
    sockets: ExitStack,
    capfd: pytest.CaptureFixture[str],
    caplog: pytest.LogCaptureFixture,
    sent: bytes,
) -> None:
    """Garbage is refused with 4xx or 5xx, closes its connection and leaves no line in the log."""
    with caplog.at_level(logging.INFO), serving(content) as server:
        answer = read_to_end(dial(server, sockets, sent))

        assert answer[:10] in {b"HTTP/1.1 4", b"HTTP/1.1 5"}
        assert 200 == ask(server, "/-/ready").status
    assert ("", "") == capfd.readouterr()
    assert [] == caplog.records


@pytest.mark.parametrize("reads", [True, False])
def test_garbage_after_the_head(
    content: LargeContent, sockets: ExitStack, caplog: pytest.LogCaptureFixture, *, reads: bool
) -> None:
    """Garbage in a request's body ends the connection once the answer is taken or given up, without noise."""
    content.chunks = 40
    with serving(content, limits=Limits(unread_seconds=0.5)) as server:
        client = dial(server, sockets, HEAD + b"Transfer-Encoding: chunked\r\n\r\n", receive_buffer=4096)
        assert eventually(lambda: content.produced > 0)
        client.sendall(b"nonsense\r\n")
        if reads:
            assert 1 == read_to_end(client).count(b"HTTP/1.1")

        assert eventually(lambda: content.ended == 1)
        assert eventually(lambda: not server.connections)
    assert [] == caplog.records


@pytest.mark.parametrize("count", [1, 3])
@pytest.mark.parametrize("request_head", [REQUEST, HEAD + b"Accept-Encoding: gzip\r\n\r\n", READY])
def test_half_closed_after_requests(content: LargeContent, sockets: ExitStack, request_head: bytes, count: int) -> None:
    """A client that closes its half after its requests has each answered whole, and its connection closed then."""
    content.chunks = 40
    with serving(content) as server:
        client = dial(server, sockets, request_head * count)
        client.shutdown(socket.SHUT_WR)
        received = read_to_end(client)

        assert count == received.count(b"HTTP/1.1 200 OK\r\n")
        answer = received[: len(received) // count]
        head, _, body = answer.partition(b"\r\n\r\n")
        assert [b"%d" % len(body)] == re.findall(rb"content-length: (\d+)", head)
        assert eventually(lambda: not server.connections)


def test_half_closed_without_reading(content: LargeContent, sockets: ExitStack) -> None:
    """A client that closes its half and takes nothing is given up like any other."""
    with serving(content, limits=Limits(unread_seconds=0.3)) as server:
        client = dial(server, sockets, REQUEST, receive_buffer=4096)
        client.shutdown(socket.SHUT_WR)

        assert eventually(lambda: content.ended == 1)
        assert eventually(lambda: not server.connections)
        assert content.produced < content.chunks * CHUNK


def test_half_closed_connection(content: LargeContent, sockets: ExitStack) -> None:
    """A client that closes its half before its request is whole is not kept."""
    with serving(content) as server:
        client = dial(server, sockets, HEAD)
        client.shutdown(socket.SHUT_WR)

        assert seconds_until_closed(client) < 1


def test_pipelining(content: LargeContent, sockets: ExitStack) -> None:
    """Requests sent at once are answered one after the other, each whole, and others have their turn between them."""
    content.compressed = os.urandom(100_000)
    with serving(content) as server:
        requests = (HEAD + b"Accept-Encoding: gzip\r\n\r\n" + READY) * 100
        client = dial(server, sockets, requests + HEAD + b"Connection: close\r\nAccept-Encoding: gzip\r\n\r\n")
        with ThreadPoolExecutor(1) as pool:
            answers = pool.submit(read_to_end, client)
            assert 200 == ask(server, "/-/ready").status
            received = answers.result()

        assert (201, 101) == (received.count(b"HTTP/1.1 200"), received.count(content.compressed))


def test_pipelining_without_reading(content: LargeContent, sockets: ExitStack) -> None:
    """Requests beyond the one being answered are not even parsed, and an unread answer gives up them all."""
    with serving(content, limits=Limits(unread_seconds=0.5)) as server:
        client = dial(server, sockets, receive_buffer=4096)
        client.settimeout(0.2)
        with suppress(TimeoutError):
            client.sendall(REQUEST * 500_000)
        assert 1 == len(content.asked)

        assert eventually(lambda: not server.connections)
        assert 1 == len(content.asked)


def test_small_request_body(content: LargeContent, sockets: ExitStack) -> None:
    """A small body that comes with its request is passed over, and the connection stays."""
    with serving(content) as server:
        client = dial(server, sockets)
        ask_again(client, READY[:-2] + b"Content-Length: 3\r\n\r\nabc")
        ask_again(client)


@pytest.mark.parametrize("announced", [b"Content-Length: 1000000000", b"Transfer-Encoding: chunked"])
def test_large_request_body(content: LargeContent, sockets: ExitStack, announced: bytes) -> None:
    """A large body is not read: the request is answered and the connection closed."""
    with serving(content) as server:
        client = dial(server, sockets, b"POST /metrics HTTP/1.1\r\nHost: x\r\n" + announced + b"\r\n\r\n")
        begin, sent = time.monotonic(), 0
        with suppress(ConnectionError):
            while sent < 1000 * MEGABYTE:
                sent += client.send(b"10000\r\n" + b"a" * CHUNK + b"\r\n")

        assert time.monotonic() - begin < 1
        assert sent < 20 * MEGABYTE


def test_expected_continue(content: LargeContent, sockets: ExitStack) -> None:
    """A client that expects 100 Continue gets the final response instead."""
    with serving(content) as server:
        announced = b"Content-Length: 1000\r\nExpect: 100-continue\r\n\r\n"
        answer = read_to_end(dial(server, sockets, b"POST /metrics HTTP/1.1\r\nHost: x\r\n" + announced))

        assert answer.startswith(b"HTTP/1.1 405")


def test_upgrade_is_ignored(content: LargeContent, sockets: ExitStack) -> None:
    """A request for another protocol is answered in this one, and leaves no line in the log."""
    upgrade = b"Connection: Upgrade\r\nUpgrade: websocket\r\n\r\n"
    with serving(content) as server:
        assert dial(server, sockets, READY[:-2] + upgrade).recv(CHUNK).startswith(b"HTTP/1.1 200")


def test_stop_is_bounded(content: LargeContent, sockets: ExitStack) -> None:
    """Stopping takes a second at most, whatever the clients do, and frees the port."""
    with serving(content) as server:
        for _ in range(20):
            dial(server, sockets, REQUEST, receive_buffer=4096)
            dial(server, sockets, HEAD)
            idle(server, sockets)
        begin = time.monotonic()
        server.stop()

        assert time.monotonic() - begin < 1
        assert not server._thread.is_alive()
        with pytest.raises(ConnectionRefusedError):
            ask(server, "/metrics")


def test_stop_lets_answers_end(content: LargeContent, sockets: ExitStack) -> None:
    """A scrape in progress when the server stops gets its complete response."""
    content.chunks = 200
    with serving(content, limits=Limits(grace_seconds=3.0)) as server:
        client = dial(server, sockets, REQUEST, receive_buffer=CHUNK)
        received = len(client.recv(CHUNK))
        with ThreadPoolExecutor(1) as pool:
            stopped = pool.submit(server.stop)
            time.sleep(0.25)
            received += len(read_to_end(client))
            stopped.result()

        assert 200 * CHUNK < received


class Attack:
    """600 connections of eight kinds from another process; the server keeps at most 512 open."""

    def __init__(self, port: int) -> None:
        self.address = ("127.0.0.1", port)
        self.kept: list[socket.socket] = []

    def run(self, attacking: threading.Event, end: threading.Event) -> None:
        """Attack in threads, one of a kind and 50 that scrape; tell when all are at it."""
        for _ in range(445):
            self.open(READY)
        for _ in range(5):
            self.open(REQUEST)
        drippers = [self.open(b"") for _ in range(100)]
        rude = [self.drip(drippers), self.read_slowly, self.send_garbage, self.send_huge_heads, self.pipeline]
        with ThreadPoolExecutor(60) as pool:
            for action in (*rude, *(self.scrape for _ in range(50))):
                pool.submit(self.repeat, action, end)
            attacking.set()
        for client in self.kept:
            client.close()

    @staticmethod
    def repeat(action: Callable[[], None], end: threading.Event) -> None:
        """Do it again and again; the server may well close the connection."""
        while not end.is_set():
            with suppress(OSError):
                action()

    def open(self, sent: bytes) -> socket.socket:
        """Open a connection that stays."""
        client = socket.create_connection(self.address, 5)
        client.sendall(sent)
        self.kept.append(client)
        return client

    def drip(self, clients: list[socket.socket]) -> Callable[[], None]:
        """Return an action that sends one more byte of a head on each connection (slowloris)."""

        def action() -> None:
            for client in clients:
                client.send(b"G")
            time.sleep(0.1)

        return action

    def read_slowly(self) -> None:
        """Ask for the large page and read it in small bites."""
        with socket.create_connection(self.address, 5) as client:
            client.sendall(REQUEST)
            for _ in range(50):
                client.recv(4096)
                time.sleep(0.02)

    def send_garbage(self) -> None:
        """Send what is no HTTP."""
        self.throw(os.urandom(1000))

    def send_huge_heads(self) -> None:
        """Send a megabyte of headers."""
        self.throw(HEAD + b"a:\r\n" * 250_000)

    def pipeline(self) -> None:
        """Send many requests at once, and read no answer."""
        self.throw(REQUEST * 1000)

    def scrape(self) -> None:
        """Scrape the compressed page, as Prometheus does, twice a second."""
        self.throw(HEAD + b"Accept-Encoding: gzip\r\nConnection: close\r\n\r\n", read=True)
        time.sleep(0.5)

    def throw(self, sent: bytes, *, read: bool = False) -> None:
        """Send and close, after reading (as cheaply as can be: the server is to be measured) or a moment."""
        with socket.create_connection(self.address, 5) as client:
            client.sendall(sent)
            buffer = bytearray(MEGABYTE)
            while read and client.recv_into(buffer):
                pass
            time.sleep(0.02)


def attack(port: int, attacking: threading.Event, end: threading.Event) -> None:
    """Run an attack, as the main function of a process; it does not share the precedence of what it attacks."""
    os.setpriority(os.PRIO_PROCESS, 0, max(0, os.getpriority(os.PRIO_PROCESS, 0)))
    Attack(port).run(attacking, end)


@pytest.mark.alone
def test_scrapes_under_attack(content: LargeContent) -> None:
    """A normal scrape answers within a second while 445 are idle, others drip, stall, shout, and 50 scrape as well.

    Of three times that this is tried one counts: on a machine that is busy otherwise, this process may have to wait.
    """
    slowest = [max(scrapes_under_attack(content))]
    while slowest[-1] >= 1 and len(slowest) < 3:
        slowest.append(max(scrapes_under_attack(content)))
    assert slowest[-1] < 1, slowest


@contextmanager
def precedence() -> Iterator[None]:
    """Have what else runs on the machine wait for this thread, and those that it starts, where that is permitted."""
    before = os.getpriority(os.PRIO_PROCESS, 0)
    with suppress(PermissionError):
        os.setpriority(os.PRIO_PROCESS, 0, -15)
    try:
        yield
    finally:
        os.setpriority(os.PRIO_PROCESS, 0, before)


def scrapes_under_attack(content: LargeContent) -> list[float]:
    """Scrape a server for three seconds while it is attacked; return the seconds that each scrape took."""
    before = content.ended, len(content.asked)
    processes = multiprocessing.get_context("spawn")
    attacking, end = processes.Event(), processes.Event()
    seconds = []

    def scrape(ask_for: Callable[[], Reply]) -> None:
        begin = time.perf_counter()
        assert content.compressed == ask_for().body
        seconds.append(time.perf_counter() - begin)

    with precedence(), serving(content) as server, closing(connect(server)) as kept:
        attacker = processes.Process(target=attack, args=(port_of(server), attacking, end))
        attacker.start()
        assert attacking.wait(30)
        until = time.monotonic() + 3
        while time.monotonic() < until:
            scrape(lambda: exchange(kept, "/metrics", Accept_Encoding="gzip"))
            scrape(lambda: ask(server, "/metrics", Accept_Encoding="gzip"))
            time.sleep(0.05)
        end.set()
        attacker.join(30)

    assert 0 == attacker.exitcode
    others = len(content.asked) - before[1] - len(seconds)
    logging.getLogger(__name__).info(
        "%d scrapes: median %.3f s, max %.3f s; pages asked for by others: %d",
        *(len(seconds), statistics.median(seconds), max(seconds), others),
    )
    assert content.ended - before[0] > 5
    assert others > max(55, len(seconds))
    return seconds
