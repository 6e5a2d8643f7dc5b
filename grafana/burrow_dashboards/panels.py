"""How a signal looks: series over time, single figures, bars, states over time."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TypeVar

from grafana_foundation_sdk.builders import bargauge, common, stat, statetimeline, table, timeseries
from grafana_foundation_sdk.builders.dashboard import DashboardLink, FieldColor
from grafana_foundation_sdk.builders.prometheus import Dataquery
from grafana_foundation_sdk.models.common import (
    BarGaugeDisplayMode,
    BigValueColorMode,
    BigValueGraphMode,
    BigValueTextMode,
    DataSourceRef,
    GraphThresholdsStyleMode,
    LegendDisplayMode,
    LegendPlacement,
    SortOrder,
    StackingMode,
    TooltipDisplayMode,
    VisibilityMode,
    VizOrientation,
)
from grafana_foundation_sdk.models.dashboard import DynamicConfigValue, FieldColorModeId, ValueMap

from grafana.burrow_dashboards.statuses import Step, thresholds

DATA_SOURCE = DataSourceRef("prometheus", "${datasource}")
AnyPanel = TypeVar("AnyPanel", bargauge.Panel, stat.Panel, statetimeline.Panel, table.Panel, timeseries.Panel)
MESSAGES_A_SECOND = "count:msg/s"
"""A unit of our own, as Grafana 9.4 has none for it."""
BESIDE = 340.0
"""Width in pixels of a legend beside its graph: a consumer group's name and a figure."""


@dataclass(frozen=True)
class Query:
    """An expression and the name of its series: text with ``{{label}}`` in it."""

    expression: str
    legend: str


@dataclass(frozen=True)
class Look:
    """What every panel has: what it shows, in which unit (Grafana's name for it), and how much of the grid it takes.

    ``empty`` is what it says where it has no data; ``words`` maps values to words; ``steps`` are thresholds; ``links``
    lead from a value to where there is more of it; ``filled`` colours the panel instead of the figure; ``step`` is the
    least time between points, and so the least that ``$__rate_interval`` spans.
    """

    title: str
    description: str
    unit: str
    width: int
    height: int
    empty: str = "No data yet: is the exporter scraped?"
    words: ValueMap | None = None
    steps: Sequence[Step] = ()
    links: Sequence[DashboardLink] = ()
    decimals: int | None = None
    filled: bool = False
    step: str = ""


def dress(panel: AnyPanel, look: Look) -> AnyPanel:
    """Give a panel its looks."""
    panel.title(look.title).description(look.description).datasource(DATA_SOURCE)
    panel.unit(look.unit).no_value(look.empty).span(look.width).height(look.height).data_links(list(look.links))
    if look.decimals is not None:
        panel.decimals(look.decimals)
    if look.step:
        panel.interval(look.step)
    if look.words:
        panel.mappings([look.words])
    return panel.thresholds(thresholds(*(look.steps or ((None, "blue"),))))


def query(number: int, expression: str) -> Dataquery:
    """Return a query of a panel, its letter by its number."""
    return Dataquery().expr(expression).ref_id("ABCDEFGHIJKLMNOPQRSTUVWXYZ"[number]).datasource(DATA_SOURCE)


def ask(panel: AnyPanel, queries: Sequence[Query], *, spans: bool) -> AnyPanel:
    """Give a panel its queries; ``spans`` has them asked for the whole time shown, else for its end."""
    for number, each in enumerate(queries):
        target = query(number, each.expression).legend_format(each.legend)
        panel.with_target(target.range() if spans else target.instant())
    return panel


def color(mode: FieldColorModeId) -> FieldColor:
    """Return how values are coloured."""
    return FieldColor().mode(mode)


