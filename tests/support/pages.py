"""Pages, parsed for comparison."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterable

from prometheus_client import Metric
from prometheus_client.parser import text_string_to_metric_families

from burrow_exporter.exporter import Exporter
from burrow_exporter.metrics.exposition import Renderer, assemble
from burrow_exporter.metrics.self_metrics import SelfMetrics
from burrow_exporter.polling.poller import Poller
from burrow_exporter.settings.config import BurrowConfig, Filters, MetricsConfig, PollConfig
from burrow_exporter.snapshot import Snapshot

Sample = tuple[str, frozenset[tuple[str, str]]]


def text_of(snapshot: Snapshot, metrics: MetricsConfig | None = None, *, openmetrics: bool = False) -> str:
    """Return the page of a snapshot, without the exporter's own metrics."""
    metrics = metrics or MetricsConfig()
    sections = Renderer(
        metrics.disable,
        partition_info=metrics.partition_info,
        granularity=metrics.granularity,
        topic_families=metrics.topic_families,
    ).render(snapshot)
    return b"".join(assemble([sections]).plain(openmetrics=openmetrics)).decode() + "# EOF\n" * openmetrics


def samples_in(
    text: str,
    parse: Callable[[str], Iterable[Metric]] = text_string_to_metric_families,
) -> dict[Sample, float]:
    """Return the samples of a page, by name and labels; a duplicate sample is an error."""
    found: dict[Sample, float] = {}
    for family in parse(text):
        for sample in family.samples:
            key = sample.name, frozenset(sample.labels.items())
            assert key not in found, key
            found[key] = float(sample.value)
    return found


class Polled:
    """A poller of a Burrow, or of an address, that the test triggers, and the samples it published last."""

    def __init__(
        self,
        burrow: str | BurrowConfig,
        filters: Filters | None = None,
        poll: PollConfig | None = None,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self.self_metrics = SelfMetrics()
        self.published: list[Snapshot] = []
        self.stop = threading.Event()
        if isinstance(burrow, str):
            burrow = BurrowConfig(addresses=(burrow,), filters=filters or Filters(), timeout=2)
        self.poller = Poller(
            burrow,
            poll or PollConfig(),
            self.self_metrics.of_burrow("default"),
            self.published.append,
            self.stop,
            clock=clock,
        )

    def poll(self) -> dict[Sample, float]:
        """Poll once and return the published samples."""
        self.poller.poll()
        return samples_in(self.text())

    def text(self) -> str:
        """Return the page of the last published snapshot."""
        return text_of(self.published[-1])

    def own(self, name: str, **labels: str) -> float | None:
        """Return one of the exporter's own samples."""
        return self.self_metrics.registry.get_sample_value(f"burrow_exporter_{name}", {"burrow": "default", **labels})


def page_of(exporter: Exporter) -> dict[Sample, float]:
    """Return the samples that an exporter exposes."""
    return samples_in(b"".join(exporter.metrics(openmetrics=False, gzip=False).pieces(1000)).decode())


def own_of(exporter: Exporter, name: str, **labels: str) -> float | None:
    """Return one of an exporter's own samples."""
    return page_of(exporter).get((f"burrow_exporter_{name}", frozenset(labels.items())))


def wait_until(condition: Callable[[], object], seconds: float = 10) -> None:
    """Wait until a condition holds; fail if that takes too long."""
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "waited in vain"
        time.sleep(0.01)


def select(samples: dict[Sample, float], name: str, label: str) -> dict[str, float]:
    """Return the values of one family by one of its labels."""
    return {dict(labels)[label]: value for (family, labels), value in samples.items() if family == name}


def names(samples: Iterable[Sample]) -> set[str]:
    """Return the families that have samples."""
    return {name for name, _ in samples}
