"""A docker that runs nothing: it records each call and answers as configured; ``deploying.py`` is its host.

Of what it is asked to run it does one thing for real, which is rendering.
"""

from __future__ import annotations

import json
import os
import re
import site
import subprocess
import sys
import tempfile
from itertools import pairwise
from pathlib import Path
from typing import Any

STATE = Path(os.environ["DOCKER_STANDIN"])
ANSWERS = json.loads((STATE / "answers.json").read_text(encoding="utf-8"))
IMAGES = STATE / "images.json"


def say(text: str, code: int = 0) -> int:
    """Print a text and return the exit code."""
    sys.stdout.write(f"{text}\n" if text else "")
    return code


def images() -> dict[str, str]:
    """Return the images that are here, with the digest of the checkout that each was built from."""
    return dict(json.loads(IMAGES.read_text(encoding="utf-8")))


def add(image: str, digest: str = "") -> int:
    """Have an image from now on."""
    IMAGES.write_text(json.dumps(images() | {image: digest}), encoding="utf-8")
    return 0


def pull(wanted: list[str]) -> int:
    """Get images, unless there is no registry."""
    if not ANSWERS["registry"]:
        return say("dial tcp: no route to host", 1)
    return max(add(image) for image in wanted)


def after(name: str, arguments: list[str]) -> list[str]:
    """Return what follows each time that an option is given."""
    return [value for option, value in pairwise(arguments) if option == name]


def run(arguments: list[str]) -> int:
    """Run a container: rendering, or a program that takes or refuses what it reads."""
    if "compose.renderer" in arguments:
        return render({place: path for path, place in (each.split(":")[:2] for each in after("--volume", arguments))})
    if "/app/burrow" in arguments:
        return say(ANSWERS["burrow"], 1)
    (program,) = after("--entrypoint", arguments)
    said = ANSWERS["refuse"].get(program, "")
    return say(said, 1 if said else 0)


def render(mounts: dict[str, str]) -> int:
    """Render in a folder made of links to what is mounted."""
    with tempfile.TemporaryDirectory(dir=STATE) as name:
        stack, checkout = Path(name), Path(mounts["/stack"])
        (stack / "compose").mkdir()
        links = {path.relative_to(checkout): path for path in (*checkout.iterdir(), *(checkout / "compose").iterdir())}
        links |= {Path(place).relative_to("/stack"): Path(path) for place, path in mounts.items() if place != "/stack"}
        del links[Path("compose")]
        for place, path in links.items():
            (stack / place).symlink_to(path)
        command = [sys.executable, "-m", "compose.renderer"]
        return subprocess.run(command, cwd=stack, check=False).returncode


def config(folder: Path) -> tuple[dict[str, Any], str]:
    """Return the services of a rendered folder's profiles, and what compose says of them."""
    site.main()  # this alone needs more than Python's own, and the other calls are done sooner without
    import yaml  # noqa: PLC0415  as above

    text = (folder / "compose.env").read_text(encoding="utf-8")
    profiles = set(re.findall("^COMPOSE_PROFILES=(.*)$", text, re.MULTILINE)[0].split(","))
    text = Path("compose/compose.yaml").read_text(encoding="utf-8")
    text = re.sub(r"\$\{(\w+_IMAGE):-([^}]*)\}", lambda match: os.environ.get(match[1], match[2]), text)
    whole = yaml.load(text, yaml.CSafeLoader)
    services = {name: each for name, each in whole["services"].items() if profiles & set(each["profiles"])}
    generated = Path("compose").absolute()
    secrets = {name: {"name": name, "file": str(generated / each["file"])} for name, each in whole["secrets"].items()}
    parts = {"name": "x", "services": services, "networks": {"kafka": {"image": "no"}}, "secrets": secrets}
    return services, yaml.dump(parts, Dumper=yaml.CSafeDumper, sort_keys=False).rstrip()


def compose(arguments: list[str]) -> int:
    """Answer for compose."""
    if arguments[0] == "version":
        return say(ANSWERS["compose"], 0 if ANSWERS["compose"] else 1)
    words = [word for word in arguments if word in {"config", "pull", "build", "up", "ps", "exec", "down"}]
    folder = Path(*after("--env-file", arguments)).parent
    if words == ["config"]:
        return say(config(folder)[1])
    services = config(folder)[0] if words[0] in {"pull", "build"} else {}
    if words == ["pull"]:
        return pull([each["image"] for each in services.values() if "build" not in each])
    if words == ["build"]:
        return add(services[arguments[-1]]["image"])
    return say(ANSWERS[words[0]]["says"], ANSWERS[words[0]]["code"])


def image(arguments: list[str]) -> int:
    """Answer whether images are here, and from what they were built."""
    names = [each for each in arguments[1:] if each != "--format" and "{" not in each]
    found = [images().get(name) for name in names]
    return say("", 1) if None in found else say("\n".join(map(str, found)))


def main(arguments: list[str]) -> int:
    """Write the call down and answer it; return the exit code."""
    call = {"arguments": arguments, "environment": dict(os.environ)}
    with (STATE / "calls.jsonl").open("a", encoding="utf-8") as file:
        file.write(f"{json.dumps(call)}\n")
    word, rest = arguments[0], arguments[1:]
    if word in {"info", "version"}:
        return say(ANSWERS["server"] or "Cannot connect to the Docker daemon", 0 if ANSWERS["server"] else 1)
    if word == "ps":
        return say(ANSWERS["ports" if ".Ports" in "".join(rest) else "statuses"])
    if word == "build":
        return add(*after("--tag", rest), *(each.partition("=")[2] for each in after("--label", rest)))
    own = {"compose": compose, "image": image, "run": run, "pull": pull}
    return own[word](rest) if word in own else say(ANSWERS[word])


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
