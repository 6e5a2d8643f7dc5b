"""The status page as text: lists, filters, paging, and escaped names."""

from __future__ import annotations

import re
from dataclasses import replace
from html import unescape
from html.parser import HTMLParser
from itertools import chain
from urllib.parse import urlencode

import msgspec
import pytest

from burrow_exporter.polling.absent import Absence
from burrow_exporter.polling.history import History
from burrow_exporter.settings.policy import GroupEntry, Policy
from burrow_exporter.snapshot import Snapshot, Topic
from burrow_exporter.status.missing import WHY
from burrow_exporter.status.page import GROUPS_A_PAGE, PARTITIONS_A_PAGE, link, render
from burrow_exporter.status.view import View
from burrow_exporter.status.words import duration
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
    page = render(path, urlencode(query), shown)
    assert 200 == page.status
    return Text(page.body)


def recorded(*snapshots: Snapshot, policy: Policy | None = None) -> dict[str, History]:
    """Return what is kept of a Burrow's polls."""
    history = History(policy)
    for each in snapshots:
        history.record(each)
    return {snapshots[-1].burrow: history}


def groups_of(page: Text) -> list[str]:
    """Return the names of the groups of the overview, in their order."""
    return [row[1].split()[0] for row in page.rows if row[0] in STATUSES]


STATUSES = {"ERR", "LATE", "WARN", "UNKNOWN", "OK"}


MANY = dict.fromkeys(map(str, range(1000)), "name")
THREE = cluster(
    group("fine", "OK", [partition(owner="/10.0.0.1")], [0.0]),
    group("lost", "ERR", [partition("STOP", 0, 1234, "/10.0.0.2")], [125.0], [uncommitted(1)]),
    group("slow", "WARN", [partition("WARN", 0, 7, "/10.0.0.3"), partition("WARN", 1, 1, "/10.0.0.4")], [61.0, None]),
)


def test_overview() -> None:
    """Each group says what is wrong with it and since when, the worst first; a Burrow that is fine takes one line."""
    now = snapshot(THREE)
    before = replace(now, taken_at=NOW - 64, clusters=(replace(THREE, groups=THREE.groups[:1]),))
    policy = Policy(groups=(GroupEntry(match=re.compile("slow"), team="logistics", max_lag_seconds=60),))
    shown = replace(view(now, burrows=("default", "new")), histories=recorded(before, now, policy=policy))
    page = show("/", shown)
    assert "Burrow default: west 3 groups, last poll 4s ago." in page.all
    assert "Burrow new not polled yet" in page.all
    assert "Needs attention 2 " in page.all
    assert "Fine 1 " in page.all
    assert [
        ["ERR", "lost stopped: 1 of 2 partitions of orders, for 4s", "2m 5s of 5m", "1,234", "", "", "", "1"],
        [
            "LATE",
            "slow falling behind: 2 of 2 partitions of orders, for 4s",
            "1m 1s of 1m",
            "8",
            "",
            "",
            "logistics",
            "2",
        ],
        ["OK", "fine", "0s of 5m", "0", "flat", "", "", "1"],
    ] == [row for row in page.rows if row[0] != "Status"]


def test_late_groups_are_not_among_the_fine() -> None:
    """A group that Burrow reports as OK is late from its threshold on, and is listed above one that is only WARN."""
    late = group("late", "OK", [partition(lag=5)], [720.0])
    page = show("/", view(snapshot(cluster(group("w", "WARN", [partition("WARN")], [15.0]), late))))
    assert ["LATE", "WARN"] == [row[0] for row in page.rows if row[0] != "Status"]
    assert "Late, but OK for Burrow 1" in page.all
    assert "2 total 1 LATE 1 WARN 1 OK" in page.all


def test_muted_groups_come_last() -> None:
    """A failing group that the policy mutes is listed below those that would page, with the reason."""
    now = snapshot(cluster(*(group(name, "ERR", [partition("STOP", 0, 9)], [9.0]) for name in ("a", "b"))))
    policy = Policy(groups=(GroupEntry(match=re.compile("a"), alerts="off"),))
    page = show("/", replace(view(now), histories=recorded(now, policy=policy)))
    assert ["b", "a"] == groups_of(page)
    assert "Muted by the policy 1" in page.all
    assert "muted: alerts are off" in page.all
    assert ["a"] == groups_of(show("/", replace(view(now), histories=recorded(now, policy=policy)), status="muted"))


GONE = replace(GOOD, good=False, last_good_at=NOW - 300, failures={("ready", "connection"): 1}, hints=("is it up?",))


