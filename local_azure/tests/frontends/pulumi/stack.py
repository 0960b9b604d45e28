"""The inputs of the resources of a keyless function app."""

from typing import Any

from local_azure.core import ids
from local_azure.core.access import IDENTITY_TYPE
from local_azure.core.store import DEVELOPER_PRINCIPAL_ID, SUBSCRIPTION_ID, TENANT_ID
from local_azure.services.storage.resource_types import ACCOUNT_TYPE
from local_azure.services.web.resource_types import PLAN_TYPE

Inputs = dict[str, Any]

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
ROLE = "azure-native:authorization:RoleDefinition"
CREDENTIAL = "azure-native:managedidentity:FederatedIdentityCredential"
VAULT = "azure-native:keyvault:Vault"
KEY = "azure-native:keyvault:Key"
SCM = "azure-native:web:WebAppScmAllowed"

SUBSCRIPTION = ids.subscription(SUBSCRIPTION_ID)
GROUP_ID = ids.resource_group(SUBSCRIPTION_ID, "rg")
IDENTITY_ID = ids.build(GROUP_ID, IDENTITY_TYPE, "app-id")
ACCOUNT_ID = ids.build(GROUP_ID, ACCOUNT_TYPE, "assistantsa")
PLAN_ID = ids.build(GROUP_ID, PLAN_TYPE, "plan")
CONTAINER_URL = "https://127.0.0.1:6001/assistantsa/deployments"
TABLE_CONTRIBUTOR = "0a9a7e1f-b9d0-4cc4-a60d-0319b160aaa3"
BLOB_OWNER = "b7e6dc6d-f1e8-4753-8033-0f276bb0955b"


def role(guid: str) -> str:
    return f"/providers/Microsoft.Authorization/roleDefinitions/{guid}"


def group_inputs(name: str = "rg", **more: Any) -> Inputs:
    return {"resourceGroupName": name, **more}


def identity_inputs(name: str = "app-id") -> Inputs:
    return {"resourceGroupName": "rg", "resourceName": name}


def account_inputs(name: str = "assistantsa", **more: Any) -> Inputs:
    return {
        "resourceGroupName": "rg",
        "accountName": name,
        "kind": "StorageV2",
        "sku": {"name": "Standard_LRS"},
        "allowSharedKeyAccess": False,
        "enableHttpsTrafficOnly": True,
        **more,
    }


def in_account(**more: Any) -> Inputs:
    return {"resourceGroupName": "rg", "accountName": "assistantsa", **more}


def openai_inputs(name: str = "assistant-ai", subdomain: str = "assistant-ai") -> Inputs:
    return {
        "resourceGroupName": "rg",
        "accountName": name,
        "kind": "OpenAI",
        "sku": {"name": "S0"},
        "properties": {"customSubDomainName": subdomain, "disableLocalAuth": True},
    }


def deployment_inputs(name: str = "chat", model: str = "gpt-5.4-mini", version: str = "2026-03-17") -> Inputs:
    return {
        "resourceGroupName": "rg",
        "accountName": "assistant-ai",
        "deploymentName": name,
        "sku": {"name": "GlobalStandard", "capacity": 10},
        "properties": {"model": {"format": "OpenAI", "name": model, "version": version}},
    }


def plan_inputs(name: str = "plan", **more: Any) -> Inputs:
    sku = {"name": "FC1", "tier": "FlexConsumption"}
    return {
        "resourceGroupName": "rg",
        "name": name,
        "kind": "functionapp",
        "reserved": True,
        "sku": sku,
    } | more


def assignment_inputs(scope: str = GROUP_ID, guid: str = TABLE_CONTRIBUTOR, **more: Any) -> Inputs:
    return {
        "scope": scope,
        "principalId": DEVELOPER_PRINCIPAL_ID,
        "principalType": "User",
        "roleDefinitionId": role(guid),
        "roleAssignmentName": "6f1a9c1e-6a0e-5b7e-9b1e-0d6e0c5a7d11",
        **more,
    }


def role_inputs(**more: Any) -> Inputs:
    return {
        "scope": SUBSCRIPTION,
        "roleDefinitionId": "0b7f1f5e-3f1c-5d3e-8a41-2f8d1c7e9a10",
        "roleName": "Assistant settings reader",
        "assignableScopes": [SUBSCRIPTION],
        "permissions": [{"actions": ["Microsoft.Web/sites/config/list/action"]}],
        **more,
    }


def credential_inputs(name: str = "github-main", **more: Any) -> Inputs:
    return {
        **identity_inputs(),
        "federatedIdentityCredentialResourceName": name,
        "issuer": "https://token.actions.githubusercontent.com",
        "subject": "repo:o/r:pull_request",
        "audiences": ["api://AzureADTokenExchange"],
        **more,
    }


def vault_inputs(name: str = "kv-state", **properties: Any) -> Inputs:
    sku = {"family": "A", "name": "standard"}
    given = {"tenantId": TENANT_ID, "sku": sku, "enableRbacAuthorization": True, **properties}
    return {"resourceGroupName": "rg", "vaultName": name, "properties": given}


def key_inputs(**properties: Any) -> Inputs:
    """A property that is None is left out."""
    given = {"kty": "RSA", "keySize": 3072, "keyOps": ["encrypt", "decrypt"], **properties}
    given = {name: value for name, value in given.items() if value is not None}
    return {"resourceGroupName": "rg", "vaultName": "kv-state", "keyName": "state", "properties": given}


def lock_inputs(scope: str, level: str = "CanNotDelete") -> Inputs:
    return {"scope": scope, "lockName": "keep", "level": level}


def storage_inputs(container: str = CONTAINER_URL, identity: str = IDENTITY_ID) -> Inputs:
    """A site's `functionAppConfig`."""
    authentication = {"type": "UserAssignedIdentity", "userAssignedIdentityResourceId": identity}
    storage = {"type": "blobContainer", "value": container, "authentication": authentication}
    return {"deployment": {"storage": storage}, "runtime": {"name": "python", "version": "3.12"}}


def site_inputs(**more: Any) -> Inputs:
    return {
        "resourceGroupName": "rg",
        "name": "assistant-app",
        "kind": "functionapp,linux",
        "serverFarmId": PLAN_ID,
        "httpsOnly": True,
        "identity": {"type": "UserAssigned", "userAssignedIdentities": [IDENTITY_ID]},
        "functionAppConfig": storage_inputs(),
        "siteConfig": {"minTlsVersion": "1.2", "appSettings": [{"name": "A", "value": "1"}]},
        **more,
    }


BEFORE_SITE: tuple[tuple[str, Inputs], ...] = (
    (GROUP, group_inputs()),
    (IDENTITY, identity_inputs()),
    (ACCOUNT, account_inputs()),
    (CONTAINER, in_account(containerName="deployments")),
    (PLAN, plan_inputs()),
)
"""What a function app needs, in the order of creation."""
