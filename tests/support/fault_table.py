"""Faults of a Burrow and the expected behaviour of the exporter: one table, for the test and the documentation.

The Burrow has the clusters ``c``, with the groups ``g`` and ``h``, and ``d``, with a group ``g``. A fault that hits one
group hits ``g`` of ``c``. Meanwhile the lags of all other groups move.
"""

from __future__ import annotations

import gzip
import socket
import ssl
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import Any, Self
from unittest.mock import patch

from burrow_exporter.burrow.answers import LARGEST
from tests.support.faults import (
    FaultServer,
    Step,
    chunked,
    drip,
    good,
    head,
    reply,
    send,
    then_close,
    then_hang,
    then_reset,
)
from tests.support.pages import Sample
from tests.support.recorded import NOT_FOUND, Recorded, answer, commit, lag_answer, partition, small
from tests.support.secured import authority

Samples = dict[Sample, float]
READY, CLUSTERS, GROUPS, TOPICS = "/burrow/admin/ready", "/v3/kafka", "/v3/kafka/c/consumer", "/v3/kafka/c/topic"
GROUP, TOPIC = f"{GROUPS}/g/lag", f"{TOPICS}/orders"
STATUS, LAG_TOTAL = "burrow_kafka_consumer_status", "burrow_kafka_consumer_lag_total"
PARTITION_LAG, CURRENT_OFFSET = "burrow_kafka_consumer_partition_lag", "burrow_kafka_consumer_current_offset"
PARTITION_STATUS, LAG_MAX = "burrow_kafka_topic_partition_status", "burrow_kafka_consumer_lag_max"
LOG_END = "burrow_kafka_topic_partition_offset"
MANY = 1000


class World:
    """A Burrow; ``answers`` are its responses by path. A context manager."""

    def __init__(self, *, tls: bool = False, reconnect: bool = False) -> None:
        """Have each request on a connection of its own where ``reconnect``."""
        other = small({"g": lag_answer("d", "g", partition())})
        self.answers: dict[str, Recorded | Step] = {path.replace("/c/", "/d/"): told for path, told in other.items()}
        self.answers |= small({name: lag_answer("c", name, partition()) for name in ("g", "h")})
        self.answers[CLUSTERS] = answer(clusters=["c", "d"])
        self._headers = {"Connection": "close"} if reconnect else {}
        self.server = FaultServer(self._plan, certified() if tls else None)

    def __enter__(self) -> Self:
        """Serve."""
        self.server.__enter__()
        return self

    def __exit__(self, *_: object) -> None:
        """End."""
        self.server.__exit__(None, None, None)

    def move(self) -> AbstractContextManager[object]:
        """Let the other groups progress during the fault."""
        moving = {"h": "c", "g": "d"}
        moved = {
            f"/v3/kafka/{cluster}/consumer/{name}/lag": lag_answer(cluster, name, partition(current_lag=11))
            for name, cluster in moving.items()
        }
        return patch.dict(self.answers, moved)

    def restart(self) -> None:
        """Serve again on the same port."""
        self.server = FaultServer(self._plan, port=self.server.port)
        self.server.__enter__()

    def _plan(self, path: str) -> Step:
        told = self.answers.get(path, NOT_FOUND)
        return reply(told.body.encode(), told.status, **self._headers) if isinstance(told, Recorded) else told


During = Callable[[World], AbstractContextManager[object]]
"""Makes a Burrow fail for as long as the context lasts."""


@dataclass(frozen=True)
class Page:
    """What is on the page meanwhile: in words, made from the page before, and how many groups of ``c`` are unread."""

    words: str
    of: Callable[[Samples], Samples]
    up: int = 1
    unreadable: int | None = 0


