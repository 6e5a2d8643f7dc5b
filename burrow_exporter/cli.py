"""The command line: commands, help and exit codes."""

from __future__ import annotations

import signal
import socket
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from functools import partial
from queue import SimpleQueue
from typing import Any

import click
from msgspec.structs import replace

from burrow_exporter import __version__, log
from burrow_exporter.burrow.failures import error_text
from burrow_exporter.demo import SimulatedBurrow
from burrow_exporter.exporter import Exporter
from burrow_exporter.settings.config import Config, WebConfig
from burrow_exporter.settings.flags import FLAGS, Flag
from burrow_exporter.settings.precedence import build_config, section
from burrow_exporter.settings.validation import ConfigError
from burrow_exporter.status.report import summary
from burrow_exporter.web.health_check import ask_healthy
from burrow_exporter.web.limits import SMALLEST_PIECE
from burrow_exporter.web.listener import activated, bind
from burrow_exporter.web.security.live_config import Security

FINE, COULD_NOT_RUN, WRONG_CONFIGURATION = 0, 1, 2
LISTEN_FLAG, DEMO_LISTEN_FLAG = "--web.listen-address", "--demo.listen-address"
SYSTEMD_FLAG, WEB_CONFIG_FLAG = "--web.systemd-socket", "--web.config.file"

Load = Callable[[], Config]
"""Reloads the configuration."""

HELP = """Prometheus exporter for LinkedIn Burrow, the Kafka consumer lag checker.

\b
serve        poll Burrow and serve /metrics (default)
demo         the same, with a simulated Burrow
once         poll once, print the metrics and exit
check        validate the configuration, query every Burrow and report what it returns
healthcheck  check that a running exporter is healthy (for container health checks)

Every flag has an environment variable: BURROW_EXPORTER_ plus the flag in upper case, with _ for . and -. Example:
BURROW_EXPORTER_BURROW_ADDRESS. Separate repeated values with white space. Flags take precedence over the environment.
Durations use Prometheus syntax: 15s, 1m30s.
"""


