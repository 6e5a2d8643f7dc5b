"""Several hosts: what is rendered for each, what is rejected, and the certificates between them."""

from __future__ import annotations

import datetime as dt
import re
import subprocess
from pathlib import Path
from typing import Any

import pytest
import trustme
import yaml

from compose.renderer import hosts
from compose.renderer.hosts import TLS_NAME
from compose.renderer.render import render
from compose.renderer.settings import Settings, SettingsError, read_settings
from tests import ROOT
from tests.conftest import built, tool
from tests.support.stack import COMPOSE

FILES = {"GRPC_CA_FILE": "ca.pem", "GRPC_CERT_FILE": "host.pem", "GRPC_KEY_FILE": "host-key.pem"}
COLLECT = {"ROLE": "collect", "REPLICA": "b", "QUERY_HOST": "10.0.0.30", "BROKERS": "one:9092", **FILES}
QUERY = {"ROLE": "query", "COLLECT_HOSTS": "10.0.0.10, b.example.org", **FILES}
BUCKET = {"S3_BUCKET": "ours", "S3_REGION": "eu-west-1"}
MISSING = "missing; hosts authenticate with certificates, see docs/hosts.md"
Files = dict[str, Any]


def certified(folder: Path, authority: trustme.CA, *names: str, **more: Any) -> None:
    """Write a CA and a certificate of it with its key into a folder, under the names of FILES."""
    leaf = authority.issue_cert(*(names or (TLS_NAME,)), **more)
    authority.cert_pem.write_to_path(folder / "ca.pem")
    leaf.cert_chain_pems[0].write_to_path(folder / "host.pem")
    leaf.private_key_pem.write_to_path(folder / "host-key.pem")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Return a folder with a CA and a certificate that will do."""
    certified(tmp_path, trustme.CA())
    return tmp_path


def read(folder: Path, values: dict[str, str]) -> Settings:
    """Return the settings of a `.env` in a folder."""
    (folder / ".env").write_text("".join(f"{name}={value}\n" for name, value in values.items()), encoding="utf-8")
    return read_settings(folder / ".env")


def rendered(folder: Path, values: dict[str, str]) -> Files:
    """Return what is rendered, by name; YAML taken apart."""
    target = folder / "generated"
    render(read(folder, {**values, **BUCKET}), target, folder / "none")
    texts = {path.relative_to(target).as_posix(): path.read_text() for path in target.rglob("*") if path.is_file()}
    return {name: yaml.safe_load(text) if name.endswith(("yml", "yaml")) else text for name, text in texts.items()}


def told(folder: Path, values: dict[str, str]) -> list[str]:
    """Return what is refused."""
    with pytest.raises(SettingsError) as refused:
        read(folder, values)
    return str(refused.value).splitlines()


def targets(files: Files, job: str) -> dict[str, str]:
    """Return the addresses that are scraped for a job, with the name each is given."""
    listed = files[f"prometheus/targets/{job}.yaml"]
    return {each["targets"][0]: each.get("labels", {}).get("instance", "") for each in listed}


def test_a_host_that_collects(folder: Path) -> None:
    """It has Burrow, the exporter, and a Prometheus that sends its alerts to the query host, and nothing else."""
    files = rendered(folder, COLLECT)
    assert "COMPOSE_PROFILES=collect\n" in files["compose.env"]
    assert "REPLICA=b\n" in files["compose.env"]
    assert "SIDECAR_ADDRESS=0.0.0.0\n" in files["compose.env"]
    assert [{"targets": ["10.0.0.30:9093"]}] == files["prometheus/alertmanagers.yaml"]
    assert {"monitor": "burrow", "replica": "b"} == files["prometheus/prometheus-b.yml"]["global"]["external_labels"]
    jobs = [each["job_name"] for each in files["prometheus/prometheus-b.yml"]["scrape_configs"]]
    assert ["burrow", "prometheus", "thanos", "jmx", "node"] == jobs
    assert {"burrow-exporter:9254": "burrow-exporter"} == targets(files, "burrow")
    assert {"prometheus:9090": "prometheus-b:9090"} == targets(files, "prometheus")
    assert {"thanos-sidecar:10902": "thanos-sidecar-b:10902"} == targets(files, "thanos")
    rules = {name.split("/")[-1] for name in files if name.startswith("prometheus/rules/")}
    collected = {"recording", "advice", "consumers", "exporter", "brokers", "loss", "thanos"}
    assert {f"{name}.yaml" for name in collected} == rules
    assert [] == [name for name in files if name.startswith(("alertmanager", "amtool", "grafana", "thanos"))]


def test_the_query_host(folder: Path) -> None:
    """It asks both hosts and itself, watches what runs on it, and has no word of Kafka."""
    files = rendered(folder, {**QUERY, "BROKERS": "one:9096", "KAFKA_USERNAME": "u", "KAFKA_PASSWORD": "correct horse"})
    assert "COMPOSE_PROFILES=query\n" in files["compose.env"]
    assert "ALERTMANAGER_ADDRESS=0.0.0.0\n" in files["compose.env"]
    assert "SIDECAR_ADDRESS=127.0.0.1\n" in files["compose.env"]
    asked = ["10.0.0.10", "b.example.org", "thanos-sidecar", "thanos-store"]
    assert [{"address": f"{each}:10901"} for each in asked] == files["thanos/endpoints.yaml"]["endpoints"]
    assert [{"targets": ["alertmanager:9093"]}] == files["prometheus/alertmanagers.yaml"]
    jobs = [each["job_name"] for each in files["prometheus/prometheus-query.yml"]["scrape_configs"]]
    assert ["prometheus", "thanos", "alertmanager"] == jobs
    components = {f"thanos-{each}:10902": "" for each in ("query", "query-frontend", "store", "compact")}
    assert {"thanos-sidecar:10902": "thanos-sidecar-query:10902", **components} == targets(files, "thanos")
    rules = {name.split("/")[-1] for name in files if name.startswith("prometheus/rules/")}
    assert {"hosts.yaml", "thanos.yaml"} == rules
    assert "" == files["secrets/burrow/burrow.toml"]
    assert [] == [name for name, content in files.items() if "correct horse" in str(content)]


def test_nothing_is_said_between_hosts_without_certificates(folder: Path) -> None:
    """Whoever asks, and whoever answers, shows one, and each asks for the other's."""
    collecting, asking = rendered(folder, COLLECT), rendered(folder, QUERY)
    shown = {f"{name}_file": f"/run/secrets/grpc-{name}.pem" for name in ("ca", "cert", "key")}
    (manager,) = collecting["prometheus/prometheus-b.yml"]["alerting"]["alertmanagers"]
    assert ("https", {**shown, "server_name": TLS_NAME}) == (manager["scheme"], manager["tls_config"])
    scraped = asking["prometheus/prometheus-query.yml"]["scrape_configs"][-1]
    assert ("https", {**shown, "server_name": TLS_NAME}) == (scraped["scheme"], scraped["tls_config"])
    served = asking["alertmanager/web.yml"]["tls_server_config"]
    assert "RequireAndVerifyClientCert" == served["client_auth_type"]
    assert shown["ca_file"] == served["client_ca_file"]
    assert "GRPC_CLIENT_TLS=--grpc-client-tls-secure\n" in asking["compose.env"]
    assert f"GRPC_NAME={TLS_NAME}\n" in asking["compose.env"]
    for name, path in FILES.items():
        kind = name.split("_")[1].lower()
        assert (
            (folder / path).read_text() == asking[f"secrets/grpc/{kind}.pem"] == collecting[f"secrets/grpc/{kind}.pem"]
        )