@dataclass(frozen=True)
class Fault:
    """One fault. ``counted`` are endpoints and reasons of the failures, ``said`` a part of what is logged of them."""

    what: str
    hits: str
    page: Page
    counted: frozenset[tuple[str, str]] = frozenset()
    said: str = ""
    during: During = nullcontext
    world: Mapping[str, bool] = field(default_factory=dict)

    def __str__(self) -> str:
        """Return its name."""
        return f"{self.hits}: {self.what}"

    @property
    def times_out(self) -> bool:
        """Whether it lasts until the request times out."""
        return any(reason == "timeout" for _, reason in self.counted)

    @property
    def outlasts_the_poll(self) -> bool:
        """Whether only the poll's deadline ends it."""
        return any(reason == "deadline" for _, reason in self.counted)


# What stays on the page, and what goes


def moved(before: Samples, clusters: str = "cd") -> Samples:
    """Return the page once the groups that no fault hits have moved on, in these clusters."""
    lags = {PARTITION_LAG, LAG_TOTAL, LAG_MAX}
    moving = {("c", "h"), ("d", "g")}
    return {
        sample: 11 if sample[0] in lags and key_of(sample) in moving and key_of(sample)[0] in clusters else value
        for sample, value in before.items()
    }


def key_of(sample: Sample) -> tuple[str, str | None]:
    """Return cluster and group of a sample."""
    labels = dict(sample[1])
    return labels["cluster"], labels.get("consumer_group")


def without(*families: str) -> Callable[[Samples], Samples]:
    """Return what takes these families of the group away, all of them if none are named."""
    return lambda before: {
        sample: value
        for sample, value in moved(before).items()
        if key_of(sample) != ("c", "g") or (families and sample[0] not in families)
    }


def holding(value: int, family: str, label: str, name: str) -> Callable[[Samples], Samples]:
    """Return what sets a family's samples of cluster ``c`` that have a label."""
    return lambda before: (
        moved(before)
        | {
            sample: float(value)
            for sample in before
            if sample[0] == family and {("cluster", "c"), (label, name)} <= sample[1]
        }
    )


def flooded(before: Samples) -> Samples:
    """Return the page once many groups more are listed, after which nothing is read."""
    listed = "burrow_kafka_cluster_consumer_groups", frozenset({("cluster", "c")})
    return moved(before, "c") | {listed: MANY + 2}


STAYS = Page("all of it stays", lambda before: before, up=0, unreadable=2)
CLUSTER_STAYS = Page("the cluster stays, the other moves on", lambda before: moved(before, "d"), unreadable=2)
GROUP_STAYS = Page("the group stays, the others move on", moved, unreadable=1)
MANY_UNREAD = Page("what was asked before them moves on, the rest stays", flooded, unreadable=MANY)
TOPIC_STAYS = Page("the topic stays, the rest moves on", moved)
MOVES = Page("as without the fault", moved)
GROUP_GOES = Page("the group goes, the others move on", without())
STATUS_GOES = Page(f"`{STATUS}` of the group goes", without(STATUS))
PARTITION_STATUS_GOES = Page(f"`{PARTITION_STATUS}` of the partition goes", without(PARTITION_STATUS))
LARGEST_COMMIT = Page("the offset as returned", holding(LARGEST, CURRENT_OFFSET, "consumer_group", "g"))
LARGEST_LOG_END = Page("the offset as returned", holding(LARGEST, LOG_END, "topic", "orders"))
EMPTY = Page("all of it goes", lambda _: {}, unreadable=None)


# What goes wrong


def answering(step: Recorded | Step, *paths: str) -> During:
    """Return what makes a Burrow answer so on these paths, on all if none are named."""
    return lambda world: patch.dict(world.answers, dict.fromkeys(paths or world.answers, step))


@contextmanager
def down(world: World) -> Iterator[None]:
    """Stop listening."""
    world.server.__exit__(None, None, None)
    yield
    world.restart()


@contextmanager
def unresolved(_: World) -> Iterator[None]:
    """Make every DNS lookup fail."""
    with patch.object(socket, "getaddrinfo", side_effect=socket.gaierror(socket.EAI_NONAME, "Name not known")):
        yield


