"""Microsoft.Authorization: the role definitions, role assignments and locks of a scope."""

import re

from aiohttp import web

from local_azure.core import ids
from local_azure.core.access import (
    BUILT_IN_ROLES,
    ROLE_ASSIGNMENT_TYPE,
    ROLE_DEFINITION_TYPE,
    RoleDefinition,
    custom_role_resource,
)
from local_azure.core.errors import ArmError
from local_azure.core.locks import LOCK_TYPE
from local_azure.core.store import SUBSCRIPTION_ID, Resource
from local_azure.frontends.arm_http.call import Call, page, response

_PRINCIPAL = re.compile(r"(?:principalId|assignedTo\(\)) eq '([^']*)'|assignedTo\('([^']*)'\)", re.IGNORECASE)
_COMPARISON = re.compile(r"(roleName|type) eq '([^']*)'", re.IGNORECASE)
_FILTERED = {"rolename": "roleName", "type": "type"}


async def list_role_assignments(call: Call) -> web.Response:
    """At, above and below the scope; `$filter`: `atScope()`, which excludes those below, or a principal."""
    assignments = _related(call, ROLE_ASSIGNMENT_TYPE, above=True)
    text = call.query.get("$filter", "")
    if match := _PRINCIPAL.search(text):
        principal = (match[1] or match[2]).lower()
        assignments = [role for role in assignments if _property(role, "principalId") == principal]
    elif text and text.lower() != "atscope()":
        raise _unsupported(text, "atScope() or principalId eq 'ID'")
    return page(call, assignments)


async def list_role_definitions(call: Call) -> web.Response:
    """Built-in roles and the custom ones of the scope; `$filter`: `roleName eq 'NAME'`, `type eq 'TYPE'`."""
    scope, text = call.names["scope"], call.query.get("$filter", "")
    wanted = [(_FILTERED[name.lower()], value.lower()) for name, value in _COMPARISON.findall(text)]
    if text and not wanted and "atscope" not in text.lower():
        raise _unsupported(text, "roleName eq 'NAME'")
    custom = [
        role
        for role in call.azure.store.list(ROLE_DEFINITION_TYPE)
        if any(
            ids.is_at_or_below(scope, assignable) or ids.is_at_or_below(assignable, scope)
            for assignable in role.get("properties", {})["assignableScopes"]
        )
    ]
    roles = [*map(_built_in, BUILT_IN_ROLES), *custom]
    return page(
        call, [role for role in roles if all(_property(role, name) == value for name, value in wanted)]
    )


def _property(resource: Resource, name: str) -> str:
    return str(resource.get("properties", {})[name]).lower()


def _unsupported(text: str, supported: str) -> ArmError:
    return ArmError(400, "UnsupportedQuery", f"The filter '{text}' is not supported; {supported} is.")


async def get_role_definition(call: Call) -> web.Response:
    guid = call.path.rpartition("/")[2].lower()
    built_in = next((role for role in BUILT_IN_ROLES if role.guid == guid), None)
    custom = custom_role_resource(call.azure.store, guid)
    if not (built_in or custom):
        raise ArmError(
            404, "RoleDefinitionDoesNotExist", f"There is no role definition with the ID '{guid}'."
        )
    return response(_built_in(built_in) if built_in else custom)


def _built_in(role: RoleDefinition) -> Resource:
    permissions = {
        "actions": role.actions,
        "notActions": role.not_actions,
        "dataActions": role.data_actions,
        "notDataActions": role.not_data_actions,
    }
    return Resource(
        id=ids.build(ids.subscription(SUBSCRIPTION_ID), ROLE_DEFINITION_TYPE, role.guid),
        name=role.guid,
        type=ROLE_DEFINITION_TYPE,
        properties={
            "roleName": role.name,
            "type": "BuiltInRole",
            "assignableScopes": ["/"],
            "permissions": [permissions],
        },
    )


async def list_locks(call: Call) -> web.Response:
    """At the scope and below it."""
    return page(call, _related(call, LOCK_TYPE, above=False))


def _related(call: Call, resource_type: str, *, above: bool) -> list[Resource]:
    scope = call.names["scope"]
    if ids.type_of(scope) != ids.SUBSCRIPTION_TYPE:
        call.azure.store.require(scope)
    at_scope = "atscope()" in call.query.get("$filter", "").lower()
    related: list[Resource] = []
    for resource in call.azure.store.list(resource_type):
        own = ids.parse(resource["id"])[0]
        is_below = ids.is_at_or_below(own, scope) and (not at_scope or ids.same(own, scope))
        if is_below or (above and ids.is_at_or_below(scope, own)):
            related.append(resource)
    return related