@pytest.mark.parametrize("values", [COLLECT, QUERY], ids=["collect", "query"])
def test_prometheus_takes_it(values: dict[str, str], folder: Path) -> None:
    """Prometheus of the stack's release takes the configuration; the secrets that it names are not here."""
    rendered(folder, values)
    (path,) = (folder / "generated" / "prometheus").glob("prometheus-*.yml")
    told = subprocess.run(
        [built("promtool"), "check", "config", "--syntax-only", "--lint=all", "--lint-fatal", path],
        capture_output=True,
        text=True,
        check=False,
    )
    assert (0, 1) == (told.returncode, told.stdout.count("SUCCESS: ")), told.stdout + told.stderr


def test_one_host_has_none_of_it(folder: Path) -> None:
    """Alone, a host publishes no gRPC, and neither shows nor asks for certificates."""
    files = rendered(folder, {})
    assert "GRPC_CLIENT_TLS" not in files["compose.env"]
    assert {""} == {files[f"secrets/grpc/{name}.pem"] for name in ("ca", "cert", "key")}
    assert {"alertmanager.url": "http://127.0.0.1:9093"} == files["amtool/config.yml"]
    assert [] == [name for name, text in files.items() if name.startswith("prometheus") and "tls" in str(text)]


def test_another_certificate_is_taken_up(folder: Path) -> None:
    """With a new one everything that reads it is made anew."""
    before = rendered(folder, QUERY)["compose.env"].splitlines()
    certified(folder, trustme.CA())
    after = rendered(folder, QUERY)["compose.env"].splitlines()
    assert ["GRPC_CONFIG"] == sorted({line.partition("=")[0] for line in set(before) ^ set(after)})


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ({"ROLE": "both"}, ["ROLE: must be all, collect or query"]),
        (
            {"REPLICA": "a", "QUERY_HOST": "q"},
            ["ROLE: missing although REPLICA, QUERY_HOST is set; set it to collect or query, or remove these"],
        ),
        (
            {"ROLE": "collect", "BROKERS": "one:9092"},
            [
                "REPLICA: must be a on one of the two collecting hosts, and b on the other",
                "QUERY_HOST: must be the name or address of the host with ROLE=query, without a port",
                *(f"{name}: {MISSING}" for name in FILES),
            ],
        ),
        (
            {**COLLECT, "REPLICA": "c", "QUERY_HOST": "q:9093", "TLS_BIND_ADDRESS": "here"},
            [
                "REPLICA: must be a on one of the two collecting hosts, and b on the other",
                "QUERY_HOST: must be the name or address of the host with ROLE=query, without a port",
                "TLS_BIND_ADDRESS: must be an IP address of this host, such as 127.0.0.1, or 0.0.0.0 for all",
            ],
        ),
        *(
            (
                {**QUERY, "COLLECT_HOSTS": wrong},
                ["COLLECT_HOSTS: must be the names or addresses of the two hosts with ROLE=collect, such as x,y"],
            )
            for wrong in ("", "a", "a,a", "a,b,c", "a:10901,b", "a,")
        ),
        (
            {name: value for name, value in COLLECT.items() if name != "BROKERS"},
            ["BROKERS: missing; the demo runs on one host only, several hosts need your own Kafka"],
        ),
        (
            {**QUERY, "PROFILE": "small"},
            ["PROFILE: small, but ROLE is query; several hosts need the full profile, so remove it"],
        ),
    ],
)
def test_what_is_refused(values: dict[str, str], expected: list[str], folder: Path) -> None:
    """What a host lacks, or cannot be, is told in full."""
    assert expected == told(folder, values)


