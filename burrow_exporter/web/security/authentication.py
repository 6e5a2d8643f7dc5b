"""Who is let in: passwords checked against bcrypt hashes, the rate limit, and the ASGI layer that asks both."""

from __future__ import annotations

import asyncio
import base64
import binascii
import hashlib
import ipaddress
import secrets
import threading
import time
from collections import Counter, OrderedDict
from collections.abc import Awaitable, Callable, Mapping
from contextlib import suppress
from typing import TYPE_CHECKING, NamedTuple

import bcrypt
import structlog

from burrow_exporter.web.limits import Message, Receive, Scope, Send

if TYPE_CHECKING:
    from burrow_exporter.web.security.live_config import Security

HEALTH_PATH = "/-/healthy"
UNCERTIFIED = "uncertified"
"""In the state of a scope: this client should have brought a certificate."""
BCRYPT_BYTES = 72
KNOWN_RIGHT, KNOWN_WRONG = 64, 1024
WAITING_OF_CLIENT, WAITING = 4, 64
CHALLENGE = (b"www-authenticate", b'Basic realm="burrow_exporter", charset="UTF-8"')

log = structlog.get_logger(__name__)


class Refusal(NamedTuple):
    """An answer to those who are not let in."""

    status: int
    text: str
    headers: tuple[tuple[bytes, bytes], ...] = ()


UNAUTHORIZED = Refusal(401, "Unauthorized.", (CHALLENGE,))
BUSY = Refusal(429, "Too many passwords are being checked.", ((b"retry-after", b"1"),))
TOO_MANY = Refusal(429, "Too many requests.")
NO_CERTIFICATE = Refusal(403, "A client certificate is required.", ((b"connection", b"close"),))


class BusyError(Exception):
    """Too many passwords wait to be checked."""


class Bucket:
    """A token bucket: a request each ``interval`` seconds, and at most ``burst`` at once."""

    def __init__(self, interval: float, burst: int, clock: Callable[[], float] = time.monotonic) -> None:
        self._interval = interval
        self._burst = burst
        self._clock = clock
        self._full_at = clock()

    def take(self) -> bool:
        """Take a token, if there is one."""
        now = self._clock()
        full_at = max(self._full_at, now) + self._interval
        # Half a token less or more is for the rounding.
        if full_at - now > (self._burst + 0.5) * self._interval:
            return False
        self._full_at = full_at
        return True


class Passwords:
    """Tells right passwords from wrong ones.

    bcrypt is slow on purpose: it runs in a thread, one check at a time, so that a flood of wrong passwords costs one
    processor at most, and of one client only a few wait. What was found is remembered under a keyed hash. Right ones
    have a room of their own there, so that no flood makes the exporter forget them.
    """

    def __init__(self, check: Callable[[bytes, bytes], bool] = bcrypt.checkpw) -> None:
        self._check = check
        self._secret = secrets.token_bytes(32)
        self._right, self._wrong = Memory(KNOWN_RIGHT), Memory(KNOWN_WRONG)
        self._pending: dict[bytes, asyncio.Task[bool]] = {}
        self._waiting: Counter[str] = Counter()
        self._turn = asyncio.Semaphore()
        self._thread: threading.Thread | None = None

    async def are_right(self, users: Mapping[str, str], name: bytes, password: bytes, client: str) -> bool:
        """Tell whether ``name`` is a user and has this password; an unknown one costs the same time.

        ``users`` maps names to hashes, ``client`` is the address that asks. Raises ``BusyError`` if too many wait.
        """
        known = users.get(name.decode(errors="replace"))
        digest = (known or nobody(users)).encode()
        # Neither a hash nor a name holds a colon.
        key = hashlib.blake2b(b":".join((digest, name, password)), key=self._secret).digest()
        if key in self._right:
            return known is not None
        if key in self._wrong:
            return False
        return await self._checked(key, digest, password, client) and known is not None

    async def _checked(self, key: bytes, digest: bytes, password: bytes, client: str) -> bool:
        task = self._pending.get(key)
        if task is None:
            if len(self._pending) >= WAITING or self._waiting[client] >= WAITING_OF_CLIENT:
                raise BusyError
            self._waiting[client] += 1
            task = self._pending[key] = asyncio.create_task(self._find_out(key, digest, password, client))
        return await asyncio.shield(task)

    async def _find_out(self, key: bytes, digest: bytes, password: bytes, client: str) -> bool:
        try:
            async with self._turn:
                right = await self._in_thread(password[:BCRYPT_BYTES], digest)
        finally:
            del self._pending[key]
            self._waiting -= Counter((client,))
        (self._right if right else self._wrong).add(key)
        return right

    async def _in_thread(self, password: bytes, digest: bytes) -> bool:
        loop = asyncio.get_running_loop()
        found: asyncio.Future[bool] = loop.create_future()

        def report(right: bool) -> None:  # noqa: FBT001  it is all there is to say
            if not found.done():
                found.set_result(right)

        def run() -> None:
            right = False
            # What bcrypt cannot make sense of is no password of anybody.
            with suppress(ValueError):
                right = self._check(password, digest)
            # The loop may have ended.
            with suppress(RuntimeError):
                loop.call_soon_threadsafe(report, right)

        self._thread = threading.Thread(target=run, name="password", daemon=True)
        self._thread.start()
        return await found

    def close(self, seconds: float) -> None:
        """Wait for a check under way: one that ends while the interpreter shuts down would abort the process."""
        if self._thread is not None:
            self._thread.join(seconds)


