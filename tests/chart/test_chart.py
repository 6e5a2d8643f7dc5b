"""The Helm chart: it renders valid Kubernetes objects, with no more privileges than needed."""

from __future__ import annotations

import re
import time
from configparser import ConfigParser
from http import HTTPStatus
from pathlib import Path

import jsonschema
import kubernetes_validate
import pytest
import requests
import yaml

from burrow_exporter import __version__
from burrow_exporter.settings.config import Config, WebConfig
from burrow_exporter.settings.precedence import load_document
from burrow_exporter.settings.reader import read_document
from burrow_exporter.web.listener import LISTEN_ADDRESS
from tests import ROOT
from tests.support.chart import (
    CHART,
    NAMESPACE,
    RELEASE,
    VALUES,
    Object,
    container,
    helm,
    objects,
    one,
    pod,
    rendered,
    schema,
)
from tests.support.faults import RecordedBurrow
from tests.support.processes import exporter
from tests.support.recorded import small

pytestmark = pytest.mark.helm

EACH = pytest.mark.parametrize("name", VALUES)
RELEASES = ("1.27", "1.37")
"""The oldest and the newest Kubernetes that objects are checked for."""
MOUNTED = "/etc/burrow-exporter/config"


def check(each: Object) -> None:
    """Check an object as Kubernetes, or who defines the resource, defines it; unknown fields are errors."""
    if each["apiVersion"].startswith(("monitoring.coreos.com/", "gateway.networking.k8s.io/")):
        jsonschema.Draft202012Validator(schema(each["kind"])).validate(each)
    else:
        for release in RELEASES:
            kubernetes_validate.validate(each, release, strict=True)


@EACH
def test_lint(name: str) -> None:
    """Helm has no complaint."""
    run = helm("lint", "--strict", CHART, "--values", VALUES[name])
    assert 0 == run.returncode, run.stdout


@EACH
def test_every_object_is_valid(name: str) -> None:
    """By the schemas of Kubernetes and of the Prometheus operator; names are unique, and all are in the namespace."""
    found = rendered(name)
    for each in found:
        check(each)
    named = {(each["kind"], each["metadata"]["name"]) for each in found}
    assert len(found) == len(named)
    assert {NAMESPACE} == {each["metadata"]["namespace"] for each in found}


@pytest.mark.parametrize("kind", ["Deployment", "HTTPRoute", "PodMonitor", "PrometheusRule", "ServiceMonitor"])
def test_what_is_not_valid_is_found(kind: str) -> None:
    """A field that does not exist, and one of the wrong kind."""
    whole = objects(kind, "everything")[0]
    unknown, misshapen = {"specs": dict[str, str]()}, {"spec": list[str]()}
    for wrong in (unknown, misshapen):
        with pytest.raises(jsonschema.ValidationError):
            check({**whole, **wrong})


def test_everything_is_of_every_kind() -> None:
    """The values that turn all on leave no template out, and the defaults only what an exporter needs."""
    templates = {path.stem for path in (CHART / "templates").glob("*.yaml")} - {"dashboards", "extra"}
    assert {*templates, "secret"} == {each["kind"].lower() for each in rendered("everything")}
    assert {"ConfigMap", "Deployment", "Pod", "Service", "ServiceAccount"} == {each["kind"] for each in rendered()}


def test_version() -> None:
    """Chart, image and exporter have one version."""
    chart = yaml.safe_load((CHART / "Chart.yaml").read_text(encoding="utf-8"))
    assert (__version__, __version__) == (chart["version"], chart["appVersion"])
    assert f"ghcr.io/owner/burrow_exporter:{__version__}" == container()["image"]
    assert "registry.example.org/burrow-exporter@sha256:" + 64 * "0" == container("everything")["image"]


@EACH
def test_pods_may_do_nothing(name: str) -> None:
    """As Pod Security's `restricted` demands, and without a token or the addresses of services."""
    spec, (each,) = pod(name), pod(name)["containers"]
    assert (False, False) == (spec["automountServiceAccountToken"], spec["enableServiceLinks"])
    assert (True, {"type": "RuntimeDefault"}) == (
        spec["securityContext"]["runAsNonRoot"],
        spec["securityContext"]["seccompProfile"],
    )
    expected = {
        "allowPrivilegeEscalation": False,
        "readOnlyRootFilesystem": True,
        "capabilities": {"drop": ["ALL"]},
    }
    assert expected == each["securityContext"]
    assert all(mount["readOnly"] for mount in each["volumeMounts"])


def test_user() -> None:
    """That of the image, unless the cluster is to give one."""
    (user,) = re.findall(r"^USER (.+)$", (ROOT / "Dockerfile").read_text(encoding="utf-8"), re.MULTILINE)
    context = pod()["securityContext"]
    assert user == f"{context['runAsUser']}:{context['runAsGroup']}"
    assert {"runAsNonRoot", "seccompProfile"} == pod("several")["securityContext"].keys()


