"""Links in the documentation: none is dead, and every page is reachable from the README."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests import ROOT
from tests.support.documents import PAGES, anchors, links, name_of

README = ROOT / "README.md"


def target_of(page: Path, link: str) -> tuple[Path, str]:
    """Return the file and the anchor that a link within the repository leads to."""
    path, _, anchor = link.partition("#")
    return (page.parent / path).resolve() if path else page, anchor


def inner(page: Path) -> list[str]:
    """Return the links of a page that stay within the repository."""
    return [link for link in links(page) if "://" not in link and not link.startswith("mailto:")]


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_every_link_leads_somewhere(page: Path) -> None:
    """To a file that is there, and on a page to a heading of it; what leads elsewhere is asked for over TLS."""
    for link in inner(page):
        path, anchor = target_of(page, link)
        assert path.exists(), f"{name_of(page)} leads to {link}: there is no such file"
        assert not anchor or anchor in anchors(path), f"{name_of(page)} leads to {link}: there is no such heading"
    insecure = [link for link in links(page) if link.startswith("http://") and "127.0.0.1" not in link]
    assert [] == [link for link in insecure if "localhost" not in link]


def test_every_page_is_reached_from_the_readme() -> None:
    """By links, over other pages where need be."""
    reached, ahead = set[Path](), {README}
    while ahead:
        page = ahead.pop()
        reached.add(page)
        ahead |= {path for path, _ in (target_of(page, link) for link in inner(page)) if path in PAGES} - reached
    assert [] == [name_of(page) for page in PAGES if page not in reached]


def test_every_picture_is_shown() -> None:
    """No picture of docs/ is left over from a former text."""
    shown = {target_of(page, link)[0] for page in PAGES for link in inner(page)}
    assert [] == [name_of(path) for path in sorted((ROOT / "docs").rglob("*.png")) if path not in shown]
