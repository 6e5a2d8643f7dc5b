"""Generate the chart's derived files: ``python -m charts.derive``; ``--check`` only checks that they are up to date.

They are its version, the URLs of repository and image, the configuration's part of its schema, and the table of its
values. Rules and dashboards are symbolic links in ``files``, which helm follows.
"""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Iterator, Mapping
from configparser import ConfigParser
from pathlib import Path
from typing import Any

import yaml

from burrow_exporter import __version__

ROOT = Path(__file__).parents[1]
CHART = ROOT / "charts" / "burrow-exporter"
KEPT_OUT = (("Config", "web"), ("BurrowConfig", "password"))
"""Keys not allowed in the chart's ``config``: the chart sets port and path, and a ConfigMap must not contain
secrets."""
VERSION = re.compile(r"^(version|appVersion): .*$", re.MULTILINE)
ADDRESS = re.compile(r"https://github\.com/[\w.-]+/burrow_exporter\b")
IMAGE = re.compile(r"(?<=^  repository: )\S+$", re.MULTILINE)
TABLE = re.compile(r"(?<=<!-- values -->\n).*?(?=\n<!-- end of values -->)", re.DOTALL)


def files() -> dict[Path, str]:
    """Return the generated files by path."""
    return {
        CHART / "Chart.yaml": ADDRESS.sub(address(), VERSION.sub(rf"\1: {__version__}", read(CHART / "Chart.yaml"))),
        CHART / "values.yaml": values(),
        CHART / "values.schema.json": schema(),
        CHART / "README.md": TABLE.sub(lambda _: f"\n{table()}\n", read(CHART / "README.md")),
    }


def read(path: Path) -> str:
    """Return the content of a file."""
    return path.read_text(encoding="utf-8")


def address() -> str:
    """Return the URL of the repository from ``setup.cfg``."""
    setup = ConfigParser()
    setup.read(ROOT / "setup.cfg", encoding="utf-8")
    return setup["metadata"]["url"]


def values() -> str:
    """Return the default values, with the released image and the URL of the runbook."""
    image = address().lower().replace("https://github.com/", "ghcr.io/")
    return IMAGE.sub(image, ADDRESS.sub(address(), read(CHART / "values.yaml")))


def schema() -> str:
    """Return the schema of the values, with the ``$defs`` of the exporter's configuration."""
    own = json.loads(read(CHART / "values.schema.json"))
    own["$defs"] = json.loads(read(ROOT / "burrow_exporter" / "config.schema.json"))["$defs"]
    for section, key in KEPT_OUT:
        del own["$defs"][section]["properties"][key]
    del own["$defs"]["WebConfig"]
    for section in own["$defs"].values():
        for field in section["properties"].values():
            if "pattern" in field:  # Helm's regular expressions have no lookahead
                field |= {"pattern": field["pattern"].replace("(?=.)", ""), "minLength": 1}
    return json.dumps(own, indent=2, ensure_ascii=False) + "\n"


def table() -> str:
    """Return the table of the values, in Markdown."""
    text = values()
    root = yaml.compose(text)
    rows = documented(root, yaml.safe_load(text), text.splitlines()) if root else ()
    lines = [("value", "default", "meaning"), ("---",) * 3]
    lines += [(f"`{name}`", f"`{json.dumps(default)}`", meaning) for name, default, meaning in rows]
    return "\n".join("| " + " | ".join(cell.replace("|", "\\|") for cell in line) + " |" for line in lines)


def documented(
    node: yaml.Node, values: Mapping[str, Any], lines: list[str], before: str = ""
) -> Iterator[tuple[str, Any, str]]:
    """Yield name, default and comment of each value; a commented mapping is one value.

    Raises ``ValueError`` for a value without a comment above it.
    """
    for key, below in node.value:
        name = f"{before}{key.value}"
        comment = above(lines, key.start_mark.line)
        if comment:
            yield name, values[key.value], comment
        elif isinstance(below, yaml.MappingNode) and below.value:
            yield from documented(below, values[key.value], lines, f"{name}.")
        else:
            message = f"values.yaml: {name} has no comment"
            raise ValueError(message)


def above(lines: list[str], number: int) -> str:
    """Return the comment that ends above a line, as one line."""
    found: list[str] = []
    while number and (line := lines[number - 1].strip()).startswith("#"):
        found.insert(0, line.removeprefix("#").strip())
        number -= 1
    return " ".join(found)


def stale(made: Mapping[Path, str]) -> list[Path]:
    """Return the files that are out of date."""
    return [path for path, text in made.items() if read(path) != text]


def main() -> int:
    """Write the files, or check them; return the exit code."""
    made = files()
    paths = stale(made)
    if "--check" in sys.argv:
        for path in paths:
            sys.stderr.write(f"the chart's {path.relative_to(CHART)} is not current: run make chart\n")
        return 1 if paths else 0
    for path in paths:
        path.write_text(made[path], encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
