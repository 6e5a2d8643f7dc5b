"""Fixtures for all tests."""

from __future__ import annotations

import os
import shutil

import pytest
from hypothesis import Phase, settings

from tests import ROOT

# How long an example takes is up to what else the machine does.
settings.register_profile("patient", parent=settings(), deadline=None)
settings.load_profile("patient")
settings.register_profile("mutation", derandomize=True, max_examples=25, phases=[Phase.explicit, Phase.generate])

START = 1_800_000_000.0
"""When the tests' own clock begins, in Unix seconds."""


class Clock:
    """A clock that stands still until it is set; Unix seconds."""

    def __init__(self) -> None:
        """Begin at START."""
        self.now = START

    def __call__(self) -> float:
        """Tell the time."""
        return self.now


@pytest.fixture
def clock() -> Clock:
    """Return a clock of the test's own."""
    return Clock()


@pytest.fixture(autouse=True)
def own_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """Keep the flags' variables of whoever runs the tests out of them, and the width of help the same."""
    for name in list(os.environ):
        if name.startswith("BURROW_EXPORTER_"):
            monkeypatch.delenv(name)
    monkeypatch.setenv("COLUMNS", "120")


def tool(name: str) -> str:
    """Return the path of a program that a test needs; where there is none skip the test, but fail it in CI."""
    path = shutil.which(name)
    if path is None:
        (pytest.fail if os.environ.get("CI") else pytest.skip)(f"{name} is not installed")
    return path


def built(name: str) -> str:
    """Return the path of a tool that `make tools` builds; where it was not skip the test, but fail it in CI."""
    path = ROOT / ".tools" / name
    if not path.exists():
        (pytest.fail if os.environ.get("CI") else pytest.skip)(f"{name} is not built: make tools")
    return str(path)
