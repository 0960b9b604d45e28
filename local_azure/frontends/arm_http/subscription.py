"""What a subscription has besides resources: regions, resource providers, names that are free."""

import re
from typing import Any

from aiohttp import web

from local_azure.core import ids
from local_azure.core.errors import ArmError
from local_azure.core.known_types import KNOWN
from local_azure.core.regions import REGIONS
from local_azure.core.store import DEVELOPER_PRINCIPAL_ID, SUBSCRIPTION_ID, TENANT_ID
from local_azure.frontends.arm_http.call import Call, page, response
from local_azure.services.catalogue import BY_ARM_TYPE
from local_azure.services.cognitiveservices import deleted
from local_azure.services.cognitiveservices.resource_types import ACCOUNT_TYPE
from local_azure.services.keyvault.resource_types import DELETED_VAULT_TYPE

_ID = ids.subscription(SUBSCRIPTION_ID)
_SUBSCRIPTION: dict[str, Any] = {
    "id": _ID,
    "subscriptionId": SUBSCRIPTION_ID,
    "tenantId": TENANT_ID,
    "displayName": "Local Azure",
    "state": "Enabled",
    "authorizationSource": "RoleBased",
    "managedByTenants": [],
    "owner": DEVELOPER_PRINCIPAL_ID,
}


async def get(_call: Call) -> web.Response:
    return response(_SUBSCRIPTION)


async def list_all(call: Call) -> web.Response:
    readable = call.may("Microsoft.Resources/subscriptions/read", _ID)
    return page(call, [_SUBSCRIPTION] if readable else [])


async def list_locations(call: Call) -> web.Response:
    regions = [
        {"id": f"{_ID}/locations/{name}", "name": name, "type": "Region", "displayName": name}
        for name in sorted(REGIONS)
    ]
    return page(call, regions)


async def list_providers(call: Call) -> web.Response:
    namespaces = sorted({kind.arm_type.partition("/")[0] for kind in BY_ARM_TYPE.values()})
    return page(call, [_provider(namespace) for namespace in namespaces])


async def get_provider(call: Call) -> web.Response:
    """Every provider is registered, as azure-native registers them."""
    return response(_provider(call.names["namespace"]))


def _provider(namespace: str) -> dict[str, Any]:
    kinds = [
        kind for kind in BY_ARM_TYPE.values() if kind.arm_type.lower().startswith(f"{namespace.lower()}/")
    ]
    if not kinds:
        text = f"The resource namespace '{namespace}' is invalid."
        raise ArmError(404, "InvalidResourceNamespace", text)
    name = kinds[0].arm_type.partition("/")[0]
    return {
        "id": f"{_ID}/providers/{name}",
        "namespace": name,
        "registrationPolicy": "RegistrationRequired",
        "registrationState": "Registered",
        "resourceTypes": [
            {
                "resourceType": kind.arm_type.partition("/")[2],
                "apiVersions": [kind.api_version],
                "locations": sorted(REGIONS),
            }
            for kind in kinds
        ],
    }


_NAMED = {
    "microsoft.keyvault": ("keyvault:Vault", "AccountNameInvalid"),
    "microsoft.storage": ("storage:StorageAccount", "AccountNameInvalid"),
    "microsoft.web": ("web:WebApp", "Invalid"),
}
"""By provider: the type whose names are unique, and the reason for a name that breaks its rule."""


async def check_name(call: Call) -> web.Response:
    namespace, name = call.names["namespace"].lower(), _given(call, "name")
    if namespace not in _NAMED:
        raise ArmError(404, "InvalidResourceNamespace", f"'{namespace}' does not check names.")
    type_name, invalid = _NAMED[namespace]
    kind = KNOWN[f"azure-native:{type_name}"]
    call.require(f"{kind.arm_type.partition('/')[0]}/checkNameAvailability/read", call.path)
    gone = call.azure.store.list(DELETED_VAULT_TYPE) if type_name == "keyvault:Vault" else []
    resources = [*call.azure.store.list(kind.arm_type), *gone]
    reason: dict[str, str] = {}
    if not re.fullmatch(kind.name_pattern, name):
        text = f"'{name}' is not a valid name: it takes {kind.name_rule}."
        reason = {"reason": invalid, "message": text}
    elif name.lower() in {resource["name"].lower() for resource in resources}:
        reason = {"reason": "AlreadyExists", "message": f"The name '{name}' is already taken."}
    return response({"nameAvailable": not reason, **reason})


async def check_subdomain(call: Call) -> web.Response:
    name = _given(call, "subdomainName")
    accounts = (*call.azure.store.list(ACCOUNT_TYPE), *deleted.remaining(call.azure))
    taken = {str(account.get("properties", {}).get("customSubDomainName")).lower() for account in accounts}
    reason = {"reason": f"Sub domain name '{name}' is already used."} if name.lower() in taken else {}
    content = {"isSubdomainAvailable": not reason, "subdomainName": name, "type": ACCOUNT_TYPE, **reason}
    return response(content)


def _given(call: Call, member: str) -> str:
    value = call.body.get(member)
    if not isinstance(value, str) or not value:
        raise ArmError(400, "InvalidRequestContent", f"The member '{member}' of the request is missing.")
    return value
