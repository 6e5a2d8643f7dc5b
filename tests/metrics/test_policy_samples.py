"""Tests of policy_samples.py: samples that the policy adds or changes."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from burrow_exporter.metrics.exposition import Renderer, assemble
from burrow_exporter.metrics.families import FAMILIES
from burrow_exporter.metrics.publisher import Publisher
from burrow_exporter.metrics.self_metrics import SelfMetrics
from burrow_exporter.settings.policy import Policy
from burrow_exporter.settings.policy_file import parse_policy
from burrow_exporter.settings.value_types import NamedFile
from burrow_exporter.snapshot import Cluster, Group, Snapshot, Topic
from tests.support import factories

NOON = 1774440000.0  # Wednesday 2026-03-25 12:00 UTC
ODD = 'q"\\ü\n%s'


@pytest.fixture
def policy(tmp_path: Path) -> Policy:
    """Return a policy with an entry of each kind."""
    path = tmp_path / "policy.yaml"
    path.write_text(
        """
groups:
  - {match: nightly, team: data, severity: warning, max_lag_seconds: 25h, min_lag: 2, quiet: [11:00-13:00],
     runbook_url: "https://wiki/n?a=1%20"}
  - {match: console, alerts: off}
  - {match: "q.*", team: 'a"b\\', cluster: c}
topics: [{match: orders, max_silence: 10m}]
clusters: [{match: c, idle: ok}]
""".replace("q.*", "(?s)q.*"),
        encoding="utf-8",
    )
    return parse_policy(NamedFile(path))


def group(name: str, *lags: int) -> Group:
    """Return a group whose partitions have these lags, an hour old each."""
    partitions = [factories.partition(factories.commit(), lag, number) for number, lag in enumerate(lags)]
    return factories.group(0, *partitions, name=name, expires_at=1e9, lag_seconds=[3600.0] * len(lags))


SNAPSHOT = Snapshot(
    "default",
    tuple(
        Cluster(
            name,
            tuple(group(each, 1, 2) for each in ("nightly", "console", "other", ODD)),
            (Topic("orders", [1], 0, 1e9), Topic("payments", [1], 0, 1e9)),
            *(4, 2, None, None, 0),
            1e9,
        )
        for name in ("c", "d")
    ),
    NOON,
)


def lines(renderer: Renderer, snapshot: Snapshot = SNAPSHOT) -> list[str]:
    """Return the sample lines of the policy's families."""
    words = ("_policy_info", "_threshold", "_muted", "_runbook_info", "_silence_seconds", "_idle_ok")
    page = b"".join(assemble([renderer.render(renderer.revise(snapshot))]).plain()).decode()
    return [line for line in page.splitlines() if line[0] != "#" and line.partition("{")[0].endswith(words)]


def test_nothing_is_added_without_a_policy() -> None:
    """The page is what it was."""
    assert [] == lines(Renderer())


def test_each_family(policy: Policy) -> None:
    """Groups that no entry matches have none; names are escaped as everywhere."""
    odd = r'consumer_group="q\"\\ü\n%s"'
    info = "burrow_kafka_consumer_policy_info"
    limit = "burrow_kafka_consumer_lag_seconds_threshold"
    muted = "burrow_kafka_consumer_alerts_muted"
    url = "https://wiki/n?a=1%20"
    expected = [
        f'{info}{{cluster="c",consumer_group="nightly",team="data",severity="warning"}} 1',
        f'{info}{{cluster="c",consumer_group="console",team="",severity="critical"}} 1',
        f'{info}{{cluster="c",{odd},team="a\\"b\\\\",severity="critical"}} 1',
        f'{info}{{cluster="d",consumer_group="nightly",team="data",severity="warning"}} 1',
        f'{info}{{cluster="d",consumer_group="console",team="",severity="critical"}} 1',
        f'{limit}{{cluster="c",consumer_group="nightly"}} 90000.000',
        f'{limit}{{cluster="c",consumer_group="console"}} 300.000',
        f'{limit}{{cluster="c",{odd}}} 300.000',
        f'{limit}{{cluster="d",consumer_group="nightly"}} 90000.000',
        f'{limit}{{cluster="d",consumer_group="console"}} 300.000',
        f'{muted}{{cluster="c",consumer_group="nightly",reason="quiet"}} 1',
        f'{muted}{{cluster="c",consumer_group="console",reason="off"}} 1',
        f'{muted}{{cluster="d",consumer_group="nightly",reason="quiet"}} 1',
        f'{muted}{{cluster="d",consumer_group="console",reason="off"}} 1',
        f'burrow_kafka_consumer_runbook_info{{cluster="c",consumer_group="nightly",runbook_url="{url}"}} 1',
        f'burrow_kafka_consumer_runbook_info{{cluster="d",consumer_group="nightly",runbook_url="{url}"}} 1',
        'burrow_kafka_topic_max_silence_seconds{cluster="c",topic="orders"} 600.000',
        'burrow_kafka_topic_max_silence_seconds{cluster="d",topic="orders"} 600.000',
        'burrow_kafka_cluster_idle_ok{cluster="c"} 1',
    ]
    assert expected == lines(Renderer(policy=policy))


