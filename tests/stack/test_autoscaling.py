"""Scaling by ``replicas_wanted``, simulated; Prometheus computes the same values as the simulation."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path

import pytest
import yaml

from tests.conftest import built
from tests.stack.autoscaling import (
    BEHIND,
    DAY,
    FULL,
    HOUR,
    SPEED,
    STEP,
    TARGET,
    Autoscaler,
    Group,
    Reading,
    Rules,
    Run,
    simulate,
    ways,
)
from tests.support import alerts

BY_RULES = "`replicas_wanted`"
WANTED = "group:burrow_kafka_consumer:replicas_wanted"
CAPACITY = "group:burrow_kafka_consumer_members:capacity"


@pytest.fixture(scope="module")
def runs() -> dict[str, Run]:
    """Scale for two days in each way."""
    return ways()


def series(readings: list[Reading]) -> Iterator[tuple[str, list[int]]]:
    """Yield each series that the rules ask for, with its values."""
    group = 'consumer_group="g"'
    for number in range(len(readings[0].ends)):
        partition = f'topic="t", partition="{number}"'
        yield f"burrow_kafka_topic_partition_offset{{{partition}}}", [each.ends[number] for each in readings]
        committed = [each.committed[number] for each in readings]
        yield f"burrow_kafka_consumer_current_offset{{{group}, {partition}}}", committed
        ages = [each.ages[number] for each in readings]
        yield f"burrow_kafka_consumer_partition_lag_seconds{{{group}, {partition}}}", ages
    yield f"burrow_kafka_consumer_lag_total{{{group}}}", [each.lag for each in readings]
    yield f"burrow_kafka_consumer_lag_seconds{{{group}}}", [max(each.ages) for each in readings]
    yield f"burrow_kafka_consumer_members{{{group}}}", [each.members for each in readings]
    yield f"burrow_kafka_consumer_partitions{{{group}}}", [len(each.ends) for each in readings]
    yield f"burrow_kafka_consumer_status{{{group}}}", [1 for _ in readings]


@pytest.mark.prometheus
@pytest.mark.parametrize("start", [0, 12 * HOUR], ids=["learning, and a burst", "slow consumers"])
def test_prometheus_computes_the_same(start: int, tmp_path: Path) -> None:
    """Every ten minutes, from the very series that the simulation made: the members wanted, and what one can read."""
    rules, computed = Rules(), []

    def wish(reading: Reading) -> int:
        wanted = rules.evaluate(reading)
        computed.append((wanted, rules.capacities[-1] if rules.capacities else 0))
        return wanted

    run = simulate(Autoscaler(wish), Group(start=start), 4 * HOUR)
    assert len(run.changes) >= 2, "else there is little to compare"
    asked = []
    for number in range(60, len(run.readings), 20):
        wanted, capacity = computed[number]
        near = f"count(abs({CAPACITY} - {capacity}) < 0.000001)"
        for expression, value in ((f"sum({WANTED})", wanted), (near, 1)):
            sample = {"labels": "{}", "value": value}
            asked.append({"expr": expression, "eval_time": f"{number * STEP}s", "exp_samples": [sample]})
    test = {
        "rule_files": [str(alerts.RULES / f"{name}.yaml") for name in ("recording", "advice")],
        "group_eval_order": ["recording", "advice"],
        "evaluation_interval": f"{STEP}s",
        "tests": [
            {
                "interval": f"{STEP}s",
                "input_series": [
                    {"series": name, "values": " ".join(map(str, values))} for name, values in series(run.readings)
                ],
                "promql_expr_test": asked,
            }
        ],
    }
    (tmp_path / "test.yaml").write_text(yaml.safe_dump(test), encoding="utf-8")
    command = (built("promtool"), "test", "rules", "test.yaml")
    told = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert 0 == told.returncode, told.stdout + told.stderr


def test_the_lag_is_cleared_in_time(runs: dict[str, Run]) -> None:
    """No message gets older than the target, whatever the day brings, though members cost half of what a peak needs."""
    run = runs[BY_RULES]
    assert max(run.ages) <= TARGET
    assert run.longest_above(BEHIND) <= 10
    assert run.member_hours <= 0.55 * runs[FULL].member_hours


@pytest.mark.parametrize("seed", [2, 3, 4])
def test_it_does_not_flap(seed: int) -> None:
    """Members join or leave at most 16 times a day, and none leaves within 15 minutes after one joined."""
    run = simulate(Autoscaler(Rules().evaluate), Group(seed))
    assert 4 <= len(run.changes) / run.days <= 16
    quick = [
        (before, after)
        for before, after in pairwise(run.changes)
        if before[1] > 0 > after[1] and (after[0] - before[0]) * STEP < 900
    ]
    assert [] == quick
    assert max(run.ages) <= TARGET


@pytest.mark.parametrize("load", [280, 300, 400])
def test_steady_production(load: int) -> None:
    """The number is found once and stays, however production wavers by a fifth; 300 is all that the first six read."""
    run = simulate(Autoscaler(Rules().evaluate), Group(load=lambda _: load, capability=lambda _: SPEED), DAY)
    assert len(run.changes) <= 1
    assert run.readings[-1].members * SPEED >= load
    assert max(run.ages) <= TARGET


def test_lag_alone(runs: dict[str, Run]) -> None:
    """By lag alone a group is scaled far more often, and unless evenly, it is late or costs nearly twice as much."""
    ours = runs[BY_RULES]
    others = {name: run for name, run in runs.items() if name.startswith("lag")}
    assert 6 == len(others)
    for name, run in others.items():
        assert len(run.changes) >= 4 * len(ours.changes), name
        assert "evenly" in name or run.minutes_above(TARGET) or run.member_hours >= 1.8 * ours.member_hours, name


def test_more_would_not_help() -> None:
    """A group that reads nothing gets no more members, however large its lag."""
    rules = Rules()
    readings = [Reading((60 * number,) * 24, (60 * min(number, 60),) * 24, (0,) * 24, 12) for number in range(60)]
    stopped = [Reading((60 * number,) * 24, (3600,) * 24, (30 * (number - 60),) * 24, 12) for number in range(60, 240)]
    before = [rules.evaluate(each) for each in readings][-1]
    assert {before} == {rules.evaluate(each) for each in stopped}