def test_the_last_known_state_of_a_burrow_that_is_gone() -> None:
    """Its groups stay, marked as of when they are; its address and what may be wrong stand above them."""
    old = snapshot(cluster(group("lost", "ERR", [partition("STOP", 0, 7)], [9.0])))
    now = Snapshot("default", (), NOW - 4, frozenset({"west"}), GONE)
    shown = replace(view(now), histories=recorded(old, now), addresses={"default": ("http://burrow:8000",)})
    page = show("/", shown)
    assert (
        "Burrow default at http://burrow:8000 failed last poll 4s ago, last success 5m ago; "
        "failed requests: ready (connection): 1. is it up?"
    ) in page.all
    assert "Cluster west not exposed there is no recent reading; the last known state is shown below" in page.all
    assert "1 total 1 ERR" in page.all
    assert "lost stopped: 1 of 1 partitions of orders, for at least 4s last known state, 3s ago" in page.all
    assert b'<tr role="row" class="past">' in render("/", "", shown).body
    alone = show("/group", shown, burrow="default", cluster="west", name="lost")
    assert "the last known state, read 3s ago. It is no longer exposed as metrics." in alone.all
    assert "is it up?" in alone.all


def test_the_last_known_state_of_a_group_that_is_not_read() -> None:
    """It stays, marked, beside those that are read."""
    old = snapshot(cluster(group("a"), group("b", "ERR", [partition("STOP", 0, 7)], [9.0])))
    now = snapshot(cluster(group("a"), listed_groups=2, absent_groups={"b": "unreadable"}))
    shown = replace(view(now), histories=recorded(old, now))
    page = show("/", shown)
    assert ["b", "a"] == groups_of(page)
    assert "for at least 4s last known state, 3s ago" in page.all
    assert "the last known state" in show("/group", shown, burrow="default", cluster="west", name="b").all


def test_data_has_its_own_time() -> None:
    """The header shows when the data was read, not when the page was requested."""
    assert "Data of 08:00:00 UTC, 0s ago" in show("/", view(snapshot(THREE))).all
    late = replace(snapshot(), outcome=GONE)
    assert "Data of 07:55:00 UTC, 5m ago" in show("/", view(late, snapshot(THREE, burrow="b"))).all
    assert "No data yet" in show("/", view(burrows=("a",))).all


def test_refresh() -> None:
    """A page is loaded again at the interval of the polls, unless that is paused; links keep what is chosen."""
    shown = replace(view(snapshot(THREE)), interval=30.0)
    assert [30, 0] == [render("/", query, shown).refresh for query in ("q=s", "q=s&refresh=off")]
    assert 5 == render("/", "", replace(shown, interval=1.0)).refresh
    assert "?q=s&refresh=off" in show("/", shown, q="s").links
    paused = show("/", shown, q="s", refresh="off")
    assert "Paused · Resume" in paused.all
    assert {"?q=s&refresh=", "./?q=s&status=err&refresh=off"} <= set(paused.links)


def test_links_to_elsewhere() -> None:
    """A group leads to its dashboard, to the runbook and to a new silence, where their addresses are set."""
    made = cluster(group('a"b', "ERR", [partition("STOP")], [1.0]), name="west & east")
    query = {"burrow": "default", "cluster": "west & east", "name": 'a"b'}
    assert not [each for each in show("/group", view(snapshot(made)), **query).links if "//" in each]
    now = snapshot(made)
    shown = replace(view(now), grafana_url="https://g/x/", alertmanager_url="https://am", histories=recorded(now))
    assert [
        "https://g/x/d/burrow-runbook",
        "https://g/x/d/burrow-group?var-cluster=west+%26+east&var-consumer_group=a%22b",
        "https://am/#/silences/new?filter=%7Bcluster%3D%22west%20%26%20east%22%2C%20consumer_group%3D%22a%5C%22b%22%7D",
    ] == [each for each in show("/group", shown, **query).links if "//" in each]
    policy = Policy(groups=(GroupEntry(runbook_url="https://wiki/a"),))
    own = replace(shown, histories=recorded(now, policy=policy))
    assert "https://wiki/a" in show("/group", own, **query).links


def test_words_of_anything_are_not_shown() -> None:
    """A status that is not one of Burrow's is unknown: it may be anything, a password that is sent back included."""
    shown = view(snapshot(cluster(group("g", "sesame", [partition("sesame")], [0.0]))))
    pages = [show("/", shown), show("/group", shown, burrow="default", cluster="west", name="g")]
    assert [2, 2] == [len([row for row in page.rows if row[0] in {"Status", "UNKNOWN"}]) for page in pages]
    assert not [page for page in pages if "sesame" in page.all]


