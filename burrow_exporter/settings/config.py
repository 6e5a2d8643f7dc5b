"""The configuration: frozen and validated. Flags and the file are read into the same types.

A field's name is its key in the file. ``about`` holds its description, for help and documentation, and its bounds. Flag
and environment variable are derived from the field, unless ``about`` overrides them.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from hashlib import blake2b
from pathlib import Path
from typing import Annotated, Self

from msgspec import field
from msgspec.structs import force_setattr

from burrow_exporter import log
from burrow_exporter.burrow.session import Target, Tls
from burrow_exporter.metrics.families import FAMILIES
from burrow_exporter.settings.policy import PolicyConfig
from burrow_exporter.settings.section import Section, about
from burrow_exporter.settings.validation import (
    attempt,
    check_address,
    check_authorities,
    check_certificate,
    check_labels,
    check_policy_labels,
    check_proxy,
    read_password,
    require,
)
from burrow_exporter.settings.value_types import NamedFile, Seconds, Secret, compile_expression
from burrow_exporter.terms import Granularity

INTERNAL_TOPIC = "__consumer_offsets"
MAX_GROUPS = 20_000
MAX_PARTITIONS = 200_000
FROM_INTERVAL = -1.0
"""Marks a duration derived from the poll interval; no duration is negative."""


class Filter(Section, frozen=True):
    """Admits names that match any include and no exclude; fully anchored regular expressions."""

    include: Annotated[tuple[re.Pattern[str], ...], about("Names to include.", show_default="all")] = ()
    exclude: Annotated[tuple[re.Pattern[str], ...], about("Names to exclude.")] = ()

    @classmethod
    def of(cls, include: Sequence[str] = (), exclude: Sequence[str] = ()) -> Self:
        """Compile expressions. Raises ``ValueError``."""
        return cls(*(tuple(map(compile_expression, texts)) for texts in (include, exclude)))

    def __post_init__(self) -> None:
        """Drop empty expressions, which clear the filter."""
        force_setattr(self, "include", tuple(one for one in self.include if one.pattern))
        force_setattr(self, "exclude", tuple(one for one in self.exclude if one.pattern))

    def admits(self, name: str) -> bool:
        """Return whether ``name`` is admitted."""
        if self.include and not any(pattern.fullmatch(name) for pattern in self.include):
            return False
        return not any(pattern.fullmatch(name) for pattern in self.exclude)


class TopicFilter(Filter, frozen=True):
    """A filter that excludes Kafka's internal topic by default."""

    exclude: Annotated[tuple[re.Pattern[str], ...], about("Names to exclude.")] = field(
        default_factory=lambda: (re.compile(INTERNAL_TOPIC),)
    )


class Filters(Section, frozen=True):
    """What of a Burrow is exposed. ``max_commit_age`` is in seconds, ``None`` for any age."""

    cluster: Annotated[Filter, about("Filter on cluster names.", flag="filter.cluster-", names="Clusters")] = field(
        default_factory=Filter
    )
    group: Annotated[
        Filter, about("Filter on consumer group names.", flag="filter.group-", names="Consumer groups")
    ] = field(default_factory=Filter)
    topic: Annotated[TopicFilter, about("Filter on topic names.", flag="filter.topic-", names="Topics")] = field(
        default_factory=TopicFilter
    )
    max_commit_age: Annotated[
        Seconds | None,
        about(
            "Exclude partitions without a commit for this long, such as those of topics a group no longer reads.",
            show_default="off",
        ),
    ] = None


class TlsConfig(Section, frozen=True):
    """TLS between exporter and Burrow. Files hold their content as read with the configuration."""

    ca_file: Annotated[
        NamedFile | None,
        about(
            "PEM file with the CA certificates to verify Burrow's certificate.",
            show_default="system CAs",
        ),
    ] = None
    cert_file: Annotated[NamedFile | None, about("PEM file with the client certificate.")] = None
    key_file: Annotated[NamedFile | None, about("PEM file with the client certificate's private key, unencrypted.")] = (
        None
    )
    insecure_skip_verify: Annotated[bool, about("Disable verification of Burrow's certificate.")] = False

    def __post_init__(self) -> None:
        """Validate the section."""
        if self.ca_file:
            attempt("ca_file", check_authorities, self.ca_file)
        require("cert_file", self.cert_file or not self.key_file, "must be set together with key_file")
        require("key_file", self.key_file or not self.cert_file, "must be set together with cert_file")
        if self.cert_file and self.key_file:
            attempt("key_file", check_certificate, self.cert_file, self.key_file)

    def tls(self) -> Tls:
        """Return the settings in the client's form."""
        ca, cert, key = (file.content if file else b"" for file in (self.ca_file, self.cert_file, self.key_file))
        return Tls(ca, cert, key, verify=not self.insecure_skip_verify)


