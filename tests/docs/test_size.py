"""Sizes of the documentation: limits on the words of the README and of the users' pages."""

from __future__ import annotations

from pathlib import Path

from tests import ROOT
from tests.support.documents import count

README = 600
"""Words of the README at most, tables included."""
USERS = 14_000
"""Words of the users' pages at most, generated ones included; docs/internals is for maintainers."""


def test_what_counts(tmp_path: Path) -> None:
    """Words of sentences, headings and tables count; blocks of code, pictures and the targets of links do not."""
    page = tmp_path / "page.md"
    page.write_text(
        "# One two\n\nthree `four`\n[five](six/seven.md) ![eight](nine.png)\n\n"
        "| six |\n| --- |\n| seven eight |\n\n```sh\nnine ten\n```\n",
        encoding="utf-8",
    )
    assert 8 == count(page)


def test_readme() -> None:
    """It has few words."""
    assert README >= count(ROOT / "README.md")


def test_pages_of_users() -> None:
    """All of them together have few words."""
    pages = {path.name: count(path) for path in sorted((ROOT / "docs").glob("*.md"))}
    assert USERS >= sum(pages.values()), pages
