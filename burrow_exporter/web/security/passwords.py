"""Passwords checked against bcrypt hashes: one at a time, remembered, and bounded in how many wait."""

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
"""How many checks wait of one network, and of all, for names that exist and for names that do not, each."""


class BusyError(Exception):
    """Too many passwords wait to be checked."""


@dataclass(eq=False, slots=True)
class Check:
    """One check that waits or is under way: the password is compared with each of ``hashes``; the first one counts."""

    hashes: Sequence[bytes]
    password: bytes
    network: str
    is_user: bool
    under_way: bool = False
    result: Future[bool] = field(default_factory=Future)


class PasswordChecker:
    """Tells right passwords from wrong ones.

    bcrypt is slow on purpose and lets go of the interpreter: one thread checks one password at a time, so that a flood
    of wrong passwords costs one processor at most. What was found is remembered under a keyed hash; right ones have
    room of their own there, so that no flood makes the exporter forget them. Names that exist have room of their own
    among those that wait, and every other turn, so that who knows no name does not keep the users out. Where there is
    no room, one is given up at random: whoever asks again gets through, however many others ask.
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
        """Tell whether ``name`` is a user and has this password; a name that does not exist takes the same time.

        ``users`` maps names to hashes, ``client`` is an IP address. Raises ``BusyError`` if too many wait.
        """
        known = users.get(name.decode(errors="replace"))
        hashes = hashes_to_try(known, users.values())
        # Neither a hash nor a name holds a colon.
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
        """Give up the checks that wait, and wait for the one under way.

        One that ends while the interpreter shuts down would abort the process.
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
        """Return a check at random, of users and of names that do not exist in turn."""
        preferred = [key for key, each in self._pending.items() if each.is_user is self._turn_of_users]
        self._turn_of_users = not self._turn_of_users
        key = secrets.choice(preferred or list(self._pending))
        return key, self._pending[key]

    def _matches(self, password: bytes, digest: bytes) -> bool:
        # What bcrypt cannot make sense of is nobody's password.
        with suppress(Exception):
            return self._check(password, digest)
        return False


class RecentKeys:
    """A set of keys: the ``size`` that were looked up last."""

    def __init__(self, size: int) -> None:
        self._size = size
        self._keys: OrderedDict[bytes, None] = OrderedDict()

    def __contains__(self, key: bytes) -> bool:
        """Tell whether a key is remembered, which counts as looking it up."""
        if key not in self._keys:
            return False
        self._keys.move_to_end(key)
        return True

    def add(self, key: bytes) -> None:
        """Remember a key, and forget the one that was not asked for the longest."""
        self._keys[key] = None
        if len(self._keys) > self._size:
            self._keys.popitem(last=False)


def hashes_to_try(known: str | None, all_hashes: Iterable[str]) -> list[bytes]:
    """Return the hash of a user, or one that nothing matches, and others that bring it to the cost of the costliest.

    A step of the cost doubles the time: a hash of cost 8 and others of 8 and 9 take as long as one of 10.
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
