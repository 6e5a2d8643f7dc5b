"""The settings: a frozen object, read from `.env`, from which everything in ``generated`` is rendered."""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, fields, replace
from pathlib import Path

from compose.renderer import cluster_variables, clusters, env_file, former_names, hosts, teams, validation
from compose.renderer.clusters import DEMO_CLUSTERS, Cluster
from compose.renderer.hosts import ONE_HOST, Hosts
from compose.renderer.teams import Team

JMX_KEPT = {
    "kafka_consumer_group_ConsumerLagMetrics_Value": "EstimatedMaxTimeLag|MaxOffsetLag|SumOffsetLag",
    "kafka_controller_KafkaController_Value": ".*",
    "kafka_log_Log_Value": "LogStartOffset",
    "kafka_network_RequestMetrics_99thPercentile": ".*",
    "kafka_server_BrokerTopicMetrics_Count": ".*",
    "kafka_server_KafkaRequestHandlerPool_OneMinuteRate": ".*",
    "kafka_server_ReplicaManager_Value": ".*",
}
"""Metric and label ``name`` (a regular expression); some metrics have a series per partition and name."""


class SettingsError(ValueError):
    """Invalid settings: one line per error, and the warnings."""

    def __init__(self, faults: Sequence[str], warnings: Sequence[str] = ()) -> None:
        super().__init__("\n".join(faults))
        self.faults = tuple(faults)
        self.warnings = tuple(warnings)


@dataclass(frozen=True)
class Settings:
    """The settings by their names in `.env`, in lower case; all but the first four are strings."""

    clusters: tuple[Cluster, ...] = DEMO_CLUSTERS
    """The Kafka clusters; the demo runs its own Kafka."""
    hosts: Hosts = ONE_HOST
    """The role of this host, if there are several."""
    teams: tuple[Team, ...] = ()
    """Teams with their own receivers."""
    warnings: tuple[str, ...] = ()
    """Warnings."""
    profile: str = "full"
    """``small``, ``sidecar`` for one host with Thanos elsewhere, or ``full``."""
    monitor: str = "burrow"
    """Name of this stack, an external label."""
    bind_address: str = "127.0.0.1"
    """The host address on which ports are published."""
    grafana_bind_address: str = ""
    """The same for Grafana; empty: as above."""
    sidecar_bind_address: str = ""
    """The same for the sidecar with ``sidecar``, for a Thanos Query elsewhere; empty: as above."""
    grafana_port: str = "3000"
    prometheus_port: str = "9090"
    """Port of the first; the second uses the next one."""
    alertmanager_port: str = "9093"
    thanos_port: str = "10902"
    exporter_port: str = "9254"
    scrape_interval: str = "15s"
    alert_for: str = ""
    """``for`` duration of every alert, overriding the rules."""
    grafana_url: str = "http://localhost:3000"
    runbook_url: str = ""
    """Base URLs of links in alerts: Grafana, and the runbook; empty: the runbook dashboard in Grafana."""
    prometheus_url: str = "http://localhost:9090"
    alertmanager_url: str = "http://localhost:9093"
    """External URLs, for links in notifications."""
    retention: str = ""
    """Retention of each Prometheus; empty: 2 days, or 30 with ``small``, which has no object store."""
    retention_size: str = "20GB"
    """Maximum disk usage of each Prometheus."""
    retention_raw: str = "30d"
    retention_5m: str = "120d"
    retention_1h: str = "1y"
    """Retention of the object store by resolution."""
    s3_bucket: str = ""
    """Empty: the stack runs an object store, unless ``bucket.yaml`` describes one."""
    s3_region: str = ""
    s3_endpoint: str = ""
    """Empty: AWS in the region."""
    s3_access_key: str = ""
    s3_secret_key: str = field(default="", repr=False)
    """Empty: the instance role."""
    grafana_admin_password: str = field(default="", repr=False)
    """Empty: a random one."""
    slack_webhook_url: str = field(default="", repr=False)
    slack_channel: str = "#alerts"
    email_to: str = ""
    email_from: str = ""
    smtp_server: str = ""
    smtp_username: str = ""
    smtp_password: str = field(default="", repr=False)
    webhook_url: str = field(default="", repr=False)
    teams_webhook_url: str = field(default="", repr=False)
    pagerduty_routing_key: str = field(default="", repr=False)
    """Pages for critical alerts."""
    pagerduty_url: str = ""
    """Empty: PagerDuty's events API."""
    policy_file: str = ""
    """None: no policy."""
    filter_max_commit_age: str = ""
    metrics_max_series: str = ""
    """None: off."""
    allowed_lag: str = "0"
    """Lag in messages that Burrow ignores."""
    cloudwatch: str = "false"
    """``true``: Grafana queries CloudWatch with the instance role."""
    cloudwatch_region: str = ""

    def __post_init__(self) -> None:
        """Validate the settings and report all errors at once."""
        faults = list(validation.faults(self))
        if faults:
            raise SettingsError(faults)

    @property
    def full(self) -> bool:
        """Whether Thanos and a second Prometheus run."""
        return self.profile == "full"

    @property
    def uploads(self) -> bool:
        """Whether a sidecar uploads to an object store."""
        return self.profile != "small"

    @property
    def kept_for(self) -> str:
        """Return the retention of each Prometheus."""
        return self.retention or ("2d" if self.uploads else "30d")

    @property
    def alerting(self) -> bool:
        """Whether a receiver is set, so that notifications are sent."""
        return bool(
            self.slack_webhook_url
            or self.email_to
            or self.webhook_url
            or self.teams_webhook_url
            or self.pagerduty_routing_key
        )

    @property
    def demo(self) -> bool:
        """Whether the stack runs its own Kafka."""
        return self.clusters is DEMO_CLUSTERS

    @property
    def replicas(self) -> list[str]:
        """Return the names of the Prometheus servers of this host."""
        if self.hosts.several:
            return [self.hosts.replica]
        return ["a", "b"] if self.full else ["a"]

    @property
    def jobs(self) -> list[str]:
        """Return the scrape jobs; each has a targets file."""
        thanos = ["thanos"] if self.uploads else []
        manager = ["alertmanager"] if self.hosts.answers else []
        return [*self._collected("burrow"), "prometheus", *thanos, *manager, *self._collected(*self.broker_jobs)]

    def _collected(self, *names: str) -> tuple[str, ...]:
        """Return the names if this host collects, else nothing."""
        return names if self.hosts.collects else ()

    @property
    def thanos(self) -> list[str]:
        """Return the Thanos components on this host, except the sidecar of one of several hosts."""
        if not self.full:
            return ["sidecar-one"] if self.uploads else []
        sidecars = [] if self.hosts.several else ["sidecar-a", "sidecar-b"]
        return [*sidecars, *(["query", "query-frontend", "store", "compact"] if self.hosts.answers else [])]

    @property
    def stores(self) -> list[str]:
        """Return the hosts that Thanos Query connects to."""
        sidecars = [*self.hosts.collect_hosts, "thanos-sidecar"]
        return [*(sidecars if self.hosts.several else ["thanos-sidecar-a", "thanos-sidecar-b"]), "thanos-store"]

    @property
    def alertmanager(self) -> str:
        """Return host and port of Alertmanager."""
        return "alertmanager:9093" if self.hosts.answers else f"{self.hosts.query_host}:{self.alertmanager_port}"

    @property
    def broker_jobs(self) -> list[str]:
        """Return the broker jobs."""
        ports = {"jmx": [each.jmx_port for each in self.clusters], "node": [each.node_port for each in self.clusters]}
        return [job for job, each in ports.items() if self.demo or any(each)]

    @property
    def rules(self) -> list[str]:
        """Return the rules files that apply."""
        of_brokers = [*(["brokers"] if self.broker_jobs else []), *(["loss"] if "jmx" in self.broker_jobs else [])]
        collected = self._collected("recording", "advice", "consumers", "exporter", *of_brokers)
        others = {"all": ["prometheus", "thanos"], "collect": ["thanos"], "query": ["hosts", "thanos"]}
        alone = ["thanos"] if self.uploads else []
        return [*collected, *(others[self.hosts.role] if self.full else alone)]

    @property
    def jmx_kept(self) -> tuple[str, ...]:
        """Return the JMX metrics to keep: ``metric;name`` of those used by dashboards and rules."""
        return tuple(f"{metric};({names})" for metric, names in JMX_KEPT.items())

    @property
    def s3_address(self) -> str:
        """Return the host of the S3 endpoint, with its port if any."""
        domain = "amazonaws.com.cn" if self.s3_region.startswith("cn-") else "amazonaws.com"
        return self.s3_endpoint or f"s3.{self.s3_region}.{domain}"


