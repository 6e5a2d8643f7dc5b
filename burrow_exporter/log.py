"""How the exporter logs: one line an event on stderr, as logfmt or JSON."""

from __future__ import annotations

import logging
import sys

import structlog

LEVELS = ("debug", "info", "warning", "error")
FORMATS = ("logfmt", "json")


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
            *last,
        ],
        wrapper_class=structlog.make_filtering_bound_logger(logging.getLevelNamesMapping()[level.upper()]),
        logger_factory=structlog.PrintLoggerFactory(sys.stderr),
        cache_logger_on_first_use=False,
    )
