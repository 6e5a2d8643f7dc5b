"""A policy for the demo's groups and any others that gives each of its families a sample."""

from __future__ import annotations

from pathlib import Path

POLICY = """\
groups:
  - match: invoice-printer
    team: billing
    max_lag_seconds: 10m
    min_lag: 2
    runbook_url: https://wiki.example.org/invoices
  - match: session-aggregator|customer-360
    alerts: off
  - match: .*
    severity: warning
topics:
  - match: .*
    max_silence: 1h
clusters:
  - idle: ok
"""


def policy_file(folder: Path) -> Path:
    """Write it into a folder; return the file."""
    file = folder / "policy.yaml"
    file.write_text(POLICY, encoding="utf-8")
    return file
