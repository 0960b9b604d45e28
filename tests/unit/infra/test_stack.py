"""The whole program under Pulumi's mocks: its resources, their order and inputs, and its exports."""

import re
from pathlib import Path

import pulumi
import pytest
from pulumi_azure_native import cognitiveservices
from pulumi_azure_native.web import outputs

from delivery.package import Package
from infra import program
from infra.components.function_host import repository_host
from infra.names import names
from infra.roles import assignment_name
from tests.unit.infra.recording import ARM, PACKAGE, SUBSCRIPTION_ID, Run, run_program

TREE = {
    "": {
        *("group", "identity", "storage", "monitoring", "openai", "roles", "function-host"),
        *("purged-account", "deletion-guard", "replacement-guard", "replacement-guard-HASH"),
    },
    "identity": {"app-identity"},
    "storage": {"storage-account", "chat-state", "todos", "leases", "deployments"},
    "monitoring": {"log-workspace", "app-insights"},
    "openai": {"openai-account", "chat-model"},
    "roles": {"blob-owner", "table-contributor", "openai-user", "metrics-publisher"},
    "function-host": {"plan", "function-app", "no-scm-password", "no-ftp-password", "deployed-code"},
}


def id_of(name: str) -> str:
    return f"{ARM}/id-of-azure/{name}"


@pytest.fixture
def stack() -> Run:
    return run_program()


# --- tree and order ------------------------------------------------------------------------------


def test_the_program_has_exactly_these_resources(stack: Run) -> None:
    tree: dict[str, set[str]] = {}
    for resource in stack.resources.values():
        name = re.sub(r"(?<=^replacement-guard-)[a-z2-7]{8}$", "HASH", resource.name)
        tree.setdefault(resource.parent, set()).add(name)
    assert tree == TREE


def test_a_first_preview_has_the_names_of_the_update(stack: Run) -> None:
    preview = run_program(preview=True)
    assert preview.resources.keys() == stack.resources.keys()
    keys = {"group": "resourceGroupName", "log-workspace": "workspaceName", "app-insights": "resourceName"}
    keys |= {"storage-account": "accountName", "openai-account": "accountName", "function-app": "name"}
    for resource, key in keys.items():
        assert preview[resource].inputs[key] == stack[resource].inputs[key]


def test_everything_that_the_code_needs_exists_before_it_is_deployed(stack: Run) -> None:
    needed_by_site = TREE["roles"] | TREE["storage"] | {"plan", "app-identity", "chat-model", "app-insights"}
    assert needed_by_site <= stack.before("function-app")
    needed_by_code = TREE["roles"] | {"function-app", "no-scm-password", "no-ftp-password"}
    assert needed_by_code <= stack.before("deployed-code")
    assert "no-scm-password" in stack.before("no-ftp-password")  # both write the config of the site


def test_a_resource_with_a_fixed_name_is_deleted_before_it_is_replaced() -> None:
    run = run_program({"deletionProtection": True})
    in_azure = [resource for resource in run.resources.values() if resource.type.startswith("azure-native:")]
    # A replacement of these has another name. False, not None: azure-native deletes a named resource first.
    renamed = {"openai-account", "chat-model", *TREE["roles"]}
    assert {resource.name: resource.delete_before_replace for resource in in_azure} == {
        resource.name: resource.name not in renamed for resource in in_azure
    }


GPT_4_1 = {"modelName": "gpt-4.1-mini", "modelVersion": "2025-04-14", "modelIsReasoning": False}


# --- inputs --------------------------------------------------------------------------------------


FIXED: dict[str, dict[str, object]] = {
    "storage-account": {
        "kind": "StorageV2",
        "sku": {"name": "Standard_LRS"},
        "allowSharedKeyAccess": False,
        "defaultToOAuthAuthentication": True,
        "allowBlobPublicAccess": False,
        "allowCrossTenantReplication": False,
        "enableHttpsTrafficOnly": True,
        "minimumTlsVersion": "TLS1_2",
        "publicNetworkAccess": "Enabled",
        "networkRuleSet": {"bypass": "AzureServices", "defaultAction": "Allow"},
    },
    "openai-account": {"kind": "OpenAI", "sku": {"name": "S0"}},
    "log-workspace": {"sku": {"name": "PerGB2018"}, "features": {"disableLocalAuth": True}},
    "app-insights": {
        "ingestionMode": "LogAnalytics",
        "disableLocalAuth": True,
        "workspaceResourceId": id_of("log-workspace"),
    },
    "plan": {"sku": {"name": "FC1", "tier": "FlexConsumption"}, "kind": "functionapp", "reserved": True},
    "function-app": {"kind": "functionapp,linux", "serverFarmId": id_of("plan"), "httpsOnly": True},
    "no-scm-password": {"allow": False},
    "no-ftp-password": {"allow": False},
}


