"""The client of one Burrow: requests, the contents of responses, and errors."""

from __future__ import annotations

import re
import threading
from collections.abc import Callable, Mapping
from http import HTTPStatus
from typing import Any, Protocol, TypeVar
from urllib.parse import quote

import msgspec
from urllib3.exceptions import HTTPError

from burrow_exporter import __version__
from burrow_exporter.burrow.answers import (
    NOT_FOUND,
    Answer,
    ClustersAnswer,
    ConsumerModule,
    ConsumerModuleAnswer,
    ConsumersAnswer,
    EvaluatorAnswer,
    LagAnswer,
    LagStatus,
    ModulesAnswer,
    Settings,
    TopicAnswer,
    TopicsAnswer,
)
from burrow_exporter.burrow.credentials import Credentials
from burrow_exporter.burrow.evaluation import Evaluation, evaluation_in
from burrow_exporter.burrow.failures import UNANSWERED, BurrowError, Endpoint, Reason, status_reason, transport_failure
from burrow_exporter.burrow.session import LARGE_BYTES, Lane, Session, Target, TooLargeError

MAX_ANSWER_BYTES = 64 * 1024 * 1024
MOST_ITEMS = {
    Endpoint.CLUSTERS: (b",", 10_000),
    Endpoint.CONSUMERS: (b",", 1_500_000),
    Endpoint.TOPICS: (b",", 1_500_000),
    Endpoint.TOPIC: (b",", 200_000),
    Endpoint.LAG: (b"{", 300_000),
}
"""Per endpoint, the byte that marks an item of the response, and the limit on its count.

The limits exceed what Kafka supports. A partition has up to three braces.
"""
MAX_TEXT_BYTES = 64 * 1024
QUOTE = re.compile(rb'(?<!\\)"')
"""Not one that is escaped. A quote behind an escaped backslash is missed; others follow soon."""
CHECK_SECONDS = 0.05
"""The interval at which requests in flight are checked, and so the most by which one can exceed its timeout."""
# No compression, so that the limit on the bytes read is also a limit on the size of the response.
HEADERS = {"Accept": "application/json", "Accept-Encoding": "identity", "User-Agent": f"burrow_exporter/{__version__}"}

AnswerT = TypeVar("AnswerT", bound=Answer)
# Built at import: msgspec inspects a type on first use, and two threads that do so at once crash the process.
DECODERS: Mapping[type[Answer], msgspec.json.Decoder[Any]] = {
    shape: msgspec.json.Decoder(shape)
    for shape in (
        *(Answer, ClustersAnswer, ConsumersAnswer, LagAnswer, TopicAnswer, TopicsAnswer),
        *(ModulesAnswer, EvaluatorAnswer, ConsumerModuleAnswer),
    )
}


class Observer(Protocol):
    """Counts requests."""

    def sent(self, endpoint: Endpoint) -> None:
        """Count one attempt of a request."""

    def failed(self, endpoint: Endpoint, reason: Reason) -> None:
        """Count a failed attempt that is retried."""


