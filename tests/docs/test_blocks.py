"""Every code block in the documentation works: it is run, or read by the program it is for.

A block names its kind after its fence; ``CHECKS`` says how each kind is checked, ``YAML`` what a YAML document is by
its keys, and ``commands.py`` how commands are, by program. One that no rule knows fails: add the rule with the block.
"""

from __future__ import annotations

import json
import re
import subprocess
import tomllib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import requests
import yaml

from burrow_exporter.demo import SimulatedBurrow
from burrow_exporter.metrics.families import FAMILIES
from burrow_exporter.settings.config import Config
from burrow_exporter.settings.flags import FLAGS
from burrow_exporter.settings.policy_file import parse_policy
from burrow_exporter.settings.precedence import load_document
from burrow_exporter.settings.reader import read_document
from burrow_exporter.settings.value_types import NamedFile
from burrow_exporter.web.security import web_config
from compose.renderer.settings import SettingsError, read_settings
from tests import ROOT
from tests.conftest import tool
from tests.support import alerts, collectors, commands
from tests.support.documents import PAGES, Block, blocks, name_of, words
from tests.support.processes import running
from tests.support.promql import OWN, metrics
from tests.support.stack import composed

BLOCKS = [block for page in PAGES for block in blocks(page)]
QUERIES = [block for block in BLOCKS if block.kind == "promql"]
CALLS = [(block, call) for block in BLOCKS if block.kind == "sh" for call in commands.commands(block.text)]
RUN = [(block, call) for block, call in CALLS if call[0].endswith("burrow-exporter") and "healthcheck" not in call]
"""What needs nothing but a Burrow."""
KNOWN = alerts.known()
OF_FILE = re.compile(r"\w+_FILE(_\d+)?: ")
BEFORE = "before"
"""The note of a query that asks another exporter's metrics."""


def promtool(folder: Path, text: str, *arguments: str) -> None:
    """Let promtool read a file; ``AssertionError`` says what it finds."""
    (folder / "file.yaml").write_text(text, encoding="utf-8")
    run = subprocess.run(
        (tool("promtool"), *arguments, "file.yaml"), cwd=folder, capture_output=True, text=True, check=False
    )
    assert 0 == run.returncode, run.stdout + run.stderr


def as_prometheus(text: str, _: Any, folder: Path) -> None:
    """Read it as Prometheus reads its configuration; files that it names need not be there."""
    promtool(folder, text, "check", "config", "--syntax-only")


def as_rules(text: str, _: Any, folder: Path) -> None:
    """Read it as Prometheus reads rules."""
    promtool(folder, text, "check", "rules")


def as_policy(text: str, _: Any, folder: Path) -> None:
    """Read it as the exporter reads its policy."""
    (folder / "policy.yaml").write_text(text, encoding="utf-8")
    assert not parse_policy(NamedFile(folder / "policy.yaml")).is_empty()


def as_alertmanager(text: str, _: Any, folder: Path) -> None:
    """Read it as a part of Alertmanager's configuration."""
    (folder / "part.yml").write_text(f"route: {{receiver: a}}\nreceivers: [name: a]\n{text}", encoding="utf-8")
    run = subprocess.run(
        [tool("amtool"), "check-config", "part.yml"], cwd=folder, capture_output=True, text=True, check=False
    )
    assert 0 == run.returncode, run.stdout + run.stderr


def as_exporter(text: str, _: Any, folder: Path) -> None:
    """Read it as the exporter reads its configuration."""
    (folder / "config.yaml").write_text(text, encoding="utf-8")
    assert read_document(Config, load_document(folder / "config.yaml"), folder).burrows


def as_web_config(text: str, _: Any, __: Path) -> None:
    """Read it as the exporter reads its web config file."""
    web_config.parse(text.encode())


def as_adapter(_: str, document: Any, folder: Path) -> None:
    """See that prometheus-adapter's rules ask for what is recorded, by queries that Prometheus takes."""
    for rule in document["externalRules"]:
        assert {"seriesQuery", "resources", "name", "metricsQuery"} == rule.keys()
        assert {rule["seriesQuery"]} <= KNOWN
        query = rule["metricsQuery"].replace("<<.Series>>", rule["seriesQuery"]).replace("<<.LabelMatchers>>", 'a="b"')
        as_rules(yaml.safe_dump({"groups": [{"name": "a", "rules": [{"record": "a", "expr": query}]}]}), None, folder)


def as_compose(_: str, document: Any, __: Path) -> None:
    """See that it changes services that compose.yaml has."""
    assert document["services"].keys() <= composed()["services"].keys()


def as_kubernetes(_: str, document: Any, __: Path) -> None:
    """See that it is a resource with a name."""
    assert document["apiVersion"]
    assert document["kind"]
    assert document["metadata"]["name"]


