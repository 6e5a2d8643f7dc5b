"""The client against servers that fail in many ways, over real sockets."""

from __future__ import annotations

import errno
import gzip
import json
import socket
import ssl
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field
from typing import Any, ClassVar
from urllib.parse import unquote

import pytest
import trustme

from burrow_exporter.burrow import client
from burrow_exporter.burrow.client import BurrowClient
from burrow_exporter.burrow.failures import BurrowError, Endpoint, Reason, error_text
from burrow_exporter.burrow.partitions import GroupStatus
from burrow_exporter.burrow.session import Target
from burrow_exporter.demo import SimulatedBurrow
from tests.support.faults import (
    FaultServer,
    Step,
    by_path,
    chunked,
    drip,
    good,
    head,
    in_turn,
    reply,
    send,
    then_close,
    then_hang,
    then_reset,
)
from tests.support.recorded import mixed, partition

CLUSTERS = good(clusters=["eu-west", "us-east"])
NAMES = ["eu-west", "us-east"]
ODD_NAMES = ["a/b", "a b", 'quote"\\', "q?x=1#f", "pct%2Fname", "ünï✓", "line\nbreak", "..", ".", "a;b&c+d", "nul\0"]


@dataclass
class Heard:
    """An observer that keeps what it hears."""

    attempts: list[Endpoint] = field(default_factory=list)

    def sent(self, endpoint: Endpoint) -> None:
        """Note an attempt."""
        self.attempts.append(endpoint)

    def failed(self, endpoint: Endpoint, reason: Reason) -> None:
        """Fail: to try again is not the client's business."""
        raise AssertionError(endpoint, reason)


class Asking(BurrowClient):
    """A client of the Burrow at ``address``, and what it tells its observer."""

    opened: ClassVar[list[Asking]] = []

    def __init__(self, address: str, timeout: float = 5.0) -> None:
        """Make the client."""
        self.heard = Heard()
        super().__init__(Target(address), timeout, self.heard)
        self.opened.append(self)

    def at_once(self, count: int) -> list[list[str]]:
        """Ask for the clusters so many times at once."""
        barrier = threading.Barrier(count)

        def ask(_: int) -> list[str]:
            barrier.wait()
            return self.clusters()

        with ThreadPoolExecutor(count) as threads:
            return list(threads.map(ask, range(count)))

    def refusal(self) -> BurrowError:
        """Return the error that asking for the clusters brings."""
        with pytest.raises(BurrowError) as caught:
            self.clusters()
        return caught.value


@pytest.fixture(autouse=True)
def closed() -> Iterator[None]:
    """Close all that was opened."""
    yield
    while Asking.opened:
        Asking.opened.pop().close()


def error_of(step: Step, timeout: float = 5.0) -> BurrowError:
    """Return the error that asking for the clusters brings when the server does ``step``."""
    with FaultServer(in_turn(step)) as server:
        return Asking(server.address, timeout).refusal()


def group_of(body: bytes, status: int = 200, cluster: str = "c", group: str = "g") -> GroupStatus | None:
    """Return what the client makes of an answer for a group."""
    with FaultServer(in_turn(reply(body, status))) as server:
        evaluation = Asking(server.address).group(cluster, group)
        return evaluation.status if evaluation else None


def lag(cluster: str = "c", group: str = "g", status: str = "OK", **fields: Any) -> dict[str, Any]:
    """Return the ``status`` of a group's answer."""
    return {"cluster": cluster, "group": group, "status": status, "partitions": [], "totallag": 0, **fields}


# What is good


def test_every_answer() -> None:
    """Each method returns what Burrow's answer holds."""
    recorded = mixed()
    with FaultServer(by_path(dict(recorded))) as server:
        client = Asking(server.address)
        client.check_ready()
        names = json.loads(recorded["/v3/kafka"].body)["clusters"]
        assert names == client.clusters()
        base = f"/v3/kafka/{names[0]}"
        assert json.loads(recorded[f"{base}/consumer"].body)["consumers"] == client.groups(names[0])
        topics = json.loads(recorded[f"{base}/topic"].body)["topics"]
        assert topics == client.topics(names[0])
        offsets = json.loads(recorded[f"{base}/topic/{topics[0]}"].body)["offsets"]
        assert offsets == client.offsets(names[0], topics[0])


