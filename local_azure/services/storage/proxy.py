"""The proxy of a storage account's Azurite: it checks tokens, roles and account settings as Azure does.

Azurite checks a token's audience and dates, but neither its signature nor any role. Requests that pass, and
their responses, are forwarded unchanged.
"""

import logging
from collections.abc import Iterable
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
from local_azure.services.storage.errors import StorageError
from local_azure.services.storage.permissions import (
    PathError,
    Requirement,
    Service,
    batch_requirements,
    requirement_of,
)

log = logging.getLogger(__name__)

_MAX_BATCH = 4 * 1024 * 1024
_NOT_AUTHENTICATED = (
    "Server failed to authenticate the request. Please refer to the information in the www-authenticate "
    "header."
)
# RFC 9110, 7.6.1: these concern one connection. Host is forwarded: Azurite builds links from it.
_HOP_BY_HOP = frozenset(
    [
        "connection",
        "keep-alive",
        "proxy-connection",
        "te",
        "trailer",
        "transfer-encoding",
        "upgrade",
        "expect",
    ]
)


class AuthorizingProxy:
    """The request handler of one service of one account, in front of Azurite's port for it."""

    def __init__(
        self,
        service: Service,
        account_id: str,
        store: Store,
        tokens: Tokens,
        *,
        session: aiohttp.ClientSession,
        port: int,
    ) -> None:
        self._service: Service = service
        self._account_id = account_id
        self._account = name_of(account_id)
        self._store = store
        self._tokens = tokens
        self._session = session
        self._port = port

    async def __call__(self, request: web.BaseRequest) -> web.Response:
        try:
            principal_id = self._authenticate(request)
            body = await request.content.read()
            if not all(self._permits(principal_id, need) for need in self._requirements(request, body)):
                raise StorageError(
                    403,
                    "AuthorizationPermissionMismatch",
                    "This request is not authorized to perform this operation using this permission.",
                )
            return await self._forward(request, body)
        except StorageError as error:
            return error.response(self._service)

    def _authenticate(self, request: web.BaseRequest) -> str:
        """The principal id of the caller."""
        account: dict[str, Any] = (self._store.get(self._account_id) or {}).get("properties", {})
        if account.get("publicNetworkAccess") == "Disabled":
            text = "This request is not authorized to perform this operation."
            raise StorageError(403, "AuthorizationFailure", text)
        scheme, _, token = request.headers.get("Authorization", "").partition(" ")
        if scheme.lower() == "bearer":
            try:
                return self._tokens.verify(token.strip(), STORAGE_AUDIENCES)
            except TokenError as error:
                raise StorageError(
                    401, "InvalidAuthenticationInfo", _NOT_AUTHENTICATED, str(error)
                ) from error
        if not scheme and "sig" not in request.query:
            raise StorageError(401, "NoAuthenticationInformation", _NOT_AUTHENTICATED)
        if account.get("allowSharedKeyAccess") is False:
            text = "Key based authentication is not permitted on this storage account."
            raise StorageError(403, "KeyBasedAuthenticationNotPermitted", text)
        raise StorageError(
            403,
            "AuthenticationFailed",
            "Server failed to authenticate the request. "
            "Make sure the value of Authorization header is formed correctly including the signature.",
            "Local Azure issues no account keys and no SAS: sign in with Microsoft Entra ID.",
        )

    def _requirements(self, request: web.BaseRequest, body: bytes) -> Iterable[Requirement]:
        try:
            if self._service == "table" and request.path.endswith("/$batch"):
                if len(body) > _MAX_BATCH:
                    text = "The request body is too large and exceeds the maximum permissible limit."
                    raise StorageError(413, "RequestBodyTooLarge", text)
                return batch_requirements(self._account, body)
            path, _, _ = request.raw_path.partition("?")
            return [
                requirement_of(
                    self._service,
                    self._account,
                    request.method,
                    path,
                    query=request.query,
                    headers=request.headers,
                )
            ]
        except PathError as error:
            text = "The requested URI does not represent any resource on the server."
            raise StorageError(400, "InvalidUri", text, str(error)) from error

    def _permits(self, principal_id: str, requirement: Requirement) -> bool:
        scope = self._account_id + requirement.scope
        return any(
            all(permits(self._store, principal_id, scope, **{kind: name}) for kind, name in permissions)
            for permissions in requirement.any_of
        )

    async def _forward(self, request: web.BaseRequest, body: bytes) -> web.Response:
        # Unchanged: decoding and encoding again would change keys with escaped slashes.
        url = URL(f"https://{ADDRESS}:{self._port}{request.raw_path}", encoded=True)
        headers = _end_to_end(request.headers)
        try:
            async with self._session.request(
                request.method, url, headers=headers, data=body, allow_redirects=False
            ) as upstream:
                return web.Response(
                    status=upstream.status,
                    reason=upstream.reason,
                    headers=_end_to_end(upstream.headers),
                    body=await upstream.read() or None,
                )
        except (aiohttp.ClientError, TimeoutError) as error:
            log.warning("%s service of storage account %s: %s", self._service, self._account, error)
            text = "The server is currently unable to receive requests. Please retry your request."
            raise StorageError(503, "ServerBusy", text) from error


def _end_to_end(headers: CIMultiDictProxy[str]) -> CIMultiDict[str]:
    return CIMultiDict((name, value) for name, value in headers.items() if name.lower() not in _HOP_BY_HOP)
