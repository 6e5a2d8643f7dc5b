"""The programs of a run: Kafka, Burrow and the exporter, started on loopback or given, and ended by their pids."""

from __future__ import annotations

import math
import os
import shutil
import signal
import socket
import subprocess
import threading
import time
from dataclasses import dataclass, field
from http import HTTPStatus
from pathlib import Path

from tests.e2e.truth.burrow import ask, lag_path, own_lag, wait_ready

OWN = "burrow-local"
MOST_SLOW, NEAR, SPEED = 110.0, 60_000, 20_000
"""Seconds that Burrow is slowed at most; the backlog from which on it is held back; records it reads a second."""

KAFKA = """\
process.roles=broker,controller
node.id=1
controller.quorum.voters=1@127.0.0.1:{controller}
listeners=PLAINTEXT://127.0.0.1:{port},CONTROLLER://127.0.0.1:{controller}
advertised.listeners=PLAINTEXT://127.0.0.1:{port}
controller.listener.names=CONTROLLER
log.dirs={data}
num.network.threads=2
num.io.threads=4
auto.create.topics.enable=false
offsets.topic.replication.factor=1
transaction.state.log.replication.factor=1
transaction.state.log.min.isr=1
transaction.state.log.num.partitions=5
group.initial.rebalance.delay.ms=0
"""
BURROW = """\
[general]
pidfile = "{folder}/own.pid"
[logging]
level = "warn"
[storage.memory]
class-name = "inmemory"
intervals = 10
min-distance = {min_distance}
expire-group = 604800
[evaluator.caching]
class-name = "caching"
expire-cache = {expire_cache}
minimum-complete = 0.0
[httpserver.truth]
address = "127.0.0.1:{port}"
[client-profile.local]
client-id = "burrow"
kafka-version = "2.8.0"
[cluster.local]
class-name = "kafka"
client-profile = "local"
servers = ["{servers}"]
topic-refresh = 60
offset-refresh = 10
groups-reaper-refresh = {reaper}
[consumer.local]
class-name = "kafka"
client-profile = "local"
cluster = "local"
servers = ["{servers}"]
group-allowlist = ""
group-denylist = ""
start-latest = false
backfill-earliest = false
"""


@dataclass
class Chain:
    """Where everything is; ``libs`` and ``burrow_binary`` are ``None`` where a running chain is pointed at."""

    folder: Path
    servers: str
    burrow: str
    exporter: str
    exporter_command: list[str]
    exporter_folder: Path
    libs: Path | None
    burrow_binary: Path | None
    settings: dict[str, int]
    _running: dict[str, subprocess.Popen[bytes]] = field(default_factory=dict)

    @property
    def owned(self) -> bool:
        """Whether Kafka and Burrow are ours to restart."""
        return self.libs is not None and self.burrow_binary is not None

    def start_kafka(self) -> None:
        """Start the broker; format its storage the first time."""
        if self.libs is None:
            return
        port = int(self.servers.rsplit(":", 1)[1])
        data, config = self.folder / "kafka-data", self.folder / "server.properties"
        config.write_text(KAFKA.format(port=port, controller=port + 1, data=data), encoding="utf-8")
        java = ["java", "-Xms512m", "-Xmx1536m", "-cp", f"{self.libs}/*"]
        if not data.exists():
            tool = [*java, "kafka.tools.StorageTool"]
            cluster = subprocess.run([*tool, "random-uuid"], capture_output=True, text=True, check=True).stdout.split()[
                -1
            ]
            subprocess.run([*tool, "format", "-t", cluster, "-c", str(config)], capture_output=True, check=True)
        quiet = "-Dorg.slf4j.simpleLogger.defaultLogLevel=warn"
        self._start("kafka", [java[0], quiet, *java[1:], "kafka.Kafka", str(config)], self.folder)
        _wait_port(port, 60)

    def start_burrow(self) -> None:
        """Start Burrow with the stack's settings, and wait until it says READY."""
        if self.burrow_binary is None:
            return
        port = self.burrow.rsplit(":", 1)[1]
        (self.folder / "own.pid").unlink(missing_ok=True)
        text = BURROW.format(folder=self.folder, port=port, servers=self.servers, **self.settings)
        (self.folder / "burrow.toml").write_text(text, encoding="utf-8")
        self._start("burrow", [str(self.burrow_binary), "--config-dir", str(self.folder)], self.folder)
        wait_ready(self.burrow)

    def start_exporter(self) -> None:
        """Start the exporter under trial, polling every 5 s."""
        listen = self.exporter.split("//", 1)[1]
        flags = ["--burrow.address", self.burrow, "--poll.interval", "5s", "--web.listen-address", listen]
        path = os.pathsep.join([str(self.exporter_folder), os.environ.get("PYTHONPATH", "")])
        command = [*self.exporter_command, *flags]
        self._start("exporter", command, self.exporter_folder, {**os.environ, "PYTHONPATH": path})

    def slow_burrow(self, seconds: float, cache: float) -> None:
        """Let Burrow run only in slices for a while, and on until just before its own evaluation expires."""
        threading.Thread(target=self._slices, args=(seconds, cache), daemon=True).start()

    def stop(self, name: str) -> None:
        """End one program, and wait for its end."""
        process = self._running.pop(name, None)
        if process is None:
            return
        process.send_signal(signal.SIGCONT)
        process.terminate()
        try:
            process.wait(20)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()

    def end(self) -> None:
        """End everything that was started here, and throw Kafka's data away."""
        for name in ("exporter", "burrow", "kafka"):
            self.stop(name)
        shutil.rmtree(self.folder / "kafka-data", ignore_errors=True)

    def _start(self, name: str, command: list[str], folder: Path, environment: dict[str, str] | None = None) -> None:
        with (self.folder / f"{name}.log").open("ab") as log:
            nice = ["nice", "-n", "10", *command]
            self._running[name] = subprocess.Popen(nice, cwd=folder, env=environment, stdout=log, stderr=log)

    def _slices(self, seconds: float, cache: float) -> None:
        begun, body, evaluated = time.time(), "", math.inf
        while time.time() < begun + MOST_SLOW and (process := self._running.get("burrow")) is not None:
            answer = ask(self.burrow, lag_path("local", OWN), 3.0)
            if answer["status"] == HTTPStatus.OK and answer["body"] != body:
                body, evaluated = answer["body"], time.time()
            lag = own_lag(self.burrow, "local", OWN)
            near = lag is not None and lag < NEAR
            if time.time() > begun + seconds and near and time.time() > evaluated + cache - (lag or 0) / SPEED - 1:
                return
            process.send_signal(signal.SIGSTOP)
            time.sleep(0.15 if near else 0.3)
            process.send_signal(signal.SIGCONT)
            time.sleep(0.03 if near else 0.15)


def _wait_port(port: int, seconds: float) -> None:
    until = time.time() + seconds
    while time.time() < until:
        try:
            socket.create_connection(("127.0.0.1", port), 1).close()
        except OSError:
            time.sleep(0.2)
        else:
            return
    message = f"nothing listens on port {port} after {seconds:.0f} s"
    raise TimeoutError(message)