def test_every_recorded_group() -> None:
    """Of each group of a real Burrow comes its answer, ``None`` where it is unknown, a refusal where it is none."""
    recorded = mixed()
    outcomes: Counter[str] = Counter()
    with FaultServer(by_path(dict(recorded))) as server:
        client = Asking(server.address)
        for path in (path for path in recorded if path.endswith("/lag")):
            _, _, _, cluster, _, group, _ = map(unquote, path.split("/"))
            expected = json.loads(recorded[path].body).get("status", {})
            try:
                evaluation = client.group(cluster, group)
            except BurrowError as error:
                outcomes[error.reason] += 1
                continue
            outcomes["known" if evaluation else "unknown"] += 1
            if evaluation:
                answer = evaluation.status
                assert expected["totallag"] == answer.totallag
                assert len(expected["partitions"]) == len(answer.partitions)
            else:
                assert expected["status"] == "NOTFOUND"
    assert {"known": 14, "unknown": 1, Reason.HTTP_4XX: 1} == outcomes


def test_equal_texts_are_one() -> None:
    """Of a hundred partitions of one topic and member the names are held once; what they say stays as it was."""
    one = {"offset": 1, "timestamp": 1000, "observedAt": 1000, "lag": 0}
    parts = [
        {
            "topic": f"t{number % 2}",
            "partition": number,
            "owner": f"/10.0.0.{number % 2}",
            "client_id": "one",
            "status": "OK",
            "start": one,
            "end": one,
            "current_lag": 0,
            "complete": 1,
        }
        for number in range(100)
    ]
    found = group_of(good(status=lag(partitions=parts)))
    assert found
    names = ("topic", "owner", "client_id", "status")
    assert [[each[name] for name in names] for each in parts] == [
        [getattr(each, name) for name in names] for each in found.partitions
    ]
    assert [2, 2, 1, 1] == [len({id(getattr(each, name)) for each in found.partitions}) for name in names]


def test_one_connection() -> None:
    """Many requests of one thread go over one connection, answers in chunks and refusals included."""
    steps = [reply(CLUSTERS), send(chunked(CLUSTERS[:7], CLUSTERS[7:])), reply(b"{}", 404), reply(CLUSTERS)] * 5
    with FaultServer(in_turn(*steps)) as server:
        asking = Asking(server.address)
        for index in range(20):
            if index % 4 == 2:
                assert asking.refusal().reason is Reason.HTTP_4XX
            else:
                assert NAMES == asking.clusters()
        assert (1, 20) == (len(server.connections), len(server.heads))


def test_as_many_connections_as_requests_at_once() -> None:
    """Requests at once do not share a connection, and those after them use the same ones."""
    with FaultServer(in_turn(reply(CLUSTERS))) as server:
        asking = Asking(server.address)
        assert [NAMES] * 4 == asking.at_once(4)
        assert [NAMES] * 8 == asking.at_once(4) + asking.at_once(4)
        assert (4, 12) == (len(server.connections), len(server.heads))


@pytest.mark.parametrize(
    "more",
    [
        b"garbage",
        b"HTTP/1.1 101 Go on\r\nConnection: Upgrade\r\nUpgrade: h2c\r\n\r\n",
        head(5, 500) + b"other",
        head(5) + b"other",
        head(1_000_000) + b" " * 100_000,
    ],
    ids=["garbage", "another protocol", "another answer", "more of the same", "much more"],
)
def test_more_than_was_asked_for(more: bytes) -> None:
    """What comes after the answer costs the connection, not the answer."""
    with FaultServer(in_turn(send(head(len(CLUSTERS)) + CLUSTERS + more), reply(CLUSTERS))) as server:
        asking = Asking(server.address)
        assert [NAMES, NAMES] == [asking.clusters(), asking.clusters()]
        assert 2 == len(server.connections)


def test_an_answer_that_comes_unasked() -> None:
    """What comes between two requests is not the answer to the second."""

    def twice(connection: socket.socket) -> bool:
        connection.sendall(head(len(CLUSTERS)) + CLUSTERS)
        time.sleep(0.05)
        other = good(clusters=["other"])
        connection.sendall(head(len(other)) + other)
        return True

    with FaultServer(in_turn(twice, reply(CLUSTERS))) as server:
        asking = Asking(server.address)
        assert NAMES == asking.clusters()
        time.sleep(0.3)
        assert NAMES == asking.clusters()
        assert 2 == len(server.connections)


