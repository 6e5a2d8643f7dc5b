"""The status page as text: what it lists, filters and pages, and that names stay names."""

from __future__ import annotations

import re
from dataclasses import replace
from html import unescape
from html.parser import HTMLParser
from itertools import chain
from urllib.parse import urlencode

import msgspec
import pytest

from burrow_exporter.snapshot import Snapshot, Topic
from burrow_exporter.status.page import GROUPS_A_PAGE, PARTITIONS_A_PAGE, View, duration, link, render
from tests.status.test_rows import EXPIRY, GOOD, NOW, cluster, group, partition, snapshot, uncommitted

ODD = (
    '<script>alert("x")</script>',
    "\"'><img src=x onerror=alert(1)>",
    "{{ 7 * 7 }}{% for x in y %}",
    "a/b/../c",
    "..",
    "%2F%00&name=x#y?z=1+1;burrow=b",
    "two\r\nlines\tand  spaces ",
    "größer-日本語-🦊",
    "right\u202eto\u200bleft",
    "",
    "x" * 4000,
)
"""Names that a group, a topic, a cluster or a client may have."""


def view(*snapshots: Snapshot, burrows: tuple[str, ...] = (), telemetry_path: str = "/metrics") -> View:
    """Return what there is to show, 1 s before readings expire."""
    by_name = {each.burrow: each for each in snapshots}
    return View(burrows or tuple(by_name), by_name, telemetry_path, NOW, EXPIRY - 1)


class Text(HTMLParser):
    """The text of a page: all of it, and by cells; its links, and the kinds of its elements."""

    def __init__(self, page: bytes) -> None:
        super().__init__()
        self.links: list[str] = []
        self.tags: set[str] = set()
        self._words: list[str] = []
        self._rows: list[list[list[str]]] = []
        self._cell: list[str] = []
        self.feed(page.decode())
        self.all = tidy(self._words)
        self.rows = [[tidy(cell) for cell in row] for row in self._rows]

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Begin a row or a cell, and note the tag."""
        self.tags.add(tag)
        self.links += [value or "" for name, value in attrs if name == "href"]
        if tag == "tr":
            self._rows.append([])
        if tag in {"td", "th"}:
            self._cell = []
            self._rows[-1].append(self._cell)

    def handle_endtag(self, tag: str) -> None:
        """End a cell, and leave out what is style."""
        if tag in {"td", "th"}:
            self._cell = []
        if tag == "style":
            self._words.clear()

    def handle_data(self, data: str) -> None:
        """Note text, and whose it is."""
        self._words.append(data)
        self._cell.append(data)


def tidy(words: list[str]) -> str:
    """Return words as a browser shows them."""
    return " ".join("".join(words).split())


def show(path: str, shown: View, **query: object) -> Text:
    """Return a page that there is."""
    status, page = render(path, urlencode(query), shown)
    assert 200 == status
    return Text(page)


def groups_of(page: Text) -> list[str]:
    """Return the names of the groups of the overview, in their order."""
    return [row[1] for row in page.rows if len(row) == 7 and row[2] in {"west", "east"}]


THREE = cluster(
    group("fine", "OK", [partition(owner="/10.0.0.1")], [0.0]),
    group("lost", "ERR", [partition("STOP", 0, 1234, "/10.0.0.2")], [125.0], [uncommitted(1)]),
    group("slow", "WARN", [partition("WARN", 0, 7, "/10.0.0.3"), partition("WARN", 1, 1, "/10.0.0.4")], [61.0, None]),
)


def test_overview() -> None:
    """Each Burrow says how it is, each cluster what it holds, each group what is wrong with it, the worst first."""
    page = show("/", view(snapshot(THREE), burrows=("default", "new")))
    assert "Burrow default polled last poll 4s ago" in page.all
    assert "Burrow new not polled yet" in page.all
    assert [
        ["west", "up to date", "1 ERR 1 WARN 1 OK", "3", "0", "2s ago", "7"],
        ["ERR", "lost", "west", "default", "1,234", "2m 5s", "1 of 2 1 unknown", "/10.0.0.2"],
        ["WARN", "slow", "west", "default", "8", "1m 1s", "2 of 2", "/10.0.0.3 and 1 more"],
        ["OK", "fine", "west", "default", "0", "0s", "0 of 1", "/10.0.0.1"],
    ] == [row for row in page.rows if row[0] not in {"Cluster", "Status"}]


def test_what_is_wrong_with_a_burrow_is_said() -> None:
    """A failed poll, the last good one, the reasons, what is stale, and what is not shown at all."""
    outcome = replace(GOOD, good=False, last_good_at=NOW - 3700, failures={("lag", "timeout"): 3, ("ready", "x"): 1})
    stale = cluster(group("old", expires_at=EXPIRY - 15), expires_at=EXPIRY - 15)
    shown = replace(snapshot(stale, outcome=outcome), listed=frozenset({"west", "south"}))
    page = show("/", view(shown))
    assert (
        "failed last poll 4s ago, last good one 1h 1m ago; without a usable answer: lag (timeout): 3, ready (x): 1"
    ) in page.all
    assert ["south", "not shown there is no reading that is new enough", "nothing", "", "", "", ""] in page.rows
    assert "old stale: read 3s ago" in page.all
    old = show("/group", view(shown), burrow="default", cluster="west", name="old")
    assert "Stale: the last poll brought no answer of use for this group." in old.all
    assert "Cluster west: stale; the last poll could not read it." in old.all
    assert "Burrow default: failed; last poll 4s ago" in old.all
    late = replace(view(shown), monotonic=EXPIRY, now=NOW + 100)
    assert "overdue no poll has ended for 1m 44s" in show("/", late).all


def test_words_of_anything_are_not_shown() -> None:
    """A status that is not one of Burrow's is unknown: it may be anything, a password that is sent back included."""
    shown = view(snapshot(cluster(group("g", "sesame", [partition("sesame")], [0.0]))))
    pages = [show("/", shown), show("/group", shown, burrow="default", cluster="west", name="g")]
    assert [2, 2] == [len([row for row in page.rows if row[0] in {"Status", "UNKNOWN"}]) for page in pages]
    assert not [page for page in pages if "sesame" in page.all]


