"""The stack on three hosts with real programs, from an empty directory to removal: ``make e2e-hosts``.

Each host is a copy of this checkout with a `.env` of its own, started by ``make up`` as a project of its own; its
address is one of this machine's, that of a docker network. A fourth has Kafka and the object store. It needs docker on
Linux, and a registry.
"""

from __future__ import annotations

import json
import os
import shutil
import socket
import ssl
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import requests

from burrow_exporter.metrics.families import FAMILIES, OPTIONAL_FAMILIES, PARTITION_INFO
from tests import ROOT
from tests.e2e.stack import eventually, say

NAMES = ("kafka", "a", "b", "query")
PREFIX = "burrow-e2e-"
STALLED = {"alertname": "ConsumerGroupError", "consumer_group": "invoices", "cluster": "orders"}
SECRETS = "certificates"


@dataclass(frozen=True)
class Host:
    """A copy of the checkout, and the address at which it is reached."""

    name: str
    folder: Path
    address: str

    def run(self, *command: str, check: bool = True) -> str:
        """Run a command in the copy, on the project of this host; return what it says."""
        environment = {**os.environ, "COMPOSE_PROJECT_NAME": f"{PREFIX}{self.name}"}
        run = subprocess.run(command, cwd=self.folder, env=environment, stdout=subprocess.PIPE, text=True, check=check)
        return run.stdout

    def compose(self, *arguments: str, check: bool = True) -> str:
        """Run docker compose on the rendered files; return what it says."""
        files = ("--file", "compose/compose.yaml", "--env-file", "compose/generated/compose.env")
        return self.run("docker", "compose", *files, *arguments, check=check)

    def change(self, service: str, **more: list[str]) -> None:
        """Add to what the copy's compose.yaml says of a service."""
        path, name = self.folder / "compose" / "compose.yaml", f"\n  {service}:\n"
        text = path.read_text(encoding="utf-8")
        added = "".join(f"    {key}: {json.dumps(value)}\n" for key, value in more.items())
        path.write_text(text.replace(name, f"{name}{added}", 1), encoding="utf-8")  # a volume may have the name too


Hosts = dict[str, Host]


@contextmanager
def hosts() -> Iterator[Hosts]:
    """Give each host its copy and its address; at the end take everything away."""
    found: Hosts = {}
    with tempfile.TemporaryDirectory() as folder:
        try:
            for name in NAMES:
                docker("network", "create", f"{PREFIX}host-{name}")
                address = docker(
                    "network", "inspect", "--format", "{{(index .IPAM.Config 0).Gateway}}", f"{PREFIX}host-{name}"
                )
                found[name] = Host(name, Path(folder) / name, address)
                copy(found[name].folder)
            yield found
        finally:
            for host in reversed(found.values()):
                host.compose("--profile", "*", "down", "--volumes", check=False)
            for name in NAMES:
                docker("network", "rm", f"{PREFIX}host-{name}")


def docker(*arguments: str) -> str:
    """Run docker; return what it says."""
    command = ["docker", *arguments]
    return subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True).stdout.strip()


def copy(folder: Path) -> None:
    """Copy the checkout as git has it, with what has changed since."""
    names = ["git", "ls-files", "--cached", "--others", "--exclude-standard"]
    for name in subprocess.run(names, cwd=ROOT, stdout=subprocess.PIPE, text=True, check=True).stdout.splitlines():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy2(ROOT / name, folder / name, follow_symlinks=False)


def settings(host: Host, **values: str) -> None:
    """Write a host's `.env`: what all hosts have, and ``values``."""
    common = {"BIND_ADDRESS": host.address, "TLS_BIND_ADDRESS": host.address, "ALERT_FOR": "30s"}
    lines = [f"{name}={value}\n" for name, value in {**common, **values}.items()]
    (host.folder / ".env").write_text("".join(lines), encoding="utf-8")


