"""Pieces of a page, each compressed once, and gzip members joined from them.

A deflate stream may be split at byte-aligned flushes. Pieces that are compressed separately and end in a full flush can
be joined in any order, and the checksum of the whole follows from theirs. So the page of one Burrow is compressed once
per poll, independently of other Burrows, and a scrape adds its own few metrics without compressing the rest again.
Sources: RFC 1951 (deflate), RFC 1952 (gzip), and zlib's ``crc32_combine`` for the arithmetic of the checksum.

isal (Intel's ISA-L, also for ARM) takes a quarter of zlib's CPU time and compresses better.
"""

from __future__ import annotations

import struct
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import lru_cache

from isal import isal_zlib

LEVEL = 1
SLICES = 16
BLOCK_BYTES = 64 * 1024
"""Compressed at once. Smaller blocks compress worse: these take 1 % more bytes than a whole family at once."""
RAW_DEFLATE = -isal_zlib.MAX_WBITS
GZIP_HEADER = b"\x1f\x8b\x08\x00\x00\x00\x00\x00\x00\xff"
EMPTY_FINAL_BLOCK = b"\x03\x00"
CRC_POLYNOMIAL = 0xEDB88320
ONE = 1 << 31


@dataclass(frozen=True, slots=True)
class Piece:
    """Compressed bytes: raw deflate that ends in a full flush, with CRC-32 and length of the uncompressed bytes.

    ``samples`` is the number of samples in them.
    """

    deflated: bytes
    crc: int
    length: int
    samples: int = 0

    def plain(self, size: int = 64 * 1024) -> Iterator[bytes]:
        """Yield the uncompressed bytes in chunks of at most ``size``, which is at least 16."""
        decompressor = isal_zlib.decompressobj(RAW_DEFLATE)
        # Small slices, since each call copies its unconsumed input: halves the CPU time of a plain page.
        for start in range(0, len(self.deflated), size // SLICES):
            rest = self.deflated[start : start + size // SLICES]
            while rest:
                yield decompressor.decompress(rest, size)
                rest = decompressor.unconsumed_tail
        while piece := decompressor.decompress(b"", size):
            yield piece


class PieceWriter:
    """Compresses data as it is written, in blocks, so that the uncompressed whole is never in memory.

    Blocks end in a full flush, so several writers may share one compressor, which takes 357 KiB: with one for each
    family, every page allocated 11 MiB for a moment.
    """

    def __init__(self, compressor: isal_zlib.Compress | None = None) -> None:
        self._compressor = compressor or new_compressor()
        self._block: list[bytes] = []
        self._block_bytes = 0
        self._deflated: list[bytes] = []
        self._crc = 0
        self._length = 0
        self._samples = 0

    def write(self, data: bytes, samples: int = 0) -> None:
        """Append ``data``, which contains ``samples`` samples."""
        self._block.append(data)
        self._block_bytes += len(data)
        self._samples += samples
        if self._block_bytes >= BLOCK_BYTES:
            self._end_block()

    def finish(self) -> Piece:
        """Return everything written as one piece."""
        self._end_block()
        return Piece(b"".join(self._deflated), self._crc, self._length, self._samples)

    def _end_block(self) -> None:
        data = b"".join(self._block)
        self._deflated.append(self._compressor.compress(data) + self._compressor.flush(isal_zlib.Z_FULL_FLUSH))
        self._crc = isal_zlib.crc32(data, self._crc)
        self._length += self._block_bytes
        self._block, self._block_bytes = [], 0


def new_compressor() -> isal_zlib.Compress:
    """Return a compressor for writers of one thread."""
    return isal_zlib.compressobj(LEVEL, isal_zlib.DEFLATED, RAW_DEFLATE)


def compress(data: bytes) -> Piece:
    """Return ``data`` as one piece."""
    writer = PieceWriter()
    writer.write(data)
    return writer.finish()


def join(pieces: Iterable[Piece]) -> Piece:
    """Concatenate pieces to one."""
    pieces = list(pieces)
    samples = sum(piece.samples for piece in pieces)
    return Piece(b"".join(piece.deflated for piece in pieces), *crc_and_length(pieces), samples)


def gzip_member(*pieces: Piece) -> list[bytes]:
    """Return a complete gzip member of the concatenated pieces, as a short list of bytes."""
    crc, length = crc_and_length(pieces)
    trailer = struct.pack("<LL", crc, length & 0xFFFFFFFF)
    return [GZIP_HEADER, *(piece.deflated for piece in pieces), EMPTY_FINAL_BLOCK + trailer]


def crc_and_length(pieces: Iterable[Piece]) -> tuple[int, int]:
    """Return CRC-32 and length of the uncompressed bytes of the concatenated pieces."""
    crc = length = 0
    for piece in pieces:
        crc = combine_crc(crc, piece.crc, piece.length)
        length += piece.length
    return crc, length


def combine_crc(first: int, second: int, second_length: int) -> int:
    """Return the CRC-32 of two concatenated strings from the CRC-32 of each and the second one's length in bytes."""
    return multiply(x_to_the(second_length * 8), first) ^ second


@lru_cache(maxsize=1024)
def x_to_the(power: int) -> int:
    """Return x to the ``power`` modulo the polynomial of CRC-32."""
    result, square = ONE, ONE >> 1
    while power:
        if power & 1:
            result = multiply(result, square)
        square = multiply(square, square)
        power >>= 1
    return result


def multiply(left: int, right: int) -> int:
    """Return the product of two polynomials over GF(2) modulo that of CRC-32. The highest bit is x to the 0."""
    product = 0
    while left:
        if left & ONE:
            product ^= right
        left = (left << 1) & 0xFFFFFFFF
        right = right >> 1 ^ (CRC_POLYNOMIAL if right & 1 else 0)
    return product
