"""The chart's own Burrow: configured like the stack's, and reachable only from the exporter."""

from __future__ import annotations

import subprocess
import sys
import tomllib
from pathlib import Path
from typing import Any

import pytest
import yaml

from compose.renderer.clusters import Cluster
from compose.renderer.kafka_auth import Access
from compose.renderer.render import render
from compose.renderer.settings import Settings
from tests.stack.test_burrow_toml import VARIANTS
from tests.support.chart import CHART, RELEASE, VALUES, helm, one, pod, refusal

pytestmark = pytest.mark.helm

NAME = f"{RELEASE}-burrow-exporter-burrow"
ON = {"enabled": True, "image": "burrow"}


def burrow_pod(name: str = "burrow", values: str = "") -> dict[str, Any]:
    """Return what Burrow's pod is made from."""
    return dict(one("Deployment", name, values, "burrow")["spec"]["template"]["spec"])


def cluster_values(access: Access) -> dict[str, Any]:
    """Return a cluster of the values that is reached in this way."""
    values = {
        "secret": "kafka" if access.mechanism or access.authorities or access.certificate else "",
        "ca": bool(access.authorities),
        "clientCertificate": bool(access.certificate),
        "skipVerify": access.skip_verify,
        "region": access.region,
        "roleArn": access.role_arn,
    }
    return {"name": "orders", "servers": ["b:9092"], "auth": access.auth} | {k: v for k, v in values.items() if v}


def configured(values: str, folder: Path) -> dict[str, Any]:
    """Return Burrow's configuration after the pod's first container put the credentials in; they are in the folder."""
    (first,) = burrow_pod(values=values)["initContainers"]
    for name in ("template", "config"):
        (folder / name).mkdir()
    template = one("ConfigMap", "burrow", values, "burrow")["data"]["burrow.toml"]
    (folder / "template" / "burrow.toml").write_text(template, encoding="utf-8")
    python, flag, program = first["command"]
    assert ("python", "-c") == (python, flag)
    assert program.count('"/etc/burrow"') == 1
    program = program.replace('"/etc/burrow"', repr(str(folder)))
    subprocess.run([sys.executable, "-c", program], check=True, timeout=30)
    return tomllib.loads((folder / "config" / "burrow.toml").read_text(encoding="utf-8"))


@pytest.mark.parametrize("access", [each for each, _ in VARIANTS.values()], ids=list(VARIANTS))
def test_authentication(access: Access, tmp_path: Path) -> None:
    """Each way gives what the stack's own template gives, but for the folder of the files and the address."""
    cluster = Cluster("orders", ("b:9092",), access, allowed=r"^a\.", denied="b|\"c'")
    render(Settings(clusters=(cluster,)), tmp_path / "stack", tmp_path / "none")
    text = (tmp_path / "stack" / "secrets" / "burrow" / "burrow.toml").read_text(encoding="utf-8")
    expected = tomllib.loads(text.replace("/etc/burrow/orders-", "/etc/burrow/secrets/orders/"))
    expected["httpserver"]["exporter"]["address"] = ":8000"

    secrets = tmp_path / "secrets" / "orders"
    secrets.mkdir(parents=True)
    (secrets / "username").write_text("u\n", encoding="utf-8")
    (secrets / "password").write_text("p", encoding="utf-8")
    given = cluster_values(access) | {"groupsAllowed": cluster.allowed, "groupsDenied": cluster.denied}
    values = yaml.safe_dump({"burrow": {**ON, "allowedLag": 0, "clusters": [given]}})
    assert expected == configured(values, tmp_path)


def test_odd_credentials(tmp_path: Path) -> None:
    """Quotes, backslashes, letters beyond ASCII and what looks like a place for credentials come through."""
    secrets = tmp_path / "secrets" / "orders"
    secrets.mkdir(parents=True)
    (secrets / "username").write_text('a"b\\c', encoding="utf-8")
    (secrets / "password").write_text('"@orders/username@"\u00fc\t$(x)\\1', encoding="utf-8")
    given = {"name": "orders", "servers": ["b:9096"], "auth": "scram-sha-512", "secret": "kafka"}
    read = configured(yaml.safe_dump({"burrow": {**ON, "clusters": [given]}}), tmp_path)
    sasl = read["sasl"]["orders"]
    assert ('a"b\\c', '"@orders/username@"\u00fc\t$(x)\\1') == (sasl["username"], sasl["password"])


