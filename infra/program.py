"""The Pulumi program of the stack: settings, components and exports."""

import os
from dataclasses import replace
from pathlib import Path

import pulumi
from pulumi_azure_native import authorization, resources

from delivery.package import PACKAGE_VARIABLE, PackageError, build_package, load_prebuilt, url_path
from infra.app_settings import app_settings
from infra.components.function_host import FunctionHost
from infra.components.identity import AppIdentity, AppRoles
from infra.components.monitoring import Monitoring
from infra.components.openai import ChatModel, account_exists
from infra.components.place import Place
from infra.components.storage import ChatStorage
from infra.dynamic.deletion_guard import DeletionGuard
from infra.dynamic.deployed_code import DeployedCode
from infra.dynamic.purged_account import PurgedAccount
from infra.dynamic.replacement_guard import guarded, replacement_guard
from infra.names import names
from infra.roles import Scope
from infra.settings import python_warnings, read, today
from infra.stacks import own_tags


def main() -> None:
    settings = read()
    project, stack = pulumi.get_project(), pulumi.get_stack()
    try:
        prebuilt = os.environ.get(PACKAGE_VARIABLE)
        wanted = settings.host.python_version
        package, python_version = (
            load_prebuilt(Path(prebuilt), wanted) if prebuilt else (build_package(wanted), wanted)
        )
    except PackageError as error:
        raise pulumi.RunError(str(error)) from error  # Pulumi prints it without a traceback
    for warning in python_warnings(wanted, python_version, today()):
        pulumi.warn(warning)
    subscription_id = authorization.get_client_config().subscription_id
    name = names(subscription_id, project, stack, settings.name_suffix, settings.model.location)
    tags = {**settings.tags, **own_tags(project, stack)}
    protect = settings.deletion_protection

    guard = replacement_guard(guarded(name, settings.location, settings.model.location), protected=protect)
    group = resources.ResourceGroup(
        "group",
        resource_group_name=name.resource_group,
        location=settings.location,
        tags=tags,
        opts=pulumi.ResourceOptions(protect=protect, delete_before_replace=True, depends_on=[guard]),
    )
    place = Place(group_name=group.name, location=settings.location, names=name, tags=tags)

    identity = AppIdentity("identity", place=place)
    storage = ChatStorage("storage", place=place, protect=protect, after=[guard])
    monitoring = Monitoring("monitoring", place=place, logs=settings.logs)
    purged = PurgedAccount(
        "purged-account",
        subscription_id=subscription_id,
        location=settings.model.location,
        group=name.resource_group,
        account=name.openai_account,
        group_id=group.id,
        account_exists=account_exists(name.resource_group, name.openai_account),
    )
    model = ChatModel("openai", place=place, model=settings.model, protect=protect, after=[purged, guard])
    roles = AppRoles(
        "roles",
        principal_id=identity.principal_id,
        subscription_id=subscription_id,
        scopes={
            Scope.STORAGE_ACCOUNT: storage.account_id,
            Scope.OPENAI_ACCOUNT: model.account_id,
            Scope.APP_INSIGHTS: monitoring.id,
        },
    )
    locks = [storage.lock(after=roles.assignments)] if protect else []
    host = FunctionHost(
        "function-host",
        place=place,
        host=replace(settings.host, python_version=python_version),
        identity=identity,
        storage=storage,
        app_settings=app_settings(
            settings, identity=identity, storage=storage, model=model, monitoring=monitoring
        ),
        after=roles.assignments,
    )
    code = DeployedCode(
        "deployed-code",
        site_id=host.site_id,
        scm_host=host.scm_host,
        site_host=host.site_host,
        package_path=package.path,
        package_hash=package.content_hash,
        python_version=python_version,
        opts=pulumi.ResourceOptions(parent=host, depends_on=[*host.publishing, *roles.assignments]),
    )
    DeletionGuard("deletion-guard", protected=protect, opts=pulumi.ResourceOptions(depends_on=[code, *locks]))

    pulumi.export("functionAppUrl", pulumi.Output.format("https://{0}", host.site_host))
    assistants_path = url_path("assistants")
    pulumi.export("assistantsUrl", pulumi.Output.format("https://{0}{1}", host.site_host, assistants_path))
    pulumi.export("resourceGroupName", group.name)
    pulumi.export("storageAccountName", storage.account_name)
    pulumi.export("functionAppName", host.site_name)
    pulumi.export("openaiAccountName", model.account_name)
    pulumi.export("openaiEndpoint", model.endpoint)
    pulumi.export("packageHash", code.package_hash)
