"""The committed dashboards follow our conventions."""

from __future__ import annotations

import json
import re
from collections import Counter
from pathlib import Path
from typing import Any

from burrow_exporter.metrics.families import FAMILIES, FEW_FAMILIES
from compose.renderer.render import render
from compose.renderer.runbook import UID
from compose.renderer.settings import Settings
from grafana.burrow_dashboards.__main__ import stale, write
from grafana.burrow_dashboards.links import RUNBOOK
from grafana.burrow_dashboards.signals import BOTTLENECK, REPLICAS_WANTED
from tests.support.dashboards import (
    DASHBOARDS,
    FOLDER,
    Panel,
    Query,
    for_each,
    label_values,
    markers,
    panels,
    queries,
    variables,
)
from tests.support.promql import OWN, metrics

ALL_PANELS = [(uid, panel) for uid in DASHBOARDS for panel in panels(uid)]
QUERIES = list(queries())
VARIABLES = [(uid, variable) for uid in DASHBOARDS for variable in variables(uid)]
FOREIGN = {
    **dict.fromkeys(["up", "scrape_duration_seconds"], "gauge"),  # Prometheus makes them
    **dict.fromkeys(["ALERTS", "ALERTS_FOR_STATE"], "gauge"),
    **dict.fromkeys([BOTTLENECK, REPLICAS_WANTED, "group:burrow_kafka_consumer_members:latest"], "gauge"),  # by rules
    **dict.fromkeys(["node_boot_time_seconds", "node_filesystem_avail_bytes", "node_filesystem_size_bytes"], "gauge"),
    **dict.fromkeys(
        ["node_cpu_seconds_total", "node_network_receive_bytes_total", "node_network_transmit_bytes_total"], "counter"
    ),
    **dict.fromkeys(
        [
            "kafka_consumer_group_ConsumerLagMetrics_Value",
            "kafka_controller_KafkaController_Value",
            "kafka_log_Log_Value",
            "kafka_network_RequestMetrics_99thPercentile",
            "kafka_server_KafkaRequestHandlerPool_OneMinuteRate",
            "kafka_server_ReplicaManager_Value",
        ],
        "gauge",
    ),
    "kafka_server_BrokerTopicMetrics_Count": "counter",
    "partition:burrow_kafka_consumer_partition:seconds_to_loss": "gauge",  # the stack's rules record it
    **dict.fromkeys(["alertmanager_build_info", "prometheus_build_info", "prometheus_tsdb_head_series"], "gauge"),
    **dict.fromkeys(
        [
            "prometheus_notifications_dropped_total",
            "prometheus_rule_evaluation_failures_total",
            "prometheus_tsdb_compactions_failed_total",
            "prometheus_tsdb_wal_writes_failed_total",
        ],
        "counter",
    ),
    **dict.fromkeys(["thanos_build_info", "thanos_compact_halted", "thanos_status"], "gauge"),
    **dict.fromkeys(
        [
            "thanos_objstore_bucket_operation_failures_total",
            "thanos_shipper_upload_failures_total",
            "thanos_shipper_uploads_total",
        ],
        "counter",
    ),
}
"""Type by name of what is not the exporter's."""
TYPES = {**{family.name: family.kind for family in FAMILIES}, **OWN, **FOREIGN}
KNOWN_TO_9_4 = {
    "bargauge": "displayMode minVizHeight minVizWidth orientation reduceOptions showUnfilled",
    "stat": "colorMode graphMode justifyMode orientation reduceOptions textMode",
    "state-timeline": "alignValue legend mergeValues rowHeight showValue tooltip",
    "table": "showHeader sortBy",
    "timeseries": "legend tooltip",
    "custom": "align axisSoftMax axisSoftMin displayMode fillOpacity inspect lineWidth showPoints stacking "
    "thresholdsStyle width",
}
"""By panel type its options, and the ones of fields, that Grafana 9.4 knows."""
COLOR_MODES = {"fixed", "palette-classic", "thresholds"}
"""Of those that Grafana 9.4 knows; with another one it shows no panel at all."""
UNSEEN_BY_9_4 = {"cellOptions"}
"""Of fields, from later releases: named ``displayMode`` in 9.4, which is written beside it."""

by_panel = for_each([(f"{uid} / {panel['title']}", (uid, panel)) for uid, panel in ALL_PANELS])
by_query = for_each([(query.name, (query,)) for query in QUERIES])
by_dashboard = for_each([(uid, (uid,)) for uid in DASHBOARDS])
by_annotation = for_each([(f"{uid} / {each['name']}", (each,)) for uid in DASHBOARDS for each in markers(uid)])
by_variable = for_each([(f"{uid} / {variable['name']}", (uid, variable)) for uid, variable in VARIABLES])


def test_uids() -> None:
    """There are these five; what links to them, and bookmarks, count on it."""
    assert {f"burrow-{name}" for name in ("overview", "group", "topics", "brokers", "monitoring")} == set(DASHBOARDS)
    assert list(DASHBOARDS) == [made["uid"] for made in DASHBOARDS.values()]


def test_current() -> None:
    """What is committed is what would be written now."""
    assert [] == stale(FOLDER)


