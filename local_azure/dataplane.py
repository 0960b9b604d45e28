"""The data planes as resource types use them; classes in `local_azure.services` implement these protocols.

Every `open_*` call is safe to repeat and returns when the endpoint answers.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal, Protocol


@dataclass(frozen=True)
class StorageEndpoints:
    """The `primaryEndpoints` of a storage account, each ending in a slash."""

    blob: str
    queue: str
    table: str


@dataclass(frozen=True)
class SiteHosts:
    """`host:port` of a site and of its SCM (deployment) site."""

    default: str
    scm: str


StorageChild = Literal["container", "queue", "table"]


class StorageService(Protocol):
    """Storage accounts. `account_id` is the ARM id of the account."""

    async def open_account(self, account_id: str) -> StorageEndpoints: ...
    async def delete_account(self, account_id: str) -> None: ...
    async def create(self, account_id: str, kind: StorageChild, name: str) -> None: ...
    async def delete(self, account_id: str, kind: StorageChild, name: str) -> None: ...


class SiteService(Protocol):
    """Function apps. `site_id` is the ARM id; `configure_site` reads the site from the store."""

    async def open_site(self, site_id: str) -> SiteHosts: ...
    async def configure_site(self, site_id: str) -> None: ...
    async def delete_site(self, site_id: str) -> None: ...
    def host_keys(self, site_id: str) -> Mapping[str, str]: ...
    def functions(self, site_id: str) -> list[str]: ...
    def host_status(self, site_id: str) -> Mapping[str, object]: ...
    def synchronise_triggers(self, site_id: str) -> None: ...


class ModelService(Protocol):
    """Azure OpenAI accounts: the endpoint of an account's custom subdomain."""

    async def open_account(self, account_id: str, subdomain: str) -> str: ...
    async def delete_account(self, account_id: str) -> None: ...


@dataclass(frozen=True)
class Services:
    storage: StorageService
    sites: SiteService
    models: ModelService
