"""Reloads: what continues, what changes, and how invalid configurations are reported."""

from __future__ import annotations

import os
import re
import signal
import socket
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
import structlog

from burrow_exporter import exporter as exporter_module
from burrow_exporter.exporter import Exporter
from burrow_exporter.polling import poller
from burrow_exporter.polling.poller import Poller
from burrow_exporter.polling.walk import Walk, WalkResult
from burrow_exporter.settings.config import (
    BurrowConfig,
    Config,
    Filter,
    Filters,
    LogConfig,
    MetricsConfig,
    PollConfig,
    ShardConfig,
    TopicFilter,
    WebConfig,
)
from burrow_exporter.settings.policy import GroupEntry, PolicyConfig
from burrow_exporter.settings.validation import ConfigError
from tests.support.faults import FaultServer, Step, by_path, in_turn, reply, then_hang
from tests.support.pages import own_of, page_of, select, wait_until
from tests.support.processes import exporter as process
from tests.support.processes import peak_mib
from tests.support.recorded import STARTING, Recorded, lag_answer, partition, small

LAG = "burrow_kafka_consumer_partition_lag"
FAST = PollConfig(interval=1)
Log = list[structlog.typing.EventDict]
Answers = dict[str, Recorded | Step]


def of(lag: int) -> Answers:
    """Return the answers of a Burrow with two groups with this lag."""
    return {**small({name: lag_answer("c", name, partition(current_lag=lag)) for name in ("g", "h")})}


NINE_TIMES = {name: ", ".join([f"*{before}"] * 9) for before, name in pairwise("abcdefghi")}
LISTS = "".join(f"{name}: &{name} [{before}]\n" for name, before in NINE_TIMES.items())
MERGES = "".join(f"{name}: &{name} {{<<: [{before}]}}\n" for name, before in NINE_TIMES.items())
ENDLESS = {
    "large": "# " + "x" * 2_000_000,
    "bomb": f"a: &a [x, x, x, x, x, x, x, x, x]\n{LISTS}burrows: *i\n",
    "merges": f"a: &a {{{', '.join(f'k{number}: x' for number in range(9))}}}\n{MERGES}burrows: *i\n",
}
"""Files that are large, or become so when they are read."""


class Reloaded:
    """An exporter that polls, and whose configuration a test changes."""

    def __init__(self, *burrows: BurrowConfig, **sections: Any) -> None:
        self.config = Config(burrows=burrows, poll=sections.pop("poll", FAST), **sections)
        self.error: Exception | None = None
        self.stop = threading.Event()
        self.exporter = Exporter(self.config, self.stop, self._load)
        self.exporter._fleet.start()

    def _load(self) -> Config:
        if self.error:
            raise self.error
        return self.config

    def reload(self, *burrows: BurrowConfig, **sections: Any) -> str:
        """Load a configuration; sections that are not given are the default ones."""
        self.config = Config(burrows=burrows, poll=sections.pop("poll", FAST), **sections)
        return self.exporter.reload()

    def lags(self, label: str = "consumer_group") -> dict[str, float]:
        """Return the published lags by one of their labels."""
        return select(page_of(self.exporter), LAG, label)

    def own(self, name: str, burrow: str = "a") -> float | None:
        """Return one of a Burrow's own samples."""
        return own_of(self.exporter, name, burrow=burrow)


