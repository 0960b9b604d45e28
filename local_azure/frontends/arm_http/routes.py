"""The routes of ARM's HTTP API, and the action that a role has to allow for each."""

import re
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from aiohttp import web

from local_azure.core import ids
from local_azure.core.access import ROLE_ASSIGNMENT_TYPE
from local_azure.core.store import DEVELOPER_PRINCIPAL_ID, SUBSCRIPTION_ID, TENANT_ID
from local_azure.frontends.arm_http import authorization, groups, models, resources, sites, tags
from local_azure.frontends.arm_http.call import Call, action_of, response
from local_azure.services.authorization.locks import LOCK_TYPE

_SUBSCRIPTION: Mapping[str, Any] = {
    "id": ids.subscription(SUBSCRIPTION_ID),
    "subscriptionId": SUBSCRIPTION_ID,
    "tenantId": TENANT_ID,
    "displayName": "Local Azure",
    "state": "Enabled",
    "authorizationSource": "RoleBased",
    "managedByTenants": [],
    "owner": DEVELOPER_PRINCIPAL_ID,
}


async def _subscription(_call: Call) -> web.Response:
    return response(_SUBSCRIPTION)


async def _operation_result(call: Call) -> web.Response:
    status = await call.operations.outcome(call.names["operation"])
    more = {"Location": f"{call.url}{call.path}?api-version={call.query['api-version']}", "Retry-After": "1"}
    return response(status=status, headers=more if status == 202 else None)


_SITE = r"(?P<scope>/subscriptions/[^/]+/resourceGroups/[^/]+/providers/Microsoft\.Web/sites/[^/]+)"


@dataclass(frozen=True)
class Route:
    """`action` is required at the `{scope}` or `{site}` of the path, or at the whole path.

    None: the handler checks the action, which depends on the resource's type.
    """

    method: str
    path: str
    handler: Callable[[Call], Awaitable[web.Response]]
    action: str | None = None

    @cached_property
    def pattern(self) -> re.Pattern[str]:
        text = re.escape(self.path).replace(r"\{scope\}", "(?P<scope>/.*)").replace(r"\{site\}", _SITE)
        return re.compile(re.sub(r"\\\{(\w+)\\\}", r"(?P<\1>[^/]+)", text), re.IGNORECASE)


_SUB = "/subscriptions/{subscription}"
_GROUP = f"{_SUB}/resourceGroups/{{group}}"
_TAGS = "{scope}/providers/Microsoft.Resources/tags/default"
_DELETED = (
    f"{_SUB}/providers/Microsoft.CognitiveServices/locations/{{location}}/resourceGroups/{{group}}"
    "/deletedAccounts/{account}"
)
_MODELS = "Microsoft.CognitiveServices"
_DELETED_ACTION = f"{_MODELS}/locations/resourceGroups/deletedAccounts"

# The first match counts.
ROUTES = (
    Route("GET", _SUB, _subscription, "Microsoft.Resources/subscriptions/read"),
    Route("GET", f"{_SUB}/operationresults/{{operation}}", _operation_result),
    # groups
    Route("GET", f"{_SUB}/resourceGroups", groups.list_all),
    Route("PUT", _GROUP, groups.create_or_update, action_of(groups.TYPE, "write")),
    Route("DELETE", _GROUP, groups.begin_delete, action_of(groups.TYPE, "delete")),
    # resources of any type
    Route("GET", f"{_SUB}/resources", resources.list_all),
    Route("GET", f"{_GROUP}/resources", resources.list_all),
    # tags
    Route("GET", _TAGS, tags.get, "Microsoft.Resources/tags/read"),
    Route("PUT", _TAGS, tags.create_or_update, "Microsoft.Resources/tags/write"),
    Route("PATCH", _TAGS, tags.update, "Microsoft.Resources/tags/write"),
    Route("DELETE", _TAGS, tags.remove, "Microsoft.Resources/tags/delete"),
    # authorization
    *(
        Route("GET", f"{{scope}}/providers/{resource_type}", handler, action_of(resource_type, "read"))
        for resource_type, handler in (
            (ROLE_ASSIGNMENT_TYPE, authorization.list_role_assignments),
            (LOCK_TYPE, authorization.list_locks),
        )
    ),
    # model accounts
    Route(
        "GET",
        f"{_SUB}/providers/{_MODELS}/deletedAccounts",
        models.list_deleted,
        f"{_MODELS}/deletedAccounts/read",
    ),
    Route("GET", _DELETED, models.get_deleted, f"{_DELETED_ACTION}/read"),
    Route("DELETE", _DELETED, models.begin_purge, f"{_DELETED_ACTION}/delete"),
    Route(
        "DELETE",
        f"{_GROUP}/providers/{_MODELS}/accounts/{{account}}",
        models.begin_delete,
        f"{_MODELS}/accounts/delete",
    ),
    # function apps
    *(
        Route(method, f"{{site}}/{rest}", handler, f"Microsoft.Web/sites/{action}")
        for method, rest, handler, action in (
            ("POST", "config/appsettings/list", sites.list_app_settings, "config/list/action"),
            ("PUT", "config/appsettings", sites.update_app_settings, "config/write"),
            ("GET", "functions", sites.list_functions, "functions/read"),
            ("GET", "hostruntime/admin/host/status", sites.host_status, "hostruntime/host/read"),
            ("POST", "host/default/listKeys", sites.list_host_keys, "host/listkeys/action"),
            ("POST", "syncfunctiontriggers", sites.synchronise_triggers, "syncfunctiontriggers/action"),
            ("POST", "host/default/sync", sites.synchronise_triggers, "host/sync/action"),
        )
    ),
    # any resource, and any type's list
    Route("GET", f"{_SUB}/providers/{{namespace}}/{{type}}", resources.list_of_type),
    Route("GET", f"{_GROUP}/providers/{{namespace}}/{{type}}", resources.list_of_type),
    Route("GET", "{scope}", resources.get),
    Route("HEAD", "{scope}", resources.check_existence),
    Route("PUT", "{scope}", resources.create_or_update),
    Route("PATCH", "{scope}", resources.update),
    Route("DELETE", "{scope}", resources.remove),
)
