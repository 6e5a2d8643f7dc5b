"""The status page in a real browser, behind a reverse proxy with a path prefix."""

from __future__ import annotations

import http.client
import re
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any

import pytest

from burrow_exporter.status.page import PARTITIONS_A_PAGE, Page, render
from tests.status.test_page import ODD, view
from tests.status.test_rows import cluster, group, partition, snapshot, uncommitted
from tests.support.browser import Browser, chromium
from tests.web.test_server import FixedContent, port_of, serving

pytestmark = pytest.mark.chromium

WIDTHS = (390, 1280)
NORMAL_TEXT = 4.5
"""The contrast that WCAG 2.2 (1.4.3) asks for."""

OVERFLOW = """[document.documentElement.scrollWidth - innerWidth,
    ...[...document.querySelectorAll("main *, header *")].filter(element => {
        const {left, right} = element.getBoundingClientRect();
        return !element.closest("thead, .hidden") && (left < 0 || right > innerWidth);
    }).map(element => element.outerHTML.slice(0, 100))]"""
COLOURS = """[...document.querySelectorAll("main *, header *")].filter(element =>
    [...element.childNodes].some(child => child.nodeType === Node.TEXT_NODE && child.data.trim())
).map(element => {
    let behind = element;
    while (behind && getComputedStyle(behind).backgroundColor === "rgba(0, 0, 0, 0)") behind = behind.parentElement;
    return [element.textContent.trim().slice(0, 40), getComputedStyle(element).color,
        getComputedStyle(behind || document.body).backgroundColor];
})"""


class Pages(FixedContent):
    """The status pages of odd names and of one group with many partitions, beside what else is served."""

    def __init__(self) -> None:
        super().__init__()
        many = [partition("STOP" if number == 7 else "OK", number) for number in range(PARTITIONS_A_PAGE + 1)]
        odd = [
            group(
                name, "ERR", [partition("STALL", 0, 10**12, name, topic=name, client_id=name)], [1e6], [uncommitted(1)]
            )
            for name in ODD
        ]
        groups = (group("many", "WARN", many, [0.0] * len(many)), group("fine"), group("new", "NEWS"), *odd)
        burrows = [snapshot(cluster(*groups)), *(snapshot(cluster(name=name), burrow=name) for name in ODD if name)]
        self.view = view(*burrows)

    def status_page(self, path: str, query: str) -> Page:
        """Return a page."""
        return render(path, query, self.view)


@contextmanager
def prefixed(port: int, prefix: str = "/burrow") -> Iterator[str]:
    """Serve what a port serves below a prefix only; give the address."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            """Pass the request on."""
            if not self.path.startswith(f"{prefix}/"):
                self.send_error(502)
                return
            connection = http.client.HTTPConnection("127.0.0.1", port, timeout=5)
            connection.request("GET", self.path.removeprefix(prefix))
            answer = connection.getresponse()
            body = answer.read()
            connection.close()
            self.send_response(answer.status)
            for name, value in answer.getheaders():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: Any) -> None:
            """Say nothing."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as proxy:
        thread = Thread(target=proxy.serve_forever, args=(0.05,), daemon=True)
        thread.start()
        yield f"http://127.0.0.1:{proxy.server_address[1]}{prefix}/"
        proxy.shutdown()
        thread.join(5)


@pytest.fixture(scope="module")
def address() -> Iterator[str]:
    """Return where the overview is."""
    with serving(Pages()) as server, prefixed(port_of(server)) as address:
        yield address


@pytest.fixture(scope="module")
def started() -> Iterator[Browser]:
    """Run one browser for all tests."""
    with chromium() as browser:
        yield browser


@pytest.fixture
def browser(started: Browser) -> Iterator[Browser]:
    """Return the browser; fail what makes it complain, as it does of all that the policy refuses, but not of a 404."""
    started.complaints.clear()
    yield started
    assert [] == [each for each in started.complaints if "404 (Not Found)" not in each]


def test_the_policy_is_in_force(browser: Browser, address: str) -> None:
    """Whatever might come into the page, the browser is told to load and run nothing, and complains of it."""
    browser.open(address)
    browser.ask("document.body.append(Object.assign(document.createElement('img'), {src: 'x'}))")
    browser.ask("document.body.append(Object.assign(document.createElement('script'), {text: 'document.title = 7'}))")
    assert "7" != browser.ask("document.title")
    assert 2 == len([each for each in browser.complaints if "Content Security Policy" in each])
    browser.complaints.clear()


def contrast(one: str, other: str) -> float:
    """Return the WCAG contrast of two colours, as the browser formats them."""
    brightness = sorted((luminance(one), luminance(other)))
    return (brightness[1] + 0.05) / (brightness[0] + 0.05)


def luminance(colour: str) -> float:
    """Return the relative luminance of ``rgb(r, g, b)``."""
    match = re.fullmatch(r"rgb\((\d+), (\d+), (\d+)\)", colour)
    assert match, colour
    parts = (int(part) / 255 for part in match.groups())
    linear = [part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts]
    return sum(weight * part for weight, part in zip((0.2126, 0.7152, 0.0722), linear, strict=True))