def shaking(**differences: Any) -> During:
    """Return what makes a Burrow shake hands otherwise."""
    return lambda world: patch.object(world.server, "_context", certified(**differences))


def certified(
    of: str = "burrow", name: str = "localhost", *, expired: bool = False, asks: bool = False
) -> ssl.SSLContext:
    """Return TLS with a certificate ``of`` an authority; ``asks`` for one of the client's too."""
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    end = datetime(2020, 1, 1, tzinfo=UTC) if expired else None
    authority(of).issue_cert(name, not_before=end and end.replace(year=2019), not_after=end).configure_cert(context)
    if asks:
        # With TLS 1.3 a client hears of it only after its handshake, in place of its first answer.
        context.maximum_version = ssl.TLSVersion.TLSv1_2
        context.verify_mode = ssl.CERT_REQUIRED
    return context


def endless(connection: socket.socket) -> bool:
    """Send chunks for as long as the client reads."""
    connection.sendall(chunked(end=False))
    while True:
        connection.sendall(b"1000\r\n" + b" " * 0x1000 + b"\r\n")


def hanging_groups(world: World) -> AbstractContextManager[object]:
    """List many groups more that never answer."""
    names = [f"hanging-{index}" for index in range(MANY)]
    paths = [f"{GROUPS}/{name}/lag" for name in names]
    return patch.dict(
        world.answers, {**dict.fromkeys(paths, then_hang()), GROUPS: answer(consumers=["g", "h", *names])}
    )


def whole(what: str, reason: str, said: str, during: During, **world: bool) -> Fault:
    """Return a fault of the whole Burrow."""
    return Fault(what, "Burrow", STAYS, frozenset({("ready", reason)}), said, during, world)


def network(what: str, reason: str, said: str, during: During) -> Fault:
    """Return a fault that occurs when connecting."""
    return whole(what, reason, said, during, reconnect=True)


def handshake(what: str, said: str, **differences: Any) -> Fault:
    """Return a fault of TLS."""
    return whole(what, "tls", said, shaking(**differences), reconnect=True, tls=True)


def on_clusters(what: str, reason: str, said: str, step: Step) -> Fault:
    """Return a fault of the list of clusters."""
    return Fault(what, "list of clusters", STAYS, frozenset({("clusters", reason)}), said, answering(step, CLUSTERS))


def on_groups(what: str, reason: str, said: str, step: Step) -> Fault:
    """Return a fault of one cluster's list of groups."""
    return Fault(
        what, "list of groups", CLUSTER_STAYS, frozenset({("consumers", reason)}), said, answering(step, GROUPS)
    )


def on_group(what: str, reason: str, said: str, told: Recorded | Step, page: Page = GROUP_STAYS) -> Fault:
    """Return a fault of one group's response."""
    counted = frozenset({("lag", reason)} if reason else ())
    return Fault(what, "group", page, counted, said, answering(told, GROUP))


def on_topic(what: str, reason: str, said: str, told: Recorded | Step, page: Page = TOPIC_STAYS) -> Fault:
    """Return a fault of one topic's response."""
    counted = frozenset({("topic", reason)} if reason else ())
    return Fault(what, "topic", page, counted, said, answering(told, TOPIC))


def group_of(**fields: Any) -> Recorded:
    """Return the group's answer with other fields in its one partition."""
    return lag_answer("c", "g", partition(**fields))


def changed(told: Recorded, before: str, after: str) -> Recorded:
    """Return an answer whose text is changed, for what Python's JSON does not write."""
    assert before in told.body
    return replace(told, body=told.body.replace(before, after, 1))


HALF = head(1000) + b'{"error":false,"message":"","clusters":["c'
NESTED = b'{"error":false,"message":"","x":' + b"[" * 900_000  # what Python 3.14 takes is as large as the stack
UPGRADE = b"HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: h2c\r\n\r\n"
BOMB = gzip.compress(b" " * 50_000_000)
ODD_GROUP = lag_answer("c", "g", partition(), status="ODD")
TWICE = lag_answer("c", "g", partition(), partition())
VANISHED = Recorded(404, "application/json", '{"error":true,"message":"cluster or consumer not found"}')

