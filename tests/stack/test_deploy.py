"""compose/deploy.sh: its calls of docker, their order, and its errors."""

from __future__ import annotations

import fcntl
import os
import re
from pathlib import Path

import pytest

from tests import ROOT
from tests.conftest import tool
from tests.support.deploying import Host
from tests.support.stack import COMPOSE

ALL_STEPS = [
    *("version", "compose version", "build", "render aside", "compose config", "compose pull"),
    *("compose build", "compose build", "compose build"),
    *("promtool", "promtool", "amtool", "thanos", "burrow", "render", "compose up"),
    *("compose ps", "ps", "compose exec"),
]
AGAIN = [step for step in ALL_STEPS if step not in {"build", "compose pull", "compose build"}]
REFUSED_FIRST = ("compose up", "render")


@pytest.fixture
def host(tmp_path: Path) -> Host:
    """Return a host on which nothing has run, and all images are here but the exporter's of this checkout."""
    return Host(tmp_path)


def test_the_first_time(tmp_path: Path) -> None:
    """All is checked before the first thing is started, and what is missing is built or pulled."""
    run = Host(tmp_path, fresh=True).run()
    assert (0, "") == (run.code, run.errors)
    assert ALL_STEPS == run.steps
    assert ["--detach", "--remove-orphans", "--wait", "--wait-timeout", "300"] == run.arguments("compose up")[-5:]


def test_what_is_told_at_the_end(host: Host) -> None:
    """Addresses that answer browsers, where the password is, and what Burrow sees."""
    host.answers["ports"] += "\nthanos-sidecar 10902/tcp, 0.0.0.0:10901->10901/tcp, [::]:10901->10901/tcp"
    told = host.run().told.partition("==> healthy\n")[2]
    assert [
        "burrow-exporter http://127.0.0.1:9254",
        "grafana http://127.0.0.1:3000",
        "Grafana password of user admin: compose/generated/secrets/grafana-admin-password",
        "Burrow default at http://burrow-api:8000: ok",
    ] == told.splitlines()


def test_a_burrow_that_sees_nothing_yet(host: Host) -> None:
    """That is told, and is no failure: all is healthy."""
    host.answers["exec"] = {"says": "cluster kafka: no groups", "code": 1}
    run = host.run()
    assert 0 == run.code
    assert "warning: Burrow does not see everything yet" in run.errors


def test_a_second_time(host: Host) -> None:
    """Nothing is built, pulled or rendered to another end, and compose alone decides what has changed."""
    first = host.run()
    before = host.rendered()
    second = host.run()
    assert (0, AGAIN) == (second.code, second.steps)
    assert before == host.rendered()
    assert first.arguments("compose up") == second.arguments("compose up")


def test_changed_settings(host: Host) -> None:
    """They are rendered, and only the files that they change are written."""
    host.run()
    before = host.rendered()
    host.env.write_text("SCRAPE_INTERVAL=30s\n")
    assert (0, AGAIN) == ((run := host.run()).code, run.steps)
    after = host.rendered()
    changed = {name for name in after if after[name] != before[name]}
    prometheus = {"prometheus/prometheus-a.yml", "prometheus/prometheus-b.yml"}
    assert {"compose.env", "grafana/datasources/prometheus.yaml", *prometheus} == changed


def test_a_changed_checkout(host: Host) -> None:
    """The exporter's image is built anew when what it is made from has changed, and only then."""
    host.run("--render")
    (host.checkout / "docs" / "x.md").touch()
    assert "build" not in host.run("--render").steps
    (host.checkout / "burrow_exporter" / "new.py").touch()
    assert "build" in host.run("--render").steps


def test_images_of_ones_own(host: Host) -> None:
    """One with a / in its name is pulled and never built; without a registry that is a failure."""
    own = {"EXPORTER_IMAGE": "registry.example.org/exporter:1", "BURROW_IMAGE": "registry.example.org/burrow:1"}
    host.env.write_text("CLUSTER=ours\nBROKERS=b-1.example.org:9092\n")
    run = host.run(environment=own)
    assert 0 == run.code, run.errors
    assert not {"build", "compose build"} & set(run.steps)
    assert [["pull", image] for image in own.values()] == [
        call["arguments"] for call in run.calls if call["arguments"][0] == "pull"
    ]
    host.answers["registry"] = False
    assert 1 == host.run("--render", environment={"EXPORTER_IMAGE": "registry.example.org/exporter:2"}).code


