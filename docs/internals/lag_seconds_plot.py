"""Draw docs/internals/lag-seconds.png and print the error table: the estimate against the truth, from a recording.

Run by hand, in an environment that has matplotlib besides the package: ``python docs/internals/lag_seconds_plot.py``.
"""

import json
from collections import defaultdict
from pathlib import Path
from statistics import median, quantiles
from typing import Any

import matplotlib as mpl
import msgspec

from burrow_exporter.burrow.answers import LagAnswer, TopicAnswer
from burrow_exporter.lag.time_lag import TimeLag
from burrow_exporter.snapshot import Group, Topic

mpl.use("Agg")
from matplotlib import pyplot as plt

DOCS = Path(__file__).parent
RECORDING = DOCS.parents[1] / "tests" / "recordings" / "time-lag.json"
SETTLED = 3
CONSUMERS = ("bursty-crawl", "bursty-slow", "bursty-fast")
Line = tuple[list[float], list[float], list[float]]


def reading(poll: dict[str, Any]) -> tuple[list[Group], list[Topic]]:
    """Return the groups and the topic of one recorded poll."""
    groups, topics, now = [], [], poll["time"]
    for path, answer in poll["responses"].items():
        if "/topic/" in path:
            offsets = msgspec.json.decode(answer["body"], type=TopicAnswer).offsets
            topics.append(Topic(path.rsplit("/", 1)[1], offsets, now, now))
        else:
            status = msgspec.json.decode(answer["body"], type=LagAnswer).status
            committed = tuple(one for one in status.partitions if one.end is not None)
            groups.append(Group(status.group, status.status, committed, (), status.totallag, 0, now, now))
    return groups, topics


def replay() -> tuple[dict[tuple[str, int], Line], dict[str, list[float]]]:
    """Return times, estimates and truths by consumer and partition, and the errors after the third poll."""
    lines: dict[tuple[str, int], Line] = defaultdict(lambda: ([], [], []))
    errors: dict[str, list[float]] = defaultdict(list)
    polls, time_lag = json.loads(RECORDING.read_text())["polls"], TimeLag()
    for number, poll in enumerate(polls):
        truth = {(one["group"], one["partition"]): one["true_lag_seconds"] for one in poll["truth"]}
        groups, topics = reading(poll)
        for group, ages in zip(groups, time_lag.update(groups, topics, poll["time"], poll["time"]), strict=True):
            for partition, age in zip(group.partitions, ages, strict=True):
                key = (group.name, partition.partition)
                true = truth[key] if partition.current_lag else 0.0
                for values, value in zip(lines[key], (poll["time"] - polls[0]["time"], age, true), strict=True):
                    values.append(float("nan") if value is None else value)
                if number >= SETTLED and partition.current_lag and age is not None:
                    errors[group.name].append(abs(age - true))
    return lines, errors


def draw(lines: dict[tuple[str, int], Line]) -> None:
    """Draw one row per consumer, one column per partition."""
    figure, axes = plt.subplots(3, 3, figsize=(12, 8), sharex=True, sharey="row", layout="constrained")
    for row, consumer in zip(axes, CONSUMERS, strict=True):
        for number, panel in enumerate(row):
            seconds, estimates, truths = lines[consumer, number]
            panel.plot(seconds, truths, color="black", linewidth=3, alpha=0.35, label="truth")
            panel.plot(seconds, estimates, color="tab:red", linewidth=1.2, marker=".", markersize=4, label="estimate")
            panel.set_title(f"{consumer}, partition {number}", fontsize=10)
            panel.grid(alpha=0.3)
        row[0].set_ylabel("age (s)")
    for panel in axes[-1]:
        panel.set_xlabel("seconds since the first poll")
    axes[0, 0].legend()
    figure.savefig(DOCS / "lag-seconds.png", dpi=90)


def main() -> None:
    """Draw the picture and print the table."""
    lines, errors = replay()
    draw(lines)
    for consumer in CONSUMERS:
        found = errors[consumer]
        high = quantiles(found, n=20)[-1]
        print(f"{consumer}: n {len(found)}, median {median(found):.2f}, p95 {high:.2f}, max {max(found):.2f}")  # noqa: T201 - a script


if __name__ == "__main__":
    main()
