"""aiohttp's server, which knows what it has taken and not yet heard."""

import time
from collections.abc import Awaitable, Callable
from typing import Any

from aiohttp import web

HEARING = 2.0
"""Seconds in which a connection that was taken may send its first request."""


class Server(web.Server):
    def __init__(self, handler: Callable[[web.BaseRequest], Awaitable[web.StreamResponse]]) -> None:
        # Kestrel hands a body on as it was sent; aiohttp would unpack it, and refuse what is not packed.
        super().__init__(self._heard, access_log=None, auto_decompress=False)
        self._answer = handler
        self._taken: dict[object, float] = {}

    def awaits_requests(self) -> bool:
        """Whether a host that ends now would leave somebody without an answer who has just connected."""
        now = time.monotonic()
        return any(now - since < HEARING for since in self._taken.values())

    def __call__(self) -> Any:
        protocol = super().__call__()  # asyncio asks for it before the TLS handshake
        now = time.monotonic()
        # One whose handshake fails is never heard of again; one that was opened in advance may wait for long.
        self._taken = {one: since for one, since in self._taken.items() if now - since < HEARING}
        self._taken[protocol] = now
        return protocol

    def connection_lost(self, handler: Any, exc: BaseException | None = None) -> None:
        self._taken.pop(handler, None)
        super().connection_lost(handler, exc)

    async def _heard(self, request: web.BaseRequest) -> web.StreamResponse:
        self._taken.pop(request.protocol, None)
        return await self._answer(request)
