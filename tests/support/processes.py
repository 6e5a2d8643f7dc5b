"""The exporter and Prometheus as separate processes."""

from __future__ import annotations

import re
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from random import Random
from threading import Thread

import pytest

from tests.conftest import tool

COMMAND = (sys.executable, "-W", "error", "-m", "burrow_exporter")


class Running:
    """A process; ``lines`` is its output so far."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        """Collect the output."""
        self.process = process
        self.lines: list[str] = []
        self._reader = Thread(target=self._read, daemon=True)
        self._reader.start()

    def _read(self) -> None:
        assert self.process.stdout
        self.lines.extend(iter(self.process.stdout.readline, ""))

    def wait_for(self, pattern: str, seconds: float = 10.0) -> str:
        """Wait for a line that matches ``pattern``; return the match of its first group."""
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            for line in list(self.lines):
                if match := re.search(pattern, line):
                    return match[1] if match.groups() else match[0]
            time.sleep(0.01)
        pytest.fail(f"no {pattern!r} in {self.lines}")

    def end(self, number: int = signal.SIGTERM) -> tuple[int, float]:
        """Send a signal; return the exit code and how many seconds the process took to stop."""
        begun = time.monotonic()
        self.process.send_signal(number)
        code = self.process.wait(10)
        seconds = time.monotonic() - begun
        self._reader.join(1)
        return code, seconds


@contextmanager
def running(
    *arguments: str,
    command: tuple[str, ...] = COMMAND,
    folder: Path | None = None,
    pass_fds: Sequence[int] = (),
) -> Iterator[Running]:
    """Run the exporter, or another command, in ``folder`` until the end of the block."""
    with subprocess.Popen(
        [*command, *arguments],
        cwd=folder,
        pass_fds=pass_fds,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    ) as process:
        run = Running(process)
        try:
            yield run
        finally:
            process.kill()
            process.wait(10)
            run._reader.join(5)


@contextmanager
def exporter(*arguments: str) -> Iterator[tuple[Running, str]]:
    """Run the exporter on a free port until the end of the block; also yield its address."""
    with running(*arguments, "--web.listen-address", "127.0.0.1:0") as run:
        yield run, run.wait_for(r'address"?[=:] ?"?(http[^\s"]+)')


def peak_mib(pid: int) -> float:
    """Return the peak memory of a process, in MiB (Linux)."""
    text = Path(f"/proc/{pid}/status").read_text("ascii")
    found = re.search(r"^VmHWM:\s+(\d+) kB$", text, re.MULTILINE)
    assert found
    return int(found[1]) / 1024


def lasting_port() -> int:
    """Return a free port for a later listener, outside the range of outgoing connections (Linux: below 32768)."""
    while True:
        port = Random().randrange(20000, 32000)  # noqa: S311  no secret
        with suppress(OSError), socket.create_server(("127.0.0.1", port)):
            return port


@contextmanager
def prometheus(configuration: str, folder: Path, **addresses: str) -> Iterator[tuple[Running, str]]:
    """Run Prometheus with its files in ``folder`` until the end of the block; also yield its address.

    Where there are ``addresses`` they are filled into the configuration by their names, and ``own`` with them.
    """
    address = f"127.0.0.1:{lasting_port()}"  # it cannot be asked for a port of its own choice
    filled = configuration.format(own=address, **addresses) if addresses else configuration
    (folder / "prometheus.yml").write_text(filled)
    with prometheus_on(folder, "prometheus.yml", "data", address) as run:
        yield run, f"http://{address}"


@contextmanager
def prometheus_on(folder: Path, configuration: str, data: str, address: str) -> Iterator[Running]:
    """Run Prometheus with the configuration and data in ``folder`` until the end of the block."""
    flags = (f"--config.file={configuration}", f"--storage.tsdb.path={data}", f"--web.listen-address={address}")
    with running(*flags, "--log.level=debug", command=(tool("prometheus"),), folder=folder) as run:
        run.wait_for("Server is ready")
        yield run
