"""The simulated Burrow serves real HTTP and stops at once."""

from __future__ import annotations

import http.client
import socket
import threading
import time
from concurrent.futures import ThreadPoolExecutor

import pytest
import requests

from burrow_exporter.demo import SimulatedBurrow


def connect(burrow: SimulatedBurrow) -> http.client.HTTPConnection:
    """Return a connection, not yet open."""
    return http.client.HTTPConnection(burrow.address.removeprefix("http://"), timeout=5)


def test_keep_alive() -> None:
    """One connection serves many requests, each answer with its length, refusals included."""
    with SimulatedBurrow() as burrow:
        connection = connect(burrow)
        sockets = set()
        for path in ("/burrow/admin", "/v3/kafka", "/v3/no", "/v3/kafka/no/consumer", "/v3/kafka/eu-west/consumer"):
            connection.request("GET", path)
            sockets.add(connection.sock)
            answer = connection.getresponse()
            assert (11, int(answer.headers["Content-Length"])) == (answer.version, len(answer.read()))
        assert len(sockets) == 1
        connection.close()


@pytest.mark.parametrize(("method", "code"), [("DELETE", 405), ("POST", 405), ("HEAD", 405), ("OPTIONS", 501)])
def test_other_methods(method: str, code: int) -> None:
    """Other methods are refused, and whatever came with them is not taken for a request."""
    with SimulatedBurrow() as burrow:
        connection = connect(burrow)
        connection.request(method, "/v3/kafka/eu-west/consumer/checkout-payments", body=b"GET / HTTP/1.1\r\n\r\n")
        answer = connection.getresponse()
        answer.read()
        assert (code, "close") == (answer.status, answer.headers.get("Connection", "close"))
        connection.close()


def test_several_at_once() -> None:
    """Several simulated Burrows run side by side, each on a free port and asked by many clients."""
    with SimulatedBurrow(seed=1) as one, SimulatedBurrow(seed=2) as two, ThreadPoolExecutor(8) as pool:
        urls = [f"{burrow.address}/v3/kafka/eu-west/consumer" for burrow in (one, two)] * 20
        assert {200} == {answer.status_code for answer in pool.map(lambda url: requests.get(url, timeout=5), urls)}
        assert one.address != two.address


def test_stop() -> None:
    """A stop takes less than a second, closes idle connections and the port, and leaves no thread."""
    threads = threading.active_count()
    burrow = SimulatedBurrow()
    burrow.start()
    address = burrow.address.removeprefix("http://").split(":")
    idle, kept = socket.create_connection((address[0], int(address[1]))), connect(burrow)
    kept.request("GET", "/v3/kafka")
    kept.getresponse().read()
    begun = time.monotonic()
    burrow.stop()
    assert time.monotonic() - begun < 1
    assert idle.recv(1) == b""
    assert kept.sock.recv(1) == b""
    idle.close()
    kept.close()
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection((address[0], int(address[1])))
    assert threads == threading.active_count()


def test_stopped() -> None:
    """What is not started has no address, and stopping it does no harm; it can be started again."""
    burrow = SimulatedBurrow()
    burrow.stop()
    with pytest.raises(RuntimeError, match="not started"):
        _ = burrow.address
    for _ in range(2):
        with burrow:
            assert requests.get(f"{burrow.address}/burrow/admin/ready", timeout=5).text == "READY"


def test_given_port() -> None:
    """It listens on the given address, and a port in use is an error."""
    with SimulatedBurrow() as first:
        with pytest.raises(OSError, match="in use"):
            SimulatedBurrow(listen_address=first.address.removeprefix("http://")).start()
        port = first.address.rpartition(":")[2]
    with SimulatedBurrow(listen_address=f":{port}") as again:
        assert f"http://127.0.0.1:{port}" == again.address
        assert requests.get(f"{again.address}/burrow/admin", timeout=5).text == "GOOD"


@pytest.mark.skipif(not socket.has_dualstack_ipv6(), reason="needs IPv6")
def test_ipv6() -> None:
    """An IPv6 address is written in brackets."""
    with SimulatedBurrow(listen_address="[::1]:0") as burrow:
        assert burrow.address.startswith("http://[::1]:")
        assert requests.get(f"{burrow.address}/burrow/admin", timeout=5).text == "GOOD"


@pytest.mark.parametrize("wrong", ["", "8000", "host:", "host:port"])
def test_wrong_addresses(wrong: str) -> None:
    """An address that is not HOST:PORT is refused in words."""
    with pytest.raises(ValueError, match="not HOST:PORT"):
        SimulatedBurrow(listen_address=wrong).start()
