"""The command line: exit codes, errors on one line, help, and the output of ``once`` and ``check``."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from threading import Thread

import pytest
import structlog
from prometheus_client.parser import text_string_to_metric_families

from burrow_exporter import __version__
from burrow_exporter.cli import COULD_NOT_RUN, FINE, main
from burrow_exporter.demo import SimulatedBurrow
from burrow_exporter.metrics.families import FAMILIES
from burrow_exporter.settings.flags import FLAGS
from burrow_exporter.web.health_check import ask_healthy
from tests.support.faults import FaultServer, Step, by_path, in_turn, reply, then_close, then_hang
from tests.support.processes import COMMAND
from tests.support.recorded import BROKEN, STARTING, Recorded, answer, lag_answer, partition, small

Capture = pytest.CaptureFixture[str]
SCRIPT = Path(sys.executable).with_name("burrow-exporter")


@pytest.fixture(autouse=True)
def own_log() -> Iterator[None]:
    """Leave the log as other tests expect it."""
    yield
    structlog.reset_defaults()


@pytest.fixture
def burrow() -> Iterator[SimulatedBurrow]:
    """Return a simulated Burrow."""
    with SimulatedBurrow(groups=12, partitions=2) as simulated:
        yield simulated


def complaint(capfd: Capture, *arguments: str, code: int = 2) -> str:
    """Return the one line on stderr that comes with an exit code, nothing on stdout."""
    assert code == main(list(arguments))
    output = capfd.readouterr()
    assert "" == output.out
    (line,) = output.err.splitlines()
    return line


# What is wrong


@pytest.mark.parametrize(
    ("named", "arguments"),
    [
        ("--nothing", "--nothing"),
        ("--burrow.adress", "--burrow.adress http://a"),  # codespell:ignore
        ("--poll.interval", "--poll.interval"),
        ("word", "word"),
        ("more", "serve more"),
        ("--burrow.address", "--burrow.address burrow:8000"),
        ("--burrow.address", "--burrow.address http://user:secret@burrow:8000"),
        ("--burrow.timeout", "--burrow.timeout 10"),
        ("--burrow.timeout", "--burrow.timeout 0s"),
        ("--burrow.concurrency", "--burrow.concurrency 0"),
        ("--burrow.catch-up-lag", "--burrow.catch-up-lag x"),
        ("--burrow.catch-up-timeout", "--burrow.catch-up-timeout x"),
        ("--poll.interval", "--poll.interval 0s"),
        ("--poll.interval", "--poll.interval 999ms"),
        ("--poll.deadline", "--poll.deadline 16s"),
        ("--poll.deadline", "--poll.deadline 0"),
        ("--poll.stale-after", "--poll.stale-after 14s"),
        ("--filter.cluster-include", "--filter.cluster-include ("),
        ("--filter.group-exclude", "--filter.group-exclude a --filter.group-exclude )"),
        ("--filter.max-commit-age", "--filter.max-commit-age never"),
        ("--metrics.disable", "--metrics.disable burrow_kafka_nothing"),
        ("--metrics.partition-info", "--metrics.partition-info=1"),
        ("--web.listen-address", "--web.listen-address 9254"),
        ("--web.listen-address", "--web.listen-address :65536"),
        ("--web.listen-address", "--web.listen-address ::1:9254"),
        ("--web.listen-address", "demo --web.listen-address 9254"),
        ("--web.listen-address", "healthcheck --web.listen-address 9254"),
        ("--web.listen-address", "healthcheck --web.listen-address :65536"),
        ("--web.telemetry-path", "--web.telemetry-path metrics"),
        ("--web.grafana-url", "--web.grafana-url grafana:3000"),
        ("--web.grafana-url", "--web.grafana-url https://user:secret@grafana"),
        ("--web.alertmanager-url", "--web.alertmanager-url javascript:alert(1)"),
        ("--demo.groups", "demo --demo.groups 1"),
        ("--demo.partitions", "demo --demo.partitions 0"),
        ("--demo.seed", "demo --demo.seed x"),
        ("--demo.listen-address", "demo --demo.listen-address 8000"),
        ("--demo.listen-address", "demo --demo.listen-address :65536"),
        ("--log.level", "--log.level loud"),
        ("--log.format", "--log.format xml"),
    ],
)
def test_wrong_configuration(capfd: Capture, named: str, arguments: str) -> None:
    """Whatever is wrong with the configuration: exit 2 and one line that begins with our name and names the flag."""
    line = complaint(capfd, *arguments.split())
    assert line.startswith("burrow-exporter: ")
    assert named in line
    assert "secret" not in line


@pytest.mark.parametrize("word", ["serve", "once", "check", "demo", "healthcheck"])
def test_wrong_configuration_for_every_word(capfd: Capture, word: str) -> None:
    """No word looks away from a value that cannot work."""
    assert "--poll.deadline" in complaint(capfd, word, "--poll.deadline", "1h")


def test_wrong_variable(capfd: Capture, monkeypatch: pytest.MonkeyPatch) -> None:
    """A wrong value in the environment is as wrong, and the flag is named."""
    monkeypatch.setenv("BURROW_EXPORTER_POLL_INTERVAL", "often")
    assert "'--poll.interval': 'often'" in complaint(capfd)


def test_values_with_line_breaks(capfd: Capture) -> None:
    """A value that holds a line break makes one line all the same."""
    for flag in ("--burrow.address", "--burrow.timeout", "--metrics.disable", "--log.level", "--web.listen-address"):
        assert flag in complaint(capfd, flag, "a\nb"), flag
    complaint(capfd, "a\nb")
    complaint(capfd, "--a\nb")


@pytest.mark.parametrize("word", ["serve", "demo"])
def test_unknown_host(capfd: Capture, word: str) -> None:
    """An address on which it cannot listen: exit 1 and one line that names flag and address."""
    line = complaint(capfd, word, "--web.listen-address", "no-such-host.invalid:0", code=1)
    assert line.startswith("burrow-exporter: --web.listen-address: cannot listen on no-such-host.invalid:0: ")


def test_one_of_several_addresses_taken(capfd: Capture, burrow: SimulatedBurrow) -> None:
    """One address that is taken is enough not to start: exit 1 and one line that names it."""
    taken = burrow.address.removeprefix("http://")
    flags = ("--web.listen-address", "127.0.0.1:0", "--web.listen-address", taken)
    line = complaint(capfd, *flags, code=1)
    assert f"burrow-exporter: --web.listen-address: cannot listen on {taken}: Address already in use" == line


def test_demo_port_taken(capfd: Capture, burrow: SimulatedBurrow) -> None:
    """A port that the simulated Burrow cannot have: exit 1 and one line that names its flag."""
    address = burrow.address.removeprefix("http://")
    line = complaint(capfd, "demo", "--demo.listen-address", address, code=1)
    assert f"burrow-exporter: --demo.listen-address: cannot listen on {address}: Address already in use" == line


# What it says of itself


def test_version(capfd: Capture) -> None:
    """The version is one line on stdout."""
    assert FINE == main(["--version"])
    assert (f"burrow-exporter {__version__}\n", "") == capfd.readouterr()


@pytest.mark.parametrize("flag", ["-h", "--help"])
def test_help(capfd: Capture, flag: str) -> None:
    """The help explains every word and every flag, by section and in the order of the contract."""
    assert FINE == main([flag])
    output = capfd.readouterr()
    assert "" == output.err
    parts = output.out.split("\n\nFlags: ")
    assert all(word in parts[0] for word in ("serve", "demo", "once", "check", "healthcheck", "BURROW_EXPORTER_"))
    names = [part.partition(":")[0] for part in parts[1:]]
    assert [
        "burrow",
        "poll",
        "filter",
        "metrics",
        "web",
        "shard",
        "config",
        "policy",
        "demo",
        "log",
        "general",
    ] == names
    sections = dict(zip(names, parts[1:], strict=True))
    written = {option: option.flag.replace("--", "--[no-]" if option.is_flag else "--") for option in FLAGS}
    assert all(f"\n  {flag} " in sections[option.section].replace("\n", " \n") for option, flag in written.items())
    assert ["  --version   Show the version and exit.", "  -h, --help  Show this message and exit."] == [
        line for line in sections["general"].splitlines()[1:] if line
    ]
    assert max(map(len, output.out.splitlines())) <= 120


def test_help_does_not_look_at_the_rest(capfd: Capture, monkeypatch: pytest.MonkeyPatch) -> None:
    """Help is there for whoever has a wrong value."""
    monkeypatch.setenv("BURROW_EXPORTER_POLL_INTERVAL", "often")
    assert FINE == main(["--poll.interval", "never", "--help"])
    assert "Usage" in capfd.readouterr().out


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_completion_script(shell: str) -> None:
    """The installed command gives the completion for a shell."""
    environment = os.environ | {"_BURROW_EXPORTER_COMPLETE": f"{shell}_source"}
    done = subprocess.run([SCRIPT], env=environment, capture_output=True, text=True, timeout=20, check=True)
    assert "_BURROW_EXPORTER_COMPLETE" in done.stdout
    assert "burrow-exporter" in done.stdout


@pytest.mark.parametrize(
    ("expected", "line", "place"),
    [
        ({"serve", "demo", "once", "check", "healthcheck"}, "burrow-exporter ", 1),
        ({"check"}, "burrow-exporter ch", 1),
        ({"--poll.interval", "--poll.deadline", "--poll.stale-after"}, "burrow-exporter --poll.", 1),
        ({"debug", "info", "warning", "error"}, "burrow-exporter --log.level ", 2),
    ],
)
def test_completion(expected: set[str], line: str, place: int) -> None:
    """The words, the flags and their choices complete."""
    variables = {"_BURROW_EXPORTER_COMPLETE": "bash_complete", "COMP_WORDS": line, "COMP_CWORD": str(place)}
    done = subprocess.run([SCRIPT], env=os.environ | variables, capture_output=True, text=True, timeout=20, check=True)
    assert expected == {each.partition(",")[2] for each in done.stdout.split()}


# once


def test_once(capfd: Capture, burrow: SimulatedBurrow) -> None:
    """``once`` prints the whole page, which any parser reads, and nothing else."""
    assert FINE == main(["once", "--burrow.address", burrow.address])
    output = capfd.readouterr()
    assert "" == output.err
    families = {family.name: family for family in text_string_to_metric_families(output.out)}
    assert {"burrow_kafka_consumer_status", "burrow_kafka_consumer_partition_lag", "burrow_exporter_build_info"} <= set(
        families
    )
    groups = {sample.labels["consumer_group"] for sample in families["burrow_kafka_consumer_status"].samples}
    assert "checkout-payments" in groups
    (up,) = families["burrow_exporter_burrow_up"].samples
    assert ({"burrow": "default"}, 1.0) == (up.labels, up.value)


def test_once_with_flags(capfd: Capture, burrow: SimulatedBurrow) -> None:
    """The flags for filters and families have their effect on the page."""
    arguments = ["--filter.cluster-include=eu-.*", "--filter.group-include=checkout-.*", "--metrics.partition-info"]
    arguments += [
        "--metrics.disable=burrow_kafka_consumer_lag_max",
        "--metrics.disable=burrow_kafka_consumer_lag_total",
    ]
    assert FINE == main(["once", "--burrow.address", burrow.address, *arguments])
    page = capfd.readouterr().out
    assert 'consumer_group="checkout-payments"' in page
    assert "us-east" not in page
    assert "fraud-scoring" not in page
    assert "burrow_kafka_consumer_lag_max" not in page
    assert "burrow_kafka_consumer_lag_total" not in page
    assert "burrow_kafka_consumer_partition_info{" in page


def test_every_family_can_be_disabled(capfd: Capture, burrow: SimulatedBurrow) -> None:
    """Whoever disables every family is left with the exporter's own."""
    flags = [f"--metrics.disable={family.name}" for family in FAMILIES]
    assert FINE == main(["once", "--burrow.address", burrow.address, "--metrics.partition-info", *flags])
    page = capfd.readouterr().out
    assert "burrow_kafka" not in page
    assert "burrow_exporter_build_info" in page


