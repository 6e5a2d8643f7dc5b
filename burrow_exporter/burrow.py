"""The client of one Burrow: requests, retries, errors. With ``deadline.py`` the only module that knows urllib3."""

from __future__ import annotations

import ssl
import threading
import time
from base64 import b64encode
from collections.abc import Mapping
from contextlib import closing
from enum import StrEnum
from http import HTTPStatus
from typing import Any, Protocol, TypeVar
from urllib.parse import quote, urlsplit

import msgspec
import urllib3
from tenacity import (
    RetryCallState,
    Retrying,
    retry_if_exception,
    stop_after_attempt,
    stop_before_delay,
    wait_exponential_jitter,
)
from tenacity.nap import sleep_using_event

from burrow_exporter import __version__
from burrow_exporter.answers import (
    Answer,
    ClustersAnswer,
    ConsumersAnswer,
    GroupStatus,
    LagAnswer,
    TopicAnswer,
    TopicsAnswer,
)
from burrow_exporter.config import TlsConfig
from burrow_exporter.deadline import client_context, open_pool, set_deadline
from burrow_exporter.snapshot import NOT_FOUND

MAX_ANSWER_BYTES = 64 * 1024 * 1024
MAX_NAME_BYTES = 4096
ATTEMPTS = 3
# Compressed answers are not asked for: a bound on the bytes read is then a bound on the answer.
HEADERS = {"Accept": "application/json", "Accept-Encoding": "identity", "User-Agent": f"burrow_exporter/{__version__}"}

AnswerT = TypeVar("AnswerT", bound=Answer)
# Made here: msgspec looks into a type when it first decodes it, and two threads that do so at once crash the process.
DECODERS: Mapping[type[Answer], msgspec.json.Decoder[Any]] = {
    shape: msgspec.json.Decoder(shape)
    for shape in (Answer, ClustersAnswer, ConsumersAnswer, LagAnswer, TopicAnswer, TopicsAnswer)
}


class Endpoint(StrEnum):
    """What is asked of Burrow."""

    READY = "ready"
    CLUSTERS = "clusters"
    CONSUMERS = "consumers"
    LAG = "lag"
    TOPICS = "topics"
    TOPIC = "topic"


class Reason(StrEnum):
    """Why a request, or a part of its answer, could not be used."""

    CONNECTION = "connection"
    TLS = "tls"
    TIMEOUT = "timeout"
    DEADLINE = "deadline"
    NOT_READY = "not_ready"
    REDIRECT = "redirect"
    HTTP_4XX = "http_4xx"
    HTTP_5XX = "http_5xx"
    TOO_LARGE = "too_large"
    NOT_JSON = "not_json"
    SHAPE = "shape"
    MISMATCH = "mismatch"
    REFUSED = "refused"
    NAME_TOO_LONG = "name_too_long"
    UNKNOWN_STATUS = "unknown_status"


TRANSIENT = frozenset({Reason.CONNECTION, Reason.TIMEOUT, Reason.HTTP_5XX})
UNANSWERED = TRANSIENT | {Reason.DEADLINE}


class BurrowError(Exception):
    """A request that brought no usable answer. ``detail`` names the resource and what is wrong with it."""

    def __init__(self, endpoint: Endpoint, reason: Reason, detail: str) -> None:
        super().__init__(f"{endpoint}: {detail}")
        self.endpoint = endpoint
        self.reason = reason
        self.detail = detail


class Observer(Protocol):
    """Who counts requests."""

    def sent(self, endpoint: Endpoint) -> None:
        """Note one attempt of a request."""

    def failed(self, endpoint: Endpoint, reason: Reason) -> None:
        """Note that an attempt brought no usable answer."""


