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


@given(st.lists(st.integers(0, MAX_TEXT_BYTES + 40_000), min_size=1, max_size=6))
@example([MAX_TEXT_BYTES])
@example([MAX_TEXT_BYTES + 1])
@example([MAX_TEXT_BYTES - 1, MAX_TEXT_BYTES + 1])
@example([1, MAX_TEXT_BYTES + 1, 1])
@example([MAX_TEXT_BYTES // 2, MAX_TEXT_BYTES])
def test_long_texts_are_found(gaps: list[int]) -> None:
    """A body has a long text if one of the gaps between its quotes is longer than the limit, wherever it begins."""
    body = b'"'.join(b"x" * gap for gap in gaps)
    assert (max(gaps) > MAX_TEXT_BYTES) is has_long_text(body)
