"""The exporter's own metrics: whether it works, how long it takes, and what failed."""

from __future__ import annotations

import platform
import threading
from collections.abc import Iterable, Mapping

from prometheus_client import (
    CollectorRegistry,
    Counter,
    Gauge,
    GCCollector,
    PlatformCollector,
    ProcessCollector,
    disable_created_metrics,
)
from prometheus_client import exposition as text_format
from prometheus_client.metrics import MetricWrapperBase
from prometheus_client.metrics_core import CounterMetricFamily, Metric
from prometheus_client.openmetrics import exposition as openmetrics_format
from prometheus_client.registry import Collector

from burrow_exporter import __version__, log
from burrow_exporter.burrow.failures import Endpoint, Reason
from burrow_exporter.snapshot import Cluster

PREFIX = "burrow_exporter"


class SelfMetrics:
    """The metrics of one exporter, in a registry of their own."""

    def __init__(self) -> None:
        disable_created_metrics()  # type: ignore[no-untyped-call] # no types there
        self.registry = CollectorRegistry()
        self.registry.register(DroppedLines())
        for collector in (ProcessCollector, PlatformCollector, GCCollector):
            collector(registry=self.registry)
        self._gauge(
            "build_info",
            "A metric with a constant value of 1, labeled by exporter and Python version.",
            "version",
            "python_version",
        ).labels(
            __version__,
            platform.python_version(),
        ).set(1)
        self.up = self._gauge("burrow_up", "1 if the last poll of Burrow succeeded, else 0.", "burrow")
        self.success = self._gauge(
            "last_poll_success_timestamp_seconds",
            "Timestamp of the end of the last successful poll, and so the age of the metrics read from this Burrow.",
            "burrow",
        )
        self.duration = self._gauge(
            "poll_duration_seconds", "Duration of the last poll of Burrow in seconds.", "burrow"
        )
        self.polls = self._counter("polls", "Total number of polls of Burrow.", "burrow")
        self.poll_failures = self._counter("poll_failures", "Total number of failed polls of Burrow.", "burrow")
        self.requests = self._counter("requests", "Total number of requests to Burrow.", "burrow", "endpoint")
        self.request_failures = self._counter(
            "request_failures",
            "Total number of failed requests to Burrow, including responses that could only be used in part.",
            "burrow",
            "endpoint",
            "reason",
        )
        self.unreadable = self._gauge(
            "unreadable_groups",
            "Number of listed consumer groups that pass the filters but had no usable response in the last poll.",
            "burrow",
            "cluster",
        )
        self.held = self._gauge(
            "held_groups",
            "Number of consumer groups held back because Burrow may not have read all of their commits.",
            "burrow",
            "cluster",
        )
        self.contradicts = self._gauge(
            "answers_contradict",
            "1 if responses of Burrow contradict each other, as when several Burrows share one address.",
            "burrow",
            "cluster",
        )
        self.filtered = self._gauge(
            "filtered_groups",
            "Number of consumer groups excluded by name, or with all partitions excluded by topic or commit_age.",
            "burrow",
            "cluster",
            "filter",
        )
        self.refused = self._gauge(
            "refused_clusters",
            "Number of clusters not exposed because an earlier Burrow has one of the same name and labels.",
            "burrow",
        )
        self.series = self._gauge("series", "Number of series on the page that come from Burrow.")
        self.limited = self._gauge(
            "series_limited",
            "Families dropped to stay within the series limit: 0 none, 1 those by partition, 2 also those by topic.",
        )
        self.page_bytes = self._gauge("page_bytes", "Size of the last rendered page in bytes.", "format", "encoding")
        self.reload = self._gauge(
            "config_last_reload_successful", "1 if the last configuration reload succeeded, else 0."
        )
        self.by_burrow: tuple[MetricWrapperBase, ...] = (
            *(self.up, self.success, self.duration, self.polls, self.poll_failures),
            *(
                self.requests,
                self.request_failures,
                self.unreadable,
                self.held,
                self.contradicts,
                self.filtered,
                self.refused,
            ),
        )
        self.limited.set(0)
        self.reload.set(1)

    def _gauge(self, name: str, text: str, *labels: str) -> Gauge:
        return Gauge(f"{PREFIX}_{name}", text, labels, registry=self.registry)

    def _counter(self, name: str, text: str, *labels: str) -> Counter:
        return Counter(f"{PREFIX}_{name}", text, labels, registry=self.registry)

    def of_burrow(self, burrow: str) -> BurrowMetrics:
        """Return the metrics of one Burrow, by its name in the configuration; all begin at 0."""
        metrics = BurrowMetrics(self, burrow)
        metrics.begin()
        return metrics

    def published(self, samples: int, sizes: Mapping[tuple[str, str], int], *, limited: int = 0) -> None:
        """Note a new page: its samples, its bytes by format and encoding, and how far families are left out."""
        self.series.set(samples)
        self.limited.set(limited)
        for names, size in sizes.items():
            self.page_bytes.labels(*names).set(size)

    def render(self, *, openmetrics: bool) -> bytes:
        """Return the metrics as the end of a page."""
        if openmetrics:
            return bytes(openmetrics_format.generate_latest(self.registry))  # type: ignore[no-untyped-call] # no types there
        return text_format.generate_latest(self.registry)


