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
    site.azure.run(sites.delete_site(site.id))


DIRECT = """
import urllib.request
import azure.functions as func
app = func.FunctionApp(http_auth_level=func.AuthLevel.ANONYMOUS)
@app.route(route="direct")
def Direct(req: func.HttpRequest) -> str:
    hosts = ("127.0.0.1", "login.example")
    return ",".join(host for host in hosts if urllib.request.proxy_bypass(host))
"""


def test_a_proxy_in_the_app_settings_is_not_for_local_azure_itself(new_site: Callable[..., TestSite]) -> None:
    site = new_site(HTTPS_PROXY="http://127.0.0.1:9")
    site.configure()
    assert site.deploy({"function_app.py": DIRECT})["status"] == 4, site.log
    assert site.send("GET", "/api/direct").body == b"127.0.0.1"
