"""A small stack that breaks no rule, and changes to it."""

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any, cast

from policy import data
from policy.grants import GRANTS
from policy.model import Resource

SUBSCRIPTION = "/subscriptions/11111111-2222-4333-8444-555555555555"
ROLES = f"{SUBSCRIPTION}/providers/Microsoft.Authorization/roleDefinitions"
GROUP = f"{SUBSCRIPTION}/resourceGroups/rg-assistant-dev-abcdefgh"
PRINCIPAL = "3200b507-377c-4f2b-a44d-8584dec1db3b"

Stack = dict[str, Resource]
Change = Callable[[Stack], None]


def scope_of(arm_type: str) -> str:
    return f"{GROUP}/providers/{arm_type}/it"


def resource(
    name: str, type_: str, props: Mapping[str, Any], *, stack: str = "dev", project: str = "assistant"
) -> Resource:
    return Resource(type_, name, f"urn:pulumi:{stack}::{project}::{type_}::{name}", props)


def valid_stack(stack: str = "dev", environment: str = "dev", *, protected: bool = False) -> Stack:
    """Logical name to resource. `protected`: with `protect` and the lock."""
    tags = {"project": "assistant", "stack": stack, "environment": environment}
    if stack.startswith("pr-"):
        tags["pullRequest"] = stack.removeprefix("pr-")
    account = {
        "accountName": "it",
        "allowSharedKeyAccess": False,
        "defaultToOAuthAuthentication": True,
        "allowBlobPublicAccess": False,
        "allowCrossTenantReplication": False,
        "enableHttpsTrafficOnly": True,
        "minimumTlsVersion": "TLS1_2",
        "tags": tags,
    }
    storage = {"authentication": {"type": "UserAssignedIdentity"}}
    site = {
        "name": "func",
        "httpsOnly": True,
        "siteConfig": {"minTlsVersion": "1.2", "appSettings": [{"name": "HTTP_AUTH_LEVEL", "value": "x"}]},
        "functionAppConfig": {"deployment": {"storage": storage}},
        "tags": tags,
    }
    listed = [
        ("group", data.RESOURCE_GROUP, {"tags": tags}),
        ("storage-account", data.STORAGE_ACCOUNT, account),
        ("chat-state", data.TABLE, {"tableName": "ChatState"}),
        ("deployments", data.BLOB_CONTAINER, {"containerName": "deployments"}),
        ("openai-account", data.MODEL_ACCOUNT, {"properties": {"disableLocalAuth": True}, "tags": tags}),
        ("log-workspace", data.LOG_WORKSPACE, {"features": {"disableLocalAuth": True}, "tags": tags}),
        ("app-insights", data.APP_INSIGHTS, {"disableLocalAuth": True, "tags": tags}),
        ("function-app", data.SITE, site),
        ("no-scm-password", data.SCM_LOGIN, {"name": "func", "allow": False}),
        ("no-ftp-password", data.FTP_LOGIN, {"name": "func", "allow": False}),
        ("app-identity", data.IDENTITY, {"tags": tags}),
        ("vault", data.VAULT, {"properties": {"enableRbacAuthorization": True}, "tags": tags}),
    ]
    made = {name: resource(name, type_, props, stack=stack) for name, type_, props in listed}
    made["app-identity"] = replace(made["app-identity"], outputs={"principalId": PRINCIPAL})
    for grant in GRANTS["assistant"]:
        role = {
            "roleDefinitionId": f"{ROLES}/{grant.role_id}",
            "scope": scope_of(grant.scope),
            "principalId": PRINCIPAL,
            "principalType": "ServicePrincipal",
        }
        made[grant.key] = resource(grant.key, data.ROLE_ASSIGNMENT, role, stack=stack)
    if protected:
        for name, unprotected in list(made.items()):
            protect(name, on=unprotected.type in data.PROTECTED_IN_PRODUCTION)(made)
        add(lock(stack))(made)
    return made


def lock(stack: str = "prod", **props: Any) -> Resource:
    given = {"level": "CanNotDelete", "scope": scope_of("Microsoft.Storage/storageAccounts"), **props}
    return resource("keep-data", "azure-native:authorization:ManagementLockByScope", given, stack=stack)


def put(name: str, path: str, value: Any) -> Change:
    """Sets one input of one resource; None removes it."""

    def change(stack: Stack) -> None:
        stack[name] = replace(stack[name], props=_changed(stack[name].props, path.split("."), value))

    return change


def setting(name: str, value: str = "anything") -> Change:
    """The site's only app setting."""
    return put("function-app", "siteConfig.appSettings", [{"name": name, "value": value}])


def without(*names: str) -> Change:
    def change(stack: Stack) -> None:
        for name in names:
            del stack[name]

    return change


def add(*resources: Resource) -> Change:
    return lambda stack: stack.update({resource.name: resource for resource in resources})


def protect(name: str, *, on: bool) -> Change:
    return lambda stack: stack.update({name: replace(stack[name], protect=on)})


def _changed(props: Mapping[str, Any], keys: list[str], value: Any) -> dict[str, Any]:
    first, rest = keys[0], keys[1:]
    if rest:
        value = _changed(cast("Mapping[str, Any]", props.get(first) or {}), rest, value)
    return {key: old for key, old in {**props, first: value}.items() if old is not None}
