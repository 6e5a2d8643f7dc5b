"""Socket activation: the exporter serves on sockets that are passed in systemd's way."""

from __future__ import annotations

import fcntl
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import pytest
import requests

from tests.support.processes import COMMAND, Running, running

FLAGS = ("demo", "--demo.groups=12", "--web.systemd-socket")
START = """
import os, sys
descriptors = [int(each) for each in sys.argv[1].split(",")]
for place, descriptor in enumerate(descriptors, 3):
    os.dup2(descriptor, place)
os.environ |= {"LISTEN_FDS": str(len(descriptors)), "LISTEN_PID": str(os.getpid())}
os.execv(sys.argv[2], sys.argv[2:])
"""
"""What systemd does: the sockets become descriptors from 3 on, and the environment says so to this process alone."""
WRONG_COUNT = """
import os, sys
os.environ |= {"LISTEN_FDS": sys.argv[1], "LISTEN_PID": str(os.getpid())}
os.execv(sys.argv[2], sys.argv[2:])
"""
OUT_OF_THE_WAY = 100


@contextmanager
def activated(*sockets: socket.socket, flags: tuple[str, ...] = ()) -> Iterator[Running]:
    """Run the exporter with these sockets until the end of the block."""
    # Numbers that the copies from 3 on do not overwrite.
    descriptors = [fcntl.fcntl(each, fcntl.F_DUPFD_CLOEXEC, OUT_OF_THE_WAY) for each in sockets]
    start = (sys.executable, "-c", START, ",".join(map(str, descriptors)), *COMMAND)
    try:
        with running(*FLAGS, *flags, command=start, pass_fds=descriptors) as run:
            yield run
    finally:
        for each in descriptors:
            os.close(each)


def listening(host: str = "127.0.0.1") -> closing[socket.socket]:
    """Return a socket that listens until the end of the block."""
    return closing(socket.create_server((host, 0)))


def test_serves_on_every_socket() -> None:
    """Each passed socket is served, and stays open while the exporter restarts: no connection is refused."""
    with listening("127.0.0.1") as first, listening("127.0.0.2") as second:
        addresses = ["http://{}:{}".format(*each.getsockname()) for each in (first, second)]
        for _ in range(2):
            with activated(first, second) as run:
                for address in addresses:
                    assert requests.get(f"{address}/-/healthy", timeout=20).ok
                    assert "burrow_exporter_build_info" in requests.get(f"{address}/metrics", timeout=20).text
                assert addresses == run.wait_for('address="(http.+?)"').split()
                code, _ = run.end(signal.SIGTERM)
                assert 0 == code, run.lines


@pytest.mark.parametrize(
    "environment", [{}, {"LISTEN_FDS": "1", "LISTEN_PID": "1"}], ids=["none", "of another process"]
)
def test_no_socket(environment: dict[str, str]) -> None:
    """Without sockets passed to this very process it refuses to start."""
    run = subprocess.run(
        [*COMMAND, *FLAGS], capture_output=True, text=True, check=False, timeout=20, env=os.environ | environment
    )
    assert 1 == run.returncode
    assert "burrow-exporter: --web.systemd-socket: no sockets passed by systemd" in run.stderr


@pytest.mark.parametrize("count", ["", "two", "-1", "100000"])
def test_no_number_of_sockets(count: str) -> None:
    """A ``LISTEN_FDS`` that is no number of sockets is named and quoted, in one line."""
    with running(*FLAGS, command=(sys.executable, "-c", WRONG_COUNT, count, *COMMAND)) as run:
        assert 1 == run.process.wait(20)
        run.wait_for(
            "burrow-exporter: --web.systemd-socket: LISTEN_FDS must be the number of sockets passed by systemd"
        )
        assert f"not {count!r}" in "".join(run.lines)
        assert "Traceback" not in "".join(run.lines)


@pytest.mark.parametrize("kind", ["datagram", "not listening", "unix"])
def test_unusable_sockets(kind: str, tmp_path: Path) -> None:
    """A socket that does not listen for TCP connections is refused, and named by its descriptor."""
    family = socket.AF_UNIX if kind == "unix" else socket.AF_INET
    other = socket.socket(family, socket.SOCK_DGRAM if kind == "datagram" else socket.SOCK_STREAM)
    with closing(other), listening() as good:
        if kind == "unix":
            other.bind(str(tmp_path / "socket"))
            other.listen()
        with activated(good, other) as run:
            assert 1 == run.process.wait(20)
            run.wait_for("--web.systemd-socket: file descriptor 4 passed by systemd is not a listening TCP socket")


def test_listen_address_is_ignored() -> None:
    """Nothing else is bound: not even an address that is taken does harm."""
    with listening() as taken, listening() as passed:
        other, address = ("{}:{}".format(*each.getsockname()) for each in (taken, passed))
        with activated(passed, flags=("--web.listen-address", other)) as run:
            assert requests.get(f"http://{address}/-/healthy", timeout=20).ok
            assert f"http://{address}" == run.wait_for(r"serving address=(\S+)")
