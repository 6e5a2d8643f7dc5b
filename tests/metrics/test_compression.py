"""Tests of compression.py."""

from __future__ import annotations

import gzip
import zlib

from hypothesis import given
from hypothesis import strategies as st

from burrow_exporter.metrics.compression import PieceWriter, combine_crc, compress, gzip_member, join, new_compressor

TEXTS = st.lists(st.binary(max_size=300) | st.builds(bytes.__mul__, st.binary(max_size=9), st.integers(0, 50_000)))


@given(TEXTS)
def test_pieces_joined_in_any_way_are_one_gzip_member_of_their_texts(texts: list[bytes]) -> None:
    """Pieces compressed apart read as one text, whether they are joined first or in the member, with a right sum."""
    pieces = [compress(text) for text in texts]
    assert b"".join(texts) * 2 == gzip.decompress(b"".join(gzip_member(join(pieces), *pieces)))


@given(TEXTS, st.integers(16, 1 << 20))
def test_a_piece_gives_back_its_text_in_bounded_pieces(texts: list[bytes], size: int) -> None:
    """The plain page never stands in memory as a whole, neither when written nor when read."""
    writer = PieceWriter()
    for text in texts:
        writer.write(text)
    pieces = list(writer.finish().plain(size))
    assert b"".join(texts) == b"".join(pieces)
    assert size >= max(map(len, pieces))


def test_writers_share_a_compressor() -> None:
    """Their pieces are independent, though the blocks of one are compressed between those of the others."""
    compressor = new_compressor()
    texts = [b"%d" % number * 10_000 for number in range(5)]
    writers = [PieceWriter(compressor) for _ in texts]
    for _ in range(20):
        for writer, text in zip(writers, texts, strict=True):
            writer.write(text, samples=1)
    for writer, text in zip(writers, texts, strict=True):
        piece = writer.finish()
        assert text * 20 == gzip.decompress(b"".join(gzip_member(piece)))
        assert (len(text) * 20, 20) == (piece.length, piece.samples)


@given(st.binary(), st.binary())
def test_check_sums_combine(first: bytes, second: bytes) -> None:
    """The sum of two strings follows from their sums and the length of the second, as zlib says it."""
    assert zlib.crc32(first + second) == combine_crc(zlib.crc32(first), zlib.crc32(second), len(second))


def test_a_gzip_member_is_what_other_programs_read() -> None:
    """It is a single member that ends where it should: no program stops in its middle."""
    decompressor = zlib.decompressobj(wbits=31)
    member = b"".join(gzip_member(compress(b"large" * 100_000), compress(b"tail")))
    assert b"large" * 100_000 + b"tail" == decompressor.decompress(member)
    assert (True, b"") == (decompressor.eof, decompressor.unused_data)


def test_a_piece_is_the_same_however_it_was_written() -> None:
    """Its check sum and its length are those of all that was written, bit by bit or at once."""
    writer = PieceWriter()
    for data in (b"one ", b"", b"two"):
        writer.write(data)
    bits, whole = writer.finish(), compress(b"one two")
    assert (whole.crc, whole.length) == (bits.crc, bits.length)
    assert b"one two" == gzip.decompress(b"".join(gzip_member(bits)))