class Memory:
    """Keys, the ``size`` that were looked up last."""

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


def nobody(users: Mapping[str, str]) -> str:
    """Return the hash that unknown users are checked against, as costly as the costliest of ``users``."""
    cost = max(digest[4:6] for digest in users.values())
    return f"$2b${cost}${'.' * 53}"


class Guard:
    """The ASGI layer around an application that asks who comes, and sets the headers that the web config wants.

    The health check of this machine needs neither password nor certificate: it has none, the file holds hashes only,
    and learns no more than whether the exporter works.
    """

    def __init__(
        self, application: Callable[[Scope, Receive, Send], Awaitable[None]], security: Security, passwords: Passwords
    ) -> None:
        self._application = application
        self._security = security
        self._passwords = passwords

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request, or refuse it."""
        headers = self._security.current().file.headers

        async def send_with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                replaced = {name for name, _ in headers}
                others = [each for each in message["headers"] if each[0] not in replaced]
                message = {**message, "headers": [*others, *headers]}
            await send(message)

        refusal = None if is_own_health_check(scope) else await self._refusal(scope)
        if refusal is None:
            await self._application(scope, receive, send_with_headers)
        else:
            log.debug("request refused", path=scope["path"], status=refusal.status)
            await refuse(refusal, scope, send_with_headers)

    async def _refusal(self, scope: Scope) -> Refusal | None:
        active = self._security.current()
        if scope["state"].get(UNCERTIFIED):
            return NO_CERTIFICATE
        if active.bucket and not active.bucket.take():
            return TOO_MANY
        users = active.file.basic_auth_users
        if not users:
            return None
        credentials = basic_credentials(scope)
        if credentials is None:
            return UNAUTHORIZED
        try:
            right = await self._passwords.are_right(users, *credentials, client=host_of(scope["client"]))
        except BusyError:
            return BUSY
        return None if right else UNAUTHORIZED


async def refuse(refusal: Refusal, scope: Scope, send: Send) -> None:
    """Send a refusal."""
    body = b"" if scope["method"] == "HEAD" else f"{refusal.text}\n".encode()
    headers = [
        (b"content-type", b"text/plain; charset=utf-8"),
        (b"content-length", str(len(refusal.text) + 1).encode()),
        (b"x-content-type-options", b"nosniff"),
        (b"cache-control", b"no-store"),
        *refusal.headers,
    ]
    await send({"type": "http.response.start", "status": refusal.status, "headers": headers})
    await send({"type": "http.response.body", "body": body})


def basic_credentials(scope: Scope) -> tuple[bytes, bytes] | None:
    """Return the name and the password of a request, ``None`` if there are none, or several, or they are malformed."""
    headers = [value for name, value in scope["headers"] if name == b"authorization"]
    scheme, _, encoded = (headers[0] if len(headers) == 1 else b"").partition(b" ")
    if scheme.lower() != b"basic":
        return None
    try:
        decoded = base64.b64decode(encoded.strip(), validate=True)
    except binascii.Error:
        return None
    name, colon, password = decoded.partition(b":")
    return (name, password) if colon else None


def is_own_health_check(scope: Scope) -> bool:
    """Tell whether this is the health check of the machine that the exporter runs on."""
    return scope["path"] == HEALTH_PATH and is_local(scope["client"], scope["server"])


def is_local(client: tuple[str, int | None] | None, server: tuple[str, int | None] | None) -> bool:
    """Tell whether a connection comes from this machine: from a loopback address, or the very one that it goes to."""
    host = host_of(client)
    return bool(host) and (host == host_of(server) or ipaddress.ip_address(host).is_loopback)


def host_of(address: tuple[str, int | None] | None) -> str:
    """Return the IP address, that of IPv4 where it is dressed as IPv6; an empty string if there is none."""
    if address is None or not address[0]:
        return ""
    host = ipaddress.ip_address(address[0].partition("%")[0])
    return str(getattr(host, "ipv4_mapped", None) or host)