@EACH
def test_the_exporter_takes_its_configuration(name: str, tmp_path: Path) -> None:
    """What the ConfigMap holds is a configuration with all that the values say."""
    values = yaml.safe_load((CHART / "values.yaml").read_text(encoding="utf-8")) | yaml.safe_load(
        VALUES[name].read_text(encoding="utf-8")
    )
    path = tmp_path / "config.yaml"
    path.write_text(one("ConfigMap", name)["data"]["config.yaml"], encoding="utf-8")
    document = load_document(path)
    if "burrow" == name:  # tests/chart/test_burrow.py has what the chart's own Burrow changes
        document["burrows"][0] = values["config"]["burrows"][0]
    assert values["config"] == document
    for burrow in document["burrows"]:  # secrets are not here
        assert burrow.pop("password_file", "/etc/burrow-exporter/secrets/").startswith("/etc/burrow-exporter/secrets/")
        burrow.pop("username", None)
        burrow.pop("tls", None)
    assert len(values["config"]["burrows"]) == len(read_document(Config, document, tmp_path).burrows)


def test_the_container_runs(tmp_path: Path) -> None:
    """The exporter, with these arguments and that file, answers the probes at the paths that they ask."""
    with RecordedBurrow(small()) as burrow:
        values = yaml.safe_dump({"config": {"burrows": [{"addresses": [burrow.address]}]}})
        (tmp_path / "config.yaml").write_text(one("ConfigMap", values=values)["data"]["config.yaml"], encoding="utf-8")
        arguments = [each.replace(MOUNTED, str(tmp_path)) for each in container()["args"]]
        assert arguments != container()["args"]
        with exporter(*arguments) as (run, address):
            while requests.get(f"{address}/-/ready", timeout=5).status_code != HTTPStatus.OK:
                assert run.process.poll() is None, run.lines
                time.sleep(0.05)
            for probe in ("startupProbe", "livenessProbe", "readinessProbe"):
                path = container()[probe]["httpGet"]["path"]
                assert 200 == requests.get(f"{address}{path}", timeout=5).status_code, path


def test_port() -> None:
    """It is the exporter's own, and goes by its name everywhere."""
    port = LISTEN_ADDRESS.fullmatch(WebConfig().listen_addresses[0])
    assert port
    assert [{"name": "metrics", "containerPort": int(port["port"])}] == container()["ports"]
    (served,) = one("Service")["spec"]["ports"]
    assert {"name": "metrics", "port": int(port["port"]), "targetPort": "metrics"} == served
    assert {"metrics"} == {
        container()[probe]["httpGet"]["port"] for probe in ("startupProbe", "livenessProbe", "readinessProbe")
    }


def test_probes_under_a_web_config() -> None:
    """They are the exporter's own, which has neither password nor certificate, but learns that there may be TLS."""
    each = container("everything")
    for probe in ("startupProbe", "livenessProbe", "readinessProbe"):
        assert {"command": ["burrow-exporter", "healthcheck"]} == each[probe]["exec"]
    environment = {variable["name"]: variable["value"] for variable in each["env"]}
    assert "/etc/burrow-exporter/web/web.yaml" == environment["BURROW_EXPORTER_WEB_CONFIG_FILE"]


def test_secrets() -> None:
    """They are mounted where the configuration looks for them, for the exporter's group alone."""
    spec, (each,) = pod("everything"), pod("everything")["containers"]
    mounts = {mount["mountPath"]: mount["name"] for mount in each["volumeMounts"]}
    volumes = {volume["name"]: volume for volume in spec["volumes"]}
    for folder, secret in (("secrets/burrow", "burrow"), ("web", "exporter-web")):
        volume = volumes[mounts[f"/etc/burrow-exporter/{folder}"]]
        assert {"secretName": secret, "defaultMode": 0o440} == volume["secret"]
    assert mounts.keys() >= {"/etc/burrow-exporter/authorities"}
    assert {"config", "secret-0"} == {volume["name"] for volume in pod("several")["volumes"]}


def test_a_changed_configuration_starts_new_pods() -> None:
    """Its policy too. Nothing else does, such as a label of the ServiceMonitor."""

    def annotations(values: str) -> dict[str, str]:
        return dict(one("Deployment", values=values)["spec"]["template"]["metadata"]["annotations"])

    assert annotations("config: {poll: {interval: 30s}}") != annotations("")
    assert annotations("policy: {clusters: [{match: dev, idle: ok}]}") != annotations("")
    assert annotations("serviceMonitor: {enabled: true}") == annotations("")


