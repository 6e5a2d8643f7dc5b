"""Real processes: how they stop, and what they log."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from html import escape
from pathlib import Path

import pytest
import requests
from urllib3.exceptions import InsecureRequestWarning

from burrow_exporter.cli import stop_on_signals
from tests.support.faults import FaultServer, Step, by_path, head, in_turn, reply, then_hang
from tests.support.processes import COMMAND, exporter, running
from tests.support.recorded import Recorded, lag_answer, partition, small
from tests.support.secured import Web, bcrypt_hash

TRIMMED = """
import resource
from pathlib import Path
from burrow_exporter.exporter import return_free_memory

def resident() -> int:
    return int(Path("/proc/self/statm").read_text().split()[1]) * resource.getpagesize()

blocks = [b"%d" % (number % 10) * 100_000 for number in range(1000)]
blocks[:] = blocks[::20]
before = resident()
return_free_memory()
print(before - resident())
"""
SIGNALS = [signal.SIGTERM, signal.SIGINT]
BUSY = {
    "hangs before the answer": then_hang(),
    "hangs in the body": then_hang(head(100) + b"{"),
    "is tried again": reply(b"", 500),
}


def wait_until_asked(server: FaultServer, path: str) -> None:
    """Wait for a request."""
    end = time.monotonic() + 10
    while path not in server.asked:
        assert time.monotonic() < end, server.asked
        time.sleep(0.01)


@pytest.mark.parametrize("number", SIGNALS, ids=lambda number: number.name)
@pytest.mark.parametrize("step", BUSY.values(), ids=BUSY)
def test_end_while_busy(step: Step, number: signal.Signals) -> None:
    """A signal ends it within 2 s with exit 0 while requests hang or wait to be tried again."""
    names = [f"g{index}" for index in range(8)]
    answers = small({name: lag_answer("c", name, partition()) for name in names})
    told: dict[str, Recorded | Step] = {**answers, **{f"/v3/kafka/c/consumer/{name}/lag": step for name in names}}
    with (
        FaultServer(by_path(told)) as server,
        exporter("--burrow.address", server.address, "--burrow.timeout=60s", "--poll.interval=60s") as (run, _),
    ):
        wait_until_asked(server, "/v3/kafka/c/consumer/g3/lag")
        code, seconds = run.end(number)
        assert (0, True) == (code, seconds < 2), seconds
        # A poll under way is not waited for.
        assert any("event=stopped" in line for line in run.lines)
        assert not any("Traceback" in line for line in run.lines)


@pytest.mark.parametrize("number", SIGNALS, ids=lambda number: number.name)
def test_end_when_idle(number: signal.Signals) -> None:
    """A signal ends it within 2 s with exit 0 between polls, whoever is connected, and frees the port."""
    with (
        FaultServer(by_path(dict(small()))) as server,
        exporter("--burrow.address", server.address) as (run, address),
    ):
        run.wait_for("first poll succeeded")
        host, _, port = address.removeprefix("http://").partition(":")
        with socket.create_connection((host, int(port))) as idle, requests.Session() as kept:
            assert 200 == kept.get(f"{address}/metrics", timeout=5).status_code
            idle.sendall(b"GET /metrics HTTP/1.1\r\n")
            code, seconds = run.end(number)
        assert (0, True) == (code, seconds < 2), seconds
        with pytest.raises(ConnectionRefusedError):
            socket.create_connection((host, int(port)))
        assert ["serving", '"first', "stopped"] == [line.split("event=")[1].split()[0] for line in run.lines]


def test_end_without_a_burrow() -> None:
    """Where there is no Burrow it serves its own metrics, tries again with each poll, and ends like any other."""
    with FaultServer(in_turn(reply())) as gone:
        pass
    with exporter("--burrow.address", gone.address, "--poll.interval=1s") as (run, address):
        run.wait_for(f'"Burrow poll failed".* address={gone.address} .*hint="nothing is listening there')
        page = requests.get(f"{address}/metrics", timeout=5).text
        assert 'burrow_exporter_burrow_up{burrow="default"} 0.0' in page
        assert 'endpoint="ready",reason="connection"' in page
        assert 503 == requests.get(f"{address}/-/ready", timeout=5).status_code
        assert 200 == requests.get(f"{address}/-/healthy", timeout=5).status_code
        code, seconds = run.end()
        assert (0, True) == (code, seconds < 2), seconds


def test_a_scrape_does_not_wait_for_burrow() -> None:
    """While a Burrow hangs, a scrape is answered at once."""
    with (
        FaultServer(in_turn(then_hang())) as server,
        exporter("--burrow.address", server.address) as (_, address),
    ):
        wait_until_asked(server, "/burrow/admin/ready")
        begun = time.monotonic()
        assert 200 == requests.get(f"{address}/metrics", timeout=5).status_code
        assert time.monotonic() - begun < 0.5


def test_few_open_files() -> None:
    """With few files to open, idle clients take neither those of polls nor those of scrapes; the log stays short."""
    limited = ("sh", "-c", 'ulimit -n 64 && exec "$@"', "sh", *COMMAND)
    with (
        FaultServer(by_path(dict(small()))) as server,
        running(
            *("--burrow.address", server.address, "--poll.interval=1s", "--web.listen-address=127.0.0.1:0"),
            command=limited,
        ) as run,
        ExitStack() as sockets,
    ):
        address = run.wait_for(r'address"?[=:] ?"?(http[^\s"]+)')
        host, _, port = address.removeprefix("http://").partition(":")
        for _ in range(120):
            sockets.enter_context(socket.create_connection((host, int(port)), 5))
        polls = server.asked.count("/burrow/admin/ready")
        deadline = time.monotonic() + 10
        while server.asked.count("/burrow/admin/ready") < polls + 3:
            assert time.monotonic() < deadline, server.asked
            time.sleep(0.05)
        page = requests.get(f"{address}/metrics", timeout=5).text
        assert 'burrow_exporter_burrow_up{burrow="default"} 1.0' in page
        assert 0 == run.end()[0]
    events = [line.partition("event=")[2].partition(" ts=")[0] for line in run.lines]
    assert 4 == len(events), run.lines
    assert "open file limit is low" in events[0]


def test_few_addresses() -> None:
    """Threads of polls and of five scrapes at once do with the addresses (``ulimit -v``) that the figures need."""
    limited = ("sh", "-c", 'ulimit -v 358400 && exec "$@"', "sh", *COMMAND)
    names = [f"g{index}" for index in range(100)]
    each = [partition(number=index) for index in range(1000)]
    answers = small({name: lag_answer("c", name, *each) for name in names})
    with (
        FaultServer(by_path(dict(answers))) as server,
        running(
            *("--burrow.address", server.address, "--poll.interval=10s", "--web.listen-address=127.0.0.1:0"),
            command=limited,
        ) as run,
        ThreadPoolExecutor(5) as pool,
    ):
        address = run.wait_for(r'address"?[=:] ?"?(http[^\s"]+)')
        end = time.monotonic() + 20
        while requests.get(f"{address}/-/ready", timeout=5).status_code != 200:
            assert time.monotonic() < end, run.lines
            time.sleep(0.1)
        pages = list(pool.map(lambda _: requests.get(f"{address}/metrics", timeout=30).text, range(10)))
        assert {len(names) * len(each)} == {page.count("burrow_kafka_consumer_partition_lag{") for page in pages}
        assert 0 == run.end()[0]
    assert not any("level=error" in line for line in run.lines), run.lines


def test_signal_at_any_moment() -> None:
    """A signal that arrives while the main thread holds the lock of the stop event does not lock up the process."""
    before = {number: signal.getsignal(number) for number in SIGNALS}
    try:
        stop = stop_on_signals()
        with vars(stop)["_cond"]:
            os.kill(os.getpid(), signal.SIGTERM)
            time.sleep(0.05)
        assert stop.wait(5)
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def test_free_memory_is_returned() -> None:
    """Memory between blocks that are in use goes back to the operating system: here, 95 of 100 MB are free."""
    returned = subprocess.run([sys.executable, "-c", TRIMMED], capture_output=True, text=True, check=True).stdout
    assert int(returned) > 80_000_000


def test_port_taken() -> None:
    """Where the port is taken it ends with exit 1 and one line that names the flag and the address."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        address = f"127.0.0.1:{taken.getsockname()[1]}"
        for word in ("serve", "demo"):
            done = subprocess.run(
                [*COMMAND, word, "--web.listen-address", address],
                capture_output=True,
                text=True,
                timeout=20,
                check=False,
            )
            assert (1, "") == (done.returncode, done.stdout)
            (line,) = done.stderr.splitlines()
            assert f"burrow-exporter: --web.listen-address: cannot listen on {address}: " in line
            assert "in use" in line


