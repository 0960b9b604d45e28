"""One HTTPS port for what belongs to no resource: tokens, metadata, ARM over HTTP, the daemon's status."""

import json
import re
import uuid
from collections.abc import Callable, Mapping
from http import HTTPStatus
from typing import Any

from aiohttp import web

from local_azure.arm import ids
from local_azure.arm.access import permits
from local_azure.arm.errors import ArmError
from local_azure.arm.store import DEVELOPER_PRINCIPAL_ID, SUBSCRIPTION_ID, TENANT_ID, Resource, Store
from local_azure.dataplane import SiteService
from local_azure.services import identity
from local_azure.services.ports import ADDRESS
from local_azure.services.tokens import ARM_AUDIENCES, DEVELOPER, TokenError, Tokens

STATUS_PATH = "/local-azure/status"
METADATA_PATH = "/metadata/endpoints"
_SITE_ROUTE = re.compile(
    r"(?P<site>/subscriptions/[^/]+/resourceGroups/[^/]+/providers/Microsoft\.Web/sites/[^/]+)"
    r"/(?P<rest>functions|hostruntime/admin/host/status|host/default/listKeys|syncfunctiontriggers|host/default/sync)",
    re.IGNORECASE,
)
_SITE_ACTIONS: Mapping[tuple[str, str], str] = {
    ("GET", "functions"): "Microsoft.Web/sites/functions/read",
    ("GET", "hostruntime/admin/host/status"): "Microsoft.Web/sites/hostruntime/host/read",
    ("POST", "host/default/listkeys"): "Microsoft.Web/sites/host/listkeys/action",
    ("POST", "syncfunctiontriggers"): "Microsoft.Web/sites/syncfunctiontriggers/action",
    ("POST", "host/default/sync"): "Microsoft.Web/sites/host/sync/action",
}


