"""The simulated Burrow returns the same JSON as a real one."""

from __future__ import annotations

import json
import re
from collections import defaultdict
from collections.abc import Iterator
from typing import Any
from urllib.parse import quote

import pytest

from burrow_exporter.demo import SimulatedBurrow
from tests.conftest import START, Clock
from tests.support.recorded import load

MIXED = load("mixed.json")["responses"]
RESTART = load("restart.json")["polls"]
CONFIG = load("config.json")["usual"]["responses"]
NAMES = (("/v3/kafka/[^/]+", "/v3/kafka/C"), ("/consumer/[^/]+", "/consumer/G"), ("/topic/[^/]+", "/topic/T"))


# Burrow can tell no lag of a commit that it reads out of order, and a group may have no commit at all.
UNRECORDED_NULLS = (
    "partitions[].start.lag",
    "partitions[].end.lag",
    "offsets[].lag",
    "maxlag.start.lag",
    "maxlag.start",
    "maxlag.end",
)


@pytest.fixture
def burrow(clock: Clock) -> SimulatedBurrow:
    """Return a simulated Burrow, asked without a socket."""
    return SimulatedBurrow(clock=clock)


def get(burrow: SimulatedBurrow, path: str) -> tuple[int, str, str]:
    """Return status, content type and body."""
    answer = burrow.api.answer("GET", path)
    return answer.status, answer.content_type, answer.body.decode()


def fetch(burrow: SimulatedBurrow, path: str) -> Any:
    """Return the decoded JSON of a path that must be there."""
    status, content_type, body = get(burrow, path)
    assert (status, content_type) == (200, "application/json")
    return json.loads(body)


def walk(burrow: SimulatedBurrow) -> Iterator[str]:
    """Yield every path that is there, from the lists as an exporter goes."""
    yield from ("/burrow/admin", "/burrow/admin/ready", "/v3/kafka")
    for cluster in fetch(burrow, "/v3/kafka")["clusters"]:
        base = f"/v3/kafka/{cluster}"
        yield from (base, f"{base}/consumer", f"{base}/topic")
        for group in fetch(burrow, f"{base}/consumer")["consumers"]:
            yield from (f"{base}/consumer/{group}{end}" for end in ("", "/status", "/lag"))
        for topic in fetch(burrow, f"{base}/topic")["topics"]:
            yield from (f"{base}/topic/{topic}", f"{base}/topic/{topic}/consumers")


def shape(values: list[Any], at: str = "") -> dict[str, Any]:
    """Return, by where they stand in JSON values, the types found there and of objects the keys in their order."""
    objects = [value for value in values if isinstance(value, dict)]
    items = [item for value in values if isinstance(value, list) for item in value]
    keys = {tuple(each) for each in objects}
    assert len(keys) < 2, keys
    found: dict[str, Any] = {at: ({type(value).__name__ for value in values}, keys)}
    for key in next(iter(keys), ()):
        found |= shape([each[key] for each in objects], f"{at}.{key}")
    return found | (shape(items, f"{at}[]") if items else {})


def endpoint(path: str) -> str:
    """Return a path with the names taken out."""
    for pattern, name in NAMES:
        path = re.sub(pattern, name, path)
    return path


def decoded(body: str) -> Any:
    """Return the JSON of a body, the topics of a window answer as a list: their names are no keys."""
    answer = json.loads(body)
    if isinstance(answer.get("topics"), dict):
        answer["topics"] = list(answer["topics"].values())
    return answer


def shapes(answers: list[tuple[str, int, str]]) -> dict[tuple[str, int], dict[str, Any]]:
    """Return the shape of every endpoint's JSON answers (path, status, body), by endpoint and status."""
    bodies = defaultdict(list)
    for path, status, body in answers:
        if body.startswith("{") and not body.endswith("\n"):
            bodies[endpoint(path), status].append(decoded(body))
    return {key: shape(values) for key, values in bodies.items()}


def recorded() -> list[tuple[str, int, str]]:
    """Return every recorded answer: path, status, body."""
    steady = [(path, answer["status"], answer["body"]) for path, answer in MIXED.items()]
    after = [
        (path, answer["status"], answer["body"])
        for poll in RESTART
        for path, answer in poll["responses"].items()
        if path.endswith("/lag")
    ]
    return steady + after


