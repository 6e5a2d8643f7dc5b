"""Passes certificates and keys that are already read to OpenSSL, which reads only from files."""

from __future__ import annotations

import os
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def as_path(data: bytes) -> Iterator[str]:
    """Yield a path from which OpenSSL can read ``data``, on Linux in memory."""
    if sys.platform == "linux":
        with open(os.memfd_create("pem"), "wb") as file:  # noqa: PTH123  a descriptor, no path
            file.write(data)
            file.flush()
            yield f"/proc/self/fd/{file.fileno()}"
    else:
        with tempfile.NamedTemporaryFile() as file:
            file.write(data)
            file.flush()
            yield file.name
