"""What scrapes get: the page of all Burrows as last published, and the exporter's own metrics at its end."""

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
"""CPU to put a page together that is not worth waiting for company."""
PAUSE = 20
"""How many times as long as a dear page took the next one waits: it then takes a twentieth of one CPU at most."""


class Publisher:
    """Takes snapshots from the pollers' threads and gives pages to the server's.

    A new page replaces the one before by one assignment, so that a scrape sees either, whole. ``renderers`` holds one
    for each Burrow, in the order in which the Burrows stand on the page. ``max_series`` is 0 for no bound; above
    it families by partition give way to those by topic, and these to nothing.

    A cluster is known by its name and its Burrow's extra labels. It belongs to the first Burrow that lists it, also
    while that one is down; of any other it is refused.

    The page is put together from all Burrows. Where that takes long, because there are many, snapshots wait and go on
    the page together, with ``refresh``: the work then grows with the Burrows, not with their square.
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
        """Replace what is published of the snapshot's Burrow, if there still is such a Burrow."""
        with self._lock:
            if snapshot.burrow in self._renderers:
                self._take(snapshot)
                if time.monotonic() >= self._next_page:
                    self._renew()

    def refresh(self, monotonic: float) -> None:
        """Take off the page what has expired by ``monotonic``, and put on it what waits."""
        with self._lock:
            for name in [name for name, moment in self._expiries.items() if moment <= monotonic]:
                self._take(self._polled[name].fresh(monotonic))
            if self._waiting:
                self._renew()

    def reconfigure(self, renderers: Mapping[str, Renderer], max_series: int) -> None:
        """Publish what is known in another way: without Burrows that are gone, and as the renderers now have it."""
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
        """Return the page: large and ready bytes with gzip, else pieces that are decompressed as they are taken."""
        page = self._page
        tail = self._metrics.render(openmetrics=openmetrics)
        if gzip:
            return body_of(*gzip_member(*page.pieces(openmetrics=openmetrics), compress(tail)))
        length = sum(piece.length for piece in page.pieces(openmetrics=openmetrics)) + len(tail)
        return Body(lambda size: chain(page.plain(size, openmetrics=openmetrics), (tail,)), length)

    def _take(self, snapshot: Snapshot) -> None:
        """Note what is to be published of a Burrow."""
        self._polled[snapshot.burrow] = snapshot
        self._expiries[snapshot.burrow] = snapshot.next_expiry()
        self._waiting.add(snapshot.burrow)

    def _renew(self) -> None:
        """Render what waits and whatever is refused otherwise than before, and make the page of all."""
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
        """Have the next page wait where this one took long to put together, ``cost`` being the seconds of CPU."""
        self._next_page = time.monotonic() + (cost * PAUSE if cost > CHEAP_SECONDS else 0)

    def _revised(self, name: str) -> Snapshot:
        """Return a Burrow's last snapshot as it is published: without refused clusters, and as the policy has it."""
        return self._renderers[name].revise(self._polled[name].without(self._refused[name]))

    def _share_out(self) -> set[str]:
        """Give each cluster to the first Burrow that lists it; return the Burrows for which that changes something."""
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
        """Say that other clusters of a Burrow are refused than before."""
        log = structlog.get_logger().bind(burrow=burrow)
        if refused:
            names = ", ".join(map(repr, sorted(refused)))
            log.warning("clusters refused: an earlier Burrow exposes them with the same labels", clusters=names)
        else:
            log.info("clusters no longer refused")
        self._metrics.refused.labels(burrow).set(len(refused))

    def _choose_limit(self, burrows: set[str]) -> None:
        """See how fine families may be, before they take memory, and say so when that changes.

        ``burrows`` are those of which the series may be others than before.
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
        """Return how many series there would be of all Burrows, none finer than ``limit``."""
        for name, snapshot in self.snapshots.items():
            if (name, limit) not in self._series:
                self._series[name, limit] = self._renderers[name].count(snapshot, limit)
        return sum(self._series[name, limit] for name in self.snapshots)

    def _sizes(self, page: Page) -> dict[tuple[str, str], int]:
        """Return the bytes of a page by format and encoding, the exporter's own metrics included."""
        sizes = {}
        for form in ("text", "openmetrics"):
            tail = self._metrics.render(openmetrics=form == "openmetrics")
            pieces = [*page.pieces(openmetrics=form == "openmetrics"), compress(tail)]
            sizes[form, "plain"] = sum(piece.length for piece in pieces)
            sizes[form, "gzip"] = sum(map(len, gzip_member(*pieces)))
        return sizes


def kept(known: Mapping[str, T], names: Container[str]) -> dict[str, T]:
    """Return what is known of the Burrows of these names."""
    return {name: value for name, value in known.items() if name in names}
