"""The grammar of `.env`: values, and lines that are ignored or rejected."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from compose.renderer.env_file import EnvFile, parse, read

PLAIN = st.characters(exclude_categories=("Cc", "Cs"))


@given(st.text(PLAIN, min_size=1))
def test_a_value_is_the_rest_of_the_line(value: str) -> None:
    """Whatever it holds, quotes, ``$``, ``#``, ``=``, backslashes and spaces at both ends included."""
    assert {"NAME": value, "AFTER": "x"} == parse(f"NAME={value}\nAFTER=x\n", ".env").values


@pytest.mark.parametrize("text", ["", "\n\n", "# A=b\n", "#A=b\n", "  \n", "\r\n", "\t\n", "A=\n", "A="])
def test_what_says_nothing(text: str) -> None:
    """Comments, blank lines, and names with nothing behind them."""
    assert EnvFile() == parse(text, ".env")


def test_files_of_windows(tmp_path: Path) -> None:
    """A mark at the beginning and carriage returns at the ends of lines are not part of anything."""
    path = tmp_path / ".env"
    path.write_bytes(b"\xef\xbb\xbfA=b c\r\n\r\nD= e \r\n")
    assert EnvFile({"A": "b c", "D": " e "}) == read(path)


def test_no_file(tmp_path: Path) -> None:
    """Where there is none nothing is set."""
    assert EnvFile() == read(tmp_path / ".env")


def test_a_link(tmp_path: Path) -> None:
    """One to a file is as good as the file; one to nothing is a fault, and never taken for no file, the demo."""
    path, there = tmp_path / ".env", tmp_path / "there.env"
    path.symlink_to(there)
    lost = "a symbolic link without a target inside the checkout; replace it with a file"
    assert EnvFile(faults=[f".env: {lost}"]) == read(path)
    there.write_text("A=b\n")
    assert EnvFile({"A": "b"}) == read(path)


@pytest.mark.parametrize("line", ["a=b", "export A=b", "A =b", " A=b", "A", "=b", "A-B=c", "2A=b", "pass word", "É=b"])
def test_no_setting(line: str) -> None:
    """A line that sets nothing is refused by its number, and not quoted: it may be a piece of a password."""
    expected = ["x.env, line 3: must be NAME=value, without `export` and spaces"]
    assert EnvFile({"FIRST": "1"}, expected) == parse(f"FIRST=1\n\n{line}\n", "x.env")


def test_twice() -> None:
    """A name may stand once, whatever its values, and all of its lines are told."""
    faults = parse("A=1\nB=2\nA=1\nA=\n", ".env").faults
    assert ["A: set in lines 1, 3, 4; keep one"] == faults


@pytest.mark.parametrize("character", ["\0", "\t", "\x1b", "\r", "\x7f", "\x85"])
def test_control_characters(character: str) -> None:
    """What cannot be seen in an editor is refused, and not shown."""
    assert ["A: contains a control character such as a tab; remove it"] == parse(f"A=x{character}y", "").faults


def test_no_file_to_read(tmp_path: Path) -> None:
    """What cannot be read is a fault like any other."""
    (tmp_path / ".env").mkdir()
    expected = [".env: cannot be read: is a directory; replace it with a readable file"]
    assert EnvFile(faults=expected) == read(tmp_path / ".env")


def test_not_utf_8(tmp_path: Path) -> None:
    """Another encoding is refused by its line."""
    path = tmp_path / ".env"
    path.write_bytes("A=b\nC=\xe9\n".encode("latin-1"))
    assert EnvFile(faults=[".env, line 2: not valid UTF-8; save the file as UTF-8"]) == read(path)


@pytest.mark.parametrize("value", ['"b c"', "'b'", '""'])
def test_quotes(value: str) -> None:
    """They belong to the value, which is said, as other programs take them off."""
    assert EnvFile({"A": value}, [], ["A: the quotes are part of the value; remove them unless intended"]) == parse(
        f"A={value}", ""
    )
