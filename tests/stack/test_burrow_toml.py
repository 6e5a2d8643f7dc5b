"""burrow.toml: each way to authenticate to Kafka, as Burrow 1.9.5 requires it, and pitfalls."""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import Any

import pytest

from compose.renderer.clusters import Cluster
from compose.renderer.kafka_auth import Access
from compose.renderer.render import render
from compose.renderer.settings import Settings

SASL = {"handshake-first": True, "username": "u", "password": "p"}
"""Without ``handshake-first`` the brokers end the connection."""
VERIFIED = {"noverify": False}
ROLE = "arn:aws:iam::123456789012:role/burrow"
OWN = {"cafile": "/etc/burrow/orders-ca.pem", **VERIFIED}
PAIR = {"certfile": "/etc/burrow/orders-cert.pem", "keyfile": "/etc/burrow/orders-key.pem"}
BUNDLE = {"cafile": "/etc/ssl/certs/ca-certificates.crt", **VERIFIED}
"""The image's own: Burrow reads ``certfile`` and ``keyfile`` only where there is a ``cafile``."""
FILES: dict[str, Any] = {"authorities": "CA\n", "certificate": "CERT\n", "key": "KEY\n"}
VARIANTS: dict[str, tuple[Access, dict[str, Any]]] = {
    "plaintext": (Access(), {}),
    "tls": (Access("tls"), {"tls": VERIFIED}),
    "tls, own authority": (Access("tls", authorities="CA\n"), {"tls": OWN}),
    "tls, not verified": (Access("tls", skip_verify=True), {"tls": {"noverify": True}}),
    "mutual tls": (Access("tls", certificate="CERT\n", key="KEY\n"), {"tls": BUNDLE | PAIR}),
    "mutual tls, own authority": (Access("tls", **FILES), {"tls": OWN | PAIR}),
    "scram-sha-512": (
        Access("scram-sha-512", "u", "p"),
        {"tls": VERIFIED, "sasl": {"mechanism": "SCRAM-SHA-512", **SASL}},
    ),
    "scram-sha-256": (
        Access("scram-sha-256", "u", "p", authorities="CA\n"),
        {"tls": OWN, "sasl": {"mechanism": "SCRAM-SHA-256", **SASL}},
    ),
    "iam": (Access("iam", region="eu-west-1"), {"tls": VERIFIED, "iam": {"region": "eu-west-1"}}),
    "iam, role": (
        Access("iam", region="eu-west-1", role_arn=ROLE),
        {"tls": VERIFIED, "iam": {"region": "eu-west-1", "role-arn": ROLE}},
    ),
}
SECTIONS = {"tls", "sasl", "iam"}
by_variant = pytest.mark.parametrize(("access", "expected"), VARIANTS.values(), ids=VARIANTS)


def burrow(folder: Path, *clusters: Cluster) -> dict[str, Any]:
    """Render and return what Burrow reads."""
    render(Settings(clusters=clusters) if clusters else Settings(), folder, folder / "none")
    return tomllib.loads((folder / "secrets" / "burrow" / "burrow.toml").read_text(encoding="utf-8"))


@by_variant
def test_authentication(access: Access, expected: dict[str, Any], tmp_path: Path) -> None:
    """The client profile names the sections that there are, and they hold just what the way needs."""
    read = burrow(tmp_path, Cluster("orders", ("b:9092",), access))
    (profile,) = read["client-profile"].values()
    assert dict.fromkeys(expected, "orders") == {name: profile[name] for name in profile.keys() & SECTIONS}
    assert {section: {"orders": each} for section, each in expected.items()} == {
        name: read[name] for name in read.keys() & SECTIONS
    }


@by_variant
def test_files(access: Access, expected: dict[str, Any], tmp_path: Path) -> None:
    """Every file that a section names below Burrow's folder is there with its content, and no other."""
    burrow(tmp_path, Cluster("orders", ("b:9092",), access))
    named = {path for path in expected.get("tls", {}).values() if str(path).startswith("/etc/burrow/")}
    files = {f"/etc/burrow/{path.name}": path for path in (tmp_path / "secrets" / "burrow").glob("*.pem")}
    assert named == set(files)
    contents = {"ca": access.authorities, "cert": access.certificate, "key": access.key}
    assert {name: contents[name.removesuffix(".pem").rpartition("-")[2]] for name in named} == {
        name: path.read_text(encoding="utf-8") for name, path in files.items()
    }


def test_clusters_keep_to_themselves(tmp_path: Path) -> None:
    """Each cluster has a profile, a consumer and credentials of its own name, so that none is taken for another's."""
    clusters = [Cluster(f"c{number}", (f"b{number}:9092",), each) for number, (each, _) in enumerate(VARIANTS.values())]
    read = burrow(tmp_path, *clusters)
    for number, cluster in enumerate(clusters):
        name = cluster.name
        for kind in ("cluster", "consumer"):
            assert (name, [f"b{number}:9092"]) == (read[kind][name]["client-profile"], read[kind][name]["servers"])
        assert name == read["consumer"][name]["cluster"]
        sections = {section for section in SECTIONS if name in read.get(section, {})}
        assert sections == read["client-profile"][name].keys() & SECTIONS
    assert {each.name for each in clusters} == set(read["cluster"]) == set(read["consumer"])


def test_groups(tmp_path: Path) -> None:
    """Which groups count is said with the consumer, where Burrow reads it."""
    consumer = burrow(tmp_path, Cluster("orders", ("b:9092",), allowed=r"^a\.", denied="b|\"c'"))["consumer"]["orders"]
    assert (r"^a\.", "b|\"c'") == (consumer["group-allowlist"], consumer["group-denylist"])


def test_timing(tmp_path: Path) -> None:
    """What Burrow judges by is as chosen: the template says why beside each."""
    read = burrow(tmp_path)
    assert {"class-name": "inmemory", "intervals": 10, "min-distance": 10, "expire-group": 604800} == (
        read["storage"]["memory"]
    )
    evaluator = {"class-name": "caching", "expire-cache": 5, "allowed-lag": 0, "minimum-complete": 0.0}
    assert evaluator == read["evaluator"]["caching"]
    for cluster in read["cluster"].values():
        assert (10, 60) == tuple(cluster[f"{each}-refresh"] for each in ("offset", "topic"))
        assert "groups-reaper-refresh" not in cluster, "it empties Burrow when Kafka restarts"
    assert {(False, False)} == {(each["start-latest"], each["backfill-earliest"]) for each in read["consumer"].values()}


def test_pid_file_and_log(tmp_path: Path) -> None:
    """The pid file is on the container's tmpfs, and the log has no file."""
    read = burrow(tmp_path)
    assert "/run/burrow/burrow.pid" == read["general"]["pidfile"]
    assert {"level": "warn"} == read["logging"]
