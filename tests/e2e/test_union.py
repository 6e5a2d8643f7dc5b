"""Several Burrows on one page: independent polls, each family once, each cluster from one Burrow only."""

from __future__ import annotations

import re
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import requests
import structlog
import yaml

from burrow_exporter.exporter import Exporter
from burrow_exporter.metrics.families import FEW_FAMILIES, GROUP_TOPIC_FAMILIES, TOPIC_OFFSET
from burrow_exporter.settings.config import BurrowConfig, Config, Filter, Filters, MetricsConfig, PollConfig
from tests.support.faults import FaultServer, RecordedBurrow, Step, by_path, in_turn, then_hang
from tests.support.pages import own_of, page_of, samples_in, select, wait_until
from tests.support.processes import exporter as process
from tests.support.recorded import STARTING, Recorded, answer, lag_answer, partition, small

LAG = "burrow_kafka_consumer_partition_lag"
GROUPS = "burrow_kafka_cluster_consumer_groups"
READY = "/burrow/admin/ready"
NEW_YEAR = 1_767_225_600.0
"""2026, in Unix seconds."""
Log = list[structlog.typing.EventDict]


@pytest.fixture
def log() -> Iterator[Log]:
    """Return what is logged."""
    with structlog.testing.capture_logs() as lines:
        yield lines


def of(lag: int, cluster: str = "c") -> dict[str, Recorded]:
    """Return the answers of a Burrow with one cluster and one group with this lag."""
    answers = small({"g": lag_answer(cluster, "g", partition(current_lag=lag))})
    moved = {path.replace("/kafka/c/", f"/kafka/{cluster}/"): told for path, told in answers.items()}
    return moved | {"/v3/kafka": answer(clusters=[cluster])}


def exporter_of(*burrows: BurrowConfig, metrics: MetricsConfig | None = None) -> Exporter:
    """Return an exporter that is polled by hand."""
    poll = PollConfig(interval=1, stale_after=1)
    return Exporter(Config(burrows=burrows, poll=poll, metrics=metrics or MetricsConfig()), threading.Event())


def named(name: str, burrow: RecordedBurrow | FaultServer, **fields: Any) -> BurrowConfig:
    """Return the configuration of one Burrow."""
    return BurrowConfig(name=name, addresses=(burrow.address,), timeout=5, **fields)


def lags(exporter: Exporter) -> list[tuple[float, dict[str, str]]]:
    """Return each published lag with its labels but those of the partition."""
    usual = {"consumer_group", "topic", "partition"}
    return [
        (value, {key: text for key, text in labels if key not in usual})
        for (name, labels), value in page_of(exporter).items()
        if name == LAG
    ]


def poll(exporter: Exporter) -> list[tuple[float, dict[str, str]]]:
    """Poll all Burrows and return the lags then published."""
    exporter.poll_once()
    return lags(exporter)


def test_the_page_is_the_union() -> None:
    """Families stand once on the page, in the order of the file, with each Burrow's own labels on its samples."""
    with RecordedBurrow(of(1)) as one, RecordedBurrow(of(2, "d")) as two:
        exporter = exporter_of(named("a", one, labels={"region": "eu"}), named("b", two))
        assert [(1, {"cluster": "c", "region": "eu"}), (2, {"cluster": "d"})] == poll(exporter)
    text = b"".join(exporter.metrics(openmetrics=True, gzip=False).pieces(1000)).decode()
    described = re.findall(r"^# TYPE (\S+)", text, re.MULTILINE)
    assert len(described) == len(set(described))


