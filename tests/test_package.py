"""The wheel: it contains the package and its data, and no tests."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path
from zipfile import ZipFile

from tests import ROOT

PACKAGE = ROOT / "burrow_exporter"


def test_wheel(tmp_path: Path) -> None:
    """The wheel holds every module, the templates, the configuration's schema and the mark of types, as they are."""
    source = tmp_path / "source"
    shutil.copytree(PACKAGE, source / "burrow_exporter", ignore=shutil.ignore_patterns("__pycache__"))
    for name in ("setup.cfg", "pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(ROOT / name, source)
    command = [sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "--no-build-isolation", "--no-index"]
    subprocess.run([*command, "--wheel-dir", tmp_path, source], check=True, timeout=120)
    (path,) = tmp_path.glob("*.whl")
    with ZipFile(path) as wheel:
        packed = {name: wheel.read(name) for name in wheel.namelist() if ".dist-info/" not in name}
    expected = [each for each in PACKAGE.rglob("*") if each.is_file() and "__pycache__" not in each.parts]
    assert {str(each.relative_to(ROOT)): each.read_bytes() for each in expected} == packed
    others = {"config.schema.json", "py.typed", "status/templates/base.html", "status/templates/overview.html"}
    assert {f"burrow_exporter/{name}" for name in others} <= packed.keys()
