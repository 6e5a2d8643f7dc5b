"""The whole stack with its demo and real programs, from an empty directory to removal: ``make e2e``.

It needs docker and a registry. It runs as a project of its own beside the stack of this checkout, whose data it does
not touch, but whose ports it needs.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable
from functools import partial
from typing import Any

import requests

from burrow_exporter.metrics.families import FAMILIES, OPTIONAL_FAMILIES, PARTITION_INFO
from tests import ROOT

GENERATED = ROOT / "compose" / "generated"
THANOS, ALERTMANAGER = "http://127.0.0.1:10902", "http://127.0.0.1:9093"
CLUSTERS = ("analytics", "shop")
DEMO = "COMPOSE_PROFILES=full,object-store,demo"
PROJECT = {"COMPOSE_PROJECT_NAME": "burrow-e2e"}
HOUR = 3600


def say(what: object) -> None:
    """Tell what was seen, and when."""
    sys.stdout.write(f"{time.strftime('%X')} {what}\n")
    sys.stdout.flush()


def run(
    *command: str, text: str | None = None, check: bool = True, quiet: bool = False
) -> subprocess.CompletedProcess[str]:
    """Run a command in the checkout, on the project of this test."""
    environment = {**os.environ, **PROJECT}
    errors = subprocess.DEVNULL if quiet else None
    return subprocess.run(
        command, cwd=ROOT, env=environment, input=text, stdout=subprocess.PIPE, stderr=errors, text=True, check=check
    )


def compose(
    *arguments: str, text: str | None = None, check: bool = True, quiet: bool = False
) -> subprocess.CompletedProcess[str]:
    """Run docker compose on the rendered files."""
    files = ("--file", "compose/compose.yaml", "--env-file", "compose/generated/compose.env")
    return run("docker", "compose", *files, *arguments, text=text, check=check, quiet=quiet)


def eventually(what: str, seen: Callable[[], Any], minutes: float = 5) -> Any:
    """Return what ``seen`` returns once it is true; say how long that took."""
    begun = time.monotonic()
    while not (found := quietly(seen)):
        if time.monotonic() - begun > minutes * 60:
            message = f"not within {minutes} minutes: {what}"
            raise AssertionError(message)
        time.sleep(5)
    say(f"{what}: after {time.monotonic() - begun:.0f} s")
    return found


def quietly(seen: Callable[[], Any]) -> Any:
    """Return what ``seen`` returns, or nothing while what it asks does not answer."""
    try:
        return seen()
    except requests.RequestException:
        return None


def ask(path: str, **parameters: str | int) -> Any:
    """Return what Thanos answers, though one of its sources may be down."""
    answer = requests.get(f"{THANOS}/api/v1/{path}", {"partial_response": "true", **parameters}, timeout=20)
    answer.raise_for_status()
    return answer.json()["data"]["result"]


def alerts(**labels: str) -> list[dict[str, Any]]:
    """Return the alerts that Alertmanager has with these labels."""
    filters = [f'{name}="{value}"' for name, value in labels.items()]
    answer = requests.get(f"{ALERTMANAGER}/api/v2/alerts", {"filter": filters}, timeout=20)
    answer.raise_for_status()
    return list(answer.json())


def healthy() -> None:
    """All services that last are healthy, and the one that does not has ended well."""
    lines = compose("ps", "--all", "--format", "json").stdout.splitlines()
    found = {each["Service"]: each["Health"] or each["ExitCode"] for each in map(json.loads, lines)}
    names = set(compose("config", "--services").stdout.split())
    assert dict.fromkeys(names, "healthy") | {"init": 0} == found, found
    say(f"healthy: {', '.join(sorted(names - {'init'}))}")


def is_of_both_clusters(family: str) -> bool:
    """Tell whether Thanos has, or had until lately, a family of both clusters."""
    found = ask("query", query=f"count by (cluster) (last_over_time({family}[30m]))")
    return [*CLUSTERS] == sorted(each["metric"]["cluster"] for each in found)


def families() -> None:
    """Thanos has each family of both of Burrow's clusters, once for both Prometheus."""
    for family in {*FAMILIES} - {*OPTIONAL_FAMILIES} | {PARTITION_INFO}:
        eventually(f"{family.name} of both clusters", partial(is_of_both_clusters, family.name))
    both = ask("query", query="count by (replica) (burrow_kafka_consumer_status)", dedup="false")
    assert ["a", "b"] == sorted(each["metric"]["replica"] for each in both), both
    once = ask("query", query='burrow_kafka_consumer_status{consumer_group="billing"}')
    assert 1 == len(once), once
    assert "replica" not in once[0]["metric"], once