def test_once_without_a_burrow(capfd: Capture) -> None:
    """``once`` without a Burrow prints no page: exit 1, and the log says why."""
    with FaultServer(in_turn(reply())) as gone:
        pass
    line = complaint(capfd, "once", "--burrow.address", gone.address, code=1)
    assert "reason=connection" in line


def test_once_into_a_pipe_that_closes(burrow: SimulatedBurrow) -> None:
    """A reader who has seen enough costs no traceback."""
    script = f"{' '.join(COMMAND)} once --burrow.address {burrow.address} | head -n 1"
    done = subprocess.run(["/bin/sh", "-c", script], capture_output=True, text=True, timeout=20, check=False)
    assert 1 == len(done.stdout.splitlines())
    assert "" == done.stderr


# check


def test_check(capfd: Capture, burrow: SimulatedBurrow) -> None:
    """``check`` says what it sees of each cluster."""
    assert FINE == main(["check", "--burrow.address", burrow.address])
    output = capfd.readouterr()
    assert "" == output.err
    first, *rest = output.out.splitlines()
    assert f"Burrow default at {burrow.address}: ok" == first
    assert any(line.startswith("  cluster eu-west: ") and "groups listed" in line for line in rest)
    assert any(line.startswith("  cluster us-east: ") and "topics listed" in line for line in rest)