class BurrowConfig(Section, frozen=True):
    """One Burrow. Times are in seconds, ``catch_up_lag`` in messages."""

    name: Annotated[
        str,
        about(
            "Unique name of this Burrow, for the `burrow` label and the log.", min_length=1, max_length=200, flag=None
        ),
    ] = "default"
    addresses: Annotated[
        tuple[str, ...],
        about(
            "Base URL of Burrow. With several replicas, the next is tried when one fails.",
            min_length=1,
            flag="burrow.address",
            metavar="URL",
        ),
    ] = ("http://localhost:8000",)
    username: Annotated[str, about("User name for basic authentication.", metavar="NAME")] = ""
    password: Annotated[Secret | None, about("Password for basic authentication; prefer password_file.", flag=None)] = (
        None
    )
    password_file: Annotated[NamedFile | None, about("File with the password; a trailing line break is removed.")] = (
        None
    )
    tls: Annotated[TlsConfig, about("TLS settings for https addresses.")] = field(default_factory=TlsConfig)
    proxy_url: Annotated[str, about("HTTP proxy for requests to Burrow, such as http://proxy:3128.", metavar="URL")] = (
        ""
    )
    labels: Annotated[
        dict[str, str], about("Labels added to every series of this Burrow, to tell clusters apart.", flag=None)
    ] = field(default_factory=dict)
    filters: Annotated[Filters, about("What to expose of this Burrow.", flag="filter")] = field(default_factory=Filters)
    timeout: Annotated[Seconds, about("Timeout of a whole request, including the body.")] = 10.0
    concurrency: Annotated[
        int,
        about(
            "Maximum number of concurrent requests; only one is used while Burrow responds immediately.", ge=1, le=256
        ),
    ] = 4
    max_groups: Annotated[
        int,
        about("Maximum number of groups, and of topics, to read; known ones first. Each takes 3 KiB.", ge=1),
    ] = MAX_GROUPS
    max_partitions: Annotated[
        int, about("Maximum number of group and topic partitions to read. Each takes about 1 KiB.", ge=1)
    ] = MAX_PARTITIONS
    catch_up_lag: Annotated[
        int, about("Expose a cluster once Burrow's own lag on __consumer_offsets is at most this many messages.", ge=0)
    ] = 1000
    catch_up_timeout: Annotated[
        Seconds, about("Expose a cluster after this time even if Burrow has not caught up, and log a warning.")
    ] = 300.0
    allowed_lag: Annotated[
        int, about("Lag in messages up to which lag in seconds is 0; use the value of Burrow's `allowed-lag`.", ge=0)
    ] = 0
    expire_cache: Annotated[
        Seconds, about("Burrow's `expire-cache`, the maximum age of its responses; used if Burrow does not report it.")
    ] = 10.0

    def __post_init__(self) -> None:
        """Validate the section."""
        for index, address in enumerate(self.addresses):
            check_address(f"addresses[{index}]", address)
        if self.proxy_url:
            check_proxy("proxy_url", self.proxy_url)
        require("timeout", self.timeout > 0, "must be greater than 0")
        check_labels(self.labels)
        require("password", not (self.password and self.password_file), "cannot be used with password_file")
        has_password = self.password or self.password_file
        require("username", self.username or not has_password, "must be set if a password is set")
        require("username", ":" not in self.username, "must not contain a colon")
        require("password_file", has_password or not self.username, "must be set (or password) if username is set")
        if self.password_file:
            attempt("password_file", read_password, self.password_file)

    def targets(self) -> tuple[Target, ...]:
        """Return the replicas in order, with credentials, TLS and proxy."""
        return tuple(Target(each, self.credentials(), self.tls.tls(), self.proxy_url) for each in self.addresses)

    def credentials(self) -> tuple[str, str] | None:
        """Return user name and password, or ``None``."""
        if self.password_file:
            return self.username, read_password(self.password_file)
        return (self.username, self.password.text) if self.password else None


class PollConfig(Section, frozen=True):
    """Polling, in seconds."""

    interval: Annotated[Seconds, about("Time from the start of one poll to the start of the next.")] = 15.0
    deadline: Annotated[Seconds, about("Maximum duration of a poll.", show_default="the interval")] = field(
        default_factory=lambda: FROM_INTERVAL
    )
    stale_after: Annotated[
        Seconds, about("Age at which a reading is no longer exposed.", show_default="3 intervals")
    ] = field(default_factory=lambda: FROM_INTERVAL)

    def __post_init__(self) -> None:
        """Derive unset durations from the interval, and validate the section."""
        if self.deadline == FROM_INTERVAL:
            force_setattr(self, "deadline", self.interval)
        if self.stale_after == FROM_INTERVAL:
            force_setattr(self, "stale_after", 3 * self.interval)
        require("interval", self.interval >= 1, "must be at least 1s")
        require("deadline", 0 < self.deadline <= self.interval, "must be greater than 0 and at most the interval")
        require("stale_after", self.stale_after >= self.interval, "must be at least the interval")


