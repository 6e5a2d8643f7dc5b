"""Both variants of the container image: ``make e2e-image``. Each is built, becomes healthy and is scraped."""

from __future__ import annotations

import os
import subprocess
import sys
import time

import requests

from tests import ROOT
from tests.conftest import tool
from tests.e2e.wheel import wait_until_ready
from tests.support.processes import lasting_port

BASE = os.environ.get("PYTHON_IMAGE")


def docker(*arguments: str) -> str:
    """Return what docker prints; it must end well."""
    return subprocess.run(
        [tool("docker"), *arguments], cwd=ROOT, stdout=subprocess.PIPE, text=True, check=True
    ).stdout.strip()


def build(variant: str) -> int:
    """Build a variant; return its size in bytes."""
    base = ("--build-arg", f"PYTHON_IMAGE={BASE}") if BASE else ()
    tag = f"burrow-exporter:{variant}"
    docker("build", "--quiet", "--network", "host", "--tag", tag, "--build-arg", f"VARIANT={variant}", *base, ".")
    return int(docker("image", "inspect", "--format", "{{.Size}}", tag))


def serves(variant: str) -> None:
    """Run the demo without privileges until docker finds it healthy, and scrape it."""
    address = f"127.0.0.1:{lasting_port()}"
    run = ("run", "--detach", "--network", "host", "--read-only", "--cap-drop", "ALL", "--health-interval", "1s")
    variable = ("--env", f"BURROW_EXPORTER_WEB_LISTEN_ADDRESS={address}")
    name = docker(*run, *variable, f"burrow-exporter:{variant}", "demo", "--demo.groups", "12")
    try:
        wait_until_healthy(name)
        wait_until_ready(f"http://{address}")
        assert "burrow_kafka_consumer_status{" in requests.get(f"http://{address}/metrics", timeout=10).text
        docker("stop", "--time", "5", name)
        assert "0" == docker("inspect", "--format", "{{.State.ExitCode}}", name)
    finally:
        docker("rm", "--force", name)


def wait_until_healthy(name: str, seconds: float = 60) -> None:
    """Wait for the image's own health check."""
    end = time.monotonic() + seconds
    while (status := docker("inspect", "--format", "{{.State.Health.Status}}", name)) != "healthy":
        assert time.monotonic() < end, f"{status} after {seconds} s"
        time.sleep(0.5)


def main() -> int:
    """Test both variants; return the exit code."""
    sizes = {variant: build(variant) for variant in ("slim", "minimal")}
    for variant, size in sizes.items():
        serves(variant)
        sys.stdout.write(f"{variant} serves, {size / 1e6:.0f} MB\n")
    assert sizes["minimal"] < sizes["slim"]
    return 0


if __name__ == "__main__":
    sys.exit(main())
