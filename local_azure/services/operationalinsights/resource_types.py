"""Microsoft.OperationalInsights: Log Analytics workspaces."""

import uuid

from local_azure.core import clock
from local_azure.core.errors import ArmError
from local_azure.core.known_types import known
from local_azure.core.resource import Azure, Behaviour
from local_azure.core.store import Resource

WORKSPACE_TYPE = "Microsoft.OperationalInsights/workspaces"

_FREE_RETENTION_DAYS = 7
_MIN_DAILY_CAP_GB = 0.023
_NO_CAP = -1


def _validate(_azure: Azure, resource: Resource, _previous: Resource | None) -> None:
    properties = resource.get("properties", {})
    sku = properties.get("sku", resource.get("sku", {})).get("name", "PerGB2018")
    shortest, longest = (_FREE_RETENTION_DAYS, _FREE_RETENTION_DAYS) if sku == "Free" else (30, 730)
    days = properties.get("retentionInDays", shortest)
    if not shortest <= days <= longest:
        text = f"retentionInDays is {days}; with sku {sku} it is {shortest} to {longest}."
        raise ArmError(400, "InvalidParameter", text)
    cap = properties.get("workspaceCapping", {}).get("dailyQuotaGb", _NO_CAP)
    if cap != _NO_CAP and cap < _MIN_DAILY_CAP_GB:
        text = f"workspaceCapping.dailyQuotaGb is {cap}; it is at least {_MIN_DAILY_CAP_GB}, or -1 (no cap)."
        raise ArmError(400, "InvalidParameter", text)


def _complete(_azure: Azure, resource: Resource, _previous: Resource | None) -> None:
    properties = resource.setdefault("properties", {})
    sku = {**resource.pop("sku", properties.get("sku", {"name": "PerGB2018"}))}
    properties |= {"sku": sku, "modifiedDate": clock.now()}
    properties.setdefault("retentionInDays", _FREE_RETENTION_DAYS if sku.get("name") == "Free" else 30)


TYPES = (
    known(
        "operationalinsights:Workspace",
        Behaviour(
            validate=_validate,
            defaults={
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
