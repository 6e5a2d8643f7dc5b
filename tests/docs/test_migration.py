"""docs/migration.md: the metric names of other exporters, and queries with equal results before and after."""

from __future__ import annotations

import re
from collections.abc import Iterator
from itertools import pairwise
from typing import Any

import pytest

from burrow_exporter.metrics.families import FAMILIES
from tests import ROOT
from tests.support.documents import Block, blocks
from tests.support.history import History, demo_history
from tests.support.peers import CLUSTER, ONE_KAFKA, PEERS, Family, page_of
from tests.support.promql import OWN, metrics

PAGE = ROOT / "docs" / "migration.md"
SECTIONS = dict(re.findall(r"^## (.+)\n((?:(?!## ).*\n)*)", PAGE.read_text("utf-8"), re.MULTILINE))
ROW = re.compile(r"^\| `(\w+)` \| (.+) \|$", re.MULTILINE)
QUERIES = list(blocks(PAGE, "promql"))
PAIRS = [(old, new) for old, new in pairwise(QUERIES) if old.note == "before"]
AFTER = [query for query in QUERIES if query.note != "before"]
GROUP = "consumer_group"
THEIRS = {
    "group": GROUP,
    "consumergroup": GROUP,
    "group_id": GROUP,
    "cluster_name": "cluster",
    "member_host": "owner",
    "topic_name": "topic",
    "partition_id": "partition",
}
FAMILY_OF = {family.name: (peer, family) for peer, families in PEERS.items() for family in families}
BURSTS = {("topic", "newsletter.mails.v1")}
"""Written in bursts, which a rate and a line through five minutes see differently."""
Answer = dict[frozenset[tuple[str, str]], float]


@pytest.fixture(scope="module")
def history(tmp_path_factory: pytest.TempPathFactory) -> Iterator[History]:
    """Let twenty minutes go by, of which all exporters tell; in the last five no partition comes or goes."""
    with demo_history(tmp_path_factory.mktemp("migration"), 1200, page_of) as result:
        yield result


def answer(found: list[dict[str, Any]], shift: int) -> Answer:
    """Return the samples of an answer by their labels, with our names, and with statuses as they are counted here."""
    return {
        frozenset(
            (THEIRS.get(name, name), text)
            for name, text in sample["metric"].items()
            if name not in {"__name__", "consumer_id"} and text
        ): float(sample["value"][1]) - shift
        for sample in found
    }


def of_one_cluster(samples: Answer) -> Answer:
    """Return what an exporter that knows one cluster alone would say."""
    mark = ("cluster", CLUSTER)
    return {labels - {mark}: value for labels, value in samples.items() if mark in labels}


def steady(samples: Answer) -> Answer:
    """Return the samples of what is not written in bursts."""
    return {labels: value for labels, value in samples.items() if not labels & BURSTS}


@pytest.mark.parametrize(("old", "new"), PAIRS, ids=[old.place for old, _ in PAIRS])
@pytest.mark.prometheus
def test_both_queries_have_the_same_answer(history: History, old: Block, new: Block) -> None:
    """Under our labels, with our codes of status; a rate, and the line that takes its place, within a tenth."""
    (name,) = metrics(old.text)
    peer, family = FAMILY_OF[name]
    before = answer(history.now(old.text), shift=1 if "status" in name else 0)
    after = answer(history.now(new.text), shift=0)
    if peer in ONE_KAFKA:
        after = of_one_cluster(after)
    assert before
    assert family.ours in metrics(new.text)
    if "rate(" in old.text:
        assert BURSTS & set[tuple[str, str]]().union(*before)
        before, after = steady(before), steady(after)
    close = 0.1 if "rate(" in old.text else 1e-6
    assert pytest.approx(before, rel=close) == after


@pytest.mark.parametrize("query", AFTER, ids=[query.place for query in AFTER])
@pytest.mark.prometheus
def test_every_new_query_finds_something(history: History, query: Block) -> None:
    """Also where there is nothing to compare it with, as with CloudWatch."""
    assert history.now(query.text)


def test_every_former_query_has_a_new_one() -> None:
    """It follows in the next block."""
    assert len(PAIRS) == len([query for query in QUERIES if query.note == "before"]) >= 9
    assert all(new.note != "before" for _, new in PAIRS)


@pytest.mark.parametrize("peer", PEERS)
def test_the_table_has_every_family(peer: str) -> None:
    """With the family that takes its place here, or why there is none."""
    rows = dict(ROW.findall(SECTIONS[peer]))
    assert [family.name for family in PEERS[peer]] == list(rows)
    for family in PEERS[peer]:
        assert is_named(family, rows[family.name]), (family.name, rows[family.name])


@pytest.mark.parametrize("peer", PEERS)
def test_renamed_labels_are_named(peer: str) -> None:
    """Each label that is called otherwise there stands in the section, but for one that has no counterpart."""
    labels = {pair for family in PEERS[peer] for pair in family.labels.items()}
    renamed = {name for theirs, ours in labels if theirs != ours and ours for name in (theirs, ours)}
    assert [] == [name for name in sorted(renamed) if f"`{name}`" not in SECTIONS[peer]]


def is_named(family: Family, here: str) -> bool:
    """Tell whether a cell of the table names what a family is here."""
    if not family.ours:
        return here.startswith("none: ")
    return f"`{family.ours}`" in here and family.ours in {each.name for each in FAMILIES} | OWN.keys()
