"""Microsoft.Insights: Application Insights components."""

import uuid

from local_azure.core import clock, ids
from local_azure.core.errors import ArmError
from local_azure.core.known_types import known
from local_azure.core.resource import Azure, Behaviour
from local_azure.core.store import TENANT_ID, Resource
from local_azure.services.operationalinsights.resource_types import WORKSPACE_TYPE

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


def _complete(_azure: Azure, resource: Resource, _previous: Resource | None) -> None:
    properties, region = resource.setdefault("properties", {}), resource.get("location", "")
    properties["ApplicationId"] = ids.name_of(resource["id"])
    properties["ConnectionString"] = (
        f"InstrumentationKey={properties['InstrumentationKey']};"
        f"IngestionEndpoint=https://{region}-0.in.applicationinsights.azure.com/;"
        f"LiveEndpoint=https://{region}.livediagnostics.monitor.azure.com/;ApplicationId={properties['AppId']}"
    )


TYPES = (
    known(
        "applicationinsights:Component",
        Behaviour(
            renames=_RENAMES,
            validate=_validate,
            defaults={
                "RetentionInDays": 90,
                "DisableIpMasking": False,
                "DisableLocalAuth": False,
                "TenantId": TENANT_ID,
            },
            once={
                "InstrumentationKey": lambda: str(uuid.uuid4()),
                "AppId": lambda: str(uuid.uuid4()),
                "CreationDate": clock.now,
            },
            complete=_complete,
        ),
    ),
)
