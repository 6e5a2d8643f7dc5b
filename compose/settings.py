"""What can be set: one frozen mapping, read from `.env`, from which everything in ``generated`` is rendered."""

from __future__ import annotations

import re
from dataclasses import dataclass, fields
from pathlib import Path


class SettingsError(ValueError):
    """What is wrong with the settings, a line for each fault."""


@dataclass(frozen=True)
class Cluster:
    """A Kafka cluster as Burrow shows it: its name, and which groups count (regular expressions, empty for all)."""

    name: str
    allowed: str = ""
    denied: str = ""


DEMO_CLUSTERS = (Cluster("shop", denied="^analytics-"), Cluster("analytics", allowed="^analytics-"))
"""The demo's one Kafka under two names, so that every query has two clusters to keep apart."""


@dataclass(frozen=True)
class Settings:
    """The settings by their names in `.env`, lower case; all are text."""

    profile: str = "full"
    """``small``, or ``full`` for the whole."""
    monitor: str = "burrow"
    """Name of this stack, an external label."""
    brokers: str = ""
    """Kafka's bootstrap servers, comma-separated; none: the demo brings a Kafka of its own."""
    cluster: str = "kafka"
    """The name that Burrow gives to that Kafka."""
    bind_address: str = "127.0.0.1"
    """The address of the host at which ports are published."""
    scrape_interval: str = "15s"
    alert_for: str = ""
    """How long every alert has to last, in place of what the rules say."""
    grafana_url: str = "http://localhost:3000"
    runbook_url: str = "docs/runbook.md"
    """Where links in alerts lead: to Grafana, and to the page that says what to do."""
    retention: str = "2d"
    """How long each Prometheus keeps data."""
    retention_raw: str = "30d"
    retention_5m: str = "120d"
    retention_1h: str = "1y"
    """How long the object store keeps data, by resolution."""
    grafana_admin_password: str = ""
    """None: one is made up."""
    slack_webhook_url: str = ""
    slack_channel: str = "#alerts"
    email_to: str = ""
    email_from: str = ""
    smtp_server: str = ""
    smtp_username: str = ""
    smtp_password: str = ""
    webhook_url: str = ""

    def __post_init__(self) -> None:
        """Refuse what cannot work, all of it at once."""
        faults = list(self._faults())
        if faults:
            raise SettingsError("\n".join(faults))

    def _faults(self) -> list[str]:
        found = []
        if self.profile not in {"small", "full"}:
            found.append("PROFILE: neither small nor full")
        if not re.fullmatch(r"[a-z0-9]([a-z0-9-]*[a-z0-9])?", self.cluster):
            found.append("CLUSTER: only a-z, 0-9 and -: Burrow lower-cases names of sections")
        found += [
            f"{name.upper()}: not a duration such as 15s or 2d"
            for name in ("scrape_interval", "alert_for", "retention", "retention_raw", "retention_5m", "retention_1h")
            if not re.fullmatch(r"(\d+(ms|[smhdwy]))+", getattr(self, name) or "0s")
        ]
        found += [
            f"{name.upper()}: no link that could stand in an alert"
            for name in ("grafana_url", "runbook_url")
            if not re.fullmatch(r"[^\s{}\"'#]+", getattr(self, name))
        ]
        if self.email_to and not (self.email_from and self.smtp_server):
            found.append("EMAIL_TO: needs EMAIL_FROM and SMTP_SERVER")
        return found

    @property
    def full(self) -> bool:
        """Whether Thanos, the second Prometheus and Alertmanager are there."""
        return self.profile == "full"

    @property
    def demo(self) -> bool:
        """Whether the stack brings its own Kafka."""
        return not self.brokers

    @property
    def servers(self) -> list[str]:
        """Return the bootstrap servers."""
        return [server.strip() for server in (self.brokers or "kafka:9092").split(",")]

    @property
    def clusters(self) -> tuple[Cluster, ...]:
        """Return what Burrow is to show."""
        return DEMO_CLUSTERS if self.demo else (Cluster(self.cluster),)

    @property
    def replicas(self) -> list[str]:
        """Return the names of the Prometheus servers."""
        return ["a", "b"] if self.full else ["a"]

    @property
    def jobs(self) -> list[str]:
        """Return what Prometheus scrapes; each has a file of targets."""
        whole = ["thanos", "alertmanager"] if self.full else []
        return ["burrow", "prometheus", *whole, *(["jmx", "node"] if self.demo else [])]

    @property
    def rules(self) -> list[str]:
        """Return the files of rules that have something to watch."""
        whole = ["prometheus", "thanos"] if self.full else []
        return ["recording", "consumers", "exporter", *whole, *(["brokers"] if self.demo else [])]


def read_settings(path: Path) -> Settings:
    """Return the settings of a file of lines ``NAME=value``; without the file those of the demo.

    Values are taken as they are, to the end of the line. Empty lines, and those that begin with ``#``, are nothing.
    """
    known = {field.name.upper(): field.name for field in fields(Settings)}
    found: dict[str, str] = {}
    for number, line in enumerate(path.read_text(encoding="utf-8").splitlines() if path.exists() else [], 1):
        name, equals, value = line.partition("=")
        if not line.strip() or line.startswith("#"):
            continue
        if not equals or name not in known:
            message = f"{path.name}, line {number}: not a NAME=value with a name that is known"
            raise SettingsError(message)
        found[known[name]] = value
    return Settings(**found)