def test_a_connection_closed_when_idle() -> None:
    """A connection that the server closed between two requests costs no poll its answer."""
    steps = (then_close(head(len(CLUSTERS)) + CLUSTERS), reply(CLUSTERS))
    with FaultServer(in_turn(*steps)) as server:
        asking = Asking(server.address)
        assert NAMES == asking.clusters()
        time.sleep(0.1)
        assert NAMES == asking.clusters()
        assert 2 == len(server.connections)


def test_what_is_sent() -> None:
    """A request says who asks and for what, wants no compression, and carries no cookie and no credentials."""
    with FaultServer(in_turn(reply(CLUSTERS, Set_Cookie="a=b"))) as server:
        asking = Asking(f"{server.address}/")
        asking.clusters()
        asking.clusters()
    lines = server.heads[1].decode().split("\r\n")
    headers = {name.lower(): value for name, _, value in (line.partition(": ") for line in lines[1:] if line)}
    assert "GET /v3/kafka HTTP/1.1" == lines[0]
    assert ("application/json", "identity") == (headers["accept"], headers["accept-encoding"])
    assert {"accept", "accept-encoding", "host", "user-agent"} == headers.keys()


def test_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """A proxy in the environment is not used: Burrow is a neighbour."""
    for name in ("http_proxy", "HTTP_PROXY", "all_proxy"):
        monkeypatch.setenv(name, "http://127.0.0.1:1")
    with FaultServer(in_turn(reply(CLUSTERS))) as server:
        assert NAMES == Asking(server.address).clusters()


def test_base_path() -> None:
    """An address with a path is one Burrow behind a proxy: its path stands before Burrow's own."""
    with FaultServer(in_turn(reply(CLUSTERS))) as server:
        Asking(f"{server.address}/team/burrow/").clusters()
        assert ["/team/burrow/v3/kafka"] == server.asked


@pytest.mark.parametrize("name", ODD_NAMES)
def test_odd_names(name: str) -> None:
    """Any name is one segment of the path and reaches Burrow as it was listed."""
    body = good(status=lag("c/1", name), topics=[], consumers=[], offsets=[7])
    with FaultServer(in_turn(reply(body))) as server:
        client = Asking(server.address)
        evaluation = client.group("c/1", name)
        assert evaluation
        assert name == evaluation.status.group
        assert [7] == client.offsets("c/1", name)
        client.groups(name)
        client.topics(name)
        *asked, consumer, topic = [[unquote(part) for part in target.split("/")] for target in server.asked]
    assert [["", "v3", "kafka", "c/1", "consumer", name, "lag"], ["", "v3", "kafka", "c/1", "topic", name]] == asked
    assert [["", "v3", "kafka", name, "consumer"], ["", "v3", "kafka", name, "topic"]] == [consumer, topic]


@pytest.mark.parametrize("name", ["a/b", "a b", "pct%2Fname", "line\nbreak", "..", "."])
def test_odd_names_at_a_burrow(name: str) -> None:
    """A group that Burrow does not know, or cannot be asked for, is none, whatever its name collapses to."""
    with SimulatedBurrow() as simulated:
        client = Asking(simulated.address)
        try:
            outcome = client.group("eu-west", name)
        except BurrowError as error:
            outcome, reason = None, error.reason
            refusals = {Reason.HTTP_4XX, Reason.REDIRECT, Reason.MISMATCH, Reason.SHAPE}
            assert (True, True) == (name in {"a/b", "..", "."}, reason in refusals)
        assert outcome is None


# Readiness


@pytest.mark.parametrize(
    ("reason", "step"),
    [
        (None, reply(b"READY")),
        (None, reply(b'{"error":true,"message":"invalid request type"}', 404)),
        (Reason.NOT_READY, reply(b"STARTING", 503)),
        (Reason.HTTP_5XX, reply(b"", 500)),
        (Reason.HTTP_4XX, reply(b"", 403)),
        (Reason.REDIRECT, reply(b"", 302, Location="/burrow/admin")),
    ],
)
def test_readiness(reason: Reason | None, step: Step) -> None:
    """200 and the 404 of old versions count as ready, 503 as starting, anything else as a failure."""
    with FaultServer(in_turn(step)) as server:
        outcome = None
        try:
            Asking(server.address).check_ready()
        except BurrowError as error:
            outcome = error.endpoint, error.reason
        assert (reason and (Endpoint.READY, reason)) == outcome
        assert ["/burrow/admin/ready"] == server.asked


