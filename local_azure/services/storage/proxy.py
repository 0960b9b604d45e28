"""The proxy of a storage account's Azurite: it checks tokens, roles and account settings as Azure does.

Azurite checks a token's audience and dates, but neither its signature nor any role. Requests that pass, and
their responses, are forwarded unchanged.
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
from local_azure.services.storage import errors
from local_azure.services.storage.errors import ErrorResponse
from local_azure.services.storage.permissions import (
    PathError,
    Requirement,
    Service,
    StorageRequest,
    batch_requirements,
    requirement_of,
)

log = logging.getLogger(__name__)

_MAX_BATCH = 4 * 1024 * 1024
_UNSTREAMED = 256 * 1024
"""Bytes up to which a body is forwarded at once, which costs fewer task switches than a stream."""

# RFC 9110, 7.6.1: these concern one connection. Host is forwarded: Azurite builds links from it.
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
# A new role assignment takes effect at once, the deletion of one after this time; on Azure both take minutes.
_CACHE_SECONDS = 1.0
_CACHE_SIZE = 512


@dataclass(frozen=True)
class Upstream:
    session: aiohttp.ClientSession
    port: int


class AuthorizingProxy:
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
        self._allowed: dict[tuple[str, Requirement], float] = {}

    async def __call__(self, request: web.BaseRequest) -> web.StreamResponse:
        body: bytes | None = None
        try:
            if self._service == "table" and request.path.endswith("/$batch"):
                body = await _read_all(request, _MAX_BATCH)
                if body is None:
                    return self._error(errors.TOO_LARGE)
                requirements: Iterable[Requirement] = batch_requirements(self._account, body)
            else:
                path, _, _ = request.raw_path.partition("?")
                storage_request = StorageRequest(request.method, path, request.query, request.headers)
                requirements = (requirement_of(self._service, self._account, storage_request),)
        except PathError as error:
            principal_id = self._authenticate(request)
            if isinstance(principal_id, ErrorResponse):
                return self._error(principal_id)
            return self._error(errors.invalid_uri(str(error)))
        denial = self._authorize(request, requirements)
        if denial is not None:
            return self._error(denial)
        return await self._forward(request, body)

    def _authorize(
        self, request: web.BaseRequest, requirements: Iterable[Requirement]
    ) -> ErrorResponse | None:
        header, now = request.headers.get("Authorization", ""), monotonic()
        if all(self._allowed.get((header, requirement), 0.0) > now for requirement in requirements):
            return None
        principal_id = self._authenticate(request)
        if isinstance(principal_id, ErrorResponse):
            return principal_id
        if not all(self._permits(principal_id, requirement) for requirement in requirements):
            return errors.PERMISSION_MISMATCH
        if len(self._allowed) > _CACHE_SIZE:
            self._allowed.clear()
        self._allowed.update({(header, requirement): now + _CACHE_SECONDS for requirement in requirements})
        return None

    def _authenticate(self, request: web.BaseRequest) -> str | ErrorResponse:
        """The principal id of the caller."""
        account: dict[str, Any] = (self._store.get(self._account_id) or {}).get("properties", {})
        if account.get("publicNetworkAccess") == "Disabled":
            return errors.PUBLIC_ACCESS_DISABLED
        scheme, _, token = request.headers.get("Authorization", "").partition(" ")
        if scheme.lower() == "bearer":
            try:
                return self._tokens.verify(token.strip(), STORAGE_AUDIENCES)
            except TokenError as error:
                return errors.invalid_token(str(error))
        if scheme or "sig" in request.query:
            if account.get("allowSharedKeyAccess") is False:
                return errors.KEY_AUTHENTICATION_NOT_PERMITTED
            return errors.AUTHENTICATION_FAILED
        return errors.NOT_AUTHENTICATED

    def _permits(self, principal_id: str, requirement: Requirement) -> bool:
        scope = self._account_id + requirement.scope
        return any(
            all(
                permits(self._store, principal_id, scope, **{permission.kind: permission.name})
                for permission in permissions
            )
            for permissions in requirement.any_of
        )

    async def _forward(self, request: web.BaseRequest, body: bytes | None) -> web.StreamResponse:
        # Unchanged: decoding and encoding again would change keys with escaped slashes.
        url = URL(f"https://{ADDRESS}:{self._upstream.port}{request.raw_path}", encoded=True)
        answer: web.StreamResponse | None = None
        try:
            if body is None:
                await _send_continue(request)
                body = await _read_small(request)
            async with self._upstream.session.request(
                request.method,
                url,
                headers=_end_to_end(request.headers),
                data=body if body is not None else request.content,
                allow_redirects=False,
            ) as upstream:
                headers = _end_to_end(upstream.headers)
                length = upstream.content_length
                if request.method != "HEAD" and length is not None and length <= _UNSTREAMED:
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
                # The response has begun: only a broken connection shows the client that it is incomplete.
                request.transport.abort()
                return answer
            return self._error(errors.SERVER_BUSY)

    def _error(self, error: ErrorResponse) -> web.Response:
        headers, body = errors.headers_and_body(self._service, error)
        return web.Response(status=error.status, headers=headers, body=body)


def _end_to_end(headers: CIMultiDictProxy[str]) -> CIMultiDict[str]:
    named = {name.strip().lower() for name in headers.get("Connection", "").split(",")}
    dropped = _HOP_BY_HOP | named if named else _HOP_BY_HOP
    return CIMultiDict((name, value) for name, value in headers.items() if name.lower() not in dropped)


async def _send_continue(request: web.BaseRequest) -> None:
    if request.headers.get("Expect", "").lower() == "100-continue" and request.transport is not None:
        request.transport.write(b"HTTP/1.1 100 Continue\r\n\r\n")
        # The event loop sends the line before the body is awaited.
        await asyncio.sleep(0)


async def _read_small(request: web.BaseRequest) -> bytes | None:
    """The body when it is known to be small (empty, often), else None: it has to be streamed."""
    if not request.can_read_body:
        return b""
    length = request.content_length
    return await request.content.read(-1) if length is not None and length <= _UNSTREAMED else None


async def _read_all(request: web.BaseRequest, limit: int) -> bytes | None:
    """The body, or None when it has more than `limit` bytes."""
    await _send_continue(request)
    body = bytearray()
    async for chunk in request.content.iter_any():
        body += chunk
        if len(body) > limit:
            return None
    return bytes(body)
