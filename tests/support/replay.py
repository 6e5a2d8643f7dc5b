"""Pages of exporters that a test cannot run, recorded from real ones, served on a real socket.

``recordings/exporters/jmx.txt`` is what the JMX exporter 1.0.1 said of a Kafka 4.1 broker, with the configuration of
``compose/kafka/jmx.yaml`` and so with the names that MSK has, but for log starts, which are those of a topic of the
demo; ``thanos-*.txt`` are from Thanos 0.41. All are cut down to the families that something here uses. ``msk*.txt``
were written by hand: a broker of MSK in the form of its JMX exporter 0.12, and groups on it.
"""

from __future__ import annotations

import re
import time
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread

from tests.support.recorded import RECORDINGS

PAGES = {f"/{path.stem}": path.read_text(encoding="utf-8") for path in (RECORDINGS / "exporters").glob("*.txt")}
COUNTER = re.compile(r"^(\w+(?:_Count|_total)(?:\{.*\})?) (\S+)$", re.MULTILINE)
GROWTH = 1 / 600
"""What counters grow by in a second, as a share of what was recorded."""


def page(text: str, seconds: float) -> str:
    """Return a recorded page as it is some seconds later: its counters have counted on."""
    return COUNTER.sub(lambda match: f"{match[1]} {float(match[2]) * (1 + seconds * GROWTH)}", text)


@contextmanager
def replay() -> Iterator[str]:
    """Serve each recording at the path of its name until the end of the block; give the address (``HOST:PORT``)."""
    begun = time.monotonic()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            known = PAGES.get(self.path, "")
            body = page(known, time.monotonic() - begun).encode()
            self.send_response_only(200 if known else 404)
            self.send_header("Content-Type", "text/plain; version=0.0.4")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        Thread(target=server.serve_forever, daemon=True).start()
        yield f"127.0.0.1:{server.server_address[1]}"
        server.shutdown()