def test_demo() -> None:
    """The demo needs no Burrow: it says where its own answers, has the metrics at once, and ends with both."""
    with exporter("demo", "--demo.groups=12", "--demo.partitions=2", "--poll.interval=1s") as (run, address):
        burrow = run.wait_for(r"Simulated Burrow listening on (\S+)")
        assert "GOOD" == requests.get(f"{burrow}/burrow/admin", timeout=5).text
        end = time.monotonic() + 10
        while requests.get(f"{address}/-/ready", timeout=5).status_code != 200:
            assert time.monotonic() < end
            time.sleep(0.05)
        page = requests.get(f"{address}/metrics", timeout=5).text
        assert 'burrow_kafka_consumer_status{cluster="eu-west",consumer_group="checkout-payments"} ' in page
        group = "group?burrow=default&cluster=eu-west&name=checkout-payments"
        assert f'href="{escape(group)}"' in requests.get(address, timeout=5).text
        assert "orders.placed.v1" in requests.get(f"{address}/{group}", timeout=5).text
        code, seconds = run.end()
        assert (0, True) == (code, seconds < 2), seconds
        with pytest.raises(requests.ConnectionError):
            requests.get(f"{burrow}/burrow/admin", timeout=5)


def test_healthcheck() -> None:
    """The health check finds the exporter that runs, by the same flag, and not one that has ended."""
    with exporter("demo", "--demo.groups=12", "--demo.partitions=1") as (run, address):
        flags = ["healthcheck", "--web.listen-address", address.removeprefix("http://")]
        assert 0 == subprocess.run([*COMMAND, *flags], timeout=20, check=False).returncode
        run.end()
        done = subprocess.run([*COMMAND, *flags], timeout=20, check=False, capture_output=True, text=True)
    assert (1, 1) == (done.returncode, len(done.stderr.splitlines()))


