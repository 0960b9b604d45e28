"""Microsoft.Insights: Application Insights components."""

import uuid
from typing import Any

from local_azure.core import clock, ids
from local_azure.core.errors import ArmError
from local_azure.core.naming import AutoName
from local_azure.core.resource import Azure, ResourceType, string_rule
from local_azure.core.store import TENANT_ID, Resource
from local_azure.services.operationalinsights.resource_types import WORKSPACE_TYPE

COMPONENT_TYPE = "Microsoft.Insights/components"
_RETENTION_DAYS = (30, 60, 90, 120, 180, 270, 365, 550, 730)

# ARM's own names start with a capital, some with an underscore; azure-native's do not.
_RENAMES = {
    "applicationType": "Application_Type",
    "flowType": "Flow_Type",
    "requestSource": "Request_Source",
    **{
        name: name[0].upper() + name[1:]
        for name in (
            "appId",
            "applicationId",
            "connectionString",
            "creationDate",
            "disableIpMasking",
            "disableLocalAuth",
            "forceCustomerStorageForProfiler",
            "hockeyAppId",
            "immediatePurgeDataOn30Days",
            "ingestionMode",
            "instrumentationKey",
            "retentionInDays",
            "samplingPercentage",
            "tenantId",
            "workspaceResourceId",
        )
    },
}


def _validate(azure: Azure, resource: Resource, _previous: Resource | None) -> None:
    properties = resource.get("properties", {})
    workspace = properties.get("WorkspaceResourceId")
    if workspace is None:
        text = "Classic Application Insights resources are retired: workspaceResourceId is required."
        raise ArmError(400, "BadRequest", text)
    if (azure.store.get(workspace) or {}).get("type") != WORKSPACE_TYPE:
        text = f"The workspace '{workspace}' (workspaceResourceId) could not be found."
        raise ArmError(404, "ResourceNotFound", text)
    days = properties.get("RetentionInDays", 90)
    if days not in _RETENTION_DAYS:
        allowed = ", ".join(map(str, _RETENTION_DAYS))
        raise ArmError(400, "InvalidParameter", f"retentionInDays is {days}; it is one of {allowed}.")
    sampling = properties.get("SamplingPercentage", 100)
    if not 0 < sampling <= 100:
        text = f"samplingPercentage is {sampling}; it is above 0 and at most 100."
        raise ArmError(400, "InvalidParameter", text)


def _complete(_azure: Azure, resource: Resource, previous: Resource | None) -> None:
    before: dict[str, Any] = (previous or {}).get("properties", {})
    key = before.get("InstrumentationKey") or str(uuid.uuid4())
    app_id = before.get("AppId") or str(uuid.uuid4())
    region = resource.get("location", "")
    resource["properties"] = {
        "RetentionInDays": 90,
        "DisableIpMasking": False,
        "DisableLocalAuth": False,
        **resource.get("properties", {}),
        "AppId": app_id,
        "ApplicationId": ids.name_of(resource["id"]),
        "ConnectionString": f"InstrumentationKey={key};"
        f"IngestionEndpoint=https://{region}-0.in.applicationinsights.azure.com/;"
        f"LiveEndpoint=https://{region}.livediagnostics.monitor.azure.com/;ApplicationId={app_id}",
        "CreationDate": before.get("CreationDate") or clock.now(),
        "InstrumentationKey": key,
        "TenantId": TENANT_ID,
        "provisioningState": "Succeeded",
    }


TYPES = (
    ResourceType(
        pulumi_type="azure-native:applicationinsights:Component",
        api_version="2020-02-02",
        path="/subscriptions/{subscriptionId}/resourceGroups/{resourceGroupName}"
        f"/providers/{COMPONENT_TYPE}/{{resourceName}}",
        autoname=AutoName.RANDOM,
        renames=_RENAMES,
        check=string_rule(
            "resourceName",
            r"[^%&\\?/#<>:+\x00-\x1f]*[^%&\\?/#<>:+\x00-\x1f .]",
            "a component's name takes at most 260 characters, no %&\\?/#<>:+ and no space or period last",
            maximum=260,
        ),
        validate=_validate,
        complete=_complete,
    ),
)
