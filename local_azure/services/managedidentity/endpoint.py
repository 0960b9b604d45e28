"""The token endpoint of managed identities, in App Service's shape (api-version 2019-08-01).

Docs: How to use managed identities for App Service and Azure Functions, "REST endpoint reference". Pulumi
signs in to local Azure as the developer by this endpoint, too (`ARM_USE_MSI`).
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
_SELECTORS = ("client_id", "principal_id", "object_id", "mi_res_id")
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
            return _error(401, "The X-IDENTITY-HEADER header is missing or wrong.")
        if request.query.get("api-version") != API_VERSION:
            return _error(400, f"The api-version {request.query.get('api-version')} is not supported.")
        resource = request.query.get("resource")
        if not resource:
            return _error(400, "The resource parameter is missing.")
        selectors = {name: request.query[name] for name in _SELECTORS if request.query.get(name)}
        if len(selectors) > 1:
            text = f"Only one of {', '.join(_SELECTORS)} may be given, not {' and '.join(selectors)}."
            return _error(400, text)
        principal_id, client_id = self._identity(owner, selectors)
        if principal_id is None:
            return _error(400, _NOT_FOUND)
        token = self._tokens.issue(principal_id, resource, client_id=client_id)
        content = {
            "access_token": token.token,
            "expires_on": str(token.expires_on),
            "resource": resource,
            "token_type": "Bearer",
            **({"client_id": client_id} if client_id else {}),
        }
        return web.json_response(content, headers={"Cache-Control": "no-store"})

    def _identity(self, owner: str, selectors: Mapping[str, str]) -> tuple[str | None, str | None]:
        """Principal and client id of the identity of `owner` that the selector names.

        Without a selector it is the system-assigned one, which has no client id here.
        """
        if owner == DEVELOPER:
            return None if selectors else DEVELOPER_PRINCIPAL_ID, None
        identity: dict[str, Any] = (self._store.get(owner) or {}).get("identity", {})
        if not selectors:
            return identity.get("principalId"), None
        for identity_id in identity.get("userAssignedIdentities", {}):
            candidate = self._store.get(identity_id)
            if candidate is not None and _is_selected(candidate, selectors):
                properties = candidate.get("properties", {})
                return properties["principalId"], properties["clientId"]
        return None, None


def _is_selected(identity: Resource, selectors: Mapping[str, str]) -> bool:
    properties = identity.get("properties", {})
    (selector, value), *_ = selectors.items()
    if selector == "mi_res_id":
        return same(identity["id"], value)
    member = "clientId" if selector == "client_id" else "principalId"
    return str(properties.get(member, "")).lower() == value.lower()


def _error(status: int, message: str) -> web.Response:
    content = {"statusCode": status, "message": message, "correlationId": str(uuid.uuid4())}
    return web.json_response(content, status=status)
