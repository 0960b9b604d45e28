"""The host of the function app: a Flex Consumption plan and the site."""

from collections.abc import Mapping, Sequence

import pulumi
from pulumi_azure_native import web
from pulumi_azure_native.web import outputs

from delivery.refused_settings import refused_settings
from infra.components.identity import AppIdentity
from infra.components.place import Place
from infra.components.storage import ChatStorage
from infra.settings import HostSettings


class FunctionHost(pulumi.ComponentResource):
    """The plan and its app, which runs as `identity`; publishing with passwords is disabled.

    `after`: resources that must exist before the host starts, as its role assignments.
    `publishing`: resources that must exist before code is deployed.
    """

    site_id: pulumi.Output[str]
    site_name: pulumi.Output[str]
    site_host: pulumi.Output[str]
    scm_host: pulumi.Output[str]
    publishing: Sequence[pulumi.Resource]

    def __init__(
        self,
        name: str,
        *,
        place: Place,
        host: HostSettings,
        identity: AppIdentity,
        storage: ChatStorage,
        app_settings: Mapping[str, pulumi.Input[str]],
        after: Sequence[pulumi.Resource],
    ) -> None:
        if refused := refused_settings(app_settings):
            effects = "; ".join(f"{setting} {effect}" for setting, effect in refused.items())
            raise pulumi.RunError(
                f"no site may have these app settings: {effects}. Remove them from infra/app_settings.py."
            )
        super().__init__("assistant:functionHost:FunctionHost", name)
        child = pulumi.ResourceOptions(parent=self, delete_before_replace=True)
        plan = web.AppServicePlan(
            "plan",
            name=place.names.plan,
            resource_group_name=place.group_name,
            location=place.location,
            kind="functionapp",
            reserved=True,  # Linux
            sku=web.SkuDescriptionArgs(name="FC1", tier="FlexConsumption"),
            tags=place.tags,
            opts=child,
        )
        site = web.WebApp(
            "function-app",
            name=place.names.function_app,
            resource_group_name=place.group_name,
            location=place.location,
            kind="functionapp,linux",
            server_farm_id=plan.id,
            https_only=True,
            identity=web.ManagedServiceIdentityArgs(
                type=web.ManagedServiceIdentityType.USER_ASSIGNED,
                user_assigned_identities=[identity.id],
            ),
            function_app_config=_function_app_config(host, identity, storage),
            # A dict, since SiteConfigArgs adds netFrameworkVersion "v4.6", for which some regions refuse a
            # Flex app (pulumi-azure-native #4168); they refuse linuxFxVersion, ftpsState and others too (code
            # 51021). All app settings are set here: WebAppApplicationSettings would replace the whole set
            # (pulumi-azure-native #1876).
            site_config={
                "app_settings": [
                    {"name": setting, "value": value} for setting, value in app_settings.items()
                ],
                "min_tls_version": web.SupportedTlsVersions.SUPPORTED_TLS_VERSIONS_1_2,
                # Sent even if empty, so that an origin removed from the settings is removed from the site.
                "cors": {"allowed_origins": list(host.cors_origins)},
            },
            tags=place.tags,
            opts=pulumi.ResourceOptions.merge(
                child, pulumi.ResourceOptions(depends_on=[*storage.contents, *after])
            ),
        )
        # Disables publishing with passwords, not with Entra tokens. In sequence, as both write the config.
        scm = web.WebAppScmAllowed(
            "no-scm-password",
            name=site.name,
            resource_group_name=place.group_name,
            allow=False,
            opts=child,
        )
        ftp = web.WebAppFtpAllowed(
            "no-ftp-password",
            name=site.name,
            resource_group_name=place.group_name,
            allow=False,
            opts=pulumi.ResourceOptions.merge(child, pulumi.ResourceOptions(depends_on=[scm])),
        )
        self.site_id = site.id
        self.site_name = site.name
        self.site_host = site.default_host_name
        self.scm_host = site.host_name_ssl_states.apply(repository_host)
        self.publishing = (scm, ftp)
        self.register_outputs({"siteName": self.site_name, "siteHost": self.site_host})


def _function_app_config(
    host: HostSettings, identity: AppIdentity, storage: ChatStorage
) -> web.FunctionAppConfigArgs:
    return web.FunctionAppConfigArgs(
        deployment=web.FunctionsDeploymentArgs(
            storage=web.FunctionsDeploymentStorageArgs(
                type=web.FunctionsDeploymentStorageType.BLOB_CONTAINER,
                value=storage.container_url,
                authentication=web.FunctionsDeploymentStorageAuthenticationArgs(
                    type=web.AuthenticationType.USER_ASSIGNED_IDENTITY,
                    user_assigned_identity_resource_id=identity.id,
                ),
            )
        ),
        runtime=web.FunctionsRuntimeArgs(name=web.RuntimeName.PYTHON, version=host.python_version),
        scale_and_concurrency=web.FunctionsScaleAndConcurrencyArgs(
            instance_memory_mb=host.instance_memory_mb,
            maximum_instance_count=host.maximum_instance_count,
            always_ready=[
                web.FunctionsAlwaysReadyConfigArgs(name=group, instance_count=count)
                for group, count in host.always_ready.items()
            ],
            triggers=web.FunctionsScaleAndConcurrencyTriggersArgs(
                http=web.FunctionsScaleAndConcurrencyTriggersHttpArgs(
                    per_instance_concurrency=host.http_concurrency
                )
            ),
        ),
    )


def repository_host(states: Sequence[outputs.HostNameSslStateResponse] | None) -> str:
    """The SCM (deployment) host among a site's host names; it cannot be derived from the site's name.

    Raises `pulumi.RunError` if there is none.
    """
    for state in states or ():
        if state.host_type == web.HostType.REPOSITORY and state.name:
            return state.name
    host_names = ", ".join(f"{state.name} ({state.host_type})" for state in states or ()) or "none"
    raise pulumi.RunError(f"the function app has no host name of type Repository; it has {host_names}")
