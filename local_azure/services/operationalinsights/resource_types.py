"""Microsoft.OperationalInsights: Log Analytics workspaces."""

import uuid
from typing import Any

from local_azure.core import clock
from local_azure.core.errors import ArmError
from local_azure.core.naming import AutoName
from local_azure.core.resource import Azure, ResourceType, string_rule
from local_azure.core.store import Resource
from local_azure.services.managedidentity.resource_types import complete_identity

WORKSPACE_TYPE = "Microsoft.OperationalInsights/workspaces"

_MIN_DAILY_CAP_GB = 0.023
_NO_CAP = -1


def _validate(_azure: Azure, resource: Resource, _previous: Resource | None) -> None:
    properties = resource.get("properties", {})
    days = properties.get("retentionInDays", 30)
    if not 30 <= days <= 730:
        raise ArmError(400, "InvalidParameter", f"retentionInDays is {days}; it is 30 to 730.")
    cap = properties.get("workspaceCapping", {}).get("dailyQuotaGb", _NO_CAP)
    if cap != _NO_CAP and cap < _MIN_DAILY_CAP_GB:
        text = f"workspaceCapping.dailyQuotaGb is {cap}; it is at least {_MIN_DAILY_CAP_GB}, or -1 (no cap)."
        raise ArmError(400, "InvalidParameter", text)


def _complete(azure: Azure, resource: Resource, previous: Resource | None) -> None:
    complete_identity(azure.store, resource, previous)
    before: dict[str, Any] = (previous or {}).get("properties", {})
    given = resource.get("properties", {})
    sku = {**resource.pop("sku", given.get("sku", {"name": "PerGB2018"}))}
    resource["properties"] = {
        "retentionInDays": 30,
        "publicNetworkAccessForIngestion": "Enabled",
        "publicNetworkAccessForQuery": "Enabled",
        **given,
        "sku": sku,
        "features": {
            "enableLogAccessUsingOnlyResourcePermissions": True,
            **given.get("features", {}),
        },
        "workspaceCapping": {
            "dataIngestionStatus": "RespectQuota",
            "dailyQuotaGb": _NO_CAP,
            **given.get("workspaceCapping", {}),
        },
        "customerId": before.get("customerId") or str(uuid.uuid4()),
        "createdDate": before.get("createdDate") or clock.now(),
        "modifiedDate": clock.now(),
        "provisioningState": "Succeeded",
    }


TYPES = (
    ResourceType(
        pulumi_type="azure-native:operationalinsights:Workspace",
        api_version="2023-09-01",
        path="/subscriptions/{subscriptionId}/resourceGroups/{resourceGroupName}"
        f"/providers/{WORKSPACE_TYPE}/{{workspaceName}}",
        autoname=AutoName.RANDOM,
        check=string_rule(
            "workspaceName",
            r"[A-Za-z0-9][A-Za-z0-9-]*[A-Za-z0-9]",
            "a workspace's name takes 4 to 63 letters, digits and hyphens, no hyphen first or last",
            minimum=4,
            maximum=63,
        ),
        validate=_validate,
        complete=_complete,
    ),
)
