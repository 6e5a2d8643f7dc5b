"""The response to scrapes: the last published page of all Burrows, followed by the exporter's own metrics."""

from __future__ import annotations

import threading
import time
from collections.abc import Container, Mapping
from itertools import chain
from typing import TypeVar

import structlog

from burrow_exporter.body import Body, body_of
from burrow_exporter.metrics.compression import Piece, compress, gzip_member
from burrow_exporter.metrics.exposition import Page, Renderer, assemble
from burrow_exporter.metrics.self_metrics import SelfMetrics
from burrow_exporter.snapshot import Snapshot
from burrow_exporter.terms import GRANULARITIES, Granularity

LIMITED = {
    "topic": "series limit exceeded: families by topic replace those by partition",
    "group": "series limit exceeded: families by partition and by topic dropped",
}
T = TypeVar("T")
CHEAP_SECONDS = 0.02
"""CPU seconds of assembly below which a page is not worth batching."""
PAUSE = 20
"""An expensive page delays the next one by this multiple of its CPU time: at most a twentieth of one CPU."""


class Publisher:
    """Takes snapshots from the pollers' threads and serves pages to the HTTP server's threads.

    A page is replaced by a single assignment, so that a scrape sees either the old or the new one, complete.
    ``renderers`` has one renderer per Burrow, in the order of the Burrows on the page. ``max_series`` is 0 for no
    limit. Above it, families by partition are replaced by those by topic, and if that is not enough, both are dropped.

    A cluster is identified by its name and its Burrow's extra labels. It belongs to the first Burrow that lists it,
    even while that one is down; the cluster is refused from any other.

    The page contains all Burrows. If assembling it takes long because there are many, snapshots wait and are published
    together by ``refresh``: the work then grows linearly with the Burrows, not quadratically.
    """

    def __init__(self, metrics: SelfMetrics, renderers: Mapping[str, Renderer], max_series: int = 0) -> None:
        self._metrics = metrics
        self._renderers = dict(renderers)
        self._max_series = max_series
        self._polled: dict[str, Snapshot] = {}
        self._expiries: dict[str, float] = {}
        self._waiting: set[str] = set()
        self._next_page = 0.0
        self._refused: dict[str, frozenset[str]] = {}
        self._sections: dict[str, dict[str, Piece]] = {}
        self._rendered: dict[str, Granularity] = {}
        self._series: dict[tuple[str, Granularity], int] = {}
        self._limit: Granularity = "partition"
        self._lock = threading.Lock()
        self._page = assemble(())
        self.snapshots: dict[str, Snapshot] = {}

    def publish(self, snapshot: Snapshot) -> None:
        """Publish a snapshot in place of its Burrow's last one. Ignores Burrows that have been removed."""
        with self._lock:
            if snapshot.burrow in self._renderers:
                self._take(snapshot)
                if time.monotonic() >= self._next_page:
                    self._renew()

    def refresh(self, monotonic: float) -> None:
        """Remove what has expired by ``monotonic`` from the page, and add waiting snapshots."""
        with self._lock:
            for name in [name for name, moment in self._expiries.items() if moment <= monotonic]:
                self._take(self._polled[name].fresh(monotonic))
            if self._waiting:
                self._renew()

    def reconfigure(self, renderers: Mapping[str, Renderer], max_series: int) -> None:
        """Publish the known snapshots under a new configuration: without removed Burrows, with the new renderers."""
        with self._lock:
            changed = {name for name, renderer in renderers.items() if self._renderers.get(name) is not renderer}
            self._renderers, self._max_series = dict(renderers), max_series
            self._polled = kept(self._polled, renderers)
            self._expiries = kept(self._expiries, renderers)
            self._refused = kept(self._refused, renderers)
            self._sections = kept(self._sections, renderers)
            self._rendered = kept(self._rendered, renderers)
            self.snapshots = kept(self.snapshots, renderers)
            self._waiting = (self._waiting | changed) & self._polled.keys()
            self._renew()

    def metrics(self, *, openmetrics: bool, gzip: bool) -> Body:
        """Return the page: complete with gzip, else in chunks that are decompressed as they are read."""
        page = self._page
        tail = self._metrics.render(openmetrics=openmetrics)
        if gzip:
            return body_of(*gzip_member(*page.pieces(openmetrics=openmetrics), compress(tail)))
        length = sum(piece.length for piece in page.pieces(openmetrics=openmetrics)) + len(tail)
        return Body(lambda size: chain(page.plain(size, openmetrics=openmetrics), (tail,)), length)

    def _take(self, snapshot: Snapshot) -> None:
        """Store a Burrow's snapshot for publication."""
        self._polled[snapshot.burrow] = snapshot
        self._expiries[snapshot.burrow] = snapshot.next_expiry()
        self._waiting.add(snapshot.burrow)

    def _renew(self) -> None:
        """Render waiting snapshots and those whose refused clusters have changed, and assemble the page."""
        begun = time.thread_time()
        burrows = self._waiting | self._share_out()
        shared_out = time.thread_time()
        self.snapshots = self.snapshots | {name: self._revised(name) for name in burrows}
        self._choose_limit(burrows)
        for name in burrows | {name for name, limit in self._rendered.items() if limit != self._limit}:
            self._waiting.discard(name)
            self._sections[name] = self._renderers[name].render(self.snapshots[name], self._limit)
            self._rendered[name] = self._limit
        rendered = time.thread_time()
        self._page = page = assemble([self._sections[name] for name in self._renderers if name in self._sections])
        self._metrics.published(page.samples, self._sizes(page), limited=GRANULARITIES.index(self._limit))
        self._pause(shared_out - begun + time.thread_time() - rendered)

    def _pause(self, cost: float) -> None:
        """Delay the next page if this one was expensive to assemble. ``cost`` is in CPU seconds."""
        self._next_page = time.monotonic() + (cost * PAUSE if cost > CHEAP_SECONDS else 0)

    def _revised(self, name: str) -> Snapshot:
        """Return a Burrow's last snapshot for publication: without refused clusters, adjusted to the policy."""
        return self._renderers[name].revise(self._polled[name].without(self._refused[name]))

    def _share_out(self) -> set[str]:
        """Assign each cluster to the first Burrow that lists it. Return the Burrows for which this is a change."""
        taken: set[tuple[str, frozenset[tuple[str, str]]]] = set()
        changed = set()
        for name, renderer in self._renderers.items():
            if name in self._polled:
                listed = {(cluster, renderer.extra_labels) for cluster in self._polled[name].names()}
                refused = frozenset(cluster for cluster, _ in listed & taken)
                taken |= listed
                if refused != self._refused.get(name, frozenset()):
                    changed.add(name)
                    self._report(name, refused)
                self._refused[name] = refused
        return changed

    def _report(self, burrow: str, refused: frozenset[str]) -> None:
        """Log a change in a Burrow's refused clusters."""
        log = structlog.get_logger().bind(burrow=burrow)
        if refused:
            names = ", ".join(map(repr, sorted(refused)))
            log.warning("clusters refused: an earlier Burrow exposes them with the same labels", clusters=names)
        else:
            log.info("clusters no longer refused")
        self._metrics.refused.labels(burrow).set(len(refused))

    def _choose_limit(self, burrows: set[str]) -> None:
        """Choose the granularity before families take memory, and log when it changes.

        ``burrows`` are those whose series may have changed.
        """
        same = self.snapshots.keys() - burrows
        self._series = {key: count for key, count in self._series.items() if key[0] in same}
        if not self._max_series and self._limit == "partition":
            return
        fitting = (each for each in GRANULARITIES if not 0 < self._max_series < self._count(each))
        limit = next(fitting, GRANULARITIES[-1])
        if limit != self._limit:
            log = structlog.get_logger().bind(series=self._count("partition"), max_series=self._max_series)
            if limit == "partition":
                log.info("series limit no longer exceeded, all families exposed")
            else:
                log.warning(LIMITED[limit])
        self._limit = limit

    def _count(self, limit: Granularity) -> int:
        """Return the number of series of all Burrows, none finer than ``limit``."""
        for name, snapshot in self.snapshots.items():
            if (name, limit) not in self._series:
                self._series[name, limit] = self._renderers[name].count(snapshot, limit)
        return sum(self._series[name, limit] for name in self.snapshots)

    def _sizes(self, page: Page) -> dict[tuple[str, str], int]:
        """Return the sizes of a page in bytes by format and encoding, including the exporter's own metrics."""
        sizes = {}
        for form in ("text", "openmetrics"):
            tail = self._metrics.render(openmetrics=form == "openmetrics")
            pieces = [*page.pieces(openmetrics=form == "openmetrics"), compress(tail)]
            sizes[form, "plain"] = sum(piece.length for piece in pieces)
            sizes[form, "gzip"] = sum(map(len, gzip_member(*pieces)))
        return sizes


def kept(known: Mapping[str, T], names: Container[str]) -> dict[str, T]:
    """Return the entries of the given Burrows."""
    return {name: value for name, value in known.items() if name in names}
