"""The flags of the command line, each with its twin in the environment: one table."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import click

from burrow_exporter import log
from burrow_exporter.config import (
    INTERNAL_TOPIC,
    BurrowConfig,
    Config,
    Filter,
    Filters,
    MetricsConfig,
    PollConfig,
    WebConfig,
    parse_duration,
)

PREFIX = "BURROW_EXPORTER_"
PATTERNS = "regular expressions, whole name; repeatable, an empty one means none"


class Duration(click.ParamType[float]):
    """Seconds, written as Prometheus writes durations."""

    name = "duration"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> float:  # noqa: ANN401  click's signature
        """Return seconds."""
        if not isinstance(value, str):
            return float(value)
        try:
            return parse_duration(value)
        except ValueError as error:
            self.fail(str(error), param, ctx)


class Expression(click.ParamType[str]):
    """A regular expression."""

    name = "regex"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> str:  # noqa: ANN401  click's signature
        """Return the expression as it is, once it compiles."""
        try:
            re.compile(value)
        except re.error as error:
            self.fail(f"{value!r} is not a regular expression: {error}", param, ctx)
        return str(value)


class Flag(click.Option):
    """A flag such as ``--poll.interval`` with its twin ``BURROW_EXPORTER_POLL_INTERVAL``."""

    def __init__(self, flag: str, text: str, **attributes: Any) -> None:  # noqa: ANN401  click's own attributes
        parameter = flag.removeprefix("--").replace(".", "_").replace("-", "_")
        self.section = flag.removeprefix("--").partition(".")[0]
        self.twin = PREFIX + parameter.upper()
        super().__init__([flag, parameter], help=text, envvar=self.twin, **attributes)

    def resolve_envvar_value(self, ctx: click.Context) -> str | None:
        """Return the twin's value; an empty one counts where the flag is repeatable, as it does on the command line."""
        return os.environ.get(self.twin) if self.multiple else super().resolve_envvar_value(ctx)


def pattern_flag(name: str, text: str, **attributes: Any) -> Flag:  # noqa: ANN401  click's own attributes
    """Return a repeatable flag of regular expressions."""
    return Flag(name, f"{text} ({PATTERNS})", type=Expression(), multiple=True, **attributes)


FLAGS = (
    Flag("--burrow.address", "Base URL of Burrow.", default="http://localhost:8000", show_default=True, metavar="URL"),
    Flag(
        "--burrow.timeout",
        "Bound of one request as a whole, its body included.",
        type=Duration(),
        default="10s",
        show_default=True,
    ),
    Flag(
        "--burrow.concurrency",
        "Requests under way at once.",
        type=click.IntRange(1, 256),
        default=4,
        show_default=True,
    ),
    Flag(
        "--burrow.catch-up-lag",
        "Messages of __consumer_offsets that Burrow may be behind for a cluster to be published.",
        type=click.IntRange(0),
        default=1000,
        show_default=True,
    ),
    Flag(
        "--burrow.catch-up-timeout",
        "A cluster that is still behind after so long is published all the same, with a warning.",
        type=Duration(),
        default="5m",
        show_default=True,
    ),
    Flag("--poll.interval", "Time between the beginnings of polls.", type=Duration(), default="15s", show_default=True),
    Flag("--poll.deadline", "When a poll ends at the latest.", type=Duration(), show_default="the interval"),
    Flag(
        "--poll.stale-after",
        "Age at which a reading is no longer published.",
        type=Duration(),
        show_default="3 intervals",
    ),
    pattern_flag("--filter.cluster-include", "Clusters to publish.", show_default="all"),
    pattern_flag("--filter.cluster-exclude", "Clusters to leave out.", show_default="none"),
    pattern_flag("--filter.group-include", "Consumer groups to publish.", show_default="all"),
    pattern_flag("--filter.group-exclude", "Consumer groups to leave out.", show_default="none"),
    pattern_flag("--filter.topic-include", "Topics to publish.", show_default="all"),
    pattern_flag("--filter.topic-exclude", "Topics to leave out.", default=(INTERNAL_TOPIC,), show_default=True),
    Flag(
        "--filter.max-commit-age",
        "Leave out partitions of a group with no commit for so long, such as topics it gave up.",
        type=Duration(),
        show_default="off",
    ),
    Flag(
        "--metrics.disable",
        "Metric family to leave out; repeatable.",
        multiple=True,
        metavar="FAMILY",
        show_default="none",
    ),
    Flag("--metrics.partition-info", "Publish owner and client id of each partition.", is_flag=True),
    Flag(
        "--web.listen-address",
        "Address to listen on, host:port; without a host on all addresses.",
        default=":9254",
        show_default=True,
        metavar="ADDRESS",
    ),
    Flag("--web.telemetry-path", "Path of the metrics.", default="/metrics", show_default=True, metavar="PATH"),
    Flag(
        "--web.config.file",
        "Web config file of Prometheus' exporter-toolkit: TLS, client certificates, basic authentication.",
        type=click.Path(path_type=Path),
        show_default="none",
        metavar="FILE",
    ),
    Flag("--demo.groups", "demo: consumer groups to simulate.", type=click.IntRange(12), default=20, show_default=True),
    Flag("--demo.partitions", "demo: partitions a group.", type=click.IntRange(1), default=12, show_default=True),
    Flag("--demo.seed", "demo: what the simulation is made from.", type=int, default=1, show_default=True),
    Flag(
        "--demo.listen-address",
        "demo: address of the simulated Burrow; port 0 takes a free one.",
        default="127.0.0.1:0",
        show_default=True,
        metavar="ADDRESS",
    ),
    Flag("--log.level", "What to log.", type=click.Choice(log.LEVELS), default="info", show_default=True),
    Flag("--log.format", "How to log.", type=click.Choice(log.FORMATS), default="logfmt", show_default=True),
)


def build_config(values: Mapping[str, Any]) -> Config:
    """Return the configuration from the flags' values, by parameter name; raises ``ConfigError``."""
    interval = values["poll_interval"]
    deadline, stale_after = values["poll_deadline"], values["poll_stale_after"]
    return Config(
        burrows=(BurrowConfig(**section("burrow", values), filters=build_filters(values)),),
        poll=PollConfig(
            interval=interval,
            deadline=interval if deadline is None else deadline,
            stale_after=3 * interval if stale_after is None else stale_after,
        ),
        metrics=MetricsConfig(
            disable=frozenset(values["metrics_disable"]),
            partition_info=values["metrics_partition_info"],
        ),
        web=WebConfig(**section("web", values)),
    )


def build_filters(values: Mapping[str, Any]) -> Filters:
    """Return the filters from the flags' values."""
    filters = {
        subject: Filter.of(values[f"filter_{subject}_include"], values[f"filter_{subject}_exclude"])
        for subject in ("cluster", "group", "topic")
    }
    return Filters(**filters, max_commit_age=values["filter_max_commit_age"])


def section(name: str, values: Mapping[str, Any]) -> dict[str, Any]:
    """Return the values of one section, without its name in theirs."""
    return {key.removeprefix(f"{name}_"): value for key, value in values.items() if key.startswith(f"{name}_")}
