"""Failed requests: the endpoint and the reason. No I/O."""

from __future__ import annotations

import os
import re
import socket
import ssl
from collections.abc import Mapping
from enum import StrEnum
from http import HTTPStatus
from http.client import HTTPException, IncompleteRead, RemoteDisconnected


class Endpoint(StrEnum):
    """Burrow's endpoints, as label values."""

    READY = "ready"
    CONFIG = "config"
    CLUSTERS = "clusters"
    CONSUMERS = "consumers"
    LAG = "lag"
    TOPICS = "topics"
    TOPIC = "topic"


class Reason(StrEnum):
    """Why a request failed, or a part of its response was rejected."""

    CONNECTION = "connection"
    TLS = "tls"
    TIMEOUT = "timeout"
    DEADLINE = "deadline"
    NOT_READY = "not_ready"
    HTTP_2XX = "http_2xx"
    REDIRECT = "redirect"
    HTTP_4XX = "http_4xx"
    HTTP_5XX = "http_5xx"
    TOO_LARGE = "too_large"
    TOO_MANY = "too_many"
    NOT_JSON = "not_json"
    SHAPE = "shape"
    MISMATCH = "mismatch"
    REFUSED = "refused"
    NAME_TOO_LONG = "name_too_long"
    UNKNOWN_STATUS = "unknown_status"


TRANSIENT = frozenset({Reason.CONNECTION, Reason.TIMEOUT, Reason.HTTP_5XX})
UNANSWERED = TRANSIENT | {Reason.DEADLINE}
MAX_WORDS = 300
"""The maximum length of a message from Burrow or a library, in characters."""


class Clue(StrEnum):
    """The cause of a failure below HTTP, where it points to a mistake in the exporter's configuration."""

    NOTHING = ""
    REFUSED = "refused"
    UNKNOWN_HOST = "unknown_host"
    NOT_TLS = "not_tls"


class BurrowError(Exception):
    """A failed request.

    ``detail`` names the resource and the problem. A long one is shortened in the middle, as it may contain names and
    text from Burrow or a library. ``status`` is the HTTP status, or 0 without a response.
    """

    def __init__(
        self, endpoint: Endpoint, reason: Reason, detail: str, status: int = 0, clue: Clue = Clue.NOTHING
    ) -> None:
        detail = cut(detail)
        super().__init__(f"{endpoint}: {detail}")
        self.endpoint = endpoint
        self.reason = reason
        self.detail = detail
        self.status = status
        self.clue = clue


def cut(text: str) -> str:
    """Return a text, shortened in the middle if it is too long."""
    return text if len(text) <= MAX_WORDS else f"{text[: MAX_WORDS // 2]}...{text[-MAX_WORDS // 2 :]}"


def status_reason(endpoint: Endpoint, status: int) -> Reason:
    """Return the reason for an HTTP status other than 200."""
    if endpoint is Endpoint.READY and status == HTTPStatus.SERVICE_UNAVAILABLE:
        return Reason.NOT_READY
    if status >= HTTPStatus.INTERNAL_SERVER_ERROR:
        return Reason.HTTP_5XX
    if status >= HTTPStatus.BAD_REQUEST:
        return Reason.HTTP_4XX
    return Reason.REDIRECT if status >= HTTPStatus.MULTIPLE_CHOICES else Reason.HTTP_2XX


def transport_failure(endpoint: Endpoint, path: str, error: Exception) -> BurrowError:
    """Return the ``BurrowError`` for a failure below HTTP raised by requests, urllib3, http.client or the OS."""
    cause = root_cause(error)
    reason = Reason.CONNECTION
    if isinstance(cause, TimeoutError):
        reason = Reason.TIMEOUT
    elif isinstance(cause, ssl.SSLError):
        reason = Reason.TLS
    return BurrowError(endpoint, reason, f"{path}: {error_text(cause)}", clue=clue_in(cause))


def root_cause(error: BaseException) -> BaseException:
    """Unwrap an exception of requests or urllib3: return the error of the OS, TLS, HTTP or DNS that caused it.

    The libraries keep it as ``reason``, among the arguments, or as the cause or context of the exception.
    """
    seen: list[BaseException] = []
    while error not in seen:
        seen.append(error)
        context = None if error.__suppress_context__ else error.__context__
        wrapped = (getattr(error, "reason", None), *error.args, error.__cause__, context)
        error = next((each for each in wrapped if isinstance(each, Exception)), error)
    return error


def clue_in(error: BaseException) -> Clue:
    """Return the clue that the root cause of a failure gives."""
    if isinstance(error, ConnectionRefusedError):
        return Clue.REFUSED
    if isinstance(error, socket.gaierror):
        return Clue.UNKNOWN_HOST
    if isinstance(error, ssl.SSLError) and error.reason in {"WRONG_VERSION_NUMBER", "RECORD_LAYER_FAILURE"}:
        return Clue.NOT_TLS
    return Clue.NOTHING


def error_text(error: BaseException) -> str:
    """Return a short message for a failure below HTTP."""
    if isinstance(error, ssl.SSLError):
        return re.sub(r" \(_ssl\.c:\d+\)$", "", str(error))
    if isinstance(error, socket.gaierror):
        return error.strerror or str(error)
    if isinstance(error, OSError) and error.errno:
        return os.strerror(error.errno)
    if isinstance(error, RemoteDisconnected):
        return "connection closed without a response"
    if isinstance(error, IncompleteRead):
        return "connection closed in the middle of the response"
    words = cut(str(error).strip()) or "timed out"
    return f"not an HTTP response: {words}" if isinstance(error, HTTPException) else words


ADVICE: Mapping[tuple[Endpoint, Reason | Clue | int], str] = {
    (Endpoint.READY, Clue.REFUSED): (
        "nothing is listening there: is Burrow running on that port? In a container, localhost is the container itself"
    ),
    (Endpoint.READY, Clue.UNKNOWN_HOST): (
        "the host name cannot be resolved: check the spelling, and that it is on this network"
    ),
    (Endpoint.READY, Clue.NOT_TLS): "the server does not use TLS: use http:// ?",
    (Endpoint.READY, 400): "the server may require TLS: use https:// ?",
    (Endpoint.READY, Reason.NOT_READY): "Burrow is still connecting to Kafka: if this persists, check its log",
    (Endpoint.CLUSTERS, 404): (
        "this is not a Burrow, or the address ends with a path that Burrow does not serve, such as /v3/kafka"
    ),
    (Endpoint.CLUSTERS, Reason.NOT_JSON): "this is not a Burrow: check host and port",
}
"""The most likely misconfiguration, by endpoint and by the failure's clue, status or reason."""


def advice(error: BurrowError) -> str:
    """Return the most likely misconfiguration behind a failure, or an empty string."""
    found = (ADVICE.get((error.endpoint, each)) for each in (error.clue, error.status, error.reason))
    return next(filter(None, found), "")
