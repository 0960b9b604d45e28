"""Microsoft.OperationalInsights: Log Analytics workspaces."""

import uuid

from local_azure.core import clock
from local_azure.core.errors import ArmError
from local_azure.core.known_types import known
from local_azure.core.resource import Azure, Behaviour
from local_azure.core.store import Resource

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


def _complete(_azure: Azure, resource: Resource, _previous: Resource | None) -> None:
    properties = resource.setdefault("properties", {})
    sku = {**resource.pop("sku", properties.get("sku", {"name": "PerGB2018"}))}
    properties |= {"sku": sku, "modifiedDate": clock.now()}


TYPES = (
    known(
        "operationalinsights:Workspace",
        Behaviour(
            validate=_validate,
            defaults={
                "retentionInDays": 30,
                "publicNetworkAccessForIngestion": "Enabled",
                "publicNetworkAccessForQuery": "Enabled",
                "features": {"enableLogAccessUsingOnlyResourcePermissions": True},
                "workspaceCapping": {"dataIngestionStatus": "RespectQuota", "dailyQuotaGb": _NO_CAP},
            },
            once={"customerId": lambda: str(uuid.uuid4()), "createdDate": clock.now},
            complete=_complete,
        ),
    ),
)
