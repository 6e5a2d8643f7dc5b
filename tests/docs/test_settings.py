"""`.env.example` and docs/settings.md: complete, with the true defaults, and working examples."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
import trustme

from compose.renderer import cluster_variables, former_names, hosts, settings, teams
from compose.renderer.cluster_variables import Given
from compose.renderer.env_file import NAME
from compose.renderer.render import render
from compose.renderer.settings import Settings, read_settings
from tests import ROOT

EXAMPLE = (ROOT / ".env.example").read_text(encoding="utf-8")
PARTS = EXAMPLE.split("\n\n")
"""Its paragraphs; a variant is one."""
PAGE = (ROOT / "docs" / "settings.md").read_text(encoding="utf-8")
OLDER = (ROOT / "docs" / "internals" / "older-settings.md").read_text(encoding="utf-8")
KNOWN = {name.upper() for name in (*settings.NAMES, *cluster_variables.NAMES)}
OF_HOSTS = {name.upper() for name in hosts.NAMES}
"""Not in the example, as each host has its own: docs/hosts.md."""
DEFAULTS = {
    name.upper(): default
    for names, of in ((settings.NAMES, Settings), (cluster_variables.NAMES, Given), (hosts.NAMES, hosts.Given))
    for name in names
    if (default := getattr(of, name))
}
VARIANTS = [part for part in PARTS if re.match(r"# [1-5]\. ", part)]
WAYS = ["scram-sha-512", "iam", "tls", "tls", "plaintext"]
OTHERS = [part for part in PARTS if part not in VARIANTS]


def uncommented(text: str) -> str:
    """Return the text with the ``#`` taken off the lines that set something."""
    return re.sub(rf"(?m)^#(?={NAME.pattern}=)", "", text)


def shown(text: str) -> list[tuple[str, str]]:
    """Return name and value of the lines that set something, commented or not."""
    return re.findall(rf"(?m)^#?({NAME.pattern})=(.*)$", text)


@pytest.fixture(scope="module")
def checkout(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a checkout with the PEM files that the example names."""
    folder = tmp_path_factory.mktemp("checkout")
    authority = trustme.CA()
    own = authority.issue_cert("burrow.example.org")
    (folder / "certs").mkdir()
    authority.cert_pem.write_to_path(str(folder / "certs" / "ca.pem"))
    own.private_key_pem.write_to_path(str(folder / "certs" / "burrow-key.pem"))
    own.cert_chain_pems[0].write_to_path(str(folder / "certs" / "burrow.pem"))
    return folder


def read(text: str, checkout: Path) -> Settings:
    """Return the settings of an `.env` with this text, after they were rendered."""
    (checkout / ".env").write_text(text, encoding="utf-8")
    found = read_settings(checkout / ".env")
    render(found, checkout / "generated", checkout / "none")
    return found


def test_the_example_sets_nothing(checkout: Path) -> None:
    """Copied as it is it leaves the demo."""
    assert Settings() == read(EXAMPLE, checkout)


@pytest.mark.parametrize(("variant", "way"), list(zip(VARIANTS, WAYS, strict=True)), ids=[each[2] for each in VARIANTS])
def test_each_variant_works(variant: str, way: str, checkout: Path) -> None:
    """With the lines of one way to authenticate uncommented, that is what there is, and nothing is odd."""
    found = read(EXAMPLE.replace(variant, uncommented(variant)), checkout)
    assert ["orders"] == [cluster.name for cluster in found.clusters]
    assert (way, ()) == (found.clusters[0].access.auth, found.warnings)
    without = "".join(line for line in uncommented(variant).splitlines(keepends=True) if "KAFKA_AUTH=" not in line)
    assert found.clusters == read(without, checkout).clusters


def test_all_the_rest_works(checkout: Path) -> None:
    """With one way to authenticate everything else can be uncommented, a second cluster included."""
    found = read("\n\n".join(uncommented(part) for part in (VARIANTS[0], *OTHERS)), checkout)
    assert ["orders", "payments"] == [cluster.name for cluster in found.clusters]
    assert ["KAFKA_TLS_SKIP_VERIFY", "SIDECAR_BIND_ADDRESS"] == [
        warning.partition(":")[0] for warning in found.warnings
    ]


def test_the_example_has_every_name() -> None:
    """And no other; of the second cluster's the numbers are taken off."""
    names = {name.removesuffix("_2") for name, _ in shown(EXAMPLE)}
    assert {"TEAM_DATA_SLACK_CHANNEL", "TEAM_DATA_EMAIL_TO"} == {name for name in names if teams.known(name)}
    assert KNOWN == {name for name in names if not teams.known(name)}


def test_the_example_shows_defaults() -> None:
    """A name that has a default is shown with it, but for what turns something on."""
    found = {name: value for name, value in shown(EXAMPLE) if name in DEFAULTS}
    of_one_host = {name: value for name, value in DEFAULTS.items() if name not in OF_HOSTS}
    assert {**of_one_host, "KAFKA_TLS_SKIP_VERIFY": "true", "CLOUDWATCH": "true"} == found


def test_the_page_has_every_name() -> None:
    """Once, with its default where there is one that stands for itself."""
    rows = re.findall(r"^\| `([A-Z0-9_]+)` \| ([^|]*) \| [^|]*\|$", PAGE, re.MULTILINE)
    assert sorted(KNOWN | OF_HOSTS) == sorted(name for name, _ in rows)
    told = {name: match[1] for name, cell in rows if (match := re.match("`([^`]+)`", cell))}
    assert {**DEFAULTS, "CLUSTER": "kafka"} == told
    assert all(cell for _, cell in rows)


def test_the_page_has_every_older_name() -> None:
    """With the name that it is taken for."""
    rows = dict(re.findall(r"^\| `([A-Z0-9_]+)`.*? \| `?(\w+)`? \|", OLDER, re.MULTILINE))
    gone = [name for name, new in rows.items() if new == "none"]
    assert all(any(pattern.fullmatch(name) for name in gone) for pattern in former_names.GONE)
    expected = {**former_names.RENAMED, "BROKER_HOST_1": "BROKERS", "PROMETHEUS_PORT": "PROMETHEUS_PORT"}
    assert {**expected, **dict.fromkeys(gone, "none")} == rows
