"""Rules of the stack: promtool accepts and tests them, and alerts, tests, runbook and metrics agree."""

from __future__ import annotations

import re
import subprocess
from collections.abc import Callable

import pytest

from tests import ROOT
from tests.conftest import built, tool
from tests.support import alerts
from tests.support.dashboards import DASHBOARDS
from tests.support.promql import metrics

ALERTS = {rule["alert"]: rule for rule in alerts.rules("alert")}
RECORDS = [rule["record"] for rule in alerts.rules("record")]
SILENT = {"BurrowClusterUnread"}
"""It is there for Alertmanager, which keeps back other alerts meanwhile."""
EACH = pytest.mark.parametrize("name", ALERTS)
BOTH = pytest.mark.parametrize("find", [built, tool], ids=["the stack's release", "Debian's"])


def said(promtool: str, *arguments: str) -> str:
    """Return what promtool says that finds nothing wrong."""
    run = subprocess.run([promtool, *arguments], cwd=alerts.RULES, capture_output=True, text=True, check=False)
    assert 0 == run.returncode, run.stdout + run.stderr
    return run.stdout


@BOTH
@pytest.mark.prometheus
def test_promtool_takes_them(find: Callable[[str], str]) -> None:
    """As they are, without a stack, by the oldest and the newest release that are supported."""
    told = said(find("promtool"), "check", "rules", *(path.name for path in alerts.files()))
    assert len(ALERTS) + len(RECORDS) == sum(map(int, re.findall(r"SUCCESS: (\d+) rules", told)))


@BOTH
@pytest.mark.prometheus
def test_they_do_what_their_tests_say(find: Callable[[str], str]) -> None:
    """Each alert fires when it should, with its labels and annotations, and not before or otherwise."""
    tests = sorted(str(path.relative_to(alerts.RULES)) for path in (alerts.RULES / "tests").glob("*.yaml"))
    assert {f"tests/{path.name}" for path in alerts.files()} < {*tests}
    assert len(tests) == said(find("promtool"), "test", "rules", *tests).count("SUCCESS")


@EACH
def test_every_alert_is_tested(name: str) -> None:
    """Both firing and not firing."""
    cases = [case for test in alerts.tests() for case in test.get("alert_rule_test", ()) if case["alertname"] == name]
    assert {False, True} == {bool(case["exp_alerts"]) for case in cases}


@pytest.mark.parametrize("name", RECORDS)
def test_every_record_is_tested(name: str) -> None:
    """By the tests of recording.yaml, in a query that yields something."""
    cases = [case for test in alerts.tests() for case in test.get("promql_expr_test", ())]
    assert [] != [case for case in cases if name in case["expr"] and case["exp_samples"]]


@EACH
def test_every_alert_is_complete(name: str) -> None:
    """It lasts for a time, has a severity, a summary, the value, and links to the runbook and a dashboard."""
    rule = ALERTS[name]
    notes = rule["annotations"]
    assert rule["for"]
    assert rule["labels"].keys() == {"severity"}
    by_policy = '{{ or $labels.severity "critical" }}'
    assert rule["labels"]["severity"] in {"critical", "warning", by_policy, *(["none"] if name in SILENT else [])}
    assert {*notes} - {"lag", "partitions"} == {"summary", "description", "runbook_url", "dashboard_url"}
    assert "$value" in notes["description"] or "BurrowExporterDown" == name  # which may have no target at all
    runbook = f"docs/runbook.md#{name.lower()}"
    own = "{{ else }}" + runbook + "{{ end }}" if name.startswith("Consumer") else runbook
    assert notes["runbook_url"].endswith(own), "a group may have a runbook of its own"