def test_healthcheck_of_a_secured_exporter(tmp_path: Path) -> None:
    """With TLS, client certificates and passwords required, the health check works, and other requests are rejected."""
    web = Web(tmp_path, users={"alice": bcrypt_hash("right")})
    web.certify()
    web.trust("us")
    secured = ("--web.config.file", str(web.write()))
    with FaultServer(in_turn(then_hang())) as server:
        with exporter("--burrow.address", server.address, *secured) as (run, address):
            flags = ["healthcheck", "--web.listen-address", address.removeprefix("https://"), *secured]
            done = subprocess.run([*COMMAND, *flags], timeout=20, check=False, capture_output=True, text=True)
            assert (0, "", "") == (done.returncode, done.stdout, done.stderr)
            with pytest.warns(InsecureRequestWarning):
                assert 403 == requests.get(f"{address}/metrics", timeout=5, verify=False).status_code  # noqa: S501
            run.end()
        done = subprocess.run([*COMMAND, *flags], timeout=20, check=False, capture_output=True, text=True)
    assert (1, 1) == (done.returncode, len(done.stderr.splitlines()))


def test_logs_are_one_line_an_event() -> None:
    """In either format every line on stderr is one event, whatever a Burrow answers."""
    evil = 'x\ny="z" \x1b[31m\\'
    answers = small({"g": lag_answer("c", "g", partition(status=evil), status="ODD\nSTATUS")})
    for form, start in (("logfmt", "ts="), ("json", "{")):
        with (
            FaultServer(by_path(dict(answers))) as server,
            running(
                *("--burrow.address", server.address, "--web.listen-address=127.0.0.1:0", f"--log.format={form}")
            ) as run,
        ):
            run.wait_for("ODD")
            run.wait_for("first poll succeeded")
            run.end()
            assert 4 == len(run.lines)
            assert all(line.startswith(start) and "\x1b" not in line for line in run.lines)
