"""Microsoft.OperationalInsights: Log Analytics workspaces."""

import uuid

from local_azure.core import clock
from local_azure.core.change import Rule, refusing
from local_azure.core.known_types import known
from local_azure.core.resource import Azure, Behaviour
from local_azure.core.store import Resource

WORKSPACE_TYPE = "Microsoft.OperationalInsights/workspaces"

_MIN_DAILY_CAP_GB = 0.023
_NO_CAP = -1
_CAP = "workspaceCapping.dailyQuotaGb"


# fmt: off
_RULES: tuple[Rule, ...] = (
    ("InvalidParameter", lambda workspace: not 30 <= workspace.at("retentionInDays", 30) <= 730,
        "retentionInDays is {change.resource[properties][retentionInDays]}; it is 30 to 730."),
    ("InvalidParameter",
        lambda workspace: _NO_CAP != workspace.at(_CAP, _NO_CAP) < _MIN_DAILY_CAP_GB,
        f"{_CAP} is {{change.resource[properties][workspaceCapping][dailyQuotaGb]}}; it is at least "
        f"{_MIN_DAILY_CAP_GB}, or -1 (no cap)."),
)
# fmt: on


def _complete(_azure: Azure, resource: Resource, _previous: Resource | None) -> None:
    properties = resource.setdefault("properties", {})
    sku = {**resource.pop("sku", properties.get("sku", {"name": "PerGB2018"}))}
    properties |= {"sku": sku, "modifiedDate": clock.now()}


TYPES = (
    known(
        "operationalinsights:Workspace",
        Behaviour(
            validate=refusing(*_RULES),
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
