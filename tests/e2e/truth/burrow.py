"""Burrow's HTTP API: status and body of each response, unprocessed."""

from __future__ import annotations

import json
import time
import urllib.error
import urllib.parse
import urllib.request
from typing import Any

Answer = dict[str, Any]


def ask(address: str, path: str, timeout: float = 10.0) -> Answer:
    """Return an answer in the form of the project's recordings; a failure has the status 0."""
    try:
        with urllib.request.urlopen(f"{address}{path}", timeout=timeout) as answer:  # noqa: S310  the chain's own address
            return {"status": answer.status, "body": answer.read().decode()}
    except urllib.error.HTTPError as error:
        return {"status": error.code, "body": error.read().decode()}
    except OSError as error:
        return {"status": 0, "body": str(error)}


def lag_path(cluster: str, group: str) -> str:
    """Return where a group's evaluation is asked for."""
    return f"/v3/kafka/{cluster}/consumer/{urllib.parse.quote(group, safe='')}/lag"


def topic_path(cluster: str, topic: str) -> str:
    """Return where a topic's log ends are asked for."""
    return f"/v3/kafka/{cluster}/topic/{urllib.parse.quote(topic, safe='')}"


def evaluation(answer: Answer) -> dict[str, Any] | None:
    """Return the `status` of a /lag answer that has one."""
    if answer["status"] != 200:
        return None
    status: dict[str, Any] = json.loads(answer["body"])["status"]
    return status


def own_lag(address: str, cluster: str, own: str) -> int | None:
    """Return how far Burrow is behind as its storage has it now: this endpoint goes past the evaluator's cache."""
    answer = ask(address, f"/v3/kafka/{cluster}/consumer/{own}", 3.0)
    if answer["status"] != 200:
        return None
    lags: list[int] = [one["current-lag"] for one in json.loads(answer["body"])["topics"].get("__consumer_offsets", [])]
    return sum(lags)


def wait_ready(address: str, seconds: float = 60.0) -> bool:
    """Wait until Burrow is READY."""
    until = time.time() + seconds
    while time.time() < until:
        if ask(address, "/burrow/admin/ready", 3.0)["status"] == 200:
            return True
        time.sleep(0.2)
    return False
