"""The command line flags with their environment variables, derived from the configuration's fields."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterator
from inspect import signature
from pathlib import Path
from typing import Any, Literal, cast, get_args, get_origin

import click
from click.core import ParameterSource
from msgspec import NODEFAULT, Meta
from msgspec.structs import FieldInfo

from burrow_exporter.demo import SimulatedBurrow
from burrow_exporter.settings.config import Config
from burrow_exporter.settings.reader import is_section, keys, parts
from burrow_exporter.settings.section import Section
from burrow_exporter.settings.value_types import (
    NamedFile,
    Seconds,
    compile_expression,
    format_duration,
    parse_duration,
)

PREFIX = "BURROW_EXPORTER_"
ADDRESSES = {"burrows.addresses", "web.listen_addresses"}
"""Lists that cannot be empty."""
PATTERNS = "fully anchored regular expression; repeatable; an empty value clears the filter"
SECTIONS = ("burrow", "poll", "filter", "metrics", "web", "shard", "config", "policy", "demo", "log")
"""In the order of the help text."""


class Text(click.ParamType[Any]):
    """A value in text form, parsed by ``read``, which raises ``ValueError``."""

    def __init__(self, name: str, read: Callable[[str], object]) -> None:
        self.name = name
        self.read = read

    def convert(self, value: str, param: click.Parameter | None, ctx: click.Context | None) -> Any:  # noqa: ANN401  click's signature
        """Return the parsed value."""
        try:
            return self.read(value)
        except ValueError as error:
            self.fail(str(error), param, ctx)


def given(ctx: click.Context, flag: click.Parameter, value: object) -> object:
    """Return an explicitly set value, else ``None``: defaults come from the configuration."""
    source = ctx.get_parameter_source(flag.name or "")
    return value if source in {ParameterSource.COMMANDLINE, ParameterSource.ENVIRONMENT} else None


class Flag(click.Option):
    """A flag such as ``--poll.interval`` with its environment variable ``BURROW_EXPORTER_POLL_INTERVAL``.

    A boolean flag has a negation, such as ``--no-metrics.partition-info``, to override the variable. ``key`` is the
    path of its value in the configuration; empty if it has none. The default is only displayed.
    """

    def __init__(self, flag: str, text: str, key: str = "", **attributes: Any) -> None:  # noqa: ANN401  click's own attributes
        self.flag = flag
        self.parameter = flag.removeprefix("--").replace("-", "_").replace(".", "_")
        self.section = flag.removeprefix("--").partition(".")[0]
        self.key = key
        self.variable = PREFIX + self.parameter.upper()
        self.opposite = flag.replace("--", "--no-", 1) if attributes.get("is_flag") else ""
        declared = f"{flag}/{self.opposite}" if self.opposite else flag
        attributes = {"show_default": not self.opposite, "callback": given if key else None, **attributes}
        super().__init__([declared, self.parameter], help=text, envvar=self.variable, **attributes)

    def get_help_record(self, ctx: click.Context) -> tuple[str, str] | None:
        """Return the flag and its description; boolean flags in the style of Prometheus' help."""
        record = super().get_help_record(ctx)
        return (self.flag.replace("--", "--[no-]", 1), record[1]) if record and self.opposite else record

    def resolve_envvar_value(self, ctx: click.Context) -> str | None:
        """Return the variable's value; an empty one counts if the flag may be empty."""
        return (
            os.environ.get(self.variable)
            if self.multiple and self.key not in ADDRESSES
            else super().resolve_envvar_value(ctx)
        )


def flags_of(section: type[Section], prefix: str = "", path: str = "", names: str = "") -> Iterator[Flag]:
    """Yield the flags of a section and its subsections; ``names`` is what its regular expressions match."""
    for name, field in keys(section).items():
        kinds, meta = parts(field.type)
        extra = {"flag": prefix + name.replace("_", "-"), "names": names, **(meta.extra or {})}
        flag, names_below, key = extra.pop("flag"), extra.pop("names"), f"{path}{name}"
        repeatable = get_origin(kinds[0]) in {tuple, frozenset}
        kind = get_args(kinds[0])[0] if repeatable else kinds[0]
        if flag is None:
            continue
        if is_section(kind):
            yield from flags_of(kind, flag if flag[-1] in ".-" else f"{flag}.", f"{key}.", names_below)
            continue
        text = meta.description or ""
        if kind == re.Pattern[str]:
            text = f"{text.removesuffix('.').replace('Names', names)} ({PATTERNS})."
        elif repeatable:
            text += " Repeatable."
        default = {} if "show_default" in extra else default_of(field, kind)
        yield Flag(f"--{flag}", text, key, multiple=repeatable, **click_attributes(kind, meta) | default | extra)


def click_attributes(kind: Any, meta: Meta) -> dict[str, Any]:  # noqa: ANN401  any type
    """Return click's attributes for a type."""
    if get_origin(kind) is Literal:
        return {"type": click.Choice(get_args(kind))}
    known: dict[Any, dict[str, Any]] = {
        bool: {"is_flag": True},
        int: {"type": click.IntRange(cast("int | None", meta.ge), cast("int | None", meta.le))},
        Seconds: {"type": Text("duration", lambda text: Seconds(parse_duration(text)))},
        re.Pattern[str]: {"type": Text("regex", lambda text: compile_expression(text).pattern)},
        Path: {"metavar": "FILE"},
        NamedFile: {"metavar": "FILE"},
    }
    return known.get(kind, {})


def default_of(field: FieldInfo, kind: Any) -> dict[str, Any]:  # noqa: ANN401  any type
    """Return the default of a field in text form, for the help."""
    default = field.default if field.default is not NODEFAULT else field.default_factory()
    if isinstance(default, tuple | frozenset):
        default = tuple(getattr(each, "pattern", each) for each in default)
    if default in {None, "", ()}:
        return {"show_default": "none"}
    return {"default": format_duration(default) if kind is Seconds else default}


def demo_flag(name: str, text: str, **attributes: Any) -> Flag:  # noqa: ANN401  click's own attributes
    """Return a flag of the simulated Burrow, with its default."""
    default = signature(SimulatedBurrow).parameters[name.replace("-", "_")].default
    return Flag(f"--demo.{name}", f"demo: {text}", default=default, **attributes)


COMMAND_LINE_FLAGS = (
    Flag(
        "--config.file",
        "YAML configuration file; replaces --burrow.* and --filter.*.",
        metavar="FILE",
        show_default="none",
    ),
    demo_flag("groups", "number of consumer groups.", type=click.IntRange(12)),
    demo_flag("partitions", "number of partitions per group.", type=click.IntRange(1)),
    demo_flag("seed", "seed of the simulation.", type=int),
    demo_flag(
        "listen-address",
        "address of the simulated Burrow; port 0 picks a free port.",
        metavar="ADDRESS",
    ),
)
"""Flags that are not part of the configuration."""
FLAGS = tuple(sorted((*flags_of(Config), *COMMAND_LINE_FLAGS), key=lambda flag: SECTIONS.index(flag.section)))
