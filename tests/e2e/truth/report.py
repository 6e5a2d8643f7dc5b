"""The report as Markdown: one row per scenario, and the errors of lag in seconds for each kind of consumer."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from statistics import median

from tests.e2e.truth.ledger import Ledger
from tests.e2e.truth.pages import Page, Shown
from tests.e2e.truth.scenarios import HABITS, QUIET, Scenario
from tests.e2e.truth.watch import Sample, Truth, errors, true_of

HEAD = (
    "| scenario | expected | true: lag, age (median; largest) | exporter: status "
    "| exporter: lag, age (median; largest) | native: status | native: lag "
    "| exporter's largest error: true -> exposed | native's largest error: true -> exposed |"
)


@dataclass(frozen=True)
class Moment:
    """One poll of one scenario."""

    second: float
    true: Truth | None
    exporter: Shown | None
    native: Shown | None

    def exporter_error(self) -> tuple[float, float]:
        """Return by how much the exporter's seconds, then its lag, are wrong."""
        if self.exporter is None or self.true is None:
            return (0.0, 0.0)
        seconds, lag = self.exporter.seconds, self.exporter.lag
        return (
            abs(seconds - self.true.age) if seconds is not None else 0.0,
            abs(lag - self.true.lag) if lag is not None else 0.0,
        )

    def native_error(self) -> float:
        """Return by how much Burrow's own lag is wrong."""
        if self.native is None or self.native.lag is None or self.true is None:
            return 0.0
        return abs(self.native.lag - self.true.lag)


def moments(scenario: Scenario, samples: Iterable[Sample], ledger: Ledger, begun: float) -> list[Moment]:
    """Return a scenario's polls."""
    return [
        Moment(
            one.at - begun,
            true_of(ledger, scenario.group, one.at),
            _of(one.exporter, scenario),
            _of(one.native, scenario),
        )
        for one in samples
        if scenario.since <= one.at - begun < scenario.until
    ]


def _of(page: Page | None, scenario: Scenario) -> Shown | None:
    return page.groups.get(scenario.group) if page is not None else None


def row(scenario: Scenario, seen: list[Moment]) -> str:
    """Return a scenario's line of the table."""
    worst = max(seen, key=Moment.exporter_error, default=None)
    worst_native = max(seen, key=Moment.native_error, default=None)
    cells = [
        scenario.name,
        scenario.right,
        _true([one.true for one in seen if one.true is not None]),
        _statuses([one.exporter for one in seen]),
        _shown([one.exporter for one in seen]),
        _statuses([one.native for one in seen]),
        _shown([one.native for one in seen]),
        _contrast(worst, worst.exporter if worst else None),
        _contrast(worst_native, worst_native.native if worst_native else None),
    ]
    return f"| {' | '.join(cells)} |"


def _true(truths: list[Truth]) -> str:
    if not truths:
        return "nothing"
    lags, ages = [one.lag for one in truths], [one.age for one in truths]
    return f"{median(lags):.0f}, {median(ages):.1f} s; {max(lags)}, {max(ages):.1f} s"


def _statuses(shown: list[Shown | None]) -> str:
    found = Counter("absent" if one is None else one.status or "no status" for one in shown)
    return ", ".join(f"{status} {count}" for status, count in found.most_common()) or "no polls"


def _shown(shown: list[Shown | None]) -> str:
    lags = [one.lag for one in shown if one is not None and one.lag is not None]
    ages = [one.seconds for one in shown if one is not None and one.seconds is not None]
    if not lags:
        return "nothing"
    text = f"{median(lags):.0f}"
    if ages:
        return f"{text}, {median(ages):.1f} s; {max(lags):.0f}, {max(ages):.1f} s"
    return f"{text}; {max(lags):.0f}"


def _contrast(moment: Moment | None, shown: Shown | None) -> str:
    if moment is None or moment.true is None or shown is None:
        return ""
    age = f", {shown.seconds:.1f} s" if shown.seconds is not None else ""
    true = f"{moment.true.lag}, {moment.true.age:.1f} s"
    return f"{true} -> {shown.status or 'no status'} {_number(shown.lag)}{age} (second {moment.second:.0f})"


def _number(value: float | None) -> str:
    return "no lag" if value is None else f"{value:.0f}"


def error_table(samples: list[Sample], ledger: Ledger, begun: float) -> list[str]:
    """Return the table of the errors of lag in seconds, partition by partition, in the quiet part of the run."""
    quiet = [one for one in samples if QUIET[0] <= one.at - begun < QUIET[1]]
    lines = [
        "| habit | samples | by shown offset: median | 95 % | largest | by true commit: median | 95 % | largest |",
        "| --- | --- | --- | --- | --- | --- | --- | --- |",
    ]
    for group in HABITS:
        by_shown, by_commit = errors(ledger, group, quiet)
        cells = [group, str(len(by_commit)), *_spread(by_shown), *_spread(by_commit)]
        lines.append(f"| {' | '.join(cells)} |")
    return lines


def _spread(found: list[float]) -> list[str]:
    """Return median and 95 % of the errors' sizes, and the largest error with its sign."""
    if not found:
        return ["-"] * 3
    sizes = sorted(abs(one) for one in found)
    largest = max(found, key=abs)
    return [f"{median(sizes):.2f} s", f"{sizes[int(0.95 * (len(sizes) - 1))]:.2f} s", f"{largest:+.2f} s"]


def markdown(
    title: str,
    scenarios: list[Scenario],
    samples: list[Sample],
    ledger: Ledger,
    begun: float,
    log: list[str],
) -> str:
    """Return the whole report."""
    rows = [row(one, moments(one, samples, ledger, begun)) for one in scenarios]
    lines = [
        f"# {title}",
        "",
        "Each row covers part of the run. It compares the group's lag, counting only offsets that hold messages,",
        "and the age of the first unread message of any partition, at the end of each poll. The status columns",
        "count polls. A group may be absent while Burrow reads its backlog. *Native* is Burrow's own `/metrics`",
        "at each poll.",
        "",
        HEAD,
        "| --- | --- | --- | --- | --- | --- | --- | --- | --- |",
        *rows,
        "",
        "## Errors of lag in seconds, per partition and poll",
        "Exposed minus true. *By shown offset*: the true value is the age of the first message after the exposed",
        "offset. *By true commit*: of the first message after the offset that was committed at the end of the poll.",
        "",
        *error_table(samples, ledger, begun),
        "",
        "## Events",
        "",
        *(f"- {line.strip()}" for line in log),
    ]
    return "\n".join(lines) + "\n"