def test_a_bucket_of_ones_own_is_needed(folder: Path) -> None:
    """The object store of the stack is within one host."""
    with pytest.raises(SettingsError) as refused:
        render(read(folder, QUERY), folder / "generated", folder / "none")
    assert "S3_BUCKET: missing; several hosts need one shared bucket" == str(refused.value)


def test_the_key_of_another(folder: Path) -> None:
    """A key that does not belong to the certificate is told as such."""
    trustme.CA().issue_cert(TLS_NAME).private_key_pem.write_to_path(folder / "host-key.pem")
    assert ["GRPC_KEY_FILE: does not match GRPC_CERT_FILE; set a matching pair"] == told(folder, QUERY)


def test_what_is_no_pem(folder: Path) -> None:
    """A file that is not there, and one that holds something else, are told each."""
    (folder / "ca.pem").unlink()
    (folder / "host.pem").write_text("nothing\n", encoding="utf-8")
    assert [
        "GRPC_CA_FILE: no such file; paths are relative to the checkout, which must contain it",
        "GRPC_CERT_FILE: contains no -----BEGIN CERTIFICATE-----; use a PEM file",
    ] == told(folder, QUERY)


@pytest.mark.parametrize(
    ("names", "more", "why"),
    [
        (("other",), {}, f"Hostname mismatch, certificate is not valid for '{TLS_NAME}'."),
        ((), {"not_after": dt.datetime(2020, 1, 1, tzinfo=dt.UTC)}, "certificate has expired"),
    ],
)
def test_a_certificate_that_other_hosts_would_refuse(
    names: tuple[str, ...], more: dict[str, Any], why: str, folder: Path
) -> None:
    """Its name and its time are looked at before anything is started."""
    certified(folder, trustme.CA(), *names, **more)
    expected = f"GRPC_CERT_FILE: other hosts would reject it: {why}; issue a new one with the CA in GRPC_CA_FILE"
    assert [expected] == told(folder, QUERY)