def test_these_inputs_are_fixed(stack: Run) -> None:
    assert {
        resource: {key: stack[resource].inputs[key] for key in inputs} for resource, inputs in FIXED.items()
    } == FIXED


def test_the_model_is_that_of_the_settings_in_its_own_region() -> None:
    run = run_program({"openaiLocation": "westus3", "modelCapacity": 7, "modelSku": "DataZoneStandard"})
    account, deployment = run["openai-account"].inputs, run["chat-model"].inputs
    assert (account["location"], run["function-app"].inputs["location"]) == ("westus3", "eastus2")
    # Another model, or another region of the account, is another name: docs/replacement.md.
    assert account["accountName"] == names(SUBSCRIPTION_ID, "assistant", "dev", "", "westus3").openai_account
    assert deployment["deploymentName"] == "gpt-5.4-mini"
    assert account["properties"] == {
        "customSubDomainName": account["accountName"],
        "disableLocalAuth": True,
        "publicNetworkAccess": "Enabled",
    }
    assert deployment["sku"] == {"name": "DataZoneStandard", "capacity": 7}
    assert deployment["properties"] == {
        "model": {"format": "OpenAI", "name": "gpt-5.4-mini", "version": "2026-03-17"},
        "versionUpgradeOption": "OnceCurrentVersionExpired",
        "raiPolicyName": "Microsoft.DefaultV2",
    }


@pytest.mark.parametrize(("cap", "quota"), [(3, 3), (0, -1)])
def test_logs_are_kept_as_set(cap: int, quota: int) -> None:
    workspace = run_program({"logRetentionDays": 90, "logDailyCapGB": cap})["log-workspace"].inputs
    assert (workspace["retentionInDays"], workspace["workspaceCapping"]) == (90, {"dailyQuotaGb": quota})


# --- roles ---------------------------------------------------------------------------------------


def test_the_identity_has_exactly_these_roles(stack: Run) -> None:
    expected = {
        ("b7e6dc6d-f1e8-4753-8033-0f276bb0955b", "storage-account"),  # Storage Blob Data Owner
        ("0a9a7e1f-b9d0-4cc4-a60d-0319b160aaa3", "storage-account"),  # Storage Table Data Contributor
        ("5e0bd9bd-7b93-4f28-af87-19fc36ad61bd", "openai-account"),  # Cognitive Services OpenAI User
        ("3913510d-42f4-4e42-8a64-420c390055eb", "app-insights"),  # Monitoring Metrics Publisher
    }
    definitions = f"{ARM}/providers/Microsoft.Authorization/roleDefinitions"
    assert {
        assignment.inputs["roleDefinitionId"]: assignment.inputs
        for assignment in stack.of_type("azure-native:authorization:RoleAssignment")
    } == {
        f"{definitions}/{role_id}": {
            "roleAssignmentName": assignment_name(id_of(scope), "principal-id-of-azure", role_id),
            "scope": id_of(scope),
            "principalId": "principal-id-of-azure",
            "principalType": "ServicePrincipal",
            "roleDefinitionId": f"{definitions}/{role_id}",
        }
        for role_id, scope in expected
    }


