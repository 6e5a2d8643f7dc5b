"""The current web config: reloaded when the file, or a file it refers to, changes."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import structlog

from burrow_exporter.settings.validation import ConfigError, require
from burrow_exporter.web.security import tls
from burrow_exporter.web.security.rate_limit import TokenBucket
from burrow_exporter.web.security.web_config import WebFile, parse

CHECK_SECONDS = 1.0

log = structlog.get_logger(__name__)

Stamp = tuple[int, int, int, int] | None


@dataclass(frozen=True, slots=True)
class ActiveConfig:
    """The current settings; ``contexts`` is ``None`` without TLS, ``bucket`` without a rate limit."""

    file: WebFile
    contexts: tls.Contexts | None
    bucket: TokenBucket | None


class Security:
    """The web config file at ``path``. Raises ``ConfigError`` if it is invalid."""

    def __init__(self, path: str, clock: Callable[[], float] = time.monotonic) -> None:
        self._path = Path(path)
        self._clock = clock
        self._stamps: dict[Path, Stamp] = {}
        self._active = self._read(None)
        self._checked = clock()
        self._refreshing = threading.Lock()
        self.has_tls = self._active.contexts is not None
        if self._active.file.basic_auth_users and not self.has_tls:
            log.warning("passwords sent unencrypted: web config has users but no TLS", file=path)

    def current(self) -> ActiveConfig:
        """Return the current settings. Files are checked at most once a second; invalid ones change nothing.

        While one thread reads files, others use the previous settings.
        """
        now = self._clock()
        if now - self._checked >= CHECK_SECONDS and self._refreshing.acquire(blocking=False):
            try:
                self._checked = now
                self._refresh()
            finally:
                self._refreshing.release()
        return self._active

    def _refresh(self) -> None:
        stamps = {path: stamp(path) for path in self._stamps}
        if stamps == self._stamps:
            return
        self._stamps = stamps
        try:
            self._active = self._read(self._active)
        except (ConfigError, OSError) as error:
            log.error("web config reload failed, keeping the previous one", error=str(error))  # noqa: TRY400  the message says all
        else:
            log.info("web config reloaded", file=str(self._path))

    def _read(self, former: ActiveConfig | None) -> ActiveConfig:
        try:
            file = parse(self._file(self._path, "cannot be read"))
            wanted = file.tls_server_config
            same = former is None or bool(wanted) == bool(former.contexts)
            require("tls_server_config", same, "TLS cannot be enabled or disabled without a restart")
            contexts = tls.build(wanted, self._named_file) if wanted else None
        except ValueError as error:
            raise ConfigError(str(self._path), str(error)) from None
        return ActiveConfig(file, contexts, bucket_of(file, former))

    def _named_file(self, key: str, path: str) -> bytes:
        name = self._path.parent / path
        return self._file(name, f"{key}: cannot read {name}")

    def _file(self, path: Path, complaint: str) -> bytes:
        # Taken before reading, so that a concurrent change is seen next time. Also for unreadable files, which may
        # appear later.
        self._stamps[path] = stamp(path)
        try:
            return path.read_bytes()
        # A name with a null byte raises ValueError.
        except (OSError, ValueError) as error:
            message = f"{complaint}: {getattr(error, 'strerror', None) or error}"
            raise ValueError(message) from None


def stamp(path: Path) -> Stamp:
    """Return what changes with a file, following symbolic links; ``None`` if it does not exist."""
    try:
        status = os.stat(path)  # noqa: PTH116  the same, and faster: it runs each second
    except (OSError, ValueError):
        return None
    return status.st_mtime_ns, status.st_ctime_ns, status.st_size, status.st_ino


def bucket_of(file: WebFile, former: ActiveConfig | None) -> TokenBucket | None:
    """Return the rate limit's bucket; the existing one if the limit is unchanged."""
    if former and former.file.rate_limit == file.rate_limit:
        return former.bucket
    limit = file.rate_limit
    return TokenBucket(limit.seconds, limit.burst) if limit.seconds else None
