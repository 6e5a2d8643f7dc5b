"""Rejected `.env` files: every error message, as the user sees it."""

from __future__ import annotations

from pathlib import Path

import pytest
import trustme
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    PrivateFormat,
    load_pem_private_key,
)

from compose.renderer.render import render
from compose.renderer.settings import Settings, SettingsError, read_settings

WAYS = "plaintext, tls, scram-sha-512, scram-sha-256, iam"
MSK = "b-1.orders.a1b2c3.c4.kafka.eu-west-1.amazonaws.com"
INTERVAL = "must be at most 1m, because alerts look back 2m"
DURATION = "must be a duration such as 15s, 2d or 1h30m"
LINK = "must be a URL usable in alerts, such as https://example.org/path, without spaces, quotes, braces, # and $"
PAGE = "must be a URL such as https://example.org/path, or a path such as docs/runbook.md"
ADDRESS = "must be a URL such as https://example.org/path"
PORT = "must be a port from 1 to 65535"
TARGET = "must be a port or off"
BOOLEAN = "must be true or false"
FOREIGN = "but this cluster uses {}; remove it or change KAFKA_AUTH"
CREDENTIALS = "missing; scram-sha-512 requires a user name and a password"
NORMALISED = "contains characters that Burrow normalizes (SASLprep) and Kafka does not; choose another"
NO_REGION = "cannot be inferred from the brokers' names; set it, for example to eu-west-1"
LOOKS = "uses lookaround or backreferences, which Go does not support; rewrite it"
SCRAM = "BROKERS=b:9096\nKAFKA_USERNAME=u\nKAFKA_PASSWORD=p\n"
PAIR = "missing although {} is set; a certificate needs its key"

