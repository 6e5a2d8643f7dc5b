"""Write the dashboards: ``python -m grafana.burrow_dashboards``; ``--check`` only tells if they are current."""

from __future__ import annotations

import sys
from pathlib import Path

from grafana.burrow_dashboards import brokers, cloudwatch, group, monitoring, overview, topics
from grafana.burrow_dashboards.links import BROKERS, CLOUDWATCH, GROUP, MONITORING, OVERVIEW, TOPICS

FOLDER = Path(__file__).parents[1] / "dashboards"
BUILDERS = {
    OVERVIEW: overview.build,
    GROUP: group.build,
    TOPICS: topics.build,
    BROKERS: brokers.build,
    MONITORING: monitoring.build,
    f"cloudwatch/{CLOUDWATCH}": cloudwatch.build,
}
"""What builds each dashboard, by its file's name in the folder; in a folder below are those for some alone."""


def stale(folder: Path) -> list[str]:
    """Return the names of files in the folder that are not as they would be written now, missing and odd ones too."""
    wanted = {f"{name}.json": build() for name, build in BUILDERS.items()}
    paths = folder.rglob("*.json")
    found = {path.relative_to(folder).as_posix(): path.read_text(encoding="utf-8") for path in paths}
    return sorted(name for name in wanted.keys() | found.keys() if wanted.get(name) != found.get(name))


def write(folder: Path) -> None:
    """Write every dashboard into the folder, and remove what is none of them."""
    for path in folder.rglob("*.json"):
        path.unlink()
    for name, build in BUILDERS.items():
        path = folder / f"{name}.json"
        path.parent.mkdir(exist_ok=True)
        path.write_text(build(), encoding="utf-8")


def main() -> int:
    """Write the dashboards, or check them; return the exit code."""
    if "--check" not in sys.argv:
        write(FOLDER)
        return 0
    names = stale(FOLDER)
    for name in names:
        sys.stderr.write(f"{name} is not current: run make dashboards\n")
    return 1 if names else 0


if __name__ == "__main__":
    sys.exit(main())