def test_a_registry_out_of_reach(host: Host) -> None:
    """It is needed for what is not here, and for nothing else."""
    host.answers["registry"] = False
    assert 0 == host.run().code
    host.have_no("grafana/grafana")
    run = host.run()
    assert (1, "compose pull") == (run.code, run.steps[-1])
    expected = r"^deploy.sh: grafana/grafana:\S+ is not available locally and cannot be pulled$"
    assert re.search(expected, run.errors, re.MULTILINE)


@pytest.mark.parametrize(
    ("answer", "version", "message"),
    [
        ("server", "", "docker does not respond; is it running, and are you in its group? Error: Cannot connect"),
        ("server", "19.03.15-ce", "docker is 19.03.15-ce; 20.10 or later is required"),
        ("compose", "", "docker compose is not installed: install docker-compose-plugin"),
        ("compose", "2.9.0", "docker compose is 2.9.0; 2.20.2 or later is required"),
        ("compose", "v2.20.1-desktop.1", "docker compose is v2.20.1-desktop.1; 2.20.2 or later is required"),
    ],
)
def test_a_host_that_cannot(answer: str, version: str, message: str, host: Host) -> None:
    """Without docker and compose of some age nothing else is tried."""
    host.answers[answer] = version
    run = host.run()
    assert 1 == run.code
    assert run.errors.startswith(f"deploy.sh: {message}")
    assert ["version", "compose version"][: 1 + (answer == "compose")] == run.steps


@pytest.mark.parametrize(
    ("server", "compose"),
    [
        ("20.10.24+dfsg1", "2.20.2"),
        ("25.0.8", "v2.24.5"),
        ("29.1.3", "2.37.1+ds1-0ubuntu2~24.04.1"),
        ("28.2.2", "5.0.1"),
    ],
)
def test_a_host_that_can(server: str, compose: str, host: Host) -> None:
    """Versions are compared as numbers, whatever a distribution adds to them."""
    host.answers |= {"server": server, "compose": compose}
    assert 0 == host.run("--render").code


def test_the_versions_are_documented() -> None:
    """The page on the stack names the ones that are asked for."""
    docker, compose = re.findall(r"^DOCKER=(\S+) COMPOSE=(\S+)", (COMPOSE / "deploy.sh").read_text(), re.MULTILINE)[0]
    page = (ROOT / "docs" / "stack.md").read_text(encoding="utf-8")
    assert f"docker {docker} or newer, compose {compose} or newer" in page


def test_a_host_without_docker(host: Host, tmp_path: Path) -> None:
    """What is not installed is named."""
    folder = tmp_path / "few"
    folder.mkdir()
    for name in ("bash", "dirname", "sed"):
        (folder / name).symlink_to(tool(name))
    run = host.run(environment={"PATH": str(folder)})
    assert (1, "deploy.sh: docker is not installed\n") == (run.code, run.errors)


def test_faults_of_the_settings(host: Host) -> None:
    """All of them are listed, and nothing else happens."""
    host.run()
    before = host.rendered()
    host.env.write_text("PROFILE=huge\nRETENTION=forever\nPROFIL=small\n")
    run = host.run()
    assert (2, "render aside") == (run.code, run.steps[-1])
    *faults, last = run.errors.splitlines()
    assert all(any(name in line for line in faults) for name in ("PROFILE", "RETENTION", "PROFIL"))
    assert "deploy.sh: invalid .env; nothing was changed" == last
    assert before == host.rendered()


@pytest.mark.parametrize("program", ["promtool", "amtool", "thanos"])
def test_a_program_that_refuses(program: str, host: Host) -> None:
    """Its words are shown, and neither what is rendered nor what runs is touched."""
    host.run()
    before = host.rendered()
    host.env.write_text("MONITOR=other\n")
    host.answers["refuse"] = {program: f"{program} does not like it"}
    run = host.run()
    assert 2 == run.code
    assert f"{program} does not like it\n" in run.errors
    assert "is invalid; nothing was changed" in run.errors
    assert not set(REFUSED_FIRST) & set(run.steps)
    assert before == host.rendered()