NAMES = {
    "PROFIL=small": "PROFIL: unknown setting; did you mean PROFILE?",
    "KAFKA_PASSWORT=x": "KAFKA_PASSWORT: unknown setting; did you mean KAFKA_PASSWORD?",
    "KAFKA_PASSWORT_12=x": "KAFKA_PASSWORT_12: unknown setting; did you mean KAFKA_PASSWORD_12?",
    "CLUSTER_1=x": "CLUSTER_1: unknown setting; did you mean CLUSTER?",
    "CLUSTER_02=x": "CLUSTER_02: unknown setting; did you mean CLUSTER?",
    "PROFILE_2=x": "PROFILE_2: unknown setting; did you mean PROFILE?",
    "FOO=x": "FOO: unknown setting; see docs/settings.md",
    "profile=x": ".env, line 1: must be NAME=value, without `export` and spaces",
    "PROFILE=full\nPROFILE=small": "PROFILE: set in lines 1, 2; keep one",
    "MONITOR=a\tb": [
        "MONITOR: contains a control character such as a tab; remove it",
        "MONITOR: must consist of letters and digits, with - _ . inside",
    ],
}
STACK = {
    "PROFILE=big": "PROFILE: must be small, sidecar or full",
    "MONITOR=a b": "MONITOR: must consist of letters and digits, with - _ . inside",
    "MONITOR=$HOME": "MONITOR: must consist of letters and digits, with - _ . inside",
    "BIND_ADDRESS=localhost": (
        "BIND_ADDRESS: must be an IP address of this host, such as 127.0.0.1, or 0.0.0.0 for all"
    ),
    "GRAFANA_PORT=x": f"GRAFANA_PORT: {PORT}",
    "EXPORTER_PORT=0": f"EXPORTER_PORT: {PORT}",
    "EXPORTER_PORT=65536": f"EXPORTER_PORT: {PORT}",
    "PROMETHEUS_PORT=65535": "PROMETHEUS_PORT: must be a port from 1 to 65534",
    "GRAFANA_PORT=9091": "GRAFANA_PORT: 9091 is already used by PROMETHEUS_PORT; choose another",
    "THANOS_PORT=3000": "THANOS_PORT: 3000 is already used by GRAFANA_PORT; choose another",
    "SCRAPE_INTERVAL=15": f"SCRAPE_INTERVAL: {DURATION}",
    "SCRAPE_INTERVAL=0s": f"SCRAPE_INTERVAL: {DURATION}",
    "SCRAPE_INTERVAL=1m1ms": f"SCRAPE_INTERVAL: {INTERVAL}",
    "SCRAPE_INTERVAL=1h": f"SCRAPE_INTERVAL: {INTERVAL}",
    "ALERT_FOR=1m1h": f"ALERT_FOR: {DURATION}",
    "RETENTION=2 days": f"RETENTION: {DURATION}",
    "RETENTION_1H=forever": f"RETENTION_1H: {DURATION}",
    "GRAFANA_URL=a b": f"GRAFANA_URL: {LINK}",
    "GRAFANA_URL=grafana.example.org": f"GRAFANA_URL: {LINK}",
    "GRAFANA_URL=https://g:x/": f"GRAFANA_URL: {LINK}",
    "GRAFANA_URL=https://g/\\": f"GRAFANA_URL: {LINK}",
    "PROMETHEUS_URL=9090": f"PROMETHEUS_URL: {LINK}",
    "ALERTMANAGER_URL=file:///x": f"ALERTMANAGER_URL: {LINK}",
    "RUNBOOK_URL=https://x/{{y}}": f"RUNBOOK_URL: {PAGE}",
    "RUNBOOK_URL=https://": f"RUNBOOK_URL: {PAGE}",
    "RUNBOOK_URL=a: b": f"RUNBOOK_URL: {PAGE}",
    "RUNBOOK_URL=docs/runbook.md\nSLACK_WEBHOOK_URL=https://x/y": (
        "RUNBOOK_URL: must be a URL if alerts are sent, such as "
        "https://wiki.example.org/burrow; unset it to link to the runbook in Grafana"
    ),
    "TEAMS_WEBHOOK_URL=x": f"TEAMS_WEBHOOK_URL: {ADDRESS}",
    "PROFILE=sidecar\nS3_BUCKET=abc\nS3_REGION=eu-west-1\nSIDECAR_BIND_ADDRESS=query": (
        "SIDECAR_BIND_ADDRESS: must be an IP address of this host, such as 127.0.0.1, or 0.0.0.0 for all"
    ),
    "GRAFANA_BIND_ADDRESS=grafana": (
        "GRAFANA_BIND_ADDRESS: must be an IP address of this host, such as 127.0.0.1, or 0.0.0.0 for all"
    ),
    "RETENTION_SIZE=20": "RETENTION_SIZE: must be a size such as 20GB",
    "METRICS_MAX_SERIES=many": "METRICS_MAX_SERIES: must be a whole number such as 1",
    "ALLOWED_LAG=-1": "ALLOWED_LAG: must be a whole number such as 1",
    "FILTER_MAX_COMMIT_AGE=week": f"FILTER_MAX_COMMIT_AGE: {DURATION}",
    "SLACK_WEBHOOK_URL=hooks.slack.com/x": f"SLACK_WEBHOOK_URL: {ADDRESS}",
    "WEBHOOK_URL=ftp://x": f"WEBHOOK_URL: {ADDRESS}",
    "EMAIL_TO=a@example.org": [
        "EMAIL_FROM: missing although EMAIL_TO is set; set both or neither",
        "SMTP_SERVER: missing although EMAIL_TO is set; set both or neither",
    ],
    "EMAIL_TO=a@b\nEMAIL_FROM=c@d\nSMTP_SERVER=smtp": ("SMTP_SERVER: must be host:port, such as smtp.example.org:587"),
    "EMAIL_TO=a@b\nEMAIL_FROM=c@d\nSMTP_SERVER=e:25\nSMTP_PASSWORD=p": (
        "SMTP_USERNAME: missing although SMTP_PASSWORD is set; set both or neither"
    ),
    "EMAIL_TO=a@b\nEMAIL_FROM=c@d\nSMTP_SERVER=e:25\nSMTP_USERNAME=u\nSMTP_PASSWORD= p": (
        "SMTP_PASSWORD: must not start or end with a space, which Alertmanager removes"
    ),
    "SMTP_SERVER=e:25": "EMAIL_TO: missing although SMTP_SERVER is set; set both or neither",
    "GRAFANA_ADMIN_PASSWORD=a${HOME}": (
        "GRAFANA_ADMIN_PASSWORD: must not contain ${, $__x{ or %(, which Grafana replaces"
    ),
    "S3_BUCKET=Blocks\nS3_REGION=eu-west-1": ("S3_BUCKET: must be a bucket name: 3 to 63 characters a-z, 0-9, - and ."),
    "S3_BUCKET=blocks": (
        "S3_REGION: missing although S3_BUCKET is set; set the bucket's region, or S3_ENDPOINT for another S3"
    ),
    "S3_BUCKET=blocks\nS3_REGION=EU": "S3_REGION: must be a region such as eu-west-1",
    "S3_BUCKET=blocks\nS3_ENDPOINT=https://s3:9000": ("S3_ENDPOINT: must be host or host:port, without https://"),
    "S3_BUCKET=blocks\nS3_ENDPOINT=s3:9000\nS3_ACCESS_KEY=a": (
        "S3_SECRET_KEY: missing although S3_ACCESS_KEY is set; set both or neither"
    ),
    "S3_REGION=eu-west-1": "S3_BUCKET: missing although S3_REGION is set; set both or neither",
}
CLUSTERS = {
    "BROKERS=b:9092\nCLUSTER=Orders": "CLUSTER: must be lower case, or Burrow lists it without groups; write orders",
    "BROKERS=b:9092\nCLUSTER=a.b": (
        "CLUSTER: must consist of a-z, 0-9, and - inside, as it becomes the name of a section in burrow.toml"
    ),
    "BROKERS=b:9092\nBROKERS_2=c:9092": "CLUSTER_2: missing; every additional cluster needs a name",
    "BROKERS=b:9092\nBROKERS_2=c:9092\nCLUSTER_2=kafka": (
        "CLUSTER_2: kafka is already the name of another cluster; cluster names must be unique"
    ),
    "CLUSTER_2=x\nBROKERS_2=b:9092\nBROKERS_3=c:9092\nBROKERS_4=d:9092": [
        "CLUSTER_3: missing; every additional cluster needs a name",
        "CLUSTER_4: missing; every additional cluster needs a name",
    ],
    "CLUSTER=orders\nAWS_REGION=eu-west-1": (
        "BROKERS: missing although CLUSTER, AWS_REGION is set; set the brokers or remove these"
    ),
    "JMX_EXPORTER_PORT=11001": (
        "BROKERS: missing although another name of the cluster is set; set the brokers or remove these"
    ),
    "BROKERS=b:9092\nCLUSTER_3=x": "BROKERS_3: missing although CLUSTER_3 is set; set the brokers or remove these",
    "BROKERS=b, c:x,d:0,e_f_g:1,1.2.3.400:1,": (
        "BROKERS: not host:port: 'b', 'c:x', 'd:0', 'e_f_g:1', '1.2.3.400:1', ''; separate brokers by commas"
    ),
    "BROKERS=b:9092, b:9092": "BROKERS: b:9092 is listed twice; list each broker once",
    "BROKERS=b:9092\nJMX_EXPORTER_PORT=on": f"JMX_EXPORTER_PORT: {TARGET}",
    "BROKERS=b:\u0661\u0661": "BROKERS: not host:port: 'b:\u0661\u0661'; separate brokers by commas",
    "BROKERS=b:9092\nJMX_EXPORTER_PORT=\u0661\u0661": f"JMX_EXPORTER_PORT: {TARGET}",
    "BROKERS=b:9092\nNODE_EXPORTER_PORT=70000": f"NODE_EXPORTER_PORT: {TARGET}",
    "BROKERS=b:9092\nGROUPS_ALLOWED=^(?!x)": f"GROUPS_ALLOWED: {LOOKS}",
    "BROKERS=b:9092\nGROUPS_DENIED=(a)\\1": f"GROUPS_DENIED: {LOOKS}",
    "BROKERS=b:9092\nGROUPS_DENIED=[a": (
        "GROUPS_DENIED: not a regular expression (unterminated character set); fix it"
    ),
}
AUTHENTICATION = {
    "BROKERS=b:9093": f"KAFKA_AUTH: cannot be inferred from port 9093; set it to one of {WAYS}",
    "BROKERS=b:9092,c:9094": f"KAFKA_AUTH: cannot be inferred from port 9092, 9094; set it to one of {WAYS}",
    "BROKERS=b:9096\nKAFKA_AUTH=scram": f"KAFKA_AUTH: must be one of {WAYS}",
    f"BROKERS={MSK}:9094\nKAFKA_AUTH=plaintext": (
        "KAFKA_AUTH: plaintext, but MSK has tls at port 9094; change one of the two"
    ),
    f"BROKERS={MSK}:9096\nKAFKA_AUTH=scram-sha-256\nKAFKA_USERNAME=u\nKAFKA_PASSWORD=p": (
        "KAFKA_AUTH: scram-sha-256, but MSK has scram-sha-512 at port 9096; change one of the two"
    ),
    "BROKERS=b:9096\nKAFKA_AUTH=iam\nAWS_REGION=eu-west-1": (
        "KAFKA_AUTH: iam, but MSK has scram-sha-512 at port 9096; change one of the two"
    ),
    "BROKERS=b:9096": [f"KAFKA_USERNAME: {CREDENTIALS}", f"KAFKA_PASSWORD: {CREDENTIALS}"],
    "BROKERS=b:9096\nKAFKA_USERNAME=u": f"KAFKA_PASSWORD: {CREDENTIALS}",
    "CLUSTER_2=x\nBROKERS_2=b:9096\nKAFKA_PASSWORD_2=p": f"KAFKA_USERNAME_2: {CREDENTIALS}",
    "BROKERS=b:9096\nKAFKA_USERNAME=u\nKAFKA_PASSWORD=\ufb01\u00a0": f"KAFKA_PASSWORD: {NORMALISED}",
    "BROKERS=b:9092\nKAFKA_USERNAME=u": (
        f"KAFKA_USERNAME: only valid with scram-sha-512, scram-sha-256, {FOREIGN.format('plaintext')}"
    ),
    "BROKERS=b:9094\nAWS_REGION=eu-west-1": f"AWS_REGION: only valid with iam, {FOREIGN.format('tls')}",
    f"{SCRAM}KAFKA_CERT_FILE=x": f"KAFKA_CERT_FILE: only valid with tls, {FOREIGN.format('scram-sha-512')}",
    "BROKERS=b:9092\nKAFKA_CA_FILE=x": (
        f"KAFKA_CA_FILE: only valid with tls, scram-sha-512, scram-sha-256, iam, {FOREIGN.format('plaintext')}"
    ),
    "BROKERS=b:9092\nKAFKA_TLS_SKIP_VERIFY=true": (
        f"KAFKA_TLS_SKIP_VERIFY: only valid with tls, scram-sha-512, scram-sha-256, iam, {FOREIGN.format('plaintext')}"
    ),
    "CLUSTER_2=x\nBROKERS_2=b:9092\nKAFKA_CA_FILE_2=x": (
        "KAFKA_CA_FILE_2: only valid with tls, scram-sha-512, scram-sha-256, iam, but this cluster uses plaintext; "
        "remove it or change KAFKA_AUTH_2"
    ),
    "BROKERS=b:9094\nKAFKA_TLS_SKIP_VERIFY=yes": f"KAFKA_TLS_SKIP_VERIFY: {BOOLEAN}",
    "BROKERS=b:9098": f"AWS_REGION: {NO_REGION}",
    f"BROKERS={MSK}:9098\nAWS_REGION=Ireland": "AWS_REGION: must be a region such as eu-west-1",
    f"BROKERS={MSK}:9098\nAWS_REGION=us-east-1": (
        "AWS_REGION: us-east-1, but the brokers are in eu-west-1; change one of the two"
    ),
    f"BROKERS={MSK}:9098\nAWS_ROLE_ARN=burrow": (
        "AWS_ROLE_ARN: must be the ARN of a role such as arn:aws:iam::123456789012:role/burrow"
    ),
}
FILES = {
    "KAFKA_CA_FILE=none.pem": (
        "KAFKA_CA_FILE: no such file; paths are relative to the checkout, which must contain it"
    ),
    "KAFKA_CA_FILE=pem": "KAFKA_CA_FILE: cannot be read: is a directory; use a readable file",
    "KAFKA_CA_FILE=pem/key.pem": ("KAFKA_CA_FILE: contains no -----BEGIN CERTIFICATE-----; use a PEM file"),
    "KAFKA_CA_FILE=pem/torn.pem": ("KAFKA_CA_FILE: its certificate cannot be read; export it again as PEM"),
    "KAFKA_CERT_FILE=pem/cert.pem": f"KAFKA_KEY_FILE: {PAIR.format('KAFKA_CERT_FILE')}",
    "KAFKA_KEY_FILE=pem/key.pem": f"KAFKA_CERT_FILE: {PAIR.format('KAFKA_KEY_FILE')}",
    "KAFKA_CERT_FILE=pem/cert.pem\nKAFKA_KEY_FILE=pem/cert.pem": (
        "KAFKA_KEY_FILE: contains no -----BEGIN PRIVATE KEY-----; use a PEM file"
    ),
    "KAFKA_CERT_FILE=pem/cert.pem\nKAFKA_KEY_FILE=pem/other.pem": (
        "KAFKA_KEY_FILE: does not match KAFKA_CERT_FILE; set a matching pair"
    ),
    "KAFKA_CERT_FILE=pem/cert.pem\nKAFKA_KEY_FILE=pem/encrypted.pem": (
        "KAFKA_KEY_FILE: the key is encrypted; store it without a passphrase"
    ),
}
OLDER = {
    "PROM_CLUSTER=a\nCLUSTER=b\nBROKERS=b:9092": (
        "PROM_CLUSTER: deprecated name of CLUSTER, which is set too; remove PROM_CLUSTER"
    ),
    "BURROW_USERNAME=a\nBURROW_PASSWORD=p\nKAFKA_USERNAME=b\nBROKERS=b:9096": (
        "BURROW_USERNAME: deprecated name of KAFKA_USERNAME, which is set too; remove BURROW_USERNAME"
    ),
    f"BURROW_PASSWORD=a\n{SCRAM}": (
        "BURROW_PASSWORD: deprecated name of KAFKA_PASSWORD, which is set too; remove BURROW_PASSWORD"
    ),
    "BROKER_HOST_1=b:9092\nBROKERS=b:9092": (
        "BROKER_HOST_1: deprecated name of BROKERS, which is set too; remove BROKER_HOST_1"
    ),
}