def test_the_first_keeps_a_cluster_that_two_burrows_have(log: Log) -> None:
    """The second is refused, said once and counted; its other clusters are published."""
    both = of(2) | of(3, "d") | {"/v3/kafka": answer(clusters=["c", "d"])}
    with RecordedBurrow(of(1)) as one, RecordedBurrow(both) as two:
        exporter = exporter_of(named("a", one), named("b", two))
        assert [(1, {"cluster": "c"}), (3, {"cluster": "d"})] == poll(exporter)
        assert (0, 1) == tuple(own_of(exporter, "refused_clusters", burrow=name) for name in "ab")
        assert [set(), {"c"}] == [exporter._publisher.snapshots[name].refused for name in "ab"]
        poll(exporter)
        (line,) = [line for line in log if "refused" in line["event"]]
        assert ("b", "'c'", "warning") == (line["burrow"], line["clusters"], line["log_level"])


def test_labels_tell_clusters_apart() -> None:
    """Of the same name with other labels, both are published."""
    with RecordedBurrow(of(1)) as one, RecordedBurrow(of(2)) as two, RecordedBurrow(of(3)) as three:
        burrows = named("a", one), named("b", two, labels={"x": "1"}), named("c", three, labels={"x": "2"})
        exporter = exporter_of(*burrows)
        expected = [(1, {"cluster": "c"}), (2, {"cluster": "c", "x": "1"}), (3, {"cluster": "c", "x": "2"})]
        assert expected == poll(exporter)


def test_no_takeover_while_the_first_is_down() -> None:
    """A cluster belongs to the first Burrow even while that fails; once its readings expire, it is not exposed."""
    with RecordedBurrow(of(1)) as one, RecordedBurrow(of(2)) as two:
        exporter = exporter_of(named("a", one), named("b", two))
        poll(exporter)
        one.answers[READY] = STARTING
        time.sleep(1.1)
        assert [] == poll(exporter)
        assert 1 == own_of(exporter, "refused_clusters", burrow="b")
        one.answers.update(of(4))
        assert [(4, {"cluster": "c"})] == poll(exporter)


def test_a_cluster_that_the_first_gives_up(log: Log) -> None:
    """What the first Burrow no longer lists is the second's, and that is said."""
    with RecordedBurrow(of(1)) as one, RecordedBurrow(of(2)) as two:
        exporter = exporter_of(named("a", one), named("b", two))
        poll(exporter)
        one.answers["/v3/kafka"] = answer(clusters=[])
        assert [(2, {"cluster": "c"})] == poll(exporter)
        assert 0 == own_of(exporter, "refused_clusters", burrow="b")
        assert ["clusters no longer refused"] == [line["event"] for line in log if "no longer" in line["event"]]


def test_the_first_takes_what_is_its_own() -> None:
    """A first Burrow that starts late takes over its cluster, which the second exposed until then."""
    with RecordedBurrow(of(1) | {READY: STARTING}) as one, RecordedBurrow(of(2)) as two:
        exporter = exporter_of(named("a", one), named("b", two))
        assert [(2, {"cluster": "c"})] == poll(exporter)
        one.answers.update(of(1))
        assert [(1, {"cluster": "c"})] == poll(exporter)


def test_a_cluster_that_the_first_filters_out() -> None:
    """What the first Burrow's filters leave out is not its own."""
    with RecordedBurrow(of(1)) as one, RecordedBurrow(of(2)) as two:
        filters = Filters(cluster=Filter.of(exclude=["c"]))
        exporter = exporter_of(named("a", one, filters=filters), named("b", two))
        assert [(2, {"cluster": "c"})] == poll(exporter)