def holds(condition: Callable[[], bool], seconds: float) -> bool:
    """Tell whether a condition holds all of some time."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if not condition():
            return False
        time.sleep(0.005)
    return True


@pytest.fixture
def start() -> Iterator[Callable[..., Reloaded]]:
    """Return what starts an exporter, which ends with the test."""
    started: list[Reloaded] = []

    def begin(*burrows: BurrowConfig, **sections: Any) -> Reloaded:
        started.append(Reloaded(*burrows, **sections))
        return started[-1]

    yield begin
    for each in started:
        each.stop.set()
        each.exporter._fleet.end()


@pytest.fixture
def log() -> Iterator[Log]:
    """Return what is logged."""
    with structlog.testing.capture_logs() as lines:
        yield lines


def named(name: str, server: FaultServer, **fields: Any) -> BurrowConfig:
    """Return the configuration of one Burrow."""
    return BurrowConfig(name=name, addresses=(server.address,), **{"timeout": 5, **fields})


def test_a_burrow_that_did_not_change_goes_on(start: Callable[..., Reloaded]) -> None:
    """Its poller, with all that it knows, stays the very same, at its rhythm."""
    with FaultServer(by_path(of(1))) as one, FaultServer(by_path(of(2))) as two:
        running = start(named("a", one))
        wait_until(running.lags)
        before = running.exporter._fleet._members["a"]
        assert "" == running.reload(named("b", two, labels={"x": "y"}), named("a", one))
        assert before.poller is running.exporter._fleet._members["a"].poller
        assert before.renderer is running.exporter._fleet._members["a"].renderer
        wait_until(lambda: running.own("burrow_up", "b"))


def test_a_changed_burrow_leaves_no_gap(start: Callable[..., Reloaded]) -> None:
    """What was published stays until the first poll by the new configuration, and counters go on."""
    answers = of(1)
    with FaultServer(by_path(answers)) as server:
        running = start(named("a", server))
        wait_until(running.lags)
        polls = running.own("polls_total") or 0
        assert "" == running.reload(named("a", server, filters=Filters(group=Filter.of(["g"]))))
        assert holds(lambda: "g" in running.lags(), 1.5)
        wait_until(lambda: {"g"} == set(running.lags()))
        assert polls < (running.own("polls_total") or 0)


def test_a_changed_burrow_that_fails_keeps_its_readings(start: Callable[..., Reloaded]) -> None:
    """Readings of before outlast a first poll that fails: they expire as they would have."""
    answers = of(1)
    with FaultServer(by_path(answers)) as server:
        running = start(named("a", server), poll=PollConfig(interval=1, stale_after=30))
        wait_until(running.lags)
        answers["/burrow/admin/ready"] = STARTING
        assert "" == running.reload(named("a", server, timeout=4), poll=PollConfig(interval=1, stale_after=30))
        wait_until(lambda: running.own("burrow_up") == 0)
        assert {"g", "h"} == set(running.lags())
        assert running.exporter.is_ready()


def test_a_changed_filter_leaves_nothing_old(start: Callable[..., Reloaded]) -> None:
    """What the new configuration has not read is not published after its first poll: it may be what it leaves out."""
    answers = of(1)
    with FaultServer(by_path(answers)) as server:
        running = start(named("a", server), poll=(poll := PollConfig(interval=1, stale_after=30)))
        wait_until(running.lags)
        answers["/v3/kafka/c/consumer/g/lag"] = then_hang()
        filters = Filters(topic=TopicFilter.of(exclude=["orders"]))
        assert "" == running.reload(named("a", server, timeout=0.5, filters=filters), poll=poll)
        wait_until(lambda: not running.lags(), seconds=5)
        assert holds(lambda: not running.lags(), 1)
        assert running.exporter.is_ready()


def test_a_change_of_labels_keeps_the_poller(start: Callable[..., Reloaded]) -> None:
    """They concern the page alone."""
    with FaultServer(by_path(of(1))) as server:
        running = start(named("a", server))
        wait_until(running.lags)
        before = running.exporter._fleet._members["a"]
        running.reload(named("a", server, labels={"x": "y"}))
        assert before.poller is running.exporter._fleet._members["a"].poller
        assert {"y"} == set(running.lags("x"))


def test_a_removed_burrow_does_not_publish_as_its_namesake(start: Callable[..., Reloaded]) -> None:
    """Its last poll ends after another Burrow has its name, and changes nothing on the page."""
    answers = of(1)
    asked = threading.Event()

    def slow(connection: socket.socket) -> bool:
        asked.set()
        time.sleep(1)
        return reply(lag_answer("c", "g", partition(current_lag=1)).body.encode())(connection)

    with FaultServer(by_path(answers)) as old, FaultServer(by_path(of(2))) as new, FaultServer(by_path(of(9))) as other:
        running = start(named("o", other), named("a", old, labels={"x": "y"}))
        wait_until(lambda: running.own("burrow_up") and running.own("burrow_up", "o"))
        answers["/v3/kafka/c/consumer/g/lag"] = slow
        assert asked.wait(5)
        running.reload(named("o", other))
        running.reload(named("o", other), named("a", new, labels={"x": "y"}))
        seen: set[float] = set()

        def is_new() -> bool:
            labelled = frozenset({("x", "y")})
            samples = page_of(running.exporter).items()
            seen.update(value for (name, labels), value in samples if name == LAG and labels >= labelled)
            return seen <= {2.0}

        assert holds(is_new, 2)
        assert {2.0} == seen


def test_a_reload_while_the_fleet_starts(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever has been started by then, every poller lives afterwards."""
    died: list[threading.ExceptHookArgs] = []
    monkeypatch.setattr(threading, "excepthook", died.append)
    with FaultServer(by_path(of(1))) as one, FaultServer(by_path(of(2))) as two:
        first = Config(burrows=(named("a", one), named("b", two)), poll=FAST)
        second = Config(burrows=(named("a", one), named("b", two, timeout=3)), poll=FAST)
        exporter = Exporter(first, stop := threading.Event(), lambda: second)
        start, reloads = Poller.start, [exporter.reload]

        def begin(self: Poller, *arguments: Any, **options: Any) -> None:
            start(self, *arguments, **options)
            if reloads:
                thread = threading.Thread(target=reloads.pop())
                thread.start()
                thread.join(5)
                assert not thread.is_alive()

        monkeypatch.setattr(Poller, "start", begin)
        exporter._fleet.start()
        wait_until(lambda: own_of(exporter, "burrow_up", burrow="b"))
        assert ([], True) == (died, exporter.is_healthy())
        stop.set()


