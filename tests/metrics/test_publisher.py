"""Tests of publisher.py and self_metrics.py: the response to scrapes."""

from __future__ import annotations

import gzip
import re
from collections.abc import Sequence
from dataclasses import replace

import pytest
from prometheus_client.openmetrics.parser import text_string_to_metric_families as parse_openmetrics
from structlog.testing import capture_logs

from burrow_exporter.burrow.failures import Endpoint, Reason
from burrow_exporter.metrics import publisher as module
from burrow_exporter.metrics.compression import Piece
from burrow_exporter.metrics.exposition import FamilyWriter, Renderer
from burrow_exporter.metrics.families import Value
from burrow_exporter.metrics.publisher import Publisher
from burrow_exporter.metrics.self_metrics import SelfMetrics
from burrow_exporter.snapshot import Cluster, Snapshot, Topic
from burrow_exporter.terms import Granularity
from tests.support.pages import samples_in, select


def snapshot(burrow: str, *clusters: str) -> Snapshot:
    """Return a snapshot of clusters without anything in them."""
    empty = (Cluster(name, (), (), 3, 4, None, None, 0, 0) for name in clusters)
    return Snapshot(burrow, tuple(empty), 0)


def page(publisher: Publisher, *, openmetrics: bool = False, compressed: bool = False) -> str:
    """Return the page as text, after a look at its length."""
    body = publisher.metrics(openmetrics=openmetrics, gzip=compressed)
    data = b"".join(body.pieces(1000))
    assert body.length == len(data)
    return (gzip.decompress(data) if compressed else data).decode()


def test_a_page_is_the_union_of_what_each_burrow_published_last() -> None:
    """A Burrow's snapshot replaces its own part and leaves the others' alone."""
    publisher = Publisher(SelfMetrics(), {"a": Renderer(), "b": Renderer()})
    publisher.publish(snapshot("b", "east"))
    publisher.publish(snapshot("a", "west", "north"))
    publisher.publish(snapshot("a", "west"))
    samples = samples_in(page(publisher))
    assert {"east": 3.0, "west": 3.0} == select(samples, "burrow_kafka_cluster_consumer_groups", "cluster")
    assert 4 == samples["burrow_exporter_series", frozenset()]


def test_a_cluster_is_refused_whichever_earlier_burrow_has_it() -> None:
    """Not the last one before only; which clusters are refused of whom is said in one line."""
    publisher = Publisher(SelfMetrics(), renderers := {name: Renderer() for name in "abc"})
    with capture_logs() as logs:
        publisher.publish(snapshot("a", "west", "east"))
        publisher.publish(snapshot("b", "north"))
        publisher.publish(snapshot("c", "west", "east", "south"))
    assert {"a": [], "b": [], "c": ["east", "west"]} == {
        name: sorted(each.refused) for name, each in publisher.snapshots.items()
    }
    event = "clusters refused: an earlier Burrow exposes them with the same labels"
    assert [{"burrow": "c", "event": event, "clusters": "'east', 'west'", "log_level": "warning"}] == logs
    assert 2 == samples_in(page(publisher))["burrow_exporter_refused_clusters", frozenset({("burrow", "c")})]
    with capture_logs() as logs:
        publisher.reconfigure({name: renderers[name] for name in "bc"}, 0)
    assert [{"burrow": "c", "event": "clusters no longer refused", "log_level": "info"}] == logs
    assert 0 == samples_in(page(publisher))["burrow_exporter_refused_clusters", frozenset({("burrow", "c")})]


class Counting(Renderer):
    """A renderer that counts what it renders."""

    rendered = 0

    def render(self, snapshot: Snapshot, limit: Granularity = "partition") -> dict[str, Piece]:
        """Count, and render."""
        self.rendered += 1
        return super().render(snapshot, limit)


def test_another_arrangement() -> None:
    """Burrows that are gone leave nothing, also when they come back; what is arranged as before is not made again."""
    same, gone, other = Counting(), Counting(), Counting(extra_labels={"dc": "x"})
    publisher = Publisher(SelfMetrics(), {"a": same, "b": gone, "c": gone})
    for name, cluster in (("a", "west"), ("b", "east"), ("c", "west")):
        publisher.publish(snapshot(name, cluster))
    publisher.reconfigure({"a": same, "c": other}, 0)
    publisher.publish(snapshot("b", "east"))
    assert [frozenset(), frozenset()] == [each.refused for each in publisher.snapshots.values()]
    assert {"a", "c"} == publisher.snapshots.keys()
    text = page(publisher)
    assert ["west", "west"] == re.findall(r'^burrow_kafka_cluster_topics{cluster="(\w+)"', text, re.MULTILINE)
    assert 1 == text.count('burrow_kafka_cluster_topics{cluster="west",dc="x"} 4')
    assert (1, 1) == (same.rendered, other.rendered)
    publisher.reconfigure({"a": same, "b": gone}, 1)
    assert {"a"} == publisher.snapshots.keys()
    assert (2, 2.0) == (same.rendered, samples_in(page(publisher))["burrow_exporter_series_limited", frozenset()])


