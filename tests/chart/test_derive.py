"""Generated parts of the chart: the check that they are current, and the table of values."""

from __future__ import annotations

import shutil
import sys
from pathlib import Path

import pytest
import yaml

from charts import derive
from tests.support.chart import CHART

VALUES = """\
# Of the whole.
# Two lines.
a: {b: 1}
c:
  # Of d.
  d: ""
"""


@pytest.fixture
def copy(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return a copy of the chart that is checked and written in its place."""
    monkeypatch.setattr(derive, "CHART", tmp_path / "chart")
    return Path(shutil.copytree(CHART, tmp_path / "chart", ignore=shutil.ignore_patterns("files")))


def check(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> list[str]:
    """Return the names of files that are not current; the exit code says if there are any."""
    monkeypatch.setattr(sys, "argv", ["derive", "--check"])
    code = derive.main()
    told = capsys.readouterr().err.splitlines()
    assert bool(told) == bool(code)
    monkeypatch.setattr(sys, "argv", ["derive"])
    return [line.removeprefix("the chart's ").removesuffix(" is not current: run make chart") for line in told]


def test_what_is_not_current(copy: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    """Files that differ are named, and written as they were."""
    assert [] == check(monkeypatch, capsys)
    changed = {
        "Chart.yaml": ("appVersion: ", "appVersion: 9."),
        "README.md": ("| `secrets` |", "| `secret` |"),
        "values.yaml": ("ghcr.io/owner/", "example.org/other/"),
        "values.schema.json": ('"BurrowConfig"', '"Burrow"'),
    }
    for name, (old, new) in changed.items():
        text = (copy / name).read_text(encoding="utf-8")
        (copy / name).write_text(text.replace(old, new), encoding="utf-8")
    assert sorted(changed) == sorted(check(monkeypatch, capsys))
    assert 0 == derive.main()
    assert [] == check(monkeypatch, capsys)
    for path in copy.rglob("*"):
        if path.is_file():
            assert (CHART / path.relative_to(copy)).read_bytes() == path.read_bytes()


def test_table_of_values() -> None:
    """A row for each value that has a comment, with all that is below it as its default."""
    root = yaml.compose(VALUES)
    assert root
    expected = [("a", {"b": 1}, "Of the whole. Two lines."), ("c.d", "", "Of d.")]
    assert expected == list(derive.documented(root, yaml.safe_load(VALUES), VALUES.splitlines()))


def test_a_value_without_a_comment_is_an_error() -> None:
    """It would be missing in the table."""
    text = "c:\n  d: 1\n"
    root = yaml.compose(text)
    assert root
    with pytest.raises(ValueError, match=r"values\.yaml: c\.d has no comment"):
        list(derive.documented(root, yaml.safe_load(text), text.splitlines()))