def as_values(_: str, document: Any, __: Path) -> None:
    """Read it as the chart reads values, over its own."""
    (chart,) = (path.parent for path in ROOT.glob("charts/*/Chart.yaml"))
    values = yaml.safe_load((chart / "values.yaml").read_text("utf-8")) | document
    schema = json.loads((chart / "values.schema.json").read_text("utf-8"))
    assert [] == [error.message for error in jsonschema.Draft202012Validator(schema).iter_errors(values)]


def as_bucket(_: str, document: Any, __: Path) -> None:
    """See that it is an object store as Thanos describes one."""
    assert document.keys() >= {"type", "config"}


def as_collector(_: str, document: Any, folder: Path) -> None:
    """Have Prometheus read what an OpenTelemetry Collector's receiver is to scrape."""
    as_prometheus(yaml.safe_dump(collectors.scrape_config_of(document)), None, folder)


def as_openmetrics(_: str, document: Any, __: Path) -> None:
    """Read it as a check of Datadog's agent."""
    collectors.check_openmetrics(document, {family.name for family in FAMILIES} | OWN.keys())


YAML: tuple[tuple[set[str], Callable[[str, Any, Path], None]], ...] = (
    ({"burrows"}, as_exporter),
    ({"basic_auth_users", "http_server_config", "rate_limit", "tls_server_config"}, as_web_config),
    ({"apiVersion"}, as_kubernetes),
    ({"services"}, as_compose),
    ({"inhibit_rules"}, as_alertmanager),
    ({"topics", "clusters"}, as_policy),
    ({"groups"}, as_rules),
    ({"externalRules"}, as_adapter),
    ({"alerting", "global", "remote_write", "rule_files", "scrape_configs"}, as_prometheus),
    ({"receivers"}, as_collector),
    ({"init_config"}, as_openmetrics),
    ({"type"}, as_bucket),
)
"""What a YAML document is, by any of its keys; on pages of the chart others are its values."""


def check_yaml(block: Block, folder: Path) -> None:
    """Have each document of the block read by what it is for."""
    for document in yaml.safe_load_all(block.text):
        assert isinstance(document, dict), f"{block.place}: no mapping"
        found = [read for keys, read in YAML if keys & document.keys()]
        if not found and (block.page.name == "kubernetes.md" or "charts" in block.page.parts):
            found = [as_values]
        assert found, f"{block.place}: nothing is known to read YAML with the keys {', '.join(document)}"
        found[0](block.text, document, folder)


def check_shell(block: Block, _: Path) -> None:
    """See that the shell takes it, and hold each command to the rules of its program."""
    run = subprocess.run([tool("bash"), "-n"], input=block.text, capture_output=True, text=True, check=False)
    assert (0, "") == (run.returncode, run.stderr)
    commands.check_all(block.text)


def check_query(block: Block, _: Path) -> None:
    """See that it asks for something, and only for what is published or recorded; parsing is tested for all at once."""
    assert metrics(block.text)
    if block.note != BEFORE:
        assert set() == metrics(block.text) - KNOWN
        assert set() == alerts.rated(block.text) - alerts.COUNTERS - alerts.own_counters()


def check_settings(block: Block, folder: Path) -> None:
    """Read it as the stack reads its ``.env``, but for files that it names, which need not be there."""
    (folder / ".env").write_text(block.text, encoding="utf-8")
    try:
        read_settings(folder / ".env")
    except SettingsError as error:
        faults = str(error).splitlines()
        assert [] == [fault for fault in faults if not OF_FILE.match(fault)]


def check_text(block: Block, _: Path) -> None:
    """Take it as it is: a drawing, or what a program says, is for people."""
    assert block.text.strip()


def check_diagram(block: Block, _: Path) -> None:
    """Check that a flow chart shows every room of the package but the demo, and no room that is not there."""
    assert block.text.startswith("flowchart LR\n"), block
    rooms = {path.parent.name for path in ROOT.glob("burrow_exporter/*/__init__.py")} - {"demo"}
    (inside,) = re.findall(r"subgraph exporter .*?\n(.*?)\n    end\n", block.text, re.DOTALL)
    assert rooms == {word for word in re.findall(r"\w+", re.sub(r"-[-.] .*? \.?-+>", " ", inside)) if word.islower()}


CHECKS: dict[str, Callable[[Block, Path], object]] = {
    "alloy": lambda block, _: collectors.check_alloy(block.text),
    "ini": check_settings,
    "mermaid": check_diagram,
    "json": lambda block, _: json.loads(block.text),
    "promql": check_query,
    "python": lambda block, _: compile(block.text, block.place, "exec"),
    "sh": check_shell,
    "text": check_text,
    "toml": lambda block, _: tomllib.loads(block.text),
    "yaml": check_yaml,
}


@pytest.mark.parametrize("block", BLOCKS, ids=lambda block: block.place)
def test_every_block_is_what_it_says(block: Block, tmp_path: Path) -> None:
    """It is of a known kind, and passes the check of that kind."""
    hint = f"say what the block is ({', '.join(CHECKS)}), or add a kind to {Path(__file__).name}"
    assert block.kind in CHECKS, f"{block.place}: {hint}"
    CHECKS[block.kind](block, tmp_path)


