"""The configuration: frozen, and valid once it was read. Flags and the file are read into these same types.

A field's name is its key in the file; ``about`` says what it is for, in the help and the documentation, and its bounds.
Flag and environment variable follow from the field too; where they do not, ``about`` says how they differ.
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
"""Stands for a time that follows the poll's interval; no duration is negative."""


class Filter(Section, frozen=True):
    """Which names are let through: any that an include matches and no exclude does; regular expressions, whole name."""

    include: Annotated[tuple[re.Pattern[str], ...], about("Names to publish.", show_default="all")] = ()
    exclude: Annotated[tuple[re.Pattern[str], ...], about("Names to leave out.")] = ()

    @classmethod
    def of(cls, include: Sequence[str] = (), exclude: Sequence[str] = ()) -> Self:
        """Compile expressions. Raises ``ValueError``."""
        return cls(*(tuple(map(compile_expression, texts)) for texts in (include, exclude)))

    def __post_init__(self) -> None:
        """Drop empty expressions, which stand for none."""
        force_setattr(self, "include", tuple(one for one in self.include if one.pattern))
        force_setattr(self, "exclude", tuple(one for one in self.exclude if one.pattern))

    def admits(self, name: str) -> bool:
        """Tell whether ``name`` is let through."""
        if self.include and not any(pattern.fullmatch(name) for pattern in self.include):
            return False
        return not any(pattern.fullmatch(name) for pattern in self.exclude)


class TopicFilter(Filter, frozen=True):
    """A filter that leaves out Kafka's own topic unless told what to leave out."""

    exclude: Annotated[tuple[re.Pattern[str], ...], about("Names to leave out.")] = field(
        default_factory=lambda: (re.compile(INTERNAL_TOPIC),)
    )


class Filters(Section, frozen=True):
    """What of a Burrow is published. ``max_commit_age`` is in seconds, ``None`` for any age."""

    cluster: Annotated[
        Filter, about("Clusters to publish: regular expressions, whole name.", flag="filter.cluster-", names="Clusters")
    ] = field(default_factory=Filter)
    group: Annotated[Filter, about("Consumer groups to publish.", flag="filter.group-", names="Consumer groups")] = (
        field(default_factory=Filter)
    )
    topic: Annotated[TopicFilter, about("Topics to publish.", flag="filter.topic-", names="Topics")] = field(
        default_factory=TopicFilter
    )
    max_commit_age: Annotated[
        Seconds | None,
        about(
            "Leave out partitions of a group with no commit for so long, such as topics it gave up.", show_default="off"
        ),
    ] = None


class TlsConfig(Section, frozen=True):
    """How Burrow and the exporter prove to each other who they are. Files as they were read with the configuration."""

    ca_file: Annotated[
        NamedFile | None,
        about(
            "PEM file of the authorities that may have signed Burrow's certificate, else the system's.",
            show_default="the system's",
        ),
    ] = None
    cert_file: Annotated[NamedFile | None, about("PEM file of the exporter's client certificate.")] = None
    key_file: Annotated[NamedFile | None, about("PEM file of its key, not encrypted.")] = None
    insecure_skip_verify: Annotated[bool, about("Do not check Burrow's certificate.")] = False

    def __post_init__(self) -> None:
        """Refuse what cannot work."""
        if self.ca_file:
            attempt("ca_file", check_authorities, self.ca_file)
        require("cert_file", self.cert_file or not self.key_file, "must be given together with key_file")
        require("key_file", self.key_file or not self.cert_file, "must be given together with cert_file")
        if self.cert_file and self.key_file:
            attempt("key_file", check_certificate, self.cert_file, self.key_file)

    def tls(self) -> Tls:
        """Return this as the client takes it."""
        ca, cert, key = (file.content if file else b"" for file in (self.ca_file, self.cert_file, self.key_file))
        return Tls(ca, cert, key, verify=not self.insecure_skip_verify)


