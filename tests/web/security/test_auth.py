"""Passwords, the rate limit and headers: who is admitted, at what cost, and the responses to others."""

from __future__ import annotations

import hashlib
import logging
import threading
import time
from base64 import b64encode
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path
from typing import Any

import bcrypt
import pytest
from structlog.testing import capture_logs

from burrow_exporter.web.security import authentication, live_config
from burrow_exporter.web.security.passwords import (
    KNOWN_WRONG,
    WAITING,
    WAITING_OF_NETWORK,
    BusyError,
    PasswordChecker,
    RecentKeys,
)
from burrow_exporter.web.security.rate_limit import TokenBucket
from tests.support.secured import Web, basic, bcrypt_hash, connection_to, fetch
from tests.web.test_server import FixedContent, Reply, exchange
from tests.web.test_server_limits import eventually, precedence

WRONG = (401, 'Basic realm="burrow_exporter", charset="UTF-8"', b"Unauthorized.\n")


@pytest.fixture
def web(tmp_path: Path) -> Web:
    """Return a web config with two users."""
    users = {"alice": bcrypt_hash("right"), "Zoë": bcrypt_hash("pass:wörd")}
    return Web(tmp_path, users=users)


def told(reply: Reply) -> tuple[int, str, bytes]:
    """Return the response to a rejected client."""
    return reply.status, reply.headers["www-authenticate"], reply.body


class Counting:
    """bcrypt that counts its calls and can be blocked."""

    def __init__(self) -> None:
        self.calls: list[tuple[bytes, bytes]] = []
        self.at_once = self.most_at_once = 0
        self.go_on = threading.Event()
        self.go_on.set()

    def __call__(self, password: bytes, digest: bytes) -> bool:
        """Check a password."""
        self.calls.append((password, digest))
        self.at_once += 1
        self.most_at_once = max(self.most_at_once, self.at_once)
        self.go_on.wait(5)
        right = bcrypt.checkpw(password, digest)
        self.at_once -= 1
        return right


@pytest.fixture
def counting(monkeypatch: pytest.MonkeyPatch) -> Counting:
    """Count the checks of all servers."""
    made = Counting()
    monkeypatch.setattr(PasswordChecker.__init__, "__defaults__", (made,))
    return made


@pytest.mark.parametrize(("name", "password"), [("alice", "right"), ("Zoë", "pass:wörd")])
@pytest.mark.parametrize("path", ["/metrics", "/", "/group?name=a", "/topic", "/api/v1/groups", "/-/ready"])
def test_right_password(web: Web, path: str, name: str, password: str) -> None:
    """Who gives a right password is served on every path."""
    with web.serving() as server:
        assert 200 == fetch(server, path, Authorization=basic(name, password)).status


@pytest.mark.parametrize(
    "header",
    [
        None,
        "",
        "Basic",
        "Basic ",
        "Bearer cmlnaHQ=",
        "Basic !!!!",
        "Basic " + b64encode(b"no colon").decode(),
        basic("alice", "right") + "=",
        basic("alice", "right") + ", " + basic("alice", "right"),
        basic("alice", "wrong"),
        basic("alice", ""),
        basic("", "right"),
        basic("Alice", "right"),
        basic("bob", "right"),
        basic("alice", "right\0"),
        basic("Zoë", "right"),
        "Basic " + b64encode(b"\xff\xfe:right").decode(),
        pytest.param(basic("alice", bcrypt_hash("right")), id="the hash"),
        basic("alice", "x" * 1000),
    ],
)
@pytest.mark.parametrize("path", ["/metrics", "/", "/group?name=a", "/topic", "/api/v1/groups", "/-/ready", "/nothing"])
def test_refused(web: Web, path: str, header: str | None) -> None:
    """Without valid credentials every path returns 401, so that a client cannot find out which paths exist."""
    content = FixedContent()
    with web.serving(content) as server:
        given: dict[str, Any] = {} if header is None else {"Authorization": header}
        assert WRONG == told(fetch(server, path, **given))
    assert [] == content.asked


