"""Releases: one version number, the changelog, and the workflows that CI runs."""

from __future__ import annotations

import re
import shutil
import subprocess
from configparser import ConfigParser
from importlib.metadata import version
from pathlib import Path
from typing import Any

import pytest
import yaml

from burrow_exporter import __version__
from tests import ROOT

WORKFLOWS = {path.stem: path for path in (ROOT / ".github" / "workflows").glob("*.yml")}
CHANGELOG = (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")
HEADING = re.compile(r"^## (\d+)\.(\d+)\.(\d+) / \d{4}-\d\d-\d\d$")
ENTRY = re.compile(r"\[(CHANGE|FEATURE|ENHANCEMENT|BUGFIX|SECURITY)\] [^:\n]+: [^ ].*\.", re.DOTALL)
TAG_ONLY = {"pypa/gh-action-pypi-publish"}
"""Actions whose tag's commit could not be had from the project itself."""


def workflow(name: str) -> dict[Any, Any]:
    """Return a workflow; its key ``on`` is YAML's true."""
    return dict(yaml.safe_load(WORKFLOWS[name].read_text(encoding="utf-8")))


def test_version_stands_once() -> None:
    """The version is three numbers, stands in the package alone, and what is installed says the same."""
    assert re.fullmatch(r"\d+\.\d+\.\d+", __version__)
    assert __version__ == version("burrow-exporter")
    places = [ROOT / name for name in ("Dockerfile", "Makefile", "README.md", "pyproject.toml", "setup.cfg")]
    places += [*(ROOT / "docs").glob("*.md"), *(ROOT / "burrow_exporter").rglob("*.py"), *WORKFLOWS.values()]
    word = re.compile(rf"(?<![\d.]){re.escape(__version__)}(?![\d.])")
    found = [str(path.relative_to(ROOT)) for path in places if word.search(path.read_text(encoding="utf-8"))]
    assert ["burrow_exporter/__init__.py"] == found


def test_changelog() -> None:
    """Unreleased stands first, releases with their days follow, newest first, and each entry has its verb and area."""
    first, *headings = re.findall(r"^## .*$", CHANGELOG, re.MULTILINE)
    assert "## Unreleased" == first
    releases = [HEADING.fullmatch(each) for each in headings]
    assert all(releases), headings
    numbers = [tuple(map(int, each.groups())) for each in releases if each]
    assert sorted(set(numbers), reverse=True) == numbers
    entries = re.split(r"\n(?:- |## .*\n)", CHANGELOG[CHANGELOG.index("## ") :])[1:]
    wrong = [each for each in entries if each.strip() and not ENTRY.fullmatch(each.strip())]
    assert [] == wrong


def notes(folder: Path, changelog: str, *tag: str) -> subprocess.CompletedProcess[str]:
    """Run the script that writes a release's notes on a changelog."""
    for name in (".ci/release-notes", "burrow_exporter/__init__.py"):
        (folder / name).parent.mkdir(exist_ok=True)
        shutil.copy(ROOT / name, folder / name)
    (folder / "CHANGELOG.md").write_text(changelog, encoding="utf-8")
    return subprocess.run([folder / ".ci/release-notes", *tag], capture_output=True, text=True, check=False)


def test_release_notes(tmp_path: Path) -> None:
    """The notes of a tag are the changelog's section of the version, without its heading."""
    text = (
        f"## Unreleased\n- no\n\n## {__version__} / 2030-01-02\n\n- one\n  more\n- two\n\n## 0.0.9 / 2030-01-01\n- no\n"
    )
    done = notes(tmp_path, text, f"v{__version__}")
    assert (0, "- one\n  more\n- two") == (done.returncode, done.stdout.strip()), done.stderr


@pytest.mark.parametrize("tag", ["v0.0.9", __version__, f"v{__version__}.1", ""])
def test_other_tags_are_refused(tmp_path: Path, tag: str) -> None:
    """A tag that is not the version's releases nothing."""
    done = notes(tmp_path, f"## {__version__}\n- one\n", tag)
    assert (1, "", f"the tag is '{tag}', the version {__version__}\n") == (done.returncode, done.stdout, done.stderr)


@pytest.mark.parametrize("text", ["## Unreleased\n- one\n", f"## {__version__}\n\n\n## 0.0.9\n- one\n"])
def test_no_release_without_notes(tmp_path: Path, text: str) -> None:
    """A version of which the changelog says nothing is not released."""
    done = notes(tmp_path, text, f"v{__version__}")
    assert (1, f"CHANGELOG.md has nothing below '## {__version__}'\n") == (done.returncode, done.stderr)


def test_pythons_are_tested() -> None:
    """CI runs on every Python that the package names, from the oldest it asks for on."""
    metadata = ConfigParser()
    metadata.read(ROOT / "setup.cfg", encoding="utf-8")
    named = re.findall(r"Python :: (3\.\d+)$", metadata["metadata"]["classifiers"], re.MULTILINE)
    assert named == workflow("ci")["jobs"]["test"]["strategy"]["matrix"]["python"]
    assert f">={named[0]}" == metadata["options"]["python_requires"]


def test_addresses() -> None:
    """PyPI's links and the image's labels begin with the one address of the repository."""
    metadata = ConfigParser()
    metadata.read(ROOT / "setup.cfg", encoding="utf-8")
    address = metadata["metadata"]["url"]
    links = re.findall(r"= (\S+)$", metadata["metadata"]["project_urls"], re.MULTILINE)
    assert 3 == len(links)
    assert all(link.startswith(f"{address}/") for link in links)
    image = (ROOT / "Dockerfile").read_text(encoding="utf-8")
    assert f"ARG REPOSITORY={address}\n" in image
    for label in ("url", "documentation", "source"):
        assert f'org.opencontainers.image.{label}="${{REPOSITORY}}' in image


def test_all_of_the_stack_is_tried() -> None:
    """CI runs every target that needs docker; `e2e-truth` needs a Kafka and a Burrow, which no registry of CI has."""
    targets = re.findall(r"^(e2e[\w-]*):", (ROOT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE)
    assert sorted({*targets} - {"e2e-truth"}) == workflow("ci")["jobs"]["stack"]["strategy"]["matrix"]["target"]


@pytest.mark.parametrize("name", WORKFLOWS)
def test_workflow_is_bounded(name: str) -> None:
    """A workflow starts without any permission, each job asks for its own, and none runs without end."""
    found = workflow(name)
    assert ({}, True) == (found["permissions"], "concurrency" in found)
    for job, keys in found["jobs"].items():
        assert "permissions" in keys, job
        assert "uses" in keys or 60 >= keys["timeout-minutes"], job


@pytest.mark.parametrize("name", WORKFLOWS)
def test_actions_are_pinned(name: str) -> None:
    """Each action is named by its commit, with the tag beside it for the reader and for dependabot."""
    used = re.findall(r"uses: ([^.\s]\S*)@(.*)", WORKFLOWS[name].read_text(encoding="utf-8"))
    assert used
    for action, reference in used:
        pattern = r"v[\d.]+" if action in TAG_ONLY else r"[0-9a-f]{40} # v\d+\.\d+\.\d+"
        assert re.fullmatch(pattern, reference), (action, reference)


def test_only_the_job_that_publishes_has_a_token() -> None:
    """Nothing that builds or tests can ask for a token in the project's name, and nothing that can builds the wheel."""
    jobs = workflow("release")["jobs"]
    with_token = {name for name, job in jobs.items() if "id-token" in job["permissions"]}
    assert {"pypi", "image", "chart", "release", "pages"} == with_token
    assert {"id-token": "write"} == jobs["pypi"]["permissions"]
    assert "pypi" == jobs["pypi"]["environment"]
    assert [] == [step["run"] for step in jobs["pypi"]["steps"] if "run" in step]
