"""What the function app's identity may do, as data: nothing is granted that is not in `APP_ROLES`.

Role ids: "Azure built-in roles" on Microsoft Learn. A test holds this list against the
role assignments of the stack.
"""

import uuid
from dataclasses import dataclass
from enum import Enum


class Scope(Enum):
    """What a role is granted on."""

    STORAGE_ACCOUNT = "storage account"
    OPENAI_ACCOUNT = "OpenAI account"
    APP_INSIGHTS = "Application Insights"


@dataclass(frozen=True)
class Role:
    """`key` is the assignment's logical name: it stays, or the assignment would be made anew."""

    key: str
    name: str
    id: str
    scope: Scope
    reason: str


APP_ROLES = (
    Role(
        key="blob-owner",
        name="Storage Blob Data Owner",
        id="b7e6dc6d-f1e8-4753-8033-0f276bb0955b",
        scope=Scope.STORAGE_ACCOUNT,
        reason="reads the package; the host makes containers of its own for locks and keys",
    ),
    Role(
        key="table-contributor",
        name="Storage Table Data Contributor",
        id="0a9a7e1f-b9d0-4cc4-a60d-0319b160aaa3",
        scope=Scope.STORAGE_ACCOUNT,
        reason="the extension reads, writes and creates ChatState if missing, a right on the account",
    ),
    Role(
        key="openai-user",
        name="Cognitive Services OpenAI User",
        id="5e0bd9bd-7b93-4f28-af87-19fc36ad61bd",
        scope=Scope.OPENAI_ACCOUNT,
        reason="chat completions, without the right to change deployments",
    ),
    Role(
        key="metrics-publisher",
        name="Monitoring Metrics Publisher",
        id="3913510d-42f4-4e42-8a64-420c390055eb",
        scope=Scope.APP_INSIGHTS,
        reason="sends telemetry, which is accepted from Entra identities only",
    ),
)
# No queue role: an app of HTTP and timer triggers makes no request to queues. The recordings of the real host
# hold none, and the Flex quickstart turns queues on for Durable Functions and MCP triggers only
# (Azure-Samples/functions-quickstart-python-http-azd, infra/main.bicep).

RETIRED_ROLE_IDS = ("974c5e8b-45b9-4653-ba55-5f855dd0fb88",)  # Storage Queue Data Contributor
"""What earlier versions granted: a deployer may still take it away, and not grant it."""


def assignment_name(scope_id: str, principal_id: str, role_id: str) -> str:
    """The same GUID for the same grant, at any time and on any machine.

    Azure takes one assignment per scope, principal and role, and never lets one name
    change any of them (RoleAssignmentExists, RoleAssignmentUpdateNotPermitted).
    """
    return str(uuid.uuid5(uuid.NAMESPACE_URL, f"{scope_id}|{principal_id}|{role_id}".lower()))


def definition_id(subscription_id: str, role_id: str) -> str:
    """A built-in role as ARM answers it, in the form that a later refresh compares with."""
    return f"/subscriptions/{subscription_id}/providers/Microsoft.Authorization/roleDefinitions/{role_id}"