def test_a_refused_reload_leaves_no_series(start: Callable[..., Reloaded], monkeypatch: pytest.MonkeyPatch) -> None:
    """Of a Burrow that never was."""
    with FaultServer(by_path(of(1))) as server:
        running = start(named("a", server))
        wait_until(running.lags)

        def fail(*_: Any) -> None:
            message = "gone between check and use"
            raise OSError(message)

        monkeypatch.setattr(poller, "BurrowClient", fail)
        assert "gone between check and use" == running.reload(named("a", server), named("b", server))
        assert running.own("burrow_up", "b") is None
        assert ["a"] == running.exporter._fleet.names()


def test_readings_expire_whatever_a_poll_does(start: Callable[..., Reloaded], monkeypatch: pytest.MonkeyPatch) -> None:
    """A poll that does not end leaves an empty page by the clock; health and metric tell, until it has ended."""
    monkeypatch.setattr(poller, "OVERDUE", 1)
    with FaultServer(by_path(of(1))) as server:
        running = start(named("a", server), poll=PollConfig(interval=1, stale_after=1))
        wait_until(running.lags)
        let_go = threading.Event()
        monkeypatch.setattr(Walk, "run", lambda *_: let_go.wait() and WalkResult(0.0))
        wait_until(lambda: not running.lags() and not running.exporter.is_healthy(), seconds=6)
        wait_until(lambda: running.own("burrow_up") == 0)
        let_go.set()
        wait_until(running.exporter.is_healthy)


def test_labels_and_families_change_at_once(start: Callable[..., Reloaded]) -> None:
    """What concerns the page alone is there with the answer, without another poll."""
    with FaultServer(by_path(of(1))) as server:
        running = start(named("a", server), poll=PollConfig(interval=60))
        wait_until(running.lags)
        poll = PollConfig(interval=60)
        running.reload(named("a", server), poll=poll, metrics=MetricsConfig(disable=frozenset({LAG})))
        assert {} == running.lags()
        running.reload(named("a", server, labels={"region": "eu"}), poll=poll)
        assert {"eu"} == set(running.lags("region"))
        running.reload(named("a", server), poll=poll, metrics=MetricsConfig(max_series=1))
        assert {} == running.lags()


