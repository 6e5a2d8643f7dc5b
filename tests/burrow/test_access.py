"""Credentials and TLS to Burrow, over real sockets; no output contains a credential."""

from __future__ import annotations

import base64
import socket
import ssl
import threading
from collections.abc import Iterator
from contextlib import suppress
from functools import partial
from pathlib import Path
from threading import Thread
from typing import Any
from urllib.parse import urlsplit

import pytest
import requests
import structlog
import trustme

from burrow_exporter.cli import main
from burrow_exporter.exporter import Exporter
from burrow_exporter.settings.config import BurrowConfig, Config, PollConfig
from burrow_exporter.settings.reader import read_document
from tests.support.faults import FaultServer, Step, by_path, in_turn, reply, then_close
from tests.support.pages import own_of
from tests.support.processes import exporter as process
from tests.support.recorded import Recorded, small

SECRET = "hunter2 pässword"  # noqa: S105  what must not be told


@pytest.fixture(autouse=True)
def own_log() -> Iterator[None]:
    """Leave the log as other tests expect it."""
    yield
    structlog.reset_defaults()


@pytest.fixture(scope="module")
def authority() -> trustme.CA:
    """Return an authority that no system knows."""
    return trustme.CA()


@pytest.fixture
def folder(tmp_path: Path, authority: trustme.CA) -> Path:
    """Return a folder with the authority, the client's certificate with its key, and a password."""
    leaf = authority.issue_cert("exporter.example")
    authority.cert_pem.write_to_path(str(tmp_path / "ca.pem"))
    trustme.CA().cert_pem.write_to_path(str(tmp_path / "other.pem"))
    leaf.cert_chain_pems[0].write_to_path(str(tmp_path / "cert.pem"))
    leaf.private_key_pem.write_to_path(str(tmp_path / "key.pem"))
    (tmp_path / "password").write_text(f"{SECRET}\n", encoding="utf-8")
    return tmp_path


def context_of(authority: trustme.CA, *, wants_client: bool = False, name: str = "localhost") -> ssl.SSLContext:
    """Return a server's TLS."""
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    authority.issue_cert(name).configure_cert(context)
    if wants_client:
        authority.configure_trust(context)
        context.verify_mode = ssl.CERT_REQUIRED
    return context


def poll(address: str, folder: Path, **keys: Any) -> Exporter:
    """Return an exporter that has polled a Burrow once, configured by these keys of the file."""
    config = read_document(Config, {"burrows": [{"addresses": [address], **keys}]}, folder)
    exporter = Exporter(config, threading.Event())
    exporter.poll_once()
    return exporter


def failures(exporter: Exporter) -> dict[str, float]:
    """Return how many requests for readiness failed, by reason."""
    reasons = ("connection", "tls", "http_4xx")
    name = "request_failures_total"
    found = {reason: own_of(exporter, name, burrow="default", endpoint="ready", reason=reason) for reason in reasons}
    return {reason: count for reason, count in found.items() if count}


def is_up(exporter: Exporter) -> float | None:
    """Return whether the poll was good."""
    return own_of(exporter, "burrow_up", burrow="default")


def guarded(answers: dict[str, Recorded | Step], server: list[FaultServer]) -> Any:
    """Return a plan that wants the credentials, by the head of the request that came last."""
    token = base64.b64encode(f"exporter:{SECRET}".encode())

    def plan(path: str) -> Step:
        good = b"Authorization: Basic " + token + b"\r\n" in server[0].heads[-1]
        return by_path(answers)(path) if good else reply(b"who are you", 401, WWW_Authenticate="Basic")

    return plan


@pytest.mark.parametrize("keys", [{"password": SECRET}, {"password_file": "password"}])
def test_basic_authentication(folder: Path, keys: dict[str, str]) -> None:
    """Every request carries user name and password in UTF-8, from the file or from one beside it."""
    servers: list[FaultServer] = []
    with FaultServer(guarded(dict(small()), servers)) as server:
        servers.append(server)
        exporter = poll(server.address, folder, username="exporter", concurrency=1, **keys)
    assert 1 == is_up(exporter)


