"""The configuration file: its contents, errors, and precedence of flags."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest
import trustme
import yaml
from hypothesis import given
from hypothesis import strategies as st

from burrow_exporter.cli import command, main
from burrow_exporter.settings.config import BurrowConfig, Config, Filter, TopicFilter
from burrow_exporter.settings.flags import FLAGS
from burrow_exporter.settings.precedence import build_config, put
from burrow_exporter.settings.reader import read_document
from burrow_exporter.settings.validation import ConfigError
from tests import ROOT

EXAMPLE = ROOT / "config.example.yaml"
POLICY_EXAMPLE = ROOT / "policy.example.yaml"
SCHEMA = ROOT / "burrow_exporter" / "config.schema.json"
VALUES: st.SearchStrategy[Any] = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text() | st.dates() | st.binary(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text() | st.integers(), inner),
)
"""Whatever YAML may hold."""
BURROW = "burrows: [{name: a}]\n"


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """Return where a configuration file may be written."""
    return tmp_path / "burrow.yaml"


def load(file: Path, text: str, *arguments: str) -> Config:
    """Return the configuration of a file of this text, with flags beside it."""
    file.write_text(text, encoding="utf-8")
    with command.make_context("burrow-exporter", [f"--config.file={file}", *arguments]) as context:
        return build_config(context.params)


def refusal(file: Path, text: str, *arguments: str) -> str:
    """Return the words in which a file is refused, without its name, after a look that they are one line."""
    with pytest.raises(ConfigError) as caught:
        load(file, text, *arguments)
    (line,) = str(caught.value).splitlines()
    assert line.startswith(f"{file}: "), line
    return line.removeprefix(f"{file}: ")


def test_example() -> None:
    """The example loads unchanged, and the defaults it shows are the real ones."""
    with command.make_context("burrow-exporter", [f"--config.file={EXAMPLE}"]) as context:
        config = build_config(context.params)
    default, other = config.burrows
    assert Config() == Config(
        burrows=(default,), **{name: getattr(config, name) for name in config.__struct_fields__[1:]}
    )
    assert ("eu", 2, {"region": "eu"}) == (other.name, len(other.addresses), other.labels)


def test_example_is_whole() -> None:
    """Every key is in the example or in that of the policy, at least in a comment."""
    text = EXAMPLE.read_text(encoding="utf-8") + POLICY_EXAMPLE.read_text(encoding="utf-8")
    keys = {key for section in json.loads(SCHEMA.read_text())["$defs"].values() for key in section["properties"]}
    assert set() == {key for key in keys if not re.search(rf"\b{key}:", text)}


def test_whole_file(file: Path) -> None:
    """Each key has its effect."""
    text = """