def test_pages_refresh_as_often_as_it_polls(start: Callable[..., Reloaded]) -> None:
    """A page asks for the next one after the interval in force, of which a refused configuration changes nothing."""
    with FaultServer(by_path(of(1))) as server:
        running = start(named("a", server), poll=PollConfig(interval=20))
        assert 20 == running.exporter.status_page("/", "").refresh
        running.reload(named("a", server), poll=PollConfig(interval=60))
        assert 60 == running.exporter.status_page("/", "").refresh
        running.error = ConfigError("burrows", "wrong")
        running.reload(named("a", server), poll=PollConfig(interval=90))
        assert 60 == running.exporter.status_page("/", "").refresh


def test_a_policy_changes_at_once(start: Callable[..., Reloaded]) -> None:
    """A team that changed hands is there with the answer, without another poll, and the poller goes on."""
    with FaultServer(by_path(of(1))) as server:
        poll = PollConfig(interval=60)
        running = start(named("a", server), poll=poll)
        wait_until(running.lags)
        before = running.exporter._fleet._members["a"].poller
        for team in ("data", "platform"):
            entry = GroupEntry(match=re.compile("g"), team=team)
            running.reload(named("a", server), poll=poll, policy=PolicyConfig(groups=(entry,)))
            assert {team: 1} == select(page_of(running.exporter), "burrow_kafka_consumer_policy_info", "team")
        assert before is running.exporter._fleet._members["a"].poller


def test_a_burrow_that_is_gone_leaves_nothing(start: Callable[..., Reloaded]) -> None:
    """A removed Burrow disappears from the page with all of its metrics, even while it is being polled."""
    slow: Answers = of(2)
    with FaultServer(by_path(of(1))) as one, FaultServer(by_path(slow)) as two:
        running = start(named("a", one), named("b", two, labels={"x": "y"}))
        wait_until(lambda: running.own("burrow_up") and running.own("burrow_up", "b"))
        slow["/v3/kafka/c/consumer/g/lag"] = then_hang()
        wait_until(lambda: running.own("polls_total", "b") == 2)
        assert "" == running.reload(named("a", one))

        def is_gone() -> bool:
            return not [key for key in page_of(running.exporter) if {("burrow", "b"), ("x", "y")} & key[1]]

        assert is_gone()
        assert holds(is_gone, 2)
        assert ["a"] == running.exporter._fleet.names()


def test_a_cluster_of_a_burrow_that_is_gone(start: Callable[..., Reloaded]) -> None:
    """What was refused of a second Burrow is published at once when the first is removed."""
    with FaultServer(by_path(of(1))) as one, FaultServer(by_path(of(2))) as two:
        running = start(named("a", one), named("b", two))
        wait_until(lambda: running.own("refused_clusters", "b") == 1 and running.own("burrow_up"))
        assert {1} == set(running.lags().values())
        running.reload(named("b", two))
        assert {2} == set(running.lags().values())
        assert 0 == running.own("refused_clusters", "b")
        running.reload(named("b", two), named("a", one))
        wait_until(lambda: running.own("refused_clusters") == 1)
        assert {2} == set(running.lags().values())


def test_a_hanging_burrow_does_not_hold_up_a_reload(start: Callable[..., Reloaded]) -> None:
    """A reload does not wait for the poll in progress; the new poller starts when that poll has ended."""
    with FaultServer(in_turn(then_hang())) as hanging, FaultServer(by_path(of(1))) as server:
        running = start(named("a", hanging))
        wait_until(lambda: hanging.asked)
        begun = time.monotonic()
        assert "" == running.reload(named("a", server))
        assert time.monotonic() - begun < 0.5
        wait_until(running.lags, seconds=5)
        assert running.exporter.is_healthy()


def test_shards_change(start: Callable[..., Reloaded]) -> None:
    """Another share of the groups is published after the next poll."""
    with FaultServer(by_path(of(1))) as server:
        running = start(named("a", server))
        wait_until(running.lags)
        shard = ShardConfig(index=1, total=2)
        expected = {name for name in ("g", "h") if shard.holds("c", name)}
        assert "" == running.reload(named("a", server), shard=shard)
        wait_until(lambda: expected == set(running.lags()))


