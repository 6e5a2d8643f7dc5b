"""Expressions on offsets and lags, evaluated by Prometheus on made-up series."""

from __future__ import annotations

import re
import subprocess
from collections.abc import Mapping
from pathlib import Path

import pytest
import yaml

from grafana.burrow_dashboards import signals
from tests.conftest import tool
from tests.support import alerts

pytestmark = pytest.mark.prometheus

TOPIC = 'cluster="c", topic="t", partition="0"'
COMMITTED = f'burrow_kafka_consumer_current_offset{{consumer_group="g", {TOPIC}}}'
LOG_END = f"burrow_kafka_topic_partition_offset{{{TOPIC}}}"
STATUS = 'burrow_kafka_consumer_status{cluster="c", consumer_group="g"}'
LAG = 'burrow_kafka_consumer_lag_total{cluster="c", consumer_group="g"}'
WRITTEN = signals.produced('cluster="c"', window="4m")
READ = signals.consumed('cluster="c"', window="4m")
NOT_OK_FOR = signals.not_ok_for('cluster="c"', "cluster", "6h", "1m")
CATCH_UP = signals.catch_up(signals.lag('cluster="c"', "cluster"), signals.growth('cluster="c"', "cluster"))
HEAT = signals.heat('cluster="c"')


def check(folder: Path, series: dict[str, str], expression: str, expected: Mapping[str, Mapping[str, float]]) -> None:
    """Fail unless at each time the expression has the values, by labels; a sample of the series comes each minute."""
    tests = [
        {
            "expr": expression,
            "eval_time": time,
            "exp_samples": [{"labels": labels, "value": value} for labels, value in samples.items()],
        }
        for time, samples in expected.items()
    ]
    test = {
        "interval": "1m",
        "input_series": [{"series": name, "values": values} for name, values in series.items()],
        "promql_expr_test": tests,
    }
    (folder / "test.yaml").write_text(yaml.safe_dump({"evaluation_interval": "1m", "tests": [test]}))
    command = [tool("promtool"), "test", "rules", "test.yaml"]
    run = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    assert 0 == run.returncode, run.stdout + run.stderr


def test_topic_made_anew(tmp_path: Path) -> None:
    """When a topic is recreated, its production is 0 for a moment, and never a peak of all that it ever held."""
    expected = {f"{minute}m": {'{topic="t"}': rate} for minute, rate in ((9, 1), (11, 0), (12, 0), (15, 1))}
    check(tmp_path, {LOG_END: "900000+60x9 0+60x10"}, WRITTEN, expected)


def test_rewind(tmp_path: Path) -> None:
    """While a group rewinds it reads nothing, and no peak comes when it reads on."""
    expected = {f"{minute}m": {'{topic="t"}': rate} for minute, rate in ((9, 2), (11, 0), (12, 0), (15, 2))}
    check(tmp_path, {COMMITTED: "9000+120x9 4000+120x10"}, READ, expected)


def test_two_exporters_count_once(tmp_path: Path) -> None:
    """What two exporters say of the same Burrow is not added up."""
    series = {LOG_END[:-1] + f', instance="{each}"}}': "0+60x10" for each in "ab"}
    check(tmp_path, series, WRITTEN, {"10m": {'{topic="t"}': 1}})


@pytest.mark.parametrize(
    ("values", "seconds"),
    [
        ("1000-60x10", 400),
        ("0+60x10", -1),
        ("500x10", -1),
        ("0x10", 0),
    ],
    ids=["shrinking", "growing", "steady", "none"],
)
def test_catch_up(tmp_path: Path, values: str, seconds: float) -> None:
    """A shrinking lag is gone in a number of seconds; one that does not shrink never, and no lag is none already."""
    check(tmp_path, {LAG: values}, CATCH_UP, {"10m": {'{cluster="c"}': seconds}})


