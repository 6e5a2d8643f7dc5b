"""The structures of Burrow's JSON responses (HTTP API v3). No I/O.

Each struct declares only the fields that the exporter uses. Unknown fields are ignored; a missing field or one of the
wrong type raises ``msgspec.ValidationError``, which names it. Names follow Burrow's source (``core/protocol`` and
``httpserver/structs.go``).
"""

from __future__ import annotations

from typing import Annotated

import msgspec

NOT_FOUND = "NOTFOUND"
"""The status of a group that Burrow does not know."""
# JSON integers have no upper limit. One too large for a float would break sums here and every scrape by Prometheus.
LARGEST = 2**63 - 1
Number = Annotated[int, msgspec.Meta(ge=-LARGEST, le=LARGEST)]
Count = Annotated[int, msgspec.Meta(ge=0, le=LARGEST)]
Ratio = Annotated[float, msgspec.Meta(ge=0, le=1)]


class Commit(msgspec.Struct, frozen=True, gc=False, rename={"observed_at": "observedAt"}):
    """One commit in Burrow's window.

    ``timestamp`` is when the group committed and ``observed_at`` when Burrow read the commit, both in Unix milliseconds
    (``observed_at`` is truncated to seconds). ``lag`` is relative to the log end offset that Burrow knew when it read
    the commit, or ``None`` if it knew none.
    """

    offset: Number
    timestamp: Number
    observed_at: Number
    lag: Count | None


class Partition(msgspec.Struct, frozen=True, gc=False):
    """One partition of a group in ``GET /v3/kafka/C/consumer/G/lag``.

    ``start`` and ``end`` are the oldest and the newest commit in the window. Before the first commit both are ``None``,
    and a ``current_lag`` of 0 means "unknown". ``complete`` is the share of the window that is filled, 0 to 1.
    """

    topic: str
    partition: Count
    owner: str
    client_id: str
    status: str
    start: Commit | None
    end: Commit | None
    current_lag: Count
    complete: Ratio


class LagStatus(msgspec.Struct, frozen=True):
    """``status`` of ``GET /v3/kafka/C/consumer/G/lag``: a group with all its partitions."""

    cluster: str
    group: str
    status: str
    partitions: list[Partition]
    totallag: Count


class Answer(msgspec.Struct, frozen=True):
    """The fields common to all responses. With ``error: true`` there are often no others."""

    error: bool
    message: str


class LagAnswer(Answer, frozen=True):
    """``GET /v3/kafka/C/consumer/G/lag``. For an unknown group: 404 with the ``status.status`` NOTFOUND."""

    status: LagStatus


class ClustersAnswer(Answer, frozen=True):
    """``GET /v3/kafka``."""

    clusters: list[str]


class ConsumersAnswer(Answer, frozen=True):
    """``GET /v3/kafka/C/consumer``."""

    consumers: list[str]


class TopicsAnswer(Answer, frozen=True):
    """``GET /v3/kafka/C/topic``."""

    topics: list[str]


class TopicAnswer(Answer, frozen=True):
    """``GET /v3/kafka/C/topic/T``: the log end offsets Burrow knows, ordered by partition."""

    offsets: list[Number]


class ModulesAnswer(Answer, frozen=True):
    """``GET /v3/config/evaluator`` or ``/v3/config/consumer``: the names of the modules, in lower case."""

    modules: list[str]


class EvaluatorModule(msgspec.Struct, frozen=True, rename="kebab"):
    """``module`` of ``GET /v3/config/evaluator/NAME``. ``expire_cache`` is in seconds; 0 means never."""

    expire_cache: Count


class EvaluatorAnswer(Answer, frozen=True):
    """``GET /v3/config/evaluator/NAME``."""

    module: EvaluatorModule


class ConsumerModule(msgspec.Struct, frozen=True, rename="kebab"):
    """``module`` of ``GET /v3/config/consumer/NAME``. Only modules of class ``kafka`` commit their own progress."""

    class_name: str
    cluster: str


class ConsumerModuleAnswer(Answer, frozen=True):
    """``GET /v3/config/consumer/NAME``."""

    module: ConsumerModule


class Settings(msgspec.Struct, frozen=True):
    """The parts of Burrow's configuration that the exporter uses.

    ``expire_cache`` is how long Burrow caches an evaluation, in seconds; 0 means forever. ``own_groups`` are the names
    of Burrow's own groups by cluster.
    """

    expire_cache: int
    own_groups: dict[str, frozenset[str]]
