"""A small stack that breaks no rule, and ways to spoil it."""

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any, cast

from policy import data
from policy.grants import GRANTS
from policy.model import UNKNOWN, Resource

ROLES = "providers/Microsoft.Authorization/roleDefinitions"
SUBSCRIPTION = "/subscriptions/11111111-2222-4333-8444-555555555555"
GROUP = f"{SUBSCRIPTION}/resourceGroups/rg-assistant-dev-abcdefgh"
PRINCIPAL = "3200b507-377c-4f2b-a44d-8584dec1db3b"

Stack = dict[str, Resource]
Change = Callable[[Stack], None]


def scope_of(arm_type: str) -> str:
    return f"{GROUP}/providers/{arm_type}/it"


def urn(name: str, type_: str, stack: str = "dev", project: str = "assistant") -> str:
    return f"urn:pulumi:{stack}::{project}::{type_}::{name}"


def made(
    name: str,
    type_: str,
    props: Mapping[str, Any],
    *,
    stack: str = "dev",
    project: str = "assistant",
    protect: bool = False,
    outputs: Mapping[str, Any] | None = None,
) -> Resource:
    return Resource(type_, name, urn(name, type_, stack, project), props, protect, outputs=outputs or {})


def sound(stack: str = "dev", environment: str = "dev", *, protected: bool = False) -> Stack:
    """Logical name to resource. `protected`: with `protect` and the lock."""
    tags = {"project": "assistant", "stack": stack, "environment": environment}
    if stack.startswith("pr-"):
        tags["pullRequest"] = stack.removeprefix("pr-")
    listed: list[tuple[str, str, dict[str, Any]]] = [
        ("group", data.RESOURCE_GROUP, {"tags": tags}),
        (
            "storage-account",
            data.STORAGE_ACCOUNT,
            {
                "accountName": "it",
                "allowSharedKeyAccess": False,
                "defaultToOAuthAuthentication": True,
                "allowBlobPublicAccess": False,
                "allowCrossTenantReplication": False,
                "enableHttpsTrafficOnly": True,
                "minimumTlsVersion": "TLS1_2",
                "tags": tags,
            },
        ),
        ("chat-state", data.TABLE, {"tableName": "ChatState"}),
        ("deployments", data.BLOB_CONTAINER, {"containerName": "deployments"}),
        ("openai-account", data.MODEL_ACCOUNT, {"properties": {"disableLocalAuth": True}, "tags": tags}),
        ("log-workspace", data.LOG_WORKSPACE, {"features": {"disableLocalAuth": True}, "tags": tags}),
        ("app-insights", data.APP_INSIGHTS, {"disableLocalAuth": True, "tags": tags}),
        (
            "function-app",
            data.SITE,
            {
                "name": "func",
                "httpsOnly": True,
                "siteConfig": {
                    "minTlsVersion": "1.2",
                    "appSettings": [{"name": "HTTP_AUTH_LEVEL", "value": "x"}],
                },
                "functionAppConfig": {
                    "deployment": {"storage": {"authentication": {"type": "UserAssignedIdentity"}}}
                },
                "tags": tags,
            },
        ),
        ("no-scm-password", data.SCM_LOGIN, {"name": "func", "allow": False}),
        ("no-ftp-password", data.FTP_LOGIN, {"name": "func", "allow": False}),
    ]
    found = {name: made(name, type_, props, stack=stack) for name, type_, props in listed}
    identity = made(
        "app-identity", data.IDENTITY, {"tags": tags}, stack=stack, outputs={"principalId": PRINCIPAL}
    )
    found["app-identity"] = identity
    for grant in GRANTS["assistant"]:
        role = {
            "roleDefinitionId": f"{SUBSCRIPTION}/{ROLES}/{grant.role_id}",
            "scope": scope_of(grant.scope),
            "principalId": PRINCIPAL,
            "principalType": "ServicePrincipal",
        }
        found[grant.key] = made(grant.key, data.ROLE_ASSIGNMENT, role, stack=stack)
    if protected:
        for name, resource in found.items():
            found[name] = replace(resource, protect=resource.type in data.PROTECTED_IN_PRODUCTION)
        found["keep-data"] = lock(stack)
    return found


def lock(stack: str = "prod", **props: Any) -> Resource:
    given = {"level": "CanNotDelete", "scope": scope_of("Microsoft.Storage/storageAccounts"), **props}
    return made("keep-data", "azure-native:authorization:ManagementLockByScope", given, stack=stack)


def put(name: str, path: str, value: Any) -> Change:
    """One input of one resource is `value`; None takes it away."""

    def change(stack: Stack) -> None:
        stack[name] = replace(stack[name], props=_changed(stack[name].props, path.split("."), value))

    return change


def setting(name: str, value: str = "anything") -> Change:
    """The site's only app setting."""
    return put("function-app", "siteConfig.appSettings", [{"name": name, "value": value}])


def tag(resource: str, name: str, value: Any) -> Change:
    return put(resource, f"tags.{name}", value)


def without(*names: str) -> Change:
    def change(stack: Stack) -> None:
        for name in names:
            del stack[name]

    return change


def add(resource: Resource) -> Change:
    def change(stack: Stack) -> None:
        stack[resource.name] = resource

    return change


def protect(name: str, *, on: bool) -> Change:
    def change(stack: Stack) -> None:
        stack[name] = replace(stack[name], protect=on)

    return change


def unknown(name: str, path: str) -> Change:
    return put(name, path, UNKNOWN)


def _changed(props: Mapping[str, Any], keys: list[str], value: Any) -> dict[str, Any]:
    first, rest = keys[0], keys[1:]
    changed = dict(props)
    if rest:
        changed[first] = _changed(cast("Mapping[str, Any]", changed.get(first) or {}), rest, value)
    elif value is None:
        changed.pop(first, None)
    else:
        changed[first] = value
    return changed