def test_two_headers(web: Web) -> None:
    """Of two headers neither counts."""
    with web.serving() as server, closing(connection_to(server)) as connection:
        connection.putrequest("GET", "/metrics")
        for _ in range(2):
            connection.putheader("Authorization", basic("alice", "right"))
        connection.endheaders()
        answer = connection.getresponse()
        assert WRONG == (answer.status, answer.headers["www-authenticate"], answer.read())


def test_scheme_in_any_case(web: Web) -> None:
    """The scheme may be written in any case."""
    with web.serving() as server:
        assert 200 == fetch(server, Authorization=basic("alice", "right").replace("Basic", "bAsIc ")).status


def test_refused_head(web: Web) -> None:
    """HEAD is refused without a body, and the connection stays usable."""
    with web.serving() as server, closing(connection_to(server)) as connection:
        assert (401, b"") == ((reply := exchange(connection, "/metrics", "HEAD")).status, reply.body)
        assert 200 == exchange(connection, "/metrics", Authorization=basic("alice", "right")).status


def test_long_password(web: Web) -> None:
    """Of a password 72 bytes count, as everywhere with bcrypt."""
    web.users = {"alice": bcrypt_hash("x" * 72)}
    with web.serving() as server:
        assert 200 == fetch(server, Authorization=basic("alice", "x" * 100)).status


def test_own_health_check_needs_no_password(web: Web, monkeypatch: pytest.MonkeyPatch) -> None:
    """The health check of this machine needs no password; one from elsewhere does."""
    with web.serving() as server:
        assert 200 == fetch(server, "/-/healthy").status
        monkeypatch.setattr(authentication, "is_local", lambda *_: False)
        assert WRONG == told(fetch(server, "/-/healthy"))


def test_scrapes_cost_one_check(web: Web, counting: Counting) -> None:
    """200 scrapes with the right password cost one check; another password costs another."""
    with web.serving() as server:
        for _ in range(200):
            assert 200 == fetch(server, Authorization=basic("alice", "right")).status
        assert 1 == len(counting.calls)
        for _ in range(5):
            assert 401 == fetch(server, Authorization=basic("alice", "wrong")).status
    assert 2 == len(counting.calls)


def test_scrapes_at_once_cost_one_check(web: Web, counting: Counting) -> None:
    """Scrapes that come at the same time with the same password share one check."""
    with web.serving() as server, ThreadPoolExecutor(20) as pool:
        replies = list(pool.map(lambda _: fetch(server, Authorization=basic("alice", "right")), range(20)))

    assert {200} == {reply.status for reply in replies}
    assert 1 == len(counting.calls)


def test_unknown_user_costs_the_same(web: Web, counting: Counting) -> None:
    """An unknown user's password is checked all the same, against a hash as costly as the costliest."""
    web.users["carol"] = bcrypt_hash("x", 6)
    with web.serving() as server:
        assert 401 == fetch(server, Authorization=basic("bob", "right")).status

    assert [(b"right", b"$2b$06$" + b"." * 53)] == counting.calls


def test_cheap_user_costs_the_same(web: Web, counting: Counting) -> None:
    """The checks of a user whose hash is cheap take as many rounds in all as that of the costliest."""
    web.users["carol"] = bcrypt_hash("x", 7)
    with web.serving() as server:
        assert 401 == fetch(server, Authorization=basic("alice", "wrong")).status
        assert 200 == fetch(server, Authorization=basic("alice", "right")).status

    costs = [int(digest[4:6]) for _, digest in counting.calls]
    assert [4, 4, 5, 6] * 2 == costs
    assert 2**7 == sum(2**cost for cost in costs[:4])


def test_nobody_has_no_password() -> None:
    """An unknown user is rejected even with the password of the dummy hash."""
    passwords = PasswordChecker(lambda *_: True)

    assert [False] * 2 == [passwords.are_right({"alice": bcrypt_hash("x")}, b"bob", b"x", "") for _ in range(2)]


@pytest.mark.parametrize("failure", [ValueError, RuntimeError])
def test_check_that_fails(failure: type[Exception]) -> None:
    """What bcrypt cannot make sense of is refused, and the next password is checked."""

    def fail(password: bytes, _digest: bytes) -> bool:
        if password == b"x":
            raise failure
        return True

    passwords = PasswordChecker(fail)
    users = {"alice": bcrypt_hash("x")}
    assert [False, True] == [passwords.are_right(users, b"alice", password, "") for password in (b"x", b"y")]


