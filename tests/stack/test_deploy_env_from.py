"""compose/deploy.sh --env-from: `.env` over HTTPS, from a real server, by a real curl."""

from __future__ import annotations

import ssl
from collections.abc import Iterator
from contextlib import suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread

import pytest

from tests.conftest import tool
from tests.support.deploying import Host, Run
from tests.support.processes import lasting_port
from tests.support.secured import authority, certificate

GOOD = "SCRAPE_INTERVAL=30s\nGRAFANA_ADMIN_PASSWORD=a$b'c\n"
TOKEN = "glpat-a-token-that-nobody-may-see"  # noqa: S105  it opens nothing


class Snippets(ThreadingHTTPServer):
    """A server that answers with a status, headers and a text, and looks who can see the token meanwhile."""

    def __init__(self, *, trusted: bool = True) -> None:
        """Listen, with a certificate of an authority that is trusted or not."""
        super().__init__(("127.0.0.1", 0), Answer)
        self.status, self.headers, self.text = 200, dict[str, str](), GOOD
        self.asked: list[dict[str, str]] = []
        self.seen: list[str] = []
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        certificate("server" if trusted else "another", "127.0.0.1").configure_cert(context)
        self.socket = context.wrap_socket(self.socket, server_side=True)

    @property
    def address(self) -> str:
        """Where the settings are."""
        return f"https://127.0.0.1:{self.server_port}/api/v4/snippets/1/raw"

    def handle_error(self, request: object, client_address: object) -> None:
        """Say nothing of clients that do not trust the certificate."""


class Answer(BaseHTTPRequestHandler):
    """One answer."""

    server: Snippets

    def do_GET(self) -> None:
        """Answer as told."""
        self.server.asked.append(dict(self.headers.items()))
        for path in [*Path("/proc").glob("[0-9]*/cmdline"), *Path("/proc").glob("[0-9]*/environ")]:
            with suppress(OSError):
                if TOKEN.encode() in path.read_bytes():
                    self.server.seen.append(str(path))
        self.send_response(self.server.status)
        for name, value in self.server.headers.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(self.server.text.encode())

    def log_message(self, *_: object) -> None:
        """Say nothing."""


@pytest.fixture
def server() -> Iterator[Snippets]:
    """Serve until the end of the test."""
    yield from serving(Snippets())


@pytest.fixture
def stranger() -> Iterator[Snippets]:
    """Serve with a certificate of an authority that the host does not trust."""
    yield from serving(Snippets(trusted=False))


def serving(server: Snippets) -> Iterator[Snippets]:
    """Serve in a thread of its own."""
    thread = Thread(target=server.serve_forever, args=(0.05,), daemon=True)
    thread.start()
    try:
        yield server
    finally:
        server.shutdown()
        server.server_close()
        thread.join(5)


@pytest.fixture
def host(tmp_path: Path) -> Host:
    """Return a host with settings, that trusts one authority."""
    tool("curl")
    host = Host(tmp_path)
    (tmp_path / "ca.pem").write_bytes(authority("server").cert_pem.bytes())
    host.environment["CURL_CA_BUNDLE"] = str(tmp_path / "ca.pem")
    host.env.write_text("MONITOR=old\n")
    return host


def refused(host: Host, run: Run) -> None:
    """Nothing was started, and the settings are what they were."""
    assert not {"compose up", "render"} & set(run.steps)
    assert "MONITOR=old\n" == host.env.read_text()
    assert not host.last_good.exists()


def test_good(host: Host, server: Snippets) -> None:
    """It takes the place of the present one, for its owner's eyes alone, and is what is rendered."""
    run = host.run("--env-from", server.address)
    assert (0, "") == (run.code, run.errors)
    assert (GOOD, 0o600) == (host.env.read_text(), host.env.stat().st_mode & 0o777)
    assert GOOD == host.last_good.read_text()
    assert "scrape_interval: 30s" in host.rendered()["prometheus/prometheus-a.yml"][1]


def test_the_first_settings_of_a_host(host: Host, server: Snippets) -> None:
    """There need be none before; faulty ones leave none behind."""
    host.env.unlink()
    server.text = "PROFILE=huge\n"
    assert 2 == host.run("--env-from", server.address).code
    assert not host.env.exists()
    server.text = GOOD
    assert 0 == host.run("--env-from", server.address).code
    assert GOOD == host.env.read_text()


@pytest.mark.parametrize("text", ["PROFILE=huge\nRETENTION=forever\n", "<!DOCTYPE html>\n<title>Sign in</title>\n"])
def test_broken(text: str, host: Host, server: Snippets) -> None:
    """Its faults are listed, and the present one stays."""
    server.text = text
    run = host.run("--env-from", server.address)
    assert (2, "render aside") == (run.code, run.steps[-1])
    assert 3 == len(run.errors.splitlines())
    assert run.errors.endswith("deploy.sh: invalid fetched .env; nothing was changed\n")
    refused(host, run)


