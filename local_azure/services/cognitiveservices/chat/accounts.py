"""Azure OpenAI accounts (`dataplane.ModelService`): an HTTPS endpoint each, with a chat model behind it."""

import asyncio

from aiohttp import web

from local_azure.core.ids import key, name_of
from local_azure.core.store import Store
from local_azure.core.tokens import Tokens
from local_azure.home import Home
from local_azure.runtime.ports import ADDRESS, Ports
from local_azure.runtime.tls import Tls
from local_azure.services.cognitiveservices.chat.front import ChatEndpoint


class ModelAccounts:
    """Each account has a port of its own, as it has a host name of its own on Azure."""

    def __init__(self, home: Home, store: Store, tokens: Tokens, tls: Tls, ports: Ports) -> None:
        self._backend_file = home.model_file
        self._store = store
        self._tokens = tokens
        self._tls = tls
        self._ports = ports
        self._runners: dict[str, web.ServerRunner] = {}
        self._endpoints: dict[str, str] = {}
        self._lock = asyncio.Lock()

    async def open_account(self, account_id: str, subdomain: str) -> str:  # noqa: ARG002 # an address has no subdomain
        """The account's endpoint, ending in a slash. Raises PortError."""
        account = key(account_id)
        async with self._lock:
            if account not in self._endpoints:
                listener = self._ports.hold(_port_name(account_id))
                endpoint = ChatEndpoint(account_id, self._store, self._tokens, self._backend_file)
                runner = web.ServerRunner(web.Server(endpoint, access_log=None), shutdown_timeout=2)
                await runner.setup()
                await web.SockSite(runner, listener, ssl_context=self._tls.server_context()).start()
                self._runners[account] = runner
                self._endpoints[account] = f"https://{ADDRESS}:{listener.getsockname()[1]}/"
            return self._endpoints[account]

    async def delete_account(self, account_id: str) -> None:
        async with self._lock:
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


def _port_name(account_id: str) -> str:
    return f"OpenAI account {name_of(account_id).lower()}"
