"""Mutated recordings: the exporter rejects a response or makes a valid page of it.

``make fuzz`` tries 10,000 examples of each test (``FUZZ_EXAMPLES``), ``make test`` some hundred.
"""

from __future__ import annotations

import copy
import gzip
import json
import math
import os
import re
import threading
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from html import unescape
from itertools import count
from typing import Any
from urllib.parse import quote

import pytest
import structlog
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from prometheus_client.openmetrics.parser import text_string_to_metric_families as parse_openmetrics
from prometheus_client.parser import text_string_to_metric_families as parse_text

from burrow_exporter import log
from burrow_exporter.burrow.client import DECODERS, BurrowClient, decode
from burrow_exporter.burrow.failures import BurrowError, Endpoint
from burrow_exporter.metrics.exposition import Renderer
from burrow_exporter.metrics.publisher import Publisher
from burrow_exporter.metrics.self_metrics import SelfMetrics
from burrow_exporter.polling.poller import Poller
from burrow_exporter.settings.config import BurrowConfig, Filters, PollConfig, TopicFilter
from burrow_exporter.status import page as statuspage
from burrow_exporter.status.view import View
from tests.support.pages import samples_in
from tests.support.recorded import answer, load, mixed

EXAMPLES = int(os.environ.get("FUZZ_EXAMPLES", "300"))
FUZZED = settings(
    max_examples=EXAMPLES,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large, HealthCheck.function_scoped_fixture],
)
Answers = dict[str, tuple[int, bytes]]
"""Status and body by path."""
Draw = Callable[[st.SearchStrategy[Any]], Any]
Node = tuple[Any, Any]
"""A place in a document: a list or an object, and an index or a key of it."""


# What is recorded


def whole(name: str) -> Answers:
    """Return what a walk asks for in the recording of two clusters, or in one moment of another recording."""
    if name == "mixed":
        return {path: (told.status, told.body.encode()) for path, told in mixed().items() if is_asked(path.split("/"))}
    recording, _, moment = name.partition(" ")
    told = load(f"{recording}.json")["polls"][int(moment)]["responses"]
    found = {path: path.split("/") for path in told if is_asked(path.split("/"))}
    lists = {
        "/burrow/admin/ready": answer(),
        "/v3/kafka": answer(clusters=["eu-west"]),
        "/v3/kafka/eu-west/consumer": answer(consumers=[parts[5] for parts in found.values() if parts[-1] == "lag"]),
        "/v3/kafka/eu-west/topic": answer(topics=[parts[5] for parts in found.values() if is_topic(parts)]),
    }
    answers = {path: (told[path]["status"], told[path]["body"].encode()) for path in found}
    return answers | {path: (each.status, each.body.encode()) for path, each in lists.items()}


def is_asked(parts: Sequence[str]) -> bool:
    """Tell whether a walk asks for a path, given its segments."""
    return len(parts) in (3, 5) or parts[-1] in ("ready", "lag") or is_topic(parts)


def is_topic(parts: Sequence[str]) -> bool:
    """Tell the path of one topic's offsets."""
    return len(parts) == 6 and parts[4] == "topic"


NAMES = ["mixed", "restart 0", "restart 12", "restart 15", "restart 24", "time-lag 0", "time-lag 6", "time-lag 30"]
RECORDED = {name: whole(name) for name in NAMES}


# How it is mutated

NUMBERS = [0, 1, -1, 2**31, 2**53 + 1, 2**63 - 1, 2**63, -(2**63), 2**64, 10**400, 0.5, -0.0, 1e308, math.inf, math.nan]
TEXTS = ["", "OK", "STOP", "odd\n", '"', "\\", "\\n", "\r", "\x00", "\x85", "\u2028", "\ud800", "{}", "..", "/", "%2F"]
TEXTS += ["burrow-", "__consumer_offsets", "x" * 5000, "\u20ac" * 1366, " # EOF", "cluster\tname", "\U0001f980"]
odd_texts = st.one_of(st.sampled_from(TEXTS), st.text(max_size=8))
odd_values: st.SearchStrategy[Any] = st.one_of(
    st.sampled_from([None, True, False, [], {}, [[]], [None], {"offset": 1}]),
    st.sampled_from(NUMBERS),
    st.integers(-(10**4), 10**12),
    odd_texts,
)
TOKENS = [
    b"null",
    b"[" * 5000,
    b'{"a":' * 2000,
    b'"error":true,',
    b'"offset":1,',
    b'"partitions":[],',
    b"NaN",
    b"1e999",
]
TOKENS += [b"\xff", b"\x00", b"\\ud800", b"\\", b'"', b",", b"-", b"9" * 500, b"\xed\xa0\x80", b"\xef\xbb\xbf"]


