"""What scrapes get: the page of all Burrows as last published, and the exporter's own metrics at its end."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Mapping
from itertools import chain

from burrow_exporter.compression import compress, gzip_member
from burrow_exporter.exposition import Page, Renderer, Section, assemble
from burrow_exporter.selfmetrics import SelfMetrics
from burrow_exporter.server import Body
from burrow_exporter.snapshot import Snapshot


class Publisher:
    """Takes snapshots from the pollers' threads and gives pages to the server's.

    A new page replaces the one before by one assignment, so that a scrape sees either, whole. ``renderers`` holds one
    for each Burrow, in the order in which the Burrows stand on the page.
    """

    def __init__(self, metrics: SelfMetrics, renderers: Mapping[str, Renderer]) -> None:
        self._metrics = metrics
        self._renderers = renderers
        self._sections: dict[str, dict[str, Section]] = {name: {} for name in renderers}
        self._lock = threading.Lock()
        self._page = assemble(())
        self.snapshots: dict[str, Snapshot] = {}

    def publish(self, snapshot: Snapshot) -> None:
        """Replace what is published of the snapshot's Burrow."""
        sections = self._renderers[snapshot.burrow].render(snapshot)
        with self._lock:
            self._sections[snapshot.burrow] = sections
            self.snapshots = self.snapshots | {snapshot.burrow: snapshot}
            self._page = page = assemble(self._sections.values())
            self._metrics.published(page.samples, self._sizes(page))

    def metrics(self, *, openmetrics: bool, gzip: bool) -> Body:
        """Return the page: large and ready bytes with gzip, else chunks that are decompressed as they are taken."""
        page = self._page
        tail = self._metrics.render(openmetrics=openmetrics)
        if gzip:
            chunks = gzip_member(page.piece, compress(tail))
            return Body(chunks, sum(map(len, chunks)))
        return Body(plain_chunks(page, tail), page.piece.length + len(tail))

    def _sizes(self, page: Page) -> dict[tuple[str, str], int]:
        """Return the bytes of a page by format and encoding, the exporter's own metrics included."""
        sizes = {}
        for form in ("text", "openmetrics"):
            tail = self._metrics.render(openmetrics=form == "openmetrics")
            sizes[form, "plain"] = page.piece.length + len(tail)
            sizes[form, "gzip"] = sum(map(len, gzip_member(page.piece, compress(tail))))
        return sizes


def plain_chunks(page: Page, tail: bytes) -> Iterator[bytes]:
    """Yield the page in chunks of at most 64 KiB, then the tail."""
    return chain(page.piece.plain(), (tail,))