def start(found: Hosts) -> None:
    """Start Kafka, and then the three hosts, each by itself."""
    kafka, collecting, query = found["kafka"], (found["a"], found["b"]), found["query"]
    kafka.change("kafka", ports=[f"{kafka.address}:9092:9092"])
    kafka.change("object-store", ports=[f"{kafka.address}:7070:7070"])
    kafka.run(sys.executable, "-m", "compose.renderer")
    kafka.compose("up", "--detach", "--wait", "kafka", "workload", "object-store")
    say(kafka.run("sh", "compose/certificates.sh", SECRETS, "a", "b", "query"))
    bucket = (kafka.folder / "compose/generated/secrets/bucket.yaml").read_text(encoding="utf-8")
    for host in (*collecting, query):
        shutil.copytree(kafka.folder / SECRETS, host.folder / SECRETS)
        own = bucket.replace("object-store:7070", f"{kafka.address}:7070")
        (host.folder / "compose/bucket.yaml").write_text(own, encoding="utf-8")
    for host in collecting:
        host.change("burrow", extra_hosts=[f"kafka:{kafka.address}"])  # so Kafka names itself
        settings(
            host,
            ROLE="collect",
            REPLICA=host.name,
            QUERY_HOST=query.address,
            CLUSTER="orders",
            BROKERS="kafka:9092",
            JMX_EXPORTER_PORT="off",
            NODE_EXPORTER_PORT="off",
            **certificates(host),
        )
    settings(query, ROLE="query", COLLECT_HOSTS=",".join(host.address for host in collecting), **certificates(query))
    for host in (query, *collecting):
        say(f"host {host.name}\n{host.run('make', '--no-print-directory', 'up')}")


def certificates(host: Host) -> dict[str, str]:
    """Return the settings of a host's certificate."""
    files = {"CA": "ca", "CERT": host.name, "KEY": f"{host.name}-key"}
    return {f"GRPC_{name}_FILE": f"{SECRETS}/{file}.pem" for name, file in files.items()}


def ask(found: Hosts, path: str, **parameters: str | int) -> Any:
    """Return what Thanos answers, though one of its sources may be down."""
    address = f"http://{found['query'].address}:10902/api/v1/{path}"
    answer = requests.get(address, {"partial_response": "true", **parameters}, timeout=20)
    answer.raise_for_status()
    return answer.json()["data"]


def query(found: Hosts, expression: str, **parameters: str | int) -> list[dict[str, Any]]:
    """Return what Thanos has for an expression."""
    return list(ask(found, "query", query=expression, **parameters)["result"])


def stores(found: Hosts) -> dict[str, list[str]]:
    """Return the replicas by kind of store that Thanos Query asks and that answer it."""
    answer = ask(found, "stores")
    return {
        kind: sorted(label["replica"] for each in listed if not each["lastError"] for label in each["labelSets"])
        for kind, listed in answer.items()
        if listed
    }


def both_are_asked(found: Hosts) -> None:
    """Thanos Query reaches every host's sidecar over mutual TLS, and its own host's store."""
    eventually("all sidecars answer", lambda: ["a", "b", "query"] == stores(found).get("sidecar"))
    say(f"stores: {stores(found)}")
    assert "store" in stores(found)


def replicas(found: Hosts, family: str) -> dict[str, int]:
    """Return how many series of a family each Prometheus has had lately."""
    counted = query(found, f"count by (replica) (last_over_time({family}[10m]))", dedup="false")
    return {each["metric"]["replica"]: int(each["value"][1]) for each in counted}


def families_are_one(found: Hosts) -> None:
    """Each family is there from both hosts, and once when Thanos answers."""
    for family in {*FAMILIES} - {*OPTIONAL_FAMILIES} | {PARTITION_INFO}:
        both = eventually(family.name, lambda: len(each := replicas(found, family.name)) == 2 and each)  # noqa: B023
        once = [each["metric"] for each in query(found, f"last_over_time({family.name}[10m])")]
        say(f"{family.name}: {both}, together {len(once)}")
        assert max(both.values()) <= len(once) < sum(both.values()), both
        assert [] == [labels for labels in once if "replica" in labels], once


