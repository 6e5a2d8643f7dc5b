"""Commands in the documentation: split into programs and arguments, and checked against what exists.

What is checked of a command depends on its program, by ``CHECKS``; of every one, that the files of this repository that
it names are there. What is not to be had here (docker, AWS, Kubernetes) is not run. A program that stands nowhere below
is an error, so that nothing goes unchecked unseen.
"""

from __future__ import annotations

import re
import shlex
from collections.abc import Callable, Iterator, Sequence
from configparser import ConfigParser
from itertools import pairwise
from pathlib import Path

import click
import yaml

from burrow_exporter.cli import command
from burrow_exporter.settings.precedence import build_config
from burrow_exporter.settings.validation import ConfigError
from tests import ROOT
from tests.support.stack import composed

Words = Sequence[str]
HEREDOC = re.compile(r"<<-?\s*(['\"]?)(\w+)\1(.*?\n).*?^\s*\2$", re.MULTILINE | re.DOTALL)
COMMENT = re.compile(r"(?:^|(?<=\s))#(?:\s.*)?$", re.MULTILINE)
ASSIGNMENT = re.compile(r"[A-Za-z_]\w*=.*", re.DOTALL)
OPERATORS = "();<>|&\n"
KEYWORDS = {"do", "done", "else", "fi", "if", "then", "until", "while", "!", "$", "exec", "sudo", "nohup"}
MAKEFILES = "".join((ROOT / name).read_text("utf-8") for name in ("Makefile", "tools.mk"))
TARGETS = set(re.findall(r"^([\w-]+):", MAKEFILES, re.MULTILINE))
VARIABLES = set(re.findall(r"\b([A-Z_]{4,})\b", MAKEFILES))
MADE = ("compose/generated/", "compose/bucket.yaml", ".venv/", "dist/")
"""What commands and users make, and the repository does not hold."""
FOREIGN = {
    *("[", "bash", "cat", "cd", "chmod", "cp", "echo", "export", "install", "ls", "mkdir", "mv", "read", "rm", "sh"),
    *("awk", "curl", "grep", "head", "htpasswd", "keytool", "openssl", "sed", "sleep", "tail", "tar", "tee", "tr"),
    *(
        "apt-get",
        "aws",
        "cosign",
        "gh",
        "git",
        "jsonnet",
        "kubectl",
        "mutmut",
        "promtool",
        "pytest",
        "scp",
        "ssh",
        "systemctl",
        "thanos",
        "vmagent",
    ),
    *("kafka-acls.sh", "kafka-configs.sh", "kafka-consumer-groups.sh", "kafka-topics.sh", "test", "umask"),
}
"""Programs of others, of whose words only the files are checked."""
ELSEWHERE = {"scp", "ssh"}
"""Those whose words are files of other hosts."""
SWITCHES = {"-d", "-i", "-it", "-t", "--detach", "--init", "--interactive", "--read-only", "--rm", "--tty"}
"""Flags of ``docker run`` that take no value."""
DOCKER = {
    *("build", "exec", "image", "images", "info", "inspect", "load", "login", "logs", "network", "ps", "pull", "push"),
    *("save", "stats", "tag", "version", "volume"),
}
"""What docker is told beside ``run`` and ``compose``."""


def commands(text: str) -> Iterator[list[str]]:
    """Yield the words of each command in a block of shell, without assignments before it and redirections after it."""
    text = COMMENT.sub("", HEREDOC.sub(r"\3", text)).replace("\\\n", " ")
    lexer = shlex.shlex(text, posix=True, punctuation_chars=OPERATORS)
    lexer.whitespace, lexer.commenters = " \t\r", ""
    lexer.whitespace_split = True
    words: list[str] = []
    skip = False
    for token in (*lexer, "\n"):
        if set(token) <= set(OPERATORS):
            skip = "<" in token or ">" in token
            if not skip:
                yield from own(words)
                words = []
        elif not skip:
            words.append(token)
        else:
            skip = False


def own(words: list[str]) -> Iterator[list[str]]:
    """Yield a command without keywords and assignments before it, unless nothing is left."""
    while words and (words[0] in KEYWORDS or ASSIGNMENT.fullmatch(words[0])):
        words = words[1:]
    if words and words[0] not in {"for", "in"}:
        yield words


def check_all(text: str) -> None:
    """Hold each command of a block of shell to what there is; ``AssertionError`` says what is wrong."""
    folder = ROOT
    calls = list(commands(text))
    assert calls, "no command"
    for words in calls:
        check(words, folder)
        if words[0] == "cd" and (folder / words[1]).is_dir():
            folder /= words[1]


def check(words: Words, folder: Path = ROOT) -> None:
    """Hold one command, called in a folder of the repository, to what there is."""
    program = words[0].rpartition("/")[2]
    known = program in CHECKS or program in FOREIGN or (program.endswith(".sh") and (ROOT / words[0]).is_file())
    assert known, f"{program}: no rule how it is checked; add it to tests/support/commands.py"
    for word in words if program not in ELSEWHERE else ():
        check_path(word.rpartition("=")[2] if word.startswith("-") else word, folder)
    if program in CHECKS:
        CHECKS[program](words[1:])