ANYWHERE: tuple[tuple[str, str, str, Step], ...] = (
    ("closed before the answer", "connection", "connection closed without a response", then_close()),
    ("reset in mid-body", "connection", "Connection reset by peer", then_reset(HALF)),
    ("closed in mid-body", "connection", "connection closed in the middle of the response", then_close(HALF)),
    (
        "closed in the head",
        "connection",
        "connection closed in the middle of the response",
        then_close(b"HTTP/1.1 200 OK\r\nCont"),
    ),
    ("another protocol", "connection", "switched to another protocol", then_hang(UPGRADE)),
    ("not HTTP", "connection", "not an HTTP response", then_close(b"SSH-2.0-OpenSSH_9.2\r\n\r\n")),
    ("hang before the answer", "timeout", "timed out", then_hang()),
    ("hang in the body", "timeout", "timed out", then_hang(HALF)),
    ("slow drip", "timeout", "/v3/kafka", drip(head(1_000_000), b" ")),
    ("500", "http_5xx", "returned 500", reply(b"broken", 500)),
    ("502", "http_5xx", "returned 502", reply(b"<html>Bad gateway</html>", 502)),
    ("503", "http_5xx", "returned 503", reply(b"", 503)),
    ("401", "http_4xx", "returned 401", reply(b"", 401)),
    ("429", "http_4xx", "returned 429", reply(b"", 429)),
    ("206", "http_2xx", "returned 206", reply(b'{"error":fal', 206)),
    ("redirect", "redirect", "returned 302", reply(b"", 302, Location="/burrow/admin")),
    ("200 with a page of HTML", "not_json", "malformed", reply(b"<html>Log in</html>", Content_Type="text/html")),
    ("empty answer", "not_json", "truncated", reply()),
    ("truncated JSON", "not_json", "truncated", reply(b'{"error":false,"message":"","clu')),
    ("deep nesting", "not_json", "while deserializing", reply(NESTED)),
    ("not UTF-8", "not_json", "utf-8", reply(b'{"error":false,"message":"\xff"}')),
    ("another type of JSON", "shape", "Expected", reply(b"[]")),
    ("a field is missing", "shape", "missing required field", reply(good())),
    ("`error: true`", "refused", "refused: no", reply(b'{"error":true,"message":"no"}')),
    ("huge answer", "too_large", "returned more than", reply(b" " * 1_500_000)),
    ("chunks without end", "too_large", "returned more than", endless),
    ("gzip bomb", "not_json", "malformed", reply(BOMB, Content_Encoding="gzip")),
)

