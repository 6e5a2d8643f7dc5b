"""The deb and rpm packages, without the source tree: ``make packages-test``.

Each is listed. The deb of this machine's architecture is unpacked into a folder, and runs there on every Python that is
installed.
"""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from pathlib import Path
from tempfile import TemporaryDirectory

from burrow_exporter import __version__
from tests import ROOT
from tests.conftest import tool
from tests.e2e.wheel import Installed, files_of, serves

PYTHONS = re.findall(r"Python :: (3\.\d+)$", (ROOT / "setup.cfg").read_text("utf-8"), re.MULTILINE)
LIBRARY = "/usr/lib/burrow-exporter/"
FILES = {
    "/etc/burrow-exporter/config.example.yaml",
    "/etc/burrow-exporter/policy.example.yaml",
    "/etc/default/burrow-exporter",
    "/usr/bin/burrow-exporter",
    "/usr/lib/systemd/system/burrow-exporter.service",
    "/usr/lib/systemd/system/burrow-exporter.socket",
    "/usr/share/doc/burrow-exporter/copyright",
}
"""Beside the library."""
CONFIGURATION = {each for each in FILES if each.startswith("/etc/")}
MODULE = re.compile(r"(?P<module>\S+)\.cpython-(?P<python>\d+)-(?P<machine>x86_64|aarch64)-linux-gnu\.so")
MACHINES = {"amd64": "x86_64", "arm64": "aarch64", "x86_64": "x86_64", "aarch64": "aarch64"}


class Unpacked(Installed):
    """A deb package unpacked into ``folder``, run by ``python``."""

    def __init__(self, package: Path, folder: Path, python: str) -> None:
        self.bin = folder / "usr" / "bin"
        self.away = folder / "away"
        self.away.mkdir(parents=True)
        output("dpkg-deb", "--extract", str(package), str(folder))
        program = self.bin / "burrow-exporter"
        program.write_text(program.read_text("utf-8").replace("/usr/bin/python3", python, 1), encoding="utf-8")
        self.command = (str(program),)


def output(program: str, *arguments: str) -> str:
    """Return what a program prints; it must end well."""
    return subprocess.run([tool(program), *arguments], stdout=subprocess.PIPE, text=True, check=True).stdout


def listed(package: Path) -> tuple[set[str], set[str]]:
    """Return the files of a package, and those that are configuration."""
    if package.suffix == ".rpm":
        query = ("--query", "--nosignature", "--package", str(package))
        files = output("rpm", *query, "--queryformat", "[%{FILEMODES:perms} %{FILENAMES}\n]").splitlines()
        configuration = output("rpm", *query, "--configfiles").split()
    else:
        lines = output("dpkg-deb", "--contents", str(package)).splitlines()
        files = [f"{line.split()[0]} {line.split()[-1].removeprefix('.')}" for line in lines]
        configuration = output("dpkg-deb", "--info", str(package), "conffiles").split()
    return {line.split()[1] for line in files if line.startswith("-")}, set(configuration)


def holds_every_file(package: Path) -> None:
    """All files are where they belong, with compiled modules of its architecture for every Python."""
    files, configuration = listed(package)
    assert CONFIGURATION == configuration, configuration
    library = {each for each in files if each.startswith(LIBRARY)}
    assert files - library == FILES, files - library
    prefix = f"{LIBRARY}burrow_exporter/"
    assert files_of(ROOT / "burrow_exporter") == {
        Path(each.removeprefix(prefix)) for each in library if each.startswith(prefix)
    }
    machine = next(machine for name, machine in MACHINES.items() if name in package.name)
    found = [match for each in library if (match := MODULE.fullmatch(each))]
    modules = {match["module"] for match in found}
    assert {f"{LIBRARY}isal/isal_zlib", f"{LIBRARY}msgspec/_core", f"{LIBRARY}yaml/_yaml"} <= modules
    expected = {(module, python.replace(".", ""), machine) for module in modules for python in PYTHONS}
    assert expected == {(match["module"], match["python"], match["machine"]) for match in found}


def runs(package: Path) -> None:
    """Print its version and serve the demo, on each of Debian's Pythons that is installed."""
    pythons = [path for python in PYTHONS if (path := shutil.which(f"python{python}", path="/usr/bin"))]
    assert pythons, "no Python of Debian's"
    for python in pythons:
        with TemporaryDirectory(prefix="package-") as folder:
            unpacked = Unpacked(package, Path(folder), python)
            assert f"burrow-exporter {__version__}\n" == unpacked.run("burrow-exporter", "--version")
            serves(unpacked)
        sys.stdout.write(f"{package.name} serves on {python}\n")


def main(*packages: Path) -> int:
    """Try the packages; return the exit code."""
    architecture = output("dpkg", "--print-architecture").strip()
    assert {".deb", ".rpm"} == {each.suffix for each in packages}, packages
    for package in packages:
        holds_every_file(package)
        sys.stdout.write(f"{package.name} holds_every_file\n")
        if package.name.endswith(f"_{architecture}.deb"):
            runs(package)
    return 0


if __name__ == "__main__":
    sys.exit(main(*map(Path, sys.argv[1:])))
