"""Configuration of other programs that scrape, as their documentation defines it."""

from __future__ import annotations

import re
from typing import Any

ALLOY = {
    "prometheus.scrape": {"targets", "job_name", "scrape_interval", "forward_to"},
    "prometheus.remote_write": set[str](),
    "endpoint": {"url"},
}
"""Components and blocks of Grafana Alloy, and those of their arguments that documents use."""
OPENMETRICS = {"openmetrics_endpoint", "namespace", "metrics", "max_returned_metrics"}
"""Keys of an instance of Datadog's openmetrics check: its model's (metrics, namespace, openmetrics_endpoint), and one
that every check of the agent takes."""
HEAD = re.compile(r'([\w.]+)(?: "(\w+)")? \{')
ARGUMENT = re.compile(r"(\w+)\s*= (.+)")


def check_alloy(text: str) -> None:
    """Read a configuration of Alloy, line by line: what it opens it closes, and it has nothing but ``ALLOY``.

    This is not Alloy's own parser, which cannot be installed as a Go module: it knows a head, an argument and an end a
    line, and that what receives has to be there.
    """
    names, inside = list[str](), list[str]()
    for line in filter(None, map(str.strip, text.splitlines())):
        if head := HEAD.fullmatch(line):
            assert head[1] in ALLOY, line
            assert ("." in head[1]) == (not inside) == (head[2] is not None), line
            names.append(f"{head[1]}.{head[2]}")
            inside.append(head[1])
        elif line == "}":
            inside.pop()
        else:
            argument = ARGUMENT.fullmatch(line)
            assert argument, line
            assert argument[1] in ALLOY[inside[-1]], line
            check_value(argument[2])
    assert not inside
    receivers = re.findall(r"([\w.]+)\.receiver\b", text)
    assert receivers
    assert set(receivers) <= {*names}


def check_value(text: str) -> None:
    """See that brackets and quotes of a value match, and that nothing else stands in it than strings and names."""
    rest = re.sub(r'"[^"\n]*"|[a-z][\w.]*', "x", text)
    while (less := re.sub(r"\[(x(, x)*)?\]|\{x = x(, x = x)*\}", "x", rest)) != rest:
        rest = less
    assert rest == "x", text


def scrape_config_of(collector: dict[str, Any]) -> dict[str, Any]:
    """Return what the Prometheus receiver of an OpenTelemetry Collector reads, whose pipelines have to be whole."""
    used: dict[str, set[str]] = {"receivers": set(), "exporters": set()}
    for pipeline in collector["service"]["pipelines"].values():
        assert used.keys() == pipeline.keys()
        for kind, names in pipeline.items():
            used[kind] |= {*names}
    assert used == {kind: set(collector[kind]) for kind in used}
    assert {"receivers", "exporters", "service"} == collector.keys()
    return dict(collector["receivers"]["prometheus"]["config"])


def check_openmetrics(check: dict[str, Any], families: set[str]) -> None:
    """See that an openmetrics check of Datadog's agent has known keys, and asks for what is exposed."""
    assert {"init_config", "instances"} == check.keys()
    for instance in check["instances"]:
        assert OPENMETRICS >= instance.keys() >= {"openmetrics_endpoint", "namespace", "metrics"}
        assert re.fullmatch(r"\w+", instance["namespace"])
        names = {name for each in instance["metrics"] for name in each}
        assert names <= families, names - families