def test_a_certificate_of_another_authority(folder: Path) -> None:
    """So is who signed it."""
    trustme.CA().cert_pem.write_to_path(folder / "ca.pem")
    (refused,) = told(folder, QUERY)
    assert refused.startswith("GRPC_CERT_FILE: other hosts would reject it: ")
    assert "issuer" in refused


def test_the_certificates_of_the_script_will_do(tmp_path: Path) -> None:
    """Each host's is already used by another one, also one made later; whoever makes them alone can read the keys."""
    tool("openssl")
    script = COMPOSE / "certificates.sh"
    for names in (["a", "b"], ["query"]):
        subprocess.run([tool("sh"), script, tmp_path / "made", *names], capture_output=True, check=True)
    files = {f"{name}{end}.pem" for name in ("a", "b", "ca", "query") for end in ("", "-key")}
    assert files == {path.name for path in (tmp_path / "made").iterdir()}
    assert {0o600} == {path.stat().st_mode & 0o777 for path in (tmp_path / "made").glob("*-key.pem")}
    for name in ("a", "b", "query"):
        paths = (tmp_path / "made" / file for file in ("ca.pem", f"{name}.pem", f"{name}-key.pem"))
        assert "" == hosts.refusal(*paths)


def test_the_examples_will_do(tmp_path: Path) -> None:
    """The settings that the document shows are taken, with the certificates made as it says, and fit together."""
    document = (ROOT / "docs" / "hosts.md").read_text(encoding="utf-8")
    (script,) = re.findall(r"^(\S+) certificates a b query$", document, re.MULTILINE)
    command = [tool("sh"), str(ROOT / script), str(tmp_path / "certificates"), "a", "b", "query"]
    subprocess.run(command, capture_output=True, check=True)
    found = []
    for example in re.findall(r"^```ini\n(.*?)^```$", document, re.MULTILINE | re.DOTALL):
        (tmp_path / ".env").write_text(example, encoding="utf-8")
        found.append(read_settings(tmp_path / ".env").hosts)
    first, second, last = found
    assert [("collect", "a"), ("collect", "b"), ("query", "query")] == [(each.role, each.replica) for each in found]
    assert "10.0.3.10" == first.query_host == second.query_host
    assert ("10.0.1.10", "10.0.2.10") == last.collect_hosts


def test_the_script_says_how_it_is_called(tmp_path: Path) -> None:
    """Without names it makes nothing."""
    command = [tool("sh"), str(COMPOSE / "certificates.sh"), str(tmp_path / "made")]
    run = subprocess.run(command, capture_output=True, text=True, check=False)
    assert (2, "") == (run.returncode, run.stdout)
    assert run.stderr.endswith("certificates.sh FOLDER NAME...\n")
    assert not (tmp_path / "made").exists()


def test_the_key_of_the_authority_is_not_lost(tmp_path: Path) -> None:
    """No host is called like it."""
    command = [tool("sh"), str(COMPOSE / "certificates.sh"), str(tmp_path / "made"), "a", "ca"]
    run = subprocess.run(command, capture_output=True, text=True, check=False)
    assert (2, "a host cannot be named ca: it would overwrite the CA's key\n") == (run.returncode, run.stderr)
    assert not (tmp_path / "made").exists()