def faults(text: str, root: Path) -> list[str]:
    """Return what is said against an `.env`."""
    path = root / ".env"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(SettingsError) as refused:
        read_settings(path)
    return str(refused.value).splitlines()


def lines(expected: str | list[str]) -> list[str]:
    """Return expected faults as a list."""
    return [expected] if isinstance(expected, str) else expected


@pytest.mark.parametrize(("text", "expected"), {**NAMES, **STACK, **CLUSTERS, **AUTHENTICATION, **OLDER}.items())
def test_refused(text: str, expected: str | list[str], tmp_path: Path) -> None:
    """It is refused with just these lines."""
    assert lines(expected) == faults(text, tmp_path)


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a checkout with PEM files that are of no use in several ways."""
    folder = tmp_path_factory.mktemp("checkout")
    (folder / "pem").mkdir()
    authority = trustme.CA()
    one, other = (authority.issue_cert("burrow.example.org") for _ in range(2))
    key = one.private_key_pem.bytes()
    encrypted = load_pem_private_key(key, None).private_bytes(
        Encoding.PEM, PrivateFormat.PKCS8, BestAvailableEncryption(b"secret")
    )
    files = {"cert": one.cert_chain_pems[0].bytes(), "key": key, "other": other.private_key_pem.bytes()}
    torn = b"-----BEGIN CERTIFICATE-----\nMIIB\n-----END CERTIFICATE-----\n"
    for name, content in {**files, "encrypted": encrypted, "torn": torn}.items():
        (folder / "pem" / f"{name}.pem").write_bytes(content)
    return folder


@pytest.mark.parametrize(("text", "expected"), FILES.items())
def test_refused_files(text: str, expected: str, root: Path) -> None:
    """Files that are not there, or of no use, are refused with just this line."""
    assert [expected] == faults(f"BROKERS=b:9094\n{text}", root)


def test_all_at_once(tmp_path: Path) -> None:
    """Everything is told in one go: lines, names, each cluster, the whole."""
    text = "export A=b\nFOO=x\nPROFILE=big\nBROKERS=b:9096\nBROKERS_2=b\nCLUSTER_2=x\nRETENTION=x\nPROFILE=small\n"
    names = [line.partition(":")[0] for line in faults(text, tmp_path)]
    expected = [".env, line 1", "PROFILE", "FOO", "KAFKA_USERNAME", "KAFKA_PASSWORD", "BROKERS_2", "RETENTION"]
    assert expected == names


def test_a_bucket_twice(tmp_path: Path) -> None:
    """One described in a file and one in the settings is one too many."""
    (tmp_path / "bucket.yaml").write_text("type: GCS\n")
    settings = Settings(s3_bucket="blocks", s3_region="eu-west-1")
    with pytest.raises(SettingsError) as refused:
        render(settings, tmp_path / "generated", tmp_path / "bucket.yaml")
    assert "S3_BUCKET: cannot be used with compose/bucket.yaml; keep one of the two" == str(refused.value)
    assert not (tmp_path / "generated").exists()


def test_a_bucket_out_of_sight(tmp_path: Path) -> None:
    """A description that is a link to nothing is refused: without it the stack would bring a store of its own."""
    (tmp_path / "bucket.yaml").symlink_to(tmp_path / "elsewhere.yaml")
    with pytest.raises(SettingsError, match=r"compose/bucket\.yaml: a symbolic link without a target"):
        render(Settings(), tmp_path / "generated", tmp_path / "bucket.yaml")
    assert not (tmp_path / "generated").exists()
