"""How the exporter logs: one line an event on stderr, as logfmt or JSON."""

from __future__ import annotations

import logging
import sys
from typing import Literal, get_args

import structlog

Level = Literal["debug", "info", "warning", "error"]
Format = Literal["logfmt", "json"]
LEVELS: tuple[Level, ...] = get_args(Level)
FORMATS: tuple[Format, ...] = get_args(Format)


def set_up(level: str, form: str) -> None:
    """Configure structlog for the whole process; ``level`` is one of LEVELS, ``form`` one of FORMATS."""
    last: list[structlog.typing.Processor] = [structlog.processors.JSONRenderer()]
    if form == "logfmt":
        order = ["ts", "level", "event"]
        last = [structlog.processors.LogfmtRenderer(key_order=order, bool_as_flag=False)]
    structlog.configure(
        processors=[
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True, key="ts"),
            structlog.processors.format_exc_info,
            escape_controls,
            *last,
        ],
        wrapper_class=structlog.make_filtering_bound_logger(logging.getLevelNamesMapping()[level.upper()]),
        logger_factory=structlog.PrintLoggerFactory(sys.stderr),
        cache_logger_on_first_use=False,
    )


def escape_controls(
    _logger: structlog.typing.WrappedLogger, _method: str, event: structlog.typing.EventDict
) -> structlog.typing.EventDict:
    """Take out what would move a terminal's cursor, as names and messages from elsewhere may hold it."""
    return {key: escape(value) if isinstance(value, str) else value for key, value in event.items()}


def escape(text: str) -> str:
    r"""Return ``text`` with whatever cannot be printed as Python writes it; ``\n`` is left to the renderers."""
    if text.isprintable():
        return text
    return "".join(letter if letter.isprintable() or letter == "\n" else repr(letter)[1:-1] for letter in text)


def one_line(text: str) -> str:
    """Return ``text`` for a terminal, on one line."""
    return escape(text).replace("\n", "\\n")
