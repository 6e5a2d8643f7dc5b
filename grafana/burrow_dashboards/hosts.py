"""Hosts of brokers: disk, CPU and network, by the node exporter."""

from __future__ import annotations

from grafana.burrow_dashboards.dashboards import Section
from grafana.burrow_dashboards.panels import Look, Query, bars, over_time
from grafana.burrow_dashboards.statuses import GREEN, RED, USED

HOST = 'cluster=~"$cluster", job=~"$job", instance=~"$broker(:[0-9]+)?"'
"""The broker's name without a port: on MSK the two exporters of a broker have the same name and ports of their own."""
DISK = f'{HOST}, mountpoint=~"$mountpoint", fstype!~"tmpfs|ramfs|squashfs|nsfs"'
DEVICE = f'{HOST}, device!~"lo|veth.*|br-.*|docker.*|cali.*"'
NO_NODE = "No node exporter of the chosen brokers is scraped."
NO_DISK = f"{NO_NODE} Express brokers have no disks of their own: CloudWatch has StorageUsed."
DAYS = 30
"""How far the forecast of full disks looks ahead."""
SHORT = "[0-9]+(?:[.][0-9]+){3}|[^.:]+(?:[.][^.:]+)?"
"""Of a broker's name: an address, or the first two parts of a name, as MSK's are long."""


def named(expression: str) -> str:
    """Return an expression whose series have a label ``broker`` too, short enough for a legend."""
    return f'label_replace({expression}, "broker", "$1", "instance", "({SHORT}).*")'


def disk() -> Section:
    """Return how full disks are, and when they will be full."""
    avail, size = f"node_filesystem_avail_bytes{{{DISK}}}", f"node_filesystem_size_bytes{{{DISK}}}"
    by = "instance, mountpoint"
    used = f"1 - max by ({by}) ({avail}) / max by ({by}) ({size})"
    filling = f"clamp_min(-max by ({by}) (deriv({avail}[6h])), 0)"
    full = f"clamp_max(max by ({by}) ({avail}) / {filling} / 86400, {DAYS})"
    legend = "{{broker}} {{mountpoint}}"
    return Section(
        "Disk",
        [
            bars(
                Look(
                    "Disk used now",
                    "Used share of each file system. MSK keeps its logs on /kafka/datalogs.",
                    "percentunit",
                    10,
                    8,
                    NO_DISK,
                    steps=USED,
                    decimals=0,
                ),
                Query(named(used), legend),
                largest=1,
            ),
            over_time(
                Look(
                    "Disk used",
                    "Used share of each file system.",
                    "percentunit",
                    7,
                    8,
                    NO_DISK,
                    steps=USED,
                ),
                Query(named(used), legend),
            ),
            over_time(
                Look(
                    "Disk full in",
                    f"Days until the disk is full if it keeps filling as in the last 6 hours; {DAYS} also stands for "
                    "longer, and for a disk that is not filling.",
                    "suffix:d",
                    7,
                    8,
                    NO_DISK,
                    steps=((None, GREEN), (1, RED)),
                ),
                Query(named(full), legend),
            ),
        ],
    )


def machine() -> Section:
    """Return CPU and network usage."""
    busy = f'1 - avg by (instance) (rate(node_cpu_seconds_total{{{HOST}, mode="idle"}}[$__rate_interval]))'
    spent = f"rate(node_cpu_seconds_total{{{HOST}}}[$__rate_interval])"
    of_mode = f'rate(node_cpu_seconds_total{{{HOST}, mode=~"user|system|iowait"}}[$__rate_interval])'
    mode = f"sum by (mode) ({of_mode}) / ignoring (mode) group_left () sum({spent})"
    received, sent = (
        f"sum by (instance) (rate(node_network_{way}_bytes_total{{{DEVICE}}}[$__rate_interval]))"
        for way in ("receive", "transmit")
    )
    return Section(
        "CPU and network",
        [
            over_time(
                Look(
                    "CPU used",
                    "Share of time during which the cores were not idle.",
                    "percentunit",
                    8,
                    8,
                    NO_NODE,
                    steps=USED,
                ),
                Query(named(busy), "{{broker}}"),
            ),
            over_time(
                Look(
                    "CPU by mode",
                    "Share of time of all chosen brokers' cores by mode. 'iowait' is waiting for the disk.",
                    "percentunit",
                    8,
                    8,
                    NO_NODE,
                ),
                Query(mode, "{{mode}}"),
                stacked=True,
            ),
            over_time(
                Look(
                    "Network",
                    "Bytes a second received and sent, without loopback and bridge interfaces.",
                    "Bps",
                    8,
                    8,
                    NO_NODE,
                ),
                Query(named(received), "{{broker}} in"),
                Query(named(sent), "{{broker}} out"),
            ),
        ],
    )
