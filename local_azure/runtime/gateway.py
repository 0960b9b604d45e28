"""The HTTPS port for tokens, metadata, ARM over HTTP and the daemon's status."""

from collections.abc import Callable
from typing import Any

from aiohttp import web

from local_azure.core.resource import Azure
from local_azure.core.tokens import ARM_AUDIENCES, DEVELOPER, Tokens
from local_azure.frontends.arm_http.front import Arm
from local_azure.runtime.ports import ADDRESS
from local_azure.services.managedidentity import endpoint as identity

STATUS_PATH = "/local-azure/status"
METADATA_PATH = "/metadata/endpoints"


class Gateway:
    """The request handler of the gateway. `status` returns the state of the daemon as JSON."""

    def __init__(self, port: int, azure: Azure, tokens: Tokens, status: Callable[[], object]) -> None:
        self._url = f"https://{ADDRESS}:{port}"
        self._tokens = tokens
        self._status = status
        self._identity = identity.IdentityEndpoint(azure.store, tokens)
        self._arm = Arm(azure, tokens, self._url)

    async def close(self) -> None:
        await self._arm.close()

    async def __call__(self, request: web.BaseRequest) -> web.StreamResponse:
        path = request.path
        if path.rstrip("/") == identity.PATH and request.method == "GET":
            return self._identity.answer(request)
        if path.rstrip("/") == METADATA_PATH and request.method == "GET":
            return web.json_response(self._metadata(request.query.get("api-version", "")))
        if path == STATUS_PATH:
            owner = self._tokens.owner_of(request.headers.get("X-IDENTITY-HEADER", ""))
            return web.json_response(self._status()) if owner == DEVELOPER else web.Response(status=401)
        return await self._arm(request)

    def _metadata(self, api_version: str) -> object:
        """As Azure's: an object since 2022-09-01, a list before."""
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