def nodes(document: Any) -> Iterator[Node]:
    """Yield every place in a document."""
    if isinstance(document, (dict, list)):
        for key in document if isinstance(document, dict) else range(len(document)):
            yield document, key
            yield from nodes(document[key])


def drop(draw: Draw, document: Any) -> None:
    """Remove the value at one place."""
    inside, key = draw(st.sampled_from(list(nodes(document))))
    del inside[key]


def put(draw: Draw, document: Any) -> None:
    """Put something else there."""
    inside, key = draw(st.sampled_from(list(nodes(document))))
    inside[key] = copy.deepcopy(draw(odd_values))


def put_alike(draw: Draw, document: Any) -> None:
    """Put there an odd one of the same type: a number or a text."""
    kind, odd = draw(st.sampled_from([(int, st.sampled_from(NUMBERS)), (str, odd_texts)]))
    if alike := [(inside, key) for inside, key in nodes(document) if type(inside[key]) is kind]:
        inside, key = draw(st.sampled_from(alike))
        inside[key] = draw(odd)


def move(draw: Draw, document: Any) -> None:
    """Insert the value of another place: of the right type, or nearly."""
    places = st.sampled_from(list(nodes(document)))
    (inside, key), (other, its_key) = draw(places), draw(places)
    inside[key] = copy.deepcopy(other[its_key])


def duplicate(draw: Draw, document: Any) -> None:
    """Have an element of a list twice."""
    if lists := [inside[key] for inside, key in nodes(document) if isinstance(inside[key], list) and inside[key]]:
        found = draw(st.sampled_from(lists))
        found.append(copy.deepcopy(draw(st.sampled_from(found))))


def nest(draw: Draw, document: Any) -> None:
    """Wrap it up."""
    inside, key = draw(st.sampled_from(list(nodes(document))))
    for _ in range(draw(st.sampled_from([1, 2, 100]))):
        inside[key] = draw(st.sampled_from([[inside[key]], {"a": inside[key]}]))


def add_name(draw: Draw, document: Any) -> None:
    """Add to a list of names."""
    if lists := [inside[key] for inside, key in nodes(document) if isinstance(inside[key], list)]:
        draw(st.sampled_from(lists)).append(draw(odd_texts))


STRUCTURAL = (drop, put, put_alike, put_alike, move, duplicate, nest, add_name)


def mutate_structure(draw: Draw, body: bytes) -> bytes:
    """Return JSON with some changes to what it holds; what is no JSON as it is."""
    try:
        document = {"": json.loads(body)}
    except ValueError:
        return body
    for change in draw(st.lists(st.sampled_from(STRUCTURAL), min_size=1, max_size=4)):
        if document:
            change(draw, document)
    return json.dumps(document.get("", "gone")).encode()


def mutate_bytes(draw: Draw, body: bytes) -> bytes:
    """Return an answer of which some bytes are others, gone, or twice there."""
    for _ in range(draw(st.integers(1, 3))):
        first, last = sorted(draw(st.tuples(*[st.integers(0, len(body))] * 2)))
        new = draw(st.one_of(st.sampled_from(TOKENS), st.binary(max_size=4), st.just(body[first:last] * 2)))
        keep = draw(st.booleans())
        body = body[:first] + new + body[first if keep else last :]
    return body


MUTATIONS = (mutate_structure, mutate_structure, mutate_bytes)


@st.composite
def bodies(draw: Draw) -> bytes:
    """Return one mutated answer."""
    answers = RECORDED[draw(st.sampled_from(NAMES))]
    _, body = answers[draw(st.sampled_from(sorted(answers)))]
    return bytes(draw(st.sampled_from(MUTATIONS))(draw, body))


