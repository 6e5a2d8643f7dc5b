"""What all dashboards have in common, and how rows make one."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass

from grafana_foundation_sdk.builders.dashboard import Dashboard, Row
from grafana_foundation_sdk.cog.builder import Builder
from grafana_foundation_sdk.cog.encoder import JSONEncoder
from grafana_foundation_sdk.models.dashboard import DashboardCursorSync, Panel, VariableModel

from grafana.burrow_dashboards.links import TAG, neighbours
from grafana.burrow_dashboards.variables import data_source

SCHEMA = 39
"""The schema of Grafana 11, which later releases bring up to theirs when they load it."""


@dataclass(frozen=True)
class Section:
    """A row of a dashboard, and the panels under it; without a title they just follow."""

    title: str
    panels: Sequence[Builder[Panel]]


def dashboard(
    uid: str,
    title: str,
    description: str,
    variables: Sequence[Builder[VariableModel]],
    sections: Sequence[Section],
) -> str:
    """Return a dashboard as JSON."""
    made = Dashboard(title).uid(uid).description(description).tags([TAG]).link(neighbours())
    made.time("now-1h", "now").refresh("30s").timezone("browser").tooltip(DashboardCursorSync.CROSSHAIR)
    for variable in (data_source(), *variables):
        made.with_variable(variable)
    for section in sections:
        if section.title:
            made.with_row(Row(section.title))
        for panel in section.panels:
            made.with_panel(panel)
    model = made.build()
    model.schema_version = SCHEMA
    for number, placed in enumerate(model.panels or [], 1):
        placed.id_val = number
    return json.dumps(model, cls=JSONEncoder, indent=2, sort_keys=True, ensure_ascii=False) + "\n"
