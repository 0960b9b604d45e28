"""Microsoft.Authorization: the role assignments and locks of a scope."""

import re

from aiohttp import web

from local_azure.core import ids
from local_azure.core.access import ROLE_ASSIGNMENT_TYPE
from local_azure.core.errors import ArmError
from local_azure.core.store import Resource
from local_azure.frontends.arm_http.call import Call, page
from local_azure.services.authorization.locks import LOCK_TYPE

_PRINCIPAL = re.compile(r"(?:principalId|assignedTo\(\)) eq '([^']*)'|assignedTo\('([^']*)'\)", re.IGNORECASE)


async def list_role_assignments(call: Call) -> web.Response:
    """At, above and below the scope; `$filter`: `atScope()`, which excludes those below, or a principal."""
    assignments = _related(call, ROLE_ASSIGNMENT_TYPE, above=True)
    text = call.query.get("$filter", "")
    if match := _PRINCIPAL.search(text):
        principal = (match[1] or match[2]).lower()
        assignments = [
            assignment
            for assignment in assignments
            if assignment.get("properties", {})["principalId"].lower() == principal
        ]
    elif text and text.lower() != "atscope()":
        raise ArmError(
            400,
            "UnsupportedQuery",
            f"The filter '{text}' is not supported; atScope() or principalId eq 'ID' is.",
        )
    return page(call, assignments)


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
