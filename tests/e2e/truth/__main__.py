"""Run the scenarios on a real Kafka and Burrow, and compare exposed values with true ones: ``make e2e-truth``."""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
from contextlib import suppress
from pathlib import Path

from confluent_kafka import KafkaException

from tests.e2e.truth.ledger import Ledger
from tests.e2e.truth.processes import Chain
from tests.e2e.truth.report import markdown
from tests.e2e.truth.scenarios import END, RESTARTS, SCENARIOS, SCRIPT, SHORT_END, short
from tests.e2e.truth.watch import Askers, Watch, contradictions
from tests.e2e.truth.world import READERS, World


def arguments() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(prog="e2e-truth", description=__doc__)
    parser.add_argument("--out", type=Path, required=True, help="the Markdown file to write")
    parser.add_argument("--title", default="True and exposed values")
    parser.add_argument("--kafka-libs", type=Path, help="folder with Kafka's jars: start a broker of our own")
    parser.add_argument("--burrow-binary", type=Path, help="start a Burrow of our own")
    parser.add_argument("--kafka", default="127.0.0.1:19292", help="address of the broker, started or pointed at")
    parser.add_argument("--burrow", default="http://127.0.0.1:18200", help="address of Burrow, started or pointed at")
    parser.add_argument("--exporter", default="http://127.0.0.1:19254", help="where the exporter is to listen")
    parser.add_argument("--exporter-folder", type=Path, default=Path.cwd(), help="checkout of the exporter")
    parser.add_argument("--python", default=sys.executable, help="the Python that has the exporter's dependencies")
    parser.add_argument("--expire-cache", type=int, default=5, help="of Burrow's evaluator, in seconds")
    parser.add_argument("--min-distance", type=int, default=10, help="of Burrow's storage, in seconds")
    parser.add_argument("--reaper", type=int, default=0, help="Burrow's groups-reaper-refresh, in seconds")
    parser.add_argument("--noise", type=float, default=1500.0, help="commits a second that Burrow must read again")
    parser.add_argument("--until", type=float, default=END, help="end after so many seconds")
    parser.add_argument("--restart-only", action="store_true", help="only the restart of Burrow, in five minutes")
    return parser.parse_args()


def chain(options: argparse.Namespace, folder: Path) -> Chain:
    """Return the chain that the options describe."""
    return Chain(
        folder=folder,
        servers=options.kafka,
        burrow=options.burrow,
        exporter=options.exporter,
        exporter_command=[options.python, "-m", "burrow_exporter"],
        exporter_folder=options.exporter_folder,
        libs=options.kafka_libs and options.kafka_libs.resolve(),
        burrow_binary=options.burrow_binary and options.burrow_binary.resolve(),
        settings={name: getattr(options, name) for name in ("expire_cache", "min_distance", "reaper")},
    )


def run(options: argparse.Namespace, programs: Chain) -> str:
    """Play all scenarios; return the report."""
    ledger = Ledger()
    programs.start_kafka()
    world = World(programs, ledger, options.noise if programs.owned else 0.0)
    world.begin()
    programs.start_burrow()
    programs.start_exporter()
    watch = Watch(programs.exporter, programs.burrow)
    watch.start()
    askers = Askers(programs.burrow, world.resting, "fast", "slow", "chatty", "kip848")
    script, rows = [*SCRIPT, *(RESTARTS if programs.owned else [])], SCENARIOS
    if options.restart_only:
        script, rows = short()
    until = SHORT_END if options.restart_only else options.until
    try:
        world.play([one for one in script if one[0] < until], until)
        world.log += check_truth(world)
    finally:
        watch.stop()
        askers.stop()
        world.end()
    dump(options.out.with_suffix(".json"), watch, world.begun)
    kept = [one for one in rows if one.since < until]
    return markdown(options.title, kept, watch.samples, ledger, world.begun, world.log)


def check_truth(world: World) -> list[str]:
    """Compare the ledger with what the broker has; commits under way just then may differ."""
    found: list[str] = []
    for group in READERS:
        with suppress(KafkaException):
            found += contradictions(world.ledger, group, world.broker.commits(group))
    return [f"broker and ledger differ at the end (a commit under way, or on a deleted topic): {one}" for one in found]


def dump(path: Path, watch: Watch, begun: float) -> None:
    """Keep the samples, to look at a row more closely."""
    samples = [
        {
            "second": round(one.at - begun, 1),
            "exporter": {name: [g.status, g.lag, g.seconds] for name, g in one.exporter.groups.items()},
            "native": {name: [g.status, g.lag] for name, g in one.native.groups.items()} if one.native else None,
        }
        for one in watch.samples
    ]
    path.write_text(json.dumps(samples), encoding="utf-8")


def main() -> int:
    """Run; return the exit code."""
    options = arguments()
    options.out = options.out.resolve()
    with tempfile.TemporaryDirectory(prefix="truth-") as folder:
        programs = chain(options, Path(folder))
        try:
            report = run(options, programs)
        finally:
            programs.end()
    options.out.write_text(report, encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
