"""Files referenced by the configuration, read with limits so that reading always ends."""

from __future__ import annotations

import os
import stat
from pathlib import Path

MOST_BYTES = 1024 * 1024


def read_file(path: Path) -> bytes:
    """Return the content of a regular file.

    Raises ``ValueError`` for anything else, such as a pipe or a device, and for more than ``MOST_BYTES``; ``OSError``
    if it cannot be read.
    """
    # Opening a pipe without a writer would block.
    with open(os.open(path, os.O_RDONLY | os.O_NONBLOCK), "rb") as file:  # noqa: PTH123  a descriptor
        if not stat.S_ISREG(os.fstat(file.fileno()).st_mode):
            message = "not a regular file"
            raise ValueError(message)
        content = file.read(MOST_BYTES + 1)
    if len(content) > MOST_BYTES:
        message = f"more than {MOST_BYTES} bytes"
        raise ValueError(message)
    return content
