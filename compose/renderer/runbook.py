"""The runbook as a Grafana dashboard, available offline wherever the dashboards are."""

from __future__ import annotations

import json
import re
from pathlib import Path

PAGE = Path(__file__).parents[2] / "docs" / "runbook.md"
UID = "burrow-runbook"
IN_RULES = "docs/runbook.md"
"""Prefix of runbook links in rules files."""
LINK = re.compile(r"\[([^]]+)\]\((?!http)[^)]*\)")


def sections() -> dict[str, str]:
    """Return the runbook's sections by alert, in order; links to other pages are reduced to their text."""
    parts = re.split(r"^### (\w+)$", PAGE.read_text(encoding="utf-8"), flags=re.MULTILINE)
    texts = (re.split(r"^## ", text, flags=re.MULTILINE)[0] for text in parts[2::2])
    return {name: LINK.sub(r"\1", text).strip() for name, text in zip(parts[1::2], texts, strict=True)}


def dashboard() -> str:
    """Return the dashboard: a text panel per alert."""
    panels = [
        {
            "id": number,
            "type": "text",
            "title": name,
            "gridPos": {"x": 0, "y": 14 * number, "w": 24, "h": 14},
            "options": {"mode": "markdown", "content": text},
        }
        for number, (name, text) in enumerate(sections().items(), 1)
    ]
    page = {
        "uid": UID,
        "title": "Runbook",
        "tags": ["burrow"],
        "schemaVersion": 39,
        "editable": False,
        "panels": panels,
    }
    return json.dumps(page, indent=2, ensure_ascii=False) + "\n"


def linked(rules: str, address: str, grafana: str) -> str:
    """Return rules with links to the runbook at ``address``, or to its dashboard in Grafana."""
    if address:
        return rules.replace(IN_RULES, address)
    numbers = {name.lower(): number for number, name in enumerate(sections(), 1)}
    base = f"{grafana}/d/{UID}?viewPanel=panel-"
    return re.sub(rf"{re.escape(IN_RULES)}#(\w+)", lambda link: f"{base}{numbers[link[1]]}", rules)