@pytest.mark.prometheus
def test_every_query_parses(tmp_path: Path) -> None:
    """Prometheus takes them, those of other exporters too."""
    rules = [{"record": f"query{number}", "expr": block.text} for number, block in enumerate(QUERIES)]
    assert rules
    promtool(tmp_path, yaml.safe_dump({"groups": [{"name": "documents", "rules": rules}]}), "check", "rules")


@pytest.fixture(scope="module")
def burrow() -> Iterator[SimulatedBurrow]:
    """Return a simulated Burrow in place of the one in the documents."""
    with SimulatedBurrow(groups=12, partitions=2) as simulated:
        yield simulated


@pytest.mark.parametrize(("block", "call"), RUN, ids=[f"{block.place} {' '.join(call[1:])}" for block, call in RUN])
def test_commands_of_the_exporter_do_what_they_should(block: Block, call: list[str], burrow: SimulatedBurrow) -> None:
    """As written, but on a simulated Burrow and a free port: what serves has metrics, what asks once ends well."""
    here = [re.sub(r"^http://burrow[\w.-]*:8000$", burrow.address, word) for word in call[1:]]
    serves = not {"check", "once", "--help", "--version"} & set(here)
    with running(*here, *(["--web.listen-address", "127.0.0.1:0"] if serves else []), folder=ROOT) as run:
        if serves:
            address = run.wait_for(r'address"?[=:] ?"?(http[^\s"]+)')
            assert 200 == requests.get(f"{address}/metrics", timeout=5).status_code
            assert 0 == run.end()[0]
        else:
            assert 0 == run.process.wait(20), (block.place, run.lines)


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_words_in_code_are_current(page: Path) -> None:
    """A flag, a metric, a target of make or a file that a sentence names is there; `*` stands for several."""
    flags = {name for flag in FLAGS for name in (flag.flag, flag.opposite)}
    names = {family.name for family in FAMILIES} | OWN.keys()
    for word in words(page):
        if flag := re.match(r"--(?:no-)?(?:burrow|demo|filter|log|metrics|poll|shard|web)\.[\w.-]*", word):
            assert any(each.startswith(flag[0]) for each in flags if "*" in word) or flag[0] in flags, word
        if name := re.fullmatch(r"(burrow_(?:kafka|exporter)_\w+)(\*?)(\{.*\})?", word):
            assert any(each.startswith(name[1]) for each in names if name[2]) or name[1] in names, word
        if target := re.match(r"make ([\w-]+)", word):
            assert target[1] in commands.TARGETS, word
        if re.fullmatch(r"(?:burrow_exporter|compose|docs|grafana|tests|benchmarks|charts)/[\w./-]+", word):
            commands.check_path(word)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("make demo   # what's this\n", [["make", "demo"]]),
        ("A=1 a b | c 'd e' && f >g 2>&1\n", [["a", "b"], ["c", "d e"], ["f", "2"]]),
        ("a \\\n  b; for x in 1 2; do c $x; done\n", [["a", "b"], ["c", "$x"]]),
        ("cat > x <<'E'\nit's text\nE\ny\n", [["cat"], ["y"]]),
    ],
)
def test_commands_of_a_block(text: str, expected: list[list[str]]) -> None:
    """Comments, operators, redirections, here-documents, loops and assignments are told from programs and words."""
    assert expected == list(commands.commands(text))


ALLOY = """prometheus.scrape "a" {
  forward_to = [prometheus.remote_write.b.receiver]
}
prometheus.remote_write "b" {
}
"""


@pytest.mark.parametrize(
    ("right", "wrong"),
    [("forward_to", "forward"), ("write.b.", "write.c."), ("}\n", ""), ("receiver]", "receiver"), (' "a"', "")],
)
def test_a_wrong_alloy_configuration_is_found(right: str, wrong: str) -> None:
    """An unknown argument, a receiver that is not there, what is not closed, a component without a label."""
    collectors.check_alloy(ALLOY)
    with pytest.raises((AssertionError, IndexError)):
        collectors.check_alloy(ALLOY.replace(right, wrong, 1))


@pytest.mark.parametrize(
    "wrong",
    [
        *("make nothing", "make demo NOTHING=1", "burrow-exporter --nothing", "burrow-exporter demo --poll.interval 0"),
        *("docker compose --profile x up", "docker compose logs nobody", "docker run burrow-exporter --nothing"),
        *("pip install other", "python -m nothing", "unheard-of", "cat docs/nothing.md", "helm install --set y=1"),
        "cd compose\ncat rules/nothing.yaml",
    ],
)
def test_what_is_wrong_is_found(wrong: str) -> None:
    """Of each rule for commands one that must not pass."""
    with pytest.raises(AssertionError):
        commands.check_all(wrong)
