"""Limits of a walk: known groups come first, and large ones leave room for small ones."""

from __future__ import annotations

from contextlib import suppress

import pytest

from burrow_exporter.burrow.failures import BurrowError, Endpoint, Reason
from burrow_exporter.burrow.partitions import Partitions
from burrow_exporter.polling.bounds import Bounds, label_characters
from burrow_exporter.polling.schedule import Resource
from tests.support.factories import partition


def group(name: str) -> Resource:
    """Return a group of cluster ``c``."""
    return Resource(Endpoint.LAG, "c", name)


def admitted(bounds: Bounds, *names: str, endpoint: Endpoint = Endpoint.LAG) -> list[str]:
    """Return the names of a list that may be asked for."""
    resources = bounds.admit(endpoint, "c", names)
    assert all((endpoint, "c") == (each.endpoint, each.cluster) for each in resources)
    return [each.name for each in resources]


def test_names_within_the_bound() -> None:
    """They are asked for in the order of the list, which costs nothing to keep."""
    assert ["b", "a"] == admitted(Bounds(2, 1, ()), "b", "a")


def test_names_beyond_the_bound() -> None:
    """Those known before have room first; of new ones the first by name, whatever the order of the list."""
    bounds = Bounds(4, 1, {group("y"), group("z")})
    assert ["z", "y", "a", "b"] == admitted(bounds, "d", "z", "b", "y", "a")
    assert [] == admitted(bounds, "e")
    assert ["t"] == admitted(bounds, "t", endpoint=Endpoint.TOPIC)
    assert ["z"] == admitted(Bounds(1, 1, {group("y"), group("z")}), "a", "z")


def kept(bounds: Bounds, partitions: int, characters: int = 0) -> bool:
    """Tell whether there is room for a group."""
    with suppress(BurrowError):
        bounds.add(group("g"), partitions, characters)
        return True
    return False


def test_what_is_said_where_there_is_no_room() -> None:
    """Of what, how many, and by which setting."""
    with pytest.raises(BurrowError) as caught:
        Bounds(1, 4, ()).add(group("g"), 5, 0)
    assert (Endpoint.LAG, Reason.TOO_MANY) == (caught.value.endpoint, caught.value.reason)
    assert "group 'g' of 'c' has 5 partitions, more than max_partitions allows" == caught.value.detail


def test_large_answers_leave_room_for_small_ones() -> None:
    """All that is large may take half of the bound, whatever comes first; what was refused takes nothing."""
    bounds = Bounds(1, 1000, ())
    assert [True, False, True] == [kept(bounds, each) for each in (300, 300, 200)]
    assert [True] * 50 == [kept(bounds, 10) for _ in range(50)]
    assert not kept(bounds, 1)


@pytest.mark.parametrize(("expected", "characters"), [(True, 0), (True, 1023), (False, 1024)])
def test_long_names_count_as_partitions(expected: bool, characters: int) -> None:  # noqa: FBT001
    """They take as much memory."""
    assert expected == kept(Bounds(1, 10, ()), 5, characters)


def test_characters_of_labels() -> None:
    """Names of cluster and group stand beside each partition."""
    partitions = Partitions(
        partition(None, number=number, topic="topic", owner="owner", client_id="id") for number in range(2)
    )
    assert 2 * (5 + 5 + 2 + 1 + 5) == label_characters("c", "group", partitions)
