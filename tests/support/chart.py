"""The Helm chart, rendered, and its values as files."""

from __future__ import annotations

import subprocess
from functools import cache
from pathlib import Path
from typing import Any

import yaml

from tests import ROOT
from tests.conftest import built

CHART = ROOT / "charts" / "burrow-exporter"
VALUES = {path.stem.removesuffix("-values"): path for path in sorted((CHART / "ci").glob("*.yaml"))}
"""Files of values, by what they stand for."""
RELEASE = "ours"
NAMESPACE = "monitoring"
BURROW = ("app.kubernetes.io/name", "burrow")
"""The label of what belongs to the chart's own Burrow."""
Object = dict[str, Any]


def helm(*arguments: str | Path, values: str = "") -> subprocess.CompletedProcess[str]:
    """Run helm on the chart and on files of values among ``arguments``, and YAML besides."""
    command = [built("helm"), *map(str, arguments)]
    if values:
        command += ["--values", "-"]
    return subprocess.run(command, input=values, capture_output=True, text=True, check=False, timeout=30)


@cache
def rendered(name: str = "default", values: str = "") -> list[Object]:
    """Return the objects for a file of values, and YAML besides."""
    run = helm("template", RELEASE, CHART, "--namespace", NAMESPACE, "--values", VALUES[name], values=values)
    assert 0 == run.returncode, run.stderr
    return [each for each in yaml.safe_load_all(run.stdout) if each]


def objects(kind: str, name: str = "default", values: str = "", of: str = "burrow-exporter") -> list[Object]:
    """Return the objects of a kind: the exporter's, or those of the chart's Burrow."""
    found = [each for each in rendered(name, values) if kind == each["kind"]]
    return [each for each in found if ("burrow" == of) == (BURROW in each["metadata"].get("labels", {}).items())]


def one(kind: str, name: str = "default", values: str = "", of: str = "burrow-exporter") -> Object:
    """Return the one object of a kind; of ConfigMaps that of the configuration, which comes first."""
    found = objects(kind, name, values, of)
    assert 1 == len(found) or "ConfigMap" == kind
    return found[0]


def pod(name: str = "default", values: str = "") -> Object:
    """Return what a pod is made from, without its labels."""
    return dict(one("Deployment", name, values)["spec"]["template"]["spec"])


def container(name: str = "default", values: str = "") -> Object:
    """Return its container."""
    (found,) = pod(name, values)["containers"]
    return dict(found)


def refusal(values: str) -> list[str]:
    """Return what Helm says of values that the schema refuses, a line each, without the lines around them."""
    run = helm("template", RELEASE, CHART, values=values)
    assert 1 == run.returncode, run.stdout
    return [line.removeprefix("- ") for line in run.stderr.splitlines() if line.startswith("- ")]


@cache
def schema(kind: str) -> dict[str, Any]:
    """Return the schema of a resource of the operator, the Gateway API or KEDA, without room for unknown fields."""
    (path,) = Path(built("crds")).glob(f"*_{kind.lower()}s.yaml")
    definition = yaml.safe_load(path.read_text(encoding="utf-8"))
    wanted = "v1alpha1" if kind == "ScaledObject" else "v1"
    (version,) = [each for each in definition["spec"]["versions"] if each["name"] == wanted]
    found = closed(version["schema"]["openAPIV3Schema"])
    found["properties"]["metadata"] = {"type": "object"}
    return found


def closed(schema: dict[str, Any]) -> dict[str, Any]:
    """Return a schema whose objects have no properties but those it names, as an API server drops others."""
    found = dict(schema)
    if "properties" in schema:
        found["properties"] = {name: closed(each) for name, each in schema["properties"].items()}
        found["additionalProperties"] = False
    if "items" in schema:
        found["items"] = closed(schema["items"])
    return found