@pytest.mark.parametrize(
    ("said", "reason"),
    [
        (
            "Reading configuration from /etc/burrow\npanic: unknown client-profile 'x' [recovered]\n\tpanic: unknown",
            "unknown client-profile 'x'",
        ),
        (
            "Reading configuration from /etc/burrow\nFailed reading configuration: While parsing config: toml: no",
            "Failed reading configuration: While parsing config: toml: no",
        ),
        ("exec format error", "exec format error"),
    ],
)
def test_a_burrow_that_refuses(said: str, reason: str, host: Host) -> None:
    """Burrow has no check; it is started without a network, where only a configuration that it takes gets further."""
    host.answers["burrow"] = said
    run = host.run()
    assert (2, "burrow") == (run.code, run.steps[-1])
    assert run.errors.endswith(f"deploy.sh: burrow.toml is invalid; nothing was changed. Burrow says: {reason}\n")


@pytest.mark.parametrize(
    ("said", "code", "told"),
    [
        (
            r'level=error err="yaml: unmarshal errors:\n  line 2: field buckt not found\ncreate S3\ngithub"',
            2,
            "yaml: unmarshal errors: line 2: field buckt not found",
        ),
        (
            r'level=error err="Get \"http://s3/\": dial tcp: no route\nBaseFetcher: iter"',
            0,
            'Get "http://s3/": dial tcp',
        ),
        ("", 0, ""),
    ],
)
def test_a_bucket_of_ones_own(said: str, code: int, told: str, host: Host) -> None:
    """What Thanos cannot read is refused; a bucket that does not answer is a warning: it may answer later."""
    (host.checkout / "compose" / "bucket.yaml").write_text("type: S3\nconfig:\n  bucket: ours\n")
    host.answers["refuse"] = {"timeout": said}
    run = host.run()
    assert code == run.code
    assert told in run.errors
    assert bool(said) == bool(run.errors)
    bucket = next(
        call["arguments"]
        for call in run.calls
        if "--objstore.config-file=/run/secrets/bucket.yaml" in call["arguments"]
    )
    aside = host.checkout / "compose" / ".deploy" / "generated" / "secrets" / "bucket.yaml"
    assert f"--volume={aside}:/run/secrets/bucket.yaml:ro" in bucket


def test_what_is_not_healthy(host: Host) -> None:
    """Each service is named with the last that it said; those that are healthy, or have ended well, are not."""
    host.answers["up"] = {"says": "container x-burrow-1 is unhealthy", "code": 1}
    host.answers["statuses"] = (
        "burrow 1a Restarting (1) 3 seconds ago\ngrafana 2b Created\ninit 3c Exited (0) 2 minutes ago\n"
        "kafka 4d Up 2 minutes (healthy)\nprometheus-a 5e Up 2 minutes (unhealthy)"
    )
    host.answers["inspect"] = "timed out\n\n"
    run = host.run()
    assert 4 == run.code
    assert [
        "--- burrow: Restarting (1) 3 seconds ago; end of its log:",
        "    the last line",
        "    health check: timed out",
        "--- grafana: not started",
        "--- prometheus-a: Up 2 minutes (unhealthy); end of its log:",
        "    the last line",
        "    health check: timed out",
        "deploy.sh: not all services are healthy",
    ] == run.errors.splitlines()


def test_nothing_is_there_yet(host: Host) -> None:
    """Where compose could not make a single container nothing is told of others that this host has."""
    host.answers["up"] = {"says": "could not find an available address pool", "code": 1}
    host.answers["ps"] = {"says": "", "code": 0}
    host.answers["statuses"] = "db 9z Restarting (1) 3 seconds ago"
    run = host.run()
    assert (4, "deploy.sh: not all services are healthy\n") == (run.code, run.errors)


def test_a_folder_that_cannot_be_written(host: Host) -> None:
    """When what was checked cannot be put in place the reason is told, and nothing is started."""
    (host.generated / "compose.env").mkdir(parents=True)
    run = host.run()
    assert (1, "render") == (run.code, run.steps[-1])
    assert "Is a directory" in run.errors
    assert run.errors.endswith("deploy.sh: rendering failed\n")


