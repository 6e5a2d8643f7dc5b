"""The flags of the command line, each with its environment variable and its key in the configuration: one table."""

from __future__ import annotations

import os
from typing import Any

import click

from burrow_exporter import log
from burrow_exporter.settings.config import INTERNAL_TOPIC, MAX_GROUPS, MAX_PARTITIONS
from burrow_exporter.settings.config_file import help_text
from burrow_exporter.settings.value_types import Seconds, compile_expression, parse_duration
from burrow_exporter.terms import GRANULARITIES

PREFIX = "BURROW_EXPORTER_"
ADDRESSES = "burrows.addresses"
PATTERNS = "regular expressions, whole name; repeatable, an empty one means none"


class Duration(click.ParamType[float]):
    """Seconds, written as Prometheus writes durations."""

    name = "duration"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> float:  # noqa: ANN401  click's signature
        """Return seconds."""
        if not isinstance(value, str):
            return Seconds(value)
        try:
            return Seconds(parse_duration(value))
        except ValueError as error:
            self.fail(str(error), param, ctx)


class Expression(click.ParamType[str]):
    """A regular expression."""

    name = "regex"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> str:  # noqa: ANN401  click's signature
        """Return the expression as it is, once it compiles."""
        try:
            compile_expression(value)
        except ValueError as error:
            self.fail(str(error), param, ctx)
        return str(value)


class Flag(click.Option):
    """A flag such as ``--poll.interval`` with its environment variable ``BURROW_EXPORTER_POLL_INTERVAL``.

    One without a value has an opposite, such as ``--no-metrics.partition-info``, to turn off what the variable sets.
    ``key`` is the path of its value in the configuration, by default the flag's own words; empty for what is not in it.
    """

    def __init__(self, flag: str, text: str = "", key: str | None = None, **attributes: Any) -> None:  # noqa: ANN401  click's own attributes
        words = flag.removeprefix("--").replace("-", "_")
        self.flag = flag
        self.parameter = words.replace(".", "_")
        self.section = flag.removeprefix("--").partition(".")[0]
        self.key = words if key is None else key
        self.variable = PREFIX + self.parameter.upper()
        text = text or help_text(self.key) + " Repeatable." * attributes.get("multiple", False)
        self.opposite = flag.replace("--", "--no-", 1) if attributes.get("is_flag") else ""
        declared = f"{flag}/{self.opposite}" if self.opposite else flag
        super().__init__([declared, self.parameter], help=text, envvar=self.variable, **attributes)

    def get_help_record(self, ctx: click.Context) -> tuple[str, str] | None:
        """Return how the flag is written, and what it is for; one without a value as Prometheus' own help has it."""
        record = super().get_help_record(ctx)
        return (self.flag.replace("--", "--[no-]", 1), record[1]) if record and self.opposite else record

    def resolve_envvar_value(self, ctx: click.Context) -> str | None:
        """Return the variable's value; an empty one counts where a flag may be empty, as on the command line."""
        return (
            os.environ.get(self.variable)
            if self.multiple and self.key != ADDRESSES
            else super().resolve_envvar_value(ctx)
        )


def burrow_flag(name: str, key: str = "", **attributes: Any) -> Flag:  # noqa: ANN401  click's own attributes
    """Return a flag of the one Burrow that flags describe."""
    return Flag(f"--burrow.{name}", key=key or f"burrows.{name.replace('-', '_')}", **attributes)


def pattern_flag(name: str, text: str, **attributes: Any) -> Flag:  # noqa: ANN401  click's own attributes
    """Return a repeatable flag of regular expressions, such as ``topic-include``."""
    key = f"burrows.filters.{name.replace('-', '.')}"
    return Flag(f"--filter.{name}", f"{text} ({PATTERNS}).", key, type=Expression(), multiple=True, **attributes)


def demo_flag(name: str, text: str, **attributes: Any) -> Flag:  # noqa: ANN401  click's own attributes
    """Return a flag of the simulated Burrow."""
    return Flag(f"--demo.{name}", f"demo: {text}", key="", show_default=True, **attributes)