def test_no_password_is_kept(web: Web) -> None:
    """What is remembered is no password, no hash, and no plain digest of them; another process remembers another."""
    digest = web.users["alice"]

    def kept() -> bytes:
        passwords = PasswordChecker()
        assert passwords.are_right(web.users, b"alice", b"right", "")
        (key,) = passwords._right._keys
        return key

    plain = hashlib.blake2b(b":".join((digest.encode(), b"alice", b"right"))).digest()
    assert kept() not in {b"right", digest.encode(), plain, kept()}


def test_flood_does_not_block(web: Web, counting: Counting) -> None:
    """While passwords are checked, known ones are let in, of one client few wait, and the others are sent away."""
    with web.serving() as server, ThreadPoolExecutor(10) as pool:
        assert 200 == fetch(server, Authorization=basic("alice", "right")).status
        counting.go_on.clear()
        flood = [pool.submit(fetch, server, Authorization=basic("alice", f"wrong {each}")) for each in range(10)]
        begin = time.monotonic()
        for _ in range(50):
            assert 200 == fetch(server, Authorization=basic("alice", "right")).status
        assert time.monotonic() - begin < 2
        assert eventually(lambda: 10 - WAITING_OF_NETWORK == sum(each.done() for each in flood))
        counting.go_on.set()
        statuses = sorted(each.result().status for each in flood)

    assert [401] * WAITING_OF_NETWORK + [429] * (10 - WAITING_OF_NETWORK) == statuses
    assert 1 == counting.most_at_once


def outcome(passwords: PasswordChecker, users: dict[str, str], name: bytes, password: bytes, client: str) -> object:
    """Return whether a password is right, or ``BusyError``."""
    try:
        return passwords.are_right(users, name, password, client)
    except BusyError:
        return BusyError


def waiting_checks(
    counting: Counting,
    users: dict[str, str],
    names: list[tuple[bytes, str]],
    *,
    last: tuple[bytes, bytes, str] | None = None,
) -> list[object]:
    """Have names with a password of their own checked at once, from these addresses, while no check ends.

    Return what becomes of each, and of the ``last`` name and password, which come when all others wait.
    """
    passwords = PasswordChecker(counting)
    counting.go_on.clear()
    with ThreadPoolExecutor(len(names) + 1) as pool:
        asked = [
            pool.submit(outcome, passwords, users, name, b"x%d" % index, client)
            for index, (name, client) in enumerate(names)
        ]
        assert eventually(lambda: len(passwords._pending) + sum(each.done() for each in asked) == len(names))
        if last is not None:
            asked.append(pool.submit(outcome, passwords, users, *last))
            assert eventually(lambda: len(passwords._pending) + sum(each.done() for each in asked) == 1 + len(names))
        counting.go_on.set()
        results = [each.result() for each in asked]
    assert not passwords._pending
    return results


def test_waiting_is_bounded(counting: Counting) -> None:
    """However many clients there are, a bounded number of passwords waits, and each client's places come back."""
    names = [(str(number).encode(), f"10.0.0.{number // 2}") for number in range(2 * WAITING)]
    results = waiting_checks(counting, {"alice": bcrypt_hash("x")}, names)

    assert (WAITING, WAITING) == (results.count(False), results.count(BusyError))
    assert 1 == counting.most_at_once


@pytest.mark.parametrize(
    ("expected", "address"),
    [
        (WAITING_OF_NETWORK, "2001:db8::{:x}"),
        (WAITING_OF_NETWORK, "2001:db8:0:0:{:x}::1"),
        (WAITING_OF_NETWORK, "::ffff:10.0.0.1"),
        (20, "2001:db8:0:{:x}::1"),
        (20, "::ffff:10.0.0.{}"),
    ],
)
def test_networks(counting: Counting, expected: int, address: str) -> None:
    """A client is known by its IPv4 address, or by the /64 of its IPv6 address: it has as many of those as it likes."""
    names = [(b"bob", address.format(number)) for number in range(20)]
    results = waiting_checks(counting, {"alice": bcrypt_hash("x")}, names)

    assert (expected, 20 - expected) == (results.count(False), results.count(BusyError))


