"""The function apps of local Azure (`dataplane.SiteService`)."""

import asyncio
from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

from local_azure.core.errors import ArmError
from local_azure.core.ids import key, name_of
from local_azure.core.store import Store
from local_azure.core.tokens import Tokens
from local_azure.dataplane import SiteHosts
from local_azure.functions_host.host_process import HostRecord
from local_azure.functions_host.site import Platform, Site
from local_azure.home import Home
from local_azure.runtime.ports import Ports
from local_azure.runtime.tls import Tls
from local_azure.services.managedidentity import endpoint as identity


class Sites:
    def __init__(  # noqa: PLR0917 # each argument has a type of its own
        self, home: Home, store: Store, tokens: Tokens, tls: Tls, ports: Ports, gateway_url: str
    ) -> None:
        """`gateway_url` is the base of the sites' IDENTITY_ENDPOINT."""
        self._platform = Platform(home, store, tokens, tls, ports, gateway_url + identity.PATH)
        self._sites: dict[str, Site] = {}
        self._opening: dict[str, asyncio.Lock] = {}

    async def close(self) -> None:
        """Stops every host and closes every socket; files and port numbers are kept for the next start."""
        sites = list(self._sites.values())
        self._sites.clear()
        await asyncio.gather(*(site.stop() for site in sites))

    async def open_site(self, site_id: str) -> SiteHosts:
        """Returns when the publish endpoint is ready. Raises PortTakenError."""
        async with self._opening.setdefault(key(site_id), asyncio.Lock()):
            site = self._sites.get(key(site_id))
            if site is None:
                site = Site(site_id, self._platform)
                try:
                    await site.open()
                except BaseException:
                    await site.stop()  # releases its ports
                    raise
                self._sites[key(site_id)] = site
            return site.hosts

    async def configure_site(self, site_id: str) -> None:
        """Returns when a host runs with the site's current settings. Raises ArmError 404 and ProcessError."""
        await self.open_site(site_id)
        await self._sites[key(site_id)].configure()

    async def delete_site(self, site_id: str) -> None:
        async with self._opening.setdefault(key(site_id), asyncio.Lock()):
            site = self._sites.pop(key(site_id), None)
            if site is not None:
                await site.delete()

    def host_keys(self, site_id: str) -> Mapping[str, str]:
        """`master` and `default`."""
        return asdict(self._site(site_id).keys)

    def functions(self, site_id: str) -> list[str]:
        """Names of the functions that are not in error."""
        return [*self._record(site_id).functions]

    def host_status(self, site_id: str) -> Mapping[str, object]:
        """The response of /admin/host/status with all errors, and notices, which `pulumi up` reads."""
        record = self._record(site_id)
        notices = {"notices": [*record.notices]} if record.notices else {}
        return {**record.to_status(), "errors": [*record.errors], **notices}

    def synchronise_triggers(self, site_id: str) -> None:
        """Does nothing but raise ArmError 404: `functions` are always those of the running host."""
        self._site(site_id)

    def states(self) -> list[dict[str, Any]]:
        """The state of each site for `python -m local_azure status`."""
        return [_state(site) for site in self._sites.values()]

    def _record(self, site_id: str) -> HostRecord:
        """`Offline` while no host runs."""
        site = self._sites.get(key(site_id))
        return site.record if site is not None else HostRecord(name_of(site_id))

    def _site(self, site_id: str) -> Site:
        site = self._sites.get(key(site_id))
        if site is None:
            raise ArmError(404, "ResourceNotFound", f"Site '{name_of(site_id)}' is not running.")
        return site


def _state(site: Site) -> dict[str, Any]:
    record, process = site.record, site.host_process
    return {
        "name": site.name,
        "hosts": asdict(site.hosts),
        "state": record.state,
        "functions": record.functions,
        "errors": record.errors,
        "notices": record.notices,
        "deployment": site.active,
        "alive": process is not None and process.alive,
        "restarts": process.restarts if process else 0,
        "pid": process.pid if process else None,
    }