def targets(address: str) -> list[str]:
    """Return one page of each kind."""
    query = "group?burrow=default&cluster=west&name="
    return [address, f"{address}{query}many", f"{address}{query}{'x' * 4000}", f"{address}group?name={'x' * 4000}"]


@pytest.mark.parametrize("width", WIDTHS)
def test_nothing_overflows(browser: Browser, address: str, width: int) -> None:
    """On a phone and on a screen everything is within the page, however long the names."""
    for target in targets(address):
        browser.open(target, width)
        assert [0] == browser.ask(OVERFLOW)


@pytest.mark.parametrize("dark", [False, True])
def test_contrast(browser: Browser, address: str, *, dark: bool) -> None:
    """Every text stands out from what is behind it, light and dark, and the two differ."""
    for target in targets(address):
        browser.open(target, dark=dark)
        browser.ask("document.querySelectorAll('details').forEach(each => each.open = true)")
        weak = [each for each in browser.ask(COLOURS) if contrast(each[1], each[2]) < NORMAL_TEXT]
        assert [] == weak
        assert dark == (luminance(browser.ask("getComputedStyle(document.body).backgroundColor")) < 0.1)


def test_names_are_text(browser: Browser, address: str) -> None:
    """Names that look like markup are shown as they are, and nothing of them is made an element."""
    browser.open(address)
    shown = browser.ask("document.body.innerText")
    assert [] == [name for name in ODD[:6] if name not in shown]
    assert 0 == browser.ask("document.querySelectorAll('script, img, iframe, [onerror]').length")


def test_every_link_to_a_group_leads_there(browser: Browser, address: str) -> None:
    """Behind the prefix, whatever the group's name holds."""
    browser.open(address)
    links = browser.ask("[...document.querySelectorAll('a[href^=group]')].map(each => [each.textContent, each.href])")
    assert len(ODD) + 3 == len(links)
    for name, link in links:
        browser.open(link)
        assert browser.ask("document.querySelector('h1 .name').innerText") == name.replace("(no name)", "")


def test_filter_and_pages_without_a_script(browser: Browser, address: str) -> None:
    """The form, the pages and the way back are links and fields of plain HTML, with scripts turned off."""
    browser.call("Emulation.setScriptExecutionDisabled", value=True)
    try:
        browser.open(address)
        browser.ask("document.querySelector('input[name=q]').value = 'a/b/../c'")
        browser.follow("document.querySelector('form button').click()")
        assert f"{address}?q=a%2Fb%2F..%2Fc" == browser.ask("location.href")
        assert ["a/b/../c"] == browser.ask(
            "[...document.querySelectorAll('a[href^=group]')].map(each => each.innerText)"
        )
        browser.open(f"{address}group?burrow=default&cluster=west&name=many")
        browser.follow("document.querySelector('a[rel=next]').click()")
        assert "Page 2 of 2" in browser.ask("document.querySelector('nav.pages').innerText")
        browser.follow("document.querySelector('main a').click()")
        assert address == browser.ask("location.href")
    finally:
        browser.call("Emulation.setScriptExecutionDisabled", value=False)


def test_what_a_screen_reader_finds(browser: Browser, address: str) -> None:
    """Rows and headers of tables are what they are, also where a phone shows them as cards; every field has a name."""
    for target in targets(address)[:2]:
        browser.open(target, 390)
        nodes = browser.call("Accessibility.getFullAXTree")["nodes"]
        found = {node["role"]["value"] for node in nodes if not node["ignored"]}
        assert {"heading", "table", "row", "columnheader", "rowheader", "cell", "navigation", "main"} <= found
        assert [] == [
            node["role"]["value"]
            for node in nodes
            if not node["ignored"]
            and node["role"]["value"] in {"link", "button", "searchbox", "columnheader"}
            and not node.get("name", {}).get("value")
        ]
        heads = "[...document.querySelectorAll('th')].filter(each => !['col', 'row'].includes(each.scope)).length"
        assert 0 == browser.ask(heads)
        assert 1 == browser.ask("document.querySelectorAll('h1').length")


def test_focus_goes_through_the_links(browser: Browser, address: str) -> None:
    """The Tab key reaches the first link, and it shows."""
    browser.open(address)
    for kind in ("keyDown", "keyUp"):
        browser.call("Input.dispatchKeyEvent", type=kind, key="Tab", windowsVirtualKeyCode=9)
    assert "A" == browser.ask("document.activeElement.tagName")
    assert "solid" == browser.ask("getComputedStyle(document.activeElement).outlineStyle")


def test_picture(browser: Browser, address: str, tmp_path: Path) -> None:
    """The page is painted: a picture of it is no empty one."""
    browser.open(address)
    browser.picture(tmp_path / "page.png")
    assert (tmp_path / "page.png").stat().st_size > 30_000