def test_starting_is_not_tried_again() -> None:
    """A Burrow that is starting is asked again by the next poll, not by this one."""
    with FaultServer(in_turn(reply(b"STARTING", 503))) as server:
        with pytest.raises(BurrowError, match="503"):
            Asking(server.address).check_ready()
        assert 1 == len(server.heads)


# What fails below HTTP


@pytest.mark.parametrize(
    "step",
    [
        then_close(),
        then_reset(),
        then_reset(head(100) + b'{"error":'),
        then_close(head(100) + b'{"error":'),
        then_close(head(len(CLUSTERS) + 1) + CLUSTERS),
        then_close(chunked(CLUSTERS[:9], end=False)),
        then_close(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n"),
        then_close(b"SSH-2.0-OpenSSH_9.2\r\n\r\n"),
        then_close(b"HTTP/1.1 200 OK\r\nContent-Le"),
        then_close(b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n"),
        then_hang(b"HTTP/1.1 101 Switching\r\nConnection: Upgrade\r\nUpgrade: h2c\r\n\r\n"),
        then_hang(b"HTTP/1.1 101 Switching\r\n\r\n"),
        then_hang(b"HTTP/1.1 200 OK\r\nX: " + b"y" * 400_000),
        then_close(b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n{}"),
    ],
    ids=[
        "closed before the answer",
        "reset before the answer",
        "reset in the body",
        "closed in the body",
        "closed one byte early",
        "closed between chunks",
        "no size of a chunk",
        "no HTTP",
        "closed in a line of the head",
        "closed in the head",
        "another protocol",
        "another protocol unnamed",
        "too long a header",
        "two lengths",
    ],
)
def test_broken_connections(step: Step) -> None:
    """A connection that breaks, at whatever point, is a failure of the connection that names the resource."""
    error = error_of(step)
    assert (Endpoint.CLUSTERS, Reason.CONNECTION) == (error.endpoint, error.reason), error
    assert error.detail.startswith("/v3/kafka: ")


def test_refused() -> None:
    """A port on which nobody listens is a failure of the connection, said in few words."""
    with FaultServer(in_turn(reply())) as server:
        pass
    error = Asking(server.address).refusal()
    assert (Reason.CONNECTION, "/v3/kafka: Connection refused") == (error.reason, error.detail)


@pytest.mark.parametrize(
    ("expected", "error"),
    [
        ("Address already in use", OSError(errno.EADDRINUSE, "in use (while attempting to bind on address ('::', 1))")),
        ("No route to host", OSError(errno.EHOSTUNREACH, "Connect call failed ('10.0.0.1', 8000)")),
        ("Name not known", socket.gaierror(socket.EAI_NONAME, "Name not known")),
        ("[SSL: NO] no", ssl.SSLError(1, "[SSL: NO] no (_ssl.c:1006)")),
        ("[SSL: NO] no", ssl.SSLCertVerificationError(1, "[SSL: NO] no (_ssl.c:1006)")),
        ("timed out", TimeoutError()),
    ],
)
def test_few_words(expected: str, error: Exception) -> None:
    """A failure below HTTP is said without numbers of errors, addresses, or lines of Python's source."""
    assert expected == error_text(error)


def test_unknown_host() -> None:
    """A host that is not known is a failure of the connection."""
    assert Asking("http://no-such-host.invalid:8000").refusal().reason is Reason.CONNECTION


@pytest.mark.filterwarnings("error::pytest.PytestUnhandledThreadExceptionWarning")
def test_host_that_cannot_be_looked_up() -> None:
    """A look-up that fails in a way of its own is a failure of the connection at once, not a time-out."""
    error = Asking("http://a..b:8000", timeout=30).refusal()
    assert (Reason.CONNECTION, True) == (error.reason, "label empty or too long" in error.detail)


HANGING = {
    "before the answer": then_hang(),
    "in the head": then_hang(b"HTTP/1.1 200 OK\r\nContent-Le"),
    "in the body": then_hang(head(100) + b"{"),
    "between chunks": then_hang(chunked(b"{", end=False)),
    "dripping head": drip(b"HTTP/1.1 200 OK\r\n", b"X: y\r\n"),
    "dripping line": drip(b"HTTP/1.1 200 OK\r\nX: ", b"y"),
    "dripping interim answers": drip(b"", b"HTTP/1.1 100 Continue\r\n\r\n"),
    "dripping body": drip(head(1_000_000), b" "),
    "dripping chunks": drip(chunked(end=False), b"1\r\n \r\n"),
    "dripping without a length": drip(b"HTTP/1.1 200 OK\r\n\r\n", b" "),
}


@pytest.mark.parametrize("step", HANGING.values(), ids=HANGING)
def test_time_out(step: Step) -> None:
    """An answer that hangs or drips, at whatever point, is given up when the request's time is over."""
    begun = time.monotonic()
    error = error_of(step, timeout=0.25)
    assert 0.2 < time.monotonic() - begun < 1.0
    assert (Endpoint.CLUSTERS, Reason.TIMEOUT) == (error.endpoint, error.reason), error


def test_slow_but_in_time() -> None:
    """An answer that comes in many small pieces is read whole as long as there is time."""

    def step(connection: Any) -> bool:
        for byte in head(len(CLUSTERS)) + CLUSTERS:
            connection.sendall(bytes([byte]))
            time.sleep(0.002)
        return True

    with FaultServer(in_turn(step)) as server:
        assert NAMES == Asking(server.address, timeout=5).clusters()


def test_after_a_time_out() -> None:
    """The next request goes over a new connection and gets its own answer, not the late one."""
    with FaultServer(in_turn(then_hang(head(100)), reply(CLUSTERS))) as server:
        asking = Asking(server.address, timeout=0.2)
        assert asking.refusal().reason is Reason.TIMEOUT
        assert NAMES == asking.clusters()
        assert 2 == len(server.connections)


# What fails in HTTP


@pytest.mark.parametrize(
    ("reason", "status"),
    [
        (Reason.HTTP_5XX, 500),
        (Reason.HTTP_5XX, 502),
        (Reason.HTTP_5XX, 503),
        (Reason.HTTP_4XX, 400),
        (Reason.HTTP_4XX, 401),
        (Reason.HTTP_4XX, 404),
        (Reason.HTTP_4XX, 429),
        (Reason.HTTP_2XX, 201),
        (Reason.HTTP_2XX, 204),
        (Reason.HTTP_2XX, 206),
        (Reason.REDIRECT, 301),
        (Reason.REDIRECT, 302),
        (Reason.REDIRECT, 307),
        (Reason.REDIRECT, 308),
    ],
)
def test_status(reason: Reason, status: int) -> None:
    """Any other status than 200 is a failure that names it, and a redirect is not followed."""
    with FaultServer(in_turn(reply(b"no JSON", status, Location="/elsewhere"))) as server:
        error = Asking(server.address).refusal()
        assert (reason, f"/v3/kafka returned {status}") == (error.reason, error.detail)
        assert ["/v3/kafka"] == server.asked


@pytest.mark.parametrize("status", [200, 404])
@pytest.mark.parametrize("rest", ["", ',"clusters":[]'])
def test_burrows_own_refusal(status: int, rest: str) -> None:
    """The message of an answer with ``error: true`` is passed on, whatever its status and whatever else it holds."""
    error = error_of(reply(f'{{"error":true,"message":"cluster module not found"{rest}}}'.encode(), status))
    assert (Reason.REFUSED if status == 200 else Reason.HTTP_4XX) is error.reason
    assert error.detail.endswith("cluster module not found")


# What is wrong with an answer


@pytest.mark.parametrize(
    ("reason", "body"),
    [
        (Reason.NOT_JSON, b""),
        (Reason.NOT_JSON, b"GOOD"),
        (Reason.NOT_JSON, b"<html>Bad gateway</html>"),
        (Reason.NOT_JSON, CLUSTERS[:-1]),
        (Reason.NOT_JSON, CLUSTERS + b"}"),
        (Reason.NOT_JSON, b'{"error":false,"message":"","clusters":["\xff"]}'),
        (Reason.NOT_JSON, b'{"error":false,"message":"","clusters":["\\ud800"]}'),
        (Reason.NOT_JSON, b'{"error":false,"message":"","clusters":[],"x":' + b"[" * 100_000),
        (Reason.SHAPE, b"null"),
        (Reason.SHAPE, b"[]"),
        (Reason.SHAPE, b"{}"),
        (Reason.SHAPE, good()),
        (Reason.SHAPE, good(clusters=None)),
        (Reason.SHAPE, good(clusters={})),
        (Reason.SHAPE, good(clusters=["a", 1])),
    ],
)
def test_unusable_bodies(reason: Reason, body: bytes) -> None:
    """What is no JSON, or of another shape, is refused and not asked for again."""
    with FaultServer(in_turn(reply(body))) as server:
        error = Asking(server.address).refusal()
        assert (Endpoint.CLUSTERS, reason) == (error.endpoint, error.reason), error
        assert 1 == len(server.heads)


@pytest.mark.parametrize(
    ("field_name", "body"),
    [
        ("clusters", good()),
        ("$.clusters[1]", good(clusters=["a", 1])),
        ("message", b'{"error":false,"clusters":[]}'),
        ("$.message", b'{"error":false,"message":1,"clusters":[]}'),
    ],
)
def test_the_field_is_named(field_name: str, body: bytes) -> None:
    """The error of an answer of another shape names the endpoint and the field."""
    error = error_of(reply(body))
    assert field_name in error.detail
    assert str(error).startswith("clusters: /v3/kafka: ")


@pytest.mark.parametrize(
    ("field_name", "change"),
    [
        ("current_lag", {"current_lag": None}),
        ("current_lag", {"current_lag": -1}),
        ("current_lag", {"current_lag": 1.5}),
        ("partition", {"partition": "0"}),
        ("partition", {"partition": -1}),
        ("topic", {"topic": None}),
        ("status", {"status": 1}),
        ("complete", {"complete": "1"}),
        ("end.observedAt", {"end": {"offset": 1, "timestamp": 1, "observedAt": None, "lag": None}}),
        ("end", {"end": []}),
    ],
)
def test_the_field_of_a_partition_is_named(field_name: str, change: dict[str, Any]) -> None:
    """The error of a group's answer names the group's resource and the field of the partition that is wrong."""
    with pytest.raises(BurrowError) as caught:
        group_of(good(status=lag(partitions=[partition() | change])))
    assert (Endpoint.LAG, Reason.SHAPE) == (caught.value.endpoint, caught.value.reason)
    assert caught.value.detail.startswith("/v3/kafka/c/consumer/g/lag: ")
    assert f"$.status.partitions[0].{field_name}" in caught.value.detail


@pytest.mark.parametrize("missing", partition())
def test_missing_field_of_a_partition(missing: str) -> None:
    """Every field of a partition that is used must be there."""
    fields = {name: value for name, value in partition().items() if name != missing}
    with pytest.raises(BurrowError, match=f"missing required field `{missing}`"):
        group_of(good(status=lag(partitions=[fields])))


@pytest.mark.parametrize("name", ["offset", "timestamp", "observedAt"])
@pytest.mark.parametrize("number", [10**30, 10**400, -(10**30)], ids=["large", "beyond floats", "negative"])
def test_numbers_no_burrow_knows(name: str, number: int) -> None:
    """A number beyond 64 bits costs that group and not the poll: later sums with it would break."""
    end = {"offset": 1, "timestamp": 1, "observedAt": 1, "lag": 1, name: number}
    with pytest.raises(BurrowError) as caught:
        group_of(good(status=lag(partitions=[partition() | {"end": end}])))
    assert Reason.SHAPE is caught.value.reason
    assert caught.value.detail.endswith(f"`$.status.partitions[0].end.{name}`")


def test_unknown_fields() -> None:
    """A field that is new in Burrow is ignored, at any depth."""
    new: dict[str, Any] = {"new": {"a": [1]}}
    answer = group_of(good(status=lag(partitions=[partition() | new], **new), **new))
    assert answer
    assert 1 == len(answer.partitions)


@pytest.mark.parametrize(
    ("cluster", "group"), [("c", "other"), ("other", "g"), ("other", "other"), ("c", "G"), ("c", "")]
)
@pytest.mark.parametrize("status", [200, 404])
def test_answer_for_another(cluster: str, group: str, status: int) -> None:
    """An answer that names another group or cluster than asked for is refused, one that knows it not included."""
    body = good(status=lag(cluster, group, "NOTFOUND" if status == 404 else "OK"))
    with pytest.raises(BurrowError) as caught:
        group_of(body, status)
    assert Reason.MISMATCH is caught.value.reason
    assert repr(group) in caught.value.detail


@pytest.mark.parametrize("status", [200, 404])
def test_unknown_group(status: int) -> None:
    """A group that Burrow lists but does not know is no failure."""
    assert group_of(good(status=lag(status="NOTFOUND")), status) is None


@pytest.mark.parametrize("body", [b"404 page not found\n", b'{"error":true,"message":"invalid request type"}', b"\xff"])
def test_group_that_cannot_be_asked_for(body: bytes) -> None:
    """A 404 that is no answer for a group is a refusal."""
    with pytest.raises(BurrowError) as caught:
        group_of(body, 404)
    assert Reason.HTTP_4XX is caught.value.reason


def test_404_of_another_shape() -> None:
    """A 404 that claims to be an answer but holds no status is of the wrong shape."""
    with pytest.raises(BurrowError, match="status") as caught:
        group_of(good(), 404)
    assert Reason.SHAPE is caught.value.reason


# How large an answer may be


@pytest.mark.parametrize(
    "send_it",
    [
        lambda body: head(len(body)) + body,
        lambda body: chunked(body[:50], body[50:]),
        lambda body: b"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n" + body,
    ],
    ids=["length", "chunks", "until closed"],
)
def test_bound(monkeypatch: pytest.MonkeyPatch, send_it: Callable[[bytes], bytes]) -> None:
    """An answer of exactly the bound is taken, one byte more is refused and not asked for again."""
    body = CLUSTERS.ljust(100)
    for bound in (100, 99):
        monkeypatch.setattr(client, "MAX_ANSWER_BYTES", bound)
        with FaultServer(in_turn(then_close(send_it(body)))) as server:
            asking = Asking(server.address)
            if bound == 100:
                assert NAMES == asking.clusters()
            else:
                error = asking.refusal()
                assert (Reason.TOO_LARGE, "/v3/kafka returned more than 99 bytes") == (error.reason, error.detail)
            assert 1 == len(server.heads)


def test_without_end(monkeypatch: pytest.MonkeyPatch) -> None:
    """Chunks without end are read up to the bound only, and the connection is not used again."""
    monkeypatch.setattr(client, "MAX_ANSWER_BYTES", 100_000)

    def endless(connection: Any) -> bool:
        connection.sendall(chunked(end=False))
        while True:
            connection.sendall(b"1000\r\n" + b" " * 0x1000 + b"\r\n")

    with FaultServer(in_turn(endless, reply(CLUSTERS))) as server:
        asking = Asking(server.address)
        begun = time.monotonic()
        assert asking.refusal().reason is Reason.TOO_LARGE
        assert time.monotonic() - begun < 1
        assert NAMES == asking.clusters()
        assert 2 == len(server.connections)


@pytest.mark.parametrize("encoding", ["gzip", "deflate", "br", "gzip, gzip"])
def test_compressed_all_the_same(encoding: str) -> None:
    """An answer compressed although that was not asked for is never unpacked, so that its size has a bound."""
    with FaultServer(in_turn(reply(gzip.compress(CLUSTERS), Content_Encoding=encoding))) as server:
        assert Asking(server.address).refusal().reason is Reason.NOT_JSON


def test_wrongly_said_to_be_compressed() -> None:
    """Plain JSON counts, whatever its Content-Encoding says."""
    with FaultServer(in_turn(reply(CLUSTERS, Content_Encoding="gzip"))) as server:
        assert NAMES == Asking(server.address).clusters()


# TLS


@pytest.fixture(scope="module")
def authority() -> trustme.CA:
    """Return a certificate authority that nobody knows."""
    return trustme.CA()


@pytest.fixture
def trusted(authority: trustme.CA, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Let the client trust the authority, as it trusts those of the system."""
    with authority.cert_pem.tempfile() as path:
        monkeypatch.setenv("SSL_CERT_FILE", path)
        yield


def context_of(authority: trustme.CA, name: str = "localhost") -> ssl.SSLContext:
    """Return a server's TLS context, with a certificate for ``name``."""
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    authority.issue_cert(name).configure_cert(context)
    return context


def test_tls_of_nobody_known(authority: trustme.CA) -> None:
    """A certificate of an authority that is not known is a TLS failure, and not tried again."""
    with FaultServer(in_turn(reply(CLUSTERS)), context_of(authority)) as server:
        error = Asking(server.address).refusal()
        assert Reason.TLS is error.reason
        assert "certificate verify failed" in error.detail


@pytest.mark.usefixtures("trusted")
def test_tls_of_another_host(authority: trustme.CA) -> None:
    """A certificate for another host is a TLS failure."""
    with FaultServer(in_turn(reply(CLUSTERS)), context_of(authority, "elsewhere.example")) as server:
        assert Asking(server.address).refusal().reason is Reason.TLS


def test_tls_to_a_plain_port() -> None:
    """A port that does not speak TLS is a TLS failure."""
    with FaultServer(in_turn(reply()), greeting=b"220 mail.example ESMTP\r\n") as server:
        assert Asking(server.address.replace("http:", "https:")).refusal().reason is Reason.TLS


def test_tls_handshake_that_hangs() -> None:
    """A server that takes the connection and never answers the handshake is given up in time."""
    with FaultServer(in_turn(reply())) as server:
        begun = time.monotonic()
        assert Asking(server.address.replace("http:", "https:"), timeout=0.25).refusal().reason is Reason.TIMEOUT
        assert time.monotonic() - begun < 1.0


@pytest.mark.usefixtures("trusted")
def test_tls(authority: trustme.CA) -> None:
    """Over TLS a connection is reused like any other."""
    with FaultServer(in_turn(reply(CLUSTERS)), context_of(authority)) as server:
        asking = Asking(server.address)
        assert [NAMES] * 5 == [asking.clusters() for _ in range(5)]
        assert 1 == len(server.connections)


@pytest.mark.parametrize("step", HANGING.values(), ids=HANGING)
@pytest.mark.usefixtures("trusted")
def test_tls_time_out(authority: trustme.CA, step: Step) -> None:
    """Over TLS, too, an answer that hangs or drips is given up when the request's time is over."""
    with FaultServer(in_turn(step), context_of(authority)) as server:
        begun = time.monotonic()
        assert Asking(server.address, timeout=0.25).refusal().reason is Reason.TIMEOUT
        assert time.monotonic() - begun < 1.0


@contextmanager
def dripping_handshake() -> Iterator[str]:
    """Serve a TLS handshake of which a byte comes every 50 ms; return the address."""
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def serve() -> None:
            with suppress(OSError):  # the client has gone, or the test is over
                connection, _ = listener.accept()
            with suppress(OSError), connection:
                connection.sendall(b"\x16\x03\x03\x40\x00")
                while not threading.Event().wait(0.05):
                    connection.sendall(b"\x02")

        threading.Thread(target=serve, daemon=True).start()
        yield f"https://localhost:{listener.getsockname()[1]}"


def test_tls_handshake_that_drips() -> None:
    """A handshake that goes on for ever is given up when the request's time is over."""
    with dripping_handshake() as address:
        begun = time.monotonic()
        assert Asking(address, timeout=0.25).refusal().reason is Reason.TIMEOUT
        assert time.monotonic() - begun < 1.0


# Addresses of a name


def test_the_second_address_of_a_name(monkeypatch: pytest.MonkeyPatch) -> None:
    """A first address that swallows packets leaves time for the second, which answers."""
    with FaultServer(in_turn(reply(CLUSTERS))) as server, swallowing(server.port):
        look_up(monkeypatch, [["127.0.0.2", "127.0.0.1"]], server.port)
        begun = time.monotonic()
        assert NAMES == Asking(f"http://burrow.example:{server.port}", timeout=4).clusters()
        assert 0.9 < time.monotonic() - begun < 2.5


def test_a_name_is_looked_up_anew_by_each_walk(monkeypatch: pytest.MonkeyPatch) -> None:
    """Within a walk the connection stays; the next one goes to where the name leads then."""
    with FaultServer(in_turn(reply(CLUSTERS))) as server, socket.create_server(("127.0.0.2", server.port)) as other:
        look_up(monkeypatch, [["127.0.0.1"], ["127.0.0.2"]], server.port)
        asking = Asking(f"http://burrow.example:{server.port}", timeout=0.3)
        assert [NAMES, NAMES] == [asking.clusters(), asking.clusters()]
        asking.close()
        assert asking.refusal().reason is Reason.TIMEOUT
        other.accept()[0].close()
    assert 1 == len(server.connections)


def look_up(monkeypatch: pytest.MonkeyPatch, answers: list[list[str]], port: int) -> None:
    """Let each look-up of a name bring the next of these lists of addresses."""
    left = iter(answers)

    def found(*_arguments: Any, **_options: Any) -> list[Any]:
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (address, port)) for address in next(left)]

    monkeypatch.setattr(socket, "getaddrinfo", found)


@contextmanager
def swallowing(port: int) -> Iterator[None]:
    """Let 127.0.0.2 take no connection on this port and refuse none: its queue is full."""
    with ExitStack() as opened:
        listener = opened.enter_context(socket.socket())
        listener.bind(("127.0.0.2", port))
        listener.listen(0)
        for _ in range(4):
            waiting = opened.enter_context(socket.socket())
            waiting.settimeout(0)
            waiting.connect_ex(("127.0.0.2", port))
        yield
