"""Decoding: in several threads from the first response on, and strings that are too long."""

from __future__ import annotations

import subprocess
import sys

from hypothesis import example, given
from hypothesis import strategies as st

from burrow_exporter.burrow.client import MAX_TEXT_BYTES, has_long_text

SCRIPT = """
import sys, threading
from burrow_exporter.burrow import client
from burrow_exporter.burrow.answers import LagAnswer
from burrow_exporter.burrow.failures import Endpoint
sys.setswitchinterval(1e-6)
body = b'{"error":false,"message":"","status":{"cluster":"c","group":"g","status":"OK","partitions":[],"totallag":0}}'
gate = threading.Barrier(8)
def work():
    gate.wait()
    client.decode(Endpoint.LAG, "/", body, LagAnswer)
threads = [threading.Thread(target=work) for _ in range(8)]
for thread in threads: thread.start()
for thread in threads: thread.join()
"""


def test_threads_that_decode_at_once() -> None:
    """Threads that decode the first answers at once do not crash the process (msgspec looks into a type lazily)."""
    codes = [subprocess.run([sys.executable, "-c", SCRIPT], check=False, timeout=20).returncode for _ in range(8)]
    assert [0] * 8 == codes


@given(st.lists(st.integers(0, MAX_TEXT_BYTES * 2), min_size=1, max_size=6), st.sampled_from([b"x", b'\\"', b"\\\\"]))
@example([MAX_TEXT_BYTES], b"x")
@example([1, MAX_TEXT_BYTES, 1, MAX_TEXT_BYTES], b"x")
@example([MAX_TEXT_BYTES // 2, 2 * MAX_TEXT_BYTES, 0], b'\\"')
def test_long_texts_are_found(gaps: list[int], character: bytes) -> None:
    """Wherever they begin, also with escaped quotes in them. In between, it depends on where they begin."""
    texts = [character * (gap // len(character)) for gap in gaps]
    longest, found = max(map(len, texts)), has_long_text(b'"' + b'","'.join(texts) + b'"')
    assert not found or longest > MAX_TEXT_BYTES
    assert found or longest <= MAX_TEXT_BYTES * 3 // 2