@dataclass
class Walked:
    """What a walk meets: a recording, of which some answers are others, and one name (of ``renamed``) is another."""

    recording: str
    changed: Answers
    renamed: tuple[str, str]

    def answers(self) -> Answers:
        """Return it all."""
        old, new = self.renamed
        old_text, new_text = (json.dumps(name).encode() for name in self.renamed)
        part = quote(new, safe="", errors="replace")
        return {
            "/".join(part if each == old else each for each in path.split("/")): (
                status,
                body.replace(old_text, new_text),
            )
            for path, (status, body) in (RECORDED[self.recording] | self.changed).items()
        }


@st.composite
def walks(draw: Draw) -> Walked:
    """Return what a walk meets."""
    recording = draw(st.sampled_from(NAMES))
    changed = {}
    for path in draw(st.lists(st.sampled_from(sorted(RECORDED[recording])), max_size=4)):
        status, body = RECORDED[recording][path]
        status = draw(st.sampled_from([status, status, status, 404]))
        changed[path] = status, draw(st.sampled_from(MUTATIONS))(draw, body)
    old = draw(st.sampled_from(["eu-west", "billing", "orders", "bursty", "bursty-slow", "page-views", "clicks"]))
    return Walked(recording, changed, (old, draw(st.one_of(st.just(old), odd_texts))))


# What must hold


@pytest.fixture
def told(monkeypatch: pytest.MonkeyPatch) -> Iterator[Answers]:
    """Return the answers that the client gets, without sockets."""
    answers: Answers = {}

    def exchange(_: BurrowClient, path: str, _lane: object) -> tuple[int, bytes]:
        return answers.get(path, (404, b""))

    monkeypatch.setattr(BurrowClient, "_exchange", exchange)
    log.set_up("debug", "logfmt")
    yield answers
    structlog.reset_defaults()


def decoded(body: bytes, shape: Any) -> Any:
    """Return a response, or the error for a rejected body."""
    try:
        return decode(Endpoint.LAG, "/path", body, shape)
    except BurrowError as error:
        return error.detail


@FUZZED
@given(body=bodies(), shape=st.sampled_from(list(DECODERS)))
def test_an_answer_is_decoded_or_refused(body: bytes, shape: Any) -> None:
    """A body makes an answer of the shape asked for, or the exporter's own error, which can be printed."""
    found = decoded(body, shape)
    assert isinstance(found, shape) or found.encode()


@pytest.mark.filterwarnings("ignore:Generating overly large repr")
@FUZZED
@given(
    polls=st.lists(walks(), min_size=1, max_size=2),
    openmetrics=st.booleans(),
    compressed=st.booleans(),
    internal=st.booleans(),
)
def test_the_page_is_valid(
    told: Answers, polls: Sequence[Walked], *, openmetrics: bool, compressed: bool, internal: bool
) -> None:
    """After some polls every form of the page is valid and holds each sample once, all of them finite."""
    metrics, clock = SelfMetrics(), count(1_795_450_000.0, 15)
    publisher = Publisher(metrics, {"default": Renderer(partition_info=True)})
    filters = Filters(topic=TopicFilter.of()) if internal else Filters()
    burrow = BurrowConfig(addresses=("http://burrow",), filters=filters)
    polled = Poller(
        burrow,
        PollConfig(),
        metrics.of_burrow("default"),
        publisher.publish,
        threading.Event(),
        clock=lambda: next(clock),
    )
    for walked in polls:
        told.clear()
        told.update(walked.answers())
        polled.poll()
    page = b"".join(publisher.metrics(openmetrics=openmetrics, gzip=compressed).pieces(1000))
    text = (gzip.decompress(page) if compressed else page).decode()
    samples = samples_in(text, parse_openmetrics if openmetrics else parse_text)
    published = {sample: value for sample, value in samples.items() if sample[0].startswith("burrow_kafka_")}
    assert samples["burrow_exporter_series", frozenset()] == len(published)
    assert all(map(math.isfinite, published.values()))
    view = View(["default"], publisher.snapshots, "/metrics", 0.0, 0.0)
    status, html, _ = statuspage.render("/", "", view)
    links = re.findall(r'href="group\?([^"]*)"', html.decode())
    groups = sum(len(cluster.groups) for cluster in publisher.snapshots["default"].clusters)
    assert (200, groups) == (status, len(links))
    assert all(statuspage.render("/group", unescape(link), view)[0] == 200 for link in links)