class BurrowClient:
    """The client of one Burrow. Thread-safe; opens one connection per concurrent request.

    ``timeout`` is in seconds and covers a whole request. Each method that sends a request makes one attempt, reports it
    to ``observer`` and raises ``BurrowError`` on failure. ``close`` ends a walk.
    """

    def __init__(self, target: Target, timeout: float, observer: Observer) -> None:
        self.target = target
        self.timeout = timeout
        self.observer = observer
        self._credentials = Credentials(*target.credentials) if target.credentials else None
        self._idle: list[Session] = []
        self._busy: set[Session] = set()
        self._lock = threading.Lock()
        self._closed = threading.Event()
        self._closed.set()
        self._large = threading.Lock()

    def shown(self, text: str) -> str:
        """Return text from Burrow in a form that is safe to show: redacted if it repeats the credentials."""
        return self._credentials.shown(text) if self._credentials else text

    def close(self) -> None:
        """End a walk: abort requests in flight, close all connections. The next walk resolves the host name again."""
        self._closed.set()
        for session in list(self._busy):
            session.abort()
        while self._idle:
            self._idle.pop().close()

    def check_ready(self) -> None:
        """Return if Burrow's consumers have started, else raise (``GET /burrow/admin/ready``).

        A 404, from a Burrow that predates the endpoint, counts as ready.
        """
        path = "/burrow/admin/ready"
        with Lane(self._large, self.timeout) as lane:
            code, body = self._answer(Endpoint.READY, path, lane)
            if code != HTTPStatus.NOT_FOUND:
                self._refuse(Endpoint.READY, path, code, body)

    def settings(self) -> Settings | None:
        """Return Burrow's configuration (``GET /v3/config/...``), or ``None`` if it is not available.

        A proxy may block these endpoints.
        """
        try:
            names = self._ask(Endpoint.CONFIG, "/v3/config/evaluator", ModulesAnswer).modules
            caches = [self._module("evaluator", name, EvaluatorAnswer).module.expire_cache for name in names]
            names = self._ask(Endpoint.CONFIG, "/v3/config/consumer", ModulesAnswer).modules
            consumers = {name: self._module("consumer", name, ConsumerModuleAnswer).module for name in names}
        except BurrowError as error:
            if error.reason in UNANSWERED:
                raise
            return None
        # 0 means "never expires", the longest of all.
        expire_cache = 0 if 0 in caches else max(caches, default=0)
        return Settings(expire_cache, own_groups(consumers)) if caches else None

    def _module(self, kind: str, name: str, shape: type[AnswerT]) -> AnswerT:
        return self._ask(Endpoint.CONFIG, f"/v3/config/{kind}/{encode(name)}", shape)

    def clusters(self) -> list[str]:
        """Return the names of the clusters (``GET /v3/kafka``)."""
        return (self._ask(Endpoint.CLUSTERS, "/v3/kafka", ClustersAnswer)).clusters

    def groups(self, cluster: str) -> list[str]:
        """Return the names of a cluster's consumer groups (``GET /v3/kafka/C/consumer``)."""
        path = f"/v3/kafka/{encode(cluster)}/consumer"
        return (self._ask(Endpoint.CONSUMERS, path, ConsumersAnswer)).consumers

    def topics(self, cluster: str) -> list[str]:
        """Return the names of a cluster's topics (``GET /v3/kafka/C/topic``)."""
        return (self._ask(Endpoint.TOPICS, f"/v3/kafka/{encode(cluster)}/topic", TopicsAnswer)).topics

    def offsets(self, cluster: str, topic: str) -> list[int]:
        """Return the log end offsets that Burrow knows for a topic (``GET /v3/kafka/C/topic/T``)."""
        path = f"/v3/kafka/{encode(cluster)}/topic/{encode(topic)}"
        return (self._ask(Endpoint.TOPIC, path, TopicAnswer)).offsets

    def group(self, cluster: str, group: str, before: Evaluation | None = None) -> Evaluation | None:
        """Return Burrow's evaluation of a group (``GET /v3/kafka/C/consumer/G/lag``).

        Returns ``None`` if Burrow lists the group but no longer knows it (404 ``NOTFOUND``), and ``before`` if the
        response is unchanged. Decodes only the partitions that differ from ``before``.
        """
        path = f"/v3/kafka/{encode(cluster)}/consumer/{encode(group)}/lag"
        with Lane(self._large, self.timeout) as lane:
            code, body = self._answer(Endpoint.LAG, path, lane)
            if code != HTTPStatus.NOT_FOUND or not is_lag_answer(body):
                self._refuse(Endpoint.LAG, path, code, body)
            evaluation = evaluation_in(body, before, lambda text: self._lag_status(path, text))
        status = evaluation.status
        # Names that HTTP software normalizes (`..`), or a proxy that mixes up responses, lead to another resource.
        if (status.cluster, status.group) != (cluster, group):
            other = self.shown(f"group {status.group!r} of cluster {status.cluster!r}")
            raise BurrowError(Endpoint.LAG, Reason.MISMATCH, f"{path} returned data for {other}")
        return None if status.status == NOT_FOUND else evaluation

    def _lag_status(self, path: str, body: bytes) -> LagStatus:
        return decode(Endpoint.LAG, path, body, LagAnswer, self.shown).status

    def _ask(self, endpoint: Endpoint, path: str, shape: type[AnswerT]) -> AnswerT:
        with Lane(self._large, self.timeout) as lane:
            code, body = self._answer(endpoint, path, lane)
            self._refuse(endpoint, path, code, body)
            return decode(endpoint, path, body, shape, self.shown)

    def _refuse(self, endpoint: Endpoint, path: str, code: int, body: bytes) -> None:
        """Raise ``BurrowError`` for a status other than 200."""
        if code != HTTPStatus.OK:
            detail = f"{path} returned {code} {self.shown(refusal_in(body))}".rstrip()
            raise BurrowError(endpoint, status_reason(endpoint, code), detail, code)

    def _answer(self, endpoint: Endpoint, path: str, lane: Lane) -> tuple[int, bytes]:
        """Make one attempt and return the status and the body."""
        self.observer.sent(endpoint)
        try:
            code, body = self._exchange(path, lane)
        except TooLargeError:
            detail = f"{path} returned more than {MAX_ANSWER_BYTES} bytes"
            raise BurrowError(endpoint, Reason.TOO_LARGE, detail) from None
        except (OSError, HTTPError, UnicodeError) as error:
            raise transport_failure(endpoint, path, error) from None
        if self._credentials and self._credentials.are_in(body):
            reason = Reason.REFUSED if code == HTTPStatus.OK else status_reason(endpoint, code)
            raise BurrowError(endpoint, reason, f"{path} returned {code} and echoed the credentials", code)
        return code, body

    def _exchange(self, path: str, lane: Lane) -> tuple[int, bytes]:
        """Send one GET over an idle connection, or a new one if there is none. Return the status and the body."""
        self._keep_watch()
        try:
            session = self._idle.pop()
        except IndexError:
            session = Session(self.target, HEADERS, self.timeout)
        self._busy.add(session)
        try:
            return session.get(path, MAX_ANSWER_BYTES, lane)
        finally:
            self._busy.discard(session)
            if session.is_aborted or self._closed.is_set():
                session.close()
            else:
                self._idle.append(session)

    def _keep_watch(self) -> None:
        """Start the thread that aborts requests past their timeout: requests limits each read, not their sum."""
        with self._lock:
            if self._closed.is_set():
                self._closed = threading.Event()
                watch = threading.Thread(target=self._break_off_overdue, args=(self._closed,), daemon=True)
                watch.start()

    def _break_off_overdue(self, closed: threading.Event) -> None:
        while not closed.wait(CHECK_SECONDS):
            for session in list(self._busy):
                session.abort_overdue()