def test_room_for_users(counting: Counting) -> None:
    """Who knows no user's name does not keep a user out, from the same address or from many, and not for long."""
    strangers = [(b"bob", f"10.0.{number}.1") for number in range(WAITING)] + [(b"bob", "10.1.1.1")] * 10
    last = (b"alice", b"right", "10.1.1.1")
    results = waiting_checks(counting, {"alice": bcrypt_hash("right")}, strangers, last=last)

    assert (WAITING, 10, True) == (results.count(False), results.count(BusyError), results[-1])
    assert b"right" in [password for password, _ in counting.calls[:3]]


def test_given_up_at_random(counting: Counting) -> None:
    """Of too many that know a user's name, any may be given up: neither who came first nor who came last wins."""
    users = {"alice": bcrypt_hash("x")}
    winners = set[int]()
    for _ in range(20):
        results = waiting_checks(counting, users, [(b"alice", "10.0.0.1")] * 8)
        winners |= {index for index, result in enumerate(results) if result is False}

    assert set(range(8)) == winners


def test_close_gives_up_those_that_wait(counting: Counting) -> None:
    """After the end no client waits, no check runs, and none starts."""
    passwords = PasswordChecker(counting)
    users = {"alice": bcrypt_hash("x")}
    counting.go_on.clear()
    with ThreadPoolExecutor() as pool:
        waiting = [pool.submit(passwords.are_right, users, b"alice", password, "") for password in (b"a", b"b", b"c")]
        assert eventually(lambda: len(passwords._pending) == 3 and counting.at_once == 1)
        threading.Timer(0.2, counting.go_on.set).start()
        passwords.close(5)
        assert 1 == sum(each.exception() is None for each in waiting)

    assert 0 == counting.at_once
    with pytest.raises(BusyError):
        passwords.are_right(users, b"alice", b"x", "")


def test_flood_forgets_nobody(counting: Counting) -> None:
    """A flood of wrong passwords does not make the right one forgotten, and what is kept of it is bounded."""
    users = {"alice": bcrypt_hash("right")}
    passwords = PasswordChecker(lambda password, digest: password == b"right" and counting(password, digest))
    for number in range(KNOWN_WRONG + 50):
        passwords.are_right(users, b"alice", str(number).encode(), "")
        assert number % 100 or passwords.are_right(users, b"alice", b"right", "")

    assert KNOWN_WRONG == len(passwords._wrong._keys)
    assert 1 == len(counting.calls)


def test_memory() -> None:
    """What was looked up last is remembered."""
    memory = RecentKeys(2)
    for key in (b"a", b"b"):
        memory.add(key)
    assert b"a" in memory
    memory.add(b"c")

    assert (True, False, True) == (b"a" in memory, b"b" in memory, b"c" in memory)


def test_scrapes_during_a_flood(web: Web) -> None:
    """A flood of wrong passwords does not delay scrapes (the figures are logged)."""
    web.users["alice"] = bcrypt_hash("right", 10)
    end, refused = threading.Event(), []

    def flood(number: int) -> None:
        each = 0
        while not end.is_set():
            each += 1
            refused.append(fetch(server, Authorization=basic("alice", f"{number} {each}")).status)

    def scrape() -> float:
        begin = time.perf_counter()
        assert 200 == fetch(server, Authorization=basic("alice", "right")).status
        return time.perf_counter() - begin

    with precedence(), web.serving() as server, ThreadPoolExecutor(8) as pool:
        scrape()
        alone = sorted(scrape() for _ in range(50))
        flooding = [pool.submit(flood, number) for number in range(8)]
        time.sleep(0.2)
        during = sorted(scrape() for _ in range(100))
        end.set()
        for each in flooding:
            each.result()

    logging.getLogger(__name__).warning(
        "scrapes alone: median %.4f s, max %.4f s; in a flood: median %.4f s, max %.4f s; 401 %d, 429 %d",
        *(alone[25], alone[-1], during[50], during[-1], refused.count(401), refused.count(429)),
    )
    assert during[-1] < 1
    assert {401, 429} == set(refused)


