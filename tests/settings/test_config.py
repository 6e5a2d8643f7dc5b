"""The configuration: rejected values, error messages, and filters."""

from __future__ import annotations

import re
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from burrow_exporter.settings.config import (
    BurrowConfig,
    Config,
    Filter,
    Filters,
    MetricsConfig,
    PollConfig,
    WebConfig,
)
from burrow_exporter.settings.validation import ConfigError
from burrow_exporter.settings.value_types import DURATION_UNITS, parse_duration


def test_defaults() -> None:
    """Without a word, it is Burrow on this machine every 15 s, as the contract says."""
    config = Config()
    (burrow,) = config.burrows
    assert (("http://localhost:8000",), "default") == (burrow.addresses, burrow.name)
    assert (10, 4, 1000, 300) == (burrow.timeout, burrow.concurrency, burrow.catch_up_lag, burrow.catch_up_timeout)
    assert (15, 15, 45) == (config.poll.interval, config.poll.deadline, config.poll.stale_after)
    assert ((":9254",), "/metrics") == (config.web.listen_addresses, config.web.telemetry_path)
    assert (frozenset(), False) == (config.metrics.disable, config.metrics.partition_info)


def test_frozen() -> None:
    """A configuration that was found valid stays so."""
    with pytest.raises(AttributeError, match="immutable"):
        Config().poll.interval = 1  # type: ignore[misc] # just what must not work


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0, "0"),
        (0, "0s"),
        (15, "15s"),
        (90, "1m30s"),
        (0.25, "250ms"),
        (1.5, "1s500ms"),
        (60, "60s"),
        (3600, "1h"),
        (86400, "1d"),
        (604800, "1w"),
        (31536000, "1y"),
        (31536000 + 2 * 604800 + 3 * 86400 + 4 * 3600 + 5 * 60 + 6 + 0.007, "1y2w3d4h5m6s7ms"),
        (7, "007s"),
    ],
)
def test_durations(seconds: float, text: str) -> None:
    """Durations are read as Prometheus reads them."""
    assert seconds == pytest.approx(parse_duration(text))


@pytest.mark.parametrize(
    "text",
    [
        "",
        " ",
        "1",
        "15",
        "s",
        "-1s",
        "+1s",
        "1.5s",
        "1e3s",
        "15 s",
        " 15s",
        "15s ",
        "15s\n",
        "15S",
        "1s1m",
        "1s1s",
        "1m30",
        "1us",
        "1h-1m",
        "00",
        "\u0663s",
        "\uff11s",
        "15sec",
        "1M",
        "inf",
        "nan",
        "9" * 500 + "y",
    ],
)
def test_what_is_no_duration(text: str) -> None:
    """Whatever Prometheus refuses is refused in words that quote it."""
    with pytest.raises(ValueError, match=f"^{re.escape(repr(text))} is not a duration"):
        parse_duration(text)


@pytest.mark.parametrize("text", ["293y", "106752d", "9" * 18 + "y"])
def test_durations_out_of_range(text: str) -> None:
    """No duration is longer than Prometheus' longest, about 292 years: no clock here could wait for it."""
    with pytest.raises(ValueError, match=f"^'{text}' is out of range"):
        parse_duration(text)


@given(st.lists(st.integers(0, 40), min_size=7, max_size=7))
def test_every_duration(numbers: list[int]) -> None:
    """A duration is the sum of its parts, whichever are there."""
    parts = [(number, unit) for number, unit in zip(numbers, reversed(DURATION_UNITS), strict=True) if number]
    text = "".join(f"{number}{unit}" for number, unit in parts) or "0"
    assert sum(number * DURATION_UNITS[unit] for number, unit in parts) == pytest.approx(parse_duration(text))


@pytest.mark.parametrize(
    ("admitted", "include", "exclude"),
    [
        ("a ab b", [], []),
        ("a", ["a"], []),
        ("a ab", ["a.*"], []),
        ("a ab b", ["a", "ab?", "b"], []),
        ("ab b", [], ["a"]),
        ("b", [], ["a.*"]),
        ("ab", ["a.*"], ["a"]),
        ("", ["a"], ["a"]),
        ("a ab b", [""], [""]),
        ("a", ["", "a"], ["", "b"]),
        ("a b", ["a|b"], []),
        ("ab", [], ["a|b"]),
        ("", ["A"], []),
        ("a ab", ["(?i)A.*"], []),
    ],
)
def test_filter(admitted: str, include: list[str], exclude: list[str]) -> None:
    """A name passes that some include matches as a whole, or where there is none, and that no exclude matches."""
    assert admitted.split() == list(filter(Filter.of(include, exclude).admits, ["a", "ab", "b"]))


def test_filter_of_a_line_break() -> None:
    """The whole name is compared, a line break at its end included."""
    assert not Filter.of(["a"]).admits("a\n")


