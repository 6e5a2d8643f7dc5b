"""TLS of the exporter's server: versions, client certificates, changed files, and limits."""

from __future__ import annotations

import os
import socket
import ssl
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, closing, suppress
from pathlib import Path

import pytest
from structlog.testing import capture_logs

from burrow_exporter.settings.validation import ConfigError
from burrow_exporter.web import connection
from burrow_exporter.web.health_check import ask_healthy
from burrow_exporter.web.limits import Limits
from burrow_exporter.web.messages import Peer
from burrow_exporter.web.security import live_config
from burrow_exporter.web.security.addresses import is_local
from burrow_exporter.web.security.live_config import Security, Stamp
from burrow_exporter.web.server import Server
from tests.support.secured import Web, authority, client_context, connection_to, fetch, pem
from tests.web.test_server import FixedContent, exchange, port_of
from tests.web.test_server_limits import (
    HEAD,
    PATIENCE,
    READY,
    LargeContent,
    ask_again,
    eventually,
    is_closed,
    seconds_until_closed,
)

REFUSED = (ssl.SSLError, ConnectionError)


@pytest.fixture
def web(tmp_path: Path) -> Web:
    """Return a web config with a certificate."""
    made = Web(tmp_path)
    made.certify()
    return made


@pytest.fixture
def _remote(monkeypatch: pytest.MonkeyPatch) -> None:
    """Make clients of this machine pass for others."""
    monkeypatch.setattr("burrow_exporter.web.connection.is_local", lambda *_: False)
    monkeypatch.setattr("burrow_exporter.web.security.authentication.is_local", lambda *_: False)


