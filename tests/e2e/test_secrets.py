"""No output, log message or response contains a secret, whatever fails."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from base64 import b64encode
from collections.abc import Iterable, Iterator
from contextlib import ExitStack
from functools import partial
from pathlib import Path

import pytest
import requests
import structlog

from burrow_exporter.cli import main
from tests.support.fault_table import certified
from tests.support.faults import FaultServer, Step, by_path, in_turn, reply, then_reset
from tests.support.pages import wait_until
from tests.support.processes import COMMAND, Running, exporter, running
from tests.support.recorded import Recorded, answer, lag_answer, partition, small
from tests.support.secured import Web, bcrypt_hash, pem

USER, SECRET, OWN, WRONG = "spy", "sesame7Qz", "mellon4Kw", "xyzzy9Vb"
"""The user, the password for Burrow, that of the exporter's own users, and one that is no password."""
PATHS = (
    *("/metrics", "/", "/-/healthy", "/-/ready", "/-/reload", "/nowhere"),
    "/group?burrow=as+a+status,+the+password&cluster=c&name=g",
)
LOG_FORMATS = ("logfmt", "json")
CRASHING = """
import sys
from burrow_exporter.cli import main
from burrow_exporter.polling.state import BurrowState

def apply_walk(self, *_):
    raise RuntimeError(f"{self._burrow!r} {vars(self)!r}")

BurrowState.apply_walk = apply_walk
sys.exit(main())
"""
KEY = f"-----BEGIN PRIVATE KEY-----\\n{SECRET}\\n"

