"""Links from the status pages to Grafana and Alertmanager; empty if the URL is not set."""

from __future__ import annotations

from urllib.parse import quote, urlencode

from burrow_exporter.terms import Terms


def grafana(base: str, dashboard: str, **variables: str) -> str:
    """Return the URL of a dashboard with its variables set."""
    query = urlencode({f"var-{name}": value for name, value in variables.items()}, errors="replace")
    return f"{base.rstrip('/')}/d/{dashboard}?{query}" if base else ""


def alertmanager(base: str, **labels: str) -> str:
    """Return the URL of a new silence for alerts with these labels."""
    matchers = ", ".join(f"{name}={quoted(value)}" for name, value in labels.items())
    return f"{base.rstrip('/')}/#/silences/new?filter={quote(f'{{{matchers}}}', errors='replace')}" if base else ""


def quoted(value: str) -> str:
    """Return a value quoted for an Alertmanager matcher."""
    escaped = value.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
    return f'"{escaped}"'


def runbook(base: str, terms: Terms | None) -> str:
    """Return the URL of a group's runbook: from the policy, or the runbook dashboard."""
    if terms and terms.runbook_url:
        return terms.runbook_url
    return f"{base.rstrip('/')}/d/burrow-runbook" if base else ""