@pytest.fixture
def _at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Look at the files at each connection."""
    monkeypatch.setattr(live_config, "CHECK_SECONDS", 0)


def version_spoken(server: Server, context: ssl.SSLContext) -> tuple[str | None, str]:
    """Return version and cipher of a connection, once a request was answered on it."""
    plain = socket.create_connection(("127.0.0.1", port_of(server)), 5)
    with context.wrap_socket(plain, server_hostname="127.0.0.1") as client:
        ask_again(client)
        return client.version(), (client.cipher() or ("",))[0]


def hold(server: Server, sockets: ExitStack, sent: bytes = b"", receive_buffer: int | None = None) -> ssl.SSLSocket:
    """Open a connection over TLS, and send some bytes."""
    plain = socket.socket()
    if receive_buffer is not None:
        plain.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
    plain.settimeout(5)
    plain.connect(("127.0.0.1", port_of(server)))
    client = sockets.enter_context(client_context().wrap_socket(plain, server_hostname="127.0.0.1"))
    client.sendall(sent)
    return client


@pytest.fixture
def sockets() -> Iterator[ExitStack]:
    """Close the sockets that a test leaves open."""
    with ExitStack() as stack:
        yield stack


def test_serves(web: Web) -> None:
    """Over TLS the page is whole, the address says https, and who does not speak TLS gets nothing."""
    content = FixedContent()
    with web.serving(content) as server:
        assert content.page == fetch(server, context=client_context()).body
        assert server.address.startswith("https://127.0.0.1:")
        with pytest.raises(ConnectionError):
            fetch(server)


def test_without_tls(tmp_path: Path) -> None:
    """Without tls_server_config the server speaks plain HTTP, and says so."""
    with Web(tmp_path).serving() as server:
        assert 200 == fetch(server).status
        assert server.address.startswith("http://")


def test_inline(web: Web) -> None:
    """Certificate, key and client CA may stand in the file itself."""
    web.tls = dict(zip(("cert", "key"), pem(), strict=True))
    web.tls |= {
        "client_ca": authority("us").cert_pem.bytes().decode(),
        "client_auth_type": "RequireAndVerifyClientCert",
    }
    with web.serving() as server:
        assert 200 == fetch(server, context=client_context(own=("us", "prometheus"))).status


def test_absolute_paths(web: Web) -> None:
    """A path that begins at the root is not taken as relative to the file."""
    web.tls["cert_file"] = str(web.folder / "cert.pem")
    with web.serving() as server:
        assert 200 == fetch(server, context=client_context()).status


@pytest.mark.parametrize(
    ("expected", "lowest", "highest"),
    [
        ("TLSv1.3", "TLS12", "TLS13"),
        ("TLSv1.3", "TLS13", "TLS13"),
        ("TLSv1.2", "TLS12", "TLS12"),
    ],
)
def test_versions(web: Web, expected: str, lowest: str, highest: str) -> None:
    """The highest version that is allowed is spoken, and none beyond the bounds."""
    web.tls |= {"min_version": lowest, "max_version": highest}
    with web.serving() as server:
        assert expected == version_spoken(server, client_context())[0]
        other = client_context()
        other.maximum_version = other.minimum_version = (
            ssl.TLSVersion.TLSv1_2 if expected == "TLSv1.3" else ssl.TLSVersion.TLSv1_3
        )
        if lowest == highest:
            with pytest.raises(REFUSED):
                fetch(server, context=other)
        else:
            assert 200 == fetch(server, context=other).status


@pytest.mark.parametrize("prefers_own", [True, False])
def test_cipher_suites(web: Web, *, prefers_own: bool) -> None:
    """Of several suites the server's favourite is taken, or the client's if so told; others are not spoken."""
    web.tls |= {
        "max_version": "TLS12",
        "cipher_suites": ["TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384", "TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256"],
        "prefer_server_cipher_suites": prefers_own,
    }
    client = client_context()
    client.set_ciphers("ECDHE-ECDSA-AES128-GCM-SHA256:ECDHE-ECDSA-AES256-GCM-SHA384")
    with web.serving() as server:
        expected = "ECDHE-ECDSA-AES256-GCM-SHA384" if prefers_own else "ECDHE-ECDSA-AES128-GCM-SHA256"
        assert expected == version_spoken(server, client)[1]
        client.set_ciphers("ECDHE-ECDSA-CHACHA20-POLY1305")
        with pytest.raises(REFUSED):
            fetch(server, context=client)


def test_cipher_suites_of_tls13(web: Web) -> None:
    """Where only suites of TLS 1.3 are named, no older version is spoken."""
    web.tls["cipher_suites"] = ["TLS_AES_128_GCM_SHA256"]
    older = client_context()
    older.maximum_version = ssl.TLSVersion.TLSv1_2
    with web.serving() as server:
        assert "TLSv1.3" == version_spoken(server, client_context())[0]
        with pytest.raises(REFUSED):
            fetch(server, context=older)


@pytest.mark.parametrize(("curve", "name"), [("CurveP384", "secp384r1"), ("X25519", "X25519")])
def test_curve(web: Web, curve: str, name: str) -> None:
    """The curve that is preferred is the only one."""
    web.tls["curve_preferences"] = [curve]
    same, other = client_context(), client_context()
    same.set_ecdh_curve(name)
    other.set_ecdh_curve("secp521r1")
    with web.serving() as server:
        assert 200 == fetch(server, context=same).status
        with pytest.raises(REFUSED):
            fetch(server, context=other)


@pytest.mark.parametrize(
    ("expected", "changes"),
    [
        ("web.yml: tls_server_config.cert_file: cannot read ", {"cert_file": "missing.pem"}),
        ("web.yml: tls_server_config.key_file: cannot read ", {"key_file": "."}),
        ("web.yml: tls_server_config.cert_file: cannot read ", {"cert_file": "cert\0.pem"}),
        ("web.yml: tls_server_config.cert_file: contains no PEM certificate", {"cert_file": "key.pem"}),
        ("web.yml: tls_server_config.key_file: contains no PEM private key", {"key_file": "cert.pem"}),
        (
            "web.yml: tls_server_config: the key does not match the certificate",
            {"key_file": "", "key": pem("other")[1]},
        ),
        (
            "web.yml: tls_server_config: the certificate or key is corrupt or too weak",
            {"cert_file": "", "cert": "-----BEGIN CERTIFICATE-----\nsecret\n-----END CERTIFICATE-----\n"},
        ),
        (
            "web.yml: tls_server_config.key: must not be encrypted",
            {"key_file": "", "key": "-----BEGIN ENCRYPTED PRIVATE KEY-----\nsecret\n"},
        ),
        (
            "web.yml: tls_server_config.client_ca: contains a corrupt certificate",
            {
                "client_ca": "-----BEGIN CERTIFICATE-----\nsecret\n-----END CERTIFICATE-----\n",
                "client_auth_type": "RequireAndVerifyClientCert",
            },
        ),
        (
            "web.yml: tls_server_config.client_ca: contains no PEM certificate",
            {"client_ca": "secret", "client_auth_type": "RequireAndVerifyClientCert"},
        ),
    ],
)
def test_unusable_files(web: Web, expected: str, changes: dict[str, str]) -> None:
    """Files that cannot be used are refused with the key that names them, and nothing of their contents."""
    web.tls |= changes
    with pytest.raises(ConfigError) as refused:
        Security(str(web.write()))

    assert str(refused.value).startswith(f"{web.folder}/{expected}")
    assert "secret" not in str(refused.value)


def test_missing_file(tmp_path: Path) -> None:
    """A web config file that is not there is an error that names it."""
    with pytest.raises(ConfigError, match=r"nowhere\.yml: cannot be read: No such file"):
        Security(str(tmp_path / "nowhere.yml"))


@pytest.mark.usefixtures("_remote")
@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
def test_required_certificate(web: Web, version: ssl.TLSVersion) -> None:
    """Where a certificate is required, only those of the client CA get to say anything at all."""
    web.trust("us")
    content = FixedContent()
    with web.serving(content) as server:
        for own in (None, ("them", "prometheus")):
            context = client_context(own=own)
            context.maximum_version = version
            with pytest.raises(REFUSED):
                fetch(server, "/-/healthy", context=context)
        assert 200 == fetch(server, context=client_context(own=("us", "prometheus"))).status
    assert 1 == len(content.asked)


def test_required_certificate_here(web: Web) -> None:
    """Without a certificate a local client gets the health check, and nothing else."""
    web.trust("us")
    content = FixedContent(healthy=False)
    with web.serving(content) as server:
        assert 503 == fetch(server, "/-/healthy", context=client_context()).status
        for path in ("/metrics", "/", "/-/ready", "/-/healthy/", "//-/healthy"):
            assert 403 == fetch(server, path, context=client_context()).status
        with pytest.raises(REFUSED):
            fetch(server, "/-/healthy", context=client_context(own=("them", "prometheus")))
        assert 200 == fetch(server, context=client_context(own=("us", "prometheus"))).status
    assert 1 == len(content.asked)


@pytest.mark.usefixtures("_remote")
def test_certificate_if_given(web: Web) -> None:
    """VerifyClientCertIfGiven lets in who brings none, and not who brings one of another authority."""
    web.trust("us", policy="VerifyClientCertIfGiven")
    with web.serving() as server:
        assert 200 == fetch(server, context=client_context()).status
        assert 200 == fetch(server, context=client_context(own=("us", "prometheus"))).status
        with pytest.raises(REFUSED):
            fetch(server, context=client_context(own=("them", "prometheus")))


def test_no_certificate_asked(web: Web) -> None:
    """NoClientCert, which is the default, asks for none, and takes no notice of one."""
    web.tls["client_auth_type"] = "NoClientCert"
    with web.serving() as server:
        assert 200 == fetch(server, context=client_context(own=("them", "prometheus"))).status


@pytest.mark.parametrize("name", ["prometheus", "10.1.2.3", "2001:db8::7", "scraper@example.org"])
def test_allowed_names(web: Web, name: str) -> None:
    """Of a certificate's names, addresses and addresses of e-mail one has to be allowed, whole and exactly."""
    web.trust("us")
    web.tls["client_allowed_sans"] = ["nobody", name]
    content = FixedContent()
    with web.serving(content) as server:
        assert 200 == fetch(server, context=client_context(own=("us", name))).status
        with pytest.raises(REFUSED):
            fetch(server, context=client_context(own=("us", "prometheus.example.org")))
    assert 1 == len(content.asked)


