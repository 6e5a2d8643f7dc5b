"""``python -m compose.renderer``, as `make render` runs it: its output and exit codes."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests import ROOT
from tests.support.stack import COMPOSE

SKIPPED = (
    "warning: KAFKA_TLS_SKIP_VERIFY: the brokers' certificates are not verified, so anyone on the network path can "
    "impersonate a broker; set KAFKA_CA_FILE to their CA instead\n"
)


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """Return a checkout with nothing but what rendering reads."""
    shutil.copytree(COMPOSE, tmp_path / "compose", ignore=shutil.ignore_patterns("generated"))
    (tmp_path / "compose" / "bucket.yaml").unlink(missing_ok=True)
    shutil.copytree(ROOT / "grafana" / "dashboards", tmp_path / "grafana" / "dashboards")
    (tmp_path / "docs").mkdir()
    shutil.copy(ROOT / "docs" / "runbook.md", tmp_path / "docs")
    return tmp_path


def rendering(checkout: Path, env: str) -> subprocess.CompletedProcess[str]:
    """Render an `.env` in a checkout."""
    (checkout / ".env").write_text(env, encoding="utf-8")
    command = [sys.executable, "-m", "compose.renderer"]
    return subprocess.run(command, cwd=checkout, capture_output=True, text=True, check=False)


def test_fine(checkout: Path) -> None:
    """It says nothing, and leaves the files beside the templates."""
    run = rendering(checkout, "BROKERS=b:9092\n")
    assert (0, "", "") == (run.returncode, run.stdout, run.stderr)
    assert (checkout / "compose" / "generated" / "compose.env").exists()


def test_odd(checkout: Path) -> None:
    """Warnings go to stderr at each rendering, and keep nothing from being rendered."""
    for _ in range(2):
        run = rendering(checkout, "BROKERS=b:9094\nKAFKA_TLS_SKIP_VERIFY=true\n")
        assert (0, "", SKIPPED) == (run.returncode, run.stdout, run.stderr)
    assert "noverify = true" in (checkout / "compose/generated/secrets/burrow/burrow.toml").read_text(encoding="utf-8")


def test_wrong(checkout: Path) -> None:
    """All faults go to stderr, a line each, behind the warnings; the exit code is 2 and nothing is touched."""
    run = rendering(checkout, "PROFIL=full\nPROFILE=half\nBROKERS=b:9094\nKAFKA_TLS_SKIP_VERIFY=true\n")
    expected = "PROFIL: unknown setting; did you mean PROFILE?\nPROFILE: must be small, sidecar or full\n"
    assert (2, "", SKIPPED + expected) == (run.returncode, run.stdout, run.stderr)
    assert not (checkout / "compose" / "generated").exists()


def test_two_buckets(checkout: Path) -> None:
    """What only shows when rendering ends it in the same way."""
    (checkout / "compose" / "bucket.yaml").write_text("type: GCS\n", encoding="utf-8")
    run = rendering(checkout, "S3_BUCKET=blocks\nS3_REGION=eu-west-1\n")
    expected = "S3_BUCKET: cannot be used with compose/bucket.yaml; keep one of the two\n"
    assert (2, "", expected) == (run.returncode, run.stdout, run.stderr)
