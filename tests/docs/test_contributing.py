"""CONTRIBUTING.md: its examples match the code."""

from __future__ import annotations

import re

import pytest

from tests import ROOT

TEXT = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")
EXAMPLES = dict(re.findall(r"^## To add an? (\w+)\n\nTake (.*?)(?=^## )", TEXT, re.MULTILINE | re.DOTALL))
FILE = re.compile(r"`([\w./-]+/[\w.-]+\.\w+|config\.example\.yaml)`")
OF_ALL = {
    "docs/dashboards.md",
    "docs/rules.md",
    "grafana/burrow_dashboards/signals.py",
    "tests/dashboards/test_dashboards.py",
    "tests/dashboards/test_queries.py",
    "tests/stack/test_rules.py",
    "tests/stack/test_rules_history.py",
}
"""Files that an example names as those of all panels and rules."""


def test_there_is_an_example_of_each() -> None:
    """A family, a flag, a panel and an alert."""
    assert ["family", "flag", "panel", "alert"] == list(EXAMPLES)


@pytest.mark.parametrize("name", EXAMPLES)
def test_each_file_of_an_example_has_it(name: str) -> None:
    """What the example adds stands in each file that its list names, and in the changelog there is a line for it."""
    subject = re.match(r"[`*](?:--\w+\.)?([^`*]+)[`*]", EXAMPLES[name])
    assert subject
    word = re.compile(re.escape(subject[1]).replace(r"\-", "[-_]"))
    files = set(FILE.findall(EXAMPLES[name])) - OF_ALL
    assert 2 <= len(files)
    assert [] == [file for file in sorted(files) if not word.search((ROOT / file).read_text(encoding="utf-8"))]
    assert "A line in `CHANGELOG.md`" in EXAMPLES[name]


@pytest.mark.parametrize("name", ["family", "panel"])
def test_the_code_of_an_example_is_the_real_one(name: str) -> None:
    """Its block of Python stands in the first file of its list, word for word."""
    (block,) = re.findall(r"```python\n(.*?)```", EXAMPLES[name], re.DOTALL)
    source = (ROOT / FILE.findall(EXAMPLES[name])[0]).read_text(encoding="utf-8")
    assert "".join(block.split()) in "".join(source.split())