def test_nothing_is_known() -> None:
    """Without groups the page says so, before and after the first poll."""
    assert "No consumer groups yet;" in show("/", view(burrows=("a",))).all
    assert "No consumer groups;" in show("/", view(snapshot(cluster()))).all


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
    assert "3 total 1 ERR 1 WARN 1 OK Show all" in page.all
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


def test_the_way_back_keeps_the_filter() -> None:
    """From a group to the list as it was filtered."""
    shown = view(snapshot(THREE))
    (target,) = [each for each in show("/", shown, q="lo", status="err").links if each.startswith("group?")]
    assert "./?q=lo&status=err" in Text(render("/group", target.removeprefix("group?"), shown).body).links


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
        ["STALL", "orders", "0", "1,234", "2m 5s", "90", "1,324", "5s ago", "99%", "10.0.0.2 client-7"],
        ["UNKNOWN", "orders", "2", "unknown", "unknown", "none yet", "20", "none seen", "0%", "not known to Burrow"],
        ["OK", "orders", "1", "5", "unknown", "90", "95", "5s ago", "100%", "not known to Burrow"],
    ] == page.rows[1:]
    assert "Stalled: 1 of 3 partitions of orders. Meaning The group keeps committing the same offset" in page.all
    assert "Lag, time 2m 5s of 5m Lag, messages 1,239 Partitions 3: 1 not OK, 1 unknown" in page.all
    assert "Read 3s ago" in page.all


def test_partitions_are_grouped_by_topic() -> None:
    """The topic with the worst partition comes first, with all of its partitions."""
    partitions = [partition("OK", 0, topic="a"), partition("OK", 0, topic="b"), partition("STOP", 1, topic="b")]
    made = group("g", "ERR", partitions, [0.0] * 3)
    page = show("/group", view(snapshot(cluster(made))), burrow="default", cluster="west", name="g")
    assert [("b", "1"), ("b", "0"), ("a", "0")] == [(row[1], row[2]) for row in page.rows[1:]]


def test_topic() -> None:
    """What is produced, and who reads it, the furthest behind first."""
    made = cluster(
        group("a", "OK", [partition(lag=3), partition(topic="other", lag=99)], [1.0, 999.0]),
        group("b", "ERR", [partition("STOP", 0, 5), partition("OK", 1, 2)], [400.0, 2.0]),
        group("c", "OK", [partition(topic="other")], [0.0]),
    )

    def at(moment: float, end: int) -> Snapshot:
        topics = (Topic("orders", [end, 50], moment, EXPIRY),)
        return replace(snapshot(replace(made, topics=topics)), taken_at=moment)

    polls = [at(NOW - 120 + 30 * number, 100 + 60 * number) for number in range(5)]
    shown = replace(view(polls[-1]), histories=recorded(*polls))
    page = show("/topic", shown, burrow="default", cluster="west", name="orders")
    assert [["ERR", "b", "6m 40s of 5m", "7", "2"], ["OK", "a", "1s of 5m", "3", "1"]] == [
        ["ERR" if row[0] == "STOP" else row[0], *row[1:]] for row in page.rows[1:]
    ]
    assert "Produced 2/s Partitions 2 Log end offsets, sum 390 Groups 2" in page.all
    links = show("/group", shown, burrow="default", cluster="west", name="a").links
    assert "topic?burrow=default&cluster=west&name=orders" in links


def test_partitions_are_paged() -> None:
    """A group with many partitions has several pages."""
    made = group("g", "OK", [partition(number=number) for number in range(PARTITIONS_A_PAGE + 1)])
    query = {"burrow": "default", "cluster": "west", "name": "g"}
    page = show("/group", view(snapshot(cluster(made))), page=2, **query)
    assert [[str(PARTITIONS_A_PAGE)], f"group?{urlencode({'page': 1} | query)}"] == [
        [row[2] for row in page.rows[1:]],
        next(each for each in page.links if each.startswith("group?page=")),
    ]


@pytest.mark.parametrize("key", ["burrow", "cluster", "name"])
@pytest.mark.parametrize("value", ["other", None, "\ud800".encode(errors="replace").decode(), ODD[0]])
def test_missing_group(key: str, value: str | None) -> None:
    """A group that is not known, by whichever part, is answered 404 with a way back."""
    query = {"burrow": "default", "cluster": "west", "name": "fine", key: value}
    given = {name: text for name, text in query.items() if text is not None}
    status, page, _ = render("/group", urlencode(given), view(snapshot(THREE)))
    assert 404 == status
    assert "./" in Text(page).links
    assert b"<script" not in page


