"""Detects drift from Pulumi's refresh, Azure's lists and the health route of the site.

Every function raises OpsError if a request fails.
"""

from typing import TYPE_CHECKING

from ops.azure import Azure, translate_errors
from ops.drift.drift import (
    app_settings,
    code,
    refresh_findings,
    released,
    role_assignments,
    settings_of,
    site_of,
)
from ops.drift.report import Report
from ops.engine import Pulumi
from ops.output import OpsError
from ops.release.pulumi_stack import PulumiStack
from ops.state import GROUP, Resource, group_and_name, resources

if TYPE_CHECKING:
    from azure.mgmt.authorization.v2022_04_01.models import RoleAssignment


def detect(pulumi: Pulumi, azure: Azure, stack: str) -> Report:
    """Compare the stack with Azure."""
    state = resources(pulumi.export(stack))
    if not state:
        return Report(stack, [])
    findings = refresh_findings(pulumi.refresh_preview(stack))
    gone = [f"{finding.id.lower()}/" for finding in findings if finding.kind == "gone"]
    existing = [
        resource for resource in state if not any(f"{resource.id.lower()}/".startswith(id_) for id_ in gone)
    ]
    if site := site_of(existing):
        findings += code(existing, PulumiStack(pulumi, stack, azure).running_package())
        findings += app_settings(site, _app_settings(azure, site))
    findings += role_assignments(existing, _role_assignments(azure, existing))
    return Report(stack, findings, released(state))


def restore_app_settings(pulumi: Pulumi, azure: Azure, stack: str) -> None:
    """Replace the app settings of the site with those in the state."""
    from azure.mgmt.web.models import StringDictionary  # noqa: PLC0415 # takes seconds to import

    site = site_of(resources(pulumi.export(stack)))
    if site is None:
        raise OpsError(f"stack {stack} has no function app")
    values = settings_of(site)
    group, name = group_and_name(site.id)
    with translate_errors(
        f"the app settings of {name} cannot be written", "Microsoft.Web/sites/config/write"
    ):
        azure.web.web_apps.update_application_settings(group, name, StringDictionary(properties=values))


def _app_settings(azure: Azure, site: Resource) -> dict[str, str]:
    group, name = group_and_name(site.id)
    with translate_errors(
        f"the app settings of {name} cannot be read", "Microsoft.Web/sites/config/list/action"
    ):
        return dict(azure.web.web_apps.list_application_settings(group, name).properties or {})


def _role_assignments(azure: Azure, existing: list[Resource]) -> list["RoleAssignment"]:
    """The role assignments on the stack's resource groups and on the resources in them."""
    assignments: list[RoleAssignment] = []
    for group in (resource for resource in existing if resource.type == GROUP):
        with translate_errors(
            f"the role assignments of {group.name} cannot be listed",
            "Microsoft.Authorization/roleAssignments/read",
        ):
            assignments += azure.authorization.role_assignments.list_for_scope(group.id)
    return assignments
