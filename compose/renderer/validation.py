"""Validation of the settings of the whole stack: one line ``NAME: what is wrong and what to do`` per error."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from ipaddress import ip_address
from typing import TYPE_CHECKING

from compose.renderer.addresses import HOST, LAST_PORT, is_ip_address, is_port

if TYPE_CHECKING:
    from compose.renderer.settings import Settings

DURATION = re.compile(r"(?=.*[1-9])(\d+y)?(\d+w)?(\d+d)?(\d+h)?(\d+m)?(\d+s)?(\d+ms)?")
"""A non-zero Prometheus duration."""
SECONDS = {"ms": 0.001, "s": 1, "m": 60, "h": 3600, "d": 86400, "w": 604800, "y": 31536000}
FORMATS: dict[str, tuple[str, tuple[str, ...]]] = {
    "must be small, sidecar or full": ("small|sidecar|full", ("profile",)),
    "must consist of letters and digits, with - _ . inside": (
        r"[A-Za-z0-9]([\w.-]*[A-Za-z0-9])?",
        ("monitor",),
    ),
    "must be a duration such as 15s, 2d or 1h30m": (
        DURATION.pattern,
        (
            *("scrape_interval", "alert_for", "retention", "retention_raw", "retention_5m", "retention_1h"),
            "filter_max_commit_age",
        ),
    ),
    "must be a URL usable in alerts, such as https://example.org/path, without spaces, quotes, braces, # and $": (
        rf"https?://({HOST}|\[[0-9A-Fa-f:]+\])(:\d{{1,5}})?(/[^\s{{}}\"'#$\\<>]*)?",
        ("grafana_url", "prometheus_url", "alertmanager_url"),
    ),
    "must be a URL such as https://example.org/path, or a path such as docs/runbook.md": (
        rf"(https?://({HOST}|\[[0-9A-Fa-f:]+\])(:\d{{1,5}})?/?)?[\w./~%+,;=@?&-]*",
        ("runbook_url",),
    ),
    "must be a URL such as https://example.org/path": (
        r"https?://[^\s]+",
        ("slack_webhook_url", "webhook_url", "teams_webhook_url", "pagerduty_url"),
    ),
    "must be a size such as 20GB": (r"[1-9]\d*(KB|MB|GB|TB)", ("retention_size",)),
    "must be a whole number such as 1": (r"\d+", ("allowed_lag", "metrics_max_series")),
    "must be host:port, such as smtp.example.org:587": (rf"{HOST}:\d{{1,5}}", ("smtp_server",)),
    "must be a bucket name: 3 to 63 characters a-z, 0-9, - and .": (
        r"[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]",
        ("s3_bucket",),
    ),
    "must be a region such as eu-west-1": ("[a-z0-9]+(-[a-z0-9]+)*", ("s3_region", "cloudwatch_region")),
    "must be true or false": ("true|false", ("cloudwatch",)),
    "must be host or host:port, without https://": (
        rf"{HOST}(:\d{{1,5}})?",
        ("s3_endpoint",),
    ),
}
"""Message for a malformed value, pattern, and names. All are optional."""
PORTS = ("prometheus_port", "grafana_port", "alertmanager_port", "thanos_port", "exporter_port")
"""Each needs a separate port; the first also takes the next one, for the second Prometheus."""
TOGETHER = (
    ("s3_access_key", "s3_secret_key"),
    ("s3_secret_key", "s3_access_key"),
    ("smtp_username", "smtp_password"),
    ("smtp_password", "smtp_username"),
    ("email_to", "email_from"),
    ("email_to", "smtp_server"),
    ("email_from", "email_to"),
    ("smtp_server", "email_to"),
    ("smtp_username", "email_to"),
    ("s3_region", "s3_bucket"),
    ("s3_endpoint", "s3_bucket"),
    ("s3_access_key", "s3_bucket"),
)
"""If the first is set, the second must be too."""


def faults(settings: Settings) -> Iterator[str]:
    """Yield all errors."""
    for check in CHECKS:
        yield from check(settings)


def _formats(settings: Settings) -> Iterator[str]:
    for wrong, (pattern, names) in FORMATS.items():
        for name in names:
            value = getattr(settings, name)
            if value and not re.fullmatch(pattern, value, re.ASCII):
                yield f"{name.upper()}: {wrong}"


def seconds(duration: str) -> float:
    """Return the seconds of a Prometheus duration."""
    parts = re.findall(r"(\d+)(ms|[smhdwy])", duration, re.ASCII)
    return sum(int(number) * SECONDS[unit] for number, unit in parts)


def _interval(settings: Settings) -> Iterator[str]:
    """Yield an error for a scrape interval that is too long for alerts, which look back 2m."""
    if seconds(settings.scrape_interval) > SECONDS["m"]:
        yield "SCRAPE_INTERVAL: must be at most 1m, because alerts look back 2m"


def _addresses(settings: Settings) -> Iterator[str]:
    addresses = {
        "BIND_ADDRESS": settings.bind_address,
        "GRAFANA_BIND_ADDRESS": settings.grafana_bind_address or "127.0.0.1",
        "SIDECAR_BIND_ADDRESS": settings.sidecar_bind_address or "127.0.0.1",
        "TLS_BIND_ADDRESS": settings.hosts.bind_address,
    }
    for name, address in addresses.items():
        if not is_ip_address(address):
            yield f"{name}: must be an IP address of this host, such as 127.0.0.1, or 0.0.0.0 for all"


def _ports(settings: Settings) -> Iterator[str]:
    taken: dict[int, str] = {}
    for name in PORTS:
        text = getattr(settings, name)
        needed = 2 if name == "prometheus_port" else 1
        last = LAST_PORT + 1 - needed
        if not is_port(text, last):
            yield f"{name.upper()}: must be a port from 1 to {last}"
            continue
        for port in range(int(text), int(text) + needed):
            if port in taken:
                yield f"{name.upper()}: {port} is already used by {taken[port].upper()}; choose another"
            taken.setdefault(port, name)


def _together(settings: Settings) -> Iterator[str]:
    for name, needed in TOGETHER:
        if getattr(settings, name) and not getattr(settings, needed):
            yield f"{needed.upper()}: missing although {name.upper()} is set; set both or neither"


def _bucket(settings: Settings) -> Iterator[str]:
    if settings.s3_bucket and not (settings.s3_region or settings.s3_endpoint):
        yield "S3_REGION: missing although S3_BUCKET is set; set the bucket's region, or S3_ENDPOINT for another S3"


def _passwords(settings: Settings) -> Iterator[str]:
    """Yield errors for passwords that their consumers would alter."""
    if settings.smtp_password != settings.smtp_password.strip():
        yield "SMTP_PASSWORD: must not start or end with a space, which Alertmanager removes"
    if re.search(r"\$(__\w+)?\{|%\(", settings.grafana_admin_password):
        yield "GRAFANA_ADMIN_PASSWORD: must not contain ${, $__x{ or %(, which Grafana replaces"


def _runbook(settings: Settings) -> Iterator[str]:
    """Yield an error for a link that does not work in notifications."""
    if settings.alerting and settings.runbook_url and not settings.runbook_url.startswith("http"):
        yield (
            "RUNBOOK_URL: must be a URL if alerts are sent, such as "
            "https://wiki.example.org/burrow; unset it to link to the runbook in Grafana"
        )


def warnings(settings: Settings) -> Iterator[str]:
    """Yield warnings for insecure settings."""
    if not _is_loopback(settings.bind_address):
        yield (
            f"BIND_ADDRESS: {settings.bind_address} exposes Prometheus, Alertmanager, Thanos and the exporter to the "
            "network without a password; set GRAFANA_BIND_ADDRESS to expose Grafana alone, or use a reverse proxy"
        )
    if settings.sidecar_bind_address and settings.profile != "sidecar":
        yield "SIDECAR_BIND_ADDRESS: has no effect without PROFILE=sidecar"
    elif settings.sidecar_bind_address and not _is_loopback(settings.sidecar_bind_address):
        yield (
            f"SIDECAR_BIND_ADDRESS: {settings.sidecar_bind_address} exposes all metrics to the network without a "
            "password; restrict access to your Thanos Query with a firewall"
        )


def _is_loopback(address: str) -> bool:
    return is_ip_address(address) and ip_address(address).is_loopback


def _hosts(settings: Settings) -> Iterator[str]:
    """Yield errors for settings that conflict with several hosts."""
    if not settings.hosts.several:
        return
    if settings.hosts.collects and settings.demo:
        yield "BROKERS: missing; the demo runs on one host only, several hosts need your own Kafka"
    if not settings.full:
        role = settings.hosts.role
        yield f"PROFILE: {settings.profile}, but ROLE is {role}; several hosts need the full profile, so remove it"


def _cloudwatch(settings: Settings) -> Iterator[str]:
    if settings.cloudwatch == "true" and not settings.cloudwatch_region:
        yield "CLOUDWATCH_REGION: missing although CLOUDWATCH is true; set the region of your MSK cluster"
    if settings.cloudwatch_region and settings.cloudwatch != "true":
        yield "CLOUDWATCH: must be true if CLOUDWATCH_REGION is set"


CHECKS: tuple[Callable[[Settings], Iterator[str]], ...] = (
    _formats,
    _interval,
    _addresses,
    _ports,
    _together,
    _bucket,
    _passwords,
    _runbook,
    _hosts,
    _cloudwatch,
)