BAD_BURROWS = {
    "password of another type": f"{{username: {USER}, password: [{SECRET}]}}",
    "password that is a mapping": f"{{username: {USER}, password: {{{SECRET}: 1}}}}",
    "password that is a number": f"{{username: {USER}, password: 0x7, labels: {{a: {SECRET}}}}}",
    "password with a tag of its own": f"{{username: {USER}, password: !{SECRET} x}}",
    "password as binary": f"{{username: {USER}, password: !!binary {SECRET}}}",
    "password as number": f"{{username: {USER}, password: !!int {SECRET}}}",
    "password as truth": f"{{username: {USER}, password: !!bool {SECRET}}}",
    "password as time": f"{{username: {USER}, password: !!timestamp {SECRET}}}",
    "password as alias": f"{{username: {USER}, password: *{SECRET}}}",
    "password after a percent sign": f"{{username: {USER}, password: %{SECRET}}}",
    "password with a quote left open": f"{{username: {USER}, password: '{SECRET}}}",
    "password with an escape that is none": f'{{username: {USER}, password: "{SECRET}\\q"}}',
    "password with a comma": f"{{username: {USER}, password: horse,{SECRET}}}",
    "no space before the password": f"{{username: {USER}, password:{SECRET}}}",
    "password twice": f"{{username: {USER}, password: {SECRET}, password: {SECRET}}}",
    "password without a user": f"{{password: {SECRET}}}",
    "password beside its file": f"{{username: {USER}, password: {SECRET}, password_file: password}}",
    "password in the user's name": f"{{username: '{USER}:{SECRET}', password: {SECRET}}}",
    "misspelt password": f"{{username: {USER}, pasword: {SECRET}}}",  # codespell:ignore
    "password in the address": f"{{addresses: ['http://{USER}:{SECRET}@localhost']}}",
    "password in an address without a host": f"{{addresses: ['http://{USER}:{SECRET}']}}",
    "token in the address": f"{{addresses: ['http://localhost:8000/?token={SECRET}']}}",
    "token after the address": f"{{addresses: ['http://localhost:8000#{SECRET}']}}",
    "token in place of the address": f"{{addresses: [{SECRET}]}}",
    "password with half a character": f'{{username: {USER}, password: "{SECRET}\\ud800"}}',
    "password in an address that is no list": f"{{addresses: 'http://{USER}:{SECRET}@localhost'}}",
    "unknown key beside the password": f"{{username: {USER}, password: {SECRET}, colour: red}}",
    "wrong value beside the password": f"{{username: {USER}, password: {SECRET}, timeout: soon}}",
    "password file that is a folder": f"{{username: {USER}, password_file: ., labels: {{a: {SECRET}}}}}",
    "password file that is not there": f"{{username: {USER}, password_file: nowhere, labels: {{a: {SECRET}}}}}",
    "password file that is not text": f"{{username: {USER}, password_file: binary}}",
    "key in place of its file": f'{{tls: {{cert_file: password, key_file: "{KEY}"}}}}',
    "password as certificate": "{tls: {ca_file: password}}",
    "password as key": "{tls: {cert_file: password, key_file: password}}",
    "password in place of all": SECRET,
}
BAD_FLAGS = {
    "password in the address": [f"--burrow.address=http://{USER}:{SECRET}@localhost"],
    "password in an address without scheme": [f"--burrow.address={USER}:{SECRET}@localhost"],
    "password in an address without a host": [f"--burrow.address=http://{USER}:{SECRET}"],
    "token in the address": [f"--burrow.address=http://localhost:8000/?token={SECRET}"],
    "a byte astray in the user's name": ["--burrow.username=\udcff", "--burrow.password-file=password"],
    "password in a misspelt flag": [f"--burrow.addres=http://{USER}:{SECRET}@localhost"],  # codespell:ignore
    "password as a flag": [f"--burrow.password={SECRET}"],
    "password in the user's name": [f"--burrow.username={USER}:{SECRET}"],
    "password in the proxy": [f"--burrow.proxy-url=http://{USER}:{SECRET}@localhost"],
    "token in the proxy": [f"--burrow.proxy-url=http://localhost/{SECRET}"],
    "password without a user": ["--burrow.password-file=password"],
    "password file as certificate": ["--burrow.tls.ca-file=password"],
    "password file as configuration": ["--config.file=password"],
    "password file as web configuration": ["--web.config.file=password"],
}
BAD_WEB = {
    "password in place of its hash": f"basic_auth_users: {{{USER}: {OWN}}}",
    "password of another type": f"basic_auth_users: {{{USER}: [{OWN}]}}",
    "no space before the password": f"basic_auth_users: {{{USER}:{OWN}}}",
    "password in place of the users": f"basic_auth_users: {OWN}",
    "password as a key": f"{OWN}:",
    "misspelt users": f"basic_auth_user: {{{USER}: {OWN}}}",
    "password as alias": f"basic_auth_users: {{{USER}: *{OWN}}}",
    "key in place of its file": f'tls_server_config: {{cert_file: cert.pem, key_file: "{KEY}"}}',
    "key that is none": f'tls_server_config: {{cert_file: cert.pem, key: "{KEY}"}}',
}


