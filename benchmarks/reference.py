"""What ``prometheus_client.generate_latest`` takes for the samples of the exporter's own page.

The page is read and its samples are built as ``Metric`` objects, one a family, before any clock runs; only
``generate_latest`` is timed, with every object frozen out of the garbage collector's sight, which favours it. Writes
one JSON line: samples, bytes, CPU seconds of each round.
"""

from __future__ import annotations

import argparse
import gc
import json
import re
import time
import urllib.request
from collections.abc import Iterable, Iterator

from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.metrics_core import Metric
from prometheus_client.registry import Collector

PAIR = re.compile(r'(\w+)="((?:[^"\\]|\\.)*)"')


class Ready(Collector):
    """Hands out metrics that exist already."""

    def __init__(self, metrics: list[Metric]) -> None:
        self._metrics = metrics

    def collect(self) -> Iterable[Metric]:
        """Return the metrics."""
        return self._metrics


def lines_of(url: str) -> Iterator[str]:
    """Yield the lines of a page, not compressed."""
    with urllib.request.urlopen(url, timeout=120) as answer:  # noqa: S310  loopback
        for line in answer:
            yield line.decode().rstrip("\n")


def metrics_of(lines: Iterable[str]) -> list[Metric]:
    """Return the families of Burrow's figures; the exporter's own are left out.

    Label values must need no escapes: then the text between the quotes is the value.
    """
    metrics: list[Metric] = []
    for line in lines:
        if line.startswith("# HELP burrow_kafka_"):
            _, _, name, text = line.split(" ", 3)
            metrics.append(Metric(name, text, "gauge"))
        elif line.startswith("burrow_kafka_"):
            labels, _, value = line.rpartition(" ")
            metrics[-1].add_sample(metrics[-1].name, dict(PAIR.findall(labels)), float(value))
    return metrics


def main() -> None:
    """Read the page, time and report."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("port", type=int)
    parser.add_argument("--rounds", type=int, default=3)
    given = parser.parse_args()
    gc.disable()
    metrics = metrics_of(lines_of(f"http://127.0.0.1:{given.port}/metrics"))
    gc.freeze()
    gc.enable()
    registry = CollectorRegistry()
    registry.register(Ready(metrics))
    seconds, size = [], 0
    for _ in range(given.rounds):
        begun = time.process_time()
        size = len(generate_latest(registry))
        seconds.append(time.process_time() - begun)
    samples = sum(len(metric.samples) for metric in metrics)
    print(json.dumps({"samples": samples, "bytes": size, "cpu": seconds}))  # noqa: T201  to the parent


if __name__ == "__main__":
    main()
