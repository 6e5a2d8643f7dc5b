"""Reading `.env`: clusters, defaults derived from ports and names, older names, and warnings."""

from __future__ import annotations

from pathlib import Path

import pytest

from compose.renderer.clusters import DEMO_CLUSTERS, Cluster
from compose.renderer.kafka_auth import Access
from compose.renderer.settings import Settings, read_settings

IN_EUROPE = "b-1.orders.a1b2c3.c4.kafka.eu-west-1.amazonaws.com"
SERVERLESS = "boot-a1b2c3.c4.kafka-serverless.us-gov-east-1.amazonaws.com"
IN_CHINA = "b-1.orders.a1b2c3.c4.kafka.cn-north-1.amazonaws.com.cn"
LOGIN = "KAFKA_USERNAME=u\nKAFKA_PASSWORD=p\n"


def read(text: str, folder: Path) -> Settings:
    """Return the settings of an `.env` with this text."""
    (folder / ".env").write_text(text, encoding="utf-8")
    return read_settings(folder / ".env")


def test_without_a_file(tmp_path: Path) -> None:
    """It is the demo."""
    assert Settings() == read_settings(tmp_path / ".env")
    assert Settings().demo


def test_of_the_whole_stack(tmp_path: Path) -> None:
    """Settings are found under their names, and the demo stays without brokers."""
    settings = read("# ours\n\nPROFILE=small\nGRAFANA_ADMIN_PASSWORD= a=b $c#d'\nMONITOR=\n", tmp_path)
    assert Settings(profile="small", grafana_admin_password=" a=b $c#d'") == settings
    assert DEMO_CLUSTERS == settings.clusters


@pytest.mark.parametrize("interval", ["500ms", "59s999ms", "60s", "1m"])
def test_an_interval_short_enough(interval: str) -> None:
    """Up to a minute, however it is written, alerts find two readings in the two minutes of their look back."""
    assert interval == Settings(scrape_interval=interval).scrape_interval


def test_clusters(tmp_path: Path) -> None:
    """There are any number of them, in the order of their numbers; none has anything of another."""
    text = (
        "BROKERS_10=j:9092\nCLUSTER_10=ten\nBROKERS=a:9092, b:9092\nGROUPS_ALLOWED=^a\nGROUPS_DENIED=^b\n"
        "JMX_EXPORTER_PORT=7071\nNODE_EXPORTER_PORT=off\nCLUSTER_2=two\nBROKERS_2=[::1]:9092\n"
    )
    expected = (
        Cluster("kafka", ("a:9092", "b:9092"), allowed="^a", denied="^b", jmx_port="7071"),
        Cluster("two", ("[::1]:9092",), jmx_port="11001", node_port="11002"),
        Cluster("ten", ("j:9092",), jmx_port="11001", node_port="11002"),
    )
    settings = read(text, tmp_path)
    assert expected == settings.clusters
    assert not settings.demo


def test_the_first_may_be_missing(tmp_path: Path) -> None:
    """Whoever takes a cluster out need not number the others anew."""
    assert ["b"] == [each.name for each in read("CLUSTER_3=b\nBROKERS_3=b:9092\n", tmp_path).clusters]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("BROKERS=b:9092", Access()),
        ("BROKERS=b:9094", Access("tls")),
        (f"BROKERS={IN_EUROPE}:9194", Access("tls")),
        (f"BROKERS=b:9096\n{LOGIN}", Access("scram-sha-512", "u", "p")),
        (f"BROKERS=b:9196\n{LOGIN}", Access("scram-sha-512", "u", "p")),
        (f"BROKERS=b:9096\nKAFKA_AUTH=scram-sha-256\n{LOGIN}", Access("scram-sha-256", "u", "p")),
        ("BROKERS=b:9092\nKAFKA_AUTH=tls", Access("tls")),
        (f"BROKERS=b:1,c:2\nKAFKA_AUTH=scram-sha-512\n{LOGIN}", Access("scram-sha-512", "u", "p")),
        (f"BROKERS={IN_EUROPE}:9098", Access("iam", region="eu-west-1")),
        (f"BROKERS={SERVERLESS}:9098", Access("iam", region="us-gov-east-1")),
        (f"BROKERS={IN_CHINA}:9198", Access("iam", region="cn-north-1")),
        ("BROKERS=b:9098\nAWS_REGION=eusc-de-east-1", Access("iam", region="eusc-de-east-1")),
        (f"BROKERS={IN_EUROPE}:14001\nKAFKA_AUTH=iam", Access("iam", region="eu-west-1")),
        (
            f"BROKERS={IN_EUROPE}:9098\nAWS_ROLE_ARN=arn:aws-us-gov:iam::123456789012:role/a/b",
            Access("iam", region="eu-west-1", role_arn="arn:aws-us-gov:iam::123456789012:role/a/b"),
        ),
    ],
)
def test_authentication(text: str, expected: Access, tmp_path: Path) -> None:
    """MSK's ports tell the way to authenticate, for any Kafka that does not say it, and MSK's names the region."""
    assert expected == read(text, tmp_path).clusters[0].access