def test_muted_follows_the_clock_of_each_poll(policy: Policy) -> None:
    """The same renderer says so at noon, and no longer an hour later; off is for ever."""
    renderer = Renderer(policy=policy)
    muted = [line for line in lines(renderer) if 'reason="quiet"' in line]
    assert 2 == len(muted)
    later = lines(renderer, replace(SNAPSHOT, taken_at=NOON + 3600))
    assert set(muted) == set(lines(renderer)) - set(later)
    assert 2 == len([line for line in later if 'reason="off"' in line])


def test_a_new_group_is_judged_and_a_lost_one_forgotten(policy: Policy) -> None:
    """What is kept from poll to poll is only what there is."""
    renderer = Renderer(policy=policy)
    east, west = SNAPSHOT.clusters
    fewer = replace(SNAPSHOT, clusters=(replace(east, groups=east.groups[1:]), west))
    before = lines(renderer)
    assert {line for line in before if '"c",consumer_group="nightly"' in line} == set(before) - set(
        lines(renderer, fewer)
    )
    assert before == lines(renderer)


def test_min_lag_makes_a_small_lag_no_lag(policy: Policy) -> None:
    """One message under two is 0 seconds, for the page and for people; two are what they were."""
    publisher = Publisher(SelfMetrics(), {"default": Renderer(policy=policy)})
    publisher.publish(SNAPSHOT)
    found = {each.name: list(each.lag_seconds) for each in publisher.snapshots["default"].clusters[0].groups}
    assert {"nightly": [0.0, 3600.0], "console": [3600.0] * 2, "other": [3600.0] * 2, ODD: [3600.0] * 2} == found
    page = b"".join(publisher.metrics(openmetrics=False, gzip=False).pieces(1 << 16)).decode()
    series = 'burrow_kafka_consumer_partition_lag_seconds{cluster="c",consumer_group="nightly",topic="t",partition='
    assert f'{series}"0"}} 0.000\n{series}"1"}} 3600.000\n' in page


def test_a_family_may_be_left_out(policy: Policy) -> None:
    """As any other."""
    disabled = frozenset({"burrow_kafka_consumer_policy_info"})
    assert not [line for line in lines(Renderer(disabled, policy=policy)) if "policy_info" in line]


def test_labels_of_a_burrow_stand_on_these_too(policy: Policy) -> None:
    """So that they go with the group's other series."""
    found = lines(Renderer(policy=policy, extra_labels={"region": "eu"}))
    assert found
    assert [] == [line for line in found if ',region="eu"}' not in line]


def test_contract() -> None:
    """Names and labels that rules and dashboards build on."""
    labels = {family.name: family.labels for family in FAMILIES}
    group = ("cluster", "consumer_group")
    assert (*group, "team", "severity") == labels["burrow_kafka_consumer_policy_info"]
    assert group == labels["burrow_kafka_consumer_lag_seconds_threshold"]
    assert (*group, "reason") == labels["burrow_kafka_consumer_alerts_muted"]