class DroppedLines(Collector):
    """The count that the log keeps itself."""

    def collect(self) -> Iterable[Metric]:
        """Yield the counter."""
        name, text = f"{PREFIX}_log_messages_dropped", "Total number of log lines that could not be written."
        yield CounterMetricFamily(name, text, value=log.dropped())


class BurrowMetrics:
    """The metrics of one Burrow. Its ``sent`` and ``failed`` are what ``BurrowClient`` reports to.

    There is no series of it before ``begin``. Once forgotten it notes nothing any more: a request under way may end
    later than its Burrow is configured.
    """

    def __init__(self, metrics: SelfMetrics, burrow: str) -> None:
        self._metrics = metrics
        self._burrow = burrow
        self._clusters: set[str] = set()
        self._forgotten = False
        self._lock = threading.Lock()
        self._sent: dict[Endpoint, Counter] = {}

    def begin(self) -> None:
        """Have a series of each metric, so that the first failure shows as an increase."""
        if not self._sent:
            metrics, burrow = self._metrics, self._burrow
            metrics.up.labels(burrow).set(0)
            for metric in (metrics.polls, metrics.poll_failures, metrics.refused):
                metric.labels(burrow)
            self._sent = {endpoint: metrics.requests.labels(burrow, endpoint) for endpoint in Endpoint}

    def sent(self, endpoint: Endpoint) -> None:
        """Note a request."""
        self._sent[endpoint].inc()

    def failed(self, endpoint: Endpoint, reason: Reason) -> None:
        """Note a failure."""
        with self._lock:
            if not self._forgotten:
                self._metrics.request_failures.labels(self._burrow, endpoint, reason).inc()

    def polled(self, *, good: bool, at: float, duration: float) -> None:
        """Note the end of a poll: ``at`` in Unix seconds, ``duration`` in seconds."""
        metrics = self._metrics
        with self._lock:
            if self._forgotten:
                return
            metrics.polls.labels(self._burrow).inc()
            metrics.duration.labels(self._burrow).set(duration)
            metrics.up.labels(self._burrow).set(good)
            if good:
                metrics.success.labels(self._burrow).set(at)
            else:
                metrics.poll_failures.labels(self._burrow).inc()

    def overdue(self) -> None:
        """Note that polls no longer end."""
        with self._lock:
            if not self._forgotten:
                self._metrics.up.labels(self._burrow).set(0)

    def clusters(self, clusters: Iterable[Cluster]) -> None:
        """Note which groups of each cluster are not published; clusters not among these are gone."""
        metrics = self._metrics
        with self._lock:
            if self._forgotten:
                return
            known, self._clusters = self._clusters, set()
            for cluster in clusters:
                metrics.unreadable.labels(self._burrow, cluster.name).set(cluster.unreadable_groups)
                metrics.held.labels(self._burrow, cluster.name).set(cluster.held_groups)
                metrics.contradicts.labels(self._burrow, cluster.name).set(cluster.contradicts)
                for name, count in cluster.filtered_groups.items():
                    metrics.filtered.labels(self._burrow, cluster.name, name).set(count)
                self._clusters.add(cluster.name)
            for name in known - self._clusters:
                for metric in (metrics.unreadable, metrics.held, metrics.contradicts, metrics.filtered):
                    metric.remove_by_labels({"burrow": self._burrow, "cluster": name})

    def forget(self) -> None:
        """Drop every series of the Burrow."""
        with self._lock:
            self._forgotten = True
            for metric in self._metrics.by_burrow:
                metric.remove_by_labels({"burrow": self._burrow})
