"""The routes of ARM's HTTP API, and the action that a role has to allow for each."""

import re
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from functools import cached_property

from aiohttp import web

from local_azure.core.access import ROLE_ASSIGNMENT_TYPE, ROLE_DEFINITION_TYPE
from local_azure.core.locks import LOCK_TYPE
from local_azure.frontends.arm_http import accounts, authorization, resources, sites, subscription, tags
from local_azure.frontends.arm_http.call import Call, response


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
_STORAGE, _MODELS, _SITES = (
    "Microsoft.Storage/storageAccounts",
    "Microsoft.CognitiveServices",
    "Microsoft.Web/sites",
)
_ACCOUNT = f"{_GROUP}/providers/{_MODELS}/accounts/{{account}}"
_REGION = f"{_SUB}/providers/{_MODELS}/locations/{{location}}"
_DELETED = f"{_REGION}/resourceGroups/{{group}}/deletedAccounts/{{account}}"
_DELETED_ACTION = f"{_MODELS}/locations/resourceGroups/deletedAccounts"
_ROLE = f"/providers/{ROLE_DEFINITION_TYPE}/{{role}}"
_READ = "Microsoft.Resources/subscriptions"
_TAG = "Microsoft.Resources/tags"

# The first match counts.
# fmt: off
ROUTES = (
    # the subscription
    Route("GET", "/subscriptions", subscription.list_all),
    Route("GET", _SUB, subscription.get, f"{_READ}/read"),
    Route("GET", f"{_SUB}/locations", subscription.list_locations, f"{_READ}/locations/read"),
    Route("GET", f"{_SUB}/providers", subscription.list_providers, f"{_READ}/providers/read"),
    Route("GET", f"{_SUB}/providers/{{namespace}}", subscription.get_provider, f"{_READ}/providers/read"),
    Route("GET", f"{_SUB}/operationresults/{{operation}}", _operation_result),
    Route("POST", f"{_SUB}/providers/{{namespace}}/checkNameAvailability", subscription.check_name),
    Route("POST", f"{_SUB}/providers/{_MODELS}/checkDomainAvailability", subscription.check_subdomain,
        f"{_MODELS}/checkDomainAvailability/action"),
    # groups, and resources of any type
    Route("GET", f"{_SUB}/resourceGroups", resources.list_groups),
    Route("GET", f"{_SUB}/resources", resources.list_all),
    Route("GET", f"{_GROUP}/resources", resources.list_all),
    # tags
    Route("GET", _TAGS, tags.get, f"{_TAG}/read"),
    Route("PUT", _TAGS, tags.create_or_update, f"{_TAG}/write"),
    Route("PATCH", _TAGS, tags.update, f"{_TAG}/write"),
    Route("DELETE", _TAGS, tags.remove, f"{_TAG}/delete"),
    # authorization
    Route("GET", f"{{scope}}/providers/{ROLE_ASSIGNMENT_TYPE}", authorization.list_role_assignments,
        f"{ROLE_ASSIGNMENT_TYPE}/read"),
    Route("GET", f"{{scope}}/providers/{ROLE_DEFINITION_TYPE}", authorization.list_role_definitions,
        f"{ROLE_DEFINITION_TYPE}/read"),
    Route("GET", f"{{scope}}/providers/{LOCK_TYPE}", authorization.list_locks, f"{LOCK_TYPE}/read"),
    Route("GET", f"{{scope}}{_ROLE}", authorization.get_role_definition),
    Route("GET", _ROLE, authorization.get_role_definition),
    # accounts
    Route("GET", f"{_REGION}/models", accounts.list_models, f"{_MODELS}/locations/models/read"),
    Route("GET", f"{_REGION}/usages", accounts.list_usages, f"{_MODELS}/locations/usages/read"),
    Route("GET", f"{_ACCOUNT}/models", accounts.list_models, f"{_MODELS}/accounts/models/read"),
    Route("GET", f"{_ACCOUNT}/usages", accounts.list_usages, f"{_MODELS}/accounts/usages/read"),
    Route("POST", f"{_ACCOUNT}/listKeys", accounts.list_model_keys, f"{_MODELS}/accounts/listKeys/action"),
    Route("GET", f"{_SUB}/providers/{_MODELS}/deletedAccounts", accounts.list_deleted,
        f"{_MODELS}/deletedAccounts/read"),
    Route("GET", _DELETED, accounts.get_deleted, f"{_DELETED_ACTION}/read"),
    Route("DELETE", _DELETED, accounts.begin_purge, f"{_DELETED_ACTION}/delete"),
    Route("POST", f"{_GROUP}/providers/{_STORAGE}/{{account}}/listKeys", accounts.list_storage_keys,
        f"{_STORAGE}/listKeys/action"),
    # function apps
    Route("GET", "{site}/config", sites.list_configurations, f"{_SITES}/config/read"),
    Route("GET", "{site}/config/web", sites.get_configuration, f"{_SITES}/config/read"),
    Route("PATCH", "{site}/config/web", sites.update_configuration, f"{_SITES}/config/write"),
    Route("POST", "{site}/config/{settings}/list", sites.list_settings, f"{_SITES}/config/list/action"),
    Route("PUT", "{site}/config/appsettings", sites.update_app_settings, f"{_SITES}/config/write"),
    Route("GET", "{site}/functions", sites.list_functions, f"{_SITES}/functions/read"),
    Route("GET", "{site}/hostruntime/admin/host/status", sites.host_status,
        f"{_SITES}/hostruntime/host/read"),
    Route("POST", "{site}/host/default/listKeys", sites.list_host_keys, f"{_SITES}/host/listkeys/action"),
    Route("POST", "{site}/syncfunctiontriggers", sites.synchronise_triggers,
        f"{_SITES}/syncfunctiontriggers/action"),
    Route("POST", "{site}/host/default/sync", sites.synchronise_triggers, f"{_SITES}/host/sync/action"),
    # any resource, and the list of any type
    Route("GET", "{scope}", resources.get),
    Route("HEAD", "{scope}", resources.check_existence),
    Route("PUT", "{scope}", resources.create_or_update),
    Route("PATCH", "{scope}", resources.update),
    Route("DELETE", "{scope}", resources.remove),
)
# fmt: on