def test_wrong_password(folder: Path) -> None:
    """401 is not tried again, and counted as what it is."""
    servers: list[FaultServer] = []
    with FaultServer(guarded(dict(small()), servers)) as server:
        servers.append(server)
        exporter = poll(server.address, folder, username="exporter", password=SECRET[1:])
    assert (0, {"http_4xx": 1}) == (is_up(exporter), failures(exporter))


def test_credentials_are_not_carried_elsewhere(folder: Path) -> None:
    """A redirect to another host takes no password with it: it is not followed."""
    with FaultServer(in_turn(reply())) as other:
        step = reply(status=302, Location=f"{other.address}/")
        with FaultServer(in_turn(step)) as server:
            assert 0 == is_up(poll(server.address, folder, username="exporter", password=SECRET))
        assert [] == other.asked


@pytest.mark.parametrize(
    ("expected", "name", "tls"),
    [
        ((1, {}), "localhost", {"ca_file": "ca.pem"}),
        ((0, {"tls": 1}), "localhost", {}),
        ((0, {"tls": 1}), "localhost", {"ca_file": "other.pem"}),
        ((0, {"tls": 1}), "elsewhere", {"ca_file": "ca.pem"}),
        ((1, {}), "elsewhere", {"insecure_skip_verify": True}),
    ],
    ids=["trusted", "unknown authority", "other authority", "other name", "unchecked"],
)
def test_tls(folder: Path, authority: trustme.CA, expected: Any, name: str, tls: dict[str, Any]) -> None:
    """Burrow's certificate must be of the given authority and for its name, unless that is waived."""
    with FaultServer(by_path(dict(small())), context_of(authority, name=name)) as server:
        exporter = poll(server.address, folder, tls=tls)
    assert expected == (is_up(exporter), failures(exporter))


@pytest.mark.parametrize(("expected", "client"), [(1, {"cert_file": "cert.pem", "key_file": "key.pem"}), (0, {})])
def test_client_certificate(folder: Path, authority: trustme.CA, expected: float, client: dict[str, str]) -> None:
    """A Burrow that wants a client certificate gets the configured one."""
    with FaultServer(by_path(dict(small())), context_of(authority, wants_client=True)) as server:
        assert expected == is_up(poll(server.address, folder, tls={"ca_file": "ca.pem", **client}))


def test_files_count_as_they_were_read(folder: Path, authority: trustme.CA) -> None:
    """What replaces or removes a file after the configuration was read counts with the next reload only."""
    with FaultServer(by_path(dict(small())), context_of(authority, wants_client=True)) as server:
        keys = {"tls": {"ca_file": "ca.pem", "cert_file": "cert.pem", "key_file": "key.pem"}}
        config = read_document(Config, {"burrows": [{"addresses": [server.address], **keys}]}, folder)
        (folder / "ca.pem").write_bytes((folder / "other.pem").read_bytes())
        (folder / "cert.pem").unlink()
        (folder / "key.pem").write_text("secret", encoding="utf-8")
        exporter = Exporter(config, threading.Event())
        exporter.poll_once()
        assert 1 == is_up(exporter)


def test_an_unchecked_certificate_is_said(capfd: pytest.CaptureFixture[str], folder: Path) -> None:
    """Whoever waives the check of the certificate reads so in the log."""
    structlog.configure(logger_factory=structlog.PrintLoggerFactory(), cache_logger_on_first_use=False)
    Exporter(read_document(Config, {"burrows": [{"tls": {"insecure_skip_verify": True}}]}, folder), threading.Event())
    assert "Burrow certificate not verified" in capfd.readouterr().out


