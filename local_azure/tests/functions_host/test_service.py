"""Sites that come and go at the same time."""

import asyncio
from collections.abc import Callable

from local_azure.tests.functions_host.harness import TestSite


def test_a_site_that_is_opened_while_it_is_deleted_gets_its_ports(new_site: Callable[..., TestSite]) -> None:
    site = new_site()
    sites = site.azure.sites

    async def delete_and_open() -> None:
        deletion = asyncio.create_task(sites.delete_site(site.id))
        await asyncio.sleep(0)  # it has begun
        await sites.open_site(site.id)
        await deletion

    site.azure.run(delete_and_open())
    assert [state.name for state in sites.states()].count(site.name) == 1