class BurrowConfig(Section, frozen=True):
    """One Burrow. Times are in seconds, ``catch_up_lag`` in messages."""

    name: Annotated[
        str, about("Its name, in the label `burrow` and in the log; unique.", min_length=1, max_length=200, flag=None)
    ] = "default"
    addresses: Annotated[
        tuple[str, ...],
        about(
            "Base URL of Burrow; of several replicas, the next is asked when one fails.",
            min_length=1,
            flag="burrow.address",
            metavar="URL",
        ),
    ] = ("http://localhost:8000",)
    username: Annotated[str, about("User name for basic authentication.", metavar="NAME")] = ""
    password: Annotated[Secret | None, about("Its password; better kept in a file of its own.", flag=None)] = None
    password_file: Annotated[
        NamedFile | None, about("File that holds the password; a line break at its end is cut off.")
    ] = None
    tls: Annotated[TlsConfig, about("TLS to Burrow, for addresses that begin with https.")] = field(
        default_factory=TlsConfig
    )
    proxy_url: Annotated[
        str, about("HTTP proxy through which Burrow is asked, such as http://proxy:3128.", metavar="URL")
    ] = ""
    labels: Annotated[
        dict[str, str], about("Labels on everything made from its answers, to tell clusters apart.", flag=None)
    ] = field(default_factory=dict)
    filters: Annotated[Filters, about("What to publish of it.", flag="filter")] = field(default_factory=Filters)
    timeout: Annotated[Seconds, about("Bound of one request as a whole, its body included.")] = 10.0
    concurrency: Annotated[
        int, about("Most requests under way at once; one, where answers come at once.", ge=1, le=256)
    ] = 4
    max_groups: Annotated[
        int,
        about("Groups that are read at most, and as many topics, those known before first; each takes 3 KiB.", ge=1),
    ] = MAX_GROUPS
    max_partitions: Annotated[
        int, about("Partitions of groups and topics that are read at most; each takes about 1 KiB.", ge=1)
    ] = MAX_PARTITIONS
    catch_up_lag: Annotated[
        int, about("Messages of __consumer_offsets that Burrow may be behind for a cluster to be published.", ge=0)
    ] = 1000
    catch_up_timeout: Annotated[
        Seconds, about("A cluster that is still behind after so long is published all the same, with a warning.")
    ] = 300.0
    allowed_lag: Annotated[
        int, about("Messages of lag up to which lag in seconds is 0, such as Burrow's `allowed-lag`.", ge=0)
    ] = 0
    expire_cache: Annotated[
        Seconds, about("Burrow's `expire-cache`, where Burrow does not tell: how old its answers may be.")
    ] = 10.0

    def __post_init__(self) -> None:
        """Refuse what cannot work."""
        for index, address in enumerate(self.addresses):
            check_address(f"addresses[{index}]", address)
        if self.proxy_url:
            check_proxy("proxy_url", self.proxy_url)
        require("timeout", self.timeout > 0, "must be more than 0")
        check_labels(self.labels)
        require("password", not (self.password and self.password_file), "must not stand beside password_file")
        has_password = self.password or self.password_file
        require("username", self.username or not has_password, "must be given with a password")
        require("username", ":" not in self.username, "must not hold a colon")
        require("password_file", has_password or not self.username, "must be given with a username, or else password")
        if self.password_file:
            attempt("password_file", read_password, self.password_file)

    def targets(self) -> tuple[Target, ...]:
        """Return where its replicas are, in their order, and how they are spoken to."""
        return tuple(Target(each, self.credentials(), self.tls.tls(), self.proxy_url) for each in self.addresses)

    def credentials(self) -> tuple[str, str] | None:
        """Return user name and password, ``None`` where there are none."""
        if self.password_file:
            return self.username, read_password(self.password_file)
        return (self.username, self.password.text) if self.password else None


class PollConfig(Section, frozen=True):
    """The rhythm of the polls, in seconds."""

    interval: Annotated[Seconds, about("Time between the beginnings of polls.")] = 15.0
    deadline: Annotated[Seconds, about("When a poll ends at the latest.", show_default="the interval")] = field(
        default_factory=lambda: FROM_INTERVAL
    )
    stale_after: Annotated[
        Seconds, about("Age at which a reading is no longer published.", show_default="3 intervals")
    ] = field(default_factory=lambda: FROM_INTERVAL)

    def __post_init__(self) -> None:
        """Let times follow the interval that were not given, and refuse what cannot work."""
        if self.deadline == FROM_INTERVAL:
            force_setattr(self, "deadline", self.interval)
        if self.stale_after == FROM_INTERVAL:
            force_setattr(self, "stale_after", 3 * self.interval)
        require("interval", self.interval >= 1, "must be at least 1s")
        require("deadline", 0 < self.deadline <= self.interval, "must be more than 0 and at most the interval")
        require("stale_after", self.stale_after >= self.interval, "must be at least the interval")