def test_a_link_out_of_the_checkout(host: Host) -> None:
    """A `.env` that the container of rendering cannot see is refused, and not taken for none, which is the demo."""
    host.env.symlink_to("../shared/.env")
    run = host.run()
    assert (2, "render aside") == (run.code, run.steps[-1])
    assert run.errors.startswith(".env: a symbolic link without a target inside the checkout")


def test_the_settings_that_worked(host: Host) -> None:
    """They are kept, for their owner's eyes alone, and are named when others do not work."""
    host.env.write_text("MONITOR=good\n")
    host.run()
    host.env.write_text("MONITOR=bad\n")
    host.answers["up"] = {"says": "", "code": 1}
    assert "the last healthy .env is .env.last-good" in host.run().errors
    assert ("MONITOR=good\n", 0o600) == (host.last_good.read_text(), host.last_good.stat().st_mode & 0o777)


@pytest.mark.parametrize("umask", [0o000, 0o022, 0o077])
def test_nobody_else_may_write_what_is_rendered(umask: int, host: Host) -> None:
    """Whatever the umask of who deploys, and also where a run before left the folder open."""
    before = os.umask(umask)
    try:
        generated = host.checkout / "compose" / "generated"
        generated.mkdir(exist_ok=True)
        generated.chmod(0o777)
        assert 0 == host.run().code
        assert [] == [path for path in (generated, *generated.rglob("*")) if path.stat().st_mode & 0o022]
    finally:
        os.umask(before)


def test_down(host: Host) -> None:
    """All profiles end, their data stays; it works without anything rendered too."""
    run = host.run("--down")
    assert (0, ["version", "compose version", "compose down"]) == (run.code, run.steps)
    assert ["--profile", "*", "down", "--remove-orphans"] == run.arguments("compose down")[-4:]


@pytest.mark.parametrize("command", [(), ("make", "render")], ids=["deploy.sh", "make"])
def test_render(command: tuple[str, ...], host: Host) -> None:
    """Rendering alone starts and changes nothing that runs, and is the same by make."""
    run = host.run(*([] if command else ["--render"]), command=command)
    assert 0 == run.code, run.errors
    assert ["version", "compose version", "build", "render"] == run.steps[-4:]
    assert "compose.env" in host.rendered()


def test_one_at_a_time(host: Host) -> None:
    """A second run in the same checkout is turned away."""
    descriptor = os.open(host.checkout / "compose", os.O_RDONLY)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        run = host.run()
    finally:
        os.close(descriptor)
    assert (1, "deploy.sh: another run is in progress in this checkout\n") == (run.code, run.errors)
    assert ["version", "compose version"] == run.steps


def test_the_shell_has_no_say(host: Host) -> None:
    """What the settings set is not what the caller's shell happens to have under the same name."""
    (elsewhere := host.checkout.parent / "elsewhere" / "compose").mkdir(parents=True)
    shell = {"COMPOSE_PROFILES": "demo", "RETENTION": "9d", "COMPOSE_FILE": "x", "COMPOSE_PROJECT_NAME": "other"}
    run = host.run(environment={**shell, "CDPATH": str(elsewhere.parent)})
    (up,) = (call["environment"] for call in run.calls if "up" in call["arguments"])
    assert {"COMPOSE_PROJECT_NAME": "other"} == {name: up[name] for name in shell if name in up}


@pytest.mark.parametrize(
    "arguments",
    [
        ("--wipe",),
        ("--env-from",),
        ("--env-from", "http://example.org/env"),
        ("--env-from", "https://example.org/env", "--down"),
        ("--token-file", "x"),
    ],
)
def test_arguments_that_make_no_sense(arguments: tuple[str, ...], host: Host) -> None:
    """They are refused before docker is asked anything."""
    run = host.run(*arguments)
    assert (2, [], "") == (run.code, run.steps, run.told)
    assert run.errors.startswith("deploy.sh: --")


def test_help(host: Host) -> None:
    """It names every option and every exit code."""
    run = host.run("--help")
    assert (0, []) == (run.code, run.steps)
    for word in (
        "--env-from",
        "--token-file",
        "--render",
        "--down",
        "0 healthy",
        "1 this",
        "2 invalid",
        "3 `.env`",
        "4 started",
    ):
        assert word in run.told
