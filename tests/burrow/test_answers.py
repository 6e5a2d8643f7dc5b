"""How the client handles responses: statuses, bodies, unusual JSON, mismatched names, and retries.

Answers come from ``responses``, in place of the network; what has to do with sockets stands in ``test_client``.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from urllib.parse import quote

import pytest
import responses
from tenacity import wait_none

from burrow_exporter.burrow import retries
from burrow_exporter.burrow.client import BurrowClient
from burrow_exporter.burrow.failures import BurrowError, Endpoint, Reason, advice
from burrow_exporter.burrow.session import Target
from burrow_exporter.polling.walk import Walk, WalkResult
from burrow_exporter.settings.config import Filters
from tests.support.observers import RecordingObserver
from tests.support.recorded import lag_answer, partition

BURROW = "http://burrow.example:8000"
LAG = "/v3/kafka/c/consumer/g/lag"


@pytest.fixture
def burrow() -> Iterator[responses.RequestsMock]:
    """Return a Burrow that answers what it is told, each answer at least once."""
    with responses.RequestsMock() as mock:
        yield mock


@pytest.fixture
def counted() -> RecordingObserver:
    """Return an observer."""
    return RecordingObserver()


@pytest.fixture
def client(counted: RecordingObserver) -> Iterator[BurrowClient]:
    """Return a client of that Burrow."""
    client = BurrowClient(Target(BURROW), 5.0, counted)
    yield client
    client.close()


def refusal(client: BurrowClient) -> BurrowError:
    """Return the error that asking for the clusters brings."""
    with pytest.raises(BurrowError) as caught:
        client.clusters()
    return caught.value


# Statuses


@pytest.mark.parametrize(
    ("reason", "status"),
    [
        (Reason.HTTP_5XX, 500),
        (Reason.HTTP_5XX, 503),
        (Reason.HTTP_4XX, 400),
        (Reason.HTTP_4XX, 401),
        (Reason.HTTP_4XX, 429),
        (Reason.HTTP_2XX, 204),
        (Reason.REDIRECT, 302),
    ],
)
def test_statuses(burrow: responses.RequestsMock, client: BurrowClient, reason: Reason, status: int) -> None:
    """A status other than 200 is a failure that bears it; no redirect is followed."""
    burrow.get(f"{BURROW}/v3/kafka", status=status, headers={"Location": "http://elsewhere.example/"})
    error = refusal(client)
    assert (reason, status, f"/v3/kafka returned {status}") == (error.reason, error.status, error.detail)
    assert 1 == len(burrow.calls)


@pytest.mark.parametrize(("reason", "status"), [(None, 200), (None, 404), (Reason.NOT_READY, 503)])
def test_readiness(burrow: responses.RequestsMock, client: BurrowClient, reason: Reason | None, status: int) -> None:
    """200 and the 404 of old versions count as ready, 503 as starting."""
    burrow.get(f"{BURROW}/burrow/admin/ready", body="READY", status=status)
    found = None
    try:
        client.check_ready()
    except BurrowError as error:
        found = error.reason
    assert reason is found


# Bodies


@pytest.mark.parametrize(
    ("reason", "body"),
    [
        (Reason.NOT_JSON, b""),
        (Reason.NOT_JSON, b"<html>Bad gateway</html>"),
        (Reason.NOT_JSON, b'{"error":false,"message":"","clusters":["\xff"]}'),
        (Reason.NOT_JSON, b'{"error":false,"message":"","clusters":[],"x":' + b"[" * 100_000),
        (Reason.SHAPE, b"null"),
        (Reason.SHAPE, b'{"error":false,"message":"","clusters":{}}'),
        (Reason.REFUSED, b'{"error":true,"message":"no"}'),
    ],
    ids=["empty", "HTML", "no UTF-8", "deep", "null", "a mapping", "refused"],
)
def test_odd_bodies(burrow: responses.RequestsMock, client: BurrowClient, reason: Reason, body: bytes) -> None:
    """What is no JSON, of another shape, or says that it is an error is refused for that reason."""
    burrow.get(f"{BURROW}/v3/kafka", body=body, headers={"Content-Length": str(len(body))})
    assert reason is refusal(client).reason


def test_headers(burrow: responses.RequestsMock) -> None:
    """Each request says what it takes, wants no compression, and carries the credentials in UTF-8."""
    burrow.get(f"{BURROW}/v3/kafka", json={"error": False, "message": "", "clusters": ["c"]})
    client = BurrowClient(Target(BURROW, ("exporter", "pässword")), 5.0, RecordingObserver())
    assert ["c"] == client.clusters()
    headers = burrow.calls[0].request.headers
    assert ("application/json", "identity") == (headers["Accept"], headers["Accept-Encoding"])
    assert "Basic ZXhwb3J0ZXI6cMOkc3N3b3Jk" == headers["Authorization"]
    client.close()


# Names


@pytest.mark.parametrize(("cluster", "group"), [("c", "other"), ("other", "g"), ("c", "")])
@pytest.mark.parametrize("status", [200, 404])
def test_mismatched_names(
    burrow: responses.RequestsMock, client: BurrowClient, cluster: str, group: str, status: int
) -> None:
    """An answer that names another group or cluster than the one asked for is not used."""
    told = lag_answer(cluster, group, status="OK" if status == 200 else "NOTFOUND")
    burrow.get(f"{BURROW}{LAG}", body=told.body, status=status)
    with pytest.raises(BurrowError) as caught:
        client.group("c", "g")
    assert Reason.MISMATCH is caught.value.reason


@pytest.mark.parametrize("name", ["..", ".", "a/b", "a b", "pct%2Fname", "q?x=1#f", "ünï✓"])
def test_odd_names_are_one_segment(burrow: responses.RequestsMock, client: BurrowClient, name: str) -> None:
    """A name reaches the wire as one encoded segment; dots are not collapsed on the way."""
    path = f"/v3/kafka/c/consumer/{quote(name)}/lag".replace("/a/b/", "/a%2Fb/")
    burrow.get(f"{BURROW}{path}", body=lag_answer("c", name, partition()).body)
    evaluation = client.group("c", name)
    assert evaluation
    assert name == evaluation.status.group


# Retry sequences

GOOD = lag_answer("c", "g", partition()).body


def walk(burrow: responses.RequestsMock, client: BurrowClient, *answers: tuple[int, str]) -> WalkResult:
    """Walk through a Burrow of one group, which answers so in turn."""
    burrow.get(f"{BURROW}/burrow/admin/ready", body="READY")
    for path, field, names in (
        ("", "clusters", ["c"]),
        ("/c/consumer", "consumers", ["g"]),
        ("/c/topic", "topics", list[str]()),
    ):
        burrow.get(f"{BURROW}/v3/kafka{path}", json={"error": False, "message": "", field: names})
    for status, body in answers:
        burrow.get(f"{BURROW}{LAG}", status=status, body=body)
    now = time.monotonic()
    return Walk(client, Filters(), deadline=now + 5, expires_at=now + 5, stop=threading.Event()).run()


@pytest.mark.parametrize(
    ("attempts", "answers", "last"),
    [
        (1, [(200, GOOD)], None),
        (2, [(500, ""), (200, GOOD)], None),
        (3, [(502, ""), (503, ""), (200, GOOD)], None),
        (3, [(500, ""), (500, ""), (504, "")], 504),
        (1, [(400, "")], 400),
        (1, [(429, "")], 429),
        (2, [(500, ""), (404, "")], 404),
    ],
)
def test_retry_sequences(
    monkeypatch: pytest.MonkeyPatch,
    burrow: responses.RequestsMock,
    client: BurrowClient,
    counted: RecordingObserver,
    attempts: int,
    answers: list[tuple[int, str]],
    last: int | None,
) -> None:
    """A 5xx is asked for again, at most twice, a 4xx never; the last failure is the one that counts."""
    monkeypatch.setattr(retries, "WAIT", wait_none())
    result = walk(burrow, client, *answers)
    assert ([last] if last else []) == [error.status for error in result.failures]
    assert attempts == counted.attempts.count(Endpoint.LAG)
    assert [(Endpoint.LAG, Reason.HTTP_5XX)] * (attempts - 1) == counted.failures


def test_a_connection_that_is_refused(burrow: responses.RequestsMock, client: BurrowClient) -> None:
    """A failure below HTTP is told by what the system says, and helps whoever set the address."""
    burrow.get(f"{BURROW}/burrow/admin/ready", body=ConnectionRefusedError(111, "Connection refused"))
    with pytest.raises(BurrowError) as caught:
        client.check_ready()
    assert (Reason.CONNECTION, "/burrow/admin/ready: Connection refused") == (caught.value.reason, caught.value.detail)
    assert "is Burrow running" in advice(caught.value)
