"""The status pages in a browser, as an engineer on call sees them: few groups, thousands, Burrow down or behind."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from burrow_exporter.polling.history import History
from burrow_exporter.snapshot import Group, Snapshot, Topic
from burrow_exporter.status.api import respond
from burrow_exporter.status.page import Page, render
from burrow_exporter.status.view import View
from tests.conftest import built
from tests.status.test_browser import OVERFLOW, WIDTHS, started  # noqa: F401  the one browser
from tests.status.test_page import GONE, view
from tests.status.test_rows import EXPIRY, GOOD, NOW, cluster, group, partition, snapshot
from tests.support.browser import Browser
from tests.web.test_server import FixedContent, port_of, serving

LONG = "<b>" + "a-very-long.name-" * 12
AXE = """axe.run().then(found =>
    [found.passes.length, found.violations.map(each => [each.id, each.nodes[0].html])])"""
TALL_ENOUGH = """[...document.querySelectorAll("a, button, input, summary")]
    .filter(element => element.checkVisibility() && !element.closest("p, small"))
    .filter(element => element.getBoundingClientRect().height < %d)
    .map(element => element.outerHTML)"""


def groups(count: int) -> list[Group]:
    """Return groups, one in ten of them not OK, one in thirty late."""
    made = []
    for number in range(count):
        status = ("STOP", "WARN", "STALL")[number // 10 % 3] if number % 10 == 0 else "OK"
        word = {"OK": "OK", "WARN": "WARN"}.get(status, "ERR")
        seconds = 700.0 if number % 30 == 1 else float(number % 200)
        parts = [partition(status, each, number * each, f"/10.0.0.{each}", client_id="c") for each in range(3)]
        name = f"{LONG}{number}" if number % 9 == 0 else f"service-{number:04}"
        made.append(group(name, word, parts, [seconds, 0.0, None]))
    return made


def world(count: int, polls: int = 4) -> View:
    """Return so many groups after some polls, the last of which was at NOW."""
    topics = [Topic("orders", [10**6, 10**5, 10], NOW, EXPIRY)]
    made, history = cluster(*groups(count), topics=topics), History()
    for ago in reversed(range(polls)):
        history.record(replace(snapshot(made), taken_at=NOW - 30 * ago))
    shown = replace(view(snapshot(made)), histories={"default": history})
    return replace(shown, grafana_url="https://grafana", alertmanager_url="https://alertmanager")


def down(count: int) -> View:
    """Return the same after Burrow has been gone for long."""
    gone = Snapshot("default", (), NOW, frozenset({"west"}), GONE)
    return replace(world(count), snapshots={"default": gone}, addresses={"default": ("http://burrow:8000",)})


def catching_up(count: int) -> View:
    """Return the same while Burrow reads its backlog."""
    shown = world(count)
    behind = replace(shown.snapshots["default"], outcome=replace(GOOD, behind={"west": 123456}))
    return replace(shown, snapshots={"default": behind})


VIEWS = {
    "no group": world(0),
    "19 groups": world(19),
    "500 groups": world(500),
    "5000 groups": world(5000, polls=1),
    "Burrow down": down(19),
    "catching up": catching_up(19),
}


class Shown(FixedContent):
    """The pages of a view that a test chooses."""

    def __init__(self) -> None:
        super().__init__()
        self.view = VIEWS["19 groups"]

    def status_page(self, path: str, query: str) -> Page:
        """Return a page that stays."""
        return render(path, query, self.view)._replace(refresh=0)

    def api(self, path: str, query: str) -> tuple[int, bytes]:
        """Return an answer."""
        return respond(path, query, self.view)


@pytest.fixture(scope="module")
def content() -> Shown:
    """Return what is shown."""
    return Shown()


@pytest.fixture(scope="module")
def address(content: Shown) -> Iterator[str]:
    """Return where the overview is."""
    with serving(content) as server:
        yield f"http://127.0.0.1:{port_of(server)}/"


@pytest.fixture
def browser(started: Browser) -> Iterator[Browser]:  # noqa: F811
    """Return the browser; fail what makes it complain."""
    started.complaints.clear()
    yield started
    assert [] == [each for each in started.complaints if "404 (Not Found)" not in each]


def targets(address: str) -> list[str]:
    """Return one page of each kind."""
    here = "burrow=default&cluster=west&name="
    return [address, *(f"{address}{path}?{here}{name}" for path, name in PAGES)]


PAGES = (("group", "service-0010"), ("group", "service-0001"), ("topic", "orders"), ("group", "nobody"))


@pytest.mark.parametrize("name", VIEWS)
@pytest.mark.parametrize("width", WIDTHS)
def test_nothing_overflows(browser: Browser, content: Shown, address: str, name: str, width: int) -> None:
    """On a phone and on a screen everything is within the page."""
    content.view = VIEWS[name]
    for target in targets(address):
        browser.open(target, width)
        browser.ask("document.querySelectorAll('details').forEach(each => each.open = true)")
        assert [0] == browser.ask(OVERFLOW)


@pytest.mark.parametrize("name", VIEWS)
@pytest.mark.parametrize(("width", "dark"), [(390, False), (1280, False), (1280, True)])
def test_accessibility(browser: Browser, content: Shown, address: str, name: str, width: int, *, dark: bool) -> None:
    """axe-core finds nothing wrong, on any page."""
    content.view = VIEWS[name]
    axe = Path(built("axe.js")).read_text(encoding="utf-8")
    for target in targets(address):
        browser.open(target, width, dark=dark)
        browser.ask("document.querySelectorAll('details').forEach(each => each.open = true)")
        browser.ask(f"{axe}; null")
        passes, violations = browser.ask(AXE)
        assert passes > 15
        assert [] == violations


def test_the_first_group_is_on_the_first_screen_of_a_phone(browser: Browser, content: Shown, address: str) -> None:
    """All of it, also where Burrow is gone, in the upper half where it is not."""
    for name, most in (("500 groups", 422), ("Burrow down", 844)):
        content.view = VIEWS[name]
        browser.open(address, 390)
        first = "document.querySelector('tbody tr').getBoundingClientRect()"
        assert browser.ask(f"{first}.top") < most
        assert browser.ask(f"{first}.bottom") < 844


def test_what_is_tapped_is_large_enough(browser: Browser, content: Shown, address: str) -> None:
    """44 px on a phone, links within sentences aside."""
    content.view = VIEWS["500 groups"]
    for target in targets(address)[:4]:
        browser.open(target, 390)
        assert [] == browser.ask(TALL_ENOUGH % 44)


def test_the_keyboard_reaches_what_is_collapsed(browser: Browser, content: Shown, address: str) -> None:
    """The groups that are fine are opened by a key; before, none of their links is in the way."""
    content.view = VIEWS["19 groups"]
    browser.open(address)
    seen = []
    for _ in range(30):
        for kind in ("keyDown", "keyUp"):
            browser.call("Input.dispatchKeyEvent", type=kind, key="Tab", windowsVirtualKeyCode=9)
        seen.append(browser.ask("document.activeElement.innerText"))
        if seen[-1].startswith("Fine"):
            break
    assert seen[-1].startswith("Fine")
    assert not [each for each in seen if each == "service-0002"]
    assert not browser.ask("document.querySelector('details').open")
    for kind, text in (("keyDown", "\r"), ("keyUp", "")):
        browser.call(
            "Input.dispatchKeyEvent", type=kind, key="Enter", code="Enter", text=text, windowsVirtualKeyCode=13
        )
    assert browser.ask("document.querySelector('details').open")


def test_print(browser: Browser, content: Shown, address: str) -> None:
    """On paper there are no buttons and no forms, and what is said by colour is said by words."""
    content.view = VIEWS["19 groups"]
    browser.open(address)
    browser.call("Emulation.setEmulatedMedia", media="print")
    try:
        shown = "[...document.querySelectorAll('form, nav')].filter(each => each.checkVisibility()).length"
        assert 0 == browser.ask(shown)
        assert "ERR" in browser.ask("document.querySelector('tbody .chip').innerText")
    finally:
        browser.call("Emulation.setEmulatedMedia", media="")


def test_an_overview_of_thousands_of_groups_is_cheap() -> None:
    """5,000 groups take 50 ms of CPU on an idle machine; ten times as much is wrong on any."""
    shown = VIEWS["5000 groups"]
    render("/", "", shown)
    costs = []
    for _ in range(5):
        begun = time.thread_time()
        assert 200 == render("/", "", shown).status
        costs.append(time.thread_time() - begun)
    assert min(costs) < 0.5
