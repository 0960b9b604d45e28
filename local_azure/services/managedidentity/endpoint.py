"""The token endpoint of managed identities, in App Service's shape (api-version 2019-08-01).

Docs: How to use managed identities for App Service and Azure Functions, "REST
endpoint reference". The developer at the laptop gets tokens here too, which is
how Pulumi signs in to local Azure (`ARM_USE_MSI`).
"""

import uuid
from collections.abc import Mapping
from typing import Any

from aiohttp import web

from local_azure.core.ids import same
from local_azure.core.store import DEVELOPER_PRINCIPAL_ID, Resource, Store
from local_azure.core.tokens import DEVELOPER, Tokens

PATH = "/msi/token"
API_VERSION = "2019-08-01"
_BY = ("client_id", "principal_id", "object_id", "mi_res_id")
_NOT_FOUND = (
    "No User Assigned or Delegated Managed Identity found for specified ClientId/ResourceId/PrincipalId."
)


class IdentityEndpoint:
    def __init__(self, store: Store, tokens: Tokens) -> None:
        self._store = store
        self._tokens = tokens

    def answer(self, request: web.BaseRequest) -> web.Response:
        owner = self._tokens.owner_of(request.headers.get("X-IDENTITY-HEADER", ""))
        if owner is None:
            return _refuse(401, "The X-IDENTITY-HEADER header is missing or wrong.")
        if request.query.get("api-version") != API_VERSION:
            return _refuse(400, f"The api-version {request.query.get('api-version')} is not supported.")
        resource = request.query.get("resource")
        if not resource:
            return _refuse(400, "The resource parameter is missing.")
        asked = {by: request.query[by] for by in _BY if request.query.get(by)}
        if len(asked) > 1:
            return _refuse(400, f"Only one of {', '.join(_BY)} may be given, not {' and '.join(asked)}.")
        found = self._identity(owner, asked)
        if found is None:
            return _refuse(400, _NOT_FOUND)
        principal, client = found
        token = self._tokens.issue(principal, resource, client_id=client)
        content = {
            "access_token": token.token,
            "expires_on": str(token.expires_on),
            "resource": resource,
            "token_type": "Bearer",
            **({"client_id": client} if client else {}),
        }
        return web.json_response(content, headers={"Cache-Control": "no-store"})

    def _identity(self, owner: str, asked: Mapping[str, str]) -> tuple[str, str | None] | None:
        """Principal and client id of the one identity of `owner` that was asked for."""
        if owner == DEVELOPER:
            return None if asked else (DEVELOPER_PRINCIPAL_ID, None)
        site = self._store.get(owner)
        if site is None:
            return None
        identity: dict[str, Any] = site.get("identity", {})
        if not asked:
            principal = identity.get("principalId")
            return (principal, None) if principal else None
        for identity_id in identity.get("userAssignedIdentities", {}):
            candidate = self._store.get(identity_id)
            if candidate is not None and _is(candidate, asked):
                properties = candidate.get("properties", {})
                return properties["principalId"], properties["clientId"]
        return None


def _is(identity: Resource, asked: Mapping[str, str]) -> bool:
    properties = identity.get("properties", {})
    (by, value), *_ = asked.items()
    if by == "mi_res_id":
        return same(identity["id"], value)
    member = "clientId" if by == "client_id" else "principalId"
    return str(properties.get(member, "")).lower() == value.lower()


def _refuse(status: int, message: str) -> web.Response:
    content = {"statusCode": status, "message": message, "correlationId": str(uuid.uuid4())}
    return web.json_response(content, status=status)
