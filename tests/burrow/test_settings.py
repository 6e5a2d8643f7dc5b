"""Burrow's own configuration: four real ones, and responses without any."""

from __future__ import annotations

from typing import Any

import pytest

from burrow_exporter.burrow.answers import ConsumerModule, Settings
from burrow_exporter.burrow.client import BurrowClient, own_groups
from burrow_exporter.burrow.failures import BurrowError, Endpoint
from burrow_exporter.burrow.session import Target
from tests.support.faults import FaultServer, Step, by_path, reply, then_close
from tests.support.observers import RecordingObserver
from tests.support.recorded import Recorded, load

RECORDED = load("config.json")


def settings_of(answers: dict[str, Recorded | Step]) -> Settings | None:
    """Ask a Burrow that answers so for its settings."""
    with FaultServer(by_path(answers)) as server:
        client = BurrowClient(Target(server.address), 5, RecordingObserver())
        try:
            return client.settings()
        finally:
            client.close()


def recorded(name: str) -> dict[str, Any]:
    """Return the answers of a recorded Burrow."""
    answers = RECORDED[name]["responses"].items()
    return {path: Recorded(told["status"], "application/json", told["body"]) for path, told in answers}


@pytest.mark.parametrize(
    ("expire", "own", "name"),
    [
        (10, {"local": {"burrow-local"}}, "usual"),
        (10, {"local": {"burrow-myreader"}}, "no-evaluator"),
        (10, {"local": {"burrow-local"}}, "default-expire"),
        (0, {"local": {"burrow-local", "burrow-second"}}, "zero-two"),
    ],
)
def test_real_configurations(expire: int, own: dict[str, set[str]], name: str) -> None:
    """How long evaluations are kept, and the groups as which Burrow notes what it has read."""
    assert Settings(expire, {cluster: frozenset(names) for cluster, names in own.items()}) == settings_of(
        recorded(name)
    )


@pytest.mark.parametrize(
    "change",
    [
        {"/v3/config/evaluator": reply(b"nothing here", status=404)},
        {"/v3/config/evaluator": reply(b"no", status=403)},
        {"/v3/config/evaluator": reply(b"<html>")},
        {"/v3/config/evaluator": reply(b'{"error":false,"message":"","modules":[]}')},
        {"/v3/config/evaluator/caching": reply(b'{"error":true,"message":"evaluator module not found"}', status=404)},
        {"/v3/config/evaluator/caching": reply(b'{"error":false,"message":"","module":{"expire-cache":-1}}')},
        {"/v3/config/consumer": reply(b"no", status=401)},
        {"/v3/config/consumer/local": reply(b'{"error":false,"message":"","module":{"class-name":"kafka"}}')},
    ],
    ids=["none", "forbidden", "not JSON", "no module", "not found", "negative", "unauthorized", "no cluster"],
)
def test_a_burrow_that_does_not_tell(change: dict[str, Step]) -> None:
    """An answer that holds nothing is none: nothing depends on it alone."""
    assert settings_of(recorded("usual") | change) is None


def test_a_burrow_that_does_not_answer() -> None:
    """A failure that may pass is one: the request is made again."""
    with pytest.raises(BurrowError) as caught:
        settings_of(recorded("usual") | {"/v3/config/consumer": then_close()})
    assert Endpoint.CONFIG is caught.value.endpoint


def test_only_readers_of_kafka_note_what_they_read() -> None:
    """Those that read old consumers from ZooKeeper do not; a cluster that only they read has no group of Burrow's."""
    modules = {
        "a": ConsumerModule("kafka", "east"),
        "b": ConsumerModule("kafka_zk", "east"),
        "c": ConsumerModule("kafka_zk", "west"),
    }
    assert {"east": frozenset({"burrow-a"}), "west": frozenset()} == own_groups(modules)
