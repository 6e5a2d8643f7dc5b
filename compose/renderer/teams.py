"""Teams and where their alerts go: `TEAM_DATA_SLACK_CHANNEL`, `TEAM_DATA_EMAIL_TO`."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

NAME = re.compile(r"TEAM_(?P<team>[A-Z0-9]+(?:_[A-Z0-9]+)*?)_(?P<what>SLACK_CHANNEL|EMAIL_TO)")


@dataclass(frozen=True)
class Team:
    """One team, and where its alerts go; empty is where all others go."""

    name: str
    """Of its receiver, as in `team-data-science`."""
    pattern: str
    """A regular expression for the label ``team``, whatever its capitals, with any of ``-_. `` for ``_``."""
    slack_channel: str = ""
    email_to: str = ""


def known(name: str) -> bool:
    """Return whether a name is one for a team."""
    return NAME.fullmatch(name) is not None


def read_teams(values: Mapping[str, str]) -> tuple[Team, ...]:
    """Return the teams that have names in `.env`, in the order of their first."""
    found: dict[str, dict[str, str]] = {}
    for name, value in values.items():
        if match := NAME.fullmatch(name):
            found.setdefault(match["team"], {})[match["what"].lower()] = value
    return tuple(
        Team(f"team-{team.lower().replace('_', '-')}", f"(?i:{team.lower().replace('_', '[-_. ]')})", **where)
        for team, where in found.items()
    )