def simulated(burrow: SimulatedBurrow, clock: Clock) -> list[tuple[str, int, str]]:
    """Return every simulated answer of some minutes, and those to the recorded paths that are not there."""
    missing = ("/v3/kafka/no-such-cluster/consumer", "/v3/kafka/us-east/consumer/no-such-group/lag")
    answers = []
    for moment in range(0, 900, 20):
        clock.now = START + moment
        for path in (*walk(burrow), *missing):
            status, _, body = get(burrow, path)
            answers.append((path, status, body))
    return answers


def nulled(real: dict[str, Any]) -> dict[str, Any]:
    """Return a recorded shape with the nulls added that a real Burrow gives, though not in the recordings."""
    return {
        at: (types | {"NoneType"} if at.endswith(UNRECORDED_NULLS) else types, keys)
        for at, (types, keys) in real.items()
    }


def test_shapes(burrow: SimulatedBurrow, clock: Clock) -> None:
    """Every JSON answer has the keys, their order, the types and the nulls of a real Burrow's: none more, none less."""
    real, ours = shapes(recorded()), shapes(simulated(burrow, clock))
    beyond = {("/v3/kafka/C/consumer/G", 404), ("/v3/kafka/C/consumer/G/status", 404)}
    assert {key: nulled(each) for key, each in real.items()} == {
        key: each for key, each in ours.items() if key not in beyond
    }


def test_shapes_of_the_configuration(burrow: SimulatedBurrow) -> None:
    """It describes its modules as a real Burrow does."""
    pairs = {
        "/v3/config/evaluator": "/v3/config/evaluator",
        "/v3/config/evaluator/caching": "/v3/config/evaluator/default",
        "/v3/config/evaluator/nosuch": "/v3/config/evaluator/nosuch",
        "/v3/config/consumer": "/v3/config/consumer",
        "/v3/config/consumer/local": "/v3/config/consumer/us-east",
        "/v3/config/consumer/nosuch": "/v3/config/consumer/nosuch",
    }
    for real, ours in pairs.items():
        told = CONFIG[real]
        assert told["status"] == get(burrow, ours)[0]
        assert shape([decoded(told["body"])]) == shape([decoded(get(burrow, ours)[2])])


def test_shapes_beyond_the_recordings(burrow: SimulatedBurrow) -> None:
    """A forgotten group's ``/status`` looks like its ``/lag``, its windows like any unknown name."""
    gone = [
        (path, *get(burrow, f"/v3/kafka/us-east/consumer/loyalty-batch{path}")[::2]) for path in ("", "/status", "/lag")
    ]
    real, ours = shapes(recorded()), shapes(gone)
    assert real["/v3/kafka/C/consumer", 404] == ours["", 404]
    assert real["/v3/kafka/C/consumer/G/lag", 404] == ours["/status", 404] == ours["/lag", 404]


def test_content_types(burrow: SimulatedBurrow) -> None:
    """Every endpoint has the status codes and content types of a real Burrow."""
    real = {(endpoint(path), answer["status"], answer["content_type"]) for path, answer in MIXED.items()}
    missing = [path for path, answer in MIXED.items() if answer["status"] == 404]
    paths = [*walk(burrow), *missing]
    ours = {(endpoint(path), *get(burrow, path)[:2]) for path in paths}
    forgotten = {
        ("/v3/kafka/C/consumer/G", 404, "application/json"),
        ("/v3/kafka/C/consumer/G/status", 404, "application/json"),
    }
    assert real == ours - forgotten


@pytest.mark.parametrize(
    "path", [path for path, answer in MIXED.items() if not answer["content_type"].endswith("json")]
)
def test_plain_answers(burrow: SimulatedBurrow, path: str) -> None:
    """What a real Burrow answers in plain text comes word for word, a group with a slash in its name included."""
    real = MIXED[path]
    assert (real["status"], real["content_type"], real["body"]) == get(burrow, path)


@pytest.mark.parametrize("path", [path for path, answer in MIXED.items() if answer["status"] == 404])
def test_messages_of_404(burrow: SimulatedBurrow, path: str) -> None:
    """What is not there is refused in a real Burrow's words."""
    real, ours = json.loads(MIXED[path]["body"]), json.loads(get(burrow, path)[2])
    for answer in (real, ours):
        answer.get("request", {}).pop("host", None)
    assert real == ours