def test_stale(tmp_path: Path) -> None:
    """A file that was changed, is missing, or is none of ours is noticed; writing fixes all of it."""
    write(tmp_path)
    assert [] == stale(tmp_path)
    (tmp_path / "burrow-group.json").write_text("{}", encoding="utf-8")
    (tmp_path / "burrow-topics.json").unlink()
    (tmp_path / "odd.json").touch()
    assert ["burrow-group.json", "burrow-topics.json", "odd.json"] == stale(tmp_path)
    write(tmp_path)
    assert [] == stale(tmp_path)


def test_provisioned(tmp_path: Path) -> None:
    """The stack gives Grafana these very files, and the runbook."""
    render(Settings(), tmp_path)
    given = {path.stem: json.loads(path.read_text()) for path in (tmp_path / "grafana/dashboards").glob("*.json")}
    assert given.pop("burrow-runbook")
    assert DASHBOARDS == given


@by_panel
def test_words(uid: str, panel: Panel) -> None:
    """A panel says what it shows, in which unit, and why it may be empty; its title stands once in the dashboard."""
    assert 1 == [other["title"] for other in panels(uid)].count(panel["title"])
    assert re.fullmatch(r"[A-Z].{20,}[.?]", panel["description"])
    defaults = panel["fieldConfig"]["defaults"]
    assert defaults["unit"]
    assert defaults["noValue"]


@by_panel
def test_core(uid: str, panel: Panel) -> None:
    """A panel is one of Grafana's own, and uses no option that came after 9.4 but those listed."""
    assert DASHBOARDS[uid]["schemaVersion"] == 39
    assert set(panel["options"]) <= set(KNOWN_TO_9_4[panel["type"]].split())
    config = panel["fieldConfig"]
    of_fields = {each["id"] for override in config["overrides"] for each in override["properties"]}
    fields = {name.removeprefix("custom.") for name in of_fields if name.startswith("custom.")}
    fields |= set(config["defaults"].get("custom", {}))
    assert fields <= set(KNOWN_TO_9_4["custom"].split()) | UNSEEN_BY_9_4
    assert config["defaults"].get("color", {"mode": "fixed"})["mode"] in COLOR_MODES
    assert ("cellOptions" in fields) == ("displayMode" in fields)


@by_dashboard
def test_data_source(uid: str) -> None:
    """Everything asks the data source that is chosen at the top, so that the file can be imported anywhere."""
    (chosen,) = variables(uid, "datasource")
    assert ("datasource", "prometheus") == (chosen["name"], chosen["query"])
    asking = [*panels(uid), *(query.target for query in QUERIES if query.dashboard == uid), *variables(uid)]
    asking += markers(uid)
    wanted = {"type": "prometheus", "uid": "${datasource}"}
    assert [wanted] * len(asking) == [each["datasource"] for each in asking]
    assert len(asking) == json.dumps(DASHBOARDS[uid]).count('"datasource": {')


@by_dashboard
def test_ready_to_upload(uid: str) -> None:
    """What an import needs is listed: release, data source, panels; it asks for no input."""
    made = DASHBOARDS[uid]
    required = {(each["type"], each["id"]) for each in made["__requires"]}
    kinds = {("panel", panel["type"]) for panel in panels(uid)}
    assert {("grafana", "grafana"), ("datasource", "prometheus"), *kinds} == required
    assert "__inputs" not in made
    assert "${DS_" not in json.dumps(made)
    assert made["description"]


@by_dashboard
def test_grid(uid: str) -> None:
    """Panels lie side by side without a gap, none upon another, none beyond the edge."""
    taken: Counter[tuple[int, int]] = Counter()
    for panel in DASHBOARDS[uid]["panels"]:
        at = panel["gridPos"]
        columns, lines = range(at.get("x", 0), at.get("x", 0) + at["w"]), range(at["y"], at["y"] + at["h"])
        taken.update((x, y) for x in columns for y in lines)
    height = max(y for _, y in taken) + 1
    assert {(x, y): 1 for x in range(24) for y in range(height)} == taken
    identities = [panel["id"] for panel in DASHBOARDS[uid]["panels"]]
    assert len(identities) == len(set(identities))


@by_query
def test_known_metrics(query: Query) -> None:
    """A query asks for metrics that exist: the exporter's, or those listed of others."""
    assert metrics(query.expression)
    assert set() == metrics(query.expression) - set(TYPES)


@by_query
def test_rates(query: Query) -> None:
    """Only counters have a rate, over Grafana's interval; only gauges are derived. Offsets are gauges."""
    check_rates(query.expression)


@by_annotation
def test_annotations(annotation: dict[str, Any]) -> None:
    """An annotation keeps to the same rules, and names labels that its series have."""
    assert metrics(annotation["expr"])
    assert set() == metrics(annotation["expr"]) - set(TYPES)
    check_rates(annotation["expr"])
    shown = set(re.findall(r"\{\{(\w+)\}\}", annotation["titleFormat"] + annotation["textFormat"]))
    assert shown <= set(re.findall(r"\w+", annotation["expr"]))