class BurrowClient:
    """Asks one Burrow. Safe to share between threads: each has a connection of its own.

    ``timeout`` is in seconds, for one request as a whole. Every method takes ``deadline`` (monotonic seconds), after
    which neither an attempt nor a retry goes on, and raises ``BurrowError``; once ``stop`` is set nothing is tried
    again. ``observer`` hears of every attempt and of those failures that are tried again; the last one is raised.
    ``credentials`` are user name and password.
    """

    def __init__(
        self,
        address: str,
        timeout: float,
        observer: Observer,
        stop: threading.Event,
        credentials: tuple[str, str] | None = None,
        tls: TlsConfig | None = None,
    ) -> None:
        self.address = address
        self._headers = HEADERS | authorization(credentials)
        self._context = client_context(address, tls or TlsConfig())
        self._path = urlsplit(address).path.rstrip("/")
        self._timeout = timeout
        self._observer = observer
        self._stop = stop
        self._local = threading.local()

    def check_ready(self, deadline: float) -> None:
        """Return if Burrow's consumers are started, else raise (``GET /burrow/admin/ready``).

        A Burrow too old to know the resource (404) counts as ready.
        """
        try:
            self._get(Endpoint.READY, "/burrow/admin/ready", deadline)
        except _StatusError as error:
            if error.status != HTTPStatus.NOT_FOUND:
                raise

    def clusters(self, deadline: float) -> list[str]:
        """Return the names of the clusters (``GET /v3/kafka``)."""
        return self._ask(Endpoint.CLUSTERS, "/v3/kafka", ClustersAnswer, deadline).clusters

    def groups(self, cluster: str, deadline: float) -> list[str]:
        """Return the names of a cluster's consumer groups (``GET /v3/kafka/C/consumer``)."""
        path = f"/v3/kafka/{encode(cluster)}/consumer"
        return self._ask(Endpoint.CONSUMERS, path, ConsumersAnswer, deadline).consumers

    def topics(self, cluster: str, deadline: float) -> list[str]:
        """Return the names of a cluster's topics (``GET /v3/kafka/C/topic``)."""
        return self._ask(Endpoint.TOPICS, f"/v3/kafka/{encode(cluster)}/topic", TopicsAnswer, deadline).topics

    def offsets(self, cluster: str, topic: str, deadline: float) -> list[int]:
        """Return the log-end offsets that Burrow knows of a topic (``GET /v3/kafka/C/topic/T``)."""
        path = f"/v3/kafka/{encode(cluster)}/topic/{encode(topic)}"
        return self._ask(Endpoint.TOPIC, path, TopicAnswer, deadline).offsets

    def group(self, cluster: str, group: str, deadline: float) -> GroupStatus | None:
        """Return the status of a group with all its partitions (``GET /v3/kafka/C/consumer/G/lag``).

        ``None`` for a group that Burrow lists but does not know any more (404 ``NOTFOUND``).
        """
        path = f"/v3/kafka/{encode(cluster)}/consumer/{encode(group)}/lag"
        try:
            status = self._ask(Endpoint.LAG, path, LagAnswer, deadline).status
        except _StatusError as error:
            if error.status != HTTPStatus.NOT_FOUND or not is_lag_answer(error.body):
                raise
            status = decode(Endpoint.LAG, path, error.body, LagAnswer).status
        # Names that HTTP software collapses (`..`), or a proxy that mixes answers up, reach another resource.
        if (status.cluster, status.group) != (cluster, group):
            detail = f"{path} answers for group {status.group!r} of cluster {status.cluster!r}"
            raise BurrowError(Endpoint.LAG, Reason.MISMATCH, detail)
        return None if status.status == NOT_FOUND else status

    def _ask(self, endpoint: Endpoint, path: str, shape: type[AnswerT], deadline: float) -> AnswerT:
        return decode(endpoint, path, self._get(endpoint, path, deadline), shape)

    def _get(self, endpoint: Endpoint, path: str, deadline: float) -> bytes:
        try:
            return self._attempt(endpoint, path, deadline)
        except BurrowError as error:
            if not is_transient(error):
                raise
            failures = [error]

        def again() -> bytes:
            if failures:
                raise failures.pop()
            return self._attempt(endpoint, path, deadline)

        # Only now, with the first failure in hand: around every request it costs a fifth of a poll's CPU.
        retrying = Retrying(
            retry=retry_if_exception(is_transient),
            stop=stop_after_attempt(ATTEMPTS) | stop_before_delay(deadline - time.monotonic()),
            wait=wait_exponential_jitter(multiplier=0.2, jitter=0.2),
            before_sleep=self._count_retried,
            sleep=sleep_using_event(self._stop),
            reraise=True,
        )
        return retrying(again)

    def _count_retried(self, state: RetryCallState) -> None:
        error = state.outcome and state.outcome.exception()
        if isinstance(error, BurrowError):
            self._observer.failed(error.endpoint, error.reason)

    def _attempt(self, endpoint: Endpoint, path: str, deadline: float) -> bytes:
        left = deadline - time.monotonic()
        if left <= 0 or self._stop.is_set():
            raise BurrowError(endpoint, Reason.DEADLINE, f"{path} was not asked before the poll's end")
        self._observer.sent(endpoint)
        try:
            status, body = self._exchange(path, min(self._timeout, left))
        except (urllib3.exceptions.HTTPError, OSError) as error:
            raise BurrowError(endpoint, transport_reason(error), f"{path}: {root_cause(error)}") from error
        if len(body) > MAX_ANSWER_BYTES:
            raise BurrowError(endpoint, Reason.TOO_LARGE, f"{path} answers more than {MAX_ANSWER_BYTES} bytes")
        if status != HTTPStatus.OK:
            raise _StatusError(endpoint, path, status, body)
        return body

    def _exchange(self, path: str, timeout: float) -> tuple[int, bytes]:
        """Return status and body of one GET that takes at most ``timeout`` seconds as a whole."""
        set_deadline(time.monotonic() + timeout)
        # A pool, without urllib3's manager or requests around it: half their CPU (0.2 s less for 1,100 answers).
        response = self._pool().urlopen(
            "GET",
            self._path + path,
            headers=self._headers,
            timeout=timeout,
            retries=False,
            redirect=False,
            preload_content=False,
        )
        with closing(response):
            body = response.read(MAX_ANSWER_BYTES + 1, decode_content=False)
            # Of an answer that is cut off, urllib3 returns what has come; only the next read tells.
            return response.status, body + response.read(1, decode_content=False)

    def _pool(self) -> urllib3.HTTPConnectionPool:
        """Return this thread's connection."""
        if not hasattr(self._local, "pool"):
            self._local.pool = open_pool(self.address, self._context)
        pool: urllib3.HTTPConnectionPool = self._local.pool
        return pool