FLAGS = (
    burrow_flag(
        "address",
        ADDRESSES,
        multiple=True,
        default=("http://localhost:8000",),
        show_default=True,
        metavar="URL",
    ),
    burrow_flag("username", metavar="NAME", show_default="none"),
    burrow_flag("password-file", metavar="FILE", show_default="none"),
    burrow_flag("tls.ca-file", metavar="FILE", show_default="the system's"),
    burrow_flag("tls.cert-file", metavar="FILE", show_default="none"),
    burrow_flag("tls.key-file", metavar="FILE", show_default="none"),
    burrow_flag("tls.insecure-skip-verify", is_flag=True),
    burrow_flag("proxy-url", metavar="URL", show_default="none"),
    burrow_flag("timeout", type=Duration(), default="10s", show_default=True),
    burrow_flag("concurrency", type=click.IntRange(1, 256), default=4, show_default=True),
    burrow_flag("max-groups", type=click.IntRange(1), default=MAX_GROUPS, show_default=True),
    burrow_flag("max-partitions", type=click.IntRange(1), default=MAX_PARTITIONS, show_default=True),
    burrow_flag("catch-up-lag", type=click.IntRange(0), default=1000, show_default=True),
    burrow_flag("catch-up-timeout", type=Duration(), default="5m", show_default=True),
    burrow_flag("allowed-lag", type=click.IntRange(0), default=0, show_default=True),
    burrow_flag("expire-cache", type=Duration(), default="10s", show_default=True),
    Flag("--poll.interval", type=Duration(), default="15s", show_default=True),
    Flag("--poll.deadline", type=Duration(), show_default="the interval"),
    Flag("--poll.stale-after", type=Duration(), show_default="3 intervals"),
    pattern_flag("cluster-include", "Clusters to publish", show_default="all"),
    pattern_flag("cluster-exclude", "Clusters to leave out", show_default="none"),
    pattern_flag("group-include", "Consumer groups to publish", show_default="all"),
    pattern_flag("group-exclude", "Consumer groups to leave out", show_default="none"),
    pattern_flag("topic-include", "Topics to publish", show_default="all"),
    pattern_flag("topic-exclude", "Topics to leave out", default=(INTERNAL_TOPIC,), show_default=True),
    Flag("--filter.max-commit-age", key="burrows.filters.max_commit_age", type=Duration(), show_default="off"),
    Flag("--metrics.disable", multiple=True, metavar="FAMILY", show_default="none"),
    Flag("--metrics.partition-info", is_flag=True),
    Flag("--metrics.granularity", type=click.Choice(GRANULARITIES), default="partition", show_default=True),
    Flag("--metrics.topic-families", is_flag=True),
    Flag("--metrics.max-series", type=click.IntRange(0), show_default="off"),
    Flag("--web.listen-address", default=":9254", show_default=True, metavar="ADDRESS"),
    Flag("--web.telemetry-path", default="/metrics", show_default=True, metavar="PATH"),
    Flag("--web.config.file", key="web.config_file", metavar="FILE", show_default="none"),
    Flag("--web.enable-lifecycle", is_flag=True),
    Flag("--web.grafana-url", metavar="URL", show_default="none"),
    Flag("--web.alertmanager-url", metavar="URL", show_default="none"),
    Flag("--shard.index", type=click.IntRange(0), default=0, show_default=True),
    Flag("--shard.total", type=click.IntRange(1), default=1, show_default=True),
    Flag(
        "--config.file",
        "YAML file of the configuration, instead of --burrow.* and --filter.*.",
        key="",
        metavar="FILE",
        show_default="none",
    ),
    Flag("--policy.file", metavar="FILE", show_default="none"),
    demo_flag("groups", "consumer groups to simulate.", type=click.IntRange(12), default=20),
    demo_flag("partitions", "partitions a group.", type=click.IntRange(1), default=12),
    demo_flag("seed", "what the simulation is made from.", type=int, default=1),
    demo_flag(
        "listen-address",
        "address of the simulated Burrow; port 0 takes a free one.",
        default="127.0.0.1:0",
        metavar="ADDRESS",
    ),
    Flag("--log.level", type=click.Choice(log.LEVELS), default="info", show_default=True),
    Flag("--log.format", type=click.Choice(log.FORMATS), default="logfmt", show_default=True),
)
