"""Every flag and its environment variable: values, precedence, and errors."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import click
import pytest

from burrow_exporter.cli import command, main
from burrow_exporter.settings.config import Config, Filter, Filters, TopicFilter
from burrow_exporter.settings.flags import FLAGS, Flag
from burrow_exporter.settings.precedence import build_config, section


@dataclass(frozen=True)
class Case:
    """A flag, two texts for it, and what they come to as the value of its parameter.

    ``alone`` unless it needs another flag, or a file, to make a configuration.
    """

    flag: str
    text: str
    value: Any
    other: str
    other_value: Any
    alone: bool = True

    @property
    def variable(self) -> str:
        """The environment variable's name, by the contract's rule."""
        return "BURROW_EXPORTER_" + self.flag.removeprefix("--").upper().replace(".", "_").replace("-", "_")


CASES = (
    Case("--burrow.address", "http://a:1", ("http://a:1",), "https://b/c", ("https://b/c",)),
    Case("--burrow.username", "a", "a", "b", "b", alone=False),
    *(
        Case(f"--burrow.{name}", "a", "a", "b", "b", alone=False)
        for name in ("password-file", "tls.ca-file", "tls.cert-file", "tls.key-file")
    ),
    Case("--config.file", "a", "a", "b", "b", alone=False),
    Case("--web.config.file", "a", "a", "b", "b"),
    Case("--policy.file", "a", "a", "b", "b", alone=False),
    Case("--burrow.proxy-url", "http://a:1", "http://a:1", "http://b", "http://b"),
    Case("--burrow.timeout", "250ms", 0.25, "1m30s", 90.0),
    Case("--burrow.concurrency", "1", 1, "256", 256),
    Case("--burrow.max-groups", "1", 1, "5", 5),
    Case("--burrow.max-partitions", "1", 1, "5", 5),
    Case("--burrow.catch-up-lag", "0", 0, "5", 5),
    Case("--burrow.catch-up-timeout", "0", 0.0, "1h", 3600.0),
    Case("--burrow.allowed-lag", "1", 1, "2", 2),
    Case("--burrow.expire-cache", "30s", 30.0, "1h", 3600.0),
    Case("--poll.interval", "60s", 60.0, "2m", 120.0),
    Case("--poll.deadline", "5s", 5.0, "6s", 6.0),
    Case("--poll.stale-after", "1m", 60.0, "2m", 120.0),
    Case("--filter.cluster-include", "a", ("a",), "b.*", ("b.*",)),
    Case("--filter.cluster-exclude", "a", ("a",), "b.*", ("b.*",)),
    Case("--filter.group-include", "a", ("a",), "b.*", ("b.*",)),
    Case("--filter.group-exclude", "a", ("a",), "b.*", ("b.*",)),
    Case("--filter.topic-include", "a", ("a",), "b.*", ("b.*",)),
    Case("--filter.topic-exclude", "a", ("a",), "b.*", ("b.*",)),
    Case("--filter.max-commit-age", "1d", 86400.0, "1w", 604800.0),
    Case(
        "--metrics.disable",
        "burrow_kafka_consumer_lag_max",
        ("burrow_kafka_consumer_lag_max",),
        "burrow_kafka_consumer_status",
        ("burrow_kafka_consumer_status",),
    ),
    Case("--web.listen-address", "127.0.0.1:0", ("127.0.0.1:0",), "[::1]:1", ("[::1]:1",)),
    Case("--web.grafana-url", "http://a:3000", "http://a:3000", "https://b/g", "https://b/g"),
    Case("--web.alertmanager-url", "http://a:9093", "http://a:9093", "https://b/am", "https://b/am"),
    Case("--web.telemetry-path", "/", "/", "/a", "/a"),
    Case("--shard.index", "1", 1, "0", 0, alone=False),
    Case("--shard.total", "2", 2, "3", 3),
    Case("--metrics.granularity", "topic", "topic", "group", "group"),
    Case("--metrics.max-series", "1", 1, "0", 0),
    Case("--demo.groups", "12", 12, "1000", 1000),
    Case("--demo.partitions", "1", 1, "100", 100),
    Case("--demo.seed", "-7", -7, "8", 8),
    Case("--demo.listen-address", ":0", ":0", "127.0.0.1:8000", "127.0.0.1:8000"),
    Case("--log.level", "debug", "debug", "error", "error"),
    Case("--log.format", "json", "json", "logfmt", "logfmt"),
)
BY_FLAG = {case.flag: case for case in CASES}
SWITCH = "--metrics.partition-info"
SWITCHES = {
    SWITCH,
    "--burrow.tls.insecure-skip-verify",
    "--metrics.topic-families",
    "--web.enable-lifecycle",
    "--web.systemd-socket",
}
SWITCH_VARIABLE = "BURROW_EXPORTER_METRICS_PARTITION_INFO"

each_flag = pytest.mark.parametrize("case", CASES, ids=BY_FLAG)


def values(*arguments: str) -> dict[str, Any]:
    """Return the values of all flags, by parameter."""
    with command.make_context("burrow-exporter", list(arguments)) as context:
        return context.params


def value(case: Case, *arguments: str) -> Any:
    """Return the value of one flag."""
    return values(*arguments)[case.flag.removeprefix("--").replace(".", "_").replace("-", "_")]


def refusal(*arguments: str) -> str:
    """Return the words in which the flags are refused."""
    with pytest.raises(click.BadParameter) as caught:
        values(*arguments)
    return caught.value.format_message()


def configuration(*arguments: str) -> Config:
    """Return the whole configuration."""
    return build_config(values(*arguments))


def test_every_flag_is_tested() -> None:
    """The table above names every flag there is."""
    assert {*BY_FLAG, *SWITCHES} == {flag.opts[0] for flag in FLAGS}


def test_variables_follow_one_rule() -> None:
    """An environment variable is called BURROW_EXPORTER_ and the flag in capitals, with _ for . and -."""
    variables = {case.flag: case.variable for case in CASES} | {SWITCH: SWITCH_VARIABLE}
    assert variables == {flag.opts[0]: flag.envvar for flag in FLAGS if flag.opts[0] in variables}


@each_flag
def test_flag(case: Case) -> None:
    """A flag has the value it is given, whether after a space or an equals sign."""
    assert case.value == value(case, case.flag, case.text)
    assert case.other_value == value(case, f"{case.flag}={case.other}")


@each_flag
def test_variable(case: Case, monkeypatch: pytest.MonkeyPatch) -> None:
    """An environment variable has the same meaning as its flag."""
    for text, expected in ((case.text, case.value), (case.other, case.other_value)):
        monkeypatch.setenv(case.variable, text)
        assert expected == value(case)


@each_flag
def test_flag_beats_variable(case: Case, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where both are given the flag counts, and of the environment variable nothing is left."""
    monkeypatch.setenv(case.variable, case.other)
    assert case.value == value(case, case.flag, case.text)


