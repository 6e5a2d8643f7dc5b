"""A Burrow that fails at random, as a separate process: ``python -m tests.support.soak_burrow``.

The simulated Burrow stands behind a server with faults. Beside its own clusters' groups and topics there are some that
come and go. It writes the kind of each fault on a line. ``GET /calm`` ends the faults and makes its clock stand still.
"""

from __future__ import annotations

import json
import re
import sys
import time
from collections.abc import Callable, Mapping
from random import Random
from threading import Event

from burrow_exporter.demo import SimulatedBurrow
from tests.support.faults import FaultServer, Step, drip, head, reply, then_close, then_hang, then_reset

GROUPS, PARTITIONS = 20, 6
PASSING, LIFE_SECONDS = 20, 5
"""How many groups, each with a topic of its own, there are beside those that stay, and how long they live."""
CLUSTER, MODEL_GROUP, MODEL_TOPIC = "eu-west", "checkout-payments", "orders.placed.v1"
FAULTY = 0.02
"""The share of requests that meet a fault."""


def half(body: bytes) -> bytes:
    """Return a response with a truncated body."""
    return head(len(body)) + body[: len(body) // 2]


FAULTS: Mapping[str, Callable[[bytes], Step]] = {
    "500": lambda _: reply(b"broken", 500),
    "502": lambda _: reply(b"<html>", 502),
    "503": lambda _: reply(b"STARTING", 503),
    "401": lambda _: reply(b"who are you?", 401),
    "hang": lambda _: then_hang(),
    "hang in mid-body": lambda body: then_hang(half(body)),
    "reset in mid-body": lambda body: then_reset(half(body)),
    "closed in mid-body": lambda body: then_close(half(body)),
    "slow drip": lambda body: drip(head(len(body) + 1_000_000) + body, b" "),
    "truncated JSON": lambda body: reply(body[: len(body) // 2]),
    "garbage": lambda _: reply(b'\x00\xff{"error":fa'),
}


class Clock:
    """A clock in Unix seconds that can be stopped."""

    def __init__(self, stands_at: float) -> None:
        self.stands_at: float | None = stands_at

    def __call__(self) -> float:
        """Tell the time."""
        return time.time() if self.stands_at is None else self.stands_at


class Burrow:
    """Answers as the simulated Burrow that was made at ``epoch`` does, with faults drawn from ``chance``."""

    def __init__(self, epoch: float, chance: Random) -> None:
        self._clock = Clock(epoch)
        self._api = SimulatedBurrow(GROUPS, PARTITIONS, clock=self._clock).api
        self._clock.stands_at = None
        self._chance = chance
        self._calm = False

    def plan(self, path: str) -> Step:
        """Return the step for a request."""
        if path == "/calm":
            self._calm, self._clock.stands_at = True, time.time()
            return reply()
        status, body = self._answer(path)
        if self._calm or self._chance.random() >= FAULTY:
            return reply(body, status)
        kind = self._chance.choice(list(FAULTS))
        print(f"{kind}\n", end="", flush=True)  # noqa: T201  to the parent; at once, as there are many threads
        return FAULTS[kind](body)

    def _answer(self, path: str) -> tuple[int, bytes]:
        """Return status and body of a good answer; those for what comes and goes are made from another's."""
        passing = self._passing()
        found = re.search("passing-[0-9-]+", path)
        name = found[0] if found and found[0] in passing else ""
        if name:
            path = path.replace(f"consumer/{name}", f"consumer/{MODEL_GROUP}")
            path = path.replace(f"topic/{name}", f"topic/{MODEL_TOPIC}")
        told = self._api.answer("GET", path)
        body = told.body.decode()
        if name:
            body = body.replace(MODEL_GROUP, name).replace(MODEL_TOPIC, name)
        if path in (f"/v3/kafka/{CLUSTER}/consumer", f"/v3/kafka/{CLUSTER}/topic"):
            body = body.replace(":[", f":[{json.dumps(passing)[1:-1]},", 1)
        return told.status, body.encode()

    def _passing(self) -> list[str]:
        """Return the names of the current groups and of their topics."""
        generation = int(self._clock() / LIFE_SECONDS)
        return [f"passing-{generation}-{index}" for index in range(PASSING)]


def main() -> None:
    """Serve until killed."""
    port, seed, epoch = sys.argv[1:]
    burrow = Burrow(float(epoch), Random(seed))  # noqa: S311  no secret
    with FaultServer(burrow.plan, port=int(port)):
        Event().wait()


if __name__ == "__main__":
    main()
