"""Microsoft.Resources: resource groups."""

from local_azure.core.naming import AutoName
from local_azure.core.resource import Azure, Inputs, ResourceType, string_rule
from local_azure.core.store import Resource


def _complete(_azure: Azure, resource: Resource, _previous: Resource | None) -> None:
    resource.setdefault("properties", {})["provisioningState"] = "Succeeded"


def _shape(resource: Resource, outputs: Inputs) -> None:
    outputs["properties"] = {"provisioningState": resource.get("properties", {})["provisioningState"]}


TYPES = (
    ResourceType(
        pulumi_type="azure-native:resources:ResourceGroup",
        api_version="2024-03-01",
        path="/subscriptions/{subscriptionId}/resourceGroups/{resourceGroupName}",
        autoname=AutoName.RANDOM,
        check=string_rule(
            "resourceGroupName",
            r"[\w().-]*[\w()-]",
            "a resource group's name takes letters, digits and -_.() , not a period at the end, at most 90",
            maximum=90,
        ),
        complete=_complete,
        shape=_shape,
    ),
)
