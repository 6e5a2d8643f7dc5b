"""The links of a message, opened in a browser: from a real Prometheus and Alertmanager, for an unusual name."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import Any
from urllib.parse import urlencode, urlsplit

import pytest
import yaml

from tests.stack.test_chain import replica
from tests.stack.test_messages import ODD, manager
from tests.support.browser import Browser, chromium
from tests.support.dashboards import DASHBOARDS

GRAFANA = "https://grafana.example.org"
ESCAPED = ODD.replace("\\", r"\\").replace('"', r"\"")
PAGE = f'burrow_kafka_consumer_status{{cluster="orders",consumer_group="{ESCAPED}"}} 3\n'


@contextmanager
def exposed(page: str) -> Iterator[str]:
    """Serve a page of metrics until the end of the block; give its host and port."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.send_header("Content-Type", "text/plain; version=0.0.4; charset=utf-8")
            self.end_headers()
            self.wfile.write(page.encode())

        def log_message(self, *_: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        Thread(target=server.serve_forever, daemon=True).start()
        yield f"127.0.0.1:{server.server_port}"
        server.shutdown()


@pytest.fixture(scope="module")
def links(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, str]]:
    """Give the links of the message of a group in error by their texts, and the runbook as rendered under ``page``.

    No address is set but Grafana's, so that the runbook's link is the default.
    """
    folder = tmp_path_factory.mktemp("generated")
    settings = {"grafana_url": GRAFANA, "runbook_url": "", "alert_for": "1s", "scrape_interval": "1s"}
    with manager(folder, external_url="", **settings) as running_manager, exposed(PAGE) as address:
        prometheus = folder / "prometheus"
        targets = {"targets/burrow.yaml": address, "alertmanagers.yaml": urlsplit(running_manager.address).netloc}
        for name, target in targets.items():
            (prometheus / name).write_text(yaml.safe_dump([{"targets": [target]}]), encoding="utf-8")
        with replica("a", prometheus):
            while "is in error" not in (message := running_manager.received.take("slack")["attachments"][0])["title"]:
                pass
            page = (folder / "grafana" / "dashboards" / "burrow-runbook.json").read_text(encoding="utf-8")
            yield {"page": page, **{each["text"]: each["url"] for each in message["actions"]}}


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """Run a browser."""
    with chromium() as result:
        yield result


def parts(browser: Browser, link: str) -> dict[str, Any]:
    """Return how a browser takes a link apart."""
    script = (
        f"(url => ({{origin: url.origin, path: url.pathname, hash: url.hash, "
        f"query: Object.fromEntries(url.searchParams)}}))(new URL({json.dumps(link)}))"
    )
    return dict(browser.ask(script))


def test_dashboard(browser: Browser, links: dict[str, str]) -> None:
    """It leads to a dashboard that exists, with the group filled in, letter by letter."""
    found = parts(browser, links["Dashboard"])
    assert (GRAFANA, "/d/burrow-group") == (found["origin"], found["path"])
    assert {"var-cluster": "orders", "var-consumer_group": ODD} == found["query"]
    variables = {each["name"] for each in DASHBOARDS["burrow-group"]["templating"]["list"]}
    assert {"cluster", "consumer_group"} <= variables


def test_runbook(browser: Browser, links: dict[str, str]) -> None:
    """Without a setting it leads to the chapter of the alert, on the dashboard that Grafana is given."""
    found = parts(browser, links["Runbook"])
    page = json.loads(links["page"])
    assert (GRAFANA, f"/d/{page['uid']}") == (found["origin"], found["path"])
    chapter = {f"panel-{panel['id']}": panel["title"] for panel in page["panels"]}[found["query"]["viewPanel"]]
    assert "ConsumerGroupError" == chapter


def test_silence(browser: Browser, links: dict[str, str]) -> None:
    """It opens at Alertmanager, which finds by its matchers the group's alert and no other.

    Alertmanager's interface, which reads them, is not built where tests run: its API is asked in its place.
    """
    browser.open(links["Silence"])
    place, _, filtered = browser.ask("decodeURIComponent(location.hash)").partition("?filter=")
    assert "#/silences/new" == place
    matchers = filtered.removeprefix("{").removesuffix("}").partition(",")
    assert 'cluster="orders"' == matchers[0]
    assert f"consumer_group={json.dumps(ODD, ensure_ascii=False)}" == matchers[2]
    query = urlencode({"filter": [matchers[0], matchers[2]]}, doseq=True)
    asked = (
        f"(request => {{request.open('GET', '/api/v2/alerts?{query}', false); request.send(); "
        "return JSON.parse(request.responseText)})(new XMLHttpRequest())"
    )
    found = [each["labels"] for each in browser.ask(asked)]
    assert [("ConsumerGroupError", ODD)] == [(each["alertname"], each["consumer_group"]) for each in found]
