"""Rendering: the files, their permissions, and errors."""

from __future__ import annotations

import json
import os
import re
import stat
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from burrow_exporter.metrics.families import FAMILIES
from burrow_exporter.metrics.self_metrics import SelfMetrics
from compose.renderer import render as module
from compose.renderer.clusters import Cluster
from compose.renderer.render import render
from compose.renderer.settings import Settings, SettingsError
from tests import ROOT
from tests.support import alerts
from tests.support.dashboards import queries
from tests.support.promql import metrics
from tests.support.stack import COMPOSE, services

BOTH = pytest.mark.parametrize("profile", ["small", "full"])
OURS = Cluster("ours", ("one:9092", "two:9092"))
MAIL: dict[str, Any] = {"email_to": "a@example.org", "email_from": "b@example.org", "smtp_server": "c:25"}
OWN_BUCKET = "type: GCS\nconfig:\n  bucket: ours\n"


@pytest.fixture
def nowhere(tmp_path: Path) -> Path:
    """Return where no bucket is described."""
    return tmp_path / "none.yaml"


def rendered(folder: Path) -> dict[str, str]:
    """Return name and content of each file below a folder."""
    paths = (path for path in folder.rglob("*") if path.is_file())
    return {str(path.relative_to(folder)): path.read_text(encoding="utf-8") for path in paths}


def made(settings: Settings, folder: Path, bucket: Path) -> dict[str, str]:
    """Render into a folder and return what is in it."""
    render(settings, folder, bucket)
    return rendered(folder)


@BOTH
def test_every_file_parses(profile: str, tmp_path: Path, nowhere: Path) -> None:
    """What is rendered is YAML and TOML where its name says so."""
    files = made(Settings(profile=profile, **MAIL), tmp_path, nowhere)
    parsed = [name for name in files if Path(name).suffix in {".yaml", ".yml", ".toml"}]
    assert len(parsed) > 10
    for name in parsed:
        assert (tomllib.loads if name.endswith("toml") else yaml.safe_load)(files[name]), name


SENT = ("pagerduty-routing-key", "slack-webhook-url", "smtp-password", "teams-webhook-url", "webhook-url")
"""What is secret of receivers."""


def test_every_template_and_rule_is_used(tmp_path: Path, nowhere: Path) -> None:
    """The whole needs all of them, each under its own name but for Prometheus' configuration, which is made twice.

    But for what is only for several hosts, or for CloudWatch.
    """
    files = set(made(Settings(), tmp_path, nowhere))
    some = {"alertmanager/web.yml", "amtool/http.yml", "prometheus/rules/hosts.yaml"}
    some.add("grafana/datasources/cloudwatch.yaml")
    expected = set(rendered(COMPOSE / "templates")) - {"prometheus/prometheus.yml"}
    expected |= {f"prometheus/rules/{path.name}" for path in (COMPOSE / "rules").glob("*.yaml")}
    expected |= {f"grafana/dashboards/{path.name}" for path in (ROOT / "grafana" / "dashboards").glob("*.json")}
    expected |= {"prometheus/prometheus-a.yml", "prometheus/prometheus-b.yml", "grafana/dashboards/burrow-runbook.json"}
    expected |= {"alertmanager/messages.tmpl", "exporter/policy.yaml"}
    texts = {f"secrets/{name}" for name in ("grafana-admin-password", "object-store-key")}
    texts |= {f"secrets/{name}" for name in SENT}
    texts |= {f"secrets/grpc/{name}.pem" for name in ("ca", "cert", "key")}
    assert (expected | texts) - some == files
    assert some < expected


def test_small_has_no_word_of_the_rest(tmp_path: Path, nowhere: Path) -> None:
    """Only secrets, dashboards that say so and what Grafana forgets speak of Thanos or a second Prometheus."""
    files = made(Settings(profile="small"), tmp_path, nowhere)
    whole = ("secrets/", "compose.env", "grafana/dashboards/burrow-", "grafana/datasources/")
    text = "\n".join(text for name, text in files.items() if not name.startswith(whole))
    assert [] == [word for word in ("thanos", "prometheus-b") if word in text.lower()]
    assert "COMPOSE_PROFILES=small,demo\n" in files["compose.env"]
    assert "http://prometheus-a:9090" in files["grafana/datasources/prometheus.yaml"]