def test_a_strategy_of_ones_own() -> None:
    """What the default says of rolling updates goes with it: Kubernetes refuses it beside Recreate."""
    assert {"type": "Recreate"} == one("Deployment", values="strategy: {type: Recreate}")["spec"]["strategy"]
    slow = {"type": "RollingUpdate", "rollingUpdate": {"maxSurge": 0, "maxUnavailable": 1}}
    assert slow == one("Deployment", values=f"strategy: {slow}")["spec"]["strategy"]


def test_several_pods() -> None:
    """From two on one may be evicted at a time, whether ready or not; spread, if asked for, counts these pods."""
    assert [] == objects("PodDisruptionBudget")
    budget = one("PodDisruptionBudget", "everything")["spec"]
    assert (1, "AlwaysAllow") == (budget["maxUnavailable"], budget["unhealthyPodEvictionPolicy"])
    selector = one("Deployment", "everything")["spec"]["selector"]
    (spread,) = pod("everything")["topologySpreadConstraints"]
    assert selector == budget["selector"] == spread["labelSelector"]
    assert selector["matchLabels"] == one("Service", "everything")["spec"]["selector"]
    labels = one("Deployment", "everything")["spec"]["template"]["metadata"]["labels"]
    assert selector["matchLabels"].items() <= labels.items()


def test_common_labels() -> None:
    """Every object and pod has them, and no selector, which cannot be changed later."""
    for each in rendered("everything"):
        if "Secret" != each["kind"]:
            assert "42" == each["metadata"]["labels"]["example.org/cost-centre"], each["kind"]
    deployment = one("Deployment", "everything")["spec"]
    assert "42" == deployment["template"]["metadata"]["labels"]["example.org/cost-centre"]
    assert "example.org/cost-centre" not in deployment["selector"]["matchLabels"]
    (test,) = objects("Pod", values="commonLabels: {a: b}")
    assert "b" == test["metadata"]["labels"]["a"]


@pytest.mark.parametrize(
    ("expected", "made", "values"),
    [
        ("ours-burrow-exporter", ["ours-burrow-exporter"], ""),
        ("lag-reader", ["lag-reader"], "serviceAccount: {name: lag-reader}"),
        ("lag-reader", [], "serviceAccount: {create: false, name: lag-reader}"),
        ("default", [], "serviceAccount: {create: false}"),
    ],
)
def test_service_account(expected: str, made: list[str], values: str) -> None:
    """The pods have the one that is made, or the one that is named."""
    assert expected == pod(values=values)["serviceAccountName"]
    assert made == [each["metadata"]["name"] for each in objects("ServiceAccount", values=values)]
    assert not any(each["automountServiceAccountToken"] for each in objects("ServiceAccount", values=values))


def test_ways_in() -> None:
    """Ingress and HTTPRoute lead the hosts to the Service, at its port."""
    service = one("Service", "everything")
    (port,) = service["spec"]["ports"]
    assert "NodePort" == service["spec"]["type"]
    ingress, route = one("Ingress", "everything")["spec"], one("HTTPRoute", "everything")["spec"]
    (rule,) = ingress["rules"]
    (path,) = rule["http"]["paths"]
    backend = {"service": {"name": service["metadata"]["name"], "port": {"name": port["name"]}}}
    assert ("lag.example.org", "/", backend) == (rule["host"], path["path"], path["backend"])
    assert ("nginx", ["lag.example.org"]) == (ingress["ingressClassName"], ingress["tls"][0]["hosts"])
    assert ["lag.example.org"] == route["hostnames"]
    assert [{"backendRefs": [{"name": service["metadata"]["name"], "port": port["port"]}]}] == route["rules"]


def test_helm_test() -> None:
    """Its pod asks the Service with words that the exporter takes, and the Service does not take it for an exporter."""
    (test,) = objects("Pod")
    (each,) = test["spec"]["containers"]
    word, flag = each["args"]
    service = one("Service")
    (port,) = service["spec"]["ports"]
    assert ("test", "healthcheck") == (test["metadata"]["annotations"]["helm.sh/hook"], word)
    assert f"--web.listen-address={service['metadata']['name']}:{port['port']}" == flag
    assert not service["spec"]["selector"].items() <= test["metadata"]["labels"].items()
    assert container()["securityContext"] == each["securityContext"]
    assert pod()["securityContext"] == test["spec"]["securityContext"]
    assert [] == objects("Pod", "everything")


def test_extra_manifests() -> None:
    """They are templates, with the release's own names."""
    assert f"{RELEASE}-extra" == one("Secret", "everything")["metadata"]["name"]