NAMES = tuple(each.name for each in fields(Settings))[4:]
"""The settings of the whole stack, not of a cluster."""


def read_settings(path: Path) -> Settings:
    """Read the settings from a file; without the file, those of the demo.

    Paths are relative to its folder. Raises SettingsError with all errors, including those of the file's syntax.
    """
    found = former_names.translated(env_file.read(path))
    values = {name: value for name, value in found.values.items() if name.lower() in NAMES}
    of_clusters = {name: value for name, value in found.values.items() if clusters.known(name)}
    of_teams = {name: value for name, value in found.values.items() if teams.known(name)}
    of_hosts = {name: value for name, value in found.values.items() if name.lower() in hosts.NAMES}
    unknown = [_unknown(name) for name in found.values if name not in {*values, *of_clusters, *of_teams, *of_hosts}]
    read, wrong, odd = clusters.read_clusters(of_clusters, path.parent)
    host, amiss = hosts.read_hosts(of_hosts, path.parent)
    faults, warnings = [*found.faults, *unknown, *wrong, *amiss], (*found.warnings, *odd)
    named = {name.lower(): value for name, value in values.items()}
    try:
        groups = teams.read_teams(of_teams)
        settings = Settings(clusters=read or DEMO_CLUSTERS, hosts=host, teams=groups, warnings=warnings, **named)
        settings = replace(settings, warnings=(*warnings, *validation.warnings(settings)))
    except SettingsError as error:
        raise SettingsError([*faults, *error.faults], warnings) from error
    if faults:
        raise SettingsError(faults, warnings)
    return settings


def _unknown(name: str) -> str:
    """Return the error for an unknown name, with the nearest known one."""
    suffix = match.group() if (match := re.search(r"_\d+$", name)) else ""
    nearest = difflib.get_close_matches(name, _known_names(suffix), n=1, cutoff=0.7)
    return f"{name}: unknown setting; {f'did you mean {nearest[0]}?' if nearest else 'see docs/settings.md'}"


def _known_names(suffix: str) -> Iterator[str]:
    """Yield all names, including those of a cluster with this suffix."""
    yield from (name.upper() for name in (*NAMES, *hosts.NAMES, *cluster_variables.NAMES))
    yield from filter(clusters.known, (f"{name.upper()}{suffix}" for name in cluster_variables.NAMES))
