"""The landing page: what this is, where the metrics stand, and how old what they say is."""

from __future__ import annotations

from collections.abc import Iterable
from html import escape

from burrow_exporter import __version__
from burrow_exporter.snapshot import Snapshot

PAGE = """<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width">
<meta name="color-scheme" content="light dark">
<title>burrow_exporter</title>
<style>
body {{ font-family: sans-serif; margin: 2em auto; max-width: 60em; padding: 0 1em }}
table {{ border-collapse: collapse }}
th, td {{ border-bottom: 1px solid gray; padding: .3em 1em .3em 0; text-align: left }}
.number {{ text-align: right }}
</style>
</head>
<body>
<h1>burrow_exporter</h1>
<p>Kafka consumer lag and status by Burrow, for Prometheus. Version {version}.</p>
<p><a href="{metrics}">Metrics</a> · <a href="-/healthy">Healthy</a> · <a href="-/ready">Ready</a></p>
<table>
<tr><th>Burrow</th><th>Last poll</th><th>Cluster</th><th class="number">Groups</th><th class="number">Topics</th></tr>
{rows}
</table>
</body>
</html>
"""
ROW = '<tr><td>{}</td><td>{}</td><td>{}</td><td class="number">{}</td><td class="number">{}</td></tr>'


def render(burrows: Iterable[str], snapshots: dict[str, Snapshot], telemetry_path: str, now: float) -> bytes:
    """Return the page in UTF-8; ``burrows`` are all that are configured, ``now`` is Unix time in seconds."""
    rows = "\n".join(row for burrow in burrows for row in burrow_rows(burrow, snapshots.get(burrow), now))
    page = PAGE.format(version=escape(__version__), metrics=escape(telemetry_path.lstrip("/")), rows=rows)
    return page.encode()


def burrow_rows(burrow: str, snapshot: Snapshot | None, now: float) -> list[str]:
    """Return the rows of one Burrow, one a cluster."""
    if snapshot is None:
        return [ROW.format(escape(burrow), "none yet", "", "", "")]
    age = f"{max(0.0, now - snapshot.taken_at):.0f} s ago"
    if not snapshot.clusters:
        return [ROW.format(escape(burrow), age, "none published", "", "")]
    return [
        ROW.format(escape(burrow), age, escape(cluster.name), len(cluster.groups), len(cluster.topics))
        for cluster in snapshot.clusters
    ]