def test_grafana_forgets_the_other_profiles_source(tmp_path: Path, nowhere: Path) -> None:
    """Both have the same uid, so Grafana starts with one only after the other's name is gone from its volume."""
    names = []
    for profile in ("small", "full"):
        sources = yaml.safe_load(
            made(Settings(profile=profile), tmp_path, nowhere)["grafana/datasources/prometheus.yaml"]
        )
        names.append([each["name"] for key in ("datasources", "deleteDatasources") for each in sources[key]])
    assert [["Prometheus", "Thanos"], ["Thanos", "Prometheus"]] == names


def test_changing_the_profile_leaves_nothing_behind(tmp_path: Path, nowhere: Path) -> None:
    """From the whole to small and back is as if it had always been so."""
    whole = made(Settings(), tmp_path, nowhere)
    assert set(made(Settings(profile="small"), tmp_path, nowhere)) < set(whole)
    assert whole == made(Settings(), tmp_path, nowhere)


def test_a_second_time_changes_nothing(tmp_path: Path, nowhere: Path) -> None:
    """Not even a file's time or mode, which init.sh may have set; what was made up stays."""
    render(Settings(), tmp_path, nowhere)
    (tmp_path / "secrets" / "burrow" / "burrow.toml").chmod(0o440)
    before = {path: told(path) for path in tmp_path.rglob("*")}
    render(Settings(), tmp_path, nowhere)
    assert before == {path: told(path) for path in tmp_path.rglob("*")}


def told(path: Path) -> tuple[int, int, int]:
    """Return what changes with a file: its number, its mode and when it was written; not when it was read."""
    found = path.stat()
    return found.st_ino, found.st_mode, found.st_mtime_ns


def test_modes(tmp_path: Path, nowhere: Path) -> None:
    """Under any umask containers can read what is rendered, and nobody else the secrets."""
    before = os.umask(0o077)
    try:
        render(Settings(), tmp_path / "generated", nowhere)
    finally:
        os.umask(before)
    modes: dict[bool, set[str]] = {}
    for path in (tmp_path / "generated").rglob("*"):
        modes.setdefault("secrets" in path.parts and path.is_file(), set()).add(stat.filemode(path.stat().st_mode))
    assert {True: {"-rw-------"}, False: {"-rw-r--r--", "drwxr-xr-x"}} == modes


def test_made_up_secrets_differ(tmp_path: Path, nowhere: Path) -> None:
    """No two stacks share a password or a key."""
    first, second = (made(Settings(), tmp_path / name, nowhere) for name in "ab")
    for name in ("grafana-admin-password", "object-store-key"):
        assert 32 == len(first[f"secrets/{name}"])
        assert first[f"secrets/{name}"] != second[f"secrets/{name}"]


def test_the_object_store_is_told_the_key_it_is_asked_with(tmp_path: Path, nowhere: Path) -> None:
    """Thanos and the object store have the same key."""
    files = made(Settings(), tmp_path, nowhere)
    key = yaml.safe_load(files["secrets/bucket.yaml"])["config"]["secret_key"]
    assert f"ROOT_SECRET_ACCESS_KEY={key}\n" in files["secrets/object-store.env"]


def test_own_bucket(tmp_path: Path) -> None:
    """With a description of one's own object store that is used as it is, and the stack brings none."""
    bucket = tmp_path / "bucket.yaml"
    bucket.write_text(OWN_BUCKET)
    files = made(Settings(), tmp_path / "generated", bucket)
    assert OWN_BUCKET == files["secrets/bucket.yaml"]
    assert "COMPOSE_PROFILES=full,demo\n" in files["compose.env"]


def test_own_kafka(tmp_path: Path, nowhere: Path) -> None:
    """With brokers of one's own there is no demo, and Burrow shows one cluster."""
    files = made(Settings(clusters=(OURS,)), tmp_path, nowhere)
    burrow = tomllib.loads(files["secrets/burrow/burrow.toml"])
    assert {"ours": ["one:9092", "two:9092"]} == {name: each["servers"] for name, each in burrow["cluster"].items()}
    assert "COMPOSE_PROFILES=full,object-store\n" in files["compose.env"]


def test_targets_of_brokers(tmp_path: Path, nowhere: Path) -> None:
    """Every broker of every cluster is scraped at the ports that its cluster has, under the cluster's name."""
    clusters = (
        Cluster("a", ("one:9096", "two:9096"), jmx_port="11001", node_port="11002"),
        Cluster("b", ("three:1", "three:2"), jmx_port="7071"),
        Cluster("c", ("four:1",)),
    )
    files = made(Settings(clusters=clusters), tmp_path, nowhere)
    jmx = [(["one:11001", "two:11001"], "a"), (["three:7071"], "b")]
    expected = {"jmx": jmx, "node": [(["one:11002", "two:11002"], "a")]}
    assert {
        job: [{"targets": each, "labels": {"cluster": name}} for each, name in of] for job, of in expected.items()
    } == {job: yaml.safe_load(files[f"prometheus/targets/{job}.yaml"]) for job in expected}


