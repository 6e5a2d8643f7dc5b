"""Responses of Burrow: recorded ones, and similar ones made by tests."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

from tests import ROOT

RECORDINGS = ROOT / "tests" / "recordings"


@dataclass(frozen=True)
class Recorded:
    """One recorded response."""

    status: int
    content_type: str
    body: str


def load(name: str) -> Any:
    """Return a recording by its file name."""
    return json.loads((RECORDINGS / name).read_text(encoding="utf-8"))


def mixed() -> dict[str, Recorded]:
    """Return all responses, by path, of a recording with two clusters and groups in every status."""
    return {path: Recorded(**answer) for path, answer in load("mixed.json")["responses"].items()}


def answer(**fields: Any) -> Recorded:
    """Return a successful response with ``fields``."""
    return Recorded(200, "application/json", json.dumps({"error": False, "message": "", **fields}))


def commit(offset: int = 90, timestamp: int = 1_700_000_000_000, lag: int | None = 10) -> dict[str, Any]:
    """Return a commit of a window, observed immediately."""
    return {"offset": offset, "timestamp": timestamp, "observedAt": timestamp // 1000 * 1000, "lag": lag}


def partition(topic: str = "orders", number: int = 0, **fields: Any) -> dict[str, Any]:
    """Return a partition of a group's response: lag 10, full window."""
    return {
        "topic": topic,
        "partition": number,
        "owner": "",
        "client_id": "",
        "status": "OK",
        "start": commit(),
        "end": commit(),
        "current_lag": 10,
        "complete": 1,
        **fields,
    }


def lag_answer(cluster: str, group: str, *partitions: dict[str, Any], status: str = "OK") -> Recorded:
    """Return a group's response."""
    return answer(
        status={
            "cluster": cluster,
            "group": group,
            "status": status,
            "complete": 1,
            "partitions": partitions,
            "partition_count": len(partitions),
            "maxlag": None,
            "totallag": sum(part["current_lag"] for part in partitions),
        },
    )


NOT_FOUND = Recorded(404, "application/json", '{"error":true,"message":"not recorded"}')
BROKEN = Recorded(500, "text/plain", "broken")
STARTING = Recorded(503, "text/plain", "STARTING")


def small(groups: dict[str, Recorded] | None = None, topics: dict[str, list[int]] | None = None) -> dict[str, Recorded]:
    """Return the responses of a Burrow with cluster ``c`` and by default one group, ``g``, that reads one topic."""
    groups = {"g": lag_answer("c", "g", partition())} if groups is None else groups
    topics = {"orders": [100]} if topics is None else topics
    return {
        "/burrow/admin/ready": Recorded(200, "text/plain", "READY"),
        "/v3/kafka": answer(clusters=["c"]),
        "/v3/kafka/c/consumer": answer(consumers=list(groups)),
        "/v3/kafka/c/topic": answer(topics=list(topics)),
        **{f"/v3/kafka/c/consumer/{group}/lag": told for group, told in groups.items()},
        **{f"/v3/kafka/c/topic/{topic}": answer(offsets=offsets) for topic, offsets in topics.items()},
    }