def test_internal_topic() -> None:
    """Kafka's own topic is left out unless asked for."""
    assert not Filters().topic.admits("__consumer_offsets")
    assert Filters().topic.admits("__consumer_offsets_copy")


@pytest.mark.parametrize(
    "address",
    [
        "http://burrow:8000",
        "http://burrow",
        "https://burrow.example.com/",
        "http://burrow_1:8000/team/burrow/",
        "http://10.0.0.7:65535",
        "http://[::1]:8000",
        "http://[fe80::1%eth0]:8000",
        "http://burrow.:8000",
        f"http://{'a' * 63}.{'b' * 63}",
        "http://bücher.example",
    ],
)
def test_addresses(address: str) -> None:
    """An address is a base URL, with a port and a path or without."""
    assert (address,) == BurrowConfig(addresses=(address,)).addresses


@pytest.mark.parametrize(
    "address",
    [
        "",
        "burrow:8000",
        "//burrow:8000",
        "ftp://burrow:8000",
        "http://",
        "http:///path",
        "http://:8000",
        "http://burrow:0",
        "http://burrow:65536",
        "http://burrow:99999999999",
        "http://burrow:port",
        "http://bur row:8000",
        "http://burrow:8000 ",
        " http://burrow:8000",
        "http://burrow:8000\n",
        "http://burrow:8000\nhttp://other:8000",
        "http://burrow:8000/a b",
        "http://burrow:8000/\0",
        "http://[::1:8000",
        "http://::1:8000",
        "http://burrow:8000?x=1",
        "http://burrow:8000/?",
        "http://burrow:8000/#x",
        "http://user:secret",
        "http://user:secret/",
        "http://burrow:8000/?token=secret",
        "secret",
        "http://a..b:8000",
        "http://.burrow",
        f"http://{'a' * 64}:8000",
    ],
)
def test_what_is_no_address(address: str) -> None:
    """Whatever no request could be sent to is refused, with the key and what is allowed, and is not repeated."""
    with pytest.raises(ConfigError) as caught:
        BurrowConfig(addresses=("http://burrow:8000", address))
    allowed = {"must be a URL such as http://burrow:8000", "must not contain ? or #"}
    assert ("addresses[1]", True) == (caught.value.key, caught.value.message in allowed)


@pytest.mark.parametrize(
    "address",
    [
        "http://user:secret@burrow:8000",
        "http://secret@burrow",
        "http://user:se/secret@burrow",
        "http://u:#secret@burrow",
        "http://u:?secret@burrow",
        "ftp://user:secret@burrow",
        "http://user:secret@",
    ],
)
def test_credentials(address: str) -> None:
    """Credentials in an address are refused, and not repeated."""
    with pytest.raises(ConfigError, match="credentials") as caught:
        BurrowConfig(addresses=(address,))
    assert "secret" not in str(caught.value)


@pytest.mark.parametrize(
    ("key", "make", "values"),
    [
        ("timeout", BurrowConfig, {"timeout": 0}),
        ("interval", PollConfig, {"interval": 0.999, "deadline": 0.5}),
        ("deadline", PollConfig, {"deadline": 0}),
        ("deadline", PollConfig, {"interval": 15, "deadline": 15.1}),
        ("stale_after", PollConfig, {"interval": 15, "stale_after": 14.9}),
        ("disable", MetricsConfig, {"disable": frozenset({"burrow_kafka_nothing"})}),
        ("disable", MetricsConfig, {"disable": frozenset({"burrow_exporter_burrow_up"})}),
        ("telemetry_path", WebConfig, {"telemetry_path": ""}),
        ("telemetry_path", WebConfig, {"telemetry_path": "metrics"}),
        ("telemetry_path", WebConfig, {"telemetry_path": "/-/healthy"}),
        ("telemetry_path", WebConfig, {"telemetry_path": "/-/metrics"}),
        ("telemetry_path", WebConfig, {"telemetry_path": "/metrics?x"}),
        ("telemetry_path", WebConfig, {"telemetry_path": "/a b"}),
        ("telemetry_path", WebConfig, {"telemetry_path": "/metrics\n"}),
        ("telemetry_path", WebConfig, {"telemetry_path": "/%41"}),
        ("telemetry_path", WebConfig, {"telemetry_path": "/mëtrics"}),
    ],
)
def test_what_cannot_work(key: str, make: Any, values: dict[str, Any]) -> None:
    """A value that cannot work is refused in one line that begins with its key."""
    with pytest.raises(ConfigError, match=f"^{key}: ") as caught:
        make(**values)
    assert 1 == len(str(caught.value).splitlines())


@pytest.mark.parametrize("path", ["/", "/metrics", "/a/b", "/burrow-exporter/v1.0_~"])
def test_telemetry_paths(path: str) -> None:
    """Any plain path will do for the metrics."""
    assert path == WebConfig(telemetry_path=path).telemetry_path