def test_too_many_series(log: Log) -> None:
    """Above the bound families by topic replace those by partition, the others stay; both changes are said once."""
    with RecordedBurrow(of(1)) as one, RecordedBurrow(of(2, "d")) as two:
        free = exporter_of(named("a", one), named("b", two))
        poll(free)
        series = own_of(free, "series")
        assert series is not None
        assert 0 == own_of(free, "series_limited")
        exporter = exporter_of(named("a", one), named("b", two), metrics=MetricsConfig(max_series=int(series)))
        assert 2 == len(poll(exporter))
        two.answers["/v3/kafka/d/topic/orders"] = answer(offsets=[1, 2])
        poll(exporter)
        poll(exporter)
        published = {name for name, _ in page_of(exporter) if name.startswith("burrow_kafka_")}
        assert 1 == own_of(exporter, "series_limited")
        coarse = (*FEW_FAMILIES, *GROUP_TOPIC_FAMILIES, TOPIC_OFFSET)
        assert {family.name for family in GROUP_TOPIC_FAMILIES} < published <= {family.name for family in coarse}
        assert {"c": 1.0, "d": 1.0} == select(page_of(exporter), GROUPS, "cluster")
        assert own_of(exporter, "series") == len([name for name, _ in page_of(exporter) if name in published])
        two.answers["/v3/kafka/d/topic/orders"] = answer(offsets=[1])
        assert 2 == len(poll(exporter))
        assert ["warning", "info"] == [line["log_level"] for line in log if "series limit" in line["event"]]
        assert series + 1 == next(line["series"] for line in log if "max_series" in line)


CONFIGURATION = """
poll: {{interval: 1s}}
burrows:
  - {{name: hanging, addresses: ["{}"], timeout: 5s}}
  - {{name: healthy, addresses: ["{}"], timeout: 5s}}
  - {{name: half, addresses: ["{}"], timeout: 5s}}
"""


def with_time(path: str) -> Step:
    """Answer as a Burrow whose group lags by as many messages as milliseconds have gone by since 2026 began."""
    lag = round((time.time() - NEW_YEAR) * 1000)
    return by_path(dict(of(lag)))(path)


def test_a_hundred_burrows(tmp_path: Path) -> None:
    """They are read one after the other, none starves another, and a reload takes little."""
    count = 100
    with FaultServer(by_path(dict(of(1)))) as server:
        burrows = [{"name": f"b{n}", "addresses": [server.address], "labels": {"site": f"s{n}"}} for n in range(count)]
        file = tmp_path / "burrows.yaml"
        file.write_text(yaml.safe_dump({"burrows": burrows, "web": {"enable_lifecycle": True}}))
        with process("--config.file", str(file)) as (_, address):

            def read() -> int:
                page = requests.get(f"{address}/metrics", timeout=40).text
                return page.count(f"\n{GROUPS}{{")

            begun = time.monotonic()
            wait_until(lambda: read() == count, 60)
            print(f"all read after {time.monotonic() - begun:.1f} s")  # noqa: T201  shown by pytest -rP
            assert 200 == requests.post(f"{address}/-/reload", timeout=40).status_code
            assert count == read()


def test_a_hanging_burrow_costs_the_others_nothing(tmp_path: Path) -> None:
    """While one Burrow hangs, whatever its place in the file, the data of the others is never two intervals old."""
    late: dict[str, Recorded | Step] = {**of(2, "d"), "/v3/kafka/d/consumer/g/lag": then_hang()}
    told, ages = set(), []
    with (
        FaultServer(in_turn(then_hang())) as hanging,
        FaultServer(with_time) as healthy,
        FaultServer(by_path(late)) as half,
    ):
        file = tmp_path / "burrows.yaml"
        file.write_text(CONFIGURATION.format(hanging.address, healthy.address, half.address))
        with process("--config.file", str(file)) as (_, address):
            wait_until(lambda: requests.get(f"{address}/-/ready", timeout=5).ok)
            end = time.monotonic() + 12
            while time.monotonic() < end:
                page = samples_in(requests.get(f"{address}/metrics", timeout=5).text)
                lag = select(page, LAG, "cluster")["c"]
                told.add(lag)
                ages.append(time.time() - NEW_YEAR - lag / 1000)
                time.sleep(0.05)
    up = select(page, "burrow_exporter_burrow_up", "burrow")
    assert {"hanging": 0.0, "healthy": 1.0, "half": 1.0} == up
    print(f"worst age: {max(ages):.2f} s")  # noqa: T201  shown by pytest -rP
    assert 10 < len(told) < len(ages)
    assert max(ages) < 2
