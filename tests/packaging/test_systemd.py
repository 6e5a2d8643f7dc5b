"""The systemd units: systemd accepts them, and the service runs without privileges."""

from __future__ import annotations

import re
import subprocess
from configparser import ConfigParser
from pathlib import Path

import pytest

from burrow_exporter.settings.config import WebConfig
from burrow_exporter.settings.flags import FLAGS
from burrow_exporter.web.listener import LISTEN_ADDRESS
from tests import ROOT
from tests.conftest import tool

UNITS = ROOT / "packaging" / "systemd"
MOST_EXPOSED = 1.5
"""Of 10, by `systemd-analyze security`."""


class Unit(ConfigParser):
    """A unit file, whose keys have capitals and may stand several times: the last one counts here."""

    def optionxform(self, optionstr: str) -> str:
        """Keep the capitals."""
        return optionstr


def unit(kind: str) -> Unit:
    """Return a unit file."""
    found = Unit(strict=False, interpolation=None)
    found.read_string((UNITS / f"burrow-exporter.{kind}").read_text("utf-8"))
    return found


def complaints(folder: Path, more: str = "") -> str:
    """Return what systemd says about both units, with ``more`` at the end of the service; nothing is good."""
    for path in UNITS.iterdir():
        text = path.read_text("utf-8").replace("/usr/bin/burrow-exporter", "/bin/true")  # has to exist
        (folder / path.name).write_text(text + (more if path.suffix == ".service" else ""))
    units = [str(folder / path.name) for path in sorted(UNITS.iterdir())]
    run = subprocess.run(
        [tool("systemd-analyze"), "verify", "--man=no", *units], capture_output=True, text=True, check=False, timeout=60
    )
    return run.stdout + run.stderr + (f"exit {run.returncode}" if run.returncode else "")


def test_systemd_accepts_them(tmp_path: Path) -> None:
    """No key or value is unknown to systemd; a wrong one would be reported."""
    assert "" == complaints(tmp_path)
    assert "NoSuchKey" in complaints(tmp_path, "[Service]\nNoSuchKey=yes\n")


def test_exposure() -> None:
    """The service gives up what the exporter does not need."""
    run = subprocess.run(
        [tool("systemd-analyze"), "security", "--offline=true", "--no-pager", UNITS / "burrow-exporter.service"],
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
    )
    found = re.search(r"Overall exposure level for burrow-exporter.service: ([0-9.]+)", run.stdout)
    assert found
    assert float(found[1]) <= MOST_EXPOSED, run.stdout


@pytest.mark.parametrize("kind", ["service", "socket"])
def test_variables(kind: str) -> None:
    """Environment variables that comments name are those of flags."""
    named = set(re.findall(r"\bBURROW_EXPORTER_[A-Z_]+\b", (UNITS / f"burrow-exporter.{kind}").read_text("utf-8")))
    assert named <= {flag.variable for flag in FLAGS}
    assert bool(named) == (kind == "socket")


def test_service() -> None:
    """It runs as a user of its own that can write nothing, and SIGHUP reloads it."""
    service = unit("service")["Service"]
    assert ("yes", "", "strict", "yes") == tuple(
        service[key] for key in ("DynamicUser", "CapabilityBoundingSet", "ProtectSystem", "NoNewPrivileges")
    )
    assert "/bin/kill -HUP $MAINPID" == service["ExecReload"]
    assert "/usr/bin/burrow-exporter" == service["ExecStart"]


def test_socket() -> None:
    """It listens on the exporter's default port."""
    (address,) = WebConfig().listen_addresses
    match = LISTEN_ADDRESS.fullmatch(address)
    assert match
    assert match["port"] == unit("socket")["Socket"]["ListenStream"]