def own_groups(consumers: Mapping[str, ConsumerModule]) -> dict[str, frozenset[str]]:
    """Return, by cluster, the groups with which Burrow's consumer modules, given by name, commit their progress."""
    clusters = {module.cluster for module in consumers.values()}
    readers = {name: module.cluster for name, module in consumers.items() if module.class_name == "kafka"}
    return {
        cluster: frozenset(f"burrow-{name}" for name, read in readers.items() if read == cluster)
        for cluster in clusters
    }


def encode(name: str) -> str:
    """Return a name encoded as one path segment."""
    return quote(name, safe="")


def decode(
    endpoint: Endpoint, path: str, body: bytes, shape: type[AnswerT], shown: Callable[[str], str] = str
) -> AnswerT:
    """Decode ``body`` as ``shape``. Raises ``BurrowError``, which names the endpoint and the invalid field.

    ``shown`` redacts text from Burrow.
    """
    check_size(endpoint, path, body)
    try:
        answer: AnswerT = DECODERS[shape].decode(body)
    except (msgspec.DecodeError, RecursionError, UnicodeError) as error:
        if refusal := refusal_in(body):
            raise BurrowError(endpoint, Reason.REFUSED, f"{path} refused: {shown(refusal)}") from None
        reason = Reason.SHAPE if isinstance(error, msgspec.ValidationError) else Reason.NOT_JSON
        raise BurrowError(endpoint, reason, f"{path}: {error}") from None
    if answer.error:
        raise BurrowError(endpoint, Reason.REFUSED, f"{path} refused: {shown(answer.message)}")
    return answer


def check_size(endpoint: Endpoint, path: str, body: bytes) -> None:
    """Raise ``BurrowError`` for a body that would take many times its size when decoded. Does not decode it.

    Counts braces and commas, which mark objects and items. A string with one non-Latin character takes up to four bytes
    for each of its characters.
    """
    mark, most = MOST_ITEMS.get(endpoint, (b",", len(body)))
    if len(body) > most and (items := body.count(mark)) > most:
        raise BurrowError(endpoint, Reason.TOO_MANY, f"{path} returned about {items} items, more than {most}")
    if len(body) > LARGE_BYTES and endpoint is not Endpoint.TOPIC and has_long_text(body):
        raise BurrowError(endpoint, Reason.TOO_LARGE, f"{path} returned a string of more than {MAX_TEXT_BYTES} bytes")


def has_long_text(body: bytes) -> bool:
    """Return whether a string is longer than ``MAX_TEXT_BYTES``; finds all of more than one and a half times that.

    Looks for blocks without a quote that begins or ends a string, and so skips almost all of a body.
    """
    block, without = MAX_TEXT_BYTES // 4, 0
    for start in range(0, len(body), block):
        without = 0 if QUOTE.search(body, start, start + block) else without + 1
        if without * block > MAX_TEXT_BYTES:
            return True
    return False


def refusal_in(body: bytes) -> str:
    """Return the message of a response with ``error: true``, else an empty string."""
    try:
        answer = DECODERS[Answer].decode(body)
    except (msgspec.DecodeError, RecursionError, UnicodeError):
        return ""
    return str(answer.message) if answer.error else ""


def is_lag_answer(body: bytes) -> bool:
    """Return whether the body of a 404 is Burrow's response for a group, not a rejected request."""
    try:
        return not DECODERS[Answer].decode(body).error
    except (msgspec.DecodeError, RecursionError, UnicodeError):
        return False
