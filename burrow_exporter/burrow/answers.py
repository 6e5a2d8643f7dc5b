"""The shapes of Burrow's JSON answers (HTTP API v3), no I/O.

Each struct holds only the fields that are used: unknown fields are ignored, a missing or wrongly typed one makes
``msgspec.ValidationError`` name it. Names follow Burrow's own (``core/protocol`` and ``httpserver/structs.go``).
"""

from __future__ import annotations

from typing import Annotated

import msgspec

NOT_FOUND = "NOTFOUND"
"""The status of a group that Burrow does not know."""
# JSON knows integers of any size; one that no float holds would break sums here and every scrape by Prometheus.
LARGEST = 2**63 - 1
Number = Annotated[int, msgspec.Meta(ge=-LARGEST, le=LARGEST)]
Count = Annotated[int, msgspec.Meta(ge=0, le=LARGEST)]
Ratio = Annotated[float, msgspec.Meta(ge=0, le=1)]


class Commit(msgspec.Struct, frozen=True, gc=False, rename={"observed_at": "observedAt"}):
    """One commit in Burrow's window.

    ``timestamp`` is when the group committed and ``observed_at`` when Burrow read the commit, both in Unix
    milliseconds (the latter cut to whole seconds). ``lag`` is against the log end Burrow knew when it read the commit,
    ``None`` where it knew none.
    """

    offset: Number
    timestamp: Number
    observed_at: Number
    lag: Count | None


class Partition(msgspec.Struct, frozen=True, gc=False):
    """One partition of a group in ``GET /v3/kafka/C/consumer/G/lag``.

    ``start`` and ``end`` are the oldest and the newest commit of the window; both are ``None``, and ``current_lag`` 0
    means "unknown", as long as nothing was committed. ``complete`` is the filled share of the window, 0 to 1.
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
    """``status`` of ``GET /v3/kafka/C/consumer/G/lag``: a group and all its partitions."""

    cluster: str
    group: str
    status: str
    partitions: list[Partition]
    totallag: Count


class Answer(msgspec.Struct, frozen=True):
    """What every answer holds; with ``error: true`` often nothing else."""

    error: bool
    message: str


class LagAnswer(Answer, frozen=True):
    """``GET /v3/kafka/C/consumer/G/lag``; a group Burrow does not know answers 404 with ``status.status`` NOTFOUND."""

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
    """``GET /v3/kafka/C/topic/T``: the log-end offsets of the partitions whose offset Burrow knows, in their order."""

    offsets: list[Number]


class ModulesAnswer(Answer, frozen=True):
    """``GET /v3/config/evaluator`` or ``/v3/config/consumer``: the names of the modules, in lower case."""

    modules: list[str]


class EvaluatorModule(msgspec.Struct, frozen=True, rename="kebab"):
    """``module`` of ``GET /v3/config/evaluator/NAME``; ``expire_cache`` is in seconds, 0 for never."""

    expire_cache: Count


class EvaluatorAnswer(Answer, frozen=True):
    """``GET /v3/config/evaluator/NAME``."""

    module: EvaluatorModule


class ConsumerModule(msgspec.Struct, frozen=True, rename="kebab"):
    """``module`` of ``GET /v3/config/consumer/NAME``; only those of class ``kafka`` note their own progress."""

    class_name: str
    cluster: str


class ConsumerModuleAnswer(Answer, frozen=True):
    """``GET /v3/config/consumer/NAME``."""

    module: ConsumerModule


class Settings(msgspec.Struct, frozen=True):
    """What Burrow tells of its own configuration.

    ``expire_cache`` is for how many seconds it keeps an evaluation, 0 for ever. ``own_groups`` are the names of its own
    groups by cluster.
    """

    expire_cache: int
    own_groups: dict[str, frozenset[str]]
