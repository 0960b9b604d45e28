"""The Pulumi program of the bootstrap: settings, components and exports."""

import pulumi
from pulumi_azure_native import authorization, resources

from bootstrap.federation import DEPLOYER, READER
from bootstrap.identities import GitHubIdentity, Grants, Principal
from bootstrap.names import STATE_CONTAINER, names
from bootstrap.roles import Scope, Who
from bootstrap.settings import Operator, read
from bootstrap.state import Place, StateKey, StateStorage


def main() -> None:
    settings = read()
    project, stack = pulumi.get_project(), pulumi.get_stack()
    signed_in = authorization.get_client_config()
    name = names(signed_in.subscription_id, project, stack, settings.name_suffix)
    tags = {**settings.tags, "project": project, "stack": stack}
    # For all resources, so that `destroy` stops before it deletes anything. No CanNotDelete lock: it would
    # also protect the role assignments on the containers, so that no operator could be removed.
    protected = pulumi.ResourceOptions(protect=settings.deletion_protection)

    group = resources.ResourceGroup(
        "group",
        resource_group_name=name.resource_group,
        location=settings.location,
        tags=tags,
        opts=pulumi.ResourceOptions.merge(protected, pulumi.ResourceOptions(delete_before_replace=True)),
    )
    place = Place(group_name=group.name, location=settings.location, names=name, tags=tags)

    storage = StateStorage("storage", place=place, opts=protected)
    key = StateKey(
        "key",
        place=place,
        tenant_id=signed_in.tenant_id,
        purge_protection=settings.purge_protection,
        opts=protected,
    )
    reader, deployer = (
        GitHubIdentity(
            who.value,
            place=place,
            identity_name=identity_name,
            repository=settings.repository,
            trusts=trusts,
            opts=protected,
        )
        for who, identity_name, trusts in (
            (Who.READER, name.reader, READER),
            (Who.DEPLOYER, name.deployer, DEPLOYER),
        )
    )
    Grants(
        "grants",
        subscription_id=signed_in.subscription_id,
        digest=name.digest,
        principals={
            Who.READER: [Principal(reader.principal_id)],
            Who.DEPLOYER: [Principal(deployer.principal_id)],
            Who.OPERATOR: [
                Principal(operator.object_id, operator.principal_type, f"-{operator.object_id}")
                for operator in settings.operators or [Operator(signed_in.object_id, "User")]
            ],
        },
        scopes={
            Scope.SUBSCRIPTION: f"/subscriptions/{signed_in.subscription_id}",
            Scope.STATE: storage.state_id,
            Scope.PACKAGES: storage.packages_id,
            Scope.KEY: key.id,
        },
        opts=protected,
    )

    pulumi.export(
        "backendUrl",
        pulumi.Output.format("azblob://{0}?storage_account={1}", STATE_CONTAINER, storage.account_name),
    )
    pulumi.export("secretsProvider", key.secrets_provider)
    pulumi.export("readerClientId", reader.client_id)
    pulumi.export("deployerClientId", deployer.client_id)
    pulumi.export("tenantId", signed_in.tenant_id)
    pulumi.export("subscriptionId", signed_in.subscription_id)
    pulumi.export("packagesUrl", storage.packages_url)
    pulumi.export("repository", f"{settings.repository.owner}/{settings.repository.name}")
