"""Responses made to exhaust memory: the process stays within the limits of stack and chart, and exposes the rest."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping

import pytest
import requests

from tests.support.faults import FaultServer, Plan, Step, by_path, reply
from tests.support.pages import wait_until
from tests.support.processes import exporter, peak_mib
from tests.support.recorded import Recorded, answer, lag_answer, partition, small

MIB = 1024 * 1024
LIMIT_MIB = 384
GROUPS = [f"bad{number:04}" for number in range(300)]
LIST, TOPIC = "/v3/kafka/c/consumer", "/v3/kafka/c/topic/orders"


def padded(before: bytes, after: bytes = b"") -> bytes:
    """Return an answer of 30 MiB with a long text in it."""
    return before + b"m" * (30 * MIB) + after


def listing(key: str, count: int) -> bytes:
    """Return a list of names, the good one among them."""
    names = b",".join(b'"%d"' % number for number in range(count))
    return b'{"error":false,"message":"","%s":["good",%s]}' % (key.encode(), names)


def partitions(count: int) -> Callable[[str], bytes]:
    """Return what makes the answer for a group with so many partitions."""
    one = '{"topic":"t","partition":%d,"owner":"","client_id":"","status":"OK","start":null,"end":null,'
    rows = ",".join(one % number + '"current_lag":0,"complete":1}' for number in range(count)).encode() + b"]}}"
    head = '{"error":false,"message":"","status":{"cluster":"c","group":"%s","status":"OK","totallag":0,"partitions":['
    return lambda group: (head % group).encode() + rows


REFUSAL = padded(b'{"error":true,"message":"', b'"}')
ODD = b'{"error":false,"message":"%s","status":{}}' % ("\U0001f600" + "m" * (60 * MIB)).encode()
BODIES: Mapping[str, tuple[Callable[[str], bytes], int, str]] = {
    "404 with a large body": (lambda _: padded(b""), 404, 'endpoint="lag",reason="http_4xx"'),
    "500 with a large body": (lambda _: REFUSAL, 500, 'endpoint="lag",reason="http_5xx"'),
    "200 with a large refusal": (lambda _: REFUSAL, 200, 'endpoint="lag",reason="too_large"'),
    "a large text with one odd character": (lambda _: ODD, 200, 'endpoint="lag",reason="too_large"'),
    "groups of 270,000 partitions": (partitions(270_000), 200, 'endpoint="lag",reason="too_many"'),
    "groups of 20,000 partitions": (partitions(20_000), 200, 'endpoint="lag",reason="too_many"'),
}
"""What is answered for each bad group, its status, and what is counted."""
LISTS: Mapping[str, tuple[str, bytes, str]] = {
    "200,000 clusters": ("/v3/kafka", listing("clusters", 200_000), 'endpoint="clusters",reason="too_many"'),
    "1,000,000 groups": (LIST, listing("consumers", 1_000_000), 'endpoint="consumers",reason="too_many"'),
    "2,000,000 offsets": (
        TOPIC,
        b'{"error":false,"message":"","offsets":[%s]}' % b",".join([b"0"] * 2_000_000),
        'endpoint="topic",reason="too_many"',
    ),
}
"""What is listed, where, and what is counted."""


def hostile(answers: Mapping[str, Recorded | Step], bodies: Callable[[str], bytes], status: int) -> Plan:
    """Return the prepared responses for bad groups, and the default ones for the rest."""
    plan = by_path(answers)

    def choose(path: str) -> Step:
        name = path.split("/")[-2]
        return reply(bodies(name), status) if name.startswith("bad") else plan(path)

    return choose


def survives(plan: Plan, counted: str, interval: int = 4) -> None:
    """Check that a process stays small and keeps polling while several polls get such answers."""
    flags = (f"--poll.interval={interval}s", "--poll.stale-after=60s")
    with FaultServer(plan) as server, exporter(f"--burrow.address={server.address}", *flags) as (run, address):

        def page() -> str:
            return requests.get(f"{address}/metrics", timeout=10).text

        wait_until(lambda: 'consumer_group="good"' in page(), seconds=40)
        hostile_since = time.monotonic()
        wait_until(lambda: counted in page(), seconds=60)
        time.sleep(max(0.0, 2 * interval + 1 - (time.monotonic() - hostile_since)))
        assert 'consumer_group="good"' in page()
        # A poll that takes more than four intervals counts as stuck until it ends.
        wait_until(lambda: 200 == requests.get(f"{address}/-/healthy", timeout=10).status_code, seconds=20)
        assert peak_mib(run.process.pid) < LIMIT_MIB
        assert 20_000 > len("".join(run.lines))
        assert 0 == run.end()[0]


@pytest.mark.parametrize("name", BODIES)
def test_answers_for_groups(name: str) -> None:
    """Each answer alone is within the bound on bytes; together they would fill any memory."""
    body, status, counted = BODIES[name]
    answers = small({"good": lag_answer("c", "good", partition())})
    answers[LIST] = answer(consumers=["good", *GROUPS])
    # Large answers are read one at a time. On a busy machine, decoding one that is just within the limit takes seconds.
    survives(hostile(answers, body, status), counted, interval=8 if "270,000" in name else 4)


@pytest.mark.parametrize("name", LISTS)
def test_lists(name: str) -> None:
    """They begin when the good group is known, which they cannot displace."""
    path, body, counted = LISTS[name]
    plan = by_path(small({"good": lag_answer("c", "good", partition())}))
    asked: list[str] = []

    def choose(target: str) -> Step:
        asked.append(target)
        return reply(body) if target == path and asked.count(path) > 1 else plan(target)

    survives(choose, counted)
