"""The roles of the function app's identity, as data: nothing is granted that is not in `APP_ROLES`.

Role ids: "Azure built-in roles" on Microsoft Learn. A test compares this list with the
role assignments of the stack.
"""

import uuid
from dataclasses import dataclass
from enum import Enum


class Scope(Enum):
    """The resource on which a role is granted."""

    STORAGE_ACCOUNT = "storage account"
    OPENAI_ACCOUNT = "OpenAI account"
    APP_INSIGHTS = "Application Insights"


@dataclass(frozen=True)
class Role:
    """`key` is the assignment's logical name: if it changes, Pulumi replaces the assignment."""

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
"""Roles that earlier versions granted: a deployer may remove them, but not grant them."""


def assignment_name(scope_id: str, principal_id: str, role_id: str) -> str:
    """A GUID that depends only on the arguments.

    Azure allows one assignment per scope, principal and role, and does not allow an assignment to change
    any of them (RoleAssignmentExists, RoleAssignmentUpdateNotPermitted).
    """
    return str(uuid.uuid5(uuid.NAMESPACE_URL, f"{scope_id}|{principal_id}|{role_id}".lower()))


def definition_id(subscription_id: str, role_id: str) -> str:
    """The id of a built-in role in the form that ARM returns, so that a refresh shows no difference."""
    return f"/subscriptions/{subscription_id}/providers/Microsoft.Authorization/roleDefinitions/{role_id}"