def told(capfd: Capture, answers: dict[str, Recorded], *flags: str) -> tuple[int, list[str]]:
    """Return exit code and lines of ``check``."""
    with FaultServer(by_path(dict(answers))) as server:
        code = main(["check", "--burrow.address", server.address, *flags])
    return code, [line.replace(server.address, "ADDRESS") for line in capfd.readouterr().out.splitlines()]


def test_check_of_a_small_burrow(capfd: Capture) -> None:
    """What is listed, what of it is published and in which states can be read off."""
    groups = {name: lag_answer("c", name, partition(), status=status) for name, status in (("g", "OK"), ("h", "WARN"))}
    expected = [
        "Burrow default at ADDRESS: ok",
        "  cluster c: 2 groups listed, exposed: 1 OK, 1 WARN",
        "  cluster c: 1 topics listed, 1 exposed",
    ]
    code, lines = told(capfd, small(groups))
    assert (0, expected) == (code, lines[:-1])
    assert "the newest commit known to Burrow is" in lines[-1]


@pytest.mark.parametrize(
    ("hint", "groups", "topics"),
    [
        ("Burrow has read no commits: ", (), ("__consumer_offsets", "orders")),
        ("Burrow has read no commits: ", (), ()),
        ("Burrow sees no topic except __consumer_offsets: ", ("burrow-c",), ("__consumer_offsets",)),
        ("no group except Burrow's own: ", ("burrow-c",), ("__consumer_offsets", "orders")),
    ],
)
def test_check_of_a_cluster_without_groups(
    capfd: Capture, hint: str, groups: tuple[str, ...], topics: tuple[str, ...]
) -> None:
    """Where no group is published, what Burrow does not say is said: which right its user may lack."""
    own = {name: lag_answer("c", name, partition("__consumer_offsets", current_lag=0)) for name in groups}
    code, lines = told(capfd, small(own, {name: [100] for name in topics}))
    assert 0 == code
    assert 1 == sum(line.startswith(f"  cluster c: {hint}") for line in lines)


