"""The wheel, without the source tree: ``make wheel-test``.

It is installed as users do, into an environment of its own with nothing but what it needs, and run from an empty
folder. Then the tests that need nothing of the tree but themselves run on it.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import time
import venv
from pathlib import Path
from tempfile import TemporaryDirectory

import requests

from burrow_exporter import __version__
from tests import ROOT
from tests.support.processes import running

TESTS = (
    "demo/test_server.py",
    "e2e/test_process.py",
    "metrics/test_parity.py",
    "status/test_page.py",
    "status/test_rows.py",
    "test_cli.py",
    "test_log.py",
    "web/test_server.py",
)
TYPED = "from burrow_exporter.cli import main\n\ncode: int = main()\n"


class Installed:
    """The wheel in an environment of its own, and an empty folder to run it in."""

    def __init__(self, wheel: Path, folder: Path) -> None:
        """Install what is locked, and the wheel."""
        self.wheel = wheel
        self.bin = folder / "venv" / "bin"
        self.away = folder / "away"
        self.away.mkdir()
        self.command = (str(self.bin / "burrow-exporter"),)
        venv.create(self.bin.parent, with_pip=True)
        self.run("pip", "install", "--quiet", "--require-hashes", "--requirement", str(ROOT / "requirements.txt"))
        self.run("pip", "install", "--quiet", "--no-deps", "--no-index", str(wheel))
        self.run("pip", "check")

    def run(self, program: str, *arguments: str) -> str:
        """Return what a program of the environment prints; it must end well."""
        own = {name: value for name, value in os.environ.items() if not name.startswith(("PYTHON", "COV"))}
        done = subprocess.run(
            [self.bin / program, *arguments], cwd=self.away, env=own, stdout=subprocess.PIPE, text=True, check=True
        )
        return done.stdout


def is_away(installed: Installed) -> None:
    """Nothing of the tree is in use, and every file of the package is there."""
    where = Path(installed.run("python", "-c", "import burrow_exporter as it; print(it.__file__)").strip()).parent
    assert installed.bin.parent in where.parents, where
    assert files_of(ROOT / "burrow_exporter") == files_of(where)


def files_of(package: Path) -> set[Path]:
    """Return the files of a package, but for those that Python makes itself."""
    return {each.relative_to(package) for each in package.rglob("*") if each.is_file() and each.suffix != ".pyc"}


def knows_its_version(installed: Installed) -> None:
    """Its version, that of the wheel's name, and that of the tree are one."""
    assert f"burrow-exporter {__version__}\n" == installed.run("burrow-exporter", "--version")
    assert installed.wheel.name.startswith(f"burrow_exporter-{__version__}-"), installed.wheel


def is_typed(installed: Installed) -> None:
    """Let a type checker take its types from it."""
    (installed.away / "typed.py").write_text(TYPED, encoding="utf-8")
    command = [sys.executable, "-m", "mypy", "--strict", "--config-file=", "--cache-dir=/dev/null"]
    python = str(installed.bin / "python")
    subprocess.run([*command, "--python-executable", python, "typed.py"], cwd=installed.away, check=True)


def serves(installed: Installed) -> None:
    """Serve a demo's metrics and status page, and read its Burrow with ``check`` and ``once``."""
    options = ("--demo.groups", "20", "--demo.partitions", "2", "--web.listen-address", "127.0.0.1:0")
    with running("demo", *options, command=installed.command, folder=installed.away) as run:
        burrow = run.wait_for(r"Simulated Burrow listening on (\S+)")
        address = run.wait_for(r"event=serving address=(\S+)")
        wait_until_ready(address)
        for path, expected in (("/metrics", "burrow_kafka_consumer_status{"), ("/", "</html>"), ("/-/healthy", "")):
            answer = requests.get(f"{address}{path}", timeout=10)
            assert (200, True) == (answer.status_code, expected in answer.text), answer.text
        installed.run("burrow-exporter", "healthcheck", "--web.listen-address", address.removeprefix("http://"))
        assert "ok" in installed.run("burrow-exporter", "check", "--burrow.address", burrow)
        page = installed.run("burrow-exporter", "once", "--burrow.address", burrow)
        assert "burrow_kafka_consumer_lag_seconds{" in page, page
        code, _ = run.end()
        assert 0 == code, run.lines


def wait_until_ready(address: str, seconds: float = 30) -> None:
    """Wait until there is a page to scrape."""
    end = time.monotonic() + seconds
    while requests.get(f"{address}/-/ready", timeout=10).status_code != requests.codes.ok:
        assert time.monotonic() < end, f"not ready within {seconds} s"
        time.sleep(0.1)


def passes_tests(installed: Installed) -> None:
    """Run the tests that need no tree on it."""
    shutil.copytree(ROOT / "tests", installed.away / "tests", ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(ROOT / "setup.cfg", installed.away)
    extra = f"burrow-exporter[test] @ {installed.wheel.as_uri()}"
    uv = [sys.executable, "-m", "uv", "pip", "install", "--quiet", "--python", str(installed.bin / "python")]
    subprocess.run([*uv, "--constraint", str(ROOT / "requirements-dev.txt"), extra], check=True)
    files = [f"tests/{name}" for name in TESTS]
    sys.stdout.write(installed.run("python", "-m", "pytest", "--quiet", "--numprocesses", "2", *files))


def main(wheel: Path) -> int:
    """Install the wheel and try it; return the exit code."""
    with TemporaryDirectory(prefix="wheel-") as folder:
        installed = Installed(wheel.resolve(), Path(folder))
        for step in (is_away, knows_its_version, is_typed, serves, passes_tests):
            step(installed)
            sys.stdout.write(f"{wheel.name} {step.__name__}\n")
    return 0


if __name__ == "__main__":
    sys.exit(main(*map(Path, sys.argv[1:])))
