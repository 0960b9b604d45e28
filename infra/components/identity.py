"""The function app's identity and its roles."""

from collections.abc import Mapping

import pulumi
from pulumi_azure_native import authorization, managedidentity

from infra.components.place import Place
from infra.roles import APP_ROLES, Scope, assignment_name, definition_id


class AppIdentity(pulumi.ComponentResource):
    """A user-assigned identity, which exists with its role assignments before the app that uses it.

    A system-assigned identity is created with the site, so the first deployment could come before its roles.
    """

    id: pulumi.Output[str]
    client_id: pulumi.Output[str]
    principal_id: pulumi.Output[str]

    def __init__(
        self,
        name: str,
        *,
        place: Place,
    ) -> None:
        super().__init__("assistant:identity:AppIdentity", name)
        identity = managedidentity.UserAssignedIdentity(
            "app-identity",
            resource_name_=place.names.identity,
            resource_group_name=place.group_name,
            location=place.location,
            tags=place.tags,
            opts=pulumi.ResourceOptions(parent=self, delete_before_replace=True),
        )
        self.id = identity.id
        self.client_id = identity.client_id
        self.principal_id = identity.principal_id
        self.register_outputs(
            {"id": self.id, "clientId": self.client_id, "principalId": self.principal_id},
        )


class AppRoles(pulumi.ComponentResource):
    """One role assignment for each of `APP_ROLES`. `scopes`: ids of the resources of each scope."""

    assignments: list[authorization.RoleAssignment]

    def __init__(
        self,
        name: str,
        *,
        principal_id: pulumi.Output[str],
        subscription_id: str,
        scopes: Mapping[Scope, pulumi.Output[str]],
    ) -> None:
        super().__init__("assistant:identity:AppRoles", name)
        self.assignments = [
            authorization.RoleAssignment(
                role.key,
                role_assignment_name=pulumi.Output.all(scopes[role.scope], principal_id).apply(
                    lambda ids, role_id=role.id: assignment_name(ids[0], ids[1], role_id)
                ),
                scope=scopes[role.scope],
                principal_id=principal_id,
                # Without it Azure looks up the principal, and does not find a new one yet (PrincipalNotFound;
                # pulumi-azure-native #1010).
                principal_type=authorization.PrincipalType.SERVICE_PRINCIPAL,
                role_definition_id=definition_id(subscription_id, role.id),
                # No `description`: ARM answers an update of one with RoleAssignmentUpdateNotPermitted.
                # Its name changes with its scope and its principal, so it can be created first: while the
                # model account moves, the app keeps its role on the old one until the new one is complete.
                opts=pulumi.ResourceOptions(parent=self, delete_before_replace=False),
            )
            for role in APP_ROLES
        ]
        self.register_outputs({})
