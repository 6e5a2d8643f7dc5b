"""Secrets from `.env` reach the files that programs read, unchanged, and no other file."""

from __future__ import annotations

import os
import re
import tempfile
import tomllib
import unicodedata
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import yaml
from hypothesis import example, given, settings
from hypothesis import strategies as st

from compose.renderer.render import quoted, render
from compose.renderer.settings import read_settings

PLAIN = st.characters(exclude_categories=("Cc", "Cs"))
PIECES = [
    "$b",
    "${X}",
    "$(HOME)",
    "$$",
    "#",
    " # ",
    "'",
    '"',
    "'''",
    '"""',
    "\\",
    "\\n",
    "\\u0041",
    " ",
    "  ",
    "%",
    "{{",
    "%(a)s",
]
NASTY = st.lists(st.sampled_from(PIECES) | PLAIN, max_size=8).map("".join)
"""What shells, compose, TOML, YAML, Jinja or Go's templates could take for something else."""
FILES = {"KAFKA_PASSWORD": "burrow/burrow.toml", "S3_SECRET_KEY": "bucket.yaml", "SMTP_PASSWORD": "smtp-password"}
"""The names of secrets, and the one file of each."""
ENV = """\
BROKERS=b:9096
KAFKA_USERNAME={0}
S3_BUCKET=blocks
S3_REGION=eu-west-1
S3_ACCESS_KEY=access
EMAIL_TO=a@example.org
EMAIL_FROM=b@example.org
SMTP_SERVER=c:25
SMTP_USERNAME={0}
"""


@contextmanager
def rendered(env: str) -> Iterator[dict[str, str]]:
    """Render an `.env`; give name and content of each file."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / ".env").write_bytes(env.encode())
        generated = folder / "generated"
        render(read_settings(folder / ".env"), generated, folder / "none")
        paths = [path for path in generated.rglob("*") if path.is_file()]
        yield {str(path.relative_to(generated)): path.read_bytes().decode() for path in paths}


def arrived(files: dict[str, str]) -> dict[str, str]:
    """Return the secrets as programs read them."""
    texts = {name: files[f"secrets/{path}"] for name, path in FILES.items()}
    burrow = tomllib.loads(texts["KAFKA_PASSWORD"])
    return {
        "KAFKA_PASSWORD": burrow["sasl"]["kafka"]["password"],
        "S3_SECRET_KEY": yaml.safe_load(texts["S3_SECRET_KEY"])["config"]["secret_key"],
        "SMTP_PASSWORD": texts["SMTP_PASSWORD"],
    }


@given(NASTY, NASTY)
@settings(deadline=None, max_examples=50)
@example(" \"$b#'\\", "\\'#$(HOME)${X}\" ")
def test_unchanged_and_nowhere_else(before: str, after: str) -> None:
    """Whatever a secret is made of, its program reads it as it stands in `.env`, and no other file has it."""
    before, after = (unicodedata.normalize("NFKC", each) for each in (before, after))  # others are refused for Kafka
    secrets = {name: f"{before}sesame-{name}{after}" for name in FILES}
    secrets["KAFKA_PASSWORD"] = unicodedata.normalize("NFKC", secrets["KAFKA_PASSWORD"])
    secrets["SMTP_PASSWORD"] = secrets["SMTP_PASSWORD"].strip()  # others are refused, as Alertmanager cuts them
    with rendered(ENV.format("user") + "".join(f"{name}={value}\n" for name, value in secrets.items())) as files:
        assert secrets == arrived(files)
        for name, path in FILES.items():
            assert [f"secrets/{path}"] == [file for file, text in files.items() if f"sesame-{name}" in text]


@given(NASTY.filter(lambda text: text and text == unicodedata.normalize("NFKC", text)))
@settings(deadline=None, max_examples=25)
def test_user_names(name: str) -> None:
    """User names need not be plain either."""
    secrets = "".join(f"{each}=sesame\n" for each in FILES)
    with rendered(ENV.format(name) + secrets) as files:
        assert name == tomllib.loads(files["secrets/burrow/burrow.toml"])["sasl"]["kafka"]["username"]
        alertmanager = yaml.safe_load(files["alertmanager/alertmanager.yml"])
        assert name == alertmanager["global"]["smtp_auth_username"]


@given(st.text(PLAIN | st.characters(categories=["Cc"])))
def test_quoted(text: str) -> None:
    """TOML and YAML read the same text, line ends and all, and there is no ``$`` that Thanos could expand."""
    assert text == tomllib.loads(f"a = {quoted(text)}")["a"]
    assert text == yaml.safe_load(f"a: {quoted(text)}")["a"]
    assert "$" not in quoted(text)
    assert quoted(text).isprintable()


@pytest.mark.parametrize("umask", [0o000, 0o022, 0o077])
def test_modes(umask: int, tmp_path: Path) -> None:
    """Whatever the umask, nobody but the owner can read a secret, and no container's environment has one."""
    before = os.umask(umask)
    try:
        (tmp_path / ".env").write_text(ENV.format("user") + "".join(f"{name}=sesame-{name}\n" for name in FILES))
        render(read_settings(tmp_path / ".env"), tmp_path / "generated", tmp_path / "none")
    finally:
        os.umask(before)
    paths = [path for path in (tmp_path / "generated").rglob("*") if path.is_file()]
    private = {path for path in paths if path.stat().st_mode & 0o777 == 0o600}
    assert {path for path in paths if path.is_relative_to(tmp_path / "generated" / "secrets")} == private
    assert all(path.stat().st_mode & 0o777 == 0o644 for path in set(paths) - private)
    assert {tmp_path / "generated" / "secrets" / path for path in FILES.values()} == {
        path for path in paths if re.search("sesame-", path.read_text(encoding="utf-8"))
    }
