"""The log: one line per event, in either format, at the configured level."""

from __future__ import annotations

import fcntl
import json
import os
import re
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import suppress
from datetime import datetime, timedelta
from typing import Any

import pytest
import structlog
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from burrow_exporter.log import FORMATS, LEVELS, WRITER, Writer, dropped, set_up, write


@pytest.fixture(autouse=True)
def own_log() -> Iterator[None]:
    """Leave the log as other tests expect it."""
    yield
    structlog.reset_defaults()


def lines(capfd: pytest.CaptureFixture[str], form: str, level: str = "debug", **values: Any) -> list[str]:
    """Return what one event at each level makes on stderr."""
    set_up(level, form)
    log = structlog.get_logger()
    for each in LEVELS:
        getattr(log, each)("it happened", **values)
    WRITER.flush(5)
    output = capfd.readouterr()
    assert "" == output.out
    return output.err.splitlines()


@pytest.mark.parametrize(("count", "level"), [(4, "debug"), (3, "info"), (2, "warning"), (1, "error")])
@pytest.mark.parametrize("form", FORMATS)
def test_levels(capfd: pytest.CaptureFixture[str], form: str, count: int, level: str) -> None:
    """A level lets through itself and what is worse, on stderr."""
    assert count == len(lines(capfd, form, level))


def test_logfmt(capfd: pytest.CaptureFixture[str]) -> None:
    """A line begins with time, level and event, then come the values, quoted where they must be."""
    line = lines(capfd, "logfmt", "error", n=1, text="a b", name="c", flag=True)[0]
    stamp, rest = line.split(" ", 1)
    assert 'level=error event="it happened" n=1 text="a b" name=c flag=true' == rest
    assert timedelta(0) == datetime.fromisoformat(stamp.removeprefix("ts=")).utcoffset()


def test_json(capfd: pytest.CaptureFixture[str]) -> None:
    """A line is one object with the same keys."""
    event = json.loads(lines(capfd, "json", "error", n=1, text="a b")[0])
    assert {"ts", "level", "event", "n", "text"} == event.keys()
    assert ("error", "it happened", 1, "a b") == tuple(event[key] for key in ("level", "event", "n", "text"))


@pytest.mark.parametrize("form", FORMATS)
def test_exceptions(capfd: pytest.CaptureFixture[str], form: str) -> None:
    """An exception and its traceback are on the line of their event."""
    set_up("info", form)
    try:
        _ = 1 / 0
    except ZeroDivisionError:
        structlog.get_logger().exception("broke off")
    WRITER.flush(5)
    (line,) = capfd.readouterr().err.splitlines()
    assert re.search(r"broke off.*Traceback \(most recent call last\).*ZeroDivisionError: division by zero", line)


@pytest.mark.parametrize("form", FORMATS)
@settings(max_examples=50, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(value=st.text())
def test_any_text(capfd: pytest.CaptureFixture[str], form: str, value: str) -> None:
    """Whatever a name or a message holds, its event is one line of what can be printed."""
    (line,) = lines(capfd, form, "error", name=value, end="here")
    assert line.isprintable()
    assert ("end=here" if form == "logfmt" else '"end": "here"') in line


@pytest.mark.parametrize("form", FORMATS)
def test_long_texts_are_cut(capfd: pytest.CaptureFixture[str], form: str) -> None:
    """However long a text is, its line is not."""
    (line,) = lines(capfd, form, "error", name="x" * 1_000_000)
    assert len(line) < 10_000


def test_an_event_that_cannot_be_written_is_dropped(capfd: pytest.CaptureFixture[str]) -> None:
    """Whoever logs does not hear of it; it is counted."""

    class Odd:
        def __str__(self) -> str:
            raise RuntimeError

        __repr__ = __str__

    before = dropped()
    assert [] == lines(capfd, "logfmt", "error", value=Odd())
    assert before + 1 == dropped()


@pytest.fixture
def pipe() -> Iterator[tuple[int, int]]:
    """Return both ends of a small pipe."""
    reader, writer = os.pipe()
    fcntl.fcntl(writer, fcntl.F_SETPIPE_SZ, 4096)
    yield reader, writer
    for descriptor in (reader, writer):
        with suppress(OSError):  # the test may have closed it
            os.close(descriptor)


def test_a_log_that_nobody_reads_blocks_nobody(pipe: tuple[int, int]) -> None:
    """Lines wait up to the bound, the rest are dropped and counted; when it is read again those that wait come."""
    writer = Writer(pipe[1], capacity=10)
    begun = time.monotonic()
    for number in range(200):
        writer.put(f"{number:0500}")
    writer.flush(0.1)
    assert time.monotonic() - begun < 1
    written = 200 - writer.dropped
    assert 10 <= written <= 30
    read = b""
    while read.count(b"\n") < written:
        read += os.read(pipe[0], 65536)
    writer.put("again")
    writer.flush(5)
    assert (b"again\n", written) == (os.read(pipe[0], 65536), 200 - writer.dropped)


def test_a_log_that_fails_is_counted(pipe: tuple[int, int]) -> None:
    """Each line that cannot be written, and no more happens."""
    os.close(pipe[0])
    writer = Writer(pipe[1])
    for _ in range(3):
        writer.put("x")
    writer.flush(5)
    assert 3 == writer.dropped


def test_a_pipe_that_others_made_non_blocking(pipe: tuple[int, int]) -> None:
    """A line is written whole all the same, as soon as there is room."""
    os.set_blocking(pipe[1], False)
    thread = threading.Thread(target=write, args=(pipe[1], b"x" * 100_000))
    thread.start()
    read = 0
    while read < 100_000:
        read += len(os.read(pipe[0], 1000))
    thread.join(5)
    assert not thread.is_alive()


def test_without_room_for_a_thread_lines_are_dropped(monkeypatch: pytest.MonkeyPatch, pipe: tuple[int, int]) -> None:
    """Until there is some."""
    writer, start = Writer(pipe[1]), threading.Thread.start
    monkeypatch.setattr(threading.Thread, "start", lambda _: (_ for _ in ()).throw(RuntimeError("no more threads")))
    writer.put("x")
    monkeypatch.setattr(threading.Thread, "start", start)
    writer.put("y")
    assert (b"y\n", 1) == (os.read(pipe[0], 100), writer.dropped)


def test_closed_standard_streams_are_occupied() -> None:
    """So that no connection takes their numbers, and is sent the log."""
    code = (
        "from burrow_exporter import log; log.occupy_standard_streams(); log.say('x'); log.flush(); import os, socket; "
    )
    code += "os._exit(10 * (socket.socket().fileno() > 2) + log.dropped())"
    closed = ["sh", "-c", 'exec "$@" <&- >&- 2>&-', "sh"]
    assert 11 == subprocess.run([*closed, sys.executable, "-c", code], check=False).returncode