def test_client_of_intermediate(web: Web) -> None:
    """A client CA is trusted by itself, even if it was signed by another one that is not."""
    intermediate = authority("root").create_child_ca()
    (web.folder / "clients.pem").write_bytes(intermediate.cert_pem.bytes())
    web.tls |= {"client_ca_file": "clients.pem", "client_auth_type": "RequireAndVerifyClientCert"}
    context = client_context()
    intermediate.issue_cert("prometheus").configure_cert(context)
    with web.serving() as server:
        assert 200 == fetch(server, context=context).status


@pytest.mark.usefixtures("_at_once")
def test_changed_certificate(web: Web) -> None:
    """A changed certificate is shown to new connections, and open ones stay."""
    with web.serving() as server, closing(connection_to(server, client_context())) as kept:
        assert 200 == exchange(kept, "/-/ready").status
        web.certify("renewed")

        assert 200 == fetch(server, context=client_context("renewed")).status
        assert 200 == exchange(kept, "/-/ready").status
        with pytest.raises(ssl.SSLCertVerificationError):
            fetch(server, context=client_context())


@pytest.mark.usefixtures("_at_once")
def test_swapped_link(web: Web) -> None:
    """A certificate is read again when a symbolic link on its way changes, as in volumes of Kubernetes."""
    for name in ("server", "renewed"):
        (web.folder / name).mkdir()
        for file, text in zip(("cert.pem", "key.pem"), pem(name), strict=True):
            (web.folder / name / file).write_text(text, encoding="ascii")
    link = web.folder / "data"
    link.symlink_to("server")
    web.tls |= {"cert_file": "data/cert.pem", "key_file": "data/key.pem"}
    with web.serving() as server:
        assert 200 == fetch(server, context=client_context()).status
        (web.folder / "next").symlink_to("renewed")
        (web.folder / "next").rename(link)

        assert 200 == fetch(server, context=client_context("renewed")).status


