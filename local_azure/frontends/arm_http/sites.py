"""Microsoft.Web: operations of function apps beyond GET and DELETE."""

from typing import Any, cast

from aiohttp import web

from local_azure.core.errors import ArmError
from local_azure.core.operations import patch
from local_azure.core.store import Resource
from local_azure.frontends.arm_http.call import Call, kind_of, response, stored
from local_azure.services.authorization.locks import refuse_locked_write

SITE_TYPE = "Microsoft.Web/sites"


async def list_app_settings(call: Call) -> web.Response:
    site = _site(call)
    # It is a POST, which a ReadOnly lock refuses (Docs: Lock your resources).
    refuse_locked_write(call.azure.store, site["id"])
    return response(_app_settings(site))


async def update_app_settings(call: Call) -> web.Response:
    """Replaces all app settings and restarts the app."""
    site = _site(call)
    given: Any = call.body.get("properties") or {}
    if not isinstance(given, dict):
        raise ArmError(400, "BadRequest", "properties is not an object of strings.")
    settings = [{"name": name, "value": str(value)} for name, value in cast("dict[str, Any]", given).items()]
    changes = {"properties": {"siteConfig": {"appSettings": settings}}}
    return response(_app_settings(await stored(patch(call.azure, kind_of(SITE_TYPE), site["id"], changes))))


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


def _app_settings(site: Resource) -> dict[str, Any]:
    config: dict[str, Any] = site.get("properties", {}).get("siteConfig") or {}
    settings: list[dict[str, str]] = config.get("appSettings") or []
    return {
        "id": f"{site['id']}/config/appsettings",
        "name": "appsettings",
        "type": "Microsoft.Web/sites/config",
        "location": site.get("location", ""),
        "properties": {setting["name"]: setting.get("value", "") for setting in settings},
    }