def test_not_ok_for(tmp_path: Path) -> None:
    """A group that is OK has been so for 0 seconds; else it counts from when it was OK last, whatever came after."""
    expected: dict[str, dict[str, float]] = {
        "2m": {'{cluster="c"}': 0.0},
        "6m": {'{cluster="c"}': 240},
        "12m": {'{cluster="c"}': 0},
    }
    check(tmp_path, {STATUS: "1x2 2x2 3x4 1x6"}, NOT_OK_FOR, expected)


def test_never_ok(tmp_path: Path) -> None:
    """A group that was not OK for as long as is looked back has been so for longer: -1."""
    check(tmp_path, {STATUS: "3x20"}, NOT_OK_FOR, {"20m": {'{cluster="c"}': -1}})


def test_heat(tmp_path: Path) -> None:
    """A partition's share is relative to the mean of its topic; a topic with next to nothing has no hot ones."""
    busy = {LOG_END.replace('partition="0"', f'partition="{each}"'): f"0+{60 * each}x15" for each in (1, 2, 6)}
    quiet = {LOG_END.replace('"t"', '"q"'): "0+1x15"}
    shares = {f'{{topic="t", partition="{each}"}}': each / 3 for each in (1, 2, 6)}
    check(tmp_path, {**busy, **quiet}, HEAT, {"15m": shares})


@pytest.mark.parametrize(
    ("team", "groups"),
    [(".*", "abc"), ("billing", "ac"), ("(billing|crm)", "abc"), ("media", "c")],
    ids=["all", "one", "two", "of none"],
)
def test_of_team(tmp_path: Path, team: str, groups: str) -> None:
    """Groups of other teams than those chosen are left out; c has no entry in the policy and stays."""
    of = {"$cluster": "c", "$filter": "", "$team": team}
    expression = re.sub(r"[$]\w+", lambda match: of[match[0]], signals.status())
    series = {f'burrow_kafka_consumer_status{{cluster="c", consumer_group="{each}"}}': "1x3" for each in "abc"}
    for group, its_team in {"a": "billing", "b": "crm"}.items():
        series[f'{signals.POLICY}{{cluster="c", consumer_group="{group}", team="{its_team}"}}'] = "1x3"
    check(tmp_path, series, expression, {"2m": {f'{{cluster="c", consumer_group="{each}"}}': 1 for each in groups}})


def test_cause(tmp_path: Path) -> None:
    """The cause is the worst status of a partition, with its topic; by topic where partitions are not published."""
    of = 'cluster="c", consumer_group='
    series = {
        f'burrow_kafka_topic_partition_status{{{of}"a", topic="t", partition="0"}}': "2x3",
        f'burrow_kafka_topic_partition_status{{{of}"a", topic="u", partition="0"}}': "1x3",
        f'burrow_kafka_topic_partition_status{{{of}"a", topic="u", partition="1"}}': "5x3",
        f'burrow_kafka_topic_partition_status{{{of}"ok", topic="u", partition="1"}}': "1x3",
        f'burrow_kafka_consumer_topic_status{{{of}"b", topic="t"}}': "4x3",
        f'burrow_kafka_consumer_status{{{of}"a"}}': "3x3",
        f'burrow_kafka_consumer_status{{{of}"b"}}': "3x3",
    }
    expression = signals.cause("burrow_kafka_consumer_status > 1").replace("$cluster", "c").replace("$filter", "")
    expected = {f'{{{of}"a", topic="u"}}': 5.0, f'{{{of}"b", topic="t"}}': 4.0}
    check(tmp_path, series, expression, {"2m": expected})


def test_the_limit_without_a_policy_is_that_of_the_rules() -> None:
    """A group is late on the dashboards when it is to the alert."""
    recorded = {rule["record"]: rule["expr"] for rule in alerts.rules("record")}
    assert recorded["group:burrow_kafka_consumer_lag_seconds:threshold"].endswith(f" + {signals.LIMIT_SECONDS}")