@pytest.mark.usefixtures("_at_once", "_remote")
def test_changed_client_ca(web: Web) -> None:
    """Who comes by a client CA that was taken out is refused, sessions of before included; who by a new one, let in."""
    web.trust("us")
    former, newer = client_context(own=("us", "prometheus")), client_context(own=("them", "prometheus"))
    former.maximum_version = ssl.TLSVersion.TLSv1_2
    with web.serving() as server:
        plain = socket.create_connection(("127.0.0.1", port_of(server)), 5)
        with former.wrap_socket(plain, server_hostname="127.0.0.1") as client:
            ask_again(client)
            session = client.session
        web.trust("them")

        assert 200 == fetch(server, context=newer).status
        with socket.create_connection(("127.0.0.1", port_of(server)), 5) as plain, pytest.raises(REFUSED):
            former.wrap_socket(plain, server_hostname="127.0.0.1", session=session)


@pytest.mark.usefixtures("_at_once")
@pytest.mark.parametrize("name", ["missing.pem", "cert\0.pem", "cert\ud800.pem", "x" * 5000])
def test_change_to_a_file_that_cannot_be(web: Web, name: str) -> None:
    """A change to a file that there is not, or cannot be, leaves all as it was, however often it is looked for."""
    with web.serving() as server, capture_logs() as logs:
        web.tls["cert_file"] = name
        web.write()
        for _ in range(3):
            assert 200 == fetch(server, context=client_context()).status
        web.certify()
        web.write()
        assert 200 == fetch(server, context=client_context()).status
    levels = [line["log_level"] for line in logs if line["log_level"] != "debug"]
    assert ["error", "info"] == levels, logs