def test_check_names_failures(capfd: Capture) -> None:
    """Each failure has its own line, long lists are shortened, and a partial failure does not fail the command."""
    groups = {f"g{number:02}": BROKEN for number in range(12)}
    good = {"g99": lag_answer("c", "g99", partition())}
    code, lines = told(capfd, small(groups | good), "--burrow.concurrency=12")
    assert 0 == code
    assert 10 == sum("lag: http_5xx: /v3/kafka/c/consumer/g" in line for line in lines)
    assert "  ... and 2 more failures" in lines
    assert "  cluster c: 13 groups listed, exposed: 1 OK" in lines


@pytest.mark.parametrize(
    ("failure", "change"),
    [
        ("ready: not_ready: /burrow/admin/ready returned 503", {"/burrow/admin/ready": STARTING}),
        ("clusters: shape: ", {"/v3/kafka": answer()}),
        ("consumers: http_4xx: ", {"/v3/kafka/c/consumer": Recorded(404, "text/plain", "")}),
    ],
)
def test_check_of_a_bad_burrow(capfd: Capture, failure: str, change: dict[str, Recorded]) -> None:
    """A Burrow of which nothing can be read: exit 1, and the reason."""
    code, lines = told(capfd, small() | change)
    assert (1, "Burrow default at ADDRESS: FAILED") == (code, lines[0])
    assert any(line.startswith(f"  {failure}") for line in lines)
    hint = "  Burrow is still connecting to Kafka: if this persists, check its log"
    assert failure.startswith("ready:") == (hint in lines)


