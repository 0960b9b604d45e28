"""Detects drift from Pulumi's refresh, Azure's lists and the health route of the site."""

from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

from infra.roles import APP_ROLES
from ops.azure import Azure
from ops.drift.drift import (
    RoleAssignment,
    app_settings,
    code,
    refresh_findings,
    released,
    role_assignments,
    settings_of,
    site_of,
    unnamed,
)
from ops.drift.report import Report
from ops.engine import Pulumi
from ops.output import OpsError
from ops.release.pulumi_stack import PulumiStack
from ops.state import Resource, group_and_name, resources

if TYPE_CHECKING:
    from azure.core.exceptions import AzureError

_GROUP = "azure-native:resources:ResourceGroup"
_ROLE_NAMES = {role.id: role.name for role in APP_ROLES}


@dataclass(frozen=True)
class DriftDetector:
    """Compares stacks with Azure. Every method raises OpsError if a request fails."""

    pulumi: Pulumi
    azure: Azure

    @classmethod
    def open(cls) -> "DriftDetector":
        return cls(Pulumi(), Azure.sign_in())

    def detect(self, stack: str) -> Report:
        state = resources(self.pulumi.export(stack))
        if not state:
            return Report(stack, [])
        preview = self.pulumi.refresh_preview(stack)
        findings = refresh_findings(preview)
        gone = {finding.id.lower() for finding in findings if finding.kind == "gone"}
        existing = [resource for resource in state if not _is_gone(resource, gone)]
        site = site_of(existing)
        changed_code = (
            code(existing, PulumiStack(self.pulumi, stack, self.azure).running_package()) if site else []
        )
        findings += changed_code
        if site:
            findings += app_settings(site, self._app_settings(site))
        findings += role_assignments(existing, self._role_assignments(existing))
        return Report(stack, findings, unnamed(preview, code_changed=bool(changed_code)), released(state))

    def restore_app_settings(self, stack: str) -> None:
        """Replace the app settings of the site with those in the state."""
        from azure.mgmt.web.models import StringDictionary  # noqa: PLC0415 # takes seconds to import

        site = site_of(resources(self.pulumi.export(stack)))
        if site is None:
            raise OpsError(f"stack {stack} has no function app")
        group, name = group_and_name(site.id)
        deployed = settings_of(site)
        values = {key: value for key, value in deployed.items() if value is not None}
        if values.keys() != deployed.keys():
            sealed = ", ".join(sorted(deployed.keys() - values.keys()))
            raise OpsError(
                f"the values of {sealed} are encrypted in the state: "
                "change an input of the site and run `pulumi up`"
            )
        with _translate_azure_errors(
            f"the app settings of {name} cannot be written", "Microsoft.Web/sites/config/write"
        ):
            self.azure.web.web_apps.update_application_settings(
                group, name, StringDictionary(properties=values)
            )

    def _app_settings(self, site: Resource) -> dict[str, str]:
        group, name = group_and_name(site.id)
        with _translate_azure_errors(
            f"the app settings of {name} cannot be read", "Microsoft.Web/sites/config/list/action"
        ):
            listed = self.azure.web.web_apps.list_application_settings(group, name)
        return dict(listed.properties or {})

    def _role_assignments(self, existing: list[Resource]) -> list[RoleAssignment]:
        """The role assignments on the stack's resource groups and on the resources in them."""
        assignments: list[RoleAssignment] = []
        for group in (resource for resource in existing if resource.type == _GROUP):
            with _translate_azure_errors(
                f"the role assignments of {group.name} cannot be listed",
                "Microsoft.Authorization/roleAssignments/read",
            ):
                for assignment in self.azure.authorization.role_assignments.list_for_scope(group.id):
                    role = str(assignment.role_definition_id or "").rpartition("/")[2]
                    assignments.append(
                        RoleAssignment(
                            str(assignment.id or ""),
                            str(assignment.name or ""),
                            str(assignment.scope or ""),
                            _ROLE_NAMES.get(role, f"role {role}"),
                            f"{assignment.principal_type or 'principal'} {assignment.principal_id}",
                        )
                    )
        return assignments


def _is_gone(resource: Resource, gone: set[str]) -> bool:
    own = resource.id.lower()
    return any(own == id_ or own.startswith(f"{id_}/") for id_ in gone)


@contextmanager
def _translate_azure_errors(what: str, right: str) -> Generator[None]:
    from azure.core.exceptions import AzureError  # noqa: PLC0415 # slow to import, as the clients are

    try:
        yield
    except AzureError as error:
        raise OpsError(_words(what, right, error)) from error


def _words(what: str, right: str, error: "AzureError") -> str:
    hint = f". This requires the permission {right}" if getattr(error, "status_code", None) == 403 else ""
    return f"{what}: {(str(error).splitlines() or [type(error).__name__])[0]}{hint}"