@pytest.mark.parametrize("reason", list(Absence))
def test_why_a_listed_group_is_missing(reason: Absence) -> None:
    """The page says the one reason that is true."""
    made = cluster(group("g"), listed_groups=2, absent_groups={"x": reason})
    page = Text(render("/group", "burrow=default&cluster=west&name=x", view(snapshot(made))).body)
    assert [WHY[reason]] == [each for each in WHY.values() if each in page.all]


@pytest.mark.parametrize(
    ("expected", "given", "made"),
    [
        ("No Burrow of this name is configured", {"burrow": "other"}, snapshot(THREE)),
        ("has not been polled yet", {}, None),
        ("lists no cluster of this name", {"cluster": "east"}, snapshot(THREE)),
        ("The cluster is refused", {}, snapshot(THREE).without({"west"})),
        ("has not read this cluster yet", {}, replace(snapshot(), listed=frozenset({"west"}))),
        ("lists no group of this name", {}, snapshot(THREE)),
        ("has not read all commits", {}, snapshot(THREE, outcome=replace(GOOD, behind={"west": 9}))),
        (
            "one of more than 1,000",
            {},
            snapshot(replace(THREE, absent_groups=MANY)),
        ),
    ],
)
def test_why_nothing_is_known(expected: str, given: dict[str, str], made: Snapshot | None) -> None:
    """Of the Burrow, of the cluster, or of the group."""
    shown = view(made) if made else view(burrows=("default",))
    query = {"burrow": "default", "cluster": "west", "name": "nobody"} | given
    status, page, _ = render("/group", urlencode(query), shown)
    assert (404, True) == (status, expected in Text(page).all)


@pytest.mark.parametrize("query", ["", "name", "&&=&", "%", "%zz=%", "name=%ff%fe", "name=a&name=b", "q=%00&page=%00"])
@pytest.mark.parametrize(("path", "status"), [("/", 200), ("/group", 404), ("/topic", 404)])
def test_bad_queries(path: str, status: int, query: str) -> None:
    """Any query gets a response."""
    found, page, _ = render(path, query, view(snapshot(THREE)))
    assert (status, True) == (found, page.endswith(b"</html>"))


@pytest.mark.parametrize("odd", ODD)
def test_names_stay_names(odd: str) -> None:
    """Whatever names hold, they add no element, and the links of a page lead to what they name."""
    made = group(odd, "ERR", [partition("STOP", owner=odd, topic=odd, client_id=odd)], [1.0])
    shown = view(snapshot(cluster(made, name=odd), burrow=odd))
    plain = view(snapshot(cluster(group("g", "ERR", [partition("STOP", owner="o")], [1.0]), name="c"), burrow="b"))
    status, page, _ = render("/", "", shown)
    overview = Text(page)
    assert (200, Text(render("/", "", plain)[1]).tags) == (status, overview.tags)
    (target,) = [each for each in overview.links if each.startswith("group?")]
    status, page, _ = render("/group", target.removeprefix("group?"), shown)
    assert 200 == status
    assert Text(render("/group", "burrow=b&cluster=c&name=g", plain)[1]).tags >= Text(page).tags - {"small"}
    assert b"\x00" not in page
    assert not re.search(r"[\u202e\u200b]", page.decode())


@pytest.mark.parametrize("odd", [each for each in ODD if each.strip()])
def test_what_is_shown_can_be_searched(odd: str) -> None:
    """A name copied from the page into the filter finds the group."""
    shown = view(snapshot(cluster(group(odd, "OK", [partition()], [0.0]), group("another"))))
    name = [row[1] for row in show("/", shown).rows][-1] if odd != "x" * 4000 else odd
    found = show("/", shown, q=name[:150])
    assert "1 total" in found.all


def test_links_are_relative() -> None:
    """No link leads to the root of a host, as a reverse proxy may put a prefix before the pages."""
    pages = [
        show("/", view(snapshot(THREE), telemetry_path='/a/"b')),
        show("/group", view(snapshot(THREE)), burrow="default", cluster="west", name="lost"),
        Text(render("/group", "name=x", view())[1]),
    ]
    links = {each for page in pages for each in page.links}
    assert {"./", './a/"b', "./metrics", "./-/healthy"} <= links
    assert not [each for each in links if each and not re.match(r"\./|group\?|topic\?|\?", each)]


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
    """Durations show the two largest units; negative ones are 0, and positive ones never are."""
    assert expected == duration(seconds)


def test_links_hold_anything() -> None:
    """What is put into a link comes out of it."""
    assert "./?q=%2F%26+%25%0D%0A" == unescape(link("./", q="/& %\r\n", status=None, page=0))
