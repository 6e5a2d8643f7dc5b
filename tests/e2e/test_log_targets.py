"""Whatever happens to the log's target, the process keeps working."""

from __future__ import annotations

import fcntl
import os
import resource
import signal
import subprocess
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest

from tests.support.faults import FaultServer, Step, by_path, reply
from tests.support.pages import samples_in, wait_until
from tests.support.processes import COMMAND, lasting_port
from tests.support.recorded import Recorded, lag_answer, partition, small

GROUPS = [f"g{number}" for number in range(3)]


class Target:
    """Where the log of a process goes: ``descriptor`` is given to it as stderr, unless it is to have none."""

    def __init__(self, stack: ExitStack, folder: Path) -> None:
        self.stack = stack
        self.folder = folder
        self.closed = False
        self.file_limit: int | None = None
        self.descriptor = -1

    def pipe(self, *, read: Callable[[int], object] | None) -> None:
        """Write to a small pipe, which ``read`` reads; nobody where it is ``None``."""
        reader, self.descriptor = os.pipe()
        self.stack.callback(os.close, self.descriptor)
        fcntl.fcntl(self.descriptor, fcntl.F_SETPIPE_SZ, 4096)
        if read:
            threading.Thread(target=read, args=(reader,), daemon=True).start()
        else:
            self.stack.callback(os.close, reader)

    def file(self, limit: int | None = None) -> None:
        """Write to a file that may not grow beyond ``limit`` bytes, as on a disk that is full."""
        self.descriptor = self.stack.enter_context((self.folder / "log").open("wb")).fileno()
        self.file_limit = limit


def slowly(reader: int) -> None:
    """Read ten bytes a second."""
    while os.read(reader, 1):
        time.sleep(0.1)


TARGETS: dict[str, Callable[[Target], object]] = {
    "closed": lambda target: setattr(target, "closed", True),
    "full": lambda target: setattr(target, "descriptor", os.open("/dev/full", os.O_WRONLY)),
    "blocked pipe": lambda target: target.pipe(read=None),
    "pipe whose reader has gone": lambda target: target.pipe(read=os.close),
    "slow reader": lambda target: target.pipe(read=slowly),
    "file at its limit": lambda target: target.file(limit=300),
}


LOSES_LINES = {"closed", "full", "pipe whose reader has gone", "file at its limit"}
"""The targets at which a line fails at once; at the others a thousand wait."""


@contextmanager
def logging_to(target: Target, *arguments: str) -> Iterator[tuple[subprocess.Popen[bytes], str]]:
    """Run the exporter until the end of the block; give its address too."""
    address = f"127.0.0.1:{lasting_port()}"

    def prepare() -> None:
        if target.closed:
            os.close(2)
        if target.file_limit:
            signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
            resource.setrlimit(resource.RLIMIT_FSIZE, (target.file_limit, target.file_limit))

    with subprocess.Popen(
        [*COMMAND, f"--web.listen-address={address}", "--log.level=debug", "--web.enable-lifecycle", *arguments],
        stdout=subprocess.DEVNULL,
        stderr=None if target.closed else target.descriptor,
        preexec_fn=prepare,  # noqa: PLW1509  no thread of this process holds a lock that these calls need
    ) as process:
        try:
            yield process, f"http://{address}"
        finally:
            process.kill()


def ask(url: str, method: str = "GET") -> str:
    """Return the response, or an empty string if the port is not open yet."""
    try:
        with urllib.request.urlopen(urllib.request.Request(url, method=method), timeout=2) as answer:  # noqa: S310  ours
            return str(answer.read().decode())
    except urllib.error.URLError:
        return ""


@pytest.mark.parametrize("name", TARGETS)
def test_a_log_that_cannot_be_written(name: str, tmp_path: Path) -> None:
    """Polls, scrapes and reloads go on, lines that are lost are counted, and a signal ends the process in time."""
    good = small({group: lag_answer("c", group, partition()) for group in GROUPS})
    answers: dict[str, Recorded | Step] = {**good, "/v3/kafka/c/consumer/g0/lag": reply(b"", 500)}
    with ExitStack() as stack, FaultServer(by_path(answers)) as burrow:
        TARGETS[name](target := Target(stack, tmp_path))
        flags = (f"--burrow.address={burrow.address}", "--poll.interval=1s", "--poll.stale-after=2s")
        process, address = stack.enter_context(logging_to(target, *flags))

        def own(metric: str) -> float:
            samples = samples_in(ask(f"{address}/metrics"))
            return sum(value for (name, _), value in samples.items() if name == f"burrow_exporter_{metric}")

        wait_until(lambda: own("polls_total"))
        for _ in range(30):  # each logs a line or two
            assert "Reloaded.\n" == ask(f"{address}/-/reload", "POST")
        polls = own("polls_total")
        wait_until(lambda: own("polls_total") >= polls + 2)
        assert (1, "Healthy.\n") == (own("burrow_up"), ask(f"{address}/-/healthy"))
        assert (name in LOSES_LINES) == (own("log_messages_dropped_total") > 0)
        begun = time.monotonic()
        process.terminate()
        assert 0 == process.wait(5)
        assert time.monotonic() - begun < 2


@pytest.mark.parametrize("name", TARGETS)
def test_an_error_that_cannot_be_written(name: str, tmp_path: Path) -> None:
    """Where it cannot run the exit code says so, whether or not the words reach anybody."""
    with ExitStack() as stack:
        TARGETS[name](target := Target(stack, tmp_path))
        process, _ = stack.enter_context(logging_to(target, "--poll.interval=0s"))
        assert 2 == process.wait(10)


def test_a_log_that_is_read_again(tmp_path: Path) -> None:
    """After a time without a reader what waited comes, and so does what is logged from then on."""
    answers = {**small()}
    with ExitStack() as stack, FaultServer(by_path(answers)) as burrow:
        target = Target(stack, tmp_path)
        go, lines = threading.Event(), list[bytes]()

        def read_later(reader: int) -> None:
            go.wait()
            with os.fdopen(reader, "rb") as file:
                lines.extend(file)

        target.pipe(read=read_later)
        flags = (f"--burrow.address={burrow.address}", "--poll.interval=1s")
        _, address = stack.enter_context(logging_to(target, *flags))
        wait_until(lambda: ask(f"{address}/-/ready"))
        for _ in range(60):
            ask(f"{address}/-/reload", "POST")
        go.set()
        wait_until(lambda: len(lines) > 60)
        before = len(lines)
        wait_until(lambda: any(b"event=poll" in line for line in lines[before:]))
