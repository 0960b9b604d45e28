"""Microsoft.Insights: Application Insights components."""

import uuid

from local_azure.core import clock, ids
from local_azure.core.change import Rule, refusing
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


# fmt: off
_RULES: tuple[Rule, ...] = (
    ("BadRequest", lambda component: component.at("WorkspaceResourceId") is None,
        "Classic Application Insights resources are retired: workspaceResourceId is required."),
    ("404 ResourceNotFound",
        lambda component: (component.store.get(component.at("WorkspaceResourceId")) or {}).get("type")
        != WORKSPACE_TYPE,
        "The workspace '{change.resource[properties][WorkspaceResourceId]}' (workspaceResourceId) could not "
        "be found."),
    ("InvalidParameter", lambda component: component.at("RetentionInDays", 90) not in _RETENTION_DAYS,
        "retentionInDays is {change.resource[properties][RetentionInDays]}; it is one of "
        f"{', '.join(map(str, _RETENTION_DAYS))}."),
    ("InvalidParameter", lambda component: not 0 < component.at("SamplingPercentage", 100) <= 100,
        "samplingPercentage is {change.resource[properties][SamplingPercentage]}; it is above 0 and at most "
        "100."),
)
# fmt: on


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
            validate=refusing(*_RULES),
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
