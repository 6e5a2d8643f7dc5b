"""What mkdocs needs to know to make the site of the documents as they are: its hooks."""

from __future__ import annotations

import re
from configparser import ConfigParser
from pathlib import Path
from typing import TYPE_CHECKING

from mkdocs.structure.files import File, Files

if TYPE_CHECKING:
    from mkdocs.config.defaults import MkDocsConfig
    from mkdocs.structure.pages import Page

ROOT = Path(__file__).parent.parent
LINK = re.compile(r"(?<=\]\()(?:\.\./)+(?!docs/)([^)\s]+)")
"""Where a page leads out of docs/."""


def on_config(config: MkDocsConfig) -> MkDocsConfig:
    """Take the repository's address from the one place where it is set."""
    setup = ConfigParser()
    setup.read(ROOT / "setup.cfg", encoding="utf-8")
    config.repo_url = setup["metadata"]["url"]
    return config


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Let the README be the first page."""
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    text = readme.replace("](docs/", "](").replace("](CONTRIBUTING", "](../CONTRIBUTING")
    text = re.sub(r"\]\((?=(?:SECURITY|CHANGELOG|LICENSE))", "](../", text)
    files.append(File.generated(config, "index.md", content=text))
    return files


def on_page_markdown(markdown: str, page: Page, config: MkDocsConfig, files: Files) -> str:  # noqa: ARG001  mkdocs' names
    """Let links to the rest of the repository lead there, and a block's note behind its language be."""
    markdown = re.sub(r"^```(\w+) \w+$", r"```\1", markdown, flags=re.MULTILINE)
    return LINK.sub(lambda link: f"{config.repo_url}/blob/main/{link[1]}", markdown)