def test_a_bad_configuration_changes_nothing(start: Callable[..., Reloaded], log: Log) -> None:
    """The old one goes on; the answer, the log and a metric say so, until a good one comes."""
    with FaultServer(by_path(of(1))) as server:
        running = start(named("a", server))
        wait_until(running.lags)
        running.error = ConfigError("burrow.yaml: poll.interval", "must be at least 1s")
        polls = running.own("polls_total") or 0
        assert "burrow.yaml: poll.interval: must be at least 1s" == running.exporter.reload()
        assert 0 == own_of(running.exporter, "config_last_reload_successful")
        (line,) = [line for line in log if line["log_level"] == "error"]
        assert "burrow.yaml: poll.interval: must be at least 1s" == line["reason"]
        wait_until(lambda: (running.own("polls_total") or 0) > polls + 1)
        running.error = None
        assert "" == running.exporter.reload()
        assert 1 == own_of(running.exporter, "config_last_reload_successful")


def test_a_fault_of_our_own_changes_nothing_either(start: Callable[..., Reloaded]) -> None:
    """Whatever goes wrong in reading, the exporter goes on and says no."""
    running = start(BurrowConfig())
    running.error = RuntimeError("unexpected")
    assert "see the exporter's log" in running.exporter.reload()
    assert 0 == own_of(running.exporter, "config_last_reload_successful")


def test_what_takes_effect_with_the_next_start_is_said(start: Callable[..., Reloaded], log: Log) -> None:
    """Settings of the server and the log stay as they are, and that is said with their keys."""
    running = start(BurrowConfig())
    running.reload(
        BurrowConfig(), web=WebConfig(listen_addresses=(":1",), enable_lifecycle=True), log=LogConfig(level="debug")
    )
    (line,) = [line for line in log if "restart required" in line["event"]]
    assert "web.listen_addresses web.enable_lifecycle log.level" == line["settings"]
    assert not running.exporter.may_be_reloaded()


def test_threads_of_replaced_pollers_end(start: Callable[..., Reloaded]) -> None:
    """However often it is reloaded, only the threads of the last configuration are left."""
    with FaultServer(by_path(of(1))) as server:
        running = start(named("often", server, concurrency=2))

        def threads() -> list[str]:
            return [each.name for each in threading.enumerate() if each.name.endswith("-often")]

        for number in range(1, 8):
            assert "" == running.reload(named("often", server, concurrency=2, catch_up_lag=number))
        wait_until(lambda: threads() == ["poll-often"])


def test_a_reload_under_way(start: Callable[..., Reloaded], monkeypatch: pytest.MonkeyPatch) -> None:
    """A second one is told so at once, or waits; one that takes too long is given up, and the next one is free."""
    monkeypatch.setattr(exporter_module, "RELOAD_SECONDS", 0.5)
    running = start(BurrowConfig())
    let_go = threading.Event()
    monkeypatch.setattr(running.exporter, "_load", lambda: let_go.wait(20) and running.config)
    told: list[str] = []
    first = threading.Thread(target=lambda: told.append(running.exporter.reload()))
    first.start()
    wait_until(running.exporter._reloading.locked)
    begun = time.monotonic()
    assert "a reload is already in progress" == running.exporter.reload()
    assert time.monotonic() - begun < 0.2
    assert 1 == own_of(running.exporter, "config_last_reload_successful")
    assert "loading it took more than 0.5 s" == running.exporter.reload(waits=True)
    first.join(5)
    assert ["loading it took more than 0.5 s"] == told
    assert 0 == own_of(running.exporter, "config_last_reload_successful")
    let_go.set()
    assert "" == running.exporter.reload()


# The real process


def ask(address: str, method: str = "POST") -> tuple[int, str]:
    """Return status and text of the answer to a request for a reload."""
    request = urllib.request.Request(f"{address}/-/reload", method=method)  # noqa: S310  our own
    try:
        with urllib.request.urlopen(request, timeout=5) as answer:  # noqa: S310  our own
            return answer.status, answer.read().decode()
    except urllib.error.HTTPError as error:
        with error:
            return error.code, error.read().decode()


def page(address: str) -> str:
    """Return the page."""
    with urllib.request.urlopen(f"{address}/metrics", timeout=5) as answer:  # noqa: S310  our own
        return str(answer.read().decode())


def write(file: Path, server: FaultServer, *lines: str) -> None:
    """Write a configuration file."""
    burrow = f"burrows: [{{name: a, addresses: [{server.address}], timeout: 1s}}]"
    file.write_text("\n".join((burrow, "poll: {interval: 1s}", *lines)))


