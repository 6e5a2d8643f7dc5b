"""Requests that brought nothing of use: what was asked, and why not. No I/O."""

from __future__ import annotations

import os
import re
import socket
import ssl
from enum import StrEnum
from http import HTTPStatus


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
    HTTP_2XX = "http_2xx"
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


def status_reason(endpoint: Endpoint, status: int) -> Reason:
    """Return the reason that stands for an HTTP status other than 200."""
    if endpoint is Endpoint.READY and status == HTTPStatus.SERVICE_UNAVAILABLE:
        return Reason.NOT_READY
    if status >= HTTPStatus.INTERNAL_SERVER_ERROR:
        return Reason.HTTP_5XX
    if status >= HTTPStatus.BAD_REQUEST:
        return Reason.HTTP_4XX
    return Reason.REDIRECT if status >= HTTPStatus.MULTIPLE_CHOICES else Reason.HTTP_2XX


def transport_reason(error: Exception) -> Reason:
    """Return the reason that stands for a failure below HTTP."""
    if isinstance(error, TimeoutError):
        return Reason.TIMEOUT
    return Reason.TLS if isinstance(error, ssl.SSLError) else Reason.CONNECTION


def describe(error: Exception) -> str:
    """Return what a failure below HTTP says, in few words; of a name's several addresses each kind of failure once."""
    if isinstance(error, ssl.SSLError):
        return re.sub(r" \(_ssl\.c:\d+\)$", "", str(error))
    if isinstance(error, socket.gaierror):
        return error.strerror or str(error)
    if isinstance(error, OSError) and error.errno:
        return os.strerror(error.errno)
    of_addresses = re.findall(r"\[Errno (\d+)\] Connect call failed", str(error))  # asyncio has them in one text alone
    return ", ".join(dict.fromkeys(os.strerror(int(number)) for number in of_addresses)) or str(error) or "timed out"


ADVICE = (
    (
        (Endpoint.READY, Reason.CONNECTION, "Connection refused"),
        "nothing listens there: is Burrow running, and is that its port? In a container localhost is the container",
    ),
    ((Endpoint.READY, Reason.TLS, "WRONG_VERSION_NUMBER"), "no TLS is spoken there: should it be http:// ?"),
    ((Endpoint.READY, Reason.HTTP_4XX, "answers 400"), "TLS may be spoken there: should it be https:// ?"),
    ((Endpoint.READY, Reason.NOT_READY, ""), "Burrow is still connecting to Kafka: if that lasts, look into its log"),
    (
        (Endpoint.CLUSTERS, Reason.HTTP_4XX, "answers 404"),
        "what answers there is no Burrow, or its address ends in a path that is not its own, such as /v3/kafka",
    ),
    ((Endpoint.CLUSTERS, Reason.NOT_JSON, ""), "what answers there is no Burrow: are host and port right?"),
)
"""By endpoint, reason and words of a failure: what is most often behind it where an exporter is set up."""


def advice(error: BurrowError) -> str:
    """Return what may be wrong where a request failed like this, or nothing."""
    for (endpoint, reason, words), text in ADVICE:
        if (endpoint, reason) == (error.endpoint, error.reason) and words in error.detail:
            return text
    return ""
