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

    ``groups`` is how many there are in all, Burrow's own not counted and never fewer than the named ones;
    ``partitions`` is how many each of the others reads; ``now`` (Unix seconds) is when the simulation starts.
    """
    others = max(0, groups - cast.NAMED)
    stage = Stage(now, settings, Random(seed))  # nosec B311 # made-up traffic, no secrets
    east = [*cast.us_east(stage), *crowd(stage, others // 3, partitions)]
    west = [*cast.eu_west(stage), *crowd(stage, others - others // 3, partitions)]
    return MappingProxyType({"eu-west": _cluster(stage, "eu-west", west), "us-east": _cluster(stage, "us-east", east)})


def _cluster(stage: Stage, name: str, groups: Sequence[Group]) -> Cluster:
    """Return a cluster with these groups, Burrow's own, and all that they read."""
    everyone = [*groups, cast.burrows_own(stage, name)]
    topics = {each.topic.name: each.topic for group in everyone for each in group.subscriptions}
    by_name = {group.name: group for group in everyone}
    return Cluster(name, MappingProxyType(topics), MappingProxyType(by_name))