def test_reload_by_signal_and_by_request(tmp_path: Path) -> None:
    """SIGHUP and POST read the file again; a file that is wrong is told in the answer, and the page goes on."""
    file = tmp_path / "burrow.yaml"
    with FaultServer(by_path(of(1))) as server:
        write(file, server)
        with process(f"--config.file={file}", "--web.enable-lifecycle") as (run, address):
            wait_until(lambda: LAG in page(address))
            write(file, server, f"metrics: {{disable: [{LAG}]}}")
            run.process.send_signal(signal.SIGHUP)
            run.wait_for("configuration reloaded")
            assert f"{LAG}{{" not in page(address)
            write(file, server)
            assert (200, "Reloaded.\n") == ask(address)
            assert LAG in page(address)
            write(file, server, "metrics: {disabled: []}")
            allowed = "unknown key; allowed keys: disable, partition_info, granularity, topic_families, max_series"
            complaint = f"{file}: metrics.disabled: {allowed}"
            assert (500, f"Reload failed, keeping the previous configuration: {complaint}\n") == ask(address)
            assert "burrow_exporter_config_last_reload_successful 0.0" in page(address)
            run.process.send_signal(signal.SIGHUP)
            run.wait_for("configuration reload failed, keeping the previous one.*metrics.disabled")
            assert LAG in page(address)
            assert 405 == ask(address, "GET")[0]
            assert (0, True) == (run.end()[0], True)


@pytest.mark.parametrize("kind", ["pipe", "device", "large", "bomb", "merges"])
def test_a_file_that_never_ends(tmp_path: Path, kind: str) -> None:
    """A pipe, a device or a huge document is rejected quickly, polls continue, and the next valid file is loaded."""
    file = tmp_path / "burrow.yaml"
    with FaultServer(by_path(of(1))) as server:
        write(file, server)
        with process(f"--config.file={file}", "--web.enable-lifecycle") as (run, address):
            wait_until(lambda: LAG in page(address))
            file.unlink()
            if kind == "pipe":
                os.mkfifo(file)
            elif kind == "device":
                file.symlink_to("/dev/zero")
            else:
                file.write_text(ENDLESS[kind])
            asked = len(server.asked)
            status, text = ask(address)
            assert (500, True) == (status, f"Reload failed, keeping the previous configuration: {file}: " in text), text
            wait_until(lambda: len(server.asked) > asked)
            file.unlink()
            write(file, server)
            assert (200, "Reloaded.\n") == ask(address)
            assert LAG in page(address)
            assert peak_mib(run.process.pid) < 384
            code, seconds = run.end()
            assert (0, True) == (code, seconds < 2)


def test_reload_by_request_is_off_by_default() -> None:
    """Without the flag a client can reload nothing; a signal can, without a file too."""
    with FaultServer(in_turn(reply())) as server, process(f"--burrow.address={server.address}") as (run, address):
        assert (403, "Lifecycle API is not enabled: --web.enable-lifecycle is off.\n") == ask(address)
        run.process.send_signal(signal.SIGHUP)
        run.wait_for("configuration reloaded")


def test_the_password_file_is_read_again(tmp_path: Path) -> None:
    """With a reload a changed password is used, and one that cannot be read is an error."""
    file = tmp_path / "password"
    file.write_text("one\n")
    with FaultServer(by_path(of(1))) as server:
        arguments = ["--burrow.username=a", f"--burrow.password-file={file}", "--poll.interval=1s"]
        with process(f"--burrow.address={server.address}", "--web.enable-lifecycle", *arguments) as (_, address):
            wait_until(lambda: b"Authorization: Basic YTpvbmU=" in server.heads[-1] if server.heads else False)
            file.write_text("two\n")
            assert 200 == ask(address)[0]
            wait_until(lambda: b"Authorization: Basic YTp0d28=" in server.heads[-1])
            file.unlink()
            status, text = ask(address)
            assert (500, True) == (status, "--burrow.password-file: cannot read" in text)
            wait_until(lambda: b"Authorization: Basic YTp0d28=" in server.heads[-1])
