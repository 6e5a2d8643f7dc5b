"""The guide to MSK: quoted messages are real, permissions are the required ones, and its files work."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest
import trustme

from compose.renderer.settings import read_settings
from tests import ROOT
from tests.support.auth_broker import ACLS
from tests.support.auth_cases import BY_HAND, NO_BROKER, RIGHT, SEEN, WRONG
from tests.support.stack import composed

GUIDE = (ROOT / "docs" / "msk.md").read_text(encoding="utf-8")
TROUBLES = GUIDE.partition("## 10. ")[2]
AT_DEBUG = {message for case in WRONG if case.more.get("BURROW_LOGGING_LEVEL") for message in case.says}


def blocks(language: str) -> list[str]:
    """Return the guide's blocks in a language."""
    return re.findall(rf"(?ms)^```{language}\n(.*?)^```$", GUIDE)


def test_every_message_is_quoted_and_seen() -> None:
    """What the tables of troubles quote is what Burrow and ``check`` say in the cases that are tried, all of it."""
    seen = {message for case in WRONG for message in (*case.says, case.check) if message} - AT_DEBUG
    expected = {*seen, *BY_HAND} - {f'{NO_BROKER}"'}
    first = [row.split("|")[1] for row in TROUBLES.splitlines() if row.startswith("|")]
    quoted = set(re.findall("`([^`]+)`", " ".join(first))) - {"burrow-exporter check"}
    assert expected == quoted | {message for message in BY_HAND if f"`{message}`" in TROUBLES}


def test_messages_at_debug_are_quoted() -> None:
    """What is told at the level debug alone stands in the guide, as does what all failures to connect begin with."""
    assert AT_DEBUG
    assert [] == [message for message in (*AT_DEBUG, NO_BROKER) if message not in TROUBLES]


def test_every_right_is_needed_and_given() -> None:
    """The guide's ACLs are those that are tried with all of them, and with each one missing."""
    given = re.findall("(?m)^kafka-acls.sh .* --add --allow-principal User:burrow (.+)$", GUIDE)
    assert list(ACLS.values()) == given
    users = {case.settings.get("KAFKA_USERNAME") for case in WRONG}
    assert {f"no-{name}" for name in ACLS} <= users
    assert "burrow" in {case.settings.get("KAFKA_USERNAME") for case in RIGHT if case.check == SEEN}


@pytest.mark.parametrize("block", blocks("json"))
def test_policies_are_policies(block: str) -> None:
    """Each block of JSON is a policy that allows actions on resources by name, none of them on everything."""
    policy: dict[str, Any] = json.loads(block)
    assert "2012-10-17" == policy["Version"]
    for statement in policy["Statement"]:
        assert {"Effect", "Action", "Resource"} == set(statement)
        assert "*" not in (statement["Action"], statement["Resource"])


@pytest.mark.parametrize("block", blocks("ini"))
def test_settings_are_taken(block: str, tmp_path: Path) -> None:
    """Each block of settings is a whole `.env`, by which the cluster is known and nothing is odd."""
    leaf = trustme.CA().issue_cert("client.example")
    (tmp_path / "burrow.crt").write_bytes(leaf.cert_chain_pems[0].bytes())
    (tmp_path / "burrow.key").write_bytes(leaf.private_key_pem.bytes())
    (tmp_path / ".env").write_text(block, encoding="utf-8")
    settings = read_settings(tmp_path / ".env")
    assert ("orders",) == tuple(cluster.name for cluster in settings.clusters)
    assert () == settings.warnings


def test_each_way_is_shown() -> None:
    """There are settings for SCRAM, IAM and mutual TLS, each told by its port."""
    assert [":9096", ":9098", ":9094"] == [block.splitlines()[1][-5:] for block in blocks("ini")]


@pytest.mark.parametrize(
    ("profiles", "said"),
    [
        ({"small"}, r"`PROFILE=small` \| (\S+) GiB"),
        ({"full", "object-store"}, r"`PROFILE=full` \| (\S+) GiB"),
        ({"full"}, "; (\\S+) with S3"),
    ],
)
def test_the_memory_is_that_of_the_services(profiles: set[str], said: str) -> None:
    """The limits of memory by which to choose an instance are those of what goes on running, added up."""
    running = [each for name, each in composed()["services"].items() if name != "init"]
    limits = [int(each["mem_limit"].removesuffix("m")) for each in running if profiles & set(each["profiles"])]
    assert [f"{sum(limits) / 1024:.1f}"] == re.findall(said, GUIDE)
