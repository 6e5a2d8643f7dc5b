"""Tables: a row for what has the same labels, a column for each label and each expression."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from grafana_foundation_sdk.builders import common, table
from grafana_foundation_sdk.models.common import FieldTextAlignment
from grafana_foundation_sdk.models.dashboard import (
    DataTransformerConfig,
    DynamicConfigValue,
    FieldColorModeId,
    ValueMap,
)
from grafana_foundation_sdk.models.prometheus import PromQueryFormat

from grafana.burrow_dashboards.panels import Look, dress, query
from grafana.burrow_dashboards.statuses import CLEAR, Step, thresholds

NOTHING = "–"  # noqa: RUF001  an empty cell, not a minus


@dataclass(frozen=True)
class Label:
    """A column that shows a label.

    ``url`` leads from a row to where there is more, ``width`` is in pixels, ``empty`` stands where a row has no label.
    """

    name: str
    title: str
    width: int | None = None
    url: str = ""
    number: bool = False
    empty: str = NOTHING


@dataclass(frozen=True)
class Column:
    """A column that shows an expression's value.

    ``empty`` is what stands where a row has none; ``filled`` colours the cell instead of its text;
    ``hidden`` is for an expression that is there for its labels alone.
    """

    title: str
    expression: str
    unit: str = "short"
    width: int | None = 110
    empty: str = NOTHING
    words: ValueMap | None = None
    steps: Sequence[Step] = ()
    decimals: int | None = None
    filled: bool = False
    hidden: bool = False


Cell = Label | Column


def rows(look: Look, cells: Sequence[Cell], *, sort_by: Sequence[str], descending: bool = True) -> table.Panel:
    """Return a table with the cells from left to right; what has no cell is left out."""
    panel = dress(table.Panel(), look).align(FieldTextAlignment.LEFT)
    columns = [cell for cell in cells if isinstance(cell, Column)]
    for number, column in enumerate(columns):
        panel.with_target(query(number, column.expression).instant().format(PromQueryFormat.TABLE))
    panel.with_transformation(DataTransformerConfig(id_val="merge", options={}))
    numbers = [cell.name for cell in cells if isinstance(cell, Label) and cell.number]
    if numbers:
        conversions = [{"targetField": name, "destinationType": "number"} for name in numbers]
        panel.with_transformation(
            DataTransformerConfig(id_val="convertFieldType", options={"conversions": conversions})
        )
    panel.with_transformation(arranged(cells))
    for cell in cells:
        panel.override_by_name(cell.title, list(properties(cell)))
    return panel.sort_by([common.TableSortByFieldState().display_name(by).desc(desc=descending) for by in sort_by])


def arranged(cells: Sequence[Cell]) -> DataTransformerConfig:
    """Return the order and the titles of the columns, whose values come as ``Value #A`` and so on."""
    letters = iter("ABCDEFGHIJKLMNOPQRSTUVWXYZ")
    names = [cell.name if isinstance(cell, Label) else f"Value #{next(letters)}" for cell in cells]
    named = dict(zip(names, cells, strict=True))
    hidden = [name for name, cell in named.items() if isinstance(cell, Column) and cell.hidden]
    return DataTransformerConfig(
        id_val="organize",
        options={
            "excludeByName": dict.fromkeys(["Time", *hidden], True),
            "indexByName": {name: index for index, name in enumerate(names)},
            "renameByName": {name: cell.title for name, cell in named.items()},
        },
    )


def properties(cell: Cell) -> Iterator[DynamicConfigValue]:
    """Yield what makes a column differ from the table's defaults."""
    if cell.width:
        yield DynamicConfigValue("custom.width", cell.width)
    if isinstance(cell, Label):
        yield DynamicConfigValue("noValue", cell.empty)
        yield DynamicConfigValue("unit", "none" if cell.number else "string")
        if cell.url:
            yield DynamicConfigValue("links", [{"title": f"Show this {cell.title.lower()}", "url": cell.url}])
        return
    yield DynamicConfigValue("unit", cell.unit)
    yield DynamicConfigValue("noValue", cell.empty)
    if cell.decimals is not None:
        yield DynamicConfigValue("decimals", cell.decimals)
    if cell.words:
        yield DynamicConfigValue("mappings", [cell.words])
    plain = CLEAR if cell.filled else "text"
    yield DynamicConfigValue("thresholds", thresholds(*(cell.steps or ((None, plain),))).build())
    if cell.words or cell.steps:
        yield from coloured("color-background" if cell.filled else "color-text")


def coloured(mode: str) -> Iterator[DynamicConfigValue]:
    """Yield what colours cells: Grafana's name for it since 10, and the one before, each unknown to the other."""
    yield DynamicConfigValue("color", {"mode": FieldColorModeId.THRESHOLDS})
    yield DynamicConfigValue("custom.cellOptions", {"type": mode, **({"mode": "basic"} if "back" in mode else {})})
    yield DynamicConfigValue("custom.displayMode", f"{mode}-solid" if "back" in mode else mode)
