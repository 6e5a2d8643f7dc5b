"""The configuration: frozen, and valid once it exists. Where it comes from is ``cli.py``'s business."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from burrow_exporter.families import FAMILIES

INTERNAL_TOPIC = "__consumer_offsets"
DURATION_UNITS = {"ms": 0.001, "s": 1, "m": 60, "h": 3600, "d": 86400, "w": 604800, "y": 31536000}
ADDRESS = re.compile(r"https?://(\[[0-9a-fA-F:.]+(%\w+)?\]|[\w.-]+)(:(?P<port>[0-9]{1,5}))?(/[^\s\x00-\x1f]*)?")
LARGEST_PORT = 65535
LONGEST_DURATION = 2**63 / 1e9
DURATION = re.compile("".join(rf"(?:([0-9]{{1,18}}){unit})?" for unit in reversed(DURATION_UNITS)))


class ConfigError(ValueError):
    """A value that cannot be used. ``key`` is the flag that carries it, the message says what is wrong."""

    def __init__(self, key: str, message: str) -> None:
        super().__init__(f"{key}: {message}")


def parse_duration(text: str) -> float:
    """Return the seconds of a duration as Prometheus writes it (``15s``, ``1m30s``, ``250ms``); ValueError if not one.

    The same grammar as Prometheus' ``model.ParseDuration``: units descend and stand once, ``0`` needs no unit.
    """
    match = DURATION.fullmatch(text)
    if text == "0":
        return 0.0
    if not text or match is None:
        message = f"{text!r} is not a duration such as 15s or 1m30s"
        raise ValueError(message)
    parts = zip(match.groups(), UNITS_DOWN, strict=True)
    seconds = sum(int(digits or 0) * DURATION_UNITS[unit] for digits, unit in parts)
    if seconds > LONGEST_DURATION:
        message = f"{text!r} is out of range"
        raise ValueError(message)
    return seconds


UNITS_DOWN = tuple(reversed(DURATION_UNITS))


@dataclass(frozen=True, slots=True)
class Filter:
    """Which names are let through: any that an include matches and no exclude does; regular expressions, whole name."""

    include: tuple[re.Pattern[str], ...] = ()
    exclude: tuple[re.Pattern[str], ...] = ()

    @classmethod
    def of(cls, include: Sequence[str] = (), exclude: Sequence[str] = ()) -> Filter:
        """Compile expressions; an empty one stands for none. Raises ``re.error``."""
        return cls(*(tuple(re.compile(text) for text in texts if text) for texts in (include, exclude)))

    def admits(self, name: str) -> bool:
        """Tell whether ``name`` is let through."""
        if self.include and not any(pattern.fullmatch(name) for pattern in self.include):
            return False
        return not any(pattern.fullmatch(name) for pattern in self.exclude)


@dataclass(frozen=True, slots=True)
class Filters:
    """What of a Burrow is published. ``max_commit_age`` is in seconds, ``None`` for any age."""

    cluster: Filter = Filter()
    group: Filter = Filter()
    topic: Filter = field(default_factory=lambda: Filter.of(exclude=[INTERNAL_TOPIC]))
    max_commit_age: float | None = None


@dataclass(frozen=True, slots=True)
class BurrowConfig:
    """One Burrow. Times are in seconds, ``catch_up_lag`` in messages."""

    address: str = "http://localhost:8000"
    name: str = "default"
    timeout: float = 10
    concurrency: int = 4
    catch_up_lag: int = 1000
    catch_up_timeout: float = 300
    filters: Filters = field(default_factory=Filters)

    def __post_init__(self) -> None:
        """Refuse what cannot work."""
        check_address("--burrow.address", self.address)
        require("--burrow.timeout", self.timeout > 0, "must be more than 0")
        require("--burrow.concurrency", self.concurrency > 0, "must be at least 1")


@dataclass(frozen=True, slots=True)
class PollConfig:
    """The rhythm of the polls, in seconds."""

    interval: float = 15
    deadline: float = 15
    stale_after: float = 45

    def __post_init__(self) -> None:
        """Refuse what cannot work."""
        require("--poll.interval", self.interval >= 1, "must be at least 1s")
        require("--poll.deadline", 0 < self.deadline <= self.interval, "must be more than 0 and at most the interval")
        require("--poll.stale-after", self.stale_after >= self.interval, "must be at least the interval")


@dataclass(frozen=True, slots=True)
class MetricsConfig:
    """Which families are published."""

    disable: frozenset[str] = frozenset()
    partition_info: bool = False

    def __post_init__(self) -> None:
        """Refuse what cannot work."""
        unknown = self.disable - {family.name for family in FAMILIES}
        require("--metrics.disable", not unknown, f"no such family: {', '.join(sorted(unknown))}")


@dataclass(frozen=True, slots=True)
class WebConfig:
    """Where the exporter listens; ``config_file`` says what it asks of clients (docs/web-config.md)."""

    listen_address: str = ":9254"
    telemetry_path: str = "/metrics"
    config_file: Path | None = None

    def __post_init__(self) -> None:
        """Refuse what cannot work."""
        usable = re.fullmatch(r"/[a-zA-Z0-9_.~/-]*", self.telemetry_path) and not self.telemetry_path.startswith("/-/")
        require("--web.telemetry-path", bool(usable), "must begin with /, be plain, and not lie under /-/")


@dataclass(frozen=True, slots=True)
class Config:
    """All of it."""

    burrows: tuple[BurrowConfig, ...] = field(default_factory=lambda: (BurrowConfig(),))
    poll: PollConfig = field(default_factory=PollConfig)
    metrics: MetricsConfig = field(default_factory=MetricsConfig)
    web: WebConfig = field(default_factory=WebConfig)


def require(key: str, condition: bool, message: str) -> None:  # noqa: FBT001  a condition is what it takes
    """Raise ``ConfigError`` unless ``condition`` holds."""
    if not condition:
        raise ConfigError(key, message)


def check_address(key: str, address: str) -> None:
    """Raise ``ConfigError`` unless ``address`` is a base URL of a Burrow, free of credentials."""
    require(key, "@" not in address, "must not hold credentials")
    require(key, not set("?#") & set(address), f"{address!r} must end with the path")
    match = ADDRESS.fullmatch(address)
    usable = match and 0 < int(match["port"] or 1) <= LARGEST_PORT
    require(key, bool(usable), f"{address!r} is not an address such as http://burrow:8000")