class Gateway:
    """The request handler of the gateway; `status` answers what runs."""

    def __init__(
        self, port: int, store: Store, tokens: Tokens, sites: SiteService, status: Callable[[], object]
    ) -> None:
        self._url = f"https://{ADDRESS}:{port}"
        self._store = store
        self._tokens = tokens
        self._sites = sites
        self._status = status
        self._identity = identity.IdentityEndpoint(store, tokens)

    async def __call__(self, request: web.BaseRequest) -> web.StreamResponse:
        path = request.path
        if path.rstrip("/") == identity.PATH and request.method == "GET":
            return self._identity.answer(request)
        if path.rstrip("/") == METADATA_PATH and request.method == "GET":
            return web.json_response(self._metadata(request.query.get("api-version", "")))
        if path == STATUS_PATH:
            owner = self._tokens.owner_of(request.headers.get("X-IDENTITY-HEADER", ""))
            return web.json_response(self._status()) if owner == DEVELOPER else web.Response(status=401)
        try:
            return self._arm(request)
        except ArmError as error:
            return _arm_answer(error.status, {"error": {"code": error.code, "message": error.message}})

    def _metadata(self, api_version: str) -> object:
        """Azure's own shape: one object since 2022-09-01, a list before."""
        cloud: dict[str, Any] = {
            "name": "LocalAzure",
            "portal": self._url,
            "resourceManager": f"{self._url}/",
            "authentication": {
                "loginEndpoint": f"{self._url}/",
                "audiences": [f"{audience}/" for audience in ARM_AUDIENCES],
                "tenant": "common",
                "identityProvider": "AAD",
            },
            "suffixes": {},
        }
        return cloud if api_version >= "2022-09-01" else [cloud]

    def _arm(self, request: web.BaseRequest) -> web.Response:
        principal = self._authenticate(request)
        if "api-version" not in request.query:
            raise ArmError(
                400,
                "MissingApiVersionParameter",
                "The api-version query parameter (?api-version=) is required for all requests.",
            )
        path = request.path.rstrip("/")
        route = _SITE_ROUTE.fullmatch(path)
        if route is not None:
            return self._site(principal, request.method, route["site"], route["rest"].lower())
        if request.method != "GET":
            raise ArmError(
                405,
                "MethodNotAllowed",
                f"Local Azure answers {request.method} only through Pulumi's provider.",
            )
        if ids.same(path, ids.subscription(SUBSCRIPTION_ID)):
            self._require(principal, "Microsoft.Resources/subscriptions/read", path)
            return _arm_answer(HTTPStatus.OK, _SUBSCRIPTION)
        try:
            kind = ids.type_of(path)
        except ValueError as error:
            raise ArmError(404, "InvalidResourceId", f"'{path}' is no resource id: {error}") from error
        self._require(principal, f"{kind}/read", path)
        return _arm_answer(HTTPStatus.OK, _public(self._store.require(path)))

    def _site(self, principal: str, method: str, site_id: str, rest: str) -> web.Response:
        action = _SITE_ACTIONS.get((method, rest))
        if action is None:
            raise ArmError(405, "MethodNotAllowed", f"{method} is not a method of {rest}.")
        self._require(principal, action, site_id)
        self._store.require(site_id)
        if rest == "functions":
            functions = [_function(site_id, name) for name in self._sites.functions(site_id)]
            return _arm_answer(HTTPStatus.OK, {"value": functions, "nextLink": None})
        if rest == "hostruntime/admin/host/status":
            return _arm_answer(HTTPStatus.OK, dict(self._sites.host_status(site_id)))
        if rest == "host/default/listkeys":
            keys = dict(self._sites.host_keys(site_id))
            master = keys.pop("master", None)
            return _arm_answer(HTTPStatus.OK, {"masterKey": master, "functionKeys": keys, "systemKeys": {}})
        self._sites.synchronise_triggers(site_id)
        return web.Response(status=HTTPStatus.NO_CONTENT)

    def _authenticate(self, request: web.BaseRequest) -> str:
        scheme, _, token = request.headers.get("Authorization", "").partition(" ")
        if scheme.lower() != "bearer":
            raise ArmError(
                401, "AuthenticationFailed", "Authentication failed. The 'Authorization' header is missing."
            )
        try:
            return self._tokens.verify(token.strip(), ARM_AUDIENCES)
        except TokenError as error:
            raise ArmError(
                401, "InvalidAuthenticationToken", f"The access token is refused: {error}."
            ) from error

    def _require(self, principal: str, action: str, scope: str) -> None:
        if not permits(self._store, principal, scope, action=action):
            raise ArmError(
                403,
                "AuthorizationFailed",
                f"The client '{principal}' with object id '{principal}' does not have authorization to "
                f"perform action '{action}' over scope '{scope}' or the scope is invalid. If access was "
                f"recently granted, please refresh your credentials.",
            )


_SUBSCRIPTION: Mapping[str, Any] = {
    "id": ids.subscription(SUBSCRIPTION_ID),
    "subscriptionId": SUBSCRIPTION_ID,
    "tenantId": TENANT_ID,
    "displayName": "Local Azure",
    "state": "Enabled",
    "authorizationSource": "RoleBased",
    "managedByTenants": [],
    "owner": DEVELOPER_PRINCIPAL_ID,
}


def _public(resource: Resource) -> dict[str, Any]:
    """What GET shows: app settings have an operation of their own, since they may hold secrets."""
    shown: dict[str, Any] = dict(resource)
    site_config = shown.get("properties", {}).get("siteConfig")
    if site_config:
        site_config["appSettings"] = None
    return shown


def _function(site_id: str, name: str) -> dict[str, Any]:
    site = ids.name_of(site_id)
    return {
        "id": f"{site_id}/functions/{name}",
        "name": f"{site}/{name}",
        "type": "Microsoft.Web/sites/functions",
        "properties": {"name": name},
    }


def _arm_answer(status: int, content: Mapping[str, Any]) -> web.Response:
    request_id = str(uuid.uuid4())
    return web.Response(
        status=status,
        body=json.dumps(content).encode(),
        content_type="application/json",
        charset="utf-8",
        headers={"x-ms-request-id": request_id, "x-ms-correlation-request-id": request_id},
    )