@pytest.mark.parametrize(
    ("hint", "change", "path"),
    [
        ("the server may require TLS: ", {"/burrow/admin/ready": Recorded(400, "text/plain", "")}, ""),
        ("this is not a Burrow, or the address ends with a path", {}, "/v3/kafka"),
        ("this is not a Burrow: ", {"/v3/kafka": Recorded(200, "text/html", "<html>")}, ""),
        ("", {"/v3/kafka": Recorded(401, "text/plain", "")}, ""),
    ],
)
def test_check_of_a_wrong_address(capfd: Capture, hint: str, change: dict[str, Recorded], path: str) -> None:
    """Of an address that is a newcomer's mistake the last line says what may be wrong with it; of a 401 none does."""
    with FaultServer(by_path(dict(small() | change))) as server:
        assert COULD_NOT_RUN == main(["check", "--burrow.address", server.address + path])
    lines = capfd.readouterr().out.splitlines()
    assert (3 if hint else 2) == len(lines)
    assert lines[-1].startswith(f"  {hint}")


def test_check_by_tls_of_a_burrow_without(capfd: Capture, burrow: SimulatedBurrow) -> None:
    """An https:// address of a server without TLS gives a clear error."""
    assert COULD_NOT_RUN == main(["check", "--burrow.address", burrow.address.replace("http:", "https:")])
    assert "  the server does not use TLS: use http:// ?" == capfd.readouterr().out.splitlines()[-1]


def test_check_without_a_burrow(capfd: Capture) -> None:
    """Where nothing listens ``check`` says so in words, and what that may be."""
    with FaultServer(in_turn(reply())) as gone:
        pass
    assert COULD_NOT_RUN == main(["check", "--burrow.address", gone.address])
    _, failure, hint = capfd.readouterr().out.splitlines()
    assert "  ready: connection: /burrow/admin/ready: Connection refused" == failure
    assert hint.startswith("  nothing is listening there: ")


def test_check_of_odd_names(capfd: Capture) -> None:
    """What a Burrow holds never moves the terminal's cursor."""
    odd = lag_answer("c", "g", partition(status="\x1b[2J"), status="a\nb\r")
    code, lines = told(capfd, small({"g": odd}))
    assert 0 == code
    assert "  lag: unknown_status: group 'g' has \\x1b[2J, a\\nb\\r" in lines
    assert "  cluster c: 1 groups listed, exposed: 1 unknown" in lines
    assert all(line.isprintable() for line in lines)


