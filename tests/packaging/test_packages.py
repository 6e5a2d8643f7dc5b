"""The contents of the deb and rpm packages. `make packages-test` tests the packages themselves."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

import pytest
import yaml

from burrow_exporter.settings.flags import FLAGS
from tests import ROOT
from tests.e2e.packages import FILES, PYTHONS

PACKAGING = ROOT / "packaging"
DESCRIPTION = yaml.safe_load((PACKAGING / "nfpm.yaml").read_text("utf-8"))


@pytest.mark.parametrize(("kind", "oldest", "newest"), [("deb", "(>= {}~)", "(<< {}~)"), ("rpm", ">= {}", "< {}")])
def test_pythons(kind: str, oldest: str, newest: str) -> None:
    """They ask for the Pythons whose compiled modules they have."""
    major, minor = PYTHONS[-1].split(".")
    bounds = (oldest.format(PYTHONS[0]), newest.format(f"{major}.{int(minor) + 1}"))
    assert [f"python3 {bound}" for bound in bounds] == DESCRIPTION["overrides"][kind]["depends"]


def test_defaults() -> None:
    """Every variable in the service's environment file is one of a flag, and every file named there is packed."""
    text = (PACKAGING / "burrow-exporter.default").read_text("utf-8")
    named = set(re.findall(r"^#?(BURROW_EXPORTER_[A-Z_]+)=", text, re.MULTILINE))
    assert "BURROW_EXPORTER_BURROW_ADDRESS" in named
    assert named <= {flag.variable for flag in FLAGS}
    assert set(re.findall(r"/etc/\S+\.example\.yaml", text)) <= FILES
    unit = (PACKAGING / "systemd" / "burrow-exporter.service").read_text("utf-8")
    assert "EnvironmentFile=-/etc/default/burrow-exporter\n" in unit


@pytest.mark.parametrize(
    ("expected", "action"), [(True, "remove"), (True, "0"), (False, "upgrade"), (False, "1")], ids=str
)
def test_removal(tmp_path: Path, action: str, *, expected: bool) -> None:
    """What Python compiled is removed with the package, by dpkg and by rpm, but not before an upgrade."""
    compiled = tmp_path / "burrow_exporter" / "__pycache__"
    compiled.mkdir(parents=True)
    (compiled / "cli.pyc").touch()
    script = (PACKAGING / "preremove.sh").read_text("utf-8").replace("/usr/lib/burrow-exporter", str(tmp_path))
    script = script.replace("/run/systemd/system", str(tmp_path / "absent"))
    subprocess.run(["/bin/sh", "-c", script, "prerm", action], check=True, timeout=20)
    assert expected == (not compiled.exists())


def test_installation(tmp_path: Path) -> None:
    """Modules are compiled, and what an earlier version left compiled is gone."""
    package = tmp_path / "burrow_exporter"
    (package / "__pycache__").mkdir(parents=True)
    (package / "module.py").write_text("WORKS = True\n", encoding="utf-8")
    (package / "__pycache__" / "gone.pyc").touch()
    script = (PACKAGING / "postinstall.sh").read_text("utf-8").replace("/usr/lib/burrow-exporter", str(tmp_path))
    script = script.replace("/run/systemd/system", str(tmp_path / "absent"))
    subprocess.run(["/bin/sh", "-c", script, "postinst", "configure"], check=True, timeout=20)
    assert ["module"] == [path.name.partition(".")[0] for path in (package / "__pycache__").iterdir()]