@pytest.mark.parametrize(
    ("message", "path"),
    [
        ("cluster module not found", "/v3/kafka/no"),
        ("cluster not found", "/v3/kafka/no/topic"),
        ("cluster or topic not found", "/v3/kafka/no/topic/orders.placed.v1"),
        ("cluster or topic not found", "/v3/kafka/eu-west/topic/no"),
        ("cluster not found", "/v3/kafka/no/topic/orders.placed.v1/consumers"),
        ("cluster or consumer not found", "/v3/kafka/no/consumer/checkout-payments"),
        ("cluster or consumer not found", "/v3/kafka/eu-west/consumer/no"),
    ],
)
def test_unknown_names(burrow: SimulatedBurrow, message: str, path: str) -> None:
    """An unknown cluster, group or topic is a 404 in the words of Burrow's source."""
    request = {"url": path, "host": "burrow"}
    status, content_type, body = get(burrow, path)
    assert (status, content_type) == (404, "application/json")
    assert {"error": True, "message": message, "request": request} == json.loads(body)


def test_an_unknown_topic_has_no_consumers(burrow: SimulatedBurrow) -> None:
    """For an unknown topic Burrow returns no consumers, and no error."""
    assert fetch(burrow, "/v3/kafka/eu-west/topic/no/consumers")["consumers"] == []


@pytest.mark.parametrize("name", ['odd "name" \\ back', "q?x=1#f", "pct%2Fname", "ünï✓", "line\nbreak", "..", "."])
def test_percent_decoding(burrow: SimulatedBurrow, name: str) -> None:
    """A name is decoded once, and asked for as it was meant."""
    status, _, body = get(burrow, f"/v3/kafka/eu-west/consumer/{quote(name, safe='')}/lag?no=query")
    answer = json.loads(body)
    assert (404, name) == (status, answer["status"]["group"])
    assert f"/v3/kafka/eu-west/consumer/{name}/lag" == answer["request"]["url"]


@pytest.mark.parametrize(
    "path",
    [
        "/v3/kafka/eu-west/consumer/checkout-payments%2F/lag",
        "/v3/kafka/eu-west/consumer/%2Fcheckout-payments/lag",
        "/v3/kafka/eu-west/consumer/checkout-payments/lag/",
    ],
)
def test_needless_slashes(burrow: SimulatedBurrow, path: str) -> None:
    """Burrow's router leads on to the path without needless slashes where that is one of its own."""
    answer = burrow.api.answer("GET", path)
    assert (answer.status, answer.headers["Location"]) == (301, "/v3/kafka/eu-west/consumer/checkout-payments/lag")


def test_status_leaves_out_what_is_ok(burrow: SimulatedBurrow) -> None:
    """``/status`` is ``/lag`` without the partitions that are OK."""
    path = "/v3/kafka/us-east/consumer/customer-360"
    whole, bad = (fetch(burrow, path + end)["status"] for end in ("/lag", "/status"))
    expected = [partition for partition in whole["partitions"] if partition["status"] != "OK"]
    assert expected == bad["partitions"]
    assert whole | {"partitions": None} == bad | {"partitions": None}
    assert 0 < len(expected) < whole["partition_count"]


def test_sums_of_a_group(burrow: SimulatedBurrow) -> None:
    """A group's count, largest lag, total lag and completeness are those of its partitions."""
    status = fetch(burrow, "/v3/kafka/eu-west/consumer/fraud-scoring/lag")["status"]
    lags = [partition["current_lag"] for partition in status["partitions"]]
    full = [partition for partition in status["partitions"] if partition["complete"] == 1]
    assert (len(lags), max(lags), sum(lags)) == (
        status["partition_count"],
        status["maxlag"]["current_lag"],
        status["totallag"],
    )
    assert len(full) / len(lags) == status["complete"]


@pytest.mark.parametrize("method", ["DELETE", "POST", "PUT", "PATCH", "HEAD"])
def test_other_methods(burrow: SimulatedBurrow, method: str) -> None:
    """Nothing but GET is allowed, and nothing is changed by it."""
    path = "/v3/kafka/eu-west/consumer/checkout-payments"
    before = fetch(burrow, path)
    assert burrow.api.answer(method, path).status == 405
    assert burrow.api.answer(method, "/v3/no").status == 404
    assert before == fetch(burrow, path)
