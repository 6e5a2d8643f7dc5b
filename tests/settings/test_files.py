"""Reading files with limits."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from burrow_exporter.settings import files
from burrow_exporter.settings.files import read_file


def test_a_file(tmp_path: Path) -> None:
    """It is read whole up to the bound, through links too."""
    (file := tmp_path / "file").write_bytes(b"x" * files.MOST_BYTES)
    (link := tmp_path / "link").symlink_to(file)
    assert b"x" * files.MOST_BYTES == read_file(link)
    with file.open("ab") as more:
        more.write(b"y")
    with pytest.raises(ValueError, match=f"^more than {files.MOST_BYTES} bytes$"):
        read_file(file)


@pytest.mark.parametrize("name", ["pipe", "folder", "/dev/zero", "/dev/null"])
def test_what_is_no_file(tmp_path: Path, name: str) -> None:
    """It is not waited for, nor read."""
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "folder").mkdir()
    with pytest.raises((ValueError, IsADirectoryError), match=r"not a regular file|Is a directory"):
        read_file(tmp_path / name)


def test_no_file(tmp_path: Path) -> None:
    """The system says why."""
    with pytest.raises(FileNotFoundError):
        read_file(tmp_path / "none")