@each_flag
def test_empty_variable(case: Case, monkeypatch: pytest.MonkeyPatch) -> None:
    """An empty variable is as good as none, as compose files set it; a repeatable flag's means none of them.

    There is no Burrow, and no exporter, without an address.
    """
    repeatable = isinstance(case.value, tuple) and case.flag not in {"--burrow.address", "--web.listen-address"}
    expected = () if repeatable else value(case)
    monkeypatch.setenv(case.variable, "")
    assert expected == value(case)


@each_flag
def test_given_twice(case: Case) -> None:
    """Given twice, a repeatable flag has both values, any other the last."""
    expected = (*case.value, *case.other_value) if isinstance(case.value, tuple) else case.other_value
    assert expected == value(case, case.flag, case.text, case.flag, case.other)


@pytest.mark.parametrize("case", [case for case in CASES if case.alone], ids=lambda case: case.flag)
def test_whole_configuration(case: Case) -> None:
    """Every value that is accepted alone makes a configuration of its own; the demo's are no part of any."""
    assert case.flag.startswith("--demo.") == (configuration() == configuration(case.flag, case.text))


@pytest.mark.parametrize("case", [case for case in CASES if isinstance(case.value, tuple)], ids=lambda case: case.flag)
def test_variable_of_several_values(case: Case, monkeypatch: pytest.MonkeyPatch) -> None:
    """In the environment variable of a repeatable flag any white space separates."""
    monkeypatch.setenv(case.variable, f"  {case.text}\n\t{case.other} {case.text}\n")
    assert (*case.value, *case.other_value, *case.value) == value(case)