@pytest.mark.parametrize(
    "expression", ["^a$", r"(?i)^\pL+\z", r"\x{e9}|\p{Greek}", "[[:alpha:]]+", r"\Qa\E", r"\\1", r"\d"]
)
def test_regular_expressions_of_go(expression: str, tmp_path: Path) -> None:
    """What Go's know is let through as it is, Python's or not."""
    settings = read(f"BROKERS=b:9092\nGROUPS_DENIED={expression}", tmp_path)
    assert expression == settings.clusters[0].denied


def test_skipping_verification_is_warned_of(tmp_path: Path) -> None:
    """It works, for the cluster that asks for it, and is told each time."""
    settings = read("BROKERS=a:9094\nBROKERS_2=b:9094\nCLUSTER_2=b\nKAFKA_TLS_SKIP_VERIFY_2=true\n", tmp_path)
    assert [False, True] == [each.access.skip_verify for each in settings.clusters]
    (warning,) = settings.warnings
    expected = "KAFKA_TLS_SKIP_VERIFY_2: the brokers' certificates are not verified, so anyone on the network path"
    assert warning.startswith(f"{expected} can impersonate a broker; ")


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("BIND_ADDRESS=0.0.0.0", ["BIND_ADDRESS: 0.0.0.0 exposes Prometheus, Alertmanager, Thanos and the exporter"]),
        ("BIND_ADDRESS=::", ["BIND_ADDRESS: :: exposes Prometheus, Alertmanager, Thanos and the exporter"]),
        ("BIND_ADDRESS=::1", []),
        ("GRAFANA_BIND_ADDRESS=0.0.0.0", []),
        ("PROFILE=sidecar\nSIDECAR_BIND_ADDRESS=10.0.1.10", ["SIDECAR_BIND_ADDRESS: 10.0.1.10 exposes all metrics"]),
        ("PROFILE=sidecar\nSIDECAR_BIND_ADDRESS=127.0.0.1", []),
        ("SIDECAR_BIND_ADDRESS=10.0.1.10", ["SIDECAR_BIND_ADDRESS: has no effect without PROFILE=sidecar"]),
    ],
)
def test_what_is_open_without_a_password_is_warned_of(text: str, expected: list[str], tmp_path: Path) -> None:
    """Grafana has a password; all else that others reach is told each time."""
    found = read(text, tmp_path).warnings
    assert len(expected) == len(found)
    assert all(warning.startswith(words) for warning, words in zip(found, expected, strict=True))


def test_older_names(tmp_path: Path) -> None:
    """They are taken for today's, brokers in the order of their numbers, and each is told."""
    text = (
        "BROKER_HOST_10=c\nBROKER_HOST_1=a\nBROKER_HOST_2=b:9196\nPROM_CLUSTER=orders\nBURROW_USERNAME=u\n"
        "BURROW_PASSWORD=p\nBURROW_PORT=8000\nPROMETHEUS_PORT=9999\nZOOKEEPER_HOST_1=z:2181\nZOOKEEPER_HOST_2=z:2181\n"
    )
    settings = read(text, tmp_path)
    (cluster,) = settings.clusters
    assert ("orders", ("a:9096", "b:9196", "c:9096")) == (cluster.name, cluster.servers)
    assert Access("scram-sha-512", "u", "p") == cluster.access
    assert "9999" == settings.prometheus_port
    assert (
        "PROM_CLUSTER: deprecated, used as CLUSTER; rename it",
        "BURROW_USERNAME: deprecated, used as KAFKA_USERNAME; rename it",
        "BURROW_PASSWORD: deprecated, used as KAFKA_PASSWORD; rename it",
        "BROKER_HOST_1: deprecated, used as an entry of BROKERS; set BROKERS instead",
        "BROKER_HOST_2: deprecated, used as an entry of BROKERS; set BROKERS instead",
        "BROKER_HOST_10: deprecated, used as an entry of BROKERS; set BROKERS instead",
        "BURROW_PORT: ignored: Burrow's API can delete groups and is no longer published; remove it",
        "ZOOKEEPER_HOST_1: ignored: Burrow reads the groups from Kafka itself; remove it",
        "ZOOKEEPER_HOST_2: ignored: Burrow reads the groups from Kafka itself; remove it",
    ) == settings.warnings


def test_older_brokers_without_a_password(tmp_path: Path) -> None:
    """They are asked at the port that knows no passwords."""
    assert ("a:9092",) == read("BROKER_HOST_1=a\n", tmp_path).clusters[0].servers


def test_no_secret_in_what_python_shows(tmp_path: Path) -> None:
    """A trace or a log that shows the settings shows no password."""
    text = (
        "BROKERS=b:9096\nKAFKA_USERNAME=u\nKAFKA_PASSWORD=sesame-1\nGRAFANA_ADMIN_PASSWORD=sesame-2\nS3_BUCKET=blocks\n"
        "S3_REGION=eu-west-1\nS3_ACCESS_KEY=a\nS3_SECRET_KEY=sesame-3\nEMAIL_TO=a@b\nEMAIL_FROM=c@d\nSMTP_SERVER=e:25\n"
        "SMTP_USERNAME=u\nSMTP_PASSWORD=sesame-4\nSLACK_WEBHOOK_URL=https://sesame-5\nWEBHOOK_URL=https://sesame-6\n"
    )
    assert "sesame" not in repr(read(text, tmp_path))