def check_path(word: str, folder: Path = ROOT) -> None:
    """See that a path within the repository leads to something, unless a command or a user makes it."""
    word = word.removeprefix("./").partition(":")[0]
    first, slash, _ = word.partition("/")
    if slash and first and (folder / first).is_dir() and not word.startswith(MADE) and "*" not in word:
        assert (folder / word).exists(), f"{word}: no such file in the repository"


def check_exporter(words: Words) -> None:
    """See that word and flags are those of the command line, with values that it takes; files need not be there."""
    try:
        values = command.make_context("burrow-exporter", [*words]).params
        build_config({**values, "config_file": None})
    except click.exceptions.Exit:
        assert {"--help", "-h", "--version"} & set(words)
    except click.ClickException as error:
        raise AssertionError(error.format_message()) from None
    except ConfigError as error:
        if "No such file" not in str(error):
            raise AssertionError(str(error)) from None


def check_make(words: Words) -> None:
    """See that targets are in the Makefile, and variables too."""
    for word in words:
        name, equals, _ = word.partition("=")
        assert name in (VARIABLES if equals else TARGETS | {"-j"}), f"make {word}: not in the Makefile"


def check_docker(words: Words) -> None:
    """See that compose has the profiles and services, and that the exporter's image is given words that it takes."""
    if words[0] == "compose":
        check_compose(words[1:])
    elif words[0] == "run":
        rest = list(words[1:])
        while rest and rest[0].startswith("-"):
            flag = rest.pop(0)
            if flag not in SWITCHES and "=" not in flag:
                rest.pop(0)
        assert rest, "docker run: no image"
        if re.search(r"(^|/)burrow[-_]exporter(:|@|$)", rest[0]) and "--entrypoint" not in words:
            check_exporter(rest[1:])
    else:
        assert words[0] in DOCKER, f"docker {words[0]}: not known; add it to DOCKER"


def check_compose(words: Words) -> None:
    """See that profiles and services are those of compose.yaml."""
    services = composed()["services"]
    profiles = {profile for each in services.values() for profile in each["profiles"]} | {"*"}
    rest = list(words)
    while rest and rest[0].startswith("-"):
        flag = rest.pop(0)
        value = rest.pop(0)
        assert flag != "--profile" or value in profiles, f"docker compose --profile {value}: no such profile"
    subcommand, *rest = rest
    if subcommand in {"exec", "logs", "restart", "start", "stop"}:
        named = [word for word in rest if not word.startswith("-") and not word.isdigit()][:1]
        assert set(named) <= services.keys(), f"docker compose {subcommand} {named}: no such service"


def check_deploy(words: Words) -> None:
    """See that the flags of compose/deploy.sh are those that it knows."""
    text = (ROOT / "compose" / "deploy.sh").read_text("utf-8")
    for word in words:
        assert not word.startswith("-") or word.partition("=")[0] in text, f"deploy.sh {word}: no such flag"


def check_install(words: Words) -> None:
    """See that what is installed by name is this package; the rest are files, or the folder itself."""
    setup = ConfigParser()
    setup.read(ROOT / "setup.cfg")
    names = {setup["metadata"]["name"], "build", "pipx"}
    for word in (word for word in words[1:] if not word.startswith("-")):
        assert re.split(r"[=<>\[]", word)[0] in names or word == "." or "/" in word or (ROOT / word).is_file(), word


def check_python(words: Words) -> None:
    """See that a module that is run is there."""
    if words[:1] == ["-m"]:
        path = ROOT / words[1].replace(".", "/")
        own = path.is_dir() or path.with_suffix(".py").exists()
        known = own or words[1] in {"build", "pip", "pipx", "pytest", "venv"}
        assert known, f"python -m {words[1]}: no such module"


def check_helm(words: Words) -> None:
    """See that values that are set are in the chart's ``values.yaml``."""
    charts = [path.parent for path in ROOT.glob("charts/*/Chart.yaml")]
    assert charts, "helm: there is no chart"
    values = yaml.safe_load((charts[0] / "values.yaml").read_text("utf-8"))
    for flag, value in pairwise(words):
        if flag in {"--set", "--set-string", "--set-file", "--set-json"}:
            key = re.split(r"[.=\[]", value)[0]
            assert key in values, f"helm {flag} {value}: not in values.yaml"


CHECKS: dict[str, Callable[[Words], None]] = {
    "burrow-exporter": check_exporter,
    "deploy.sh": check_deploy,
    "docker": check_docker,
    "helm": check_helm,
    "make": check_make,
    "pip": check_install,
    "pipx": check_install,
    "python": check_python,
    "python3": check_python,
}
