"""A connection until its TLS handshake is done: bounded in time, and counted like any other.

asyncio's own TLS server shows a connection only after its handshake; until then it could neither be counted nor
dropped, and its context would be the same for ever.
"""

from __future__ import annotations

import asyncio
from asyncio.sslproto import SSLProtocol
from typing import Any

import structlog
import uvicorn

from burrow_exporter.web.limits import DEFAULT_LIMITS, Held, LimitedProtocol, Phase, make_room
from burrow_exporter.web.security.authentication import UNCERTIFIED, is_local
from burrow_exporter.web.security.live_config import Security

# What a connection reads into: one TLS record. With asyncio's 256 KiB 500 idle connections cost 300 MB instead of 45.
READ_BYTES = 16 * 1024

log = structlog.get_logger(__name__)


class Handshake(Held, asyncio.Protocol):
    """Shakes hands by what the web config file says at that moment, and makes room for ``protocol``."""

    limits = DEFAULT_LIMITS
    phase = Phase.UNFINISHED
    protocol = LimitedProtocol
    security: Security
    _transport: asyncio.Transport
    _task: asyncio.Task[None]

    def __init__(
        self,
        config: uvicorn.Config,
        server_state: Any,  # noqa: ANN401  uvicorn's, passed on
        app_state: dict[str, Any],
        _loop: asyncio.AbstractEventLoop | None = None,
    ) -> None:
        self.loop = _loop or asyncio.get_running_loop()
        self.connections = server_state.connections
        self._config = config
        self._server_state = server_state
        self._app_state = app_state
        self._early = bytearray()
        self._lost = False
        self._served: LimitedProtocol | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override] # as uvicorn's own
        """Count the connection in, and begin."""
        SSLProtocol.max_size = READ_BYTES
        # Nothing may be read until TLS does.
        transport.pause_reading()
        self._transport = transport
        self.since = self.loop.time()
        self.connections.add(self)
        self._task = self.loop.create_task(self._run())
        make_room(self)

    def data_received(self, data: bytes) -> None:
        """Keep what comes with the end of the handshake: at most what TLS reads at a time."""
        self._early += data

    def connection_lost(self, exc: Exception | None) -> None:
        """Note the end, or pass it on where it was under way when the connection was handed over."""
        self._lost = True
        if self._served is not None:
            self._served.connection_lost(exc)

    def shutdown(self) -> None:
        """Give up, because the server stops."""
        self.drop()

    def drop(self) -> None:
        """End the connection at once."""
        self.dropped = True
        # A task that is cancelled before its first step does nothing at all.
        self.connections.discard(self)
        self._task.cancel()
        self._transport.abort()

    async def _run(self) -> None:
        try:
            await self._shake_hands()
        except (OSError, asyncio.CancelledError) as error:
            log.debug("TLS handshake failed", reason=getattr(error, "reason", None) or type(error).__name__)
            self._transport.abort()
        except Exception:
            log.exception("TLS handshake failed")
            self._transport.abort()
        finally:
            self.connections.discard(self)

    async def _shake_hands(self) -> None:
        contexts = self.security.current().contexts
        assert contexts is not None  # nosec B101 # TLS cannot be turned off
        local = is_local(*(self._transport.get_extra_info(name) for name in ("peername", "sockname")))
        async with asyncio.timeout(self.limits.head_seconds):
            transport = await self.loop.start_tls(
                self._transport,
                self,
                contexts.local if local else contexts.everyone,
                server_side=True,
                ssl_handshake_timeout=self.limits.head_seconds,
                ssl_shutdown_timeout=self.limits.head_seconds,
            )
        if transport is None or self._lost or transport.is_closing():
            return
        certificate = transport.get_extra_info("peercert")
        if contexts.admits(certificate):
            self._hand_over(transport, uncertified=contexts.requires_certificate and not certificate)
        else:
            log.debug("client certificate has none of the allowed names")
            transport.abort()

    def _hand_over(self, transport: asyncio.Transport, *, uncertified: bool) -> None:
        state = {**self._app_state, UNCERTIFIED: uncertified}
        self.connections.discard(self)
        self._served = self.protocol(self._config, self._server_state, state, self.loop)
        transport.set_protocol(self._served)
        self._served.connection_made(transport)
        if self._early:
            self._served.data_received(bytes(self._early))
