"""What a site's processes get of its resource: app settings, the platform's variables, Python and CORS."""

from collections.abc import Mapping
from typing import Any

from local_azure.core import ids
from local_azure.core.store import Resource
from local_azure.functions_host.host_process import Cors


def app_settings(site: Resource) -> dict[str, str]:
    """`properties.siteConfig.appSettings`, a list of name and value."""
    return {str(pair["name"]): str(pair["value"]) for pair in _site_config(site).get("appSettings") or ()}


def cors(site: Resource) -> Cors:
    members: Mapping[str, Any] = _site_config(site).get("cors") or {}
    return Cors(tuple(members.get("allowedOrigins") or ()), bool(members.get("supportCredentials")))


def _site_config(site: Resource) -> Mapping[str, Any]:
    return site.get("properties", {}).get("siteConfig") or {}


def python_version(site: Resource) -> str:
    """`3.12`, or the empty string where the site has no runtime version."""
    config: dict[str, Any] = site.get("properties", {}).get("functionAppConfig") or {}
    runtime: dict[str, Any] = config.get("runtime") or {}
    return str(runtime.get("version") or "")


def platform_variables(
    site: Resource, *, host_name: str, root: str, identity_endpoint: str, identity_header: str
) -> dict[str, str]:
    """The variables that Azure adds on Flex Consumption (Docs: App settings reference)."""
    variables = {
        "AZURE_FUNCTIONS_ENVIRONMENT": "Production",
        "FUNCTIONS_EXTENSION_VERSION": "~4",
        "FUNCTIONS_WORKER_RUNTIME": "python",
        "HOME": "/home",
        "LANG": "C.UTF-8",
        "PATH": "/usr/local/bin:/usr/bin:/bin",
        "WEBSITE_HOSTNAME": host_name,
        "WEBSITE_RESOURCE_GROUP": ids.name_of(ids.resource_group_of(site["id"]) or site["id"]),
        "WEBSITE_SITE_NAME": site["name"],
        "WEBSITE_SKU": "FlexConsumption",
        "AzureWebJobsScriptRoot": root,
    }
    version = python_version(site)
    if version:
        variables["FUNCTIONS_WORKER_RUNTIME_VERSION"] = version
    if site.get("identity"):
        variables["IDENTITY_ENDPOINT"] = identity_endpoint
        variables["IDENTITY_HEADER"] = identity_header
    return variables
