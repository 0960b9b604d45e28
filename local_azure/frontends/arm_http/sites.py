"""Microsoft.Web: operations of function apps beyond GET and DELETE."""

from typing import Any, cast

from aiohttp import web

from local_azure.core.errors import ArmError
from local_azure.core.locks import refuse_locked_write
from local_azure.core.operations import patch
from local_azure.core.store import Resource
from local_azure.frontends.arm_http.call import Call, kind_of, page, response, stored

SITE_TYPE = "Microsoft.Web/sites"


_SETTINGS = {
    "appsettings": "appSettings",
    "azurestorageaccounts": "azureStorageAccounts",
    "connectionstrings": "connectionStrings",
    "metadata": "metadata",
}
"""Lists of `siteConfig` that GET does not return, by the name of their own operation."""


async def get_configuration(call: Call) -> web.Response:
    return response(_configuration(_site(call)))


async def list_configurations(call: Call) -> web.Response:
    return page(call, [_configuration(_site(call))])


async def update_configuration(call: Call) -> web.Response:
    changes: dict[str, Any] = {"properties": {"siteConfig": call.body.get("properties") or {}}}
    site = await stored(patch(call.azure, kind_of(SITE_TYPE), _site(call)["id"], changes))
    return response(_configuration(site))


async def list_settings(call: Call) -> web.Response:
    site = _site(call)
    # It is a POST, which a ReadOnly lock refuses (Docs: Lock your resources).
    refuse_locked_write(call.azure.store, site["id"])
    return response(_settings(site, call.names["settings"]))


async def update_app_settings(call: Call) -> web.Response:
    """Replaces all app settings and restarts the app."""
    given: Any = call.body.get("properties") or {}
    if not isinstance(given, dict):
        raise ArmError(400, "BadRequest", "properties is not an object of strings.")
    settings = [{"name": name, "value": str(value)} for name, value in cast("dict[str, Any]", given).items()]
    changes = {"properties": {"siteConfig": {"appSettings": settings}}}
    site = await stored(patch(call.azure, kind_of(SITE_TYPE), _site(call)["id"], changes))
    return response(_settings(site, "appsettings"))


async def list_functions(call: Call) -> web.Response:
    site = _site(call)
    functions = [
        {
            "id": f"{site['id']}/functions/{name}",
            "name": f"{site['name']}/{name}",
            "type": "Microsoft.Web/sites/functions",
            "properties": {"name": name},
        }
        for name in call.azure.services.sites.functions(site["id"])
    ]
    return response({"value": functions, "nextLink": None})


async def host_status(call: Call) -> web.Response:
    return response(dict(call.azure.services.sites.host_status(_site(call)["id"])))


async def list_host_keys(call: Call) -> web.Response:
    site = _site(call)
    refuse_locked_write(call.azure.store, site["id"])
    keys = dict(call.azure.services.sites.host_keys(site["id"]))
    master = keys.pop("master", None)
    return response({"masterKey": master, "functionKeys": keys, "systemKeys": {}})


async def synchronise_triggers(call: Call) -> web.Response:
    call.azure.services.sites.synchronise_triggers(_site(call)["id"])
    return response(status=204)


def _site(call: Call) -> Resource:
    return call.azure.store.require(call.names["scope"])


def _configuration(site: Resource) -> dict[str, Any]:
    hidden = _SETTINGS.values()
    config = site.get("properties", {}).get("siteConfig", {})
    return {
        "id": f"{site['id']}/config/web",
        "name": "web",
        "type": f"{SITE_TYPE}/config",
        "location": site.get("location", ""),
        "properties": {name: value for name, value in config.items() if name not in hidden},
    }


def _settings(site: Resource, name: str) -> dict[str, Any]:
    if name.lower() not in _SETTINGS:
        raise ArmError(404, "NotFound", f"Local Azure has no list '{name}' of a site's configuration.")
    config = site.get("properties", {}).get("siteConfig", {})
    settings: Any = config.get(_SETTINGS[name.lower()]) or {}
    if isinstance(settings, list):
        settings = {
            entry["name"]: {"value": entry.get("connectionString", ""), "type": entry["type"]}
            if "type" in entry
            else entry.get("value", "")
            for entry in cast("list[dict[str, Any]]", settings)
        }
    return {
        "id": f"{site['id']}/config/{name}",
        "name": name,
        "type": f"{SITE_TYPE}/config",
        "location": site.get("location", ""),
        "properties": settings,
    }
