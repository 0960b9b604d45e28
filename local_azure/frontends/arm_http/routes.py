"""The routes of ARM's HTTP API, and the action that a role has to allow for each."""

import re
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from functools import cached_property

from aiohttp import web

from local_azure.core.access import ROLE_ASSIGNMENT_TYPE, ROLE_DEFINITION_TYPE
from local_azure.core.locks import LOCK_TYPE
from local_azure.frontends.arm_http import (
    authorization,
    models,
    resources,
    sites,
    storage,
    subscription,
    tags,
)
from local_azure.frontends.arm_http.call import Call, action_of, response


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
_ACCOUNT = f"{_GROUP}/providers/{_MODELS}/accounts/{{account}}"
_STORAGE = f"{_GROUP}/providers/Microsoft.Storage/storageAccounts/{{account}}"
_REGION = f"{_SUB}/providers/{_MODELS}/locations/{{location}}"
_DELETED_ACTION = f"{_MODELS}/locations/resourceGroups/deletedAccounts"
_ROLES = f"{{scope}}/providers/{ROLE_DEFINITION_TYPE}"
_READ = "Microsoft.Resources/subscriptions"

# The first match counts.
ROUTES = (
    # the subscription
    Route("GET", "/subscriptions", subscription.list_all),
    Route("GET", _SUB, subscription.get, f"{_READ}/read"),
    Route("GET", f"{_SUB}/locations", subscription.list_locations, f"{_READ}/locations/read"),
    Route("GET", f"{_SUB}/providers", subscription.list_providers, f"{_READ}/providers/read"),
    Route("GET", f"{_SUB}/providers/{{namespace}}", subscription.get_provider, f"{_READ}/providers/read"),
    Route("GET", f"{_SUB}/operationresults/{{operation}}", _operation_result),
    Route("POST", f"{_SUB}/providers/{{namespace}}/checkNameAvailability", subscription.check_name),
    Route(
        "POST",
        f"{_SUB}/providers/{_MODELS}/checkDomainAvailability",
        subscription.check_subdomain,
        f"{_MODELS}/checkDomainAvailability/action",
    ),
    # groups, and resources of any type
    Route("GET", f"{_SUB}/resourceGroups", resources.list_groups),
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
            (ROLE_DEFINITION_TYPE, authorization.list_role_definitions),
            (LOCK_TYPE, authorization.list_locks),
        )
    ),
    Route("GET", f"{_ROLES}/{{role}}", authorization.get_role_definition),
    Route("GET", f"/providers/{ROLE_DEFINITION_TYPE}/{{role}}", authorization.get_role_definition),
    # model accounts
    Route("GET", f"{_REGION}/models", models.list_models, f"{_MODELS}/locations/models/read"),
    Route("GET", f"{_REGION}/usages", models.list_usages, f"{_MODELS}/locations/usages/read"),
    Route("GET", f"{_ACCOUNT}/models", models.list_models, f"{_MODELS}/accounts/models/read"),
    Route("GET", f"{_ACCOUNT}/usages", models.list_usages, f"{_MODELS}/accounts/usages/read"),
    Route("POST", f"{_ACCOUNT}/listKeys", models.list_keys, f"{_MODELS}/accounts/listKeys/action"),
    Route(
        "GET",
        f"{_SUB}/providers/{_MODELS}/deletedAccounts",
        models.list_deleted,
        f"{_MODELS}/deletedAccounts/read",
    ),
    Route("GET", _DELETED, models.get_deleted, f"{_DELETED_ACTION}/read"),
    Route("DELETE", _DELETED, models.begin_purge, f"{_DELETED_ACTION}/delete"),
    # storage accounts
    Route(
        "POST", f"{_STORAGE}/listKeys", storage.list_keys, "Microsoft.Storage/storageAccounts/listKeys/action"
    ),
    # function apps
    *(
        Route(method, f"{{site}}/{rest}", handler, f"Microsoft.Web/sites/{action}")
        for method, rest, handler, action in (
            ("GET", "config", sites.list_configurations, "config/read"),
            ("GET", "config/web", sites.get_configuration, "config/read"),
            ("PATCH", "config/web", sites.update_configuration, "config/write"),
            ("POST", "config/{settings}/list", sites.list_settings, "config/list/action"),
            ("PUT", "config/appsettings", sites.update_app_settings, "config/write"),
            ("GET", "functions", sites.list_functions, "functions/read"),
            ("GET", "hostruntime/admin/host/status", sites.host_status, "hostruntime/host/read"),
            ("POST", "host/default/listKeys", sites.list_host_keys, "host/listkeys/action"),
            ("POST", "syncfunctiontriggers", sites.synchronise_triggers, "syncfunctiontriggers/action"),
            ("POST", "host/default/sync", sites.synchronise_triggers, "host/sync/action"),
        )
    ),
    # any resource, and the list of any type
    Route("GET", "{scope}", resources.get),
    Route("HEAD", "{scope}", resources.check_existence),
    Route("PUT", "{scope}", resources.create_or_update),
    Route("PATCH", "{scope}", resources.update),
    Route("DELETE", "{scope}", resources.remove),
)
