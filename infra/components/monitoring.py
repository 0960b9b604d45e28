"""The resources for logs, traces and metrics."""

import pulumi
from pulumi_azure_native import applicationinsights, operationalinsights

from infra.components.place import Place
from infra.settings import LogSettings

NO_CAP = -1


class Monitoring(pulumi.ComponentResource):
    """A Log Analytics workspace and an Application Insights component that accepts Entra identities only."""

    id: pulumi.Output[str]
    connection_string: pulumi.Output[str]

    def __init__(
        self,
        name: str,
        *,
        place: Place,
        logs: LogSettings,
    ) -> None:
        super().__init__("assistant:monitoring:Monitoring", name)
        child = pulumi.ResourceOptions(parent=self, delete_before_replace=True)
        workspace = operationalinsights.Workspace(
            "log-workspace",
            workspace_name=place.names.log_workspace,
            resource_group_name=place.group_name,
            location=place.location,
            sku=operationalinsights.WorkspaceSkuArgs(
                name=operationalinsights.WorkspaceSkuNameEnum.PER_GB2018
            ),
            retention_in_days=logs.retention_days,
            workspace_capping=operationalinsights.WorkspaceCappingArgs(
                daily_quota_gb=logs.daily_cap_gb or NO_CAP
            ),
            features=operationalinsights.WorkspaceFeaturesArgs(disable_local_auth=True),
            tags=place.tags,
            opts=child,
        )
        insights = applicationinsights.Component(
            "app-insights",
            resource_name_=place.names.app_insights,
            resource_group_name=place.group_name,
            location=place.location,
            kind="web",
            application_type=applicationinsights.ApplicationType.WEB,
            ingestion_mode=applicationinsights.IngestionMode.LOG_ANALYTICS,
            workspace_resource_id=workspace.id,
            # The key in the connection string then only identifies the component, and grants no access.
            disable_local_auth=True,
            tags=place.tags,
            opts=child,
        )
        self.id = insights.id
        self.connection_string = insights.connection_string
        self.register_outputs({"id": self.id})