def test_metadata() -> None:
    """Where Artifact Hub and `helm show` lead to is the repository's address, which stands in setup.cfg."""
    setup = ConfigParser()
    setup.read(ROOT / "setup.cfg", encoding="utf-8")
    address = setup["metadata"]["url"]
    chart = yaml.safe_load((CHART / "Chart.yaml").read_text(encoding="utf-8"))
    links = yaml.safe_load(chart["annotations"]["artifacthub.io/links"])
    told = [chart["home"], chart["sources"][0], chart["icon"], chart["maintainers"][0]["url"]]
    assert all(each.startswith(address) for each in [*told, *(link["url"] for link in links)])
    files = [
        each.partition("/main/")[2] for each in (chart["icon"], *(link["url"] for link in links)) if "/main/" in each
    ]
    assert all((ROOT / name).is_file() for name in files)
    assert 3 == len(files)


def test_network_policy() -> None:
    """Only those named reach the port; only Burrow at its ports, and DNS, are reached."""
    spec = one("NetworkPolicy", "everything")["spec"]
    values = yaml.safe_load(VALUES["everything"].read_text(encoding="utf-8"))["networkPolicy"]
    burrow, dns = spec["egress"]
    assert ["Ingress", "Egress"] == spec["policyTypes"]
    assert [{"from": values["from"], "ports": [{"port": "metrics"}]}] == spec["ingress"]
    assert {"to": values["to"], "ports": [{"port": 8000}, {"port": 8443}]} == burrow
    assert {"ports": [{"port": 53, "protocol": "UDP"}, {"port": 53, "protocol": "TCP"}]} == dns


def measured(figure: str) -> list[float]:
    """Return a row of the benchmark's results: of each size from 1,000 partitions on."""
    results = (ROOT / "benchmarks" / "RESULTS.md").read_text(encoding="utf-8")
    (row,) = re.findall(rf"^\| {figure} +\| (.+) \|$", results, re.MULTILINE)
    return [float(cell) for cell in row.split("|")]


def test_resources_are_from_measurements() -> None:
    """Of each size that the README names, with room for a health check in the limit of memory. One is the default."""
    page = (CHART / "README.md").read_text(encoding="utf-8")
    rows = re.findall(r"^\| [0-9]+,000 \| (\d+)Mi \| (\d+)Mi \| (\d+)m \|$", page, re.MULTILINE)
    sizes = [tuple(map(int, row)) for row in rows]
    peaks, seconds = measured("peak memory, 1 and 8 plain scrapers"), measured("CPU from poll to poll, no scrapes")
    for (request, limit, cpu), peak, busy in zip(sizes, peaks, seconds, strict=True):
        assert peak <= request
        assert peak + 45 <= limit
        assert 1000 * busy / 15 <= cpu
    request, limit, cpu = sizes[2]
    expected = {"requests": {"memory": f"{request}Mi", "cpu": f"{cpu}m"}, "limits": {"memory": f"{limit}Mi"}}
    assert expected == container()["resources"]


def test_what_is_said_after_an_installation() -> None:
    """Which Burrows are asked, how to look, and how it is scraped where the operator does not do it."""
    command = ("install", RELEASE, CHART, "--dry-run=client", "--namespace", NAMESPACE, "--values")
    told = helm(*command, VALUES["several"]).stdout.partition("NOTES:\n")[2]
    assert "polls https://burrow-a.eu:8000 or https://burrow-b.eu:8000, http://burrow.us:8000.\n" in told
    assert f"--namespace {NAMESPACE} port-forward service/{RELEASE}-burrow-exporter 9254\n" in told
    assert f'Scrape it as job "burrow" at {RELEASE}-burrow-exporter.{NAMESPACE}:9254' in told
    assert "Scrape it" not in helm(*command, VALUES["operator"]).stdout.partition("NOTES:\n")[2]


@pytest.mark.parametrize(
    ("expected", "release", "values"),
    [
        ("ours-burrow-exporter", "ours", ""),
        ("burrow-exporter-eu", "burrow-exporter-eu", ""),
        ("ours-lag", "ours", "nameOverride: lag"),
        ("lag", "ours", "fullnameOverride: lag"),
        (45 * "x", "ours", f"fullnameOverride: {100 * 'x'}"),
    ],
)
def test_names(expected: str, release: str, values: str) -> None:
    """They have the release's name, the chart's once, and room for what is added."""
    run = helm("template", release, CHART, values=values)
    assert {expected, f"{expected}-test"} == {each["metadata"]["name"] for each in yaml.safe_load_all(run.stdout)}


def test_names_of_digits() -> None:
    """A release, a namespace and a Secret may be called so, and stay text."""
    values = "{fullnameOverride: lag, secrets: ['12'], webConfig: {secret: '34'}}"
    run = helm("template", "1234567", CHART, "--namespace", "7654321", values=values)
    found = list(yaml.safe_load_all(run.stdout))
    assert {"7654321"} == {each["metadata"]["namespace"] for each in found}
    for each in found:
        check(each)