@pytest.mark.parametrize(
    ("ports", "jobs"),
    [(("", ""), set()), (("1", ""), {"jmx"}), (("", "2"), {"node"}), (("1", "2"), {"jmx", "node"})],
)
def test_jobs_of_brokers(ports: tuple[str, str], jobs: set[str], tmp_path: Path, nowhere: Path) -> None:
    """They and their rules are there as soon as one cluster has something to scrape, and else not at all."""
    one = Cluster("one", ("b:9092",), jmx_port=ports[0], node_port=ports[1])
    files = made(Settings(clusters=(OURS, one)), tmp_path, nowhere)
    scraped = yaml.safe_load(files["prometheus/prometheus-a.yml"])["scrape_configs"]
    assert jobs == {each["job_name"] for each in scraped} & {"jmx", "node"}
    assert jobs == {job for job in ("jmx", "node") if f"prometheus/targets/{job}.yaml" in files}
    assert bool(jobs) == ("prometheus/rules/brokers.yaml" in files)
    assert ("jmx" in jobs) == ("prometheus/rules/loss.yaml" in files)


@BOTH
def test_no_cluster_on_the_exporter(profile: str, tmp_path: Path, nowhere: Path) -> None:
    """Its target bears no label ``cluster``, which would rename the exporter's."""
    files = made(Settings(profile=profile, clusters=(OURS,)), tmp_path, nowhere)
    (target,) = yaml.safe_load(files["prometheus/targets/burrow.yaml"])
    assert {"instance"} == set(target["labels"])


def test_s3(tmp_path: Path, nowhere: Path) -> None:
    """A bucket of one's own, by the role of the instance or by a key, at AWS or elsewhere; the stack brings none."""
    at_aws = made(Settings(s3_bucket="blocks", s3_region="eu-west-1"), tmp_path, nowhere)
    expected = {"bucket": "blocks", "endpoint": "s3.eu-west-1.amazonaws.com", "region": "eu-west-1"}
    assert {"type": "S3", "config": expected} == yaml.safe_load(at_aws["secrets/bucket.yaml"])
    assert "COMPOSE_PROFILES=full,demo\n" in at_aws["compose.env"]
    keys: dict[str, Any] = {"s3_access_key": "a", "s3_secret_key": "b"}
    elsewhere = made(Settings(s3_bucket="blocks", s3_endpoint="minio:9000", **keys), tmp_path, nowhere)
    expected = {"bucket": "blocks", "endpoint": "minio:9000", "access_key": "a", "secret_key": "b"}
    assert {"type": "S3", "config": expected} == yaml.safe_load(elsewhere["secrets/bucket.yaml"])
    in_china = made(Settings(s3_bucket="blocks", s3_region="cn-north-1"), tmp_path, nowhere)
    assert "s3.cn-north-1.amazonaws.com.cn" == yaml.safe_load(in_china["secrets/bucket.yaml"])["config"]["endpoint"]


@pytest.mark.parametrize(("address", "expected"), [("0.0.0.0", "0.0.0.0"), ("::1", "[::1]")])  # noqa: S104
def test_published_ports(address: str, expected: str, tmp_path: Path, nowhere: Path) -> None:
    """Address and ports are as set, an address of IPv6 as compose wants it; the second Prometheus has the next port."""
    settings = Settings(bind_address=address, prometheus_port="9990", grafana_port="80", thanos_port="81")
    lines = made(settings, tmp_path, nowhere)["compose.env"].splitlines()
    ports = [
        "PROMETHEUS_PORT=9990",
        "PROMETHEUS_B_PORT=9991",
        "GRAFANA_PORT=80",
        "THANOS_PORT=81",
        "EXPORTER_PORT=9254",
    ]
    assert {f"BIND_ADDRESS={expected}", "ALERTMANAGER_PORT=9093", *ports} <= set(lines)


def test_alert_for(tmp_path: Path, nowhere: Path) -> None:
    """How long alerts have to last can be set for all of them."""
    files = made(Settings(alert_for="1s"), tmp_path, nowhere)
    groups = [group for name in files if "/rules/" in name for group in yaml.safe_load(files[name])["groups"]]
    assert {"1s"} == {rule["for"] for group in groups for rule in group["rules"] if "alert" in rule}