def test_nothing_is_known() -> None:
    """Without groups the page says so, before and after the first poll."""
    assert "No group is known yet;" in show("/", view(burrows=("a",))).all
    assert "No group is known;" in show("/", view(snapshot(cluster()))).all


@pytest.mark.parametrize(
    ("expected", "query"),
    [
        (["lost", "slow", "fine"], {}),
        (["lost", "slow", "fine"], {"q": "Default", "status": ""}),
        (["lost"], {"status": "err"}),
        (["fine"], {"q": "WEST  fin"}),
        ([], {"q": "fine lost"}),
        (["lost", "slow", "fine"], {"status": "nonsense", "page": "-1"}),
        (["lost", "slow", "fine"], {"page": "9" * 5000}),
        (["lost", "slow", "fine"], {"page": "²", "unknown": "x"}),
        ([], {"q": "lost", "status": "ok"}),
    ],
)
def test_filter(expected: list[str], query: dict[str, str]) -> None:
    """Every word has to be found in the names, whatever case; a value that means nothing is as none."""
    assert expected == groups_of(show("/", view(snapshot(THREE)), **query))


def test_filtered_figures_and_links() -> None:
    """The counts by status are of what the text matches, and their links keep the text; "all" is of all of that."""
    page = show("/", view(snapshot(THREE)), q="s", status="err")
    assert "3 in all 1 ERR 1 WARN 1 OK Show all" in page.all
    assert {"./?q=s", "./?q=s&status=err", "./?q=s&status=warn", "./?q=s&status=ok"} <= set(page.links)


def test_paging() -> None:
    """Pages part the groups, in order, without one too many; links keep the filter; beyond the last is the last."""
    made = cluster(*(group(f"g{number:03}", "OK", [partition()], [0.0]) for number in range(2 * GROUPS_A_PAGE + 1)))
    shown = view(snapshot(made))
    names = [groups_of(show("/", shown, page=number, q="g")) for number in (1, 2, 3, 4)]
    assert [each.name for each in made.groups] == list(chain(*names[:3]))
    assert names[2] == names[3]
    page = show("/", shown, page=2, q="g")
    assert {"./?q=g&page=1", "./?q=g&page=3"} <= set(page.links)
    assert "Page 2 of 3 (101 groups)" in page.all


def test_group() -> None:
    """Each partition with what is known of it; where nothing was committed it is said to be unknown, not 0."""
    half = msgspec.structs.replace(partition("STALL", 0, 1234, "/10.0.0.2", client_id="client-7"), complete=0.999)
    made = group("lost", "ERR", [half, partition("OK", 1, 5)], [125.0, None], [uncommitted(2)])
    page = show(
        "/group",
        view(snapshot(cluster(made, topics=[Topic("orders", [1324, 95, 20], NOW, EXPIRY)]))),
        burrow="default",
        cluster="west",
        name="lost",
    )
    assert [
        ["STALL", "orders", "0", "1,234", "2m 5s", "90", "1,324", "5s ago", "99%", "/10.0.0.2 client-7"],
        ["UNKNOWN", "orders", "2", "unknown", "unknown", "none yet", "20", "none seen", "0%", "unknown"],
        ["OK", "orders", "1", "5", "unknown", "90", "95", "5s ago", "100%", "unknown"],
    ] == page.rows[1:]
    assert "Lag, messages 1,239 Lag, time 2m 5s Partitions 3: 1 not OK, 1 unknown" in page.all
    assert "Read 3s ago" in page.all


