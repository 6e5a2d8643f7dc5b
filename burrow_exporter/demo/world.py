"""The simulated clusters as a whole."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from random import Random
from types import MappingProxyType

from burrow_exporter.demo import cast
from burrow_exporter.demo.crowd import crowd
from burrow_exporter.demo.groups import Cluster, Group
from burrow_exporter.demo.settings import Settings
from burrow_exporter.demo.stage import Stage


def build(groups: int, partitions: int, seed: int, now: float, settings: Settings) -> Mapping[str, Cluster]:
    """Return the clusters by name, the same ones for the same arguments.

    ``groups`` is the total number, without Burrow's own and at least the named ones; ``partitions`` is how many each
    unnamed group reads; ``now`` (Unix seconds) is the start of the simulation.
    """
    others = max(0, groups - cast.NAMED)
    stage = Stage(now, settings, Random(seed))  # nosec B311 # simulated traffic, no secrets
    east = [*cast.us_east(stage), *crowd(stage, others // 3, partitions)]
    west = [*cast.eu_west(stage), *crowd(stage, others - others // 3, partitions)]
    return MappingProxyType({"eu-west": _cluster(stage, "eu-west", west), "us-east": _cluster(stage, "us-east", east)})


def _cluster(stage: Stage, name: str, groups: Sequence[Group]) -> Cluster:
    """Return a cluster with these groups, Burrow's own, and their topics."""
    everyone = [*groups, cast.burrows_own(stage, name)]
    topics = {each.topic.name: each.topic for group in everyone for each in group.subscriptions}
    by_name = {group.name: group for group in everyone}
    return Cluster(name, MappingProxyType(topics), MappingProxyType(by_name))
