"""The body of an HTTP answer, taken in pieces, so that a client that reads slowly costs no copy of it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from functools import partial


@dataclass(frozen=True, slots=True)
class Body:
    """What an answer carries: ``pieces`` of at most so many bytes each, and the number of bytes in all of them."""

    pieces: Callable[[int], Iterable[bytes]]
    length: int


def body_of(*chunks: bytes) -> Body:
    """Return what carries these bytes, one after the other."""
    return Body(partial(cut, chunks), sum(map(len, chunks)))


def cut(chunks: Iterable[bytes], size: int) -> Iterator[bytes]:
    """Cut ``chunks`` into pieces of at most ``size`` bytes, the most that an unread answer holds in memory."""
    for chunk in chunks:
        for start in range(0, len(chunk), size):
            yield chunk[start : start + size]
