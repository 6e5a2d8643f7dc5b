"""The log: one line an event, in either format, at the level asked for."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Any

import pytest
import structlog
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from burrow_exporter.log import FORMATS, LEVELS, set_up


@pytest.fixture(autouse=True)
def own_log() -> Iterator[None]:
    """Leave the log as other tests expect it."""
    yield
    structlog.reset_defaults()


def lines(capsys: pytest.CaptureFixture[str], form: str, level: str = "debug", **values: Any) -> list[str]:
    """Return what one event at each level makes on stderr."""
    set_up(level, form)
    log = structlog.get_logger()
    for each in LEVELS:
        getattr(log, each)("it happened", **values)
    output = capsys.readouterr()
    assert "" == output.out
    return output.err.splitlines()


@pytest.mark.parametrize(("count", "level"), [(4, "debug"), (3, "info"), (2, "warning"), (1, "error")])
@pytest.mark.parametrize("form", FORMATS)
def test_levels(capsys: pytest.CaptureFixture[str], form: str, count: int, level: str) -> None:
    """A level lets through itself and what is worse, on stderr."""
    assert count == len(lines(capsys, form, level))


def test_logfmt(capsys: pytest.CaptureFixture[str]) -> None:
    """A line begins with time, level and event, then come the values, quoted where they must be."""
    line = lines(capsys, "logfmt", "error", n=1, text="a b", name="c", flag=True)[0]
    stamp, rest = line.split(" ", 1)
    assert 'level=error event="it happened" n=1 text="a b" name=c flag=true' == rest
    assert timedelta(0) == datetime.fromisoformat(stamp.removeprefix("ts=")).utcoffset()


def test_json(capsys: pytest.CaptureFixture[str]) -> None:
    """A line is one object with the same keys."""
    event = json.loads(lines(capsys, "json", "error", n=1, text="a b")[0])
    assert {"ts", "level", "event", "n", "text"} == event.keys()
    assert ("error", "it happened", 1, "a b") == tuple(event[key] for key in ("level", "event", "n", "text"))


@pytest.mark.parametrize("form", FORMATS)
def test_exceptions(capsys: pytest.CaptureFixture[str], form: str) -> None:
    """An exception stands with its traceback on the line of its event."""
    set_up("info", form)
    try:
        _ = 1 / 0
    except ZeroDivisionError:
        structlog.get_logger().exception("broke off")
    (line,) = capsys.readouterr().err.splitlines()
    assert re.search(r"broke off.*Traceback \(most recent call last\).*ZeroDivisionError: division by zero", line)


@pytest.mark.parametrize("form", FORMATS)
@settings(max_examples=50, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(value=st.text())
def test_any_text(capsys: pytest.CaptureFixture[str], form: str, value: str) -> None:
    """Whatever a name or a message holds, its event is one line of what can be printed."""
    (line,) = lines(capsys, form, "error", name=value, end="here")
    assert line.isprintable()
    assert ("end=here" if form == "logfmt" else '"end": "here"') in line
