"""Burrow's codes as words with colours. The words tell them apart, whoever looks: colours only help."""

from __future__ import annotations

from collections.abc import Mapping

from grafana_foundation_sdk.builders.dashboard import ThresholdsConfig
from grafana_foundation_sdk.models.dashboard import Threshold, ThresholdsMode, ValueMap, ValueMappingResult

GREEN, YELLOW, ORANGE, RED, PURPLE, BLUE = "green", "yellow", "orange", "red", "purple", "blue"
CLEAR = "transparent"
OK, WARN, ERR = ("OK", GREEN), ("WARN", YELLOW), ("ERR", RED)
STOP, STALL, REWIND = ("STOP", "dark-red"), ("STALL", "semi-dark-red"), ("REWIND", "light-red")
"""Each status has one colour wherever it is shown; those that make a group ERR are shades of its red."""
DURATION = "dtdhms"
"""Days, hours, minutes and seconds, such as ``2 d 03:15:00``; Grafana's ``s`` writes ``2.48 week``."""
Step = tuple[float | None, str]


def words(meanings: Mapping[float, tuple[str, str]]) -> ValueMap:
    """Return a mapping from values to a word and its colour."""
    return ValueMap(
        {
            f"{value:g}": ValueMappingResult(text=word, color=color, index=index)
            for index, (value, (word, color)) in enumerate(meanings.items())
        }
    )


def thresholds(*steps: Step) -> ThresholdsConfig:
    """Return thresholds: pairs of where a colour begins (``None`` for the lowest) and the colour."""
    return ThresholdsConfig().mode(ThresholdsMode.ABSOLUTE).steps([Threshold(value, color) for value, color in steps])


GROUP_STATUS = words({1: OK, 2: WARN, 3: ERR})
STATUS_OR_MUTED = words({1: OK, 2: WARN, 3: ERR, 4: ("muted", BLUE)})
PARTITION_STATUS = words({1: OK, 2: WARN, 4: STOP, 5: STALL, 6: REWIND})
WOULD_HELP = words(
    {
        1: ("nothing", GREEN),
        2: ("more consumers", ORANGE),
        3: ("more partitions", "dark-orange"),
        4: ("faster consumers", PURPLE),
        5: ("spread the keys", BLUE),
        6: ("fix a consumer", RED),
    }
)
"""What ``signals.advice`` says."""
HALTED = words({0: ("running", GREEN), 1: ("HALTED", RED)})
UP = words({1: ("UP", GREEN), 0: ("DOWN", RED)})
CATCH_UP = words({0: ("caught up", GREEN), -1: ("not shrinking", "text")})
"""What ``signals.catch_up`` says beside a number of seconds."""
NOT_OK_FOR = words({-1: ("> 6 h", "text")})
"""What ``signals.not_ok_for`` says beside a number of seconds."""
NONE_IS_GOOD: tuple[Step, ...] = ((None, GREEN), (1, RED))
NONE_IS_BEST: tuple[Step, ...] = ((None, GREEN), (1, YELLOW))
LAG_SECONDS: tuple[Step, ...] = ((None, GREEN), (60, ORANGE), (600, RED))
"""Nobody waits for a minute; ten are felt. A team's own limit is in the policy."""
OF_LIMIT: tuple[Step, ...] = ((None, GREEN), (0.5, ORANGE), (1, RED))
DATA_AGE: tuple[Step, ...] = ((None, GREEN), (60, ORANGE), (300, RED))
USED: tuple[Step, ...] = ((None, GREEN), (0.7, ORANGE), (0.85, RED))
