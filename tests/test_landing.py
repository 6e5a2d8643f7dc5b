"""Tests of landing.py: the page for humans."""

from __future__ import annotations

from burrow_exporter import landing
from burrow_exporter.snapshot import Cluster, Snapshot


def test_burrows_clusters_and_the_age_of_the_last_poll_are_told() -> None:
    """Each cluster has a row with its groups and topics; a Burrow without any says so."""
    cluster = Cluster("west", (), (), 0, 0, None, None, 0, 0)
    snapshots = {"a": Snapshot("a", (cluster,), 100.0), "b": Snapshot("b", (), 100.0)}
    page = landing.render(["a", "b", "c"], snapshots, "/metrics", now=107.4).decode()
    assert '<td>a</td><td>7 s ago</td><td>west</td><td class="number">0</td>' in page
    assert "<td>b</td><td>7 s ago</td><td>none published</td>" in page
    assert "<td>c</td><td>none yet</td>" in page
    assert '<a href="metrics">' in page


def test_names_cannot_break_out_of_the_page() -> None:
    """What Kafka and the configuration name is text, never markup."""
    nasty = "<script>\"&'"
    cluster = Cluster(nasty, (), (), 0, 0, None, None, 0, 0)
    page = landing.render([nasty], {nasty: Snapshot(nasty, (cluster,), 0)}, '/"><script>', now=0).decode()
    assert "<script>" not in page
    assert 2 == page.count("&lt;script&gt;&quot;&amp;&#x27;")
