"""The prose linter: it rejects the phrases of its list in every kind of file, and accepts plain English."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from tests import ROOT
from tests.conftest import built

pytestmark = pytest.mark.vale

PLAIN = "Burrow returned no usable response. An empty value counts as unset."


def lint(path: Path, text: str) -> tuple[int, str]:
    """Return the exit code of the linter on a file with this text, and what it prints."""
    path.write_text(f"{text}\n", encoding="utf-8")
    command = [built("vale"), "--config", str(ROOT / ".vale.ini"), "--output=line", str(path)]
    run = subprocess.run(command, capture_output=True, text=True, check=False)
    return run.returncode, run.stdout


@pytest.mark.parametrize("kind", ["md", "py", "yaml", "sh", "html", "tmpl", "example"])
def test_planted(tmp_path: Path, kind: str) -> None:
    """A banned phrase fails in each kind of file that is linted, in comments and strings alike."""
    comment = {"md": "{}", "html": "<p>{}</p>", "tmpl": "{}"}.get(kind, "# {}")
    code, found = lint(tmp_path / f"text.{kind}", comment.format("Groups without an answer of use."))
    assert (1, True) == (code, "of use" in found)
    assert (0, "") == lint(tmp_path / f"text.{kind}", comment.format(PLAIN))


@pytest.mark.parametrize(
    "phrase",
    [
        "Nothing is told of a group.",
        "An answer of no use counts as none.",
        "The value stays as it stands.",
        "Alerts, to be woken by them.",
        "The topic was made anew.",
        "A name is as good as not there.",
        "It is exposed all the same.",
        "It serves without a word.",
    ],
)
def test_phrases(tmp_path: Path, phrase: str) -> None:
    """The phrases that once stood here are refused."""
    code, found = lint(tmp_path / "text.md", phrase)
    assert (1, True) == (code, bool(found))
