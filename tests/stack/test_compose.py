"""The compose file: valid by the specification, and the same guarantees for each service."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

from compose.renderer.settings import Settings
from tests import ROOT
from tests.support.stack import COMBINATIONS, COMPOSE, FULL, HOSTS, Service, composed, services

ALL = services(*FULL, "sidecar", *(role for combination in HOSTS for role in combination))
LASTING = {name: each for name, each in ALL.items() if name != "init"}
PUBLISHED = {
    "alertmanager": ["${ALERTMANAGER_ADDRESS:-127.0.0.1}:${ALERTMANAGER_PORT:-9093}:9093"],
    "burrow-exporter": ["${BIND_ADDRESS:-127.0.0.1}:${EXPORTER_PORT:-9254}:9254"],
    "grafana": ["${GRAFANA_BIND_ADDRESS:-127.0.0.1}:${GRAFANA_PORT:-3000}:3000"],
    "prometheus": ["${BIND_ADDRESS:-127.0.0.1}:${PROMETHEUS_PORT:-9090}:9090"],
    "prometheus-a": ["${BIND_ADDRESS:-127.0.0.1}:${PROMETHEUS_PORT:-9090}:9090"],
    "prometheus-b": ["${BIND_ADDRESS:-127.0.0.1}:${PROMETHEUS_B_PORT:-9091}:9090"],
    "thanos-query": ["${BIND_ADDRESS:-127.0.0.1}:${THANOS_PORT:-10902}:10902"],
    "thanos-sidecar": ["${SIDECAR_ADDRESS:-127.0.0.1}:10901:10901"],
    "thanos-sidecar-one": ["${SIDECAR_ADDRESS:-127.0.0.1}:10901:10901"],
}
MEGABYTES = {"small": 4224, "sidecar": 4416, "full": 8192, "collect": 3072, "query": 4096}
by_service = pytest.mark.parametrize("service", LASTING.values(), ids=LASTING)


def test_specification() -> None:
    """The file is valid by the schema of the Compose specification."""
    command = [sys.executable, "-m", "check_jsonschema", "--builtin-schema", "vendor.compose-spec"]
    run = subprocess.run([*command, COMPOSE / "compose.yaml"], capture_output=True, text=True, check=False)
    assert (0, "") == (run.returncode, run.stdout.replace("ok -- validation done\n", "")), run.stderr


def test_every_service_has_a_profile() -> None:
    """None runs whatever the profile, and the profiles are those that can be rendered."""
    assert set(ALL) == set(composed()["services"])
    known = {profile for combination in COMBINATIONS for profile in combination}
    assert known == {profile for each in ALL.values() for profile in each["profiles"]}


def test_every_service_says_what_it_is_for() -> None:
    """A comment stands above each, but for the second of a pair."""
    text = (COMPOSE / "compose.yaml").read_text(encoding="utf-8")
    silent = [name for name in ALL if not re.search(rf"^  #.*\n  {name}:( &\S+)?$", text, re.MULTILINE)]
    assert ["prometheus-b", "thanos-sidecar-b"] == silent


@pytest.mark.parametrize("service", ALL.values(), ids=ALL)
def test_image(service: Service) -> None:
    """It is built here, or pinned to a release."""
    assert "build" in service or re.search(r":v?\d+\.\d+\.\d+$", service["image"])


@pytest.mark.parametrize("path", sorted(ROOT.glob("**/Dockerfile")), ids=lambda path: str(path.relative_to(ROOT)))
def test_base_image(path: Path) -> None:
    """Images built here have a base that is pinned to a release, and do not run as root."""
    text = path.read_text(encoding="utf-8")
    arguments = dict(re.findall(r"^ARG (\w+)=(\S+)$", text, re.MULTILINE))
    bases = re.findall(r"^FROM (\S+)", text, re.MULTILINE)
    own = {"scratch", *re.findall(r"^FROM \S+ AS (\w+)$", text, re.MULTILINE)}
    named = {arguments[base[2:-1]] if base.startswith("${") else base for base in bases}
    assert named - own
    assert all(re.search(r":\d+\.\d+\.\d+(-|$)", base) for base in named - own)
    assert re.search(r"^USER [1-9]\d*:[1-9]\d*$", text, re.MULTILINE)
    assert re.search(r'^ENTRYPOINT \["', text, re.MULTILINE)


@by_service
def test_health(service: Service) -> None:
    """Its health is checked by a program of its own image."""
    assert "CMD" == service["healthcheck"]["test"][0]


@by_service
def test_hardening(service: Service) -> None:
    """It runs as a user by number, on a root that it cannot write, without capabilities or ways to new ones."""
    assert re.fullmatch(r"[1-9]\d*:[1-9]\d*", service["user"])
    assert (True, ["ALL"]) == (service["read_only"], service["cap_drop"])
    assert ["no-new-privileges:true"] == service["security_opt"]
    assert not {"privileged", "pid", "ipc", "network_mode", "cap_add", "devices"} & set(service)


@by_service
def test_running(service: Service) -> None:
    """It comes back, writes bounded logs and has bounded memory."""
    assert "unless-stopped" == service["restart"]
    assert {"max-size", "max-file"} == set(service["logging"]["options"])
    assert re.fullmatch(r"\d+m", service["mem_limit"])


def test_the_one_that_is_root() -> None:
    """It has no network, no more capabilities than it needs to give files away, and ends."""
    init = ALL["init"]
    assert ("0:0", "none", "no", True) == (init["user"], init["network_mode"], init["restart"], init["read_only"])
    assert (["ALL"], ["CHOWN", "DAC_OVERRIDE", "FOWNER"]) == (init["cap_drop"], init["cap_add"])


def test_ports() -> None:
    """On the host are those that are meant to be, on the loopback unless told otherwise."""
    assert PUBLISHED == {name: each["ports"] for name, each in ALL.items() if "ports" in each}


@pytest.mark.parametrize("service", ALL.values(), ids=ALL)
def test_no_secret_in_the_environment(service: Service) -> None:
    """What looks like a secret there is the name of a file of one; and no file becomes the environment."""
    assert "env_file" not in service
    for name, value in service.get("environment", {}).items():
        if re.search("PASSWORD|SECRET|TOKEN|KEY", name):
            assert name.endswith("__FILE")
            assert value.startswith("/run/secrets/")


@pytest.mark.parametrize("profiles", COMBINATIONS, ids="+".join)
def test_dependencies(profiles: tuple[str, ...]) -> None:
    """What a service cannot do without runs with it, and what it waits for can become so."""
    active = services(*profiles)
    for service in active.values():
        for name, condition in service.get("depends_on", {}).items():
            assert name in active or condition.get("required") is False
            expected = "service_completed_successfully" if name == "init" else "service_healthy"
            assert expected == condition["condition"]


@pytest.mark.parametrize("profiles", COMBINATIONS, ids="+".join)
def test_memory(profiles: tuple[str, ...]) -> None:
    """The limits add up to no more than the host is said to need, demo included."""
    total = sum(int(each["mem_limit"].removesuffix("m")) for each in services(*profiles).values())
    assert MEGABYTES[profiles[0]] >= total > MEGABYTES[profiles[0]] / 2


def test_burrow_is_reached_by_the_exporter_alone() -> None:
    """Its API, which deletes without a password, listens on a network that nobody else is on."""
    networks = composed()["networks"]
    assert {"internal": True} == networks["burrow"]
    assert ["burrow", "burrow-exporter"] == [name for name, each in ALL.items() if "burrow" in each.get("networks", [])]
    assert ["burrow-api"] == ALL["burrow"]["networks"]["burrow"]["aliases"]
    toml = (COMPOSE / "templates" / "secrets" / "burrow" / "burrow.toml").read_text(encoding="utf-8")
    assert ['"burrow-api:8000"'] == re.findall("^address = (.*)$", toml, re.MULTILINE)


def given() -> dict[str, set[str]]:
    """Return the groups and users to whom init.sh gives each secret and volume."""
    script = (COMPOSE / "init.sh").read_text(encoding="utf-8")
    found: dict[str, set[str]] = {}
    for user, names in re.findall(r"^(?:share|own) (\d+) ((?:/\S+ ?)+)$", script, re.MULTILINE):
        for name in names.split():
            found.setdefault(name, set()).add(user)
    return found


def test_secrets_are_for_those_who_use_them() -> None:
    """Each secret is given to the group of every service that has it."""
    wanted: dict[str, set[str]] = {}
    for service in ALL.values():
        for secret in service.get("secrets", []):
            wanted.setdefault(f"/secrets/{secret}", set()).add(service["user"].partition(":")[2])
    assert set(composed()["secrets"]) == {name.removeprefix("/secrets/") for name in wanted}
    certificate = {wanted.pop(f"/secrets/grpc-{name}.pem").pop() for name in ("ca", "cert", "key")}
    wanted["/secrets/grpc/*"] = certificate
    assert ["./generated/secrets/burrow:/etc/burrow:ro"] == ALL["burrow"]["volumes"]
    wanted["/secrets/burrow/*"] = {ALL["burrow"]["user"].partition(":")[2]}
    assert wanted == {name: users for name, users in given().items() if name.startswith("/secrets/")}


def test_no_other_service_sees_the_folder_of_secrets() -> None:
    """Only `init`, which gives them away, has all of them; Burrow's folder is Burrow's."""
    volumes = {
        (name, each) for name, service in ALL.items() for each in service.get("volumes", []) if "/secrets" in each
    }
    assert {("init", "./generated/secrets:/secrets"), ("burrow", *ALL["burrow"]["volumes"])} == volumes


def test_volumes_are_for_those_who_use_them() -> None:
    """Each volume that an image brings no folder for is given to the user of its service."""
    mounted = [volume.split(":")[0] for volume in ALL["init"]["volumes"] if not volume.startswith("./")]
    for name in mounted:
        users = {
            service["user"].partition(":")[0]
            for service in LASTING.values()
            if any(volume.startswith(f"{name}:") for volume in service.get("volumes", []))
        }
        assert users == given()[f"/volumes/{name}"]
    assert {"object-store", "thanos-compact", "thanos-store"} == set(mounted)


def test_defaults_are_the_settings() -> None:
    """Whoever starts the file without a rendered environment gets what `Settings` says."""
    text = (COMPOSE / "compose.yaml").read_text(encoding="utf-8")
    defaults = dict(re.findall(r"\$\{(RETENTION\w*|BIND_ADDRESS|\w+_PORT):-([^}]+)\}", text))
    assert str(int(defaults["PROMETHEUS_PORT"]) + 1) == defaults.pop("PROMETHEUS_B_PORT")
    assert Settings().kept_for == defaults.pop("RETENTION")
    assert {name: getattr(Settings(), name.lower()) for name in defaults} == defaults
    assert 10 == len(defaults)
