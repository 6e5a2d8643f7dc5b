"""Access control by the web config file: rate limit, client certificates, passwords; and its headers."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Callable

import structlog

from burrow_exporter.web.messages import Request, Response, plain
from burrow_exporter.web.security.addresses import is_local
from burrow_exporter.web.security.live_config import ActiveConfig, Security
from burrow_exporter.web.security.passwords import BusyError, PasswordChecker

HEALTH_PATH = "/-/healthy"
UNAUTHORIZED = plain(401, "Unauthorized.", ("www-authenticate", 'Basic realm="burrow_exporter", charset="UTF-8"'))
BUSY = plain(429, "Too many concurrent password checks.", ("retry-after", "1"))
TOO_MANY = plain(429, "Too many requests.")
NO_CERTIFICATE = plain(403, "A client certificate is required.")

log = structlog.get_logger(__name__)


class AccessControl:
    """Authenticates requests before ``respond`` handles them, and sets the headers of the web config file.

    The local health check needs neither password nor certificate: the file contains only hashes, and it learns no more
    than whether the exporter is healthy.
    """

    def __init__(self, respond: Callable[[Request], Response], security: Security, passwords: PasswordChecker) -> None:
        self._respond = respond
        self._security = security
        self._passwords = passwords

    def __call__(self, request: Request) -> Response:
        """Handle a request, or refuse it."""
        active = self._security.current()
        refusal = None if is_own_health_check(request) else self._refusal(request, active)
        if refusal is not None:
            log.debug("request refused", path=request.path, status=refusal.status)
        return (refusal or self._respond(request)).with_headers(active.file.headers)

    def _refusal(self, request: Request, active: ActiveConfig) -> Response | None:
        if request.peer.lacks_certificate:
            return NO_CERTIFICATE
        if active.bucket and not active.bucket.take():
            return TOO_MANY
        users = active.file.basic_auth_users
        if not users:
            return None
        credentials = basic_credentials(request)
        if credentials is None:
            return UNAUTHORIZED
        try:
            right = self._passwords.are_right(users, *credentials, client=request.peer.client)
        except BusyError:
            return BUSY
        return None if right else UNAUTHORIZED


def basic_credentials(request: Request) -> tuple[bytes, bytes] | None:
    """Return user name and password of a request, or ``None`` if missing, repeated or malformed."""
    headers = request.headers.get("authorization", ())
    scheme, _, encoded = (headers[0] if len(headers) == 1 else "").partition(" ")
    if scheme.lower() != "basic":
        return None
    try:
        decoded = base64.b64decode(encoded.strip(), validate=True)
    except (binascii.Error, ValueError):
        return None
    name, colon, password = decoded.partition(b":")
    return (name, password) if colon else None


def is_own_health_check(request: Request) -> bool:
    """Return whether this is the local health check."""
    return request.path == HEALTH_PATH and is_local(request.peer)