def test_check_of_a_burrow_that_is_behind(capfd: Capture) -> None:
    """A Burrow that has not read the commits yet is said to be behind."""
    own = lag_answer("c", "burrow-c", partition("__consumer_offsets", current_lag=1_000_000))
    code, lines = told(capfd, small({"burrow-c": own}))
    assert 1 == code
    assert "  cluster c: Burrow has not caught up, lag 1000000" in lines


# healthcheck


@pytest.mark.parametrize(
    ("code", "status", "text"),
    [(0, 200, "Healthy.\n"), (1, 503, "Not healthy.\n"), (1, 404, "Not found.\n"), (1, 301, "")],
)
def test_healthcheck(capfd: Capture, code: int, status: int, text: str) -> None:
    """Healthy is who answers 200; otherwise exit 1 and one line with the answer."""
    with FaultServer(in_turn(reply(text.encode(), status))) as server:
        flags = ("healthcheck", "--web.listen-address", f"127.0.0.1:{server.port}")
        if code:
            assert f"burrow-exporter: healthcheck: {status} {text}".strip() == complaint(capfd, *flags, code=1).strip()
        else:
            assert (code, ("", "")) == (main(list(flags)), capfd.readouterr())
        assert ["/-/healthy"] == server.asked


def test_healthcheck_of_several_addresses() -> None:
    """The first address is asked."""
    with FaultServer(in_turn(reply(b"Healthy."))) as first, FaultServer(in_turn(reply(b"Healthy."))) as second:
        flags = [f"--web.listen-address=127.0.0.1:{each.port}" for each in (first, second)]
        assert 0 == main(["healthcheck", *flags])
        assert (["/-/healthy"], []) == (first.asked, second.asked)


@pytest.mark.parametrize("host", ["", "0.0.0.0", "localhost", "127.0.0.1"])  # noqa: S104  asked, not bound
def test_healthcheck_addresses(host: str) -> None:
    """Whoever listens on all addresses is asked on this machine's own."""
    with FaultServer(in_turn(reply(b"Healthy."))) as server:
        assert "" == ask_healthy(f"{host}:{server.port}")


@pytest.mark.parametrize(
    "step", [then_close(), then_close(b"nonsense\r\n\r\n"), then_hang()], ids=["closed", "odd", "hangs"]
)
def test_healthcheck_failures(capfd: Capture, monkeypatch: pytest.MonkeyPatch, step: Step) -> None:
    """Whatever else comes instead of an answer is not healthy."""
    monkeypatch.setattr("burrow_exporter.web.health_check.TIMEOUT", 0.3)
    with FaultServer(in_turn(step)) as server:
        line = complaint(capfd, "healthcheck", "--web.listen-address", f":{server.port}", code=1)
    assert line.startswith("burrow-exporter: healthcheck: ")
    assert len(line) > len("burrow-exporter: healthcheck: ")


# The end


def test_interrupted(capfd: Capture, monkeypatch: pytest.MonkeyPatch) -> None:
    """Ctrl-C during ``once`` ends it with exit 1 and no traceback."""

    def interrupt(_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("burrow_exporter.exporter.Exporter.poll_once", interrupt)
    assert 1 == main(["once"])
    assert "Traceback" not in capfd.readouterr().err


def test_main_outside_the_main_thread(capfd: Capture, burrow: SimulatedBurrow) -> None:
    """``once`` and ``check`` need no signals, and so no main thread."""
    codes: list[int] = []
    thread = Thread(target=lambda: codes.append(main(["check", "--burrow.address", burrow.address])))
    thread.start()
    thread.join(20)
    assert [FINE] == codes
    assert "ok" in capfd.readouterr().out


def test_module_and_script() -> None:
    """``python -m burrow_exporter`` and the installed command are the same."""
    for command in (COMMAND, [SCRIPT]):
        done = subprocess.run([*command, "--version"], capture_output=True, text=True, timeout=20, check=True)
        assert f"burrow-exporter {__version__}\n" == done.stdout