@pytest.mark.usefixtures("_at_once")
@pytest.mark.parametrize(
    ("expected", "broken"),
    [
        ("web.yml: is not valid YAML: expected the node content in line 1, column 10", "web.yml"),
        ("web.yml: tls_server_config.cert_file: contains no PEM certificate", "cert.pem"),
        ("web.yml: tls_server_config.key_file: contains no PEM private key", "key.pem"),
        ("web.yml: tls_server_config.client_ca_file: contains no PEM certificate", "clients.pem"),
    ],
)
def test_broken_change(web: Web, expected: str, broken: str) -> None:
    """A change for the worse leaves all as it was, is logged once, and is made good by the next change."""
    web.trust("us")
    context = client_context(own=("us", "prometheus"))
    with web.serving() as server, capture_logs() as logs:
        good = (web.folder / broken).read_bytes()
        (web.folder / broken).write_bytes(b"secret: [")
        for _ in range(3):
            assert 200 == fetch(server, context=context).status
        (web.folder / broken).unlink()
        assert 200 == fetch(server, context=context).status
        (web.folder / broken).write_bytes(good)
        assert 200 == fetch(server, context=context).status

    assert ["error", "error", "info"] == [log["log_level"] for log in logs if log["log_level"] != "debug"]
    assert f"{web.folder}/{expected}" == logs[0]["error"]
    assert not any("secret" in str(log) for log in logs)


@pytest.mark.usefixtures("_at_once")
def test_tls_stays(web: Web) -> None:
    """TLS that vanishes from the file is not turned off."""
    with web.serving() as server, capture_logs() as logs:
        web.tls.clear()
        web.write()

        assert 200 == fetch(server, context=client_context()).status
    assert ["TLS cannot be enabled or disabled without a restart"] == [log["error"].rpartition(": ")[2] for log in logs]


def test_looks_once_a_second(web: Web, monkeypatch: pytest.MonkeyPatch) -> None:
    """Files are looked at once a second, however many connections come."""
    now, looks = [0.0], list[Path]()
    secured = Security(str(web.write()), lambda: now[0])
    real = live_config.stamp

    def count(path: Path) -> Stamp:
        looks.append(path)
        return real(path)

    monkeypatch.setattr(live_config, "stamp", count)
    for tenths in range(100):
        now[0] = tenths / 10
        secured.current()

    assert 9 * 3 == len(looks)


@pytest.mark.parametrize(
    ("expected", "client", "server"),
    [
        (True, "127.0.0.1", "127.0.0.1"),
        (True, "127.9.9.9", "127.0.0.1"),
        (True, "::ffff:127.0.0.1", "::ffff:127.0.0.1"),
        (True, "::1", "::1"),
        (True, "10.0.0.5", "10.0.0.5"),
        (True, "fe80::1%eth0", "fe80::1%eth0"),
        (False, "10.0.0.6", "10.0.0.5"),
        (False, "::ffff:10.0.0.6", "::ffff:10.0.0.5"),
        (False, "2001:db8::1", "2001:db8::2"),
        (False, "", "10.0.0.5"),
        (False, "", ""),
    ],
)
def test_local(*, expected: bool, client: str, server: str) -> None:
    """A client is of this machine if it comes from a loopback address, or from the one that it goes to."""
    assert expected == is_local(Peer(client, server))
    assert not is_local(Peer("", server))


@pytest.mark.parametrize("policy", ["NoClientCert", "VerifyClientCertIfGiven", "RequireAndVerifyClientCert"])
def test_healthcheck(web: Web, policy: str) -> None:
    """Under TLS the health check tells healthy from unhealthy, whatever is asked of clients and in the certificate."""
    if policy != "NoClientCert":
        web.trust("us", policy=policy)
    web.users = {"alice": "$2y$10$" + "." * 53}
    web.others = {"rate_limit": {"interval": "1h", "burst": 1}}
    content = FixedContent()
    with web.serving(content) as server:
        for _ in range(3):
            assert "" == ask_healthy(f"127.0.0.1:{port_of(server)}", may_be_tls=True)
        content.healthy = False
        assert "503 Not healthy." == ask_healthy(f"127.0.0.1:{port_of(server)}", may_be_tls=True)


