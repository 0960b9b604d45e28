"""The resources of the programs as the engine has them, and changes to those of the main program."""

from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import cache
from typing import Any, cast

from policy import data
from policy.model import UNKNOWN, Resource
from tests.unit.infra.recording import ARM, Run, run_program

GROUP = f"{ARM}/resourceGroups/rg"
ROLES = f"{ARM}/providers/Microsoft.Authorization/roleDefinitions"
# The types of ARM that the ids of the mocks stand for.
ARM_TYPES = {
    data.STORAGE_ACCOUNT: "Microsoft.Storage/storageAccounts/{}",
    data.MODEL_ACCOUNT: "Microsoft.CognitiveServices/accounts/it",
    data.APP_INSIGHTS: "Microsoft.Insights/components/it",
    data.BLOB_CONTAINER: "Microsoft.Storage/storageAccounts/it/blobServices/default/containers/it",
    "azure-native:keyvault:Key": "Microsoft.KeyVault/vaults/it/keys/it",
}

Stack = dict[str, Resource]
"""Logical name to resource."""

Change = Callable[[Stack], None]


def resource(
    name: str, type_: str, props: Mapping[str, Any], *, stack: str = "dev", project: str = "assistant"
) -> Resource:
    return Resource(type_, name, f"urn:pulumi:{stack}::{project}::{type_}::{name}", props)


def resources_of(run: Run, stack: str, project: str = "assistant") -> Stack:
    """The recorded resources; the mocks' ids as ARM's."""
    ids = {
        f"{ARM}/id-of-azure/{recorded.name}": f"{GROUP}/providers/"
        + ARM_TYPES[recorded.type].format(recorded.inputs.get("accountName"))
        for recorded in run.resources.values()
        if recorded.type in ARM_TYPES
    }

    def as_in_engine(value: Any) -> Any:
        if isinstance(value, Mapping):
            return {key: as_in_engine(member) for key, member in cast("Mapping[str, Any]", value).items()}
        if isinstance(value, list):
            return [as_in_engine(element) for element in cast("list[Any]", value)]
        if value == "connection-string-of-azure":
            return UNKNOWN
        return ids.get(value, value) if isinstance(value, str) else value

    return {
        name: replace(
            resource(name, recorded.type, as_in_engine(recorded.inputs), stack=stack, project=project),
            protect=recorded.protect,
        )
        for name, recorded in run.resources.items()
    }


@cache
def _recorded(stack: str, environment: str, protected: bool) -> Run:
    config = {"tags": {"environment": environment}, "deletionProtection": protected}
    return run_program(config, stack=stack)


def valid_stack(stack: str = "dev", environment: str = "dev", *, protected: bool = False) -> Stack:
    """The main program's stack and a vault, which break no rule. `protected`: with `protect` and the lock."""
    made = resources_of(_recorded(stack, environment, protected), stack)
    outputs = {"principalId": made["blob-owner"].props["principalId"]}
    made["app-identity"] = replace(made["app-identity"], outputs=outputs)
    vault = {"properties": {"enableRbacAuthorization": True}, "tags": made["group"].props["tags"]}
    return {**made, "vault": resource("vault", data.VAULT, vault, stack=stack)}


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