def test_partitions_are_paged() -> None:
    """A group with many partitions has several pages."""
    made = group("g", "OK", [partition(number=number) for number in range(PARTITIONS_A_PAGE + 1)])
    query = {"burrow": "default", "cluster": "west", "name": "g"}
    page = show("/group", view(snapshot(cluster(made))), page=2, **query)
    assert [[str(PARTITIONS_A_PAGE)], f"group?{urlencode({'page': 1} | query)}"] == [
        [row[2] for row in page.rows[1:]],
        next(each for each in page.links if "page=" in each),
    ]


@pytest.mark.parametrize("key", ["burrow", "cluster", "name"])
@pytest.mark.parametrize("value", ["other", None, "\ud800".encode(errors="replace").decode(), ODD[0]])
def test_missing_group(key: str, value: str | None) -> None:
    """A group that is not known, by whichever part, is answered 404 with a way back."""
    query = {"burrow": "default", "cluster": "west", "name": "fine", key: value}
    given = {name: text for name, text in query.items() if text is not None}
    status, page = render("/group", urlencode(given), view(snapshot(THREE)))
    assert 404 == status
    assert "./" in Text(page).links
    assert b"<script" not in page


@pytest.mark.parametrize("query", ["", "name", "&&=&", "%", "%zz=%", "name=%ff%fe", "name=a&name=b", "q=%00&page=%00"])
@pytest.mark.parametrize(("path", "status"), [("/", 200), ("/group", 404)])
def test_bad_queries(path: str, status: int, query: str) -> None:
    """Whatever stands in a query, there is an answer."""
    found, page = render(path, query, view(snapshot(THREE)))
    assert (status, True) == (found, page.endswith(b"</html>"))


@pytest.mark.parametrize("odd", ODD)
def test_names_stay_names(odd: str) -> None:
    """Whatever names hold, they add no element, and the links of a page lead to what they name."""
    made = group(odd, "ERR", [partition("STOP", owner=odd, topic=odd, client_id=odd)], [1.0])
    shown = view(snapshot(cluster(made, name=odd), burrow=odd))
    plain = view(snapshot(cluster(group("g", "ERR", [partition("STOP", owner="o")], [1.0]), name="c"), burrow="b"))
    status, page = render("/", "", shown)
    overview = Text(page)
    assert (200, Text(render("/", "", plain)[1]).tags) == (status, overview.tags)
    (target,) = [each for each in overview.links if each.startswith("group?")]
    status, page = render("/group", target.removeprefix("group?"), shown)
    assert 200 == status
    assert Text(render("/group", "burrow=b&cluster=c&name=g", plain)[1]).tags >= Text(page).tags - {"small"}
    assert b"\x00" not in page
    assert not re.search(r"[\u202e\u200b]", page.decode())


@pytest.mark.parametrize("odd", [each for each in ODD if each.strip()])
def test_what_is_shown_can_be_searched(odd: str) -> None:
    """A name as it stands on the page, put into the filter, finds the group."""
    shown = view(snapshot(cluster(group(odd, "OK", [partition()], [0.0]), group("another"))))
    name = groups_of(show("/", shown))[-1] if odd != "x" * 4000 else odd
    found = show("/", shown, q=name[:150])
    assert "1 in all" in found.all


def test_links_are_relative() -> None:
    """No link leads to the root of a host, as a reverse proxy may put a prefix before the pages."""
    pages = [
        show("/", view(snapshot(THREE), telemetry_path='/a/"b')),
        show("/group", view(snapshot(THREE)), burrow="default", cluster="west", name="lost"),
        Text(render("/group", "name=x", view())[1]),
    ]
    links = {each for page in pages for each in page.links}
    assert {"./", './a/"b', "./metrics", "./-/healthy"} <= links
    assert not [each for each in links if each and not re.match(r"\./|group\?", each)]


@pytest.mark.parametrize(
    ("expected", "seconds"),
    [
        ("0s", -5.0),
        ("0s", 0.0),
        ("<1s", 0.5),
        ("59s", 59.9),
        ("1m", 60.0),
        ("2m 5s", 125.0),
        ("1h", 3605.0),
        ("3h 12m", 11520.0),
        ("2d 4h", 187_300.0),
    ],
)
def test_durations(expected: str, seconds: float) -> None:
    """Seconds are told by the two largest units, below 0 as 0, and never as 0 where there are some."""
    assert expected == duration(seconds)


def test_links_hold_anything() -> None:
    """What is put into a link comes out of it."""
    assert "./?q=%2F%26+%25%0D%0A" == unescape(link("./", q="/& %\r\n", status=None, page=0))
