"""The documentation, read as Markdown: pages, code blocks, inline code, headings and links."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from itertools import pairwise
from pathlib import Path

from markdown_it import MarkdownIt
from markdown_it.token import Token

from tests import ROOT

PATTERNS = ("*.md", "docs/**/*.md", "charts/**/*.md", "benchmarks/*.md")
PAGES = sorted(path for pattern in PATTERNS for path in ROOT.glob(pattern))
MARKDOWN = MarkdownIt("commonmark").enable("table")
OF_HTML = re.compile(r"<(?:a|img)\s[^>]*\b(?:href|src)=\"([^\"]+)\"")
PUNCTUATION = re.compile(r"[^\w\- ]")


@dataclass(frozen=True)
class Block:
    """A block of code: ``kind`` is the first word after its fence (none where it is indented), ``note`` the rest."""

    page: Path
    line: int
    kind: str
    note: str
    text: str

    @property
    def place(self) -> str:
        """Where it begins: the page and the line."""
        return f"{name_of(self.page)}:{self.line}"


def name_of(page: Path) -> str:
    """Return a page's path from the root of the repository."""
    return page.relative_to(ROOT).as_posix()


@cache
def tokens(page: Path) -> tuple[Token, ...]:
    """Return a page as the parser sees it, what stands within paragraphs and cells of tables included."""
    return tuple(each for token in MARKDOWN.parse(page.read_text("utf-8")) for each in (token, *(token.children or ())))


def blocks(page: Path, kind: str | None = None) -> Iterator[Block]:
    """Yield the blocks of code of a page, those of one kind or all."""
    for token in tokens(page):
        if token.type in {"fence", "code_block"}:
            first, _, note = token.info.strip().partition(" ")
            if kind in {None, first}:
                yield Block(page, (token.map or [0])[0] + 1, first, note, token.content)


def words(page: Path) -> Iterator[str]:
    """Yield what stands in code within a page's sentences and tables."""
    yield from (token.content for token in tokens(page) if token.type == "code_inline")


def links(page: Path) -> Iterator[str]:
    """Yield where a page's links lead, and where its pictures are."""
    for token in tokens(page):
        if token.type == "link_open":
            yield str(token.attrGet("href"))
        elif token.type == "image":
            yield str(token.attrGet("src"))
        elif token.type in {"html_block", "html_inline"}:
            yield from OF_HTML.findall(token.content)


def count(page: Path) -> int:
    """Return how many words a page has outside blocks of code, pictures and the targets of links."""
    parts = {"text", "code_inline"}
    texts = (
        "".join(each.content if each.type in parts else " " * each.type.endswith("break") for each in token.children)
        for token in tokens(page)
        if token.type == "inline" and token.children
    )
    return sum(len(text.split()) for text in texts)


def anchors(page: Path) -> set[str]:
    """Return the anchors of a page's headings, as GitHub makes them."""
    found: set[str] = set()
    every = tokens(page)
    for heading, inline in pairwise(every):
        if heading.type == "heading_open":
            text = "".join(each.content for each in inline.children or () if each.type in {"text", "code_inline"})
            anchor = PUNCTUATION.sub("", text.lower()).replace(" ", "-")
            again = sum(1 for each in found if re.fullmatch(rf"{re.escape(anchor)}(-\d+)?", each))
            found.add(f"{anchor}-{again}" if again else anchor)
    return found