def authorization(credentials: tuple[str, str] | None) -> dict[str, str]:
    """Return the header of basic authentication (RFC 7617), none without credentials."""
    if credentials is None:
        return {}
    return {"Authorization": f"Basic {b64encode(':'.join(credentials).encode()).decode()}"}


def encode(name: str) -> str:
    """Return a name as one segment of a path."""
    return quote(name, safe="")


def decode(endpoint: Endpoint, path: str, body: bytes, shape: type[AnswerT]) -> AnswerT:
    """Return the answer in ``body``; ``BurrowError`` names the endpoint and the field where it is not of ``shape``."""
    try:
        answer: AnswerT = DECODERS[shape].decode(body)
    except (msgspec.DecodeError, RecursionError, UnicodeError) as error:
        if refusal := refusal_in(body):
            raise BurrowError(endpoint, Reason.REFUSED, f"{path} answers: {refusal}") from None
        reason = Reason.SHAPE if isinstance(error, msgspec.ValidationError) else Reason.NOT_JSON
        raise BurrowError(endpoint, reason, f"{path}: {error}") from None
    if answer.error:
        raise BurrowError(endpoint, Reason.REFUSED, f"{path} answers: {answer.message}")
    return answer


def refusal_in(body: bytes) -> str:
    """Return the message of an answer with ``error: true``, else an empty string."""
    try:
        answer = DECODERS[Answer].decode(body)
    except (msgspec.DecodeError, RecursionError, UnicodeError):
        return ""
    return str(answer.message) if answer.error else ""


def is_lag_answer(body: bytes) -> bool:
    """Tell whether the body of a 404 is Burrow's own answer for a group, and no refusal of the request."""
    try:
        return not DECODERS[Answer].decode(body).error
    except (msgspec.DecodeError, RecursionError, UnicodeError):
        return False


class _StatusError(BurrowError):
    """An answer other than 200."""

    def __init__(self, endpoint: Endpoint, path: str, status: int, body: bytes) -> None:
        refusal = refusal_in(body)
        super().__init__(endpoint, status_reason(endpoint, status), f"{path} answers {status} {refusal}".rstrip())
        self.status = status
        self.body = body


def status_reason(endpoint: Endpoint, status: int) -> Reason:
    """Return the reason that stands for an HTTP status other than 200."""
    if endpoint is Endpoint.READY and status == HTTPStatus.SERVICE_UNAVAILABLE:
        return Reason.NOT_READY
    if status >= HTTPStatus.INTERNAL_SERVER_ERROR:
        return Reason.HTTP_5XX
    return Reason.HTTP_4XX if status >= HTTPStatus.BAD_REQUEST else Reason.REDIRECT


def is_transient(error: BaseException) -> bool:
    """Tell whether the same request may succeed when it is sent again."""
    return isinstance(error, BurrowError) and error.reason in TRANSIENT


def transport_reason(error: Exception) -> Reason:
    """Return the reason that stands for a failure below HTTP."""
    cause = root_cause(error)
    if isinstance(cause, TimeoutError | urllib3.exceptions.TimeoutError):
        return Reason.TIMEOUT
    return Reason.TLS if isinstance(cause, ssl.SSLError) else Reason.CONNECTION


def root_cause(error: BaseException) -> BaseException:
    """Return the exception at the bottom of those that urllib3 wraps around it."""
    while error.__cause__ or error.__context__:
        error = error.__cause__ or error.__context__ or error
    return error
