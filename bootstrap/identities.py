"""The identities of the workflows, and all role assignments."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import pulumi
from pulumi_azure_native import authorization, managedidentity

from bootstrap.federation import AUDIENCE, ISSUER, Trust, subject
from bootstrap.roles import CUSTOM_ROLES, GRANTS, BuiltIn, Grant, Scope, Who, custom_role_id
from bootstrap.settings import Repository
from bootstrap.state import Place
from infra.roles import assignment_name, definition_id


class GitHubIdentity(pulumi.ComponentResource):
    """A user-assigned identity for workflows of one repository, which sign in without a secret."""

    client_id: pulumi.Output[str]
    principal_id: pulumi.Output[str]

    def __init__(
        self,
        name: str,
        *,
        place: Place,
        identity_name: str,
        repository: Repository,
        trusts: Sequence[Trust],
        opts: pulumi.ResourceOptions | None = None,
    ) -> None:
        super().__init__("bootstrap:identities:GitHubIdentity", name, {}, opts)
        identity = managedidentity.UserAssignedIdentity(
            f"{name}-identity",
            resource_name_=identity_name,
            resource_group_name=place.group_name,
            location=place.location,
            tags=place.tags,
            opts=pulumi.ResourceOptions(parent=self, delete_before_replace=True),
        )
        # One after the other, as Azure refuses concurrent writes
        # (ConcurrentFederatedIdentityCredentialsWritesForSingleManagedIdentity).
        before: list[pulumi.Resource] = []
        for trust in trusts:
            before = [
                managedidentity.FederatedIdentityCredential(
                    f"{name}-{trust.name}",
                    federated_identity_credential_resource_name=trust.name,
                    resource_name_=identity.name,
                    resource_group_name=place.group_name,
                    issuer=ISSUER,
                    subject=subject(repository, trust.context),
                    audiences=[AUDIENCE],
                    opts=pulumi.ResourceOptions(parent=self, delete_before_replace=True, depends_on=before),
                )
            ]
        self.client_id = identity.client_id
        self.principal_id = identity.principal_id
        self.register_outputs({"clientId": self.client_id})


@dataclass(frozen=True)
class Principal:
    """The principal of a role. `ending`: suffix of the logical name, if a role has several principals."""

    object_id: pulumi.Input[str]
    type: str = authorization.PrincipalType.SERVICE_PRINCIPAL
    ending: str = ""


class Grants(pulumi.ComponentResource):
    """The custom roles, and one role assignment for each of `GRANTS` and each of its principals."""

    def __init__(
        self,
        name: str,
        *,
        subscription_id: str,
        digest: str,
        principals: Mapping[Who, Sequence[Principal]],
        scopes: Mapping[Scope, pulumi.Input[str]],
        opts: pulumi.ResourceOptions | None = None,
    ) -> None:
        """`digest`: see `Names`."""
        super().__init__("bootstrap:identities:Grants", name, {}, opts)
        subscription = f"/subscriptions/{subscription_id}"
        roles = {
            role: authorization.RoleDefinition(
                role.key,
                role_definition_id=custom_role_id(subscription_id, digest, role),
                # Unique in the directory (RoleDefinitionWithSameNameExists).
                role_name=f"{role.name} {digest}",
                role_type="CustomRole",
                description=role.description,
                scope=subscription,
                assignable_scopes=[subscription],
                permissions=[
                    authorization.PermissionArgs(actions=role.actions, data_actions=role.data_actions)
                ],
                opts=pulumi.ResourceOptions(parent=self, delete_before_replace=True),
            )
            for role in CUSTOM_ROLES
        }

        def assign(grant: Grant, principal: Principal) -> None:
            role = grant.role
            role_id = role.id if isinstance(role, BuiltIn) else custom_role_id(subscription_id, digest, role)
            authorization.RoleAssignment(
                f"{grant.key}{principal.ending}",
                role_assignment_name=pulumi.Output.all(scopes[grant.scope], principal.object_id).apply(
                    lambda ids: assignment_name(ids[0], ids[1], role_id)
                ),
                scope=scopes[grant.scope],
                principal_id=principal.object_id,
                # Given, so that Azure does not look up the principal, which may not be in the directory yet.
                principal_type=principal.type,
                role_definition_id=definition_id(subscription_id, role_id),
                condition=grant.condition or None,
                condition_version="2.0" if grant.condition else None,
                opts=pulumi.ResourceOptions(
                    parent=self,
                    delete_before_replace=True,
                    # ARM may answer RoleAssignmentUpdateNotPermitted to an update of an assignment.
                    replace_on_changes=["condition"],
                    depends_on=[] if isinstance(role, BuiltIn) else [roles[role]],
                ),
            )

        for grant in GRANTS:
            for principal in principals[grant.who]:
                assign(grant, principal)
        self.register_outputs({})
