"""A week of the demo on a fast clock: alerts of the stack's rules, and the resulting messages.

``python -m tests.stack.week`` prints the messages by alert and group, without a policy and with ``POLICY``. The
exporter's own pipeline polls the simulated Burrow once a simulated minute, promtool evaluates the rules on what it
exposed, and the rendered alertmanager.yml says what inhibits. An argument is a number of minutes in place of a week.
"""

from __future__ import annotations

import re
import subprocess
import sys
import tempfile
import time
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import groupby
from pathlib import Path
from typing import Any

import yaml

from burrow_exporter.burrow.client import BurrowClient
from burrow_exporter.demo import Settings as BurrowSettings
from burrow_exporter.demo import SimulatedBurrow
from burrow_exporter.metrics.exposition import Renderer, assemble
from burrow_exporter.metrics.self_metrics import SelfMetrics
from burrow_exporter.polling.state import BurrowState
from burrow_exporter.polling.walk import Walk, WalkResult
from burrow_exporter.settings.config import BurrowConfig
from burrow_exporter.settings.policy import Policy
from burrow_exporter.settings.policy_file import parse_policy
from burrow_exporter.settings.value_types import NamedFile
from compose.renderer.render import render
from compose.renderer.settings import Settings
from tests.conftest import Clock, built
from tests.support import alerts
from tests.support.promql import metrics

START = 1_699_833_600.0
"""A Monday, 00:00 UTC."""
STEP = 60
MINUTES = 7 * 24 * 60
WINDOW = BurrowSettings(intervals=10, min_distance=360, offset_refresh=60)
"""Burrow's window holds an hour, so that trouble lasts for hours, not minutes: the demo's cycles are as long as it."""
POLICY = """\
groups:
  - match: audit-replay               # replays on purpose
    team: audit
    severity: none
    max_lag_seconds: 12h
  - match: fraud-scoring              # under development, set up anew all the time
    alerts: off
  - match: recommendation-trainer     # has until the next morning
    team: data
    severity: warning
    max_lag_seconds: 25h
  - match: newsletter-mailer          # works off bursts
    team: marketing
    severity: warning
    max_lag_seconds: 1h
  - match: ledger-archive             # an archive, nobody works on it by night or at the weekend
    team: finance
    severity: warning
    max_lag_seconds: 12h
    quiet: ["18:00-08:00 Europe/Berlin", "Sat,Sun Europe/Berlin"]
  - match: .*
    team: platform
"""
ASKED = {name for kind in ("alert", "record") for rule in alerts.rules(kind) for name in metrics(rule["expr"])}
FILES = ("recording", "consumers", "exporter")
Labels = frozenset[tuple[str, str]]
Series = dict[str, list[str]]


def pages(policies: Sequence[Policy], minutes: int) -> Iterator[list[str]]:
    """Yield the page of each minute, one for each policy."""
    clock = Clock()
    clock.now = START
    with SimulatedBurrow(12, clock=clock, settings=WINDOW) as burrow:
        own, renderers = SelfMetrics(), [Renderer(policy=policy) for policy in policies]
        config = BurrowConfig(addresses=(burrow.address,), timeout=30)
        of_burrow = own.of_burrow(config.name)
        (target,) = config.targets()
        client, state, last = BurrowClient(target, 30, of_burrow), BurrowState(config), WalkResult(0)
        for _ in range(minutes):
            last = Walk(
                client,
                config.filters,
                deadline=time.monotonic() + 60,
                expires_at=clock.now + 3 * STEP,
                concurrency=1,
                clock=clock,
                reads=last.reads,
            ).run()
            snapshot = state.apply_walk(last, clock.now, clock.now)
            of_burrow.clusters(snapshot.clusters)
            of_burrow.polled(good=snapshot.outcome.good, at=clock.now, duration=0.1)
            tail = own.render(openmetrics=False).decode() + 'up{job="burrow"} 1\n'
            rendered = [renderer.render(renderer.revise(snapshot)) for renderer in renderers]
            yield [b"".join(assemble([each]).plain()).decode() + tail for each in rendered]
            clock.now += STEP


def series(policies: Sequence[Policy], minutes: int) -> list[Series]:
    """Return the values of each series that rules ask for, as promtool's tests write them, for each policy."""
    all_found: list[Series] = [{} for _ in policies]
    for minute, each in enumerate(pages(policies, minutes)):
        for found, page in zip(all_found, each, strict=True):
            for name, _, value in (line.rpartition(" ") for line in page.splitlines() if not line.startswith("#")):
                if name.partition("{")[0] in ASKED:
                    values = found.setdefault(name, [])
                    if len(values) < minute:
                        values += [*(["stale"] if values else []), *["_"] * minute][: minute - len(values)]
                    values.append(value)
    for values in (values for found in all_found for values in found.values() if len(values) < minutes):
        values.append("stale")
    return all_found


