"""Reads the resources from the exported state of a stack. Pure functions."""

import re
from dataclasses import dataclass
from typing import Any

from ops.output import OpsError
from tools.pulumi.typed import as_typed

STACK = "pulumi:pulumi:Stack"
GROUP = "azure-native:resources:ResourceGroup"
SITE = "azure-native:web:WebApp"
MODEL_ACCOUNT = "azure-native:cognitiveservices:Account"
MODEL_DEPLOYMENT = "azure-native:cognitiveservices:Deployment"
LOG_WORKSPACE = "azure-native:operationalinsights:Workspace"
STORAGE_ACCOUNT = "azure-native:storage:StorageAccount"
TABLE = "azure-native:storage:Table"
ROLE_ASSIGNMENT = "azure-native:authorization:RoleAssignment"
DEPLOYED_CODE = "pulumi-python:dynamic/infra:DeployedCode"
PURGED_ACCOUNT = "pulumi-python:dynamic/infra:PurgedAccount"
GUARD = "pulumi-python:dynamic/infra:DeletionGuard"
REPLACEMENT_GUARD = "pulumi-python:dynamic/infra:ReplacementGuard"


@dataclass(frozen=True)
class Resource:
    """`type` is Pulumi's token; `id` is empty for a component."""

    urn: str
    type: str
    id: str
    inputs: dict[str, Any]
    outputs: dict[str, Any]

    @property
    def name(self) -> str:
        """The logical name."""
        return type_and_name(self.urn)[1]


def type_and_name(urn: str) -> tuple[str, str]:
    """Of a URN `urn:pulumi:STACK::PROJECT::PARENT$TYPE::NAME`; both are empty for an empty URN."""
    types, name = (*urn.split("::", 3), "", "", "")[2:4]
    return types.rpartition("$")[2], name


def resources(exported: dict[str, Any]) -> list[Resource]:
    """The resources of a `pulumi stack export`, without those that are pending deletion."""
    return [resource(entry) for entry in entries(exported) if not entry.get("delete")]


def entries(exported: dict[str, Any]) -> list[dict[str, Any]]:
    """All resource entries of a `pulumi stack export`, unchanged."""
    deployment: dict[str, Any] = exported.get("deployment") or {}
    return deployment.get("resources") or []


def resource(entry: dict[str, Any]) -> Resource:
    """Parse a resource entry of a state, or the old or new state of a preview step."""
    return Resource(
        urn=entry["urn"],
        type=entry["type"],
        id=entry.get("id") or "",
        inputs=entry.get("inputs") or {},
        outputs=entry.get("outputs") or {},
    )


def only_resource(listed: list[Resource], kind: str) -> Resource:
    """The only resource of a type. Raises OpsError if there is none or more than one."""
    matching = [resource for resource in listed if resource.type == kind]
    if len(matching) != 1:
        names = ", ".join(resource.name for resource in matching) or "none"
        raise OpsError(
            f"the stack's state has {names} of type {kind}, expected one: run `{as_typed('pulumi up')}`"
        )
    return matching[0]


def group_and_name(resource_id: str) -> tuple[str, str]:
    """The resource group and the resource name in an ARM id. Raises OpsError."""
    match = re.search(r"/resourceGroups/([^/]+)/providers/[^/]+/.*?([^/]+)$", resource_id, re.IGNORECASE)
    if match is None:
        raise OpsError(
            f"{resource_id!r} is not the id of a resource in a resource group: "
            f"run `{as_typed('pulumi refresh')}`"
        )
    return match[1], match[2]