def gets(service: str, address: str) -> bool:
    """Tell whether something answers a service's wget, or its Python, at an address."""
    python = f"import sys, urllib.request as r; sys.exit(r.urlopen({address!r}, timeout=5).status != 200)"
    wget = ("wget", "-q", "-T", "5", "-O", "/dev/null", address)
    command = wget if service == "prometheus-a" else ("python", "-c", python)
    return compose("exec", "-T", service, *command, check=False, quiet=True).returncode == 0


def burrow_is_hidden() -> None:
    """Burrow's API answers neither Prometheus nor who shares Kafka's network with it."""
    assert gets("prometheus-a", "http://burrow-exporter:9254/")
    assert gets("burrow-exporter", "http://burrow-api:8000/burrow/admin")
    for host in ("burrow", "burrow-api"):
        assert not gets("prometheus-a", f"http://{host}:8000/burrow/admin")
        assert not gets("workload", f"http://{host}:8000/burrow/admin")
    say("Burrow's API answers the exporter alone")


def one_prometheus_stops() -> None:
    """With one Prometheus stopped the other's data fills what would be a gap."""
    compose("stop", "prometheus-a")
    stopped = int(time.time())
    time.sleep(90)
    query = 'burrow_kafka_consumer_status{consumer_group="billing"}'
    (series,) = ask("query_range", query=query, start=stopped, end=stopped + 90, step=15)
    assert 7 == len(series["values"]), series
    assert 1 == len(ask("query", query=query))
    say("no gap in what Thanos answers while prometheus-a is stopped")
    compose("up", "--detach", "--wait", "prometheus-a")


def a_block_comes_back() -> None:
    """Read through thanos-store what prometheus-a uploads: a block of hours ago, made by promtool."""
    now = int(time.time())
    lines = [f'stack_e2e{{way="object store"}} 42 {now - 8 * HOUR + second}' for second in range(0, HOUR, 15)]
    page = "\n".join(["# TYPE stack_e2e gauge", *lines, "# EOF", ""])
    make = ("tsdb", "create-blocks-from", "openmetrics", "/dev/stdin", "/prometheus")
    inside = ("exec", "-T", "--env", "TMPDIR=/prometheus", "prometheus-a")  # its /tmp cannot be written
    say(compose(*inside, "promtool", *make, text=page).stdout.strip())
    store: dict[str, str | int] = {
        "storeMatch[]": '{__address__="thanos-store:10901"}',
        "time": now - 8 * HOUR + 1800,
    }
    (series,) = eventually("read back through thanos-store", lambda: ask("query", query="stack_e2e", **store))
    assert "42" == series["value"][1], series
    assert "burrow" == series["metric"]["monitor"], series
    say(compose("exec", "-T", "object-store", "sh", "-c", "ls -d /data/thanos/*/").stdout.strip())


def alerts_arrive_once() -> None:
    """Of a group that has stalled, and of the exporter stopped, both Prometheus tell, and Alertmanager has one."""
    stalled = {"alertname": "ConsumerGroupError", "consumer_group": "invoices"}
    found = eventually("a group in error", lambda: alerts(**stalled), minutes=15)
    assert 1 == len(found), found
    say(found[0]["annotations"]["summary"])
    compose("stop", "burrow-exporter")
    found = eventually("the exporter down", lambda: alerts(alertname="BurrowExporterDown"))
    assert 1 == len(found), found
    say(found[0]["annotations"]["description"])


def main() -> int:
    """Start, look, and end; return the exit code."""
    try:
        say(run("make", "--no-print-directory", "up").stdout)
        assert DEMO in (GENERATED / "compose.env").read_text(encoding="utf-8"), "the settings are not the demo's"
        for step in (healthy, families, burrow_is_hidden, one_prometheus_stops, a_block_comes_back, alerts_arrive_once):
            step()
    except (AssertionError, subprocess.CalledProcessError) as error:
        say(f"FAILED: {error}")
        say(compose("ps", "--all", check=False).stdout)
        say(compose("logs", "--tail", "20", check=False).stdout)
        return 1
    finally:
        compose("down", "--volumes", check=False)
    say("all of it was seen")
    return 0


if __name__ == "__main__":
    sys.exit(main())