@pytest.mark.usefixtures("_at_once")
def test_healthcheck_of_old_cipher_and_broken_file(web: Web) -> None:
    """The health check bears with any cipher, and with a file that was changed for the worse."""
    web.tls |= {"max_version": "TLS12", "cipher_suites": ["TLS_ECDHE_ECDSA_WITH_AES_128_CBC_SHA"]}
    with web.serving() as server:
        web.path.write_text("broken: [", encoding="ascii")

        assert "" == ask_healthy(f"127.0.0.1:{port_of(server)}", may_be_tls=True)


def test_healthcheck_without_tls(tmp_path: Path) -> None:
    """A web config without TLS is asked without, and users are no hindrance."""
    web = Web(tmp_path, users={"alice": "$2y$10$" + "." * 53})
    content = FixedContent()
    with web.serving(content) as server:
        assert "" == ask_healthy(f"127.0.0.1:{port_of(server)}", may_be_tls=True)
        content.healthy = False
        assert "503 Not healthy." == ask_healthy(f"127.0.0.1:{port_of(server)}", may_be_tls=True)
    assert "refused" in ask_healthy(f"127.0.0.1:{port_of(server)}", may_be_tls=True)


@pytest.mark.parametrize("sent", [b"", b"\x16\x03\x01", b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03"])
def test_slow_handshake_ends(web: Web, sent: bytes) -> None:
    """A handshake that does not get on is given up after head_seconds, and leaves nothing behind."""
    with web.serving(limits=Limits(head_seconds=0.3)) as server:
        begun = time.monotonic()
        with socket.create_connection(("127.0.0.1", port_of(server)), 5) as client:
            client.sendall(sent)
            assert 0.3 <= seconds_until_closed(client, begun) < PATIENCE
        assert eventually(lambda: not server.connections)


def test_dripping_handshake_ends(web: Web) -> None:
    """A handshake's time counts from its beginning: bytes that drip in do not prolong it."""
    with web.serving(limits=Limits(head_seconds=0.3)) as server:
        outgoing = ssl.MemoryBIO()
        with pytest.raises(ssl.SSLWantReadError):
            client_context().wrap_bio(ssl.MemoryBIO(), outgoing, server_hostname="127.0.0.1").do_handshake()
        begun = time.monotonic()
        with socket.create_connection(("127.0.0.1", port_of(server)), 5) as client, suppress(ConnectionError):
            for byte in outgoing.read():
                client.sendall(bytes((byte,)))
                time.sleep(0.02)
        assert 0.3 <= time.monotonic() - begun < PATIENCE


def test_other_handshakes_go_on(web: Web, sockets: ExitStack) -> None:
    """While handshakes stand still, others are done."""
    with web.serving() as server:
        for _ in range(100):
            silent = sockets.enter_context(socket.create_connection(("127.0.0.1", port_of(server)), 5))
            silent.sendall(b"\x16\x03\x01")
        begin = time.monotonic()
        assert [200] * 10 == [fetch(server, context=client_context()).status for _ in range(10)]
        assert time.monotonic() - begin < PATIENCE


def test_end_of_tls(web: Web) -> None:
    """The end of a connection is told by TLS, so that nobody takes an answer that is cut off for whole."""
    with web.serving() as server, socket.create_connection(("127.0.0.1", port_of(server)), 5) as plain:
        context = client_context()
        with context.wrap_socket(plain, server_hostname="127.0.0.1", suppress_ragged_eofs=False) as client:
            client.sendall(READY[:-2] + b"Connection: close\r\n\r\n")
            answer = b""
            while data := client.recv(65536):
                answer += data

    assert answer.endswith(b"Ready.\n")


@pytest.mark.parametrize("sent", [b"", b"\x16\x03\x01", b"GET / HTTP/1.1\r\n\r\n", b"noise"])
def test_handshake_that_breaks_off(
    web: Web, caplog: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture[str], sent: bytes
) -> None:
    """A client that leaves, or speaks something else, is forgotten at once, without a line in the log."""
    with web.serving() as server, capture_logs() as logs:
        with socket.create_connection(("127.0.0.1", port_of(server)), 5) as client:
            client.sendall(os.urandom(1000) if sent == b"noise" else sent)
            time.sleep(0.05)
        assert eventually(lambda: not server.connections)
        assert 200 == fetch(server, context=client_context()).status
    assert [] == [log for log in logs if log["log_level"] != "debug"] + caplog.records
    assert ("", "") == capfd.readouterr()


def test_handshakes_count(web: Web, sockets: ExitStack) -> None:
    """Handshakes in progress count as connections: beyond the limit the oldest is dropped."""
    with web.serving(limits=Limits(connections=20)) as server:
        clients = [
            sockets.enter_context(socket.create_connection(("127.0.0.1", port_of(server)), 5)) for _ in range(100)
        ]
        assert 200 == fetch(server, context=client_context()).status
        assert eventually(lambda: len(server.connections) <= 20)
        assert eventually(lambda: is_closed(clients[0]))
        assert not is_closed(clients[-1])


def test_request_with_the_handshake(web: Web) -> None:
    """A request that comes in one packet with the end of the handshake is answered."""
    with web.serving() as server, socket.create_connection(("127.0.0.1", port_of(server)), 5) as client:
        incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        tls = client_context().wrap_bio(incoming, outgoing, server_hostname="127.0.0.1")
        while True:
            try:
                tls.do_handshake()
                break
            except ssl.SSLWantReadError:
                client.sendall(outgoing.read())
                incoming.write(client.recv(65536))
        tls.write(READY)
        client.sendall(outgoing.read())
        answer = b""
        while b"Ready." not in answer:
            try:
                answer += tls.read(65536)
            except ssl.SSLWantReadError:
                incoming.write(client.recv(65536))

    assert answer.startswith(b"HTTP/1.1 200")


def test_unread_answers(web: Web, sockets: ExitStack) -> None:
    """Under TLS too, an answer of which nothing is taken is given up, having been made in part only."""
    content = LargeContent()
    with web.serving(content, Limits(unread_seconds=0.3)) as server:
        hold(server, sockets, HEAD + b"\r\n", receive_buffer=4096)
        assert eventually(lambda: bool(content.asked))

        assert eventually(lambda: content.ended == 1)
        assert eventually(lambda: not server.connections)
        assert content.produced < 2_000_000


def test_idle_and_unfinished(web: Web, sockets: ExitStack) -> None:
    """Under TLS too, idle connections and unfinished requests end in their time, and stay until then."""
    with web.serving(limits=Limits(head_seconds=0.3, idle_seconds=1)) as server:
        begun = time.monotonic()
        unfinished, silent = (hold(server, sockets, sent) for sent in (HEAD, b""))
        for client in (unfinished, silent):
            assert 0.3 <= seconds_until_closed(client, begun) < PATIENCE
        begun = time.monotonic()
        idle = hold(server, sockets)
        ask_again(idle)
        assert 1 <= seconds_until_closed(idle, begun) < 1 + PATIENCE


def test_stop_under_tls(web: Web, sockets: ExitStack) -> None:
    """Stopping takes a second at most, even with handshakes, idle clients and unread responses."""
    with web.serving(LargeContent()) as server:
        for _ in range(5):
            sockets.enter_context(socket.create_connection(("127.0.0.1", port_of(server)), 5))
            ask_again(hold(server, sockets))
            hold(server, sockets, HEAD + b"\r\n", receive_buffer=4096)
        begin = time.monotonic()
        server.stop()

        assert time.monotonic() - begin < 1
        assert not server._thread.is_alive()
    assert not [thread for thread in threading.enumerate() if thread.name in {"server", "password"}]


def test_failing_handshake_is_logged(web: Web, monkeypatch: pytest.MonkeyPatch) -> None:
    """A handshake that fails for a reason of our own is logged, and ends its connection."""

    def fail(*_arguments: object) -> bool:
        message = "broken"
        raise RuntimeError(message)

    monkeypatch.setattr(connection, "is_local", fail)
    with web.serving() as server, capture_logs() as logs, pytest.raises(REFUSED):
        fetch(server, context=client_context())
    assert [("TLS handshake failed", "error")] == [(log["event"], log["log_level"]) for log in logs]