@pytest.mark.parametrize("end", ["", "/"])
def test_links_of_alerts(end: str, tmp_path: Path, nowhere: Path) -> None:
    """They lead to the Grafana and the runbook of the settings, and no rule keeps the files' own links."""
    links: dict[str, Any] = {
        "grafana_url": f"https://grafana.example.org/g{end}",
        "runbook_url": "https://wiki.example.org/burrow",
    }
    files = made(Settings(**links), tmp_path, nowhere)
    groups = [group for name in files if "/rules/" in name for group in yaml.safe_load(files[name])["groups"]]
    notes = [rule["annotations"] for group in groups for rule in group["rules"] if "alert" in rule]
    assert len(notes) > 20
    assert all(each["dashboard_url"].startswith("https://grafana.example.org/g/d/burrow-") for each in notes)
    assert all("https://wiki.example.org/burrow#" in each["runbook_url"] for each in notes)
    assert not any("docs/runbook.md" in each["runbook_url"] for each in notes)


def test_the_runbook_opens_in_grafana(tmp_path: Path, nowhere: Path) -> None:
    """Without an address of one's own each alert leads to its panel of the runbook's dashboard."""
    files = made(Settings(grafana_url="https://grafana.example.org"), tmp_path, nowhere)
    panels = json.loads(files["grafana/dashboards/burrow-runbook.json"])["panels"]
    titles = {
        f"https://grafana.example.org/d/burrow-runbook?viewPanel=panel-{each['id']}": each["title"] for each in panels
    }
    groups = [group for name in files if "/rules/" in name for group in yaml.safe_load(files[name])["groups"]]
    for rule in (rule for group in groups for rule in group["rules"] if "alert" in rule):
        link = re.findall(r"https://grafana\S+?panel-\d+", rule["annotations"]["runbook_url"])
        assert [rule["alert"]] == [titles[each] for each in link]


