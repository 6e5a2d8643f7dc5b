"""Password checks against bcrypt hashes: one at a time, cached, with a limit on waiting checks."""

from __future__ import annotations

import hashlib
import secrets
import threading
from collections import OrderedDict
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import Future
from contextlib import suppress
from dataclasses import dataclass, field

import bcrypt

from burrow_exporter.web.security.addresses import network_of

BCRYPT_BYTES = 72
KNOWN_RIGHT, KNOWN_WRONG = 64, 1024
WAITING_OF_NETWORK, WAITING = 4, 64
"""Maximum waiting checks per network and in total, separately for existing and unknown names."""


class BusyError(Exception):
    """Too many password checks are waiting."""


@dataclass(eq=False, slots=True)
class Check:
    """A waiting or running check: the password is compared with all ``hashes``; the first one decides."""

    hashes: Sequence[bytes]
    password: bytes
    network: str
    is_user: bool
    under_way: bool = False
    result: Future[bool] = field(default_factory=Future)


class PasswordChecker:
    """Checks passwords.

    bcrypt is slow on purpose and releases the interpreter. One thread checks one password at a time, so that a flood of
    wrong passwords costs at most one CPU. Results are cached under a keyed hash. Correct passwords have a separate
    cache, so that no flood evicts them. Existing names have a separate queue and every other turn, so that requests
    with unknown names do not lock out users. If a queue is full, a random check is dropped: retries succeed eventually,
    however many others wait.
    """

    def __init__(self, check: Callable[[bytes, bytes], bool] = bcrypt.checkpw) -> None:
        self._check = check
        self._secret = secrets.token_bytes(32)
        self._right, self._wrong = RecentKeys(KNOWN_RIGHT), RecentKeys(KNOWN_WRONG)
        self._pending: dict[bytes, Check] = {}
        self._lock = threading.Lock()
        self._thread: threading.Thread | None = None
        self._turn_of_users = True
        self._closed = False

    def are_right(self, users: Mapping[str, str], name: bytes, password: bytes, client: str) -> bool:
        """Return whether user and password match; an unknown name takes the same time.

        ``users`` maps names to hashes, ``client`` is an IP address. Raises ``BusyError`` if too many wait.
        """
        known = users.get(name.decode(errors="replace"))
        hashes = hashes_to_try(known, users.values())
        # Neither hashes nor names contain a colon.
        key = hashlib.blake2b(b":".join((hashes[0], name, password)), key=self._secret).digest()
        with self._lock:
            if key in self._right:
                return known is not None
            if key in self._wrong:
                return False
            check = self._pending.get(key)
            if check is None:
                check = Check(hashes, password[:BCRYPT_BYTES], network_of(client), known is not None)
                self._enqueue(key, check)
        return check.result.result() and known is not None

    def close(self, seconds: float) -> None:
        """Drop waiting checks and wait for the running one.

        A check that ends during interpreter shutdown would abort the process.
        """
        with self._lock:
            self._closed = True
            for key in [key for key, each in self._pending.items() if not each.under_way]:
                self._give_up(key)
            thread = self._thread
        if thread is not None:
            thread.join(seconds)

    def _enqueue(self, key: bytes, check: Check) -> None:
        if self._closed:
            raise BusyError
        rivals = {key: each for key, each in self._pending.items() if each.is_user is check.is_user}
        neighbours = {key: each for key, each in rivals.items() if each.network == check.network}
        self._pending[key] = check
        for others, most in ((neighbours, WAITING_OF_NETWORK), (rivals, WAITING)):
            if len(others) >= most:
                self._give_up(secrets.choice([key, *(key for key, each in others.items() if not each.under_way)]))
                break
        if self._thread is None:
            self._thread = threading.Thread(target=self._work, name="password", daemon=True)
            self._thread.start()

    def _give_up(self, key: bytes) -> None:
        self._pending.pop(key).result.set_exception(BusyError())

    def _work(self) -> None:
        while True:
            with self._lock:
                if not self._pending:
                    self._thread = None
                    return
                key, check = self._next()
                check.under_way = True
            is_right, *_ = [self._matches(check.password, each) for each in check.hashes]
            with self._lock:
                (self._right if is_right else self._wrong).add(key)
                del self._pending[key]
            check.result.set_result(is_right)

    def _next(self) -> tuple[bytes, Check]:
        """Return a random check, alternating between users and unknown names."""
        preferred = [key for key, each in self._pending.items() if each.is_user is self._turn_of_users]
        self._turn_of_users = not self._turn_of_users
        key = secrets.choice(preferred or list(self._pending))
        return key, self._pending[key]

    def _matches(self, password: bytes, digest: bytes) -> bool:
        # A password that bcrypt rejects matches no user.
        with suppress(Exception):
            return self._check(password, digest)
        return False


class RecentKeys:
    """An LRU set of ``size`` keys."""

    def __init__(self, size: int) -> None:
        self._size = size
        self._keys: OrderedDict[bytes, None] = OrderedDict()

    def __contains__(self, key: bytes) -> bool:
        """Return whether a key is cached, and mark it as used."""
        if key not in self._keys:
            return False
        self._keys.move_to_end(key)
        return True

    def add(self, key: bytes) -> None:
        """Add a key, and evict the least recently used."""
        self._keys[key] = None
        if len(self._keys) > self._size:
            self._keys.popitem(last=False)


def hashes_to_try(known: str | None, all_hashes: Iterable[str]) -> list[bytes]:
    """Return the hash of a user, or one that matches nothing, plus padding up to the cost of the most expensive hash.

    Each step of the cost doubles the time: hashes of cost 8, 8 and 9 take as long as one of cost 10.
    """
    highest = max(map(cost_of, all_hashes))
    if known is None:
        return [dummy_hash(highest)]
    return [known.encode(), *map(dummy_hash, range(cost_of(known), highest))]


def cost_of(digest: str) -> int:
    """Return the cost of a bcrypt hash, the binary logarithm of its rounds."""
    return int(digest[4:6])


def dummy_hash(cost: int) -> bytes:
    """Return a bcrypt hash of no password."""
    return f"$2b${cost:02}${'.' * 53}".encode()