def test_switch(monkeypatch: pytest.MonkeyPatch) -> None:
    """A flag without a value is off, on when given, and its environment variable is any of the usual words."""
    assert configuration().metrics.partition_info is False
    assert configuration(SWITCH).metrics.partition_info is True
    for text, expected in {
        "1": True,
        "true": True,
        "YES": True,
        "on": True,
        "0": False,
        "no": False,
        "": False,
    }.items():
        monkeypatch.setenv(SWITCH_VARIABLE, text)
        assert expected is configuration().metrics.partition_info, text
    assert configuration(SWITCH).metrics.partition_info is True


@pytest.mark.parametrize("switch", sorted(SWITCHES))
def test_opposite_of_a_switch(switch: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """A flag without a value has an opposite, which beats the variable; of both on the command line the last counts."""
    flag = next(flag for flag in FLAGS if flag.flag == switch)
    opposite = switch.replace("--", "--no-", 1)
    monkeypatch.setenv(flag.variable, "1")
    assert [True, False, False, True] == [
        values(*arguments)[flag.parameter] for arguments in ([], [opposite], [switch, opposite], [opposite, switch])
    ]


def test_opposite_beats_the_file(tmp_path: Path) -> None:
    """What the file turns on the opposite of a flag turns off."""
    file = tmp_path / "burrow.yaml"
    file.write_text("burrows: [{}]\nmetrics: {partition_info: true}\n", encoding="utf-8")
    named = f"--config.file={file}"
    assert configuration(named).metrics.partition_info is True
    assert configuration(named, "--no-metrics.partition-info").metrics.partition_info is False


@pytest.mark.parametrize("case", [case for case in CASES if case.text.isalpha()], ids=lambda case: case.flag)
def test_a_byte_astray(case: Case, capfd: pytest.CaptureFixture[str]) -> None:
    """A text that is not UTF-8 is refused in one line that names the flag, whichever it is."""
    assert 2 == main(["check", f"{case.flag}={case.text}\udcff"])
    (line,) = capfd.readouterr().err.splitlines()
    assert line.startswith("burrow-exporter: ")
    assert case.flag in line or case.flag == "--config.file"


def test_unknown_variable(monkeypatch: pytest.MonkeyPatch) -> None:
    """Variables of that prefix that belong to no flag do nothing: Kubernetes sets some for a service of that name."""
    expected = configuration()
    for name in ("PORT", "SERVICE_HOST", "PORT_9254_TCP", "WORD", "HELP", "VERSION", "BURROW", "POLL"):
        monkeypatch.setenv(f"BURROW_EXPORTER_{name}", "tcp://10.0.0.1:9254")
    assert expected == configuration()


def test_defaults() -> None:
    """Without flags and environment variables the configuration is the default one."""
    assert Config() == configuration()


def test_poll_defaults_follow_the_interval() -> None:
    """The deadline is the interval and the stale time three of them, unless they are given."""
    poll = configuration("--poll.interval", "1m").poll
    assert (60, 60, 180) == (poll.interval, poll.deadline, poll.stale_after)
    poll = configuration("--poll.interval", "1m", "--poll.deadline", "30s", "--poll.stale-after", "1m").poll
    assert (60, 30, 60) == (poll.interval, poll.deadline, poll.stale_after)


def test_an_explicit_zero_is_no_default() -> None:
    """A deadline of 0 is refused and not taken for none."""
    with pytest.raises(ValueError, match=r"--poll\.deadline"):
        configuration("--poll.deadline", "0")
    assert 0.0 == configuration("--filter.max-commit-age", "0").burrows[0].filters.max_commit_age


@pytest.mark.parametrize(
    ("expected", "arguments"),
    [
        (Filters(), []),
        (Filters(topic=TopicFilter.of()), ["--filter.topic-exclude="]),
        (Filters(topic=TopicFilter.of(exclude=["x"])), ["--filter.topic-exclude=x"]),
        (Filters(topic=TopicFilter.of(exclude=["x"])), ["--filter.topic-exclude=x", "--filter.topic-exclude="]),
        (Filters(topic=TopicFilter.of(["y"], ["__consumer_offsets"])), ["--filter.topic-include=y"]),
        (
            Filters(group=Filter.of(["a", "b"], ["c"])),
            ["--filter.group-include=a", "--filter.group-include=b", "--filter.group-exclude=c"],
        ),
        (Filters(cluster=Filter.of(["a"])), ["--filter.cluster-include=a"]),
        (Filters(max_commit_age=3600.0), ["--filter.max-commit-age=1h"]),
    ],
)
def test_filters(expected: Filters, arguments: list[str]) -> None:
    """A filter that is given replaces its default, an empty value means none, and each goes to its own subject."""
    assert expected == configuration(*arguments).burrows[0].filters


@pytest.mark.parametrize(
    ("flag", "text"),
    [
        ("--burrow.timeout", "10"),
        ("--burrow.timeout", "-1s"),
        ("--burrow.timeout", "10 s"),
        ("--burrow.concurrency", "0"),
        ("--burrow.concurrency", "257"),
        ("--burrow.concurrency", "many"),
        ("--burrow.max-groups", "0"),
        ("--burrow.max-partitions", "0"),
        ("--burrow.catch-up-lag", "-1"),
        ("--burrow.catch-up-timeout", "soon"),
        ("--poll.interval", "15"),
        ("--poll.deadline", "x"),
        ("--poll.stale-after", "1h1h"),
        *((f"--filter.{name}", "(") for name in ("cluster-include", "group-include", "topic-include")),
        *((f"--filter.{name}", "a)") for name in ("cluster-exclude", "group-exclude", "topic-exclude")),
        ("--filter.max-commit-age", "1month"),
        ("--demo.groups", "11"),
        ("--demo.partitions", "0"),
        ("--demo.seed", "x"),
        ("--log.level", "loud"),
        ("--log.format", "xml"),
    ],
)
def test_what_is_refused(flag: str, text: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """A value that is none is refused on the command line and in the variable alike, in words that name the flag."""
    assert f"Invalid value for '{flag}': " in refusal(flag, text)
    monkeypatch.setenv(BY_FLAG[flag].variable, f"good {text}" if flag.startswith("--filter.group") else text)
    assert f"Invalid value for '{flag}': " in refusal()


def test_explanations() -> None:
    """Every flag says what it is for, and shows its default where it has one."""
    context = click.Context(command)
    for flag in FLAGS:
        record = flag.get_help_record(context)
        assert record
        assert flag.help, flag.opts
        assert flag.is_flag or flag.section == "demo" or "default: " in record[1], flag.opts


def test_section() -> None:
    """The values of one section come without its name."""
    assert {"a": 1, "b_c": 2} == section("x", {"x_a": 1, "x_b_c": 2, "xy_d": 3, "y_x_e": 4})


def test_flag_names() -> None:
    """A flag knows its section and its parameter."""
    flag = Flag("--some-part.one-thing", "Text.")
    assert ("some-part", "some_part_one_thing") == (flag.section, flag.name)
