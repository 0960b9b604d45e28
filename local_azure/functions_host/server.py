"""An aiohttp server that tracks accepted connections without a request."""

import time
from collections.abc import Awaitable, Callable
from typing import Any

from aiohttp import web

FIRST_REQUEST_TIMEOUT = 2.0
"""Seconds within which an accepted connection is expected to send its first request."""


class Server(web.Server):
    def __init__(self, handler: Callable[[web.BaseRequest], Awaitable[web.StreamResponse]]) -> None:
        # Kestrel does not decompress a body; aiohttp would, and rejects one that is not compressed.
        super().__init__(self._handle, access_log=None, auto_decompress=False)
        self._handler = handler
        self._accepted: dict[object, float] = {}

    def awaits_requests(self) -> bool:
        """Whether a client has just connected and not yet sent a request, which a stop would drop."""
        now = time.monotonic()
        return any(now - since < FIRST_REQUEST_TIMEOUT for since in self._accepted.values())

    def __call__(self) -> Any:
        protocol = super().__call__()  # before the TLS handshake
        now = time.monotonic()
        # A connection whose TLS handshake fails is not reported, and a pooled one may stay idle for long.
        self._accepted = {
            connection: since
            for connection, since in self._accepted.items()
            if now - since < FIRST_REQUEST_TIMEOUT
        }
        self._accepted[protocol] = now
        return protocol

    def connection_lost(self, handler: Any, exc: BaseException | None = None) -> None:
        self._accepted.pop(handler, None)
        super().connection_lost(handler, exc)

    async def _handle(self, request: web.BaseRequest) -> web.StreamResponse:
        self._accepted.pop(request.protocol, None)
        return await self._handler(request)
