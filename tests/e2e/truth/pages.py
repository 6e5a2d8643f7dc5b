"""Consumer groups on a /metrics page, the exporter's or Burrow's own; both use the same names."""

from __future__ import annotations

import re
import urllib.request
from dataclasses import dataclass, field

from tests.e2e.truth.ledger import Place

SAMPLE = re.compile(r"^([a-z_]+)\{(.*)\} (\S+)$")
LABEL = re.compile(r'([a-z_]+)="((?:[^"\\]|\\.)*)"')
STATUS = {0: "NOTFOUND", 1: "OK", 2: "WARN", 3: "ERR", 4: "STOP", 5: "STALL", 6: "REWIND"}
LAST_POLL = "burrow_exporter_last_poll_success_timestamp_seconds"


@dataclass
class Shown:
    """What one page shows of one group; ``None`` and missing partitions: nothing."""

    status: str | None = None
    lag: float | None = None
    seconds: float | None = None
    partition_lag: dict[Place, float] = field(default_factory=dict)
    partition_seconds: dict[Place, float] = field(default_factory=dict)
    offset: dict[Place, float] = field(default_factory=dict)


@dataclass
class Page:
    """One page: its groups, and when the poll behind it ended."""

    groups: dict[str, Shown] = field(default_factory=dict)
    polled_at: float | None = None


def read(address: str, timeout: float = 15.0) -> Page | None:
    """Fetch and read a page; ``None`` if there is none."""
    try:
        with urllib.request.urlopen(f"{address}/metrics", timeout=timeout) as answer:  # noqa: S310  the chain's own address
            text = answer.read().decode()
    except OSError:
        return None
    page = Page()
    for line in text.splitlines():
        found = SAMPLE.match(line)
        if found:
            _take(page, found[1], dict(LABEL.findall(found[2])), float(found[3]))
    return page


def _take(page: Page, name: str, labels: dict[str, str], value: float) -> None:
    if name == LAST_POLL:
        page.polled_at = value
    if "consumer_group" not in labels:
        return
    shown = page.groups.setdefault(labels["consumer_group"], Shown())
    place = (labels.get("topic", ""), int(labels.get("partition", -1)))
    match name.removeprefix("burrow_kafka_"):
        case "consumer_status":
            shown.status = STATUS.get(int(value), str(value))
        case "consumer_lag_total":
            shown.lag = value
        case "consumer_lag_seconds":
            shown.seconds = value
        case "consumer_partition_lag":
            shown.partition_lag[place] = value
        case "consumer_partition_lag_seconds":
            shown.partition_seconds[place] = value
        case "consumer_current_offset":
            shown.offset[place] = value
