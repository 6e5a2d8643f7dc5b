"""Answers are decoded in several threads from the first one on."""

from __future__ import annotations

import subprocess
import sys

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