def evaluated(held: Mapping[str, list[str]], minutes: int, folder: Path) -> list[set[Labels]]:
    """Return the alerts that fire at each minute, as promtool evaluates the rules."""
    test = {
        "rule_files": [str(alerts.RULES / f"{name}.yaml") for name in FILES],
        "evaluation_interval": f"{STEP}s",
        "tests": [
            {
                "interval": f"{STEP}s",
                "input_series": [{"series": name, "values": " ".join(values)} for name, values in held.items()],
                "promql_expr_test": [
                    {"expr": 'ALERTS{alertstate="firing"}', "eval_time": f"{minute * STEP}s", "exp_samples": []}
                    for minute in range(minutes)
                ],
            }
        ],
    }
    path = folder / "week.yaml"
    path.write_text(yaml.dump(test, Dumper=yaml.CSafeDumper, width=1 << 30), encoding="utf-8")
    command = (built("promtool"), "test", "rules", str(path))
    told = subprocess.run(command, capture_output=True, text=True, check=False)
    firing: list[set[Labels]] = [set() for _ in range(minutes)]
    for at, got in re.findall(r"time: (\w+),\s+exp: nil\s+got: (.+)", told.stdout + told.stderr):
        samples = re.findall(r"\{(.*?)\} 1E\+00", got)
        firing[seconds(at) // STEP] = {
            frozenset(pair for pair in re.findall(r'(\w+)="([^"]*)"', sample)) for sample in samples
        }
    assert any(firing), told.stdout[-2000:] + told.stderr[-2000:]
    return firing


def seconds(duration: str) -> int:
    """Return the seconds of a duration of Prometheus."""
    units = {"d": 86400, "h": 3600, "m": 60, "s": 1}
    return sum(int(number) * units[unit] for number, unit in re.findall(r"(\d+)([dhms])", duration))


class Inhibition:
    """What the rendered Alertmanager keeps back."""

    def __init__(self, config: Mapping[str, Any]) -> None:
        self._rules = config["inhibit_rules"]

    def active(self, firing: set[Labels]) -> Iterator[Labels]:
        """Yield the alerts that are not kept back by others."""
        yield from (alert for alert in firing if not any(self._inhibits(rule, firing, alert) for rule in self._rules))

    def _inhibits(self, rule: Mapping[str, Any], firing: Iterable[Labels], alert: Labels) -> bool:
        labels = dict(alert)
        return matched(rule["target_matchers"], labels) and any(
            matched(rule["source_matchers"], dict(source))
            and all(dict(source).get(name) == labels.get(name) for name in rule["equal"])
            for source in firing
            if source != alert
        )


def matched(matchers: Iterable[str], labels: Mapping[str, str]) -> bool:
    """Tell whether labels fit Alertmanager's matchers of the kinds ``=`` and ``=~``."""
    for matcher in matchers:
        name, operator, value = re.fullmatch(r'(\w+)(=~?)"(.*)"', matcher).groups()  # type: ignore[union-attr]
        given = labels.get(name, "")
        if not (given == value if operator == "=" else re.fullmatch(value, given)):
            return False
    return True


def message(alert: Labels) -> tuple[str, ...]:
    """Return what Alertmanager's routes group an alert by, the route's severity first."""
    labels = dict(alert)
    by = ("cluster", "consumer_group") if labels["alertname"].startswith("Consumer") else ("alertname", "cluster")
    return labels["severity"], *(labels.get(name, "") for name in by)


def messages(firing: list[set[Labels]], config: Mapping[str, Any]) -> Counter[tuple[str, str, str]]:
    """Return how many messages begin in the week, by severity, group or cluster, and the alerts in the first.

    A message that goes on, is repeated or resolved does not count again.
    """
    inhibition, before = Inhibition(config), set[tuple[str, ...]]()
    counted: Counter[tuple[str, str, str]] = Counter()
    for now in firing:
        held = defaultdict(set)
        for alert in inhibition.active(now):
            held[message(alert)].add(dict(alert)["alertname"])
        for key in held.keys() - before:
            if key[0] != "none":
                counted[key[0], " on ".join(filter(None, reversed(key[1:]))), ", ".join(sorted(held[key]))] += 1
        before = set(held)
    return counted


def troubles(held: Mapping[str, list[str]]) -> Counter[str]:
    """Return how many times each group was in error, by Burrow."""
    found: Counter[str] = Counter()
    for name, values in held.items():
        if name.startswith("burrow_kafka_consumer_status{"):
            labels = dict(re.findall(r'(\w+)="([^"]*)"', name))
            found[f"{labels['consumer_group']} on {labels['cluster']}"] += sum(
                is_error for is_error, _ in groupby(values, lambda value: value == "3")
            )
    return found


def report(held: Series, minutes: int) -> str:
    """Return what became of a week."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        render(Settings(), folder / "generated", folder / "none")
        config = yaml.safe_load((folder / "generated" / "alertmanager" / "alertmanager.yml").read_text())
        firing = evaluated(held, minutes, folder)
    counted = messages(firing, config)
    by_severity: Counter[str] = Counter()
    for (severity, _, _), count in counted.items():
        by_severity[severity] += count
    lines = [f"{dict(by_severity)}, {len(held)} series"]
    lines += [f"  {count:4} {' | '.join(key)}" for key, count in sorted(counted.items(), key=lambda each: each[0])]
    lines += [f"  in error {count} times: {group}" for group, count in sorted(troubles(held).items()) if count]
    return "\n".join(lines)


def main(minutes: int) -> None:
    """Print a week without a policy, and one with it."""
    with tempfile.TemporaryDirectory() as name:
        path = Path(name) / "policy.yaml"
        path.write_text(POLICY, encoding="utf-8")
        policies = [Policy(), parse_policy(NamedFile(path))]
    for held, words in zip(series(policies, minutes), ("without", "with"), strict=True):
        sys.stdout.write(f"{words} a policy: {report(held, minutes)}\n")
        sys.stdout.flush()


if __name__ == "__main__":
    main(int(sys.argv[1]) if sys.argv[1:] else MINUTES)
