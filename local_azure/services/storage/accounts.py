"""The storage accounts of local Azure (`dataplane.StorageService`)."""

import asyncio
import shutil
from contextlib import AsyncExitStack, suppress
from dataclasses import dataclass

import aiohttp
from aiohttp import web

from local_azure.core.ids import key, name_of
from local_azure.core.store import DEVELOPER_PRINCIPAL_ID, Store
from local_azure.core.tokens import STORAGE_AUDIENCES, Tokens
from local_azure.dataplane import StorageChild, StorageEndpoints
from local_azure.home import Home
from local_azure.runtime.ports import ADDRESS, Ports
from local_azure.runtime.processes import ProcessError
from local_azure.runtime.tls import Tls
from local_azure.services.storage import azurite
from local_azure.services.storage.azurite import SERVICES, Azurite
from local_azure.services.storage.permissions import Service
from local_azure.services.storage.proxy import AuthorizingProxy

_API_VERSION = "2024-11-04"
_CONFLICT = 409
_NOT_FOUND = 404


@dataclass(frozen=True)
class AccountState:
    """An account in the output of `status`."""

    name: str
    endpoints: StorageEndpoints
    alive: bool
    restarts: int
    pid: int | None


@dataclass(frozen=True)
class _Account:
    name: str
    azurite: Azurite
    endpoints: StorageEndpoints
    session: aiohttp.ClientSession
    resources: AsyncExitStack
    """Closes all of them."""


class StorageAccounts:
    """Each account has an Azurite (which gets its accounts at its start) and a proxy for each service."""

    def __init__(self, home: Home, store: Store, tokens: Tokens, tls: Tls, ports: Ports) -> None:
        self._home = home
        self._store = store
        self._tokens = tokens
        self._tls = tls
        self._ports = ports
        self._accounts: dict[str, _Account] = {}
        self._locks: dict[str, asyncio.Lock] = {}

    async def open_account(self, account_id: str) -> StorageEndpoints:
        """Returns when all three services answer. Raises SetupError, ProcessError, PortError."""
        async with self._lock(account_id):
            account = self._accounts.get(key(account_id))
            if account is None:
                account = self._accounts[key(account_id)] = await self._open(account_id)
            return account.endpoints

    async def delete_account(self, account_id: str) -> None:
        async with self._lock(account_id):
            await self._close(key(account_id))
            name = name_of(account_id).lower()
            for service in SERVICES:
                self._ports.forget(_port_name(name, service))
            with suppress(FileNotFoundError):
                await asyncio.to_thread(shutil.rmtree, self._home.storage / name)

    async def create(self, account_id: str, kind: StorageChild, name: str) -> None:
        """Creates a container, a queue or a table, unless the account has it."""
        if kind == "table":
            content, accepted = {"TableName": name}, (201, 204, _CONFLICT)
            await self._request(account_id, "table", "POST", "/Tables", content=content, accepted=accepted)
        else:
            await self._request(account_id, *_address(kind, "PUT", name), accepted=(201, 204, _CONFLICT))

    async def delete(self, account_id: str, kind: StorageChild, name: str) -> None:
        address = _address(kind, "DELETE", name)
        await self._request(account_id, *address, accepted=(202, 204, _NOT_FOUND))

    def states(self) -> list[AccountState]:
        return [
            AccountState(
                account.name,
                account.endpoints,
                account.azurite.process.alive,
                account.azurite.process.restarts,
                account.azurite.process.pid,
            )
            for account in self._accounts.values()
        ]

    async def close(self) -> None:
        """Stops every account; the data stays."""
        await asyncio.gather(*(self._close(account) for account in list(self._accounts)))

    def _lock(self, account_id: str) -> asyncio.Lock:
        return self._locks.setdefault(key(account_id), asyncio.Lock())

    async def _open(self, account_id: str) -> _Account:
        name = name_of(account_id).lower()
        async with AsyncExitStack() as stack:
            sockets = self._ports.hold_all(_port_name(name, service) for service in SERVICES)
            for listener in sockets:
                stack.callback(listener.close)
            log = self._home.logs / f"storage-{name}.log"
            emulator = await azurite.start(name, self._home.storage / name, log, self._tls)
            stack.push_async_callback(emulator.process.stop)
            session = self._new_session()
            stack.push_async_callback(session.close)
            urls: dict[str, str] = {}
            for service, listener in zip(SERVICES, sockets, strict=True):
                port = emulator.ports[service]
                proxy = AuthorizingProxy(
                    service, account_id, self._store, self._tokens, session=session, port=port
                )
                runner = web.ServerRunner(web.Server(proxy, access_log=None), shutdown_timeout=2)
                await runner.setup()
                stack.push_async_callback(runner.cleanup)
                urls[service] = f"https://{ADDRESS}:{listener.getsockname()[1]}/{name}/"
                await web.SockSite(runner, listener, ssl_context=self._tls.server_context()).start()
            return _Account(name, emulator, StorageEndpoints(**urls), session, stack.pop_all())

    async def _close(self, account_key: str) -> None:
        account = self._accounts.pop(account_key, None)
        if account is not None:
            await account.resources.aclose()

    def _new_session(self) -> aiohttp.ClientSession:
        connector = aiohttp.TCPConnector(
            limit=0, ssl=self._tls.client_context(), keepalive_timeout=azurite.KEEP_ALIVE - 10
        )
        return aiohttp.ClientSession(
            connector=connector,
            auto_decompress=False,
            cookie_jar=aiohttp.DummyCookieJar(),
            # A large blob may take long; a server that sends nothing for this long hangs.
            timeout=aiohttp.ClientTimeout(total=None, sock_connect=5, sock_read=120),
            skip_auto_headers=("User-Agent", "Accept", "Accept-Encoding", "Content-Type"),
        )

    async def _request(
        self,
        account_id: str,
        service: Service,
        method: str,
        path: str,
        *,
        content: object = None,
        accepted: tuple[int, ...],
    ) -> None:
        """A request of ARM itself, which needs no role. Raises ProcessError for a status not `accepted`."""
        await self.open_account(account_id)
        account = self._accounts[key(account_id)]
        token = self._tokens.issue(DEVELOPER_PRINCIPAL_ID, STORAGE_AUDIENCES[0]).token
        async with account.session.request(
            method,
            f"https://{ADDRESS}:{account.azurite.ports[service]}/{account.name}{path}",
            headers={
                "Authorization": f"Bearer {token}",
                "x-ms-version": _API_VERSION,
                "Accept": "application/json;odata=nometadata",
                "Content-Type": "application/json",
            },
            json=content,
        ) as answer:
            if answer.status not in accepted:
                raise ProcessError(
                    f"storage account {account.name} answered {answer.status} to {method} {path}: "
                    f"{(await answer.text())[:500]}"
                )


def _address(kind: StorageChild, method: str, name: str) -> tuple[Service, str, str]:
    """The service, the method and the path of a request on a child of an account."""
    if kind == "container":
        return "blob", method, f"/{name}?restype=container"
    return ("queue", method, f"/{name}") if kind == "queue" else ("table", method, f"/Tables('{name}')")


def _port_name(account: str, service: Service) -> str:
    return f"storage account {account} {service}"