class MetricsConfig(Section, frozen=True):
    """Which families are published. ``max_series`` is 0 for no bound."""

    disable: Annotated[frozenset[str], about("Metric families to leave out.", metavar="FAMILY")] = frozenset()
    partition_info: Annotated[bool, about("Publish owner and client id of each partition.")] = False
    granularity: Annotated[
        Granularity, about("Publish groups and topics by partition, by topic, or by group alone.")
    ] = "partition"
    topic_families: Annotated[bool, about("Publish families by topic beside those by partition.")] = False
    max_series: Annotated[
        int,
        about(
            "Above so many series families by topic replace those by partition, or none; 0 for no bound.",
            ge=0,
            show_default="off",
        ),
    ] = 0

    def __post_init__(self) -> None:
        """Refuse what cannot work."""
        unknown = self.disable - {family.name for family in FAMILIES}
        require("disable", not unknown, f"no such family: {', '.join(sorted(unknown))}")


class WebConfig(Section, frozen=True):
    """Where the exporter listens, and what it answers there."""

    listen_address: Annotated[
        str, about("Address to listen on, host:port; without a host on all addresses.", metavar="ADDRESS")
    ] = ":9254"
    telemetry_path: Annotated[str, about("Path of the metrics.", metavar="PATH")] = "/metrics"
    config_file: Annotated[
        Path | None,
        about(
            "Web config file of the exporter-toolkit: TLS, client certificates, basic authentication.",
            flag="web.config.file",
        ),
    ] = None
    enable_lifecycle: Annotated[bool, about("Load the configuration again on POST /-/reload.")] = False
    grafana_url: Annotated[
        str,
        about(
            "Address of Grafana, to which the status pages link, such as https://grafana.example.org.", metavar="URL"
        ),
    ] = ""
    alertmanager_url: Annotated[
        str, about("Address of Alertmanager, to which the status pages link to silence a group.", metavar="URL")
    ] = ""

    def __post_init__(self) -> None:
        """Refuse what cannot work."""
        usable = re.fullmatch(r"/[a-zA-Z0-9_.~/-]*", self.telemetry_path) and not self.telemetry_path.startswith("/-/")
        require("telemetry_path", usable, "must begin with /, be plain, and not lie under /-/")
        for key in ("grafana_url", "alertmanager_url"):
            if address := getattr(self, key):
                check_address(key, address, "https://grafana.example.org")


class ShardConfig(Section, frozen=True):
    """Which share of the groups is this exporter's, of ``total`` exporters that share them all."""

    index: Annotated[int, about("Which share of the groups is this exporter's, from 0 on.", ge=0)] = 0
    total: Annotated[int, about("How many exporters share the groups.", ge=1)] = 1

    def __post_init__(self) -> None:
        """Refuse what cannot work."""
        require("index", self.index < self.total, "must be less than the total")

    def holds(self, cluster: str, group: str) -> bool:
        """Tell whether a group is one of this share, by the BLAKE2b hash of both names."""
        if self.total == 1:
            return True
        names = f"{cluster}\0{group}".encode(errors="surrogatepass")
        return int.from_bytes(blake2b(names, digest_size=8).digest()) % self.total == self.index

    def is_first(self) -> bool:
        """Tell whether this is the share that also publishes what belongs to no group."""
        return self.index == 0


class LogConfig(Section, frozen=True):
    """What is logged, and how."""

    level: Annotated[log.Level, about("What to log.")] = "info"
    format: Annotated[log.Format, about("How to log.")] = "logfmt"


class Config(Section, frozen=True):
    """All of it."""

    burrows: Annotated[tuple[BurrowConfig, ...], about("The Burrows to poll.", min_length=1, flag="burrow")] = field(
        default_factory=lambda: (BurrowConfig(),)
    )
    poll: Annotated[PollConfig, about("The rhythm of the polls.")] = field(default_factory=PollConfig)
    metrics: Annotated[MetricsConfig, about("Which families are published.")] = field(default_factory=MetricsConfig)
    web: Annotated[WebConfig, about("The exporter's own HTTP side.")] = field(default_factory=WebConfig)
    shard: Annotated[ShardConfig, about("This exporter's share of the groups.")] = field(default_factory=ShardConfig)
    log: Annotated[LogConfig, about("The log.")] = field(default_factory=LogConfig)
    policy: Annotated[
        PolicyConfig, about("Owners, thresholds and quiet hours of consumer groups, or the file of them.")
    ] = field(default_factory=PolicyConfig)

    def __post_init__(self) -> None:
        """Refuse what cannot work."""
        for index, burrow in enumerate(self.burrows):
            if self.policy.groups or self.policy.file:
                check_policy_labels(f"burrows[{index}].labels", burrow.labels)
            earlier = {other.name for other in self.burrows[:index]}
            require(f"burrows[{index}].name", burrow.name not in earlier, f"{burrow.name!r} stands twice; names differ")
