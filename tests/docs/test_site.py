"""The documentation site: mkdocs builds it completely and without warnings."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from configparser import ConfigParser
from html import unescape
from pathlib import Path

import pytest

from tests import ROOT
from tests.support.documents import PAGES

DOCUMENTS = [page.relative_to(ROOT / "docs") for page in PAGES if page.is_relative_to(ROOT / "docs")]


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the site, built in strict mode, in which a dead link is an error."""
    folder = tmp_path_factory.mktemp("site")
    command = [sys.executable, "-m", "mkdocs", "build", "--strict", "--quiet", "--site-dir", str(folder)]
    environment = os.environ | {"NO_MKDOCS_2_WARNING": "1"}
    run = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False)
    assert (0, "") == (run.returncode, run.stderr)
    return folder


def html(site: Path, page: Path) -> str:
    """Return a page of the site."""
    return (site / page.with_suffix("") / "index.html").read_text(encoding="utf-8")


def test_every_page_is_there_and_found(site: Path) -> None:
    """By the navigation of the first page, which is the README, and by the search."""
    first = (site / "index.html").read_text(encoding="utf-8")
    assert "A Prometheus exporter for" in first
    found = json.loads((site / "search" / "search_index.json").read_text(encoding="utf-8"))
    searched = {each["location"].partition("#")[0] for each in found["docs"]}
    for page in DOCUMENTS:
        address = f"{page.with_suffix('').as_posix()}/"
        assert f'href="{address}"' in first, page
        assert address in searched, page
    assert 'data-md-color-scheme="slate"' in first


@pytest.mark.parametrize("page", DOCUMENTS, ids=str)
def test_nothing_is_left_as_markdown(site: Path, page: Path) -> None:
    """Its blocks, tables, lists and links are made: mkdocs wants blank lines, and no block indented by two spaces."""
    assert [] == re.findall(r"^ +```.*", (ROOT / "docs" / page).read_text(encoding="utf-8"), re.MULTILINE)
    text = re.sub(r"<(pre|code|script).*?</\1>", "", html(site, page), flags=re.DOTALL)
    assert [] == re.findall(r"```.*|\]\(.*|\| --- .*|\n(?:- |\d+\. ).*", unescape(text))


def test_links_out_of_the_documents(site: Path) -> None:
    """They lead to the repository, whose address is that of the package."""
    setup = ConfigParser()
    setup.read(ROOT / "setup.cfg", encoding="utf-8")
    address = setup["metadata"]["url"]
    assert f'href="{address}/blob/main/CHANGELOG.md"' in html(site, Path("operations.md"))
    first = (site / "index.html").read_text(encoding="utf-8")
    for name in ("CONTRIBUTING.md", "SECURITY.md", "CHANGELOG.md", "LICENSE"):
        assert f'href="{address}/blob/main/{name}"' in first


def test_nothing_is_asked_of_others(site: Path) -> None:
    """Pages load neither scripts, fonts nor styles from elsewhere."""
    for page in site.rglob("index.html"):
        loaded = re.findall(
            r"<(?:script|link|img)[^>]*(?:src|href)=\"(https?:[^\"]+)", page.read_text(encoding="utf-8")
        )
        assert [] == loaded, page
