"""The body of an HTTP response, read in pieces, so that a slow client needs no copy of it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from functools import partial


@dataclass(frozen=True, slots=True)
class Body:
    """A body: an iterator of ``pieces`` of limited size, and the total length in bytes."""

    pieces: Callable[[int], Iterable[bytes | memoryview]]
    length: int


def body_of(*chunks: bytes) -> Body:
    """Return a body of these bytes."""
    return Body(partial(cut, chunks), sum(map(len, chunks)))


def cut(chunks: Iterable[bytes], size: int) -> Iterator[memoryview]:
    """Split ``chunks`` into pieces of at most ``size`` bytes, without copying them."""
    for chunk in chunks:
        view = memoryview(chunk)
        for start in range(0, len(view), size):
            yield view[start : start + size]
