"""The machine and the versions that figures belong to."""

from __future__ import annotations

import importlib.metadata
import os
import platform
import subprocess
from datetime import UTC, datetime
from pathlib import Path

from benchmarks.children import ROOT

LIBRARIES = (
    "burrow-exporter",
    "msgspec",
    "isal",
    "prometheus-client",
    "tenacity",
    "requests",
    "urllib3",
)


def describe() -> list[tuple[str, str]]:
    """Return what to say of the machine, as pairs of a name and a value."""
    cpus = {value for name, value in fields("/proc/cpuinfo") if name == "model name"}
    memory = next(int(value.split()[0]) for name, value in fields("/proc/meminfo") if name == "MemTotal")
    return [
        ("date", datetime.now(UTC).strftime("%Y-%m-%d %H:%M UTC")),
        ("commit", commit()),
        ("CPU", f"{', '.join(sorted(cpus)) or platform.processor()}, {os.cpu_count()} cores"),
        ("memory", f"{memory / 1024**2:.1f} GiB"),
        ("kernel", f"{platform.system()} {platform.release()}"),
        ("load before", ", ".join(f"{load:.1f}" for load in os.getloadavg())),
        ("Python", f"{platform.python_implementation()} {platform.python_version()}"),
        ("libraries", ", ".join(f"{name} {importlib.metadata.version(name)}" for name in LIBRARIES)),
    ]


def fields(path: str) -> list[tuple[str, str]]:
    """Return the ``name: value`` lines of a file."""
    pairs = (line.partition(":") for line in Path(path).read_text().splitlines())
    return [(name.strip(), value.strip()) for name, _, value in pairs]


def commit() -> str:
    """Return the commit of this checkout, and whether the package differs from it."""
    head = git("rev-parse", "--short", "HEAD")
    return f"{head}, package changed since" if git("status", "--porcelain", "burrow_exporter") else head or "unknown"


def git(*arguments: str) -> str:
    """Return what git says, or nothing where there is no git."""
    try:
        done = subprocess.run(["git", *arguments], cwd=ROOT, capture_output=True, text=True, check=False)  # noqa: S603, S607  fixed words; wherever git is
    except OSError:
        return ""
    return done.stdout.strip()
