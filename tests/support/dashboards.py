"""The committed dashboards, split into panels and queries."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from tests import ROOT

FOLDER = ROOT / "grafana" / "dashboards"
Panel = dict[str, Any]
Variable = dict[str, Any]
DASHBOARDS: dict[str, dict[str, Any]] = {
    path.stem: json.loads(path.read_text(encoding="utf-8")) for path in sorted(FOLDER.glob("*.json"))
}


@dataclass(frozen=True)
class Query:
    """A query of a panel."""

    dashboard: str
    panel: Panel
    target: dict[str, Any]

    @property
    def expression(self) -> str:
        """What is asked."""
        return str(self.target["expr"])

    @property
    def name(self) -> str:
        """Where it is: dashboard, panel and letter."""
        return f"{self.dashboard} / {self.panel['title']} / {self.target['refId']}"

    @property
    def labels(self) -> set[str]:
        """The labels that the panel shows: in the names of series, or as columns of the table."""
        if self.panel["type"] != "table":
            return set(re.findall(r"\{\{(\w+)\}\}", self.target["legendFormat"]))
        (arranged,) = [each["options"] for each in self.panel["transformations"] if each["id"] == "organize"]
        return {name for name in arranged["renameByName"] if not name.startswith("Value #")}


def panels(uid: str) -> list[Panel]:
    """Return the panels of a dashboard, without its rows."""
    return [panel for panel in DASHBOARDS[uid]["panels"] if panel["type"] != "row"]


def queries() -> Iterator[Query]:
    """Yield every query of every panel."""
    for uid in DASHBOARDS:
        for panel in panels(uid):
            for target in panel["targets"]:
                yield Query(uid, panel, target)


def markers(uid: str) -> list[dict[str, Any]]:
    """Return the annotations of a dashboard."""
    return list(DASHBOARDS[uid]["annotations"]["list"])


def variables(uid: str, kind: str = "query") -> list[Variable]:
    """Return the variables of a dashboard that are of a kind."""
    return [variable for variable in DASHBOARDS[uid]["templating"]["list"] if variable["type"] == kind]


def label_values(variable: Variable) -> tuple[str, str]:
    """Return the selector and the label of a variable's query."""
    match = re.fullmatch(r"label_values\((.*), (\w+)\)", variable["query"]["query"])
    assert match, variable["query"]
    return match[1], match[2]


def offenders(rule: Callable[..., None], cases: Sequence[tuple[str, tuple[Any, ...]]]) -> list[str]:
    """Return the names of the cases for which a rule does not hold, each with the assertion that failed."""
    assert cases
    found = []
    for name, values in cases:
        try:
            rule(*values)
        except (AssertionError, LookupError) as error:
            found.append(f"{name}: {error!r}" if isinstance(error, LookupError) else f"{name}: {error}")
    return found


def for_each(cases: Sequence[tuple[str, tuple[Any, ...]]]) -> Callable[[Callable[..., None]], Callable[[], None]]:
    """Return a decorator that makes one test of a rule: it tries all cases, and fails with a list of offenders."""

    def decorate(rule: Callable[..., None]) -> Callable[[], None]:
        def test() -> None:
            found = offenders(rule, cases)
            assert not found, "\n".join(found)

        test.__doc__ = rule.__doc__
        return test

    return decorate
