"""Teams and their receivers: `TEAM_DATA_SLACK_CHANNEL`, `TEAM_DATA_EMAIL_TO`."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

NAME = re.compile(r"TEAM_(?P<team>[A-Z0-9]+(?:_[A-Z0-9]+)*?)_(?P<what>SLACK_CHANNEL|EMAIL_TO)")


@dataclass(frozen=True)
class Team:
    """A team and its receivers; empty for the common ones."""

    name: str
    """Name of its receiver, such as `team-data-science`."""
    pattern: str
    """A case-insensitive regular expression for the label ``team``, with any of ``-_. `` for ``_``."""
    slack_channel: str = ""
    email_to: str = ""


def known(name: str) -> bool:
    """Return whether a name is a team setting."""
    return NAME.fullmatch(name) is not None


def read_teams(values: Mapping[str, str]) -> tuple[Team, ...]:
    """Return the teams in `.env`, in order of appearance."""
    found: dict[str, dict[str, str]] = {}
    for name, value in values.items():
        if match := NAME.fullmatch(name):
            found.setdefault(match["team"], {})[match["what"].lower()] = value
    return tuple(
        Team(f"team-{team.lower().replace('_', '-')}", f"(?i:{team.lower().replace('_', '[-_. ]')})", **where)
        for team, where in found.items()
    )