def test_an_assignment_name_is_a_guid_that_changes_with_each_part_but_not_with_case() -> None:
    first = assignment_name("/scope/a", "principal", "role")
    assert re.fullmatch(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", first)
    assert first == assignment_name("/Scope/A", "Principal", "ROLE")
    for other in ("/scope/b principal role", "/scope/a other role", "/scope/a principal other"):
        assert assignment_name(*other.split()) != first


# --- the site ------------------------------------------------------------------------------------


@pytest.mark.parametrize("origins", [["https://a.test"], []])
def test_the_site_config_has_only_what_flex_accepts(origins: list[str]) -> None:
    """ARM refuses others with 51021; SiteConfigArgs would add netFrameworkVersion, which some regions refuse
    (#4168). An empty list removes an origin from the site."""
    site_config = run_program({"corsOrigins": origins})["function-app"].inputs["siteConfig"]
    assert site_config.keys() == {"appSettings", "minTlsVersion", "cors"}
    assert site_config["cors"] == {"allowedOrigins": origins}
    assert site_config["minTlsVersion"] == "1.2"


def test_the_site_is_described_by_its_function_app_config() -> None:
    config: dict[str, object] = {
        "pythonVersion": "3.11",
        "instanceMemoryMB": 512,
        "maximumInstanceCount": 41,
        "httpConcurrency": 3,
        "alwaysReady": {"http": 2},
    }
    site = run_program(config)["function-app"].inputs
    assert site["identity"] == {"type": "UserAssigned", "userAssignedIdentities": [id_of("app-identity")]}
    assert site["functionAppConfig"] == {
        "deployment": {
            "storage": {
                "type": "blobContainer",
                "value": "https://blob.endpoint-of-azure.test/deployments",
                "authentication": {
                    "type": "UserAssignedIdentity",
                    "userAssignedIdentityResourceId": id_of("app-identity"),
                },
            }
        },
        "runtime": {"name": "python", "version": "3.11"},
        "scaleAndConcurrency": {
            "instanceMemoryMB": 512,
            "maximumInstanceCount": 41,
            "alwaysReady": [{"name": "http", "instanceCount": 2}],
            "triggers": {"http": {"perInstanceConcurrency": 3}},
        },
    }


def test_the_app_settings_are_exactly_these(stack: Run) -> None:
    config: dict[str, object] = {
        **GPT_4_1,
        "httpAuthLevel": "anonymous",
        "defaultInstructions": "Be brief.",
        "modelMaxTokens": 1000,
        "modelTemperature": "1.2",
        "exposeInstructions": False,
        "chatPage": False,
        "assistantRetentionDays": 90,
        "maxConversationMessages": 50,
    }
    app_settings = run_program(config).app_settings()
    assert app_settings == {
        "AzureWebJobsStorage__credential": "managedidentity",
        "AzureWebJobsStorage__clientId": "client-id-of-azure",
        "AzureWebJobsStorage__blobServiceUri": "https://blob.endpoint-of-azure.test/",
        "AzureWebJobsStorage__tableServiceUri": "https://table.endpoint-of-azure.test/",
        "AzureOpenAI__credential": "managedidentity",
        "AzureOpenAI__clientId": "client-id-of-azure",
        "AzureOpenAI__endpoint": "https://openai.endpoint-of-azure.test/",
        "CHAT_MODEL_CONTEXT_TOKENS": "1047576",
        "CHAT_MODEL_DEPLOYMENT_NAME": "deployment-of-azure",
        "CHAT_MODEL_IS_REASONING": "false",
        "CHAT_MODEL_MAX_TOKENS": "1000",
        "CHAT_MODEL_TEMPERATURE": "1.2",
        "LEASE_TABLE": "AssistantLeases",
        "TODO_TABLE": "Todos",
        "APPLICATIONINSIGHTS_CONNECTION_STRING": "connection-string-of-azure",
        "APPLICATIONINSIGHTS_AUTHENTICATION_STRING": "ClientId=client-id-of-azure;Authorization=AAD",
        "HTTP_AUTH_LEVEL": "anonymous",
        "EXPOSE_INSTRUCTIONS": "false",
        "CHAT_PAGE": "false",
        "ASSISTANT_RETENTION_DAYS": "90",
        "MAX_CONVERSATION_MESSAGES": "50",
        "PYTHON_ISOLATE_WORKER_DEPENDENCIES": "1",
        "DEFAULT_INSTRUCTIONS": "Be brief.",
    }
    # One that may be absent comes last: azure-native compares lists by position.
    assert [*app_settings] == [*stack.app_settings(), "DEFAULT_INSTRUCTIONS"]


@pytest.mark.parametrize("name", ["OPENAI_API_KEY", "AZURE_OPENAI_KEY", "AzureOpenAI__key"])
def test_up_refuses_a_setting_that_replaces_the_identity(monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    def with_key(*_settings: object, **_components: object) -> dict[str, str]:
        return {name: "x"}

    monkeypatch.setattr(program, "app_settings", with_key)
    with pytest.raises(pulumi.RunError, match=f"{name} .*infra/app_settings.py"):
        run_program()


def test_code_is_deployed_to_the_hosts_that_azure_names() -> None:
    assert run_program({"pythonVersion": "3.11"})["deployed-code"].inputs == {
        "site_id": id_of("function-app"),
        "scm_host": "scm.host-of-azure.test",
        "site_host": "site.host-of-azure.test",
        "package_path": PACKAGE.path,
        "package_hash": PACKAGE.content_hash,
        "python_version": "3.11",
    }


@pytest.mark.parametrize(
    ("states", "host_names"),
    [
        ([outputs.HostNameSslStateResponse(host_type="Standard", name="a.test")], r"a\.test \(Standard\)"),
        (None, "none"),
    ],
)
def test_a_site_without_a_deployment_host_is_an_error_with_its_host_names(
    states: list[outputs.HostNameSslStateResponse] | None, host_names: str
) -> None:
    with pytest.raises(pulumi.RunError, match=f"no host name of type Repository; it has {host_names}"):
        repository_host(states)


# --- protection ----------------------------------------------------------------------------------


def test_without_deletion_protection_nothing_is_protected_or_locked(stack: Run) -> None:
    assert not [resource.name for resource in stack.resources.values() if resource.protect]
    assert not stack.of_type("azure-native:authorization:ManagementLockByScope")


def test_deletion_protection_protects_and_locks_the_conversations() -> None:
    run = run_program({"deletionProtection": True})
    protected = {resource.name for resource in run.resources.values() if resource.protect}
    assert protected == {"group", "storage-account", "chat-state", "todos", "leases", "openai-account"}
    (lock,) = run.of_type("azure-native:authorization:ManagementLockByScope")
    assert lock.parent == "storage"
    assert (lock.inputs["level"], lock.inputs["scope"]) == ("CanNotDelete", id_of("storage-account"))
    # Azure refuses to delete anything below a lock, role assignments on the account too (ScopeLocked).
    below = {"chat-state", "todos", "leases", "deployments", "blob-owner", "table-contributor"}
    assert {"storage-account", *below} <= lock.dependencies


@pytest.mark.parametrize("protected", [True, False])
def test_the_deletion_guard_depends_on_everything_so_that_it_is_deleted_first(protected: bool) -> None:
    run = run_program({"deletionProtection": protected})
    assert run["deletion-guard"].inputs == {"protected": protected, "stack": "dev"}
    in_azure = {name for name, resource in run.resources.items() if resource.type.startswith("azure-native")}
    assert in_azure <= run.before("deletion-guard")


def test_the_model_account_is_purged_after_it_is_deleted() -> None:
    run = run_program({"openaiLocation": "westus3"})
    account, purged = run["openai-account"], run["purged-account"]
    # Of the account itself: a component's dependencies do not order the deletion of its replaced children.
    assert "purged-account" in account.dependencies
    assert purged.inputs == {
        "account": account.inputs["accountName"],
        "group": account.inputs["resourceGroupName"],
        "group_id": id_of("group"),
        "location": "westus3",
        "subscription_id": SUBSCRIPTION_ID,
        "account_missing": "",
    }


@pytest.mark.parametrize(
    ("reason", "purges"), [("ResourceNotFound", True), ("ResourceGroupNotFound", True), ("Forbidden", False)]
)
def test_a_missing_account_is_purged_before_it_is_created(
    monkeypatch: pytest.MonkeyPatch, reason: str, purges: bool
) -> None:
    def get_account(**_names: str) -> None:
        raise RuntimeError(f"invocation failed: {reason}")  # as the SDK does

    monkeypatch.setattr(cognitiveservices, "get_account", get_account)
    assert bool(run_program()["purged-account"].inputs["account_missing"]) is purges


# --- exports -------------------------------------------------------------------------------------


def test_the_exports_are_exactly_these() -> None:
    run = run_program({"nameSuffix": "b2"}, stack="prod")
    expected = names(SUBSCRIPTION_ID, "assistant", "prod", "b2", "eastus2")
    assert run.outputs == {
        "functionAppUrl": "https://site.host-of-azure.test",
        "assistantsUrl": "https://site.host-of-azure.test/api/assistants",
        "resourceGroupName": expected.resource_group,
        "storageAccountName": expected.storage_account,
        "functionAppName": run["function-app"].inputs["name"],
        "openaiAccountName": expected.openai_account,
        "openaiEndpoint": "https://openai.endpoint-of-azure.test/",
        "packageHash": PACKAGE.content_hash,
    }
    assert run["function-app"].inputs["name"] == expected.function_app


def test_a_prebuilt_package_is_deployed_if_the_variable_names_one(monkeypatch: pytest.MonkeyPatch) -> None:
    def load(path: Path, _python_version: str) -> tuple[Package, str]:
        return Package(f"copy of {path}", "f" * 64, 1), "3.12"

    monkeypatch.setattr(program, "load_prebuilt", load)
    monkeypatch.setenv("ASSISTANT_PACKAGE", "given.zip")
    run = run_program({"pythonVersion": "3.13"})
    code = run["deployed-code"].inputs
    assert (code["package_path"], code["package_hash"]) == ("copy of given.zip", "f" * 64)
    runtime = run["function-app"].inputs["functionAppConfig"]["runtime"]
    assert (code["python_version"], runtime["version"]) == ("3.12", "3.12")


def test_a_package_that_cannot_be_deployed_is_an_error_without_a_traceback(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("ASSISTANT_PACKAGE", "/nowhere/given.zip")
    with pytest.raises(pulumi.RunError, match=r"^/nowhere/given\.zip cannot be read"):
        run_program()
