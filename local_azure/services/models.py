"""Azure OpenAI accounts (`dataplane.ModelService`): an endpoint each that asks for a token; no routes yet."""

import asyncio
from typing import Any

from aiohttp import web

from local_azure.arm.ids import key, name_of
from local_azure.arm.store import Store
from local_azure.services.ports import ADDRESS, Ports
from local_azure.services.tls import Tls
from local_azure.services.tokens import TokenError, Tokens

AUDIENCES = ("https://cognitiveservices.azure.com", "https://ai.azure.com")


class ModelAccounts:
    """Each account listens on a port of its own, as it has a host name of its own on Azure."""

    def __init__(self, store: Store, tokens: Tokens, tls: Tls, ports: Ports) -> None:
        self._store = store
        self._tokens = tokens
        self._tls = tls
        self._ports = ports
        self._runners: dict[str, web.ServerRunner] = {}
        self._endpoints: dict[str, str] = {}
        self._turn = asyncio.Lock()

    async def open_account(self, account_id: str, subdomain: str) -> str:  # noqa: ARG002 # an address has no subdomain
        """The account's endpoint, ending in a slash. Raises PortTakenError."""
        account = key(account_id)
        async with self._turn:
            if account not in self._endpoints:
                listener = self._ports.hold(_port_name(account_id))
                runner = web.ServerRunner(
                    web.Server(self._handler(account_id), access_log=None), shutdown_timeout=2
                )
                await runner.setup()
                await web.SockSite(runner, listener, ssl_context=self._tls.server_context()).start()
                self._runners[account] = runner
                self._endpoints[account] = f"https://{ADDRESS}:{listener.getsockname()[1]}/"
            return self._endpoints[account]

    async def delete_account(self, account_id: str) -> None:
        async with self._turn:
            await self._close(key(account_id))
            self._ports.forget(_port_name(account_id))

    async def close(self) -> None:
        for account in list(self._runners):
            await self._close(account)

    def states(self) -> list[tuple[str, str]]:
        """Name and endpoint of each open account, for `status`."""
        return [(name_of(account), endpoint) for account, endpoint in self._endpoints.items()]

    async def _close(self, account: str) -> None:
        self._endpoints.pop(account, None)
        runner = self._runners.pop(account, None)
        if runner is not None:
            await runner.cleanup()

    def _handler(self, account_id: str) -> Any:
        async def handle(request: web.BaseRequest) -> web.StreamResponse:
            scheme, _, token = request.headers.get("Authorization", "").partition(" ")
            if scheme.lower() != "bearer":
                return self._refuse_key(account_id, request)
            try:
                self._tokens.verify(token.strip(), AUDIENCES)
            except TokenError as error:
                return _error(401, "Unauthorized", f"Access token is missing, invalid, or expired: {error}.")
            return _error(404, "404", "Resource not found")

        return handle

    def _refuse_key(self, account_id: str, request: web.BaseRequest) -> web.Response:
        properties: dict[str, Any] = (self._store.get(account_id) or {}).get("properties", {})
        if "api-key" in request.headers and properties.get("disableLocalAuth"):
            return _error(
                403, "AuthenticationTypeDisabled", "Key based authentication is disabled for this resource."
            )
        return _error(
            401,
            "401",
            "Access denied due to invalid subscription key or wrong API endpoint. "
            "Make sure to provide a valid key for an active subscription and use a correct regional API "
            "endpoint for your resource.",
        )


def _error(status: int, code: str, message: str) -> web.Response:
    return web.json_response({"error": {"code": code, "message": message}}, status=status)


def _port_name(account_id: str) -> str:
    return f"OpenAI account {name_of(account_id).lower()}"
