"""Burrow's configuration as rendered from `.env`, on a Kafka with authentication: ``make e2e-auth``.

A real Kafka with its own authority, users and ACLs, and for each case of ``auth_cases.py`` a real Burrow: does it see a
group's lag, or what does it say? It needs docker and the images of Kafka and Burrow, which it pulls and builds if they
are not there; about ten minutes on two cores. Nothing is left behind.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from functools import partial
from pathlib import Path

import requests

from compose.renderer.render import render
from compose.renderer.settings import read_settings
from tests.e2e.stack import say
from tests.support.auth_broker import GROUP, READ, TOPIC, WRITTEN, docker, kafka, open_up
from tests.support.auth_cases import RIGHT, SEEN, WRONG, Case
from tests.support.stack import composed

NAME = "burrow-e2e-auth"
BURROW = composed()["services"]["burrow"]
IMAGE = BURROW["image"].partition(":-")[2].rstrip("}")
AS_COMPOSED = ("--user", BURROW["user"], "--read-only", "--cap-drop=ALL", f"--tmpfs={BURROW['tmpfs'][0]}")
EXPORTER = (sys.executable, "-m", "burrow_exporter")
LAG = (
    f'burrow_kafka_consumer_partition_lag{{cluster="orders",consumer_group="{GROUP}",topic="{TOPIC}",partition="0"}} '
    f"{WRITTEN - READ}"
)
AT_ONCE = 4
MAX_SECONDS = 240.0


class Burrow:
    """A Burrow in a container."""

    def __init__(self, container: str) -> None:
        self.container = container
        self.begun = time.monotonic()

    @property
    def log(self) -> str:
        """Return what it has logged, without what it says at every start."""
        return "\n".join(line for line in docker("logs", self.container).splitlines() if line.startswith("{"))

    @property
    def exit_code(self) -> int | None:
        """Return what it ended with, ``None`` while it runs."""
        state = json.loads(docker("inspect", "--format", "{{json .State}}", self.container))
        return None if state["Running"] else int(state["ExitCode"])

    @property
    def address(self) -> str:
        """Return where its API answers on this host."""
        return f"http://{docker('port', self.container, '8000').splitlines()[0]}"

    def eventually(self, seen: Callable[[], bool]) -> float:
        """Return the seconds from its start until something was seen; ``AssertionError`` if that takes too long."""
        while not seen():
            if time.monotonic() - self.begun > MAX_SECONDS:
                message = f"not within {MAX_SECONDS:.0f} s; its log: {self.log[-500:] or 'empty'}"
                raise AssertionError(message)
            time.sleep(1)
        return time.monotonic() - self.begun

    def ready(self) -> bool:
        """Tell whether it says that it is; ``AssertionError`` if it has ended."""
        assert self.exit_code is None, self.log
        try:
            return requests.get(f"{self.address}/burrow/admin/ready", timeout=5).ok
        except requests.RequestException:
            return False

    def exporter(self, word: str) -> str:
        """Return what the exporter prints of it."""
        command = (*EXPORTER, word, "--burrow.address", self.address)
        return subprocess.run(command, check=False, capture_output=True, text=True).stdout


@contextmanager
def burrow(case: Case, folder: Path, number: int) -> Iterator[Burrow]:
    """Run Burrow by what is rendered for a case, until the end of the block."""
    container = f"{NAME}-{number}"
    configuration = rendered(case, folder, str(number))
    where = ("--network", NAME, "--hostname", "burrow-api", "--publish", "127.0.0.1::8000")
    what = ("--volume", f"{configuration}:/etc/burrow:ro", *AS_COMPOSED)
    more = [f"--env={name}={value}" for name, value in case.more.items()]
    docker("run", "--detach", "--name", container, *where, *what, *more, IMAGE, *BURROW["command"])
    try:
        yield Burrow(container)
    finally:
        docker("rm", "--force", "--volumes", container, check=False)


def rendered(case: Case, folder: Path, name: str) -> Path:
    """Render everything for a case, and return the folder that Burrow is given, readable by every user."""
    path = folder / f"{name}.env"
    path.write_text("".join(f"{key}={value}\n" for key, value in case.settings.items()), encoding="utf-8")
    render(read_settings(path), folder / name, bucket=folder / "none.yaml")
    found = folder / name / "secrets" / "burrow"
    toml = found / "burrow.toml"
    lines = toml.read_text(encoding="utf-8").splitlines(keepends=True)
    toml.write_text("".join(line for line in lines if not line.startswith(case.without or "\0")), encoding="utf-8")
    open_up(folder / name)
    return found


def try_case(folder: Path, numbered: tuple[int, Case]) -> bool:
    """Run one case, say what was seen, and return whether it is what was expected."""
    number, case = numbered
    try:
        with burrow(case, folder, number) as run:
            say(f"{case.name}: {see_it_end(case, run) if case.ends else see_it_run(case, run)}")
    except (AssertionError, subprocess.CalledProcessError, ValueError) as error:
        say(f"{case.name}: FAILED: {error} {getattr(error, 'stdout', '')}")
        return False
    return True


def see_it_end(case: Case, run: Burrow) -> str:
    """Burrow ends by itself, with an error and one of the expected messages."""
    seconds = run.eventually(lambda: run.exit_code is not None)
    assert run.exit_code != 0, run.log
    told = [json.loads(line) for line in run.log.splitlines() if any(each in line for each in case.says)]
    assert told, run.log
    return f"ends with {run.exit_code} after {seconds:.0f} s: {told[-1].get('error', told[-1]['msg'])}"


def see_it_run(case: Case, run: Burrow) -> str:
    """Burrow is ready, and the exporter sees what is expected; its log has the expected messages, else nothing."""
    run.eventually(run.ready)
    time.sleep(case.after)
    seconds = run.eventually(lambda: case.check in run.exporter("check"))
    assert bool(case.says) == bool(run.log), run.log
    assert all(each in run.log for each in case.says), run.log
    assert (case.check == SEEN) == (LAG in run.exporter("once")), run.exporter("once")
    (line,) = [line for line in run.exporter("check").splitlines() if case.check in line]
    return f"after {seconds:.0f} s, with {run.log.count('error') or 'nothing'} in its log: {line.strip()}"


def build_burrow() -> None:
    """Build Burrow's image as compose would, unless it is there."""
    if "No such image" in docker("image", "inspect", IMAGE, check=False):
        docker("build", "--tag", IMAGE, BURROW["build"]["context"])


def main() -> int:
    """Try every case; return the exit code."""
    cases = [*enumerate((*RIGHT, *WRONG))]
    try:
        build_burrow()
        with tempfile.TemporaryDirectory() as name, kafka(Path(name), NAME), ThreadPoolExecutor(AT_ONCE) as pool:
            good = list(pool.map(partial(try_case, Path(name)), cases))
    except FileNotFoundError:
        say("FAILED: there is no docker")
        return 1
    except (AssertionError, subprocess.CalledProcessError) as error:
        say(f"FAILED: {error} {getattr(error, 'stdout', '')}")
        return 1
    bad = [case.name for (_, case), seen in zip(cases, good, strict=True) if not seen]
    say(f"FAILED: {', '.join(bad)}" if bad else f"all {len(cases)} cases are as expected")
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main())