def strangers_are_refused(found: Hosts) -> None:
    """No sidecar and no Alertmanager answers without a certificate of the stack's own CA."""
    query_host = found["query"]
    query_host.run("sh", "compose/certificates.sh", "strangers", "stranger")
    for address, port in ((found["a"].address, 10901), (found["b"].address, 10901), (query_host.address, 9093)):
        assert "answered" == handshake(query_host, address, port, f"{SECRETS}/query")
        for who in ("", "strangers/stranger"):
            told = handshake(query_host, address, port, who)
            say(f"{address}:{port}, {who or 'without a certificate'}: {told}")
            assert "answered" != told


def handshake(host: Host, address: str, port: int, who: str) -> str:
    """Return ``answered``, or why a TLS connection by HTTP/2 or 1.1 with someone's certificate got no answer."""
    context = ssl.create_default_context(cafile=str(host.folder / SECRETS / "ca.pem"))
    context.set_alpn_protocols(["h2", "http/1.1"])
    if who:
        context.load_cert_chain(host.folder / f"{who}.pem", host.folder / f"{who}-key.pem")
    try:
        with (
            socket.create_connection((address, port), timeout=10) as plain,
            context.wrap_socket(plain, server_hostname="burrow-stack") as secured,
        ):
            secured.sendall(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\4\0\0\0\0\0")  # HTTP/2's preface, no settings
            return "answered" if secured.recv(9) else "closed"
    except ssl.SSLError as error:
        return error.reason or str(error)


def alerts(found: Hosts, **labels: str) -> list[dict[str, Any]]:
    """Return the alerts that Alertmanager has with these labels, by its own amtool."""
    matchers = [f'{name}="{value}"' for name, value in labels.items()]
    answer = found["query"].compose(
        "exec", "-T", "alertmanager", "amtool", "alert", "query", "--output=json", *matchers
    )
    return list(json.loads(answer))


def firing(host: Host) -> bool:
    """Tell whether a host's Prometheus fires the alert of the group that has stalled."""
    answer = requests.get(f"http://{host.address}:9090/api/v1/alerts", timeout=20).json()["data"]["alerts"]
    return any(each["state"] == "firing" and each["labels"].items() >= STALLED.items() for each in answer)


def an_alert_arrives_once(found: Hosts) -> None:
    """Both Prometheus fire the alert of a group that has stalled, and Alertmanager has one."""
    eventually("both Prometheus fire", lambda: firing(found["a"]) and firing(found["b"]), minutes=15)
    told = eventually("Alertmanager knows", lambda: alerts(found, **STALLED))
    say(f"{len(told)} alert: {told[0]['annotations']['summary']}")
    assert 1 == len(told), told


def one_host_stops(found: Hosts) -> None:
    """With one host stopped the other's data fills what would be a gap, and the loss is told."""
    found["a"].compose("stop")
    stopped = int(time.time())
    time.sleep(90)
    expression = 'burrow_kafka_consumer_status{consumer_group="billing"}'
    (series,) = ask(found, "query_range", query=expression, start=stopped - 30, end=stopped + 90, step=15)["result"]
    say(f"{len(series['values'])} of 9 steps answered from shortly before host a was stopped")
    assert 9 == len(series["values"]), series
    (lost,) = eventually("the loss is told", lambda: alerts(found, alertname="CollectHostGone"), minutes=10)
    say(lost["annotations"]["summary"])
    found["a"].compose("start")
    eventually("it is back", lambda: ["a", "b", "query"] == stores(found).get("sidecar"))


def main() -> int:
    """Start, look, and end; return the exit code."""
    with hosts() as found:
        try:
            start(found)
            for step in (
                both_are_asked,
                families_are_one,
                strangers_are_refused,
                an_alert_arrives_once,
                one_host_stops,
            ):
                step(found)
        except (AssertionError, subprocess.CalledProcessError) as error:
            say(f"FAILED: {error}")
            for host in found.values():
                say(host.compose("ps", "--all", check=False))
                say(host.compose("logs", "--tail", "20", check=False))
            return 1
    say("all of it was seen")
    return 0


if __name__ == "__main__":
    sys.exit(main())
