"""The chart's values: what the schema rejects, and the examples in the documentation."""

from __future__ import annotations

import re

import pytest
import yaml

from tests import ROOT
from tests.support.chart import CHART, refusal, rendered

pytestmark = pytest.mark.helm

PAGES = (ROOT / "docs" / "kubernetes.md", CHART / "README.md")


def examples() -> list[str]:
    """Return the values that pages show: their YAML, but for what is another program's."""
    found = [text for page in PAGES for text in re.findall(r"(?ms)^```yaml\n(.*?)^```$", page.read_text("utf-8"))]
    return [text for text in found if not {"scrape_configs", "apiVersion"} & yaml.safe_load(text).keys()]


@pytest.mark.parametrize(
    ("expected", "values"),
    [
        ("at '': additional properties 'configs' not allowed", "configs: {}"),
        ("at '': missing property 'config'", "config: null"),
        ("at '/config/burrows': minItems: got 0, want 1", "config: {burrows: []}"),
        ("at '/config/burrows/0': additional properties 'address' not allowed", "config: {burrows: [{address: x}]}"),
        ("at '/config/burrows/0': additional properties 'password' not allowed", "config: {burrows: [{password: x}]}"),
        ("at '/config': additional properties 'web' not allowed", "config: {web: {listen_address: ':1'}}"),
        ("at '/config/poll/interval': got number, want string", "config: {poll: {interval: 15}}"),
        ("at '/config/poll/interval': minLength: got 0, want 1", "config: {poll: {interval: ''}}"),
        ("at '/replicas': got string, want integer", "replicas: two"),
        ("at '/replicas': minimum: got -1, want 0", "replicas: -1"),
        ("at '/extraArgs/0': 'x' does not match pattern '^--'", "extraArgs: [x]"),
        ("at '/webConfig': got string, want object", "webConfig: web"),
        ("at '/secrets': items at 0 and 1 are equal", "secrets: [a, a]"),
        (
            "at '/image/pullPolicy': value must be one of 'Always', 'IfNotPresent', 'Never'",
            "image: {pullPolicy: never}",
        ),
        ("at '/image/digest': 'x' does not match pattern '^(sha256:[0-9a-f]{64})?$'", "image: {digest: x}"),
        ("at '/podLabels/a': got number, want string", "podLabels: {a: 1}"),
        ("at '/resources': additional properties 'memory' not allowed", "resources: {memory: 1Gi}"),
        ("at '/serviceMonitor/endpoint/port': false schema", "serviceMonitor: {endpoint: {port: x}}"),
        (
            "at '/serviceMonitor/interval': 'soon' does not match pattern '^([0-9]+(ms|[smhd]))+$'",
            "serviceMonitor: {interval: soon}",
        ),
        ("at '/httpRoute/parentRefs': minItems: got 0, want 1", "httpRoute: {enabled: true}"),
        ("at '/ingress/hosts': minItems: got 0, want 1", "ingress: {hosts: []}"),
        (
            "at '/service/type': value must be one of 'ClusterIP', 'NodePort', 'LoadBalancer'",
            "service: {type: ExternalName}",
        ),
        ("at '/podMonitor/endpoint/relabelings': false schema", "podMonitor: {endpoint: {relabelings: []}}"),
        ("at '/networkPolicy/ports/0': maximum: got 70,000, want 65,535", "networkPolicy: {ports: [70000]}"),
    ],
)
def test_what_is_refused(expected: str, values: str) -> None:
    """Before anything is installed, with the place and what is wrong there."""
    assert [expected] == refusal(values)


def test_a_network_policy_without_peers_is_refused() -> None:
    """It would let in all, as an empty list of peers does in Kubernetes."""
    expected = {f"at '/networkPolicy/{way}': minItems: got 0, want 1" for way in ("from", "to")}
    assert expected == set(refusal("networkPolicy: {enabled: true}"))


def test_a_parent_chart_may_hand_down_its_own() -> None:
    """What Helm gives to every chart of several is no error."""
    assert rendered(values="global: {registry: example.org}") == rendered()


@pytest.mark.parametrize("values", examples())
def test_examples(values: str) -> None:
    """Those of the pages can be installed, and change something."""
    assert rendered(values=values) != rendered()


def test_every_example_is_found() -> None:
    """For one Burrow, several, the operator, and the rest."""
    assert 5 <= len(examples())
    keys = {key for text in examples() for key in yaml.safe_load(text)}
    assert {"config", "secrets", "webConfig", "serviceMonitor", "prometheusRule", "networkPolicy"} <= keys
