"""The demo by `docker compose up`: compose.yaml in the root of the repository."""

from __future__ import annotations

import subprocess
import sys
from typing import Any

import pytest
import yaml

from tests import ROOT

FILE = ROOT / "compose.yaml"


@pytest.fixture(scope="module")
def demo() -> dict[str, Any]:
    """Return its one service."""
    (service,) = yaml.safe_load(FILE.read_text(encoding="utf-8"))["services"].values()
    return dict(service)


def test_specification() -> None:
    """The file is valid by the schema of the Compose specification."""
    command = [sys.executable, "-m", "check_jsonschema", "--builtin-schema", "vendor.compose-spec", str(FILE)]
    run = subprocess.run(command, capture_output=True, text=True, check=False)
    assert (0, "ok -- validation done\n", "") == (run.returncode, run.stdout, run.stderr)


def test_what_runs(demo: dict[str, Any]) -> None:
    """The exporter's demo from this checkout, on the port that the README names, on this host alone, without rights."""
    assert (".", "demo") == (demo["build"], demo["command"])
    assert ["127.0.0.1:9254:9254"] == demo["ports"]
    assert "EXPOSE 9254\n" in (ROOT / "Dockerfile").read_text(encoding="utf-8")
    assert "open http://localhost:9254\n" in (ROOT / "README.md").read_text(encoding="utf-8")
    assert (True, ["ALL"]) == (demo["read_only"], demo["cap_drop"])


def test_changes_of_the_code_make_a_new_image(demo: dict[str, Any]) -> None:
    """`docker compose watch` looks at what the image holds."""
    (watched,) = demo["develop"]["watch"]
    assert "rebuild" == watched["action"]
    assert (ROOT / watched["path"] / "cli.py").is_file()
    assert f"!{watched['path']}\n" in (ROOT / ".dockerignore").read_text(encoding="utf-8")
