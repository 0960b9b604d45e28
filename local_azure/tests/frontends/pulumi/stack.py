"""The resources of a whole keyless function app, made one after the other."""

from dataclasses import dataclass
from typing import Any

from local_azure.tests.frontends.pulumi.support import Engine, Inputs, Made

GROUP = "azure-native:resources:ResourceGroup"
IDENTITY = "azure-native:managedidentity:UserAssignedIdentity"
ACCOUNT = "azure-native:storage:StorageAccount"
TABLE = "azure-native:storage:Table"
CONTAINER = "azure-native:storage:BlobContainer"
BLOB_SERVICE = "azure-native:storage:BlobServiceProperties"
WORKSPACE = "azure-native:operationalinsights:Workspace"
COMPONENT = "azure-native:applicationinsights:Component"
OPENAI = "azure-native:cognitiveservices:Account"
DEPLOYMENT = "azure-native:cognitiveservices:Deployment"
ASSIGNMENT = "azure-native:authorization:RoleAssignment"
LOCK = "azure-native:authorization:ManagementLockByScope"
PLAN = "azure-native:web:AppServicePlan"
SITE = "azure-native:web:WebApp"
SCM = "azure-native:web:WebAppScmAllowed"
FTP = "azure-native:web:WebAppFtpAllowed"

TABLE_CONTRIBUTOR = "0a9a7e1f-b9d0-4cc4-a60d-0319b160aaa3"
BLOB_OWNER = "b7e6dc6d-f1e8-4753-8033-0f276bb0955b"
ASSIGNMENT_NAME = "6f1a9c1e-6a0e-5b7e-9b1e-0d6e0c5a7d11"


def role(guid: str) -> str:
    return f"/providers/Microsoft.Authorization/roleDefinitions/{guid}"


def account_inputs(name: str = "assistantsa") -> Inputs:
    return {
        "resourceGroupName": "rg",
        "accountName": name,
        "kind": "StorageV2",
        "sku": {"name": "Standard_LRS"},
        "allowSharedKeyAccess": False,
        "enableHttpsTrafficOnly": True,
    }


def openai_inputs(name: str = "assistant-ai", subdomain: str = "assistant-ai") -> Inputs:
    return {
        "resourceGroupName": "rg",
        "accountName": name,
        "kind": "OpenAI",
        "sku": {"name": "S0"},
        "properties": {"customSubDomainName": subdomain, "disableLocalAuth": True},
    }


def deployment_inputs(name: str = "gpt-5.4-mini", version: str = "2026-03-17") -> Inputs:
    return {
        "resourceGroupName": "rg",
        "accountName": "assistant-ai",
        "deploymentName": "chat",
        "sku": {"name": "GlobalStandard", "capacity": 10},
        "properties": {"model": {"format": "OpenAI", "name": name, "version": version}},
    }


def plan_inputs(name: str = "plan") -> Inputs:
    return {
        "resourceGroupName": "rg",
        "name": name,
        "kind": "functionapp",
        "reserved": True,
        "sku": {"name": "FC1", "tier": "FlexConsumption"},
    }


def assignment_inputs(scope: str, principal: str, guid: str = TABLE_CONTRIBUTOR, **more: Any) -> Inputs:
    return {
        "scope": scope,
        "principalId": principal,
        "principalType": "ServicePrincipal",
        "roleDefinitionId": role(guid),
        "roleAssignmentName": ASSIGNMENT_NAME,
        **more,
    }


def site_inputs(identity_id: str, plan_id: str, container: str, **changes: Any) -> Inputs:
    return {
        "resourceGroupName": "rg",
        "name": "assistant-app",
        "kind": "functionapp,linux",
        "serverFarmId": plan_id,
        "httpsOnly": True,
        "identity": {"type": "UserAssigned", "userAssignedIdentities": [identity_id]},
        "functionAppConfig": {
            "deployment": {
                "storage": {
                    "type": "blobContainer",
                    "value": container,
                    "authentication": {
                        "type": "UserAssignedIdentity",
                        "userAssignedIdentityResourceId": identity_id,
                    },
                }
            },
            "runtime": {"name": "python", "version": "3.12"},
        },
        "siteConfig": {"minTlsVersion": "1.2", "appSettings": [{"name": "A", "value": "1"}]},
        **changes,
    }


@dataclass
class Stack:
    group: Made
    identity: Made
    account: Made
    container: Made
    plan: Made

    def site_inputs(self, **changes: Any) -> Inputs:
        container = f"{self.account.outputs['primaryEndpoints']['blob']}deployments"
        return site_inputs(self.identity.id, self.plan.id, container, **changes)


async def make_group(engine: Engine, name: str = "rg") -> Made:
    return await engine.create(GROUP, "rg", {"resourceGroupName": name})


async def make_identity(engine: Engine) -> Made:
    return await engine.create(IDENTITY, "id", {"resourceGroupName": "rg", "resourceName": "app-id"})


async def make_stack(engine: Engine) -> Stack:
    """All that stands before a function app."""
    return Stack(
        group=await make_group(engine),
        identity=await make_identity(engine),
        account=await engine.create(ACCOUNT, "sa", account_inputs()),
        container=await engine.create(
            CONTAINER,
            "deployments",
            {"resourceGroupName": "rg", "accountName": "assistantsa", "containerName": "deployments"},
        ),
        plan=await engine.create(PLAN, "plan", plan_inputs()),
    )