def test_changed_users(web: Web, monkeypatch: pytest.MonkeyPatch) -> None:
    """Changed users count from the next request on, on open connections too; a broken file changes nothing."""
    monkeypatch.setattr(live_config, "CHECK_SECONDS", 0)
    with web.serving() as server, closing(connection_to(server)) as kept, capture_logs() as logs:
        assert 200 == exchange(kept, "/metrics", Authorization=basic("alice", "right")).status
        web.users = {"alice": bcrypt_hash("newer"), "bob": bcrypt_hash("b")}
        web.write()
        assert 401 == exchange(kept, "/metrics", Authorization=basic("alice", "right")).status
        assert 401 == exchange(kept, "/metrics", Authorization=basic("Zoë", "pass:wörd")).status
        assert 200 == exchange(kept, "/metrics", Authorization=basic("alice", "newer")).status
        web.users = {"alice": "newest"}
        web.write()
        assert 200 == exchange(kept, "/metrics", Authorization=basic("alice", "newer")).status
        assert 200 == exchange(kept, "/metrics", Authorization=basic("bob", "b")).status

    assert ["info", "error"] == [log["log_level"] for log in logs if log["log_level"] != "debug"]


def test_no_secret_is_told(web: Web, monkeypatch: pytest.MonkeyPatch) -> None:
    """No log message or response contains a password, user name or hash, from a request or from the file."""
    monkeypatch.setattr(live_config, "CHECK_SECONDS", 0)
    with capture_logs() as logs, web.serving() as server:
        replies = [
            fetch(server, Authorization=basic(name, password))
            for name, password in (("alice", "right"), ("mallory", "guess"))
        ]
        web.users["mallory"] = "guess"
        web.write()
        replies.append(fetch(server))

    everything = str(logs) + str([(reply.headers, reply.body) for reply in replies])
    assert not [each for each in ("right", "guess", "mallory", "alice", *web.users.values()) if each in everything]
    assert "passwords sent unencrypted: web config has users but no TLS" in everything


def test_headers(tmp_path: Path) -> None:
    """The headers that are asked for stand on every answer, in place of the exporter's own."""
    headers = {"Content-Security-Policy": "default-src 'self'", "X-Frame-Options": "deny", "X-XSS-Protection": ""}
    web = Web(tmp_path, others={"http_server_config": {"headers": headers}}, users={"alice": bcrypt_hash("right")})
    with web.serving() as server:
        replies = [
            fetch(server, path, Authorization=basic("alice", "right"))
            for path in ("/", "/metrics", "/-/healthy", "/no")
        ]
        replies.append(fetch(server))

    assert [("default-src 'self'", "deny", None)] * 5 == [
        tuple(reply.headers.get(name.lower()) for name in headers) for reply in replies
    ]


def test_rate_limit(tmp_path: Path) -> None:
    """Requests beyond the rate limit are answered 429, the health check of this machine apart."""
    web = Web(tmp_path, others={"rate_limit": {"interval": "1h", "burst": 3}})
    with web.serving() as server:
        assert [200, 200, 200, 429, 429] == [fetch(server).status for _ in range(5)]
        assert 200 == fetch(server, "/-/healthy").status


def test_rate_limit_changes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A changed rate limit counts at once; another change does not fill the bucket again."""
    monkeypatch.setattr(live_config, "CHECK_SECONDS", 0)
    web = Web(tmp_path, others={"rate_limit": {"interval": "1h", "burst": 1}})
    with web.serving() as server:
        assert [200, 429] == [fetch(server).status for _ in range(2)]
        web.others["http_server_config"] = {"headers": {"X-Frame-Options": "deny"}}
        web.write()
        assert 429 == fetch(server).status
        web.others["rate_limit"] = {"interval": "1h", "burst": 2}
        web.write()
        assert [200, 200, 429] == [fetch(server).status for _ in range(3)]


def test_bucket() -> None:
    """A bucket gives a burst at once, then one token an interval, and fills up to the burst again."""
    now = [1e6]
    bucket = TokenBucket(0.1, 3, lambda: now[0])

    def taken(seconds: float, attempts: int) -> int:
        now[0] += seconds
        return sum(bucket.take() for _ in range(attempts))

    assert [3, 0, 1, 2, 3] == [taken(0, 9), taken(0.04, 9), taken(0.09, 9), taken(0.2, 9), taken(100, 9)]