def test_the_exporter_asks_it() -> None:
    """The first Burrow of its configuration is at the Service, whose pods are Burrow's; others stay as they are."""
    values = "config: {burrows: [{name: a}, {name: b, addresses: ['http://other:8000']}]}"
    first, second = yaml.safe_load(one("ConfigMap", "burrow", values)["data"]["config.yaml"])["burrows"]
    service = one("Service", "burrow", values, "burrow")
    (port,) = service["spec"]["ports"]
    assert (NAME, f"http://{NAME}:{port['port']}") == (service["metadata"]["name"], *first["addresses"])
    assert ("a", 1) == (first["name"], first["allowed_lag"])
    assert {"name": "b", "addresses": ["http://other:8000"]} == second
    deployment = one("Deployment", "burrow", values, "burrow")["spec"]
    assert service["spec"]["selector"] == deployment["selector"]["matchLabels"]
    assert service["spec"]["selector"].items() <= deployment["template"]["metadata"]["labels"].items()
    (container,) = deployment["template"]["spec"]["containers"]
    assert [{"name": port["targetPort"], "containerPort": port["port"]}] == container["ports"]
    notes = helm("install", RELEASE, CHART, "--dry-run=client", "--values", VALUES["burrow"]).stdout
    assert f"polls http://{NAME}:8000.\n" in notes


def test_nobody_else_reaches_it() -> None:
    """Its API deletes groups: only the exporter's pods are let in, and let out to it."""
    ours = one("Deployment", "burrow")["spec"]["selector"]
    its = one("Deployment", "burrow", of="burrow")["spec"]["selector"]
    policy = one("NetworkPolicy", "burrow", of="burrow")["spec"]
    assert (its, ["Ingress"]) == (policy["podSelector"], policy["policyTypes"])
    assert [{"from": [{"podSelector": ours}], "ports": [{"port": "http"}]}] == policy["ingress"]
    assert {"to": [{"podSelector": its}], "ports": [{"port": 8000}]} == one("NetworkPolicy", "burrow")["spec"][
        "egress"
    ][0]
    assert its["matchLabels"]["app.kubernetes.io/name"] != ours["matchLabels"]["app.kubernetes.io/name"]


def test_it_may_do_nothing() -> None:
    """Its containers are as closed as the exporter's; passwords are written to memory alone."""
    spec = burrow_pod()
    (exporter,) = pod("burrow")["containers"]
    assert pod("burrow")["securityContext"] == spec["securityContext"]
    assert (False, False) == (spec["automountServiceAccountToken"], spec["enableServiceLinks"])
    for each in (*spec["initContainers"], *spec["containers"]):
        assert exporter["securityContext"] == each["securityContext"]
    volumes = {volume["name"]: volume for volume in spec["volumes"]}
    assert {"medium": "Memory"} == volumes["config"]["emptyDir"] == volumes["run"]["emptyDir"]
    secrets = {name: each["secret"]["secretName"] for name, each in volumes.items() if "secret" in each}
    assert {"secret-orders": "kafka-orders", "secret-shop": "kafka-shop"} == secrets
    template = one("ConfigMap", "burrow", of="burrow")["data"]["burrow.toml"]
    assert 'password = "@orders/password@"' in template


def test_a_changed_configuration_starts_new_pods() -> None:
    """Of Burrow, and of the exporter where it concerns it."""

    def checksums(values: str) -> list[str]:
        pods = [one("Deployment", "burrow", values, of)["spec"]["template"] for of in ("burrow-exporter", "burrow")]
        return [each["metadata"]["annotations"]["checksum/config"] for each in pods]

    ours, its = checksums("")
    changed, its_changed = checksums("burrow: {allowedLag: 2}")
    assert ours != changed
    assert its != its_changed
    assert [ours, its] == checksums("burrow: {serviceAccountName: msk}")
    assert "msk" == burrow_pod(values="burrow: {serviceAccountName: msk}")["serviceAccountName"]


@pytest.mark.parametrize(
    ("expected", "values"),
    [
        ("at '/burrow/image': minLength: got 0, want 1", "burrow: {enabled: true, clusters: [CLUSTER]}"),
        ("at '/burrow/clusters': minItems: got 0, want 1", "burrow: {enabled: true, image: x}"),
        ("at '/burrow/clusters/0': missing property 'secret'", "burrow: {clusters: [SCRAM]}"),
        ("at '/burrow/clusters/0': missing property 'region'", "burrow: {clusters: [IAM]}"),
        (
            "at '/burrow/clusters/0': missing property 'secret'",
            "burrow: {clusters: [{name: a, servers: ['b:1'], auth: iam, region: eu-west-1, ca: true}]}",
        ),
        (
            "at '/burrow/clusters/0/name': 'Shop' does not match pattern '^[a-z0-9]([-a-z0-9]*[a-z0-9])?$'",
            "burrow: {clusters: [{name: Shop, servers: ['b:1'], auth: tls}]}",
        ),
    ],
)
def test_what_is_refused(expected: str, values: str) -> None:
    """What Burrow could not run with, before anything is installed."""
    for word, auth in (("CLUSTER", "tls"), ("SCRAM", "scram-sha-512"), ("IAM", "iam")):
        values = values.replace(word, f"{{name: a, servers: ['b:1'], auth: {auth}}}")
    assert expected in refusal(values)