burrows:
  - name: a
    addresses: [http://one:8000, http://two:8000]
    labels: {region: eu}
    filters:
      group: {include: [a.*, ""], exclude: [ab]}
      topic: {include: [t]}
      max_commit_age: 1d
    timeout: 1m30s
    concurrency: 8
    catch_up_lag: 0
    catch_up_timeout: 0
  - name: b
poll: {interval: 1m}
metrics: {disable: [burrow_kafka_consumer_lag_max], partition_info: true, max_series: 7}
web: {listen_addresses: ["127.0.0.1:1"], systemd_socket: true, telemetry_path: /m, enable_lifecycle: true}
shard: {index: 1, total: 2}
log: {level: debug, format: json}
"""
    config = load(file, text)
    a, b = config.burrows
    assert ("a", ("http://one:8000", "http://two:8000"), {"region": "eu"}) == (a.name, a.addresses, a.labels)
    assert (90, 8, 0, 0) == (a.timeout, a.concurrency, a.catch_up_lag, a.catch_up_timeout)
    assert Filter.of(["a.*"], ["ab"]) == a.filters.group
    assert TopicFilter.of(["t"], ["__consumer_offsets"]) == a.filters.topic
    assert 86400 == a.filters.max_commit_age
    assert BurrowConfig(name="b") == b
    assert (60, 60, 180) == (config.poll.interval, config.poll.deadline, config.poll.stale_after)
    assert (frozenset({"burrow_kafka_consumer_lag_max"}), True, 7) == (
        config.metrics.disable,
        config.metrics.partition_info,
        config.metrics.max_series,
    )
    assert (("127.0.0.1:1",), True, "/m", True) == (
        config.web.listen_addresses,
        config.web.systemd_socket,
        config.web.telemetry_path,
        config.web.enable_lifecycle,
    )
    assert (1, 2, "debug", "json") == (config.shard.index, config.shard.total, config.log.level, config.log.format)


@pytest.mark.parametrize(
    ("expected", "text"),
    [
        ("must be a mapping with the key burrows", ""),
        ("must be a mapping with the key burrows", "[]"),
        ("must be a mapping with the key burrows", "poll: {}"),
        ("burrows: must be a list of length >= 1", "burrows: []"),
        ("burrows: must be a list, not null", "burrows:"),
        ("burrows[0]: must be a mapping, not a string", "burrows: [a]"),
        ("pol: unknown key; allowed keys: burrows, poll, metrics, web, shard, log", BURROW + "pol: {}"),
        (
            "poll.intervall: unknown key; allowed keys: interval, deadline, stale_after",  # codespell:ignore
            BURROW + "poll: {intervall: 1s}",  # codespell:ignore
        ),
        (
            "burrows[0].tls.ca: unknown key; allowed keys: ca_file, cert_file, key_file, insecure_skip_verify",
            "burrows: [{tls: {ca: x}}]",
        ),
        ("burrows[0].proxy_url: must not contain credentials", "burrows: [{proxy_url: 'http://u:secret@a'}]"),
        ("burrows[0].proxy_url: must be a URL such as", "burrows: [{proxy_url: 'proxy:3128'}]"),
        (
            "burrows[0].proxy_url: must be an http URL without a path, such as http://proxy:3128",
            "burrows: [{proxy_url: 'https://proxy:3128'}]",
        ),
        (
            "burrows[0].proxy_url: must be an http URL without a path, such as http://proxy:3128",
            "burrows: [{proxy_url: 'http://proxy/secret'}]",
        ),
        ("burrows[0].filters.topic.includes: unknown key", "burrows: [{filters: {topic: {includes: [x]}}}]"),
        ("poll: must be a mapping, not null", BURROW + "poll:"),
        ("poll.interval: must be a duration such as 15s, not an integer", BURROW + "poll: {interval: 15}"),
        ("poll.interval: must be a duration such as 15s, not a boolean", BURROW + "poll: {interval: false}"),
        ("poll.interval: '15 s' is not a duration such as 15s or 1m30s", BURROW + "poll: {interval: 15 s}"),
        ("poll.interval: must be at least 1s", BURROW + "poll: {interval: 1ms}"),
        ("poll.deadline: must be greater than 0 and at most the interval", BURROW + "poll: {deadline: 16s}"),
        ("poll.deadline: must be a duration such as 15s, not null", BURROW + "poll: {deadline: }"),
        ("log.level: must be one of debug, error, info, warning", BURROW + "log: {level: loud}"),
        ("shard.index: must be less than the total", BURROW + "shard: {index: 2, total: 2}"),
        ("metrics.disable: unknown metric family: x", BURROW + "metrics: {disable: [x]}"),
        ("metrics.partition_info: must be a boolean, not a string", BURROW + "metrics: {partition_info: maybe}"),
        ("burrows[0].concurrency: must be an integer <= 256", "burrows: [{concurrency: 257}]"),
        ("burrows[0].concurrency: must be an integer, not a string", "burrows: [{concurrency: '4'}]"),
        ("burrows[0].timeout: must be greater than 0", "burrows: [{timeout: 0}]"),
        ("burrows[0].name: must be a string of length >= 1", "burrows: [{name: ''}]"),
        ("burrows[0].name: must be a string, not an integer", "burrows: [{name: 1}]"),
        ("burrows[1].name: 'a' is a duplicate; names must be unique", "burrows: [{name: a}, {name: a}]"),
        ("burrows[1].name: 'default' is a duplicate; names must be unique", "burrows: [{}, {}]"),
        ("burrows[0].addresses: must be a list, not a string", "burrows: [{addresses: 'http://a'}]"),
        ("burrows[0].addresses[1]: must be a URL such as", "burrows: [{addresses: ['http://a', a]}]"),
        ("burrows[0].addresses[0]: must not contain credentials", "burrows: [{addresses: ['http://u:secret@a']}]"),
        (
            "burrows[0].filters.group.include[1]: '(' is not a valid regular",
            "burrows: [{filters: {group: {include: [a, (]}}}]",
        ),
        ("burrows[0].labels.topic: is used by the exporter", "burrows: [{labels: {topic: x}}]"),
        ("burrows[0].labels.client_id: is used by the exporter", "burrows: [{labels: {client_id: x}}]"),
        ("burrows[0].labels.a-b: not a valid label name", "burrows: [{labels: {a-b: x}}]"),
        ("burrows[0].labels.__x: not a valid label name", "burrows: [{labels: {__x: x}}]"),
        ("burrows[0].labels.ä: not a valid label name", "burrows: [{labels: {ä: x}}]"),
        ("burrows[0].labels.a: must not be empty", "burrows: [{labels: {a: ''}}]"),
        ("burrows[0].labels[...]: must be a string, not an integer", "burrows: [{labels: {a: 1}}]"),
        ("burrows[0].password: cannot be used with password_file", "burrows: [{password: secret, password_file: p}]"),
        ("burrows[0].password: must be a string, not an integer", "burrows: [{username: a, password: 12345678}]"),
        ("burrows[0].username: must be set if a password is set", "burrows: [{password: secret}]"),
        ("burrows[0].username: must not contain a colon", "burrows: [{username: 'a:b', password: secret}]"),
        ("burrows[0].password_file: must be set (or password) if username is set", "burrows: [{username: a}]"),
        ("burrows[0].password_file: cannot read ", "burrows: [{username: a, password_file: nothing}]"),
        ("burrows[0].password_file: cannot read ", "burrows: [{username: a, password_file: .}]"),
        ("burrows[0].password_file: ", "burrows: [{username: a, password_file: empty}]"),
        ("burrows[0].tls.ca_file: cannot read ", "burrows: [{tls: {ca_file: nothing}}]"),
        ("burrows[0].tls.ca_file: ", "burrows: [{tls: {ca_file: p}}]"),
        ("burrows[0].tls.key_file: must be set together with cert_file", "burrows: [{tls: {cert_file: p}}]"),
        ("burrows[0].tls.cert_file: must be set together with key_file", "burrows: [{tls: {key_file: p}}]"),
        ("burrows[0].tls.key_file: ", "burrows: [{tls: {cert_file: p, key_file: p}}]"),
        ("burrows[0].username: is not valid UTF-8", 'burrows: [{username: "\\ud800", password: secret}]'),
        ("burrows[0].password: is not valid UTF-8", 'burrows: [{username: a, password: "secret\\udfff"}]'),
        ("burrows[0].addresses[0]: is not valid UTF-8", 'burrows: [{addresses: ["http://a/\\ud800"]}]'),
        ("burrows[0].labels[...]: is not valid UTF-8", 'burrows: [{labels: {a: "\\ud800"}}]'),
        ("burrows[0].labels: is not valid UTF-8", 'burrows: [{labels: {"\\ud800": a}}]'),
        ("the document: is not valid UTF-8", BURROW + '"\\ud800": 1'),
        ("is not valid YAML: found a duplicate key in line 2, column 1", BURROW + BURROW),
        ("is not valid YAML: found a duplicate key in line 1, column 21", "burrows: [{name: a, name: b}]"),
        ("is not valid YAML: expected the node content in line 1, column 11", "burrows: ["),
        ("is not valid YAML: expected ',' or ']' in line 1, column 25", "burrows: [{password: x} secret]"),
        ("is not valid YAML: ", "\0"),
        ("is not valid YAML: ", "a: 0001-99-99"),
        ("is not valid YAML: ", "[" * 5000),
        ("is not valid YAML: ", "burrows: [{password: !secret}]"),
        ("is not valid YAML: ", "burrows: [{password: *secret}]"),
        ("is not valid YAML: ", "burrows: [{password: `secret}]"),
        ("is not valid YAML: ", 'burrows: [{password: "secret\\q"}]'),
    ],
)
def test_what_is_refused(file: Path, expected: str, text: str) -> None:
    """An error is one line with the file, the path of the key, and what is allowed; never a secret."""
    (file.parent / "p").write_text("secret")
    (file.parent / "empty").write_text("\n")
    line = refusal(file, text)
    assert line.startswith(expected)
    assert "secret" not in line
    assert "12345678" not in line


@given(key=st.sampled_from([flag.key for flag in FLAGS if flag.key]), value=VALUES)
def test_whatever_stands_at_a_key(key: str, value: Any) -> None:
    """The result is a configuration, or an error that names the section."""
    document: dict[str, Any] = {}
    put(document, key, value)
    try:
        assert isinstance(read_document(Config, document, Path("/nowhere")), Config)
    except ConfigError as error:
        assert error.key.startswith(key.partition(".")[0])  # noqa: PT017  either will do


def test_a_list_that_holds_itself(file: Path) -> None:
    """A document without an end is refused like any other."""
    assert "the document: contains itself" == refusal(file, "burrows: &a [*a]")


def test_too_many_values(file: Path) -> None:
    """Counted as they are written, as aliases repeat them, and as merges do."""
    many = "is not valid YAML: found more than 100000 values in line 1, column "
    assert many in refusal(file, f"burrows: [{'x, ' * 100_000}]")
    nine = "[*a, *a, *a, *a, *a, *a, *a, *a, *a, *a]"
    bomb = f"a: &a [x]\nb: &b {nine}\nc: &c {nine.replace('*a', '*b')}\n"
    for before, name in ("cd", "de", "ef"):
        bomb += f"{name}: &{name} {nine.replace('*a', '*' + before)}\n"
    assert "the document: holds more than 100000 values, including aliases" in refusal(file, f"{bomb}burrows: *f")


def test_files_that_cannot_be_read(file: Path) -> None:
    """A file that is not there, is a folder, or holds no text is said to be so: exit 2."""
    with pytest.raises(ConfigError, match=r"burrow\.yaml: cannot be read: No such file"):
        build_config(command.make_context("", [f"--config.file={file}"]).params)
    file.write_bytes(b"\xff")
    with pytest.raises(ConfigError, match=r"burrow\.yaml: is not valid UTF-8"):
        build_config(command.make_context("", [f"--config.file={file}"]).params)
    assert 2 == main(["check", f"--config.file={file.parent}"])


def test_nothing_is_expanded(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A dollar sign is a dollar sign."""
    monkeypatch.setenv("HOME", "/x")
    assert "${HOME}" == load(file, "burrows: [{name: '${HOME}'}]").burrows[0].name


def test_files_count_from_the_folder_of_the_file(file: Path) -> None:
    """A path is relative to the file that holds it, and a password loses its line break, no more."""
    (file.parent / "p").write_text(" secret \r\n")
    (burrow,) = load(file, "burrows: [{username: a, password_file: p}]").burrows
    assert ("a", " secret ") == burrow.credentials()


def test_certificates_are_read(file: Path) -> None:
    """Authorities, certificate and key are looked at when the configuration is read."""
    authority = trustme.CA()
    leaf = authority.issue_cert("exporter")
    authority.cert_pem.write_to_path(str(file.parent / "ca"))
    leaf.cert_chain_pems[0].write_to_path(str(file.parent / "cert"))
    leaf.private_key_pem.write_to_path(str(file.parent / "key"))
    (burrow,) = load(file, "burrows: [{tls: {ca_file: ca, cert_file: cert, key_file: key}}]").burrows
    read = (burrow.tls.ca_file, burrow.tls.cert_file, burrow.tls.key_file)
    assert [each.path.read_bytes() for each in read if each] == [each.content for each in read if each]
    assert ["ca", "cert", "key"] == [each.path.name for each in read if each]
    trustme.CA().issue_cert("exporter").private_key_pem.write_to_path(str(file.parent / "key"))
    line = refusal(file, "burrows: [{tls: {cert_file: cert, key_file: key}}]")
    assert line.startswith("burrows[0].tls.key_file: ")


def test_secrets_are_not_shown(file: Path) -> None:
    """A configuration can be printed."""
    (file.parent / "p").write_text("hunter2")
    text = "burrows: [{username: a, password: hunter2}, {name: b, username: a, password_file: p}]"
    assert "hunter2" not in repr(load(file, text))


@pytest.mark.parametrize(
    "flag", [flag for flag in FLAGS if flag.key.startswith("burrows.")], ids=lambda flag: flag.flag
)
def test_flags_of_a_burrow_beside_the_file(
    file: Path, flag: Any, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    """What belongs in the file is an error beside it, on the command line and in the environment."""
    file.write_text(BURROW)
    value = {"boolean": "1", "duration": "1s", "integer range": "1"}.get(flag.type.name, "x")
    expected = (
        f"burrow-exporter: {flag.flag} ({flag.variable}): cannot be used with --config.file; set it in the file\n"
    )
    arguments = [flag.flag] if flag.is_flag else [flag.flag, value]
    assert (2, expected) == (main(["check", f"--config.file={file}", *arguments]), capfd.readouterr().err)
    monkeypatch.setenv(flag.variable, value)
    assert (2, expected) == (main(["check", f"--config.file={file}"]), capfd.readouterr().err)


def test_flags_beat_the_environment_and_that_beats_the_file(
    file: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    """For the settings of all Burrows the nearest counts; a default beats nothing."""
    text = BURROW + "poll: {interval: 20s, deadline: 12s}"
    assert (20, 12) == (load(file, text).poll.interval, load(file, text).poll.deadline)
    assert 30 == load(file, text, "--poll.interval=30s").poll.interval
    complaint = "burrow-exporter: {}: must be greater than 0 and at most the interval\n"
    monkeypatch.setenv("BURROW_EXPORTER_POLL_INTERVAL", "10s")
    assert (2, complaint.format(f"{file}: poll.deadline")) == (
        main(["healthcheck", f"--config.file={file}"]),
        capfd.readouterr().err,
    )
    arguments = ["healthcheck", f"--config.file={file}", "--poll.interval=11s", "--poll.deadline=12s"]
    assert (2, complaint.format("--poll.deadline")) == (main(arguments), capfd.readouterr().err)


def test_flags_beside_a_section_that_is_none(file: Path) -> None:
    """A section that is no mapping is an error, whatever flags say."""
    assert "poll: must be a mapping, not a list" == refusal(file, BURROW + "poll: []", "--poll.interval=30s")


def test_flags_name_themselves() -> None:
    """Without a file an error bears the name of its flag, also where two flags do not go together."""
    for arguments, flag in (
        (["--burrow.username=a"], "--burrow.password-file"),
        (["--burrow.tls.cert-file=nothing"], "--burrow.tls.cert-file"),
        (["--burrow.address=http://a", "--burrow.address=b"], "--burrow.address"),
        (["--shard.index=1"], "--shard.index"),
    ):
        with command.make_context("", list(arguments)) as context, pytest.raises(ConfigError, match=f"^{flag}: "):
            build_config(context.params)


def test_schema_knows_every_key_of_the_example() -> None:
    """The schema that is shipped describes what the example holds, each key with a sentence."""
    schema = json.loads(SCHEMA.read_text())
    sections = schema["$defs"]

    def check(value: Any, section: dict[str, Any]) -> None:
        assert section["additionalProperties"] is False
        for name, inner in value.items():
            field = section["properties"][name]
            assert field["description"].endswith("."), name
            one, inners = (field["items"], inner) if isinstance(inner, list) else (field, [inner])
            for each in inners:
                if "$ref" in one:
                    check(each, sections[one["$ref"].rpartition("/")[2]])
                elif "pattern" in one:
                    assert re.search(one["pattern"], each)

    check(yaml.safe_load(EXAMPLE.read_text(encoding="utf-8")), sections["Config"])
    assert ["burrows"] == sections["Config"]["required"]


def test_keys_without_a_flag() -> None:
    """What no flag can say: names and labels of Burrows, a password in plain sight, the policy's entries."""
    sections = json.loads(SCHEMA.read_text())["$defs"]

    def paths(section: dict[str, Any], before: str = "") -> set[str]:
        found: set[str] = set()
        for name, field in section["properties"].items():
            inner = field.get("items", field).get("$ref", "").rpartition("/")[2]
            entries = inner.endswith("Entry")
            found |= paths(sections[inner], f"{before}{name}.") if inner and not entries else {before + name}
        return found

    only = {f"burrows.{name}" for name in ("name", "password", "labels")}
    only |= {f"policy.{name}" for name in ("groups", "topics", "clusters")}
    assert only == paths(sections["Config"]) - {flag.key for flag in FLAGS}
