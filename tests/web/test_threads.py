"""Threads for connections: none waits for another, and they are reused and end."""

from __future__ import annotations

import threading
import time
from functools import partial

import pytest

from burrow_exporter.web import threads
from burrow_exporter.web.threads import DaemonThreads
from tests.web.test_server_limits import eventually


def named(name: str) -> list[threading.Thread]:
    """Return the threads of a name."""
    return [thread for thread in threading.enumerate() if thread.name == name]


def test_tasks_run_at_once() -> None:
    """Each task runs at once, however many others have not ended, in a thread that does not keep the process alive."""
    pool, barrier = DaemonThreads("at once"), threading.Barrier(21)

    def meet() -> None:
        barrier.wait(5)

    for _ in range(20):
        pool.run(meet)
    assert all(thread.daemon for thread in named("at once"))

    barrier.wait(5)
    assert not barrier.broken


def test_threads_are_reused(monkeypatch: pytest.MonkeyPatch) -> None:
    """A thread without a task takes the next one, and ends when none comes."""
    monkeypatch.setattr(threads, "IDLE_SECONDS", 0.2)
    pool, seen = DaemonThreads("reused"), list[int]()

    def has_run(count: int) -> bool:
        return len(seen) == count

    for count in range(1, 21):
        pool.run(lambda: seen.append(threading.get_ident()))
        assert eventually(partial(has_run, count))
        time.sleep(0.01)

    assert 1 == len(set(seen))
    assert eventually(lambda: not named("reused"))
    pool.run(lambda: seen.append(0))
    assert eventually(lambda: seen[-1] == 0)


def test_task_at_the_last_moment(monkeypatch: pytest.MonkeyPatch) -> None:
    """No task is lost when it comes just as the threads run out of time."""
    monkeypatch.setattr(threads, "IDLE_SECONDS", 0.001)
    pool, ran = DaemonThreads("last moment"), list[int]()
    for number in range(300):
        pool.run(partial(ran.append, number))
        time.sleep(0.001 if number % 2 else 0.0005)

    assert eventually(lambda: sorted(ran) == list(range(300)))