FAULTS: tuple[Fault, ...] = (
    network("connection refused", "connection", "Connection refused", down),
    network("name not in the DNS", "connection", "Name not known", unresolved),
    handshake("TLS: certificate expired", "certificate has expired", expired=True),
    handshake("TLS: certificate for another name", "Hostname mismatch", name="elsewhere.example"),
    handshake("TLS: certificate of another authority", "certificate verify failed", of="another"),
    handshake("TLS: client certificate missing", "handshake failure", asks=True),
    whole("401 everywhere", "http_4xx", "returned 401", answering(reply(b"", 401))),
    whole("redirect everywhere", "redirect", "returned 302", answering(reply(b"", 302, Location="/login"))),
    whole("still starting", "not_ready", "returned 503", answering(reply(b"STARTING", 503), READY)),
    *(on_clusters(*row) for row in ANYWHERE),
    on_clusters("wrong types", "shape", "$.clusters[1]", reply(good(clusters=["c", 1]))),
    Fault("no cluster", "list of clusters", EMPTY, during=answering(reply(good(clusters=[])), CLUSTERS)),
    Fault("a cluster twice", "list of clusters", MOVES, during=answering(reply(good(clusters=list("cdc"))), CLUSTERS)),
    Fault(
        "the cluster vanishes after it was listed",
        "cluster",
        CLUSTER_STAYS,
        frozenset({("consumers", "http_4xx"), ("topics", "http_4xx")}),
        "cluster or consumer not found",
        answering(VANISHED, GROUPS, TOPICS, GROUP, TOPIC),
    ),
    on_groups("500", "http_5xx", "returned 500", reply(b"", 500)),
    on_groups("hang before the answer", "timeout", "timed out", then_hang()),
    on_groups("wrong types", "shape", "$.consumers[0]", reply(good(consumers=[None, "h"]))),
    Fault("a group twice", "list of groups", MOVES, during=answering(reply(good(consumers=["g", "h", "g"])), GROUPS)),
    Fault(
        f"{MANY:,} groups hang",
        "groups",
        MANY_UNREAD,
        frozenset({("lag", "timeout"), ("lag", "deadline"), ("topic", "deadline")}),
        during=hanging_groups,
    ),
    *(on_group(*row) for row in ANYWHERE),
    on_group("wrong content type", "", "", reply(group_of().body.encode(), Content_Type="text/html"), MOVES),
    on_group(
        "answer in many chunks", "", "", send(chunked(*(bytes([byte]) for byte in group_of().body.encode()))), MOVES
    ),
    on_group("answer for another group", "mismatch", "returned data for group 'h'", lag_answer("c", "h", partition())),
    on_group("answer for another cluster", "mismatch", "of cluster 'd'", lag_answer("d", "g", partition())),
    on_group("NOTFOUND", "", "", replace(lag_answer("c", "g", status="NOTFOUND"), status=404), GROUP_GOES),
    on_group("a partition twice", "shape", "contains a duplicate partition", TWICE),
    on_group("wrong types", "shape", "$.status.partitions[0].partition", group_of(number="0")),
    on_group("NaN", "not_json", "malformed", changed(group_of(), '"current_lag": 10', '"current_lag": NaN')),
    on_group("`1e999`", "shape", "complete", changed(group_of(), '10, "complete": 1', '10, "complete": 1e999')),
    on_group("a ratio above 1", "shape", "complete", group_of(complete=7.5)),
    on_group("a negative ratio", "shape", "complete", group_of(complete=-1)),
    on_group("a negative lag", "shape", "current_lag", changed(group_of(), '"current_lag": 10', '"current_lag": -10')),
    on_group("a lag of 2^63", "shape", "current_lag", group_of(current_lag=2**63)),
    on_group("an offset of 2^63", "shape", "end.offset", group_of(end=commit(offset=2**63))),
    on_group("an offset of 2^63 - 1", "", "", group_of(end=commit(offset=LARGEST)), LARGEST_COMMIT),
    on_group(
        "a name over 4 KiB", "name_too_long", "contains a name of more than 4096 bytes", group_of(topic="x" * 5000)
    ),
    on_group("unknown word for the group's status", "unknown_status", "group 'g' has ODD", ODD_GROUP, STATUS_GOES),
    on_group(
        "unknown word for a partition's status",
        "unknown_status",
        "group 'g' has ODD",
        group_of(status="ODD"),
        PARTITION_STATUS_GOES,
    ),
    on_topic("500", "http_5xx", "returned 500", reply(b"", 500)),
    on_topic("hang before the answer", "timeout", "timed out", then_hang()),
    on_topic("wrong types", "shape", "$.offsets[0]", answer(offsets=["100"])),
    on_topic("an offset of 2^63", "shape", "$.offsets[0]", answer(offsets=[2**63])),
    on_topic("NaN", "not_json", "malformed", Recorded(200, "", '{"error":false,"message":"","offsets":[NaN]}')),
    on_topic("unknown to Burrow, though listed", "http_4xx", "not found", VANISHED),
    on_topic("an offset of 2^63 - 1", "", "", answer(offsets=[LARGEST]), LARGEST_LOG_END),
)
