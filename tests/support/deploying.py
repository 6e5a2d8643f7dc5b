"""A host for compose/deploy.sh: its own checkout, and a docker that records its calls."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path
from typing import Any

from tests import ROOT
from tests.conftest import tool
from tests.support.stack import FULL, services

PARTS = ("burrow_exporter", "compose", "grafana/dashboards", "docs")
ANSWERS: dict[str, Any] = {
    "server": "25.0.8",
    "compose": "2.24.5",
    "registry": True,
    "refuse": {},
    "burrow": "Reading configuration from /etc/burrow\nBurrow failed: no brokers",
    "up": {"says": "", "code": 0},
    "ps": {"says": "1a\n2b", "code": 0},
    "exec": {"says": "Burrow default at http://burrow-api:8000: ok", "code": 0},
    "down": {"says": "", "code": 0},
    "statuses": "burrow 1a Up 2 minutes (healthy)\ninit 2b Exited (0) 2 minutes ago",
    "ports": "burrow 8000/tcp\nburrow-exporter 127.0.0.1:9254->9254/tcp\ngrafana 127.0.0.1:3000->3000/tcp",
    "logs": "the last line",
    "inspect": "",
}
HARMLESS = {"build", "image inspect", "info", "inspect", "logs", "ps", "pull", "run", "version"}
HARMLESS |= {f"compose {word}" for word in ("build", "config", "down", "exec", "ps", "pull", "up", "version")}


@dataclass
class Run:
    """What a run said, and what it asked of docker."""

    code: int
    told: str
    errors: str
    calls: list[dict[str, Any]] = field(repr=False)

    @property
    def steps(self) -> list[str]:
        """The calls by their words and, of what was run, the program; questions for images are left out."""
        return [step for step in map(named, self.calls) if step != "image inspect"]

    def arguments(self, step: str) -> list[str]:
        """Return the arguments of the one call of that name."""
        (found,) = (call["arguments"] for call in self.calls if named(call) == step)
        return list(found)


def words(call: dict[str, Any]) -> str:
    """Return what docker is asked for."""
    arguments = call["arguments"]
    if arguments[0] == "compose":
        options = {"--file", "--env-file", "--profile"}
        free = [each for before, each in pairwise(arguments) if before not in options]
        return f"compose {next(each for each in free if not each.startswith('--'))}"
    return " ".join(arguments[:2]) if arguments[0] == "image" else str(arguments[0])


def named(call: dict[str, Any]) -> str:
    """Return a short name of a call."""
    arguments = call["arguments"]
    if arguments[0] != "run":
        return words(call)
    if "compose.renderer" in arguments:
        mounts = [each for each in arguments if each.endswith(":/stack/compose/generated")]
        return "render aside" if "/.deploy/" in mounts[0] else "render"
    return "burrow" if "/app/burrow" in arguments else str(arguments[arguments.index("--entrypoint") + 1])


class Host:
    """A host; ``answers`` are docker's, ``run`` deploys. All images are here, the exporter's of another checkout."""

    def __init__(self, folder: Path, *, fresh: bool = False) -> None:
        """Make the checkout and docker in a folder; on a fresh host no image is here."""
        self.checkout, self.state = folder / "checkout", folder / "docker"
        self.answers = json.loads(json.dumps(ANSWERS))
        for part in PARTS:
            ignored = shutil.ignore_patterns("generated", ".deploy", "__pycache__")
            shutil.copytree(ROOT / part, self.checkout / part, ignore=ignored)
        (self.checkout / "compose" / "bucket.yaml").unlink(missing_ok=True)
        for line in (ROOT / ".dockerignore").read_text(encoding="utf-8").splitlines():
            if line.startswith("!") and (ROOT / line[1:]).is_file():
                shutil.copy(ROOT / line[1:], self.checkout)
        for name in (".dockerignore", "Dockerfile", "Makefile", "tools.mk"):
            shutil.copy(ROOT / name, self.checkout)
        self.state.mkdir()
        images = (
            [] if fresh else [re.sub(r"\$\{\w+:-(.*)\}", r"\1", each["image"]) for each in services(*FULL).values()]
        )
        (self.state / "images.json").write_text(json.dumps(dict.fromkeys(images, "")))
        docker = folder / "bin" / "docker"
        docker.parent.mkdir()
        docker.write_text(f'#!/bin/sh\nexec {sys.executable} -S {ROOT}/tests/support/docker_standin.py "$@"\n')
        docker.chmod(0o755)
        self.environment = {
            "PATH": f"{docker.parent}:{os.environ['PATH']}",
            "HOME": str(folder),
            "DOCKER_STANDIN": str(self.state),
            "PYTHONDONTWRITEBYTECODE": "1",
        }

    @property
    def env(self) -> Path:
        """The settings."""
        return self.checkout / ".env"

    @property
    def last_good(self) -> Path:
        """The settings with which all was healthy."""
        return self.checkout / ".env.last-good"

    @property
    def generated(self) -> Path:
        """What is rendered."""
        return self.checkout / "compose" / "generated"

    def have_no(self, name: str) -> None:
        """Remove an image, whatever its tag."""
        path = self.state / "images.json"
        images = json.loads(path.read_text())
        path.write_text(
            json.dumps({each: digest for each, digest in images.items() if not each.startswith(f"{name}:")})
        )

    def rendered(self) -> dict[str, tuple[int, str]]:
        """Return number and text of each rendered file."""
        paths = [path for path in self.generated.rglob("*") if path.is_file()]
        return {str(path.relative_to(self.generated)): (path.stat().st_ino, path.read_text()) for path in paths}

    def run(self, *arguments: str, command: tuple[str, ...] = (), environment: Mapping[str, str] | None = None) -> Run:
        """Deploy, or run another command in the checkout; ``environment`` is what it has beside the host's own."""
        (self.state / "answers.json").write_text(json.dumps(self.answers))
        log = self.state / "calls.jsonl"
        log.write_text("")
        done = subprocess.run(
            [*(command or (tool("bash"), "compose/deploy.sh")), *arguments],
            cwd=self.checkout,
            env={**self.environment, **(environment or {})},
            capture_output=True,
            text=True,
            check=False,
            timeout=60,
        )
        calls = [json.loads(line) for line in log.read_text().splitlines()]
        self.nothing_is_destroyed(calls)
        return Run(done.returncode, done.stdout, done.stderr, calls)

    def nothing_is_destroyed(self, calls: list[dict[str, Any]]) -> None:
        """Every run asks docker for harmless things only, and leaves nothing of its own behind."""
        assert set() == {words(call) for call in calls} - HARMLESS
        down = [set(call["arguments"]) for call in calls if words(call) == "compose down"]
        assert not any({"-v", "--volumes", "--rmi"} & each for each in down)
        assert not (self.checkout / "compose" / ".deploy").exists()