def test_what_a_program_refuses(host: Host, server: Snippets) -> None:
    """The present one stays too if what is rendered from it is refused."""
    host.answers["refuse"] = {"promtool": "no"}
    run = host.run("--env-from", server.address)
    assert (2, "promtool") == (run.code, run.steps[-1])
    refused(host, run)


def test_good_but_not_healthy(host: Host, server: Snippets) -> None:
    """The one before is kept, and its name is told."""
    host.answers["up"] = {"says": "", "code": 1}
    run = host.run("--env-from", server.address)
    assert 4 == run.code
    assert "the last healthy .env is .env.last-good" in run.errors
    assert (GOOD, "MONITOR=old\n") == (host.env.read_text(), host.last_good.read_text())


@pytest.mark.parametrize(
    ("status", "text", "told"),
    [
        (401, "", "HTTP 401 from {}: check the URL and the token in --token-file"),
        (404, "{}", "HTTP 404 from {}: check the URL and the token in --token-file"),
        (500, "", "HTTP 500 from {}"),
        (200, "", "{} is empty"),
    ],
)
def test_no_settings(status: int, text: str, told: str, host: Host, server: Snippets) -> None:
    """What the server said is told, and the present settings stay."""
    server.status, server.text = status, text
    run = host.run("--env-from", f"{server.address}?ref=main")
    assert (3, f"deploy.sh: {told.format(server.address)}\n") == (run.code, run.errors)
    refused(host, run)


@pytest.mark.parametrize("headers", [{}, {"Content-Length": "8000000"}])
def test_more_than_settings(headers: dict[str, str], host: Host, server: Snippets) -> None:
    """No more than a megabyte is fetched, whether its size is told before or not, and the present settings stay."""
    server.headers, server.text = headers, "A=1234\n" * 1_000_000
    run = host.run("--env-from", server.address)
    assert 3 == run.code
    assert "could not be fetched; nothing was changed" in run.errors
    refused(host, run)


@pytest.mark.parametrize("scheme", ["http", "https"])
def test_redirects(scheme: str, host: Host, server: Snippets) -> None:
    """None is followed, be it to http or not: the token would go along."""
    server.status, server.headers = 302, {"Location": f"{scheme}://127.0.0.1:{server.server_port}/elsewhere"}
    run = host.run("--env-from", server.address)
    assert (3, 1) == (run.code, len(server.asked))
    assert "redirects (HTTP 302), perhaps to a login page" in run.errors
    refused(host, run)


def test_unreachable(host: Host) -> None:
    """Why is told, in curl's words."""
    run = host.run("--env-from", f"https://127.0.0.1:{lasting_port()}/x")
    assert 3 == run.code
    assert "curl: (7)" in run.errors
    assert "could not be fetched; nothing was changed" in run.errors
    refused(host, run)


def test_a_certificate_of_another(host: Host, stranger: Snippets) -> None:
    """A server that cannot prove who it is gets no request, and no token."""
    run = host.run("--env-from", stranger.address)
    assert (3, []) == (run.code, stranger.asked)
    assert "certificate" in run.errors
    refused(host, run)


@pytest.mark.parametrize(
    ("text", "header", "value"),
    [
        (f"{TOKEN}\n", "PRIVATE-TOKEN", TOKEN),
        (f"{TOKEN}\r\n", "PRIVATE-TOKEN", TOKEN),
        (f"Authorization: Bearer {TOKEN}", "Authorization", f"Bearer {TOKEN}"),
    ],
)
def test_the_token(text: str, header: str, value: str, host: Host, server: Snippets) -> None:
    """It is sent, and stands in no process' arguments or environment, and nothing that is told."""
    (host.checkout / "token").write_text(text)
    run = host.run("--env-from", server.address, "--token-file", "token")
    assert 0 == run.code, run.errors
    assert [value] == [asked.get(header) for asked in server.asked]
    assert [] == server.seen
    assert TOKEN not in f"{run.told}{run.errors}{run.calls}"


@pytest.mark.parametrize("text", ["", "\n", None])
def test_no_token(text: str | None, host: Host, server: Snippets) -> None:
    """A file that has none, or none at all, is refused before anything is asked."""
    if text is not None:
        (host.checkout / "token").write_text(text)
    run = host.run("--env-from", server.address, "--token-file", "token")
    assert (2, []) == (run.code, server.asked)
    refused(host, run)