def check_rates(text: str) -> None:
    """Check the functions over ranges in an expression."""
    for function, metric, window in re.findall(r"\b(\w+)\((\w+)(?:\{[^{}]*\})?\[([^\]]+)\]", text):
        counts = function in {"rate", "irate", "increase"}
        assert ("counter" if counts else "gauge") == TYPES[metric], (function, metric)
        assert function != "rate" or window == "$__rate_interval"
    assert len(re.findall(r"\b(?:rate|irate|increase|deriv|delta|idelta)\(", text)) == len(
        re.findall(r"\b(?:rate|irate|increase|deriv|delta|idelta)\(\w+(?:\{[^{}]*\})?\[", text)
    )


@by_variable
def test_variables(uid: str, variable: dict[str, Any]) -> None:
    """Options come from few series: one a group or cluster, one group's, or one a topic; and keep to the time shown."""
    selector, label = label_values(variable)
    assert metrics(selector) <= set(TYPES)
    few = {family.name for family in FEW_FAMILIES} | set(FOREIGN) | set(OWN)
    one = 'consumer_group="$consumer_group"' in selector or 'partition=~"0|"' in selector
    assert metrics(selector) <= few or one, (uid, selector)
    assert variable["label"]
    assert re.fullmatch(r"\w+", label)
    assert variable["refresh"] == 2


def addresses(panel: Panel) -> list[str]:
    """Return where a panel's values lead to."""
    config = panel["fieldConfig"]
    links = list(config["defaults"]["links"])
    for override in config["overrides"]:
        links += [link for each in override["properties"] if each["id"] == "links" for link in each["value"]]
    return [link["url"] for link in links]


@by_panel
def test_links(uid: str, panel: Panel) -> None:
    """A link leads to a dashboard of ours, and sets its variables from what there is, and the time."""
    for url in addresses(panel):
        if url in {RUNBOOK, "${__value.raw}"}:  # a page of the policy is the value itself
            continue
        match = re.fullmatch(r"/d/([\w-]+)\?(.*)&\$\{datasource:queryparam\}&\$\{__url_time_range\}", url)
        assert match, url
        chosen = re.findall(r"var-(\w+)=", match[2]) + re.findall(r"\$\{(\w+):queryparam\}", match[2])
        assert set(chosen) <= {variable["name"] for variable in variables(match[1])}, url
        columns = {override["matcher"]["options"] for override in panel["fieldConfig"]["overrides"]}
        assert set(re.findall(r'__data\.fields\["([^"]+)"\]', url)) <= columns
        kept = set(re.findall(r"\$\{(\w+):queryparam\}", url)) - {"datasource"}
        assert kept <= {variable["name"] for variable in variables(uid)}


def test_runbook() -> None:
    """The overview leads from an alert to the runbook, which is among the stack's dashboards."""
    assert f"/d/{UID}" == RUNBOOK
    assert RUNBOOK in {url for uid, panel in ALL_PANELS if uid == "burrow-overview" for url in addresses(panel)}


def test_levels() -> None:
    """From the overview one gets to a group, from there to a topic, and from a topic back to its groups."""
    found = {(uid, re.sub(r"^/d/([\w-]+).*", r"\1", url)) for uid, panel in ALL_PANELS for url in addresses(panel)}
    assert {("burrow-overview", "burrow-group"), ("burrow-group", "burrow-topics")} <= found
    assert {("burrow-topics", "burrow-group"), ("burrow-overview", "burrow-topics")} <= found


@by_dashboard
def test_neighbours(uid: str) -> None:
    """At the top of each dashboard stand the others; they keep the time, and take along only what they understand."""
    links = DASHBOARDS[uid]["links"]
    found = {re.sub(r"^/d/([\w-]+)\?.*", r"\1", link["url"]) for link in links}
    assert set(DASHBOARDS) - {uid} == found
    for link in links:
        assert (True, False) == (link["keepTime"], link["includeVars"])
        kept = set(re.findall(r"\$\{(\w+):queryparam\}", link["url"]))
        assert "datasource" in kept
        here = {variable["name"]: variable["multi"] for variable in variables(uid)}
        there = {each["name"] for each in variables(re.sub(r"^/d/([\w-]+)\?.*", r"\1", link["url"]))}
        assert kept - {"datasource"} <= {name for name, several in here.items() if not several} & there


def test_views() -> None:
    """The document says where each of the seven views is, by titles that panels have, and shows every dashboard."""
    text = (FOLDER.parents[1] / "docs" / "dashboards.md").read_text(encoding="utf-8")
    table = text.partition("| view |")[2].partition("\n\n")[0].splitlines()[2:]
    told = {row.split("|")[1].strip(): re.findall(r"\*([^*]+)\*", row) for row in table}
    titles = {panel["title"] for _, panel in ALL_PANELS}
    assert 7 <= len(told)
    assert all(names and set(names) <= titles for names in told.values()), told
    pictures = {FOLDER.parents[1] / "docs" / name for name in re.findall(r"!\[[^\]]+\]\((\S+\.png)\)", text)}
    assert len(DASHBOARDS) == len(pictures)
    assert all(picture.stat().st_size < 250_000 for picture in pictures)
