"""An authenticated ARM request, and the shapes of ARM's responses."""

import json
import uuid
from collections.abc import Awaitable, Callable, Coroutine, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, cast
from urllib.parse import urlencode

from aiohttp import web

from local_azure.core import ids
from local_azure.core.access import permits
from local_azure.core.errors import ArmError
from local_azure.core.operations import StartFailedError
from local_azure.core.resource import ENVELOPE, Azure, ResourceType
from local_azure.core.store import SUBSCRIPTION_ID, Resource
from local_azure.frontends.arm_http.async_operations import AsyncOperations
from local_azure.services.catalogue import find_arm_type

PAGE = 1000
"""Resources on a page of a list."""

# Members of a GET response that a client may send back: ARM takes them from the path.
_IGNORED = frozenset({"id", "name", "type", "etag", "systemData"})
_GROUP_ACTIONS = "Microsoft.Resources/subscriptions/resourceGroups"


@dataclass(frozen=True)
class Call:
    """`names`: values of the braces in the route's path. `url`: the gateway's, without a closing slash."""

    azure: Azure
    operations: AsyncOperations
    principal: str
    path: str
    names: Mapping[str, str]
    query: Mapping[str, str]
    body: Mapping[str, Any]
    url: str

    def may(self, action: str, scope: str) -> bool:
        return permits(self.azure.store, self.principal, scope, action=action)

    def require(self, action: str, scope: str) -> None:
        """Raises ArmError 403 where no role of the principal allows the action."""
        if not self.may(action, scope):
            raise ArmError(
                403,
                "AuthorizationFailed",
                f"The client '{self.principal}' with object id '{self.principal}' does not have "
                f"authorization to perform action '{action}' over scope '{scope}' or the scope is invalid. "
                f"If access was recently granted, please refresh your credentials.",
            )


def action_of(resource_type: str, verb: str) -> str:
    """`Microsoft.Web/sites/read`; the actions of resource groups are not named by their type."""
    is_group = resource_type.lower() == ids.RESOURCE_GROUP_TYPE.lower()
    return f"{_GROUP_ACTIONS if is_group else resource_type}/{verb}"


def kind_of(resource_type: str) -> ResourceType:
    """Raises ArmError 404 for a type that the azure-native SDK does not have.

    It may import a module of the SDK, which takes seconds: in a thread, for a type that a request names.
    """
    kind = find_arm_type(resource_type)
    if kind is None:
        namespace, _, rest = resource_type.partition("/")
        raise ArmError(
            404,
            "InvalidResourceType",
            f"The resource type '{rest}' could not be found in the namespace '{namespace}'.",
        )
    return kind


def response(
    content: object = None, status: int = 200, headers: Mapping[str, str] | None = None
) -> web.Response:
    request_id = str(uuid.uuid4())
    more = {"x-ms-request-id": request_id, "x-ms-correlation-request-id": request_id, **(headers or {})}
    if content is None:
        return web.Response(status=status, headers=more)
    return web.Response(
        status=status,
        body=json.dumps(content).encode(),
        content_type="application/json",
        charset="utf-8",
        headers=more,
    )


def error_response(error: ArmError) -> web.Response:
    return response({"error": {"code": error.code, "message": error.message}}, error.status)


def accepted(call: Call, subject: str, work: Callable[[], Coroutine[Any, Any, None]]) -> web.Response:
    """Starts a long-running operation on the subject (an ARM id): 202, with the URL of its status."""
    operation = call.operations.begin(subject, work)
    address = f"{call.url}/subscriptions/{SUBSCRIPTION_ID}/operationresults/{operation}"
    version = urlencode({"api-version": call.query["api-version"]})
    return response(status=202, headers={"Location": f"{address}?{version}", "Retry-After": "1"})


def body_of(call: Call, resource_id: str, resource_type: str) -> Resource:
    """The request's body as a resource. Raises ArmError 400 for unknown members."""
    unknown = [name for name in call.body if name not in {*ENVELOPE, *_IGNORED, "properties"}]
    if unknown:
        raise ArmError(
            400,
            "InvalidRequestContent",
            f"The request content was invalid: could not find member {', '.join(map(repr, unknown))} on "
            f"{resource_type}; a body has {', '.join((*ENVELOPE, 'properties'))}.",
        )
    naming = Resource(id=resource_id, name=ids.name_of(resource_id), type=resource_type)
    given = {name: value for name, value in call.body.items() if name not in _IGNORED and value is not None}
    return cast("Resource", {**given, **naming})


async def stored(operation: Awaitable[Resource]) -> Resource:
    """The resource, also where its last step fails: it exists, and its status tells whether it runs."""
    try:
        return await operation
    except StartFailedError as error:
        return error.resource


def page(call: Call, resources: Sequence[Mapping[str, Any]]) -> web.Response:
    """A page of a list: `$top` resources, and `nextLink`. Raises ArmError 400."""
    size = _number(call.query.get("$top"), PAGE, "$top")
    start = _number(call.query.get("$skiptoken"), 0, "$skiptoken")
    content: dict[str, Any] = {"value": resources[start : start + size]}
    if start + size < len(resources):
        query = {**call.query, "$skiptoken": str(start + size)}
        content["nextLink"] = f"{call.url}{call.path}?{urlencode(query)}"
    return response(content)


def _number(text: str | None, default: int, name: str) -> int:
    if text is None:
        return default
    if not text.isdecimal() or (name == "$top" and int(text) == 0):
        raise ArmError(
            400, "InvalidQueryParameterValue", f"The value '{text}' of {name} is no positive number."
        )
    return int(text)


def public(call: Call, resource: Resource) -> dict[str, Any]:
    """The response to GET: without app settings, which may hold secrets and have their own operation."""
    body: dict[str, Any] = dict(resource)
    if resource["type"] == ids.RESOURCE_GROUP_TYPE:
        state = "Deleting" if ids.key(resource["id"]) in call.azure.deleting else "Succeeded"
        body["properties"] = {"provisioningState": state}
    elif site_config := body.get("properties", {}).get("siteConfig"):
        site_config["appSettings"] = None
    return body


def summary(resource: Resource) -> dict[str, Any]:
    """A resource in a list of resources of any type: without its properties."""
    return {name: value for name, value in resource.items() if name != "properties"}