def test_plain_and_gzip_text_and_openmetrics_say_the_same() -> None:
    """Four pages of one moment differ in nothing but their form; OpenMetrics ends with its mark."""
    metrics = SelfMetrics()
    publisher = Publisher(metrics, {"a": Renderer()})
    publisher.publish(snapshot("a", "west"))
    metrics.of_burrow("a").failed(Endpoint.LAG, Reason.TIMEOUT)
    steady = ("process_", "python_gc_")
    pages = []
    for compressed in (False, True):
        text = samples_in(page(publisher, compressed=compressed))
        openmetrics = page(publisher, openmetrics=True, compressed=compressed)
        assert openmetrics.endswith("# EOF\n")
        pages += [text, samples_in(openmetrics, parse_openmetrics)]
    first, *others = [{k: v for k, v in each.items() if not k[0].startswith(steady)} for each in pages]
    assert [first] * 3 == others


def test_own_metrics_are_served_from_the_start() -> None:
    """Before the first poll there are counters at 0, so that the first failure shows as an increase."""
    metrics = SelfMetrics()
    metrics.of_burrow("a")
    samples = samples_in(page(Publisher(metrics, {"a": Renderer()})))
    label = frozenset({("burrow", "a")})
    zeros = ("burrow_up", "polls_total", "poll_failures_total", "refused_clusters")
    assert [0] * 4 == [samples[f"burrow_exporter_{name}", label] for name in zeros]
    assert 0 == samples["burrow_exporter_requests_total", label | {("endpoint", "lag")}]
    assert "process_resident_memory_bytes" in {name for name, _ in samples}
    assert not [name for name, _ in samples if name.endswith("_created")]


def test_too_many_series() -> None:
    """Families by partition give way above the bound, not at it, then those by topic; each change is said once."""
    publisher = Publisher(SelfMetrics(), renderers := {"a": Renderer()}, 5)
    cluster = Cluster("west", (), (Topic("t", (7, 8, 9), 0, 0),), 3, 4, None, None, 0, 0)
    told = []
    with capture_logs() as logs:
        publisher.publish(Snapshot("a", (cluster,), 0))
        for bound in (5, 4, 4, 3, 2, 1, 0):
            publisher.reconfigure(renderers, bound)
            samples = samples_in(page(publisher))
            figures = (samples[f"burrow_exporter_{name}", frozenset()] for name in ("series", "series_limited"))
            told.append((len(select(samples, "burrow_kafka_topic_partition_offset", "partition")), *figures))
    assert [(3, 5, 0), *[(0, 3, 1)] * 3, *[(0, 2, 2)] * 2, (3, 5, 0)] == told
    assert [
        {
            "event": "series limit exceeded: families by topic replace those by partition",
            "series": 5,
            "max_series": 4,
            "log_level": "warning",
        },
        {
            "event": "series limit exceeded: families by partition and by topic dropped",
            "series": 5,
            "max_series": 2,
            "log_level": "warning",
        },
        {
            "event": "series limit no longer exceeded, all families exposed",
            "series": 5,
            "max_series": 0,
            "log_level": "info",
        },
    ] == logs


def test_there_is_no_bound_on_series_unless_one_is_given() -> None:
    """The page is whole from the first publication on, and nothing is said of it."""
    publisher = Publisher(SelfMetrics(), {"a": Renderer()})
    with capture_logs() as logs:
        publisher.publish(snapshot("a", "west"))
    assert ([], 2) == (logs, samples_in(page(publisher))["burrow_exporter_series", frozenset()])


def test_sizes_are_those_of_what_is_sent(monkeypatch: pytest.MonkeyPatch) -> None:
    """In either format, with and without gzip, to the byte."""
    metrics = SelfMetrics()
    monkeypatch.setattr(metrics, "render", lambda *, openmetrics: b"own 1\n" + b"# EOF\n" * openmetrics)
    publisher = Publisher(metrics, {"a": Renderer()})
    publisher.publish(snapshot("a", "west"))
    for form in ("text", "openmetrics"):
        for encoding in ("plain", "gzip"):
            body = publisher.metrics(openmetrics=form == "openmetrics", gzip=encoding == "gzip")
            labels = {"format": form, "encoding": encoding}
            assert body.length == metrics.registry.get_sample_value("burrow_exporter_page_bytes", labels)


def test_the_page_tells_its_own_size() -> None:
    """``page_bytes`` is the size of the page as published, up to the digits of the metrics that change."""
    publisher = Publisher(SelfMetrics(), {"a": Renderer()})
    publisher.publish(snapshot("a", "west"))
    text = page(publisher)
    told = {
        (dict(labels)["format"], dict(labels)["encoding"]): value
        for (name, labels), value in samples_in(text).items()
        if name == "burrow_exporter_page_bytes"
    }
    assert {"text", "openmetrics"} == {form for form, _ in told}
    assert abs(told["text", "plain"] - len(text)) < 0.1 * len(text)
    assert told["text", "gzip"] < told["text", "plain"] / 2