@EACH
def test_every_dashboard_link_leads_somewhere(name: str) -> None:
    """To one of the dashboards, with variables that it has, from labels of the same name, escaped."""
    link = ALERTS[name]["annotations"]["dashboard_url"]
    found = re.fullmatch(r"http://localhost:3000/d/([a-z-]+)(?:\?(.+))?", link)
    assert found
    assert found[1] in DASHBOARDS
    variables = {each["name"] for each in DASHBOARDS[found[1]]["templating"]["list"]}
    for variable in (found[2] or "").split("&") if found[2] else ():
        filled = re.fullmatch(r"var-(\w+)=\{\{ \$labels\.(\w+) \| urlquery \}\}", variable)
        assert filled
        assert filled[1] == filled[2]
        assert filled[1] in variables


@pytest.mark.parametrize("name", [name for name in ALERTS if name.startswith("Consumer")])
def test_every_alert_of_a_group_goes_by_the_policy(name: str) -> None:
    """It has the team, and is silent for a muted group; tests/policy.yaml has each of them muted."""
    query = ALERTS[name]["expr"]
    assert "group_left (team" in query
    assert "group:burrow_kafka_consumer_policy_info:latest" in query
    assert re.search("alerts_muted:any|group:burrow_kafka_consumer_status:bridged", query)
    text = (alerts.RULES / "tests" / "policy.yaml").read_text(encoding="utf-8")
    muted = text.partition("name: Muted, no alert")[2].partition("  - name: ")[0]
    assert f"alertname: {name}\n        exp_alerts: []" in muted


@pytest.mark.parametrize("name", ALERTS)
def test_no_alert_of_a_group_depends_on_who_was_scraped(name: str) -> None:
    """A new instance of the exporter is not a new alert: what names a target is left out everywhere."""
    lists = set(re.findall(r"without \(([^)]*\binstance\b[^)]*)\)", ALERTS[name]["expr"]))
    wanted = {"job", "instance", "pod", "container", "endpoint", "namespace", "node", "service"}
    assert [] == [each for each in lists if not wanted <= {label.strip() for label in each.split(",")}]


def test_the_runbook_has_a_section_for_each_alert() -> None:
    """And for nothing else, so that every link finds its anchor; each says what it means, where to look, what to do."""
    sections = alerts.sections()
    assert sorted(ALERTS) == sorted(sections)
    for name, text in sections.items():
        parts = re.findall(r"^\*\*\w+\.\*\*", text, re.MULTILINE)
        assert ["**Meaning.**", "**Diagnosis.**", "**Mitigation.**"] == parts, name
        assert "```promql\n" in text, name


def asked() -> list[tuple[str, str]]:
    """Return every query of the rules, with where it stands."""
    return [
        (rule.get("alert") or rule["record"], rule["expr"])
        for kind in ("alert", "record")
        for rule in alerts.rules(kind)
    ]


@pytest.mark.parametrize(("where", "query"), asked())
def test_every_metric_exists(where: str, query: str) -> None:
    """Every metric in a query is published or recorded, and none is treated as a counter that is a gauge."""
    assert metrics(query), where
    assert set() == metrics(query) - alerts.known(), where
    assert set() == alerts.rated(query) - alerts.COUNTERS - alerts.own_counters(), where


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ('sum without (a) (x{b="c"}) > on (d) group_left () y offset 1h', {"x", "y"}),
        ('count_over_time(l:m:o[5m]) == +Inf and up{job=~"z{1,2}"}', {"l:m:o", "up"}),
        ("0 * a_b + 1e3 or time() - c", {"a_b", "c"}),
    ],
)
def test_metrics_of_a_query(query: str, expected: set[str]) -> None:
    """Names are told from functions, labels, words and numbers."""
    assert expected == metrics(query)


def test_the_pages_name_every_record() -> None:
    """docs/rules.md, or the page of internal records, says what each recording rule records."""
    pages = (ROOT / "docs" / "rules.md", ROOT / "docs" / "internals" / "recording.md")
    text = "".join(page.read_text(encoding="utf-8") for page in pages)
    assert [] == [name for name in RECORDS if f"| `{name}` |" not in text]
