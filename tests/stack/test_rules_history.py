"""Rules with long windows, on three hours of the demo from a virtual clock, evaluated by a real Prometheus."""

from __future__ import annotations

import re
from collections.abc import Iterator

import pytest

from tests.support import alerts
from tests.support.history import RECORDED, History, at_once, demo_history

pytestmark = pytest.mark.prometheus

ALERTS = {rule["alert"]: rule["expr"] for rule in alerts.rules("alert")}
WELL = {"checkout-payments", "newsletter-mailer", "session-aggregator", "burrow-eu-west", "burrow-us-east"}
GAVE_UP = {"customer-360"}
"""It reads one of its topics no more, which still gets messages."""
FEW = {
    "cluster:burrow_exporter_unreadable_groups:all_read",
    "cluster:burrow_kafka_cluster_consumer_groups:lost",
    "group:burrow_kafka_consumer_alerts_muted:any",
    "topic:burrow_kafka_topic_partition_offset:produced_timestamp_seconds",
    "partition:burrow_kafka_topic_partition_offset:hot_ratio",
    "partition:burrow_kafka_consumer_partition_lag:hot_ratio",
    "partition:burrow_kafka_consumer_current_offset:ahead",
    "partition:kafka_log_Log_Value:log_start_offset",
    "partition:kafka_log_Log_Value:log_start_offset_per_second",
    "partition:burrow_kafka_consumer_current_offset:above_log_start",
    "partition:burrow_kafka_consumer_partition:lost_messages",
    "partition:burrow_kafka_consumer_partition:retention_used_ratio",
    "partition:burrow_kafka_consumer_partition:seconds_to_loss",
}
"""What is recorded only where there is something to tell: here are no hot partitions, no policy, none of the exporter's
own metrics, no commits beyond the log end, no brokers' JMX, and no group is lost."""


@pytest.fixture(scope="module")
def history(tmp_path_factory: pytest.TempPathFactory) -> Iterator[History]:
    """Let three hours go by."""
    with demo_history(tmp_path_factory.mktemp("history"), 3 * 3600) as result:
        yield result


@pytest.mark.parametrize("name", [name for name in ALERTS if name.startswith("Consumer")])
def test_groups_that_are_well(name: str, history: History) -> None:
    """They never raise an alert, not even for a moment."""
    assert set() == WELL & history.groups(ALERTS[name], history.start)


def test_who_will_not_catch_up(history: History) -> None:
    """The group that gave a topic up, and none of those whose lag comes and goes, though the trend accuses them."""
    query = ALERTS["ConsumerGroupWillNotCatchUp"]
    (trend,) = re.findall(r"3600 \* deriv\(.*?\) > 36", query)
    assert GAVE_UP == history.groups(query, history.start)
    assert GAVE_UP < history.groups(trend, history.start + 3600)


def test_who_is_in_error(history: History) -> None:
    """Those that stall, stop and rewind, each under its own name too."""
    assert GAVE_UP | {"audit-replay", "invoice-printer", "ledger-archive"} <= history.groups(
        ALERTS["ConsumerGroupError"], history.start
    )
    assert GAVE_UP | {"ledger-archive"} == history.groups(ALERTS["ConsumerPartitionStopped"], history.start)
    assert {"audit-replay"} == history.groups(ALERTS["ConsumerPartitionRewound"], history.start)
    assert "invoice-printer" in history.groups(ALERTS["ConsumerPartitionStalled"], history.start)


@pytest.mark.parametrize("name", RECORDED)
def test_what_is_recorded(name: str, history: History) -> None:
    """Every recording rule has something to record; of a hot partition promtool records jumps (``at_once``)."""
    query = at_once(name) if name.endswith(":hot_ratio") else name
    assert (name in FEW) != bool(history.ask(query, history.start))