def over_time(
    look: Look,
    *queries: Query,
    stacked: bool = False,
    beside: bool = False,
    from_zero: bool = True,
    colors: Mapping[str, str] | None = None,
) -> timeseries.Panel:
    """Return lines over time; thresholds become dashed lines.

    ``stacked`` sets one upon the other, ``beside`` has the legend at the right, without ``from_zero`` the axis need not
    show 0; ``colors`` are those of series by name.
    """
    panel = dress(timeseries.Panel(), look).line_width(1).show_points(VisibilityMode.NEVER)
    panel.color_scheme(color(FieldColorModeId.PALETTE_CLASSIC)).fill_opacity(60 if stacked else 0)
    panel.tooltip(common.VizTooltipOptions().mode(TooltipDisplayMode.MULTI).sort(SortOrder.DESCENDING))
    panel.legend(legend(beside=beside))
    if from_zero:
        panel.axis_soft_min(0)
    if look.unit in {"none", "percentunit"}:
        panel.axis_soft_max(1)  # else a line of zeros stands under an axis up to 100
    if stacked:
        panel.stacking(common.StackingConfig().mode(StackingMode.NORMAL).group("A")).line_width(0)
    if look.steps:
        panel.thresholds_style(common.GraphThresholdsStyleConfig().mode(GraphThresholdsStyleMode.DASHED))
    for name, fixed in (colors or {}).items():
        value = {"mode": FieldColorModeId.FIXED, "fixedColor": fixed}
        panel.override_by_name(name, [DynamicConfigValue("color", value)])
    return ask(panel, queries, spans=True)


def legend(*, beside: bool) -> common.VizLegendOptions:
    """Return a legend: ``beside`` the graph with the last values, largest first, or below with the names alone."""
    made = common.VizLegendOptions().show_legend(show_legend=True)
    if not beside:
        return made.display_mode(LegendDisplayMode.LIST).placement(LegendPlacement.BOTTOM)
    made.display_mode(LegendDisplayMode.TABLE).placement(LegendPlacement.RIGHT).width(BESIDE)
    return made.calcs(["lastNotNull"]).sort_by("Last *").sort_desc(sort_desc=True)


def figure(look: Look, *queries: Query, spark: bool = False) -> stat.Panel:
    """Return single figures, coloured by thresholds or words; ``spark`` adds how they went."""
    panel = dress(stat.Panel(), look).graph_mode(BigValueGraphMode.AREA if spark else BigValueGraphMode.NONE)
    panel.color_mode(BigValueColorMode.BACKGROUND if look.filled else BigValueColorMode.VALUE)
    panel.text_mode(BigValueTextMode.AUTO).reduce_options(common.ReduceDataOptions().calcs(["lastNotNull"]))
    panel.color_scheme(color(FieldColorModeId.THRESHOLDS))
    return ask(panel, queries, spans=spark)


def bars(look: Look, *queries: Query, largest: float | None = None) -> bargauge.Panel:
    """Return a horizontal bar for each series; ``largest`` is what fills one."""
    panel = dress(bargauge.Panel(), look).orientation(VizOrientation.HORIZONTAL).min(0)
    panel.display_mode(BarGaugeDisplayMode.BASIC).show_unfilled(show_unfilled=True)
    panel.reduce_options(common.ReduceDataOptions().calcs(["lastNotNull"]))
    panel.color_scheme(color(FieldColorModeId.THRESHOLDS))
    if largest is not None:
        panel.max(largest)
    return ask(panel, queries, spans=False)


def states(look: Look, *queries: Query) -> statetimeline.Panel:
    """Return a band for each series that shows its state over time in words and colours."""
    panel = dress(statetimeline.Panel(), look).merge_values(merge_values=True).row_height(0.9).fill_opacity(80)
    panel.show_value(VisibilityMode.AUTO).line_width(0)
    panel.legend(legend(beside=False)).tooltip(common.VizTooltipOptions().mode(TooltipDisplayMode.SINGLE))
    panel.color_scheme(color(FieldColorModeId.PALETTE_CLASSIC))  # by thresholds, 9.4 shows these in place of the words
    return ask(panel, queries, spans=True)
