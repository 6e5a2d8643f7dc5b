"""The JSON API: every response, and that docs/openapi.yaml describes it."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any
from urllib.parse import quote

import pytest
import yaml
from jsonschema import Draft202012Validator

from burrow_exporter.settings.policy import GroupEntry, Policy
from burrow_exporter.snapshot import Snapshot, Topic
from burrow_exporter.status.api import respond
from burrow_exporter.status.view import View
from tests import ROOT
from tests.status.test_page import GONE, ODD, THREE, recorded, view
from tests.status.test_rows import EXPIRY, NOW, cluster, group, partition, snapshot, uncommitted

DOCUMENT = yaml.safe_load((ROOT / "docs" / "openapi.yaml").read_text(encoding="utf-8"))
PATHS = {"clusters": "/clusters", "groups": "/groups"}
ITEMS = {"groups": "/groups/{cluster}/{group}", "topics": "/topics/{cluster}/{topic}"}


def ask(path: str, shown: View, query: str = "") -> tuple[int, Any]:
    """Return an answer, which has to be as documented."""
    status, body = respond(f"/api/v1/{path}", query, shown)
    answer = json.loads(body)
    parts = path.split("/")
    documented = DOCUMENT["paths"][ITEMS[parts[0]] if len(parts) > 1 else PATHS[path]]["get"]["responses"][str(status)]
    if "$ref" in documented:
        documented = DOCUMENT["components"]["responses"]["Error"]
    schema = documented["content"]["application/json"]["schema"] | {"components": DOCUMENT["components"]}
    Draft202012Validator(schema).validate(answer)
    return status, answer


def world() -> View:
    """Return groups of every kind, with a policy and a past, and a second Burrow that is gone."""
    offsets = (Topic("orders", [1324, 95, 20], NOW, EXPIRY),)
    now = snapshot(replace(THREE, topics=offsets))
    policy = Policy(groups=(GroupEntry(team="logistics", severity="warning", alerts="off"),))
    old = snapshot(cluster(group("old", "NEWS", none=[uncommitted()]), name="east"), burrow="b")
    gone = Snapshot("b", (), NOW, frozenset({"east"}), GONE)
    histories = recorded(*(replace(now, taken_at=NOW - 30 * ago) for ago in (3, 2, 1, 0)), policy=policy)
    return replace(view(now, gone), histories=histories | recorded(old, gone))


def test_groups() -> None:
    """What the page shows of a group, with names that stay, and null where nothing is known."""
    status, answer = ask("groups", world())
    assert (200, None) == (status, answer["next"])
    found = {each["group"]: each for each in answer["groups"]}
    assert ["old", "fine", "lost", "slow"] == list(found)
    assert {
        "burrow": "default",
        "cluster": "west",
        "group": "lost",
        "status": "ERR",
        "late": False,
        "cause": "stopped: 1 of 2 partitions of orders",
        "since": "2027-01-15T07:58:30+00:00",
        "since_exact": False,
        "lag": 1234,
        "lag_max": 1234,
        "lag_seconds": 125.0,
        "max_lag_seconds": 300.0,
        "lag_per_second": 0.0,
        "catch_up_seconds": None,
        "partition_count": 2,
        "partitions_not_ok": 1,
        "partitions_unknown": 1,
        "members": 1,
        "unowned_partitions": 1,
        "owner_changes": 0,
        "team": "logistics",
        "severity": "warning",
        "muted": ["off"],
        "read_at": "2027-01-15T07:59:57+00:00",
        "stale": False,
        "last_known": False,
    } == found["lost"]
    assert ("UNKNOWN", None, True) == tuple(found["old"][name] for name in ("status", "lag", "last_known"))


@pytest.mark.parametrize(
    ("expected", "query"),
    [
        (["lost"], "status=err"),
        (["slow"], "status=warn&q=WEST"),
        (["lost"], "status=ERR"),
        (["lost", "slow"], "status=muted"),
        (["fine", "lost", "slow"], "team=logistics"),
        (["old"], "burrow=b"),
        (["old"], "cluster=east"),
        ([], "cluster="),
        (["fine", "lost", "slow"], "after=default/west/"),
        (["slow"], "after=default/west/lost"),
    ],
)
def test_filters(expected: list[str], query: str) -> None:
    """By status, team, words in names, Burrow and cluster."""
    assert expected == [each["group"] for each in ask("groups", world(), query)[1]["groups"]]


def test_pages() -> None:
    """Each page links to the next, with the filter and for all names, until every group was listed once."""
    shown = view(snapshot(cluster(*(group(name, "OK", [partition()], [0.0]) for name in ODD))))
    names, query = [], "?limit=3&q="
    while query:
        answer = ask("groups", shown, query.removeprefix("?"))[1]
        names += [each["group"] for each in answer["groups"]]
        assert 3 >= len(answer["groups"])
        query = answer["next"]
    assert sorted(ODD) == names


@pytest.mark.parametrize("query", ["limit=0", "limit=1001", "limit=x", "limit=", "limit=-1", "status=x", "limit=²"])
def test_bad_queries(query: str) -> None:
    """They are refused, with what is allowed."""
    status, answer = ask("groups", world(), query)
    assert (400, True) == (status, "must be" in answer["error"])


def test_group() -> None:
    """A group with its partitions; of one without a commit nothing is known but the log end."""
    status, answer = ask("groups/west/lost", world())
    assert 200 == status
    assert [
        {
            "topic": "orders",
            "partition": 0,
            "status": "STOP",
            "lag": 1234,
            "lag_seconds": 125.0,
            "committed_offset": 90,
            "log_end_offset": 1324,
            "ahead": False,
            "committed_at": "2027-01-15T07:59:55+00:00",
            "complete": 1.0,
            "host": "10.0.0.2",
            "client_id": "",
        },
        {
            "topic": "orders",
            "partition": 1,
            "status": "UNKNOWN",
            "lag": None,
            "lag_seconds": None,
            "committed_offset": None,
            "log_end_offset": 95,
            "ahead": False,
            "committed_at": None,
            "complete": 0.0,
            "host": "",
            "client_id": "",
        },
    ] == answer["partitions"]


def test_topic() -> None:
    """A topic with who reads it."""
    status, answer = ask("topics/west/orders", world())
    assert (200, [1324, 95, 20]) == (status, answer["log_end_offsets"])
    assert [("lost", "STOP", 1234), ("slow", "WARN", 8), ("fine", "OK", 0)] == [
        (each["group"], each["status"], each["lag"]) for each in answer["groups"]
    ]


def test_clusters() -> None:
    """Each with how far it can be trusted."""
    _, answer = ask("clusters", world())
    assert [("default", "west", "up to date", 3), ("b", "east", "not exposed", 1)] == [
        (each["burrow"], each["cluster"], each["state"], each["groups"]) for each in answer["clusters"]
    ]


@pytest.mark.parametrize(
    ("expected", "path", "query"),
    [
        ("lists no group of this name", "groups/west/nobody", ""),
        ("Burrow has not been polled yet", "groups/west/lost", "burrow=new"),
        ("No Burrow of this name is configured", "groups/west/lost", "burrow=none"),
        ("lists no cluster", "groups/north/lost", ""),
        ("Unknown topic", "topics/west/nothing", ""),
        ("Unknown topic", "topics/north/orders", ""),
    ],
)
def test_what_is_missing(expected: str, path: str, query: str) -> None:
    """The answer says why."""
    shown = replace(world(), burrows=("default", "b", "new"))
    status, answer = ask(path, shown, query)
    assert (404, True) == (status, expected in answer["error"])


@pytest.mark.parametrize("odd", ODD)
def test_names_may_hold_anything(odd: str) -> None:
    """They are percent-encoded in the path, slashes included."""
    made = group(odd, "ERR", [partition("STOP", topic=odd, client_id=odd)], [1.0])
    shown = view(snapshot(cluster(made, name=odd)))
    path = quote(odd, safe="")
    assert odd == ask(f"groups/{path}/{path}", shown)[1]["group"]
    assert odd == ask(f"topics/{path}/{path}", shown)[1]["topic"]


@pytest.mark.parametrize("path", ["", "nothing", "groups/a", "groups/a/b/c", "topics"])
def test_other_paths(path: str) -> None:
    """There is nothing else."""
    assert 404 == respond(f"/api/v1/{path}", "", world())[0]


def test_figures_of_any_size() -> None:
    """A sum of lags may be larger than what 64 bits hold."""
    huge = group("g", "ERR", [partition("STOP", number, 2**63 - 1) for number in range(3)], [1.0] * 3)
    assert 3 * (2**63 - 1) == ask("groups", view(snapshot(cluster(huge))))[1]["groups"][0]["lag"]


def test_the_document_is_openapi() -> None:
    """Every path has an answer for what works, and what is named exists."""
    assert {"/clusters", *PATHS.values(), *ITEMS.values()} == set(DOCUMENT["paths"])
    schemas = DOCUMENT["components"]["schemas"]
    for schema in schemas.values():
        Draft202012Validator.check_schema(schema)
        assert set(schema.get("required", ())) == set(schema.get("properties", ()))