def test_proxies_of_the_environment_are_not_used(monkeypatch: pytest.MonkeyPatch, folder: Path) -> None:
    """Whatever the environment says of proxies, Burrow is asked directly."""
    with FaultServer(in_turn(then_close())) as proxy, FaultServer(by_path(dict(small()))) as server:
        for name in ("http_proxy", "HTTP_PROXY", "https_proxy", "all_proxy", "ALL_PROXY"):
            monkeypatch.setenv(name, proxy.address)
        assert 1 == is_up(poll(server.address, folder))
        assert [] == proxy.connections


ENDLESS = "got more than 65536 bytes when reading status line"


class Proxy:
    """An HTTP proxy, which knows ``burrow`` as the port of every host; ``targets`` are what it was asked for."""

    def __init__(self, burrow: FaultServer, answer: bytes = b"HTTP/1.1 200 Connection established\r\n\r\n") -> None:
        """Answer a request for a tunnel so."""
        self._burrow = burrow
        self._answer = answer
        self._server = FaultServer(lambda target: partial(self._step, target))
        self.targets: list[str] = []
        self.heads = self._server.heads

    def __enter__(self) -> str:
        """Serve, and return the address."""
        return self._server.__enter__().address

    def __exit__(self, *_: object) -> None:
        """End."""
        self._server.__exit__(None, None, None)

    def _step(self, target: str, client: socket.socket) -> bool:
        self.targets.append(target)
        head = next(head for head in self.heads if f" {target} ".encode() in head)
        with socket.create_connection(("127.0.0.1", self._burrow.port)) as burrow:
            if not head.startswith(b"CONNECT "):
                burrow.sendall(head.replace(target.encode(), urlsplit(target).path.encode(), 1))
                burrow.shutdown(socket.SHUT_WR)
                pass_on(burrow, client)
                return False
            client.sendall(self._answer)
            Thread(target=pass_on, args=(client, burrow), daemon=True).start()
            pass_on(burrow, client)
        return False


def pass_on(source: socket.socket, to: socket.socket) -> None:
    """Send on what comes, to its end."""
    with suppress(OSError):
        while data := source.recv(65536):
            to.sendall(data)
        to.shutdown(socket.SHUT_WR)


def test_a_proxy_that_is_asked_for(folder: Path) -> None:
    """Every request goes to the proxy that is named, with the whole URL of Burrow, whose name nobody else looks up."""
    with FaultServer(by_path(dict(small()))) as server:
        proxy = Proxy(server)
        with proxy as proxy_url:
            exporter = poll("http://burrow.invalid:8000/", folder, proxy_url=proxy_url)
    assert (1, {}) == (is_up(exporter), failures(exporter))
    assert sorted(f"http://burrow.invalid:8000{path}" for path in small()) == sorted(proxy.targets)
    assert all(b"\r\nHost: burrow.invalid:8000\r\n" in head for head in server.heads)
    assert len(small()) == len(server.heads)


@pytest.mark.parametrize(("expected", "name"), [((1, {}), "burrow.invalid"), ((0, {"tls": 1}), "elsewhere.invalid")])
def test_a_proxy_and_tls(folder: Path, authority: trustme.CA, expected: Any, name: str) -> None:
    """TLS goes through a tunnel to Burrow itself: the proxy sees no password, and the certificate counts as ever."""
    with FaultServer(by_path(dict(small())), context_of(authority, name=name)) as server:
        proxy = Proxy(server)
        with proxy as proxy_url:
            keys = {"username": "a", "password": SECRET, "tls": {"ca_file": "ca.pem"}}
            exporter = poll("https://burrow.invalid", folder, proxy_url=proxy_url, **keys)
    assert expected == (is_up(exporter), failures(exporter))
    assert {"burrow.invalid:443"} == set(proxy.targets)
    assert not [head for head in proxy.heads if b"Authorization" in head]
    assert all(b"Authorization: Basic " in head for head in server.heads)
    assert (len(small()) if is_up(exporter) else 0) == len(server.heads)


