"""Draw docs/internals/autoscaling.png and print the table: a simulated consumer group, scaled in different ways.

Run by hand, in an environment that has matplotlib: ``python -m docs.internals.autoscaling_plot``.
"""

from pathlib import Path

import matplotlib as mpl

from tests.stack.autoscaling import DAY, HOUR, STEP, TARGET, produced, table, ways

mpl.use("Agg")
from matplotlib import pyplot as plt

DOCS = Path(__file__).parent
SHOWN = DAY // STEP
"""The second day; in the first one the rules still learn what a member can read."""
DRAWN = ("`replicas_wanted`", "lag, `lagThreshold: 500`", "lag, `lagThreshold: 2000`", "lag, 10000, evenly")


def main() -> None:
    """Draw the picture and print the table."""
    runs = ways()
    print(table(runs))  # noqa: T201 - a script
    figure, axes = plt.subplots(3, len(DRAWN), figsize=(14, 7), sharex=True, sharey="row", layout="constrained")
    hours = [number * STEP / HOUR for number in range(SHOWN)]
    for column, name in enumerate(DRAWN):
        run = runs[name]
        load, members, lag = axes[:, column]
        load.plot(hours, [produced(hour * HOUR) for hour in hours], color="tab:blue", linewidth=1)
        members.step(hours, [each.members for each in run.readings[-SHOWN:]], color="black", linewidth=0.7)
        lag.plot(hours, run.ages[-SHOWN:], color="tab:red", linewidth=0.7)
        lag.axhline(TARGET, color="gray", linestyle="--", linewidth=1)
        load.set_title(name.replace("`", ""), fontsize=10)
        lag.set_xlabel("hour of the day")
        for panel in (load, members, lag):
            panel.axvspan(13, 15, color="tab:orange", alpha=0.15)
            panel.grid(alpha=0.3)
    for panel, label in zip(axes[:, 0], ("produced (messages/s)", "members", "oldest unread message (s)"), strict=True):
        panel.set_ylabel(label)
    axes[0, 0].set_xticks(range(0, 25, 4))
    figure.savefig(DOCS / "autoscaling.png", dpi=90)


if __name__ == "__main__":
    main()