class Command(click.Command):
    """The command, with flags grouped by section in its help."""

    def format_options(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write one section per flag prefix, and click's own flags last."""
        sections: dict[str, list[tuple[str, str]]] = {}
        options = [parameter for parameter in self.get_params(ctx) if isinstance(parameter, click.Option)]
        for parameter in sorted(options, key=lambda each: not isinstance(each, Flag)):
            if record := parameter.get_help_record(ctx):
                sections.setdefault(getattr(parameter, "section", "general"), []).append(record)
        for name, records in sections.items():
            with formatter.section(f"Flags: {name}"):
                formatter.write_dl(records)


def serve(config: Config, load: Load, greeting: str = "") -> int:
    """Serve until a signal stops it; print the greeting, if any, once listening."""
    stop = stop_on_signals()
    security = load_security(config)
    with ExitStack() as stack:
        try:
            listeners = [stack.enter_context(each) for each in listen(config.web)]
        except OSError as error:
            return give_up(str(error))
        if greeting:
            log.say(greeting)
        exporter = Exporter(config, stop, load)
        on_signals((signal.SIGHUP,), partial(exporter.reload, waits=True))
        return FINE if exporter.serve(listeners, security) else COULD_NOT_RUN


def listen(web: WebConfig) -> Iterator[socket.socket]:
    """Yield the sockets to serve on.

    Raises ``OSError`` that names the flag and what is wrong, ``ConfigError`` for a malformed address.
    """
    if web.systemd_socket:
        try:
            yield from activated()
        except OSError as error:
            message = f"{SYSTEMD_FLAG}: {error_text(error)}"
            raise OSError(message) from None
        return
    for address in web.listen_addresses:
        try:
            yield bind(address)
        except ValueError as error:
            raise ConfigError(LISTEN_FLAG, str(error)) from None
        except OSError as error:
            message = f"{LISTEN_FLAG}: cannot listen on {address}: {error_text(error)}"
            raise OSError(message) from None


def load_security(config: Config) -> Security | None:
    """Load the web config file, if there is one."""
    try:
        return Security(str(config.web.config_file)) if config.web.config_file else None
    except ConfigError as error:
        raise ConfigError(WEB_CONFIG_FLAG, str(error)) from None


def stop_on_signals() -> threading.Event:
    """Return an event that SIGTERM and SIGINT set."""
    stop = threading.Event()
    on_signals((signal.SIGTERM, signal.SIGINT), stop.set)
    return stop


def on_signals(numbers: tuple[int, ...], act: Callable[[], object]) -> None:
    """Call ``act`` for each of these signals, in a separate thread.

    Not in the handler, because it runs in the main thread, which may hold a lock that ``act`` needs.
    """
    signals = SimpleQueue[int]()

    def watch() -> None:
        while signals.get():
            act()

    threading.Thread(target=watch, name="signals", daemon=True).start()
    for number in numbers:
        signal.signal(number, lambda number, _: signals.put(number))


def demo(config: Config, load: Load, size: dict[str, Any]) -> int:
    """Serve with a simulated Burrow."""
    with ExitStack() as stack:
        try:
            burrow = stack.enter_context(SimulatedBurrow(**size))
        except (ValueError, OverflowError) as error:
            raise ConfigError(DEMO_LISTEN_FLAG, str(error)) from None
        except OSError as error:
            return give_up(f"{DEMO_LISTEN_FLAG}: cannot listen on {size['listen_address']}: {error_text(error)}")
        greeting = f"Simulated Burrow listening on {burrow.address}"
        return serve(on_simulated(config, burrow), lambda: on_simulated(load(), burrow), greeting)


def on_simulated(config: Config, burrow: SimulatedBurrow) -> Config:
    """Return the configuration with the simulated Burrow instead of its own."""
    return replace(config, burrows=(replace(config.burrows[0], addresses=(burrow.address,), proxy_url=""),))


def once(config: Config) -> int:
    """Poll once and print the metrics, unless a poll fails."""
    exporter = Exporter(config, threading.Event())
    polls = exporter.poll_once()
    if not all(snapshot.outcome.good for snapshot, _ in polls):
        return COULD_NOT_RUN
    for chunk in exporter.metrics(openmetrics=False, gzip=False).pieces(SMALLEST_PIECE):
        sys.stdout.buffer.write(chunk)
    sys.stdout.flush()
    return FINE


def check(config: Config) -> int:
    """Poll once and report the result."""
    load_security(config)
    polls = Exporter(config, threading.Event()).poll_once()
    for burrow, (snapshot, walk) in zip(config.burrows, polls, strict=True):
        how = "ok" if snapshot.outcome.good else "FAILED"
        click.echo(f"Burrow {burrow.name} at {' '.join(burrow.addresses)}: {how}")
        for line in summary(snapshot, walk, time.time()):
            click.echo(f"  {log.one_line(line)}")
    return FINE if all(snapshot.outcome.good for snapshot, _ in polls) else COULD_NOT_RUN


def healthcheck(config: Config) -> int:
    """Check whether the running exporter is healthy."""
    try:
        complaint = ask_healthy(config.web.listen_addresses[0], may_be_tls=config.web.config_file is not None)
    except ValueError as error:
        raise ConfigError(LISTEN_FLAG, str(error)) from None
    return give_up(f"healthcheck: {complaint}") if complaint else FINE


def log_level(word: str, level: log.Level) -> log.Level:
    """Return the log level: ``check`` prints its own report, and ``once`` prints metrics."""
    if word == "check":
        return "error"
    return "warning" if word == "once" and level == "info" else level


def give_up(message: str, code: int = COULD_NOT_RUN) -> int:
    """Print the error on one line, and return the exit code."""
    log.say(f"burrow-exporter: {log.one_line(message)}")
    return code


@click.command(
    cls=Command,
    help=HELP,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 120},
    params=[
        click.Argument(
            ["word"],
            type=click.Choice(["serve", "demo", "once", "check", "healthcheck"]),
            default="serve",
            metavar="[serve|demo|once|check|healthcheck]",
        ),
        *FLAGS,
    ],
)
@click.version_option(__version__, prog_name="burrow-exporter", message="%(prog)s %(version)s")
def command(word: str, **values: Any) -> int:  # noqa: ANN401  the flags' values
    """Run the command and return the exit code."""
    load = partial(build_config, values)
    config = load()
    log.set_up(log_level(word, config.log.level), config.log.format)
    if word == "demo":
        return demo(config, load, section("demo", values))
    if word == "serve":
        return serve(config, load)
    return {"once": once, "check": check, "healthcheck": healthcheck}[word](config)


def main(arguments: list[str] | None = None) -> int:
    """Run the command line and return the exit code: 0 success, 1 failure, 2 invalid configuration."""
    log.occupy_standard_streams()
    try:
        return int(command.main(arguments, prog_name="burrow-exporter", standalone_mode=False) or FINE)
    except click.ClickException as error:
        return give_up(error.format_message(), WRONG_CONFIGURATION)
    except ConfigError as error:
        return give_up(str(error), WRONG_CONFIGURATION)
    except click.exceptions.Abort:
        return COULD_NOT_RUN
    finally:
        log.flush()
