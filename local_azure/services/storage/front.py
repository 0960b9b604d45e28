"""What stands in front of one account's Azurite: tokens, roles and account settings as on Azure.

Azurite checks a token's audience and dates, but neither its signature nor any
role. A request that passes here is forwarded as it is, in both directions.
"""

import asyncio
import logging
from collections.abc import Iterable
from dataclasses import dataclass
from time import monotonic
from typing import Any

import aiohttp
from aiohttp import web
from multidict import CIMultiDict, CIMultiDictProxy
from yarl import URL

from local_azure.core.access import permits
from local_azure.core.ids import name_of
from local_azure.core.store import Store
from local_azure.core.tokens import STORAGE_AUDIENCES, TokenError, Tokens
from local_azure.runtime.ports import ADDRESS
from local_azure.services.storage import refusals
from local_azure.services.storage.refusals import Refusal
from local_azure.services.storage.rights import Call, Need, PathError, Service, batch_needs, needs

log = logging.getLogger(__name__)

_MAX_BATCH = 4 * 1024 * 1024
_IN_ONE_PIECE = 256 * 1024
"""Bytes up to which a body is passed on whole, which costs fewer switches than a stream."""

# RFC 9110, 7.6.1: these are about one connection. Host is passed on: links in answers are made from it.
_HOP_BY_HOP = frozenset(
    {
        "connection",
        "keep-alive",
        "proxy-connection",
        "te",
        "trailer",
        "transfer-encoding",
        "upgrade",
        "expect",
    }
)
# Roles that were given count at once, roles that were taken away after this many
# seconds; on Azure both take minutes.
_REMEMBER = 1.0
_REMEMBERED = 512


@dataclass(frozen=True)
class Upstream:
    session: aiohttp.ClientSession
    port: int


class Front:
    """The request handler of one service of one account."""

    def __init__(
        self, service: Service, account_id: str, store: Store, tokens: Tokens, upstream: Upstream
    ) -> None:
        self._service: Service = service
        self._account_id = account_id
        self._account = name_of(account_id)
        self._store = store
        self._tokens = tokens
        self._upstream = upstream
        self._allowed: dict[tuple[str, Need], float] = {}

    async def __call__(self, request: web.BaseRequest) -> web.StreamResponse:
        body: bytes | None = None
        try:
            if self._service == "table" and request.path.endswith("/$batch"):
                body = await _whole(request, _MAX_BATCH)
                if body is None:
                    return self._refuse(refusals.TOO_LARGE)
                wanted: Iterable[Need] = batch_needs(self._account, body)
            else:
                path, _, _ = request.raw_path.partition("?")
                call = Call(request.method, path, request.query, request.headers)
                wanted = (needs(self._service, self._account, call),)
        except PathError as error:
            refusal = self._authenticate(request)
            return self._refuse(
                refusals.bad_path(str(error)) if not isinstance(refusal, Refusal) else refusal
            )
        refusal = self._check(request, wanted)
        if refusal is not None:
            return self._refuse(refusal)
        return await self._forward(request, body)

    def _check(self, request: web.BaseRequest, wanted: Iterable[Need]) -> Refusal | None:
        header, now = request.headers.get("Authorization", ""), monotonic()
        if all(self._allowed.get((header, need), 0.0) > now for need in wanted):
            return None
        principal = self._authenticate(request)
        if isinstance(principal, Refusal):
            return principal
        if not all(self._permits(principal, need) for need in wanted):
            return refusals.NO_ROLE
        if len(self._allowed) > _REMEMBERED:
            self._allowed.clear()
        self._allowed.update({(header, need): now + _REMEMBER for need in wanted})
        return None

    def _authenticate(self, request: web.BaseRequest) -> str | Refusal:
        """The principal id behind the request."""
        account: dict[str, Any] = (self._store.get(self._account_id) or {}).get("properties", {})
        if account.get("publicNetworkAccess") == "Disabled":
            return refusals.NO_NETWORK
        scheme, _, token = request.headers.get("Authorization", "").partition(" ")
        if scheme.lower() == "bearer":
            try:
                return self._tokens.verify(token.strip(), STORAGE_AUDIENCES)
            except TokenError as error:
                return refusals.bad_token(str(error))
        if scheme or "sig" in request.query:
            return refusals.KEYS_OFF if account.get("allowSharedKeyAccess") is False else refusals.WRONG_KEY
        return refusals.NO_AUTHENTICATION

    def _permits(self, principal: str, need: Need) -> bool:
        scope = self._account_id + need.scope
        return any(
            all(
                permits(
                    self._store,
                    principal,
                    scope,
                    action=None if right.data else right.name,
                    data_action=right.name if right.data else None,
                )
                for right in rights
            )
            for rights in need.any_of
        )

    async def _forward(self, request: web.BaseRequest, body: bytes | None) -> web.StreamResponse:
        # As it came: decoding and encoding again would change keys with escaped slashes.
        url = URL(f"https://{ADDRESS}:{self._upstream.port}{request.raw_path}", encoded=True)
        answer: web.StreamResponse | None = None
        try:
            if body is None:
                await _say_continue(request)
                body = await _small(request)
            async with self._upstream.session.request(
                request.method,
                url,
                headers=_end_to_end(request.headers),
                data=body if body is not None else request.content,
                allow_redirects=False,
            ) as upstream:
                headers = _end_to_end(upstream.headers)
                length = upstream.content_length
                if request.method != "HEAD" and length is not None and length <= _IN_ONE_PIECE:
                    return web.Response(
                        status=upstream.status,
                        reason=upstream.reason,
                        headers=headers,
                        body=await upstream.read() or None,
                    )
                answer = web.StreamResponse(status=upstream.status, reason=upstream.reason, headers=headers)
                await answer.prepare(request)
                async for chunk in upstream.content.iter_any():
                    await answer.write(chunk)
                await answer.write_eof()
                return answer
        except (aiohttp.ClientError, TimeoutError) as error:
            log.warning("%s service of storage account %s: %s", self._service, self._account, error)
            if answer is not None and request.transport is not None:
                # The answer has begun: only a broken connection tells the client that it is not whole.
                request.transport.abort()
                return answer
            return self._refuse(refusals.BUSY)

    def _refuse(self, refusal: Refusal) -> web.Response:
        headers, body = refusals.answer(self._service, refusal)
        return web.Response(status=refusal.status, headers=headers, body=body)


def _end_to_end(headers: CIMultiDictProxy[str]) -> CIMultiDict[str]:
    named = {name.strip().lower() for name in headers.get("Connection", "").split(",")}
    dropped = _HOP_BY_HOP | named if named else _HOP_BY_HOP
    return CIMultiDict((name, value) for name, value in headers.items() if name.lower() not in dropped)


async def _say_continue(request: web.BaseRequest) -> None:
    if request.headers.get("Expect", "").lower() == "100-continue" and request.transport is not None:
        request.transport.write(b"HTTP/1.1 100 Continue\r\n\r\n")
        # A turn of the loop, so that the line is on its way before the body is awaited.
        await asyncio.sleep(0)


async def _small(request: web.BaseRequest) -> bytes | None:
    """The body when it is known to be small (empty, often), else None: it is to be streamed."""
    if not request.can_read_body:
        return b""
    length = request.content_length
    return await request.content.read(-1) if length is not None and length <= _IN_ONE_PIECE else None


async def _whole(request: web.BaseRequest, limit: int) -> bytes | None:
    """The body, or None when it has more than `limit` bytes."""
    await _say_continue(request)
    body = bytearray()
    async for chunk in request.content.iter_any():
        body += chunk
        if len(body) > limit:
            return None
    return bytes(body)
