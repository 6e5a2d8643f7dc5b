"""What all dashboards have in common, and how rows make one."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from grafana_foundation_sdk.builders.dashboard import Dashboard, Row
from grafana_foundation_sdk.cog.builder import Builder
from grafana_foundation_sdk.cog.encoder import JSONEncoder
from grafana_foundation_sdk.models.dashboard import AnnotationQuery, DashboardCursorSync, Panel, VariableModel

from grafana.burrow_dashboards.links import TAG, neighbours
from grafana.burrow_dashboards.variables import data_source

SCHEMA = 39
"""The schema of Grafana 11, which later releases bring up to theirs when they load it."""

REQUIRES = {"type": "grafana", "id": "grafana", "name": "Grafana", "version": "9.4.0"}
SOURCES = {"prometheus": "Prometheus", "cloudwatch": "CloudWatch"}

LEFT_OUT = {
    "annotation": {"builtIn", "hide", "placement"},
    "link": {"placement"},
    "variable": {"allowCustomValue", "auto", "auto_count", "auto_min", "skipUrlSync"},
    "panel": {"repeatDirection", "transparent"},
    "bargauge": {"legend", "maxVizHeight", "namePlacement", "sizing", "valueMode"},
    "stat": {"percentChangeColorMode", "showPercentChange", "wideLayout"},
    "state-timeline": {"perPage"},
    "table": {"cellHeight", "footer", "frameIndex", "showTypeIcons"},
    "timeseries": set[str](),
}
"""What the SDK always writes, but Grafana 9.4 does not know, or nobody asked for: of panels by type, options."""


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
    annotations: Sequence[Builder[AnnotationQuery]] = (),
) -> str:
    """Return a dashboard as JSON."""
    made = Dashboard(title).uid(uid).description(description).tags([TAG])
    for link in neighbours(uid):
        made.link(link)
    made.time("now-1h", "now").refresh("30s").timezone("browser").tooltip(DashboardCursorSync.CROSSHAIR)
    for variable in (data_source(), *variables):
        made.with_variable(variable)
    for annotation in annotations:
        made.annotation(annotation)
    for section in sections:
        if section.title:
            made.with_row(Row(section.title))
        for panel in section.panels:
            made.with_panel(panel)
    model = made.build()
    model.schema_version = SCHEMA
    for number, placed in enumerate(model.panels or [], 1):
        placed.id_val = number
    plain = json.loads(json.dumps(model, cls=JSONEncoder))
    return json.dumps(trimmed(plain), indent=2, sort_keys=True, ensure_ascii=False) + "\n"


def trimmed(made: dict[str, Any]) -> dict[str, Any]:
    """Return a dashboard as plain objects, without what is to be left out."""
    made["links"] = [without(link, "link") for link in made["links"]]
    made["templating"]["list"] = [without(variable, "variable") for variable in made["templating"]["list"]]
    made["panels"] = [without(panel, "panel") for panel in made["panels"]]
    for panel in made["panels"]:
        if "options" in panel:
            panel["options"] = without(panel["options"], panel["type"])
    made["annotations"] = {"list": [without(each, "annotation") for each in made["annotations"].get("list", [])]}
    kinds = sorted({panel["type"] for panel in made["panels"]} - {"row"})
    of_panels = [{"type": "panel", "id": kind, "name": kind, "version": ""} for kind in kinds]
    chosen = sorted({each["query"] for each in made["templating"]["list"] if each["type"] == "datasource"})
    sources = [{"type": "datasource", "id": kind, "name": SOURCES[kind], "version": "1.0.0"} for kind in chosen]
    made["__requires"] = [REQUIRES, *sources, *of_panels]
    return made


def without(fields: dict[str, Any], kind: str) -> dict[str, Any]:
    """Return the fields but for those that a kind of thing is to do without."""
    return {name: value for name, value in fields.items() if name not in LEFT_OUT[kind]}