class MetricsConfig(Section, frozen=True):
    """Exposed families. ``max_series`` is 0 for no limit."""

    disable: Annotated[frozenset[str], about("Metric families to disable.", metavar="FAMILY")] = frozenset()
    partition_info: Annotated[bool, about("Expose the owner and client ID of each partition.")] = False
    granularity: Annotated[Granularity, about("Expose groups and topics by partition, by topic, or by group only.")] = (
        "partition"
    )
    topic_families: Annotated[bool, about("Expose families by topic in addition to those by partition.")] = False
    max_series: Annotated[
        int,
        about(
            "Above this many series, expose families by topic instead of by partition, or neither; 0 for no limit.",
            ge=0,
            show_default="off",
        ),
    ] = 0

    def __post_init__(self) -> None:
        """Validate the section."""
        unknown = self.disable - {family.name for family in FAMILIES}
        require("disable", not unknown, f"unknown metric family: {', '.join(sorted(unknown))}")


class WebConfig(Section, frozen=True):
    """The HTTP server."""

    listen_addresses: Annotated[
        tuple[str, ...],
        about(
            "Address to listen on, as host:port. Omit the host to listen on all addresses.",
            min_length=1,
            flag="web.listen-address",
            metavar="ADDRESS",
        ),
    ] = (":9254",)
    systemd_socket: Annotated[
        bool, about("Listen on the sockets passed by systemd (socket activation) instead of the listen addresses.")
    ] = False
    telemetry_path: Annotated[str, about("Path under which to expose metrics.", metavar="PATH")] = "/metrics"
    config_file: Annotated[
        Path | None,
        about(
            "Web configuration file (exporter-toolkit format) for TLS, client certificates and basic authentication.",
            flag="web.config.file",
        ),
    ] = None
    enable_lifecycle: Annotated[bool, about("Enable configuration reload via POST /-/reload.")] = False
    grafana_url: Annotated[
        str,
        about("URL of Grafana for links on the status pages, such as https://grafana.example.org.", metavar="URL"),
    ] = ""
    alertmanager_url: Annotated[
        str, about("URL of Alertmanager for links on the status pages that silence a group.", metavar="URL")
    ] = ""

    def __post_init__(self) -> None:
        """Validate the section."""
        usable = re.fullmatch(r"/[a-zA-Z0-9_.~/-]*", self.telemetry_path) and not self.telemetry_path.startswith("/-/")
        require(
            "telemetry_path",
            usable,
            "must start with /, contain only letters, digits and _.~/-, and not start with /-/",
        )
        for key in ("grafana_url", "alertmanager_url"):
            if address := getattr(self, key):
                check_address(key, address, "https://grafana.example.org")


class ShardConfig(Section, frozen=True):
    """This exporter's share of the groups, out of ``total``."""

    index: Annotated[int, about("Index of this exporter's share of the groups, starting at 0.", ge=0)] = 0
    total: Annotated[int, about("Number of exporters that share the groups.", ge=1)] = 1

    def __post_init__(self) -> None:
        """Validate the section."""
        require("index", self.index < self.total, "must be less than the total")

    def holds(self, cluster: str, group: str) -> bool:
        """Return whether a group belongs to this share, by the BLAKE2b hash of both names."""
        if self.total == 1:
            return True
        names = f"{cluster}\0{group}".encode(errors="surrogatepass")
        return int.from_bytes(blake2b(names, digest_size=8).digest()) % self.total == self.index

    def is_first(self) -> bool:
        """Return whether this share also exposes what belongs to no group."""
        return self.index == 0


class LogConfig(Section, frozen=True):
    """Logging."""

    level: Annotated[log.Level, about("Log messages of this level or above.")] = "info"
    format: Annotated[log.Format, about("Format of log messages.")] = "logfmt"


class Config(Section, frozen=True):
    """All of it."""

    burrows: Annotated[tuple[BurrowConfig, ...], about("The Burrows to poll.", min_length=1, flag="burrow")] = field(
        default_factory=lambda: (BurrowConfig(),)
    )
    poll: Annotated[PollConfig, about("Polling.")] = field(default_factory=PollConfig)
    metrics: Annotated[MetricsConfig, about("Exposed metric families.")] = field(default_factory=MetricsConfig)
    web: Annotated[WebConfig, about("The exporter's HTTP server.")] = field(default_factory=WebConfig)
    shard: Annotated[ShardConfig, about("Sharding.")] = field(default_factory=ShardConfig)
    log: Annotated[LogConfig, about("Logging.")] = field(default_factory=LogConfig)
    policy: Annotated[
        PolicyConfig, about("Owners, thresholds and quiet hours of consumer groups, inline or in a file.")
    ] = field(default_factory=PolicyConfig)

    def __post_init__(self) -> None:
        """Validate the section."""
        for index, burrow in enumerate(self.burrows):
            if self.policy.groups or self.policy.file:
                check_policy_labels(f"burrows[{index}].labels", burrow.labels)
            earlier = {other.name for other in self.burrows[:index]}
            require(
                f"burrows[{index}].name",
                burrow.name not in earlier,
                f"{burrow.name!r} is a duplicate; names must be unique",
            )