@pytest.fixture(autouse=True)
def own_log() -> Iterator[None]:
    """Leave the log as other tests expect it."""
    yield
    structlog.reset_defaults()


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return the folder to work in, with a file that holds the password and one that holds nothing readable."""
    (tmp_path / "password").write_text(f"{SECRET}\n")
    (tmp_path / "binary").write_bytes(SECRET.encode() + b"\xff")
    (tmp_path / "cert.pem").write_text(pem()[0])
    monkeypatch.chdir(tmp_path)
    return tmp_path


def assert_silent(text: str) -> None:
    """Look for every secret, as it is in any case of letters, and as it is sent."""
    assert text
    for secret in (SECRET, OWN, WRONG):
        sent = [f"{USER}:{secret}", f"x{secret}", f"xx{secret}", secret]
        # At whichever place it begins, all but its first and last letters look like this.
        encoded = [b64encode(each.encode()).decode().rstrip("=")[4:-2] for each in sent]
        assert not [form for form in (secret, secret[1:]) if form.lower() in text.lower()], text
        assert not [form for form in encoded if form in text], text


def served(address: str, password: str = "") -> str:
    """Return all that is answered to one who knows this password, or none; heads included."""
    auth = (USER, password) if password else None
    answers = [
        requests.request(method, address + path, timeout=5, auth=auth) for path in PATHS for method in ("GET", "POST")
    ]
    return "\n".join(f"{answer.status_code} {answer.headers} {answer.text}" for answer in answers)


def burrow(name: str, address: str, **keys: object) -> dict[str, object]:
    """Return what the file says of a Burrow with a password."""
    return {"name": name, "addresses": [address], "username": USER, "password": SECRET, **keys}


SENT = f"Basic {b64encode(f'{USER}:{SECRET}'.encode()).decode()}"
BARE, MIXED, QUOTED = SENT.split()[1].rstrip("="), f"password is {SECRET.upper()}!", f'{{"Authorization": "{SENT}"}}'


def told(words: str, status: int) -> Recorded:
    """Return a refusal in these words."""
    return Recorded(status, "application/json", json.dumps({"error": True, "message": words}))


ECHOES: dict[str, tuple[str, dict[str, Recorded | Step]]] = {
    "in a refusal": ("http_4xx", {"/burrow/admin/ready": told(f"who is {SENT}?", 401)}),
    "in a refusal, quoted": ("http_4xx", {"/burrow/admin/ready": told(QUOTED, 401)}),
    "in a refusal, the password": ("http_4xx", {"/burrow/admin/ready": told(MIXED, 401)}),
    "in a refusal that is no JSON": ("http_4xx", {"/burrow/admin/ready": Recorded(401, "", f"<p>{SENT}</p>")}),
    "in a failure": ("http_5xx", {"/burrow/admin/ready": told(f"cannot bear {BARE}", 500)}),
    "with 200": ("refused", {"/v3/kafka": told(SENT, 200)}),
    "with 200, the password": ("refused", {"/v3/kafka": told(MIXED, 200)}),
    "with 200 and a list, the password": ("refused", {"/v3/kafka": answer(error=True, message=MIXED, clusters=[])}),
    "with 200 for a group, the password": ("refused", {"/v3/kafka/c/consumer/g/lag": told(MIXED, 200)}),
    "with 404 for a group, the password": ("http_4xx", {"/v3/kafka/c/consumer/g/lag": told(MIXED, 404)}),
    "as no JSON": ("refused", {"/v3/kafka": Recorded(200, "text/plain", f"{SENT}\n")}),
    "as a cluster": ("refused", {"/v3/kafka": answer(clusters=["c", SENT])}),
    "as a group": ("refused", {"/v3/kafka/c/consumer": answer(consumers=["g", BARE])}),
    "as a topic": ("refused", {"/v3/kafka/c/topic": answer(topics=["orders", BARE])}),
    "as a group's name": ("refused", {"/v3/kafka/c/consumer/g/lag": lag_answer("c", SENT, partition())}),
    "as a group's name, the password": ("mismatch", {"/v3/kafka/c/consumer/g/lag": lag_answer("c", MIXED)}),
    "as a status": ("refused", {"/v3/kafka/c/consumer/g/lag": lag_answer("c", "g", partition(), status=SENT)}),
    "as a status, the password": (
        "unknown_status",
        {"/v3/kafka/c/consumer/g/lag": lag_answer("c", "g", partition(status=MIXED), status=MIXED)},
    ),
    "as an owner": ("refused", {"/v3/kafka/c/consumer/g/lag": lag_answer("c", "g", partition(owner=SENT))}),
    "as a header": ("redirect", {"/burrow/admin/ready": reply(status=302, Location=f"/{SENT}", Echo=SENT)}),
}


def write(folder: Path, burrows: Iterable[dict[str, object]]) -> Path:
    """Write a configuration file; JSON is YAML."""
    path = folder / "burrow.yaml"
    path.write_text(json.dumps({"burrows": list(burrows), "poll": {"interval": "1s"}}))
    return path


@pytest.mark.parametrize("bad", BAD_BURROWS.values(), ids=BAD_BURROWS)
def test_bad_files(bad: str, folder: Path, capfd: pytest.CaptureFixture[str]) -> None:
    """A file that is wrong is refused in one line, without any secret in it."""
    path = folder / "burrow.yaml"
    path.write_text(f"burrows: [{bad}]\n")
    assert 2 == main(["check", f"--config.file={path}"])
    assert_silent("".join(capfd.readouterr()))


@pytest.mark.parametrize("flags", BAD_FLAGS.values(), ids=BAD_FLAGS)
def test_bad_flags(flags: list[str], capfd: pytest.CaptureFixture[str]) -> None:
    """A flag that is wrong is refused, without any secret in what is said."""
    assert 2 == main(["check", *flags])
    assert_silent("".join(capfd.readouterr()))


@pytest.mark.parametrize("bad", BAD_WEB.values(), ids=BAD_WEB)
def test_bad_web_files(bad: str, folder: Path, capfd: pytest.CaptureFixture[str]) -> None:
    """A web config file that is wrong is refused, without any secret in what is said."""
    (folder / "web.yml").write_text(f"{bad}\n")
    assert 2 == main(["check", "--web.config.file=web.yml"])
    assert_silent("".join(capfd.readouterr()))


def test_the_process_at_its_start(folder: Path) -> None:
    """What the process itself prints of wrong flags, variables and files, and of a Burrow that refuses, is silent."""
    (folder / "bad.yaml").write_text(f"burrows: [{BAD_BURROWS['password as truth']}]\n")
    (folder / "web.yml").write_text(f"{BAD_WEB['password as a key']}\n")
    with FaultServer(in_turn(reply(b'{"error":true,"message":"who are you?"}', 401))) as server:
        refused = [f"--config.file={write(folder, [burrow('a', server.address)])}", "--log.level=debug"]
        runs = {
            ("--config.file=bad.yaml",): 2,
            ("--web.config.file=web.yml",): 2,
            tuple(BAD_FLAGS["password in the address"]): 2,
            ("check", *refused): 1,
            ("once", *refused): 1,
        }
        for arguments, code in runs.items():
            done = subprocess.run([*COMMAND, *arguments], capture_output=True, text=True, timeout=20, check=False)
            assert code == done.returncode, done.stderr
            assert "Traceback" not in done.stderr
            assert_silent(done.stdout + done.stderr)


@pytest.mark.parametrize("form", LOG_FORMATS)
def test_a_process_whose_burrows_refuse(folder: Path, form: str) -> None:
    """While Burrows refuse, send elsewhere, break off and mistrust, all that is logged and served is silent."""
    steps: dict[str, Step] = {
        "http_4xx": reply(b'{"error":true,"message":"who are you?"}', 401, WWW_Authenticate='Basic realm="x"'),
        "http_5xx": reply(b"broken", 500),
        "not_json": reply(b"<html>"),
        "connection": then_reset(),
    }
    with ExitStack() as stack:
        other = stack.enter_context(FaultServer(in_turn(reply())))
        steps["redirect"] = reply(status=302, Location=f"{other.address}/")
        servers = {reason: stack.enter_context(FaultServer(in_turn(step))) for reason, step in steps.items()}
        burrows = [burrow(reason, server.address) for reason, server in servers.items()]
        stranger = stack.enter_context(FaultServer(in_turn(reply()), certified()))
        burrows.append(burrow("tls", stranger.address))
        arguments = [f"--config.file={write(folder, burrows)}", "--log.level=debug", f"--log.format={form}"]
        run, address = stack.enter_context(exporter(*arguments))
        for reason in (*servers, "tls"):
            run.wait_for(f'reason"?[=:] ?"?{reason}')
        assert_silent(served(address))
        run.end()
        assert not [asked for asked in other.heads if b"Authorization" in asked]
        assert all(b"Authorization" in asked for server in servers.values() for asked in server.heads)
        assert_silent("".join(run.lines))


@pytest.mark.parametrize(("reason", "answers"), ECHOES.values(), ids=ECHOES)
def test_a_burrow_that_repeats_credentials(
    folder: Path, capfd: pytest.CaptureFixture[str], reason: str, answers: dict[str, Recorded | Step]
) -> None:
    """Credentials that a Burrow echoes anywhere are neither printed nor exposed; the failure is reported."""
    with FaultServer(by_path({**small(), **answers})) as server:
        path = write(folder, [burrow("a", server.address)])
        main(["check", f"--config.file={path}"])
        main(["once", f"--config.file={path}", "--log.level=debug", "--metrics.partition-info"])
        output = "".join(capfd.readouterr())
    assert f": {reason}: " in output
    assert f"reason={reason} " in output
    assert_silent(output)


def test_a_process_whose_burrow_repeats_credentials(folder: Path) -> None:
    """The same of all that a process logs and serves, status page included."""
    with ExitStack() as stack:
        burrows = []
        for number, (name, (_, answers)) in enumerate(ECHOES.items()):
            server = stack.enter_context(FaultServer(by_path({**small(), **answers})))
            burrows.append(burrow(name, server.address, labels={"number": str(number)}))
        arguments = [f"--config.file={write(folder, burrows)}", "--log.level=debug", "--metrics.partition-info"]
        run, address = stack.enter_context(exporter(*arguments))
        for name, (reason, _) in ECHOES.items():
            run.wait_for(f'burrow="{name}" .*reason={reason} ')
        assert_silent(served(address))
        run.end()
        assert_silent("".join(run.lines))


@pytest.mark.parametrize("form", LOG_FORMATS)
def test_a_process_that_reloads_bad_files(folder: Path, form: str) -> None:
    """What a reload answers and logs of files that are wrong is silent, and no trace is among it."""
    with FaultServer(by_path(dict(small()))) as server:
        path = write(folder, [burrow("a", server.address)])
        arguments = [f"--config.file={path}", "--log.level=debug", f"--log.format={form}", "--web.enable-lifecycle"]
        with exporter(*arguments) as (run, address):
            for bad in BAD_BURROWS.values():
                path.write_text(f"burrows: [{bad}]\n")
                answer = requests.post(f"{address}/-/reload", timeout=5)
                assert (500, False) == (answer.status_code, "unforeseen" in answer.text), bad
                assert_silent(answer.text)
            run.process.send_signal(signal.SIGHUP)
            assert_silent(served(address))
            run.end()
        assert len(BAD_BURROWS) < sum("configuration reload failed" in line for line in run.lines)
        assert_silent("".join(run.lines))


def test_a_process_with_users_of_its_own(folder: Path) -> None:
    """Neither its users' passwords nor their hashes are told, whoever asks, also when the web config turns bad."""
    web = Web(folder, users={USER: bcrypt_hash(OWN)})
    web.write()
    with FaultServer(by_path(dict(small()))) as server:
        path = write(folder, [burrow("a", server.address)])
        with exporter(f"--config.file={path}", "--log.level=debug", "--web.config.file=web.yml") as (run, address):
            for password in ("", OWN, WRONG):
                assert_silent(served(address, password))
            for count, bad in enumerate(("password in place of its hash", "key in place of its file"), start=1):
                web.path.write_text(f"{BAD_WEB[bad]}\n")
                wait_until(partial(is_refused, run, address, count))
            run.end()
    assert web.users[USER] not in "".join(run.lines)
    assert_silent("".join(run.lines))


def is_refused(run: Running, address: str, count: int) -> bool:
    """Make a request, which has the web config looked at, and tell whether it was refused so many times."""
    assert_silent(served(address, OWN))
    return count == sum("web config reload failed" in line for line in run.lines)


@pytest.mark.parametrize("form", LOG_FORMATS)
def test_a_process_that_crashes(folder: Path, form: str) -> None:
    """The trace of a fault of our own, which shows the configuration whole, shows no password."""
    with FaultServer(by_path(dict(small()))) as server:
        (folder / "other").write_text(f"{SECRET}\n")
        beside = {"password": None, "password_file": "other"}
        burrows = [burrow("a", server.address), {**burrow("b", server.address), **beside}]
        path = write(folder, [{key: value for key, value in each.items() if value} for each in burrows])
        arguments = [f"--config.file={path}", "--web.listen-address=127.0.0.1:0", f"--log.format={form}"]
        with running(*arguments, command=(sys.executable, "-c", CRASHING)) as run:
            for name in "ab":
                run.wait_for(f"BurrowConfig\\(name='{name}'")
            run.end()
    assert_silent("".join(run.lines))