def test_clusters_that_are_gone_leave_no_counts_of_groups() -> None:
    """Their series end with the poll that no longer sees them."""

    def cluster(name: str, unreadable: int) -> Cluster:
        filtered = {"name": 5, "topic": 1}
        return Cluster(name, (), (), 0, 0, None, None, unreadable, 0.0, held_groups=3, filtered_groups=filtered)

    metrics = SelfMetrics()
    burrow = metrics.of_burrow("a")
    burrow.clusters([cluster("west", 1), cluster("east", 0)])
    burrow.clusters([cluster("east", 2)])
    samples = samples_in(page(Publisher(metrics, {"a": Renderer()})))
    assert {"east": 2.0} == select(samples, "burrow_exporter_unreadable_groups", "cluster")
    assert {"east": 3.0} == select(samples, "burrow_exporter_held_groups", "cluster")
    assert {("east", "name"): 5.0, ("east", "topic"): 1.0} == {
        (dict(labels)["cluster"], dict(labels)["filter"]): value
        for (name, labels), value in samples.items()
        if name == "burrow_exporter_filtered_groups"
    }


def test_readings_leave_the_page_when_they_expire() -> None:
    """By the clock alone, no poll is needed; the page is not made again before."""
    publisher = Publisher(SelfMetrics(), {"a": (renderer := Counting()), "b": Renderer()})
    west, east = (
        replace(cluster, expires_at=at) for at, cluster in zip((10, 20), snapshot("a", "w", "e").clusters, strict=True)
    )
    publisher.publish(Snapshot("a", (west, east), 0))
    publisher.publish(replace(snapshot("b", "south"), clusters=()))
    left = []
    for moment in (9.9, 10.0, 19.9, 20.0, 30.0):
        publisher.refresh(moment)
        left.append((len(publisher.snapshots["a"].clusters), renderer.rendered))
    assert [(2, 1), (1, 2), (1, 2), (0, 3), (0, 3)] == left
    assert "burrow_kafka_cluster_topics" not in page(publisher)


def test_many_burrows_share_a_page(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where a page takes long to put together, what comes soon after waits for the next one, and is not lost."""
    monkeypatch.setattr(module, "CHEAP_SECONDS", -1.0)
    monkeypatch.setattr(module, "PAUSE", 1e9)
    publisher = Publisher(SelfMetrics(), {name: Renderer() for name in "abc"})
    for name in "abc":
        publisher.publish(snapshot(name, name))
    assert ["a"] == list(publisher.snapshots)
    publisher.refresh(-1.0)
    samples = samples_in(page(publisher))
    assert set("abc") == set(select(samples, "burrow_kafka_cluster_topics", "cluster")) == publisher.snapshots.keys()


def test_a_burrow_that_cannot_be_rendered_costs_only_itself() -> None:
    """What was published of it stays, and the others go on."""

    class Broken(Counting):
        def render(self, snapshot: Snapshot, limit: Granularity = "partition") -> dict[str, Piece]:
            if self.rendered:
                raise MemoryError
            return super().render(snapshot, limit)

    publisher = Publisher(SelfMetrics(), {"a": Broken(), "b": Renderer()})
    publisher.publish(snapshot("a", "west"))
    with pytest.raises(MemoryError):
        publisher.publish(snapshot("a", "west", "east"))
    publisher.publish(snapshot("b", "north"))
    assert {"west", "north"} == set(select(samples_in(page(publisher)), "burrow_kafka_cluster_topics", "cluster"))


def test_too_many_series_take_no_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    """Families by partition are not rendered at all above the bound, and all of them are as soon as there is room."""
    written: list[str] = []
    write = FamilyWriter.write_column

    def note(self: FamilyWriter, labels: bytes, values: Sequence[Value]) -> None:
        written.append(self._name.decode())
        write(self, labels, values)

    monkeypatch.setattr(FamilyWriter, "write_column", note)
    cluster = Cluster("west", (), (Topic("t", (7, 8, 9), 0, 0),), 3, 4, None, None, 0, 0)
    publisher = Publisher(SelfMetrics(), renderers := {"a": Renderer(), "b": Renderer()}, 5)
    publisher.publish(Snapshot("a", (cluster,), 0))
    publisher.publish(Snapshot("b", (replace(cluster, name="east"),), 0))
    assert 1 == written.count("burrow_kafka_topic_partition_offset")
    publisher.publish(Snapshot("a", (cluster,), 0))
    assert 1 == written.count("burrow_kafka_topic_partition_offset")
    publisher.reconfigure(renderers, 10)
    assert 3 == written.count("burrow_kafka_topic_partition_offset")
    assert 6 == len([name for name, _ in samples_in(page(publisher)) if name == "burrow_kafka_topic_partition_offset"])