def test_own_rules_are_loaded(tmp_path: Path, nowhere: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Files in rules.d stand among the others, and survive each rendering."""
    (tmp_path / "compose" / "rules.d").mkdir(parents=True)
    (tmp_path / "compose" / "rules.d" / "mine.yaml").write_text("groups: []\n", encoding="utf-8")
    own = tmp_path / "compose" / "rules.d"
    monkeypatch.setattr(module, "OWN_RULES", own)
    for _ in range(2):
        assert "groups: []\n" == made(Settings(), tmp_path / "out", nowhere)["prometheus/rules/own-mine.yaml"]


def test_the_policy_is_given_to_the_exporter(tmp_path: Path, nowhere: Path) -> None:
    """The file that is named, or one without entries; one that is not there is refused."""
    assert "groups: []\n" == made(Settings(), tmp_path / "a", nowhere)["exporter/policy.yaml"]
    named = made(Settings(policy_file="policy.example.yaml"), tmp_path / "b", nowhere)["exporter/policy.yaml"]
    assert (ROOT / "policy.example.yaml").read_text(encoding="utf-8") == named
    with pytest.raises(SettingsError, match=r"^POLICY_FILE: none.yaml cannot be read: no such file or directory"):
        made(Settings(policy_file="none.yaml"), tmp_path / "c", nowhere)


@BOTH
def test_external_labels_are_no_labels_of_series(profile: str, tmp_path: Path, nowhere: Path) -> None:
    """Thanos lets external labels overwrite those of series: the exporter's, and what scraping adds, are none."""
    files = made(Settings(profile=profile), tmp_path, nowhere)
    metrics = SelfMetrics()
    metrics.of_burrow("default")
    taken = {label for family in FAMILIES for label in family.labels} | {"job", "instance"}
    taken |= {label for family in metrics.registry.collect() for sample in family.samples for label in sample.labels}
    external = [set(yaml.safe_load(text)["global"]["external_labels"]) for text in prometheus_files(files)]
    assert [{"monitor", "replica"}] * (2 if profile == "full" else 1) == external
    assert all(taken.isdisjoint(labels) for labels in external)


def test_replicas_differ_in_their_name_alone(tmp_path: Path, nowhere: Path) -> None:
    """Both Prometheus do the same."""
    first, second = prometheus_files(made(Settings(), tmp_path, nowhere))
    assert second == first.replace("Prometheus a", "Prometheus b").replace("replica: a", "replica: b")


def prometheus_files(files: dict[str, str]) -> Iterator[str]:
    """Yield the configurations of the Prometheus servers."""
    return (text for name, text in sorted(files.items()) if name.startswith("prometheus/prometheus-"))


@pytest.mark.parametrize(
    ("secret", "unit"),
    [
        (MAIL, "ALERTMANAGER_CONFIG"),
        ({"grafana_admin_password": "p"}, "GRAFANA_CONFIG"),
        ({"clusters": (OURS,)}, "BURROW_CONFIG"),
    ],
)
def test_what_changes_is_made_anew(secret: dict[str, Any], unit: str, tmp_path: Path, nowhere: Path) -> None:
    """The digest of what a container reads changes with it; that of a secret says nothing without the stack's key."""
    before, after = (made(settings, tmp_path, nowhere)["compose.env"] for settings in (Settings(), Settings(**secret)))
    changed = {line.partition("=")[0] for line in set(before.splitlines()) ^ set(after.splitlines())}
    assert unit in changed
    other = made(Settings(**secret), tmp_path / "other", nowhere)["compose.env"]
    assert "BUCKET_CONFIG" in {line.partition("=")[0] for line in set(after.splitlines()) ^ set(other.splitlines())}


@pytest.mark.parametrize(
    ("name", "mail"),
    [("slack_webhook_url", {}), ("webhook_url", {}), ("smtp_password", {**MAIL, "smtp_username": "u"})],
)
def test_a_secret_that_alone_changes(name: str, mail: dict[str, Any], tmp_path: Path, nowhere: Path) -> None:
    """Another value in its place makes Alertmanager anew: its container has the file of old, whose place was taken."""
    before, after = (
        made(Settings(**{**mail, name: value}), tmp_path, nowhere)["compose.env"]
        for value in ("https://hooks.example.org/old", "https://hooks.example.org/new")
    )
    changed = {line.partition("=")[0] for line in set(before.splitlines()) ^ set(after.splitlines())}
    assert {"ALERTMANAGER_CONFIG"} == changed


def test_sidecar_has_its_thanos_elsewhere(tmp_path: Path, nowhere: Path) -> None:
    """It is small with a sidecar that uploads to one's own bucket; what asks, merges and deletes is not there."""
    settings = Settings(profile="sidecar", sidecar_bind_address="10.0.1.10", s3_bucket="blocks", s3_region="eu-west-1")
    files = made(settings, tmp_path / "sidecar", nowhere)
    small = made(Settings(profile="small"), tmp_path / "small", nowhere)
    assert {"prometheus/targets/thanos.yaml", "prometheus/rules/thanos.yaml"} == files.keys() - small.keys()
    assert "COMPOSE_PROFILES=sidecar,demo\n" in files["compose.env"]
    assert "SIDECAR_ADDRESS=10.0.1.10\n" in files["compose.env"]
    assert "BIND_ADDRESS=127.0.0.1\n" in files["compose.env"]
    assert "RETENTION=2d\n" in files["compose.env"]
    assert ["thanos-sidecar-one:10902"] == re.findall(r"thanos[\w:-]+", files["prometheus/targets/thanos.yaml"])
    assert "blocks" == yaml.safe_load(files["secrets/bucket.yaml"])["config"]["bucket"]
    assert "http://prometheus-a:9090" in files["grafana/datasources/prometheus.yaml"]
    running = {"alertmanager", "burrow", "burrow-exporter", "grafana", "init", "prometheus-a", "thanos-sidecar-one"}
    assert running == services("sidecar").keys()


def test_sidecar_needs_a_bucket(tmp_path: Path, nowhere: Path) -> None:
    """Without one there would be nothing for the Thanos elsewhere to read."""
    expected = r"^S3_BUCKET: missing; with PROFILE=sidecar set it to the bucket of your Thanos$"
    with pytest.raises(SettingsError, match=expected):
        made(Settings(profile="sidecar"), tmp_path, nowhere)


def test_what_is_kept_of_brokers_is_what_is_used(tmp_path: Path, nowhere: Path) -> None:
    """Of the JMX exporter that is just what dashboards and rules ask for; its scrape is bounded."""
    configuration = made(Settings(), tmp_path, nowhere)["prometheus/prometheus-a.yml"]
    (job,) = [each for each in yaml.safe_load(configuration)["scrape_configs"] if each["job_name"] == "jmx"]
    asked = {name for query in queries() for name in metrics(query.expression)}
    asked |= {name for kind in ("alert", "record") for rule in alerts.rules(kind) for name in metrics(rule["expr"])}
    (kept,) = job["metric_relabel_configs"]
    assert ("keep", ["__name__", "name"]) == (kept["action"], kept["source_labels"])
    assert {name for name in asked if name.startswith("kafka_")} == {*re.findall(r"(?:^|\|)(\w+);", kept["regex"])}
    assert ("15s", 50000) == (job["scrape_timeout"], job["sample_limit"])