@pytest.mark.parametrize(
    ("expected", "answer"),
    [
        (
            "Tunnel connection failed: 407 Proxy Authentication Required",
            b"HTTP/1.1 407 Proxy Authentication Required\r\nContent-Length: 0\r\n\r\n",
        ),
        ("Tunnel connection failed: 403", b"HTTP/1.0 403\r\n\r\n"),
        ("not an HTTP response: 220 mail.example ESMTP", b"220 mail.example ESMTP\r\n\r\n"),
        (
            "not an HTTP response: got more than 65536 bytes when reading status line",
            b"HTTP/1.1 200 " + b"x" * 1_000_000,
        ),
    ],
    ids=["407", "403", "not HTTP", "endless"],
)
def test_a_proxy_that_refuses(
    capfd: pytest.CaptureFixture[str], authority: trustme.CA, expected: str, answer: bytes
) -> None:
    """A proxy that opens no tunnel is a failure of the connection that says so."""
    with FaultServer(by_path(dict(small())), context_of(authority)) as server, Proxy(server, answer) as proxy_url:
        assert 1 == main(
            ["check", f"--burrow.address={server.address}", f"--burrow.proxy-url={proxy_url}", "--poll.interval=3s"]
        )
    assert f"ready: connection: /burrow/admin/ready: {expected}\n" in capfd.readouterr().out
    assert [] == server.heads


@pytest.mark.parametrize(("reason", "status"), [("not_json", 200), ("http_4xx", 401), ("http_5xx", 500)])
@pytest.mark.parametrize(("word", "told"), [("once", "reason={}"), ("check", ": {}: ")])
def test_no_word_tells_a_secret(
    capfd: pytest.CaptureFixture[str],
    folder: Path,
    authority: trustme.CA,
    word: str,
    told: str,
    reason: str,
    status: int,
) -> None:
    """What ``once`` and ``check`` print, in all of its forms, tells the failure and holds no credential."""
    steps: dict[str, Recorded | Step] = {**small(), "/v3/kafka/c/consumer": reply(b"no", status)}
    with FaultServer(by_path(steps), context_of(authority)) as server:
        arguments = ["--burrow.username=exporter", f"--burrow.password-file={folder / 'password'}", "--log.level=debug"]
        for trusted in ("ca.pem", "other.pem"):
            main([word, f"--burrow.address={server.address}", f"--burrow.tls.ca-file={folder / trusted}", *arguments])
    output = "".join(capfd.readouterr())
    assert [] == [each for each in (reason, "tls") if told.format(each) not in output]
    assert_silent(output)


def test_no_log_and_no_page_tells_a_secret(folder: Path) -> None:
    """A process that is refused by Burrow logs and serves nothing of what it was refused for."""
    with FaultServer(in_turn(reply(b"no", 401))) as server:
        arguments = ["--burrow.username=exporter", f"--burrow.password-file={folder / 'password'}", "--log.level=debug"]
        with process(f"--burrow.address={server.address}", "--poll.interval=1s", *arguments) as (run, address):
            run.wait_for("http_4xx")
            answers = [requests.get(address + path, timeout=5) for path in ("/metrics", "/", "/-/ready", "/-/reload")]
            run.end()
    assert [200, 200, 503, 405] == [answer.status_code for answer in answers]
    assert_silent("".join([*run.lines, *(answer.text for answer in answers)]))


def assert_silent(text: str) -> None:
    """Look for the password, as it is and as it is sent."""
    token = base64.b64encode(f"exporter:{SECRET}".encode()).decode()
    assert not [form for form in (SECRET, "hunter2", token) if form in text]


def test_the_password_of_a_frozen_configuration() -> None:
    """Configurations are equal only with equal passwords: a changed one is noticed when it is loaded again."""
    one, same, other = (read_document(Config, document(word), Path()) for word in ("a", "a", "b"))
    assert (True, False) == (one == same, one == other)
    assert Config(burrows=(BurrowConfig(),), poll=PollConfig()) != one


def document(password: str) -> dict[str, Any]:
    """Return a configuration with a password."""
    return {"burrows": [{"username": "a", "password": password}]}
