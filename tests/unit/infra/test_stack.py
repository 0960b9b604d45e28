"""The whole program under mocks: what it asks Azure for, in which order, and what it gives away."""

import json
import re
from functools import partial
from pathlib import Path
from typing import Any

import pulumi
import pytest
from pulumi_azure_native.web import outputs

from delivery.package import build_package
from infra import program
from infra.components.function_host import repository_host
from infra.names import names
from infra.roles import assignment_name
from infra.settings import SETTINGS
from tests.unit.infra.conftest import PACKAGE, RunStack
from tests.unit.infra.recording import ARM, SUBSCRIPTION_ID, run_program

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

# What ARM refuses a Flex Consumption app for (extended code 51021), and settings refused or deprecated.
REFUSED_SITE_CONFIG = {
    *("linuxFxVersion", "windowsFxVersion", "netFrameworkVersion", "ftpsState", "use32BitWorkerProcess"),
    *(
        "preWarmedInstanceCount",
        "functionsRuntimeScaleMonitoringEnabled",
        "functionAppScaleLimit",
        "alwaysOn",
    ),
    *("pythonVersion", "nodeVersion", "phpVersion", "javaVersion", "powerShellVersion"),
}
REFUSED_APP_SETTINGS = {
    *("FUNCTIONS_WORKER_RUNTIME", "SCM_DO_BUILD_DURING_DEPLOYMENT", "ENABLE_ORYX_BUILD"),
    *("FUNCTIONS_EXTENSION_VERSION", "FUNCTIONS_WORKER_RUNTIME_VERSION", "FUNCTIONS_MAX_HTTP_CONCURRENCY"),
    *("FUNCTIONS_WORKER_PROCESS_COUNT", "FUNCTIONS_WORKER_DYNAMIC_CONCURRENCY_ENABLED"),
    *("WEBSITE_RUN_FROM_PACKAGE", "WEBSITE_CONTENTAZUREFILECONNECTIONSTRING", "WEBSITE_CONTENTSHARE"),
    *("WEBSITE_CONTENTOVERVNET", "WEBSITE_SKIP_CONTENTSHARE_VALIDATION", "WEBSITE_DNS_SERVER"),
    *("WEBSITE_MAX_DYNAMIC_APPLICATION_SCALE_OUT", "WEBSITE_VNET_ROUTE_ALL", "WEBSITE_MOUNT_ENABLED"),
    *(
        "AzureWebJobsStorage",
        "OPENAI_API_KEY",
        "AZURE_OPENAI_KEY",
        "AzureOpenAI__key",
        "WEBSITE_TIME_ZONE",
        "TZ",
    ),
}


def id_of(name: str) -> str:
    return f"{ARM}/id-of-azure/{name}"


# --- tree and order ------------------------------------------------------------------------------


def test_the_preview_shows_exactly_these_resources_as_a_tree(run_stack: RunStack) -> None:
    found: dict[str, set[str]] = {}
    for resource in run_stack().resources.values():
        name = re.sub(r"(?<=^replacement-guard-)[a-z2-7]{8}$", "HASH", resource.name)
        found.setdefault(resource.parent, set()).add(name)
    assert found == TREE


def test_a_first_preview_names_every_resource_as_the_update_does(run_stack: RunStack) -> None:
    preview, update = run_stack(preview=True), run_stack()
    assert preview.resources.keys() == update.resources.keys()
    for key in ("resourceGroupName", "accountName", "name", "workspaceName", "resourceName"):
        for name in (
            "group",
            "storage-account",
            "function-app",
            "log-workspace",
            "app-insights",
            "openai-account",
        ):
            assert preview[name].inputs.get(key) == update[name].inputs.get(key)


def test_names_come_from_the_subscription_project_stack_and_suffix(run_stack: RunStack) -> None:
    run = run_stack({"nameSuffix": "b2"}, stack="prod")
    expected = names(SUBSCRIPTION_ID, "assistant", "prod", "b2", "eastus2")
    assert run["function-app"].inputs["name"] == expected.function_app
    assert run["storage-account"].inputs["accountName"] == expected.storage_account
    assert run["openai-account"].inputs["properties"]["customSubDomainName"] == expected.openai_account


def test_everything_that_the_code_needs_stands_before_it_is_deployed(run_stack: RunStack) -> None:
    run = run_stack()
    needed_by_site = TREE["roles"] | TREE["storage"] | {"plan", "app-identity", "chat-model", "app-insights"}
    assert needed_by_site <= run.before("function-app")
    assert TREE["roles"] | {"function-app", "no-scm-password", "no-ftp-password"} <= run.before(
        "deployed-code"
    )


def test_what_has_a_fixed_name_is_deleted_before_it_is_replaced(run_stack: RunStack) -> None:
    run = run_stack({"deletionProtection": True})
    of_azure = [resource for resource in run.resources.values() if resource.type.startswith("azure-native:")]
    # What replaces these gets another name.
    renamed = {"openai-account", "chat-model", *TREE["roles"]}
    assert {resource.name for resource in of_azure if not resource.delete_before_replace} == renamed


def test_another_model_is_deployed_beside_the_first_before_that_one_goes(run_stack: RunStack) -> None:
    other = {"modelName": "gpt-4.1-mini", "modelVersion": "2025-04-14", "modelIsReasoning": False}
    first, second = run_stack()["chat-model"], run_stack(other)["chat-model"]
    assert first.inputs["deploymentName"] != second.inputs["deploymentName"]
    assert first.delete_before_replace is False  # said, or azure-native deletes first where a name is given


def test_another_region_gets_a_model_account_beside_the_first_before_that_one_goes(
    run_stack: RunStack,
) -> None:
    first, second = run_stack()["openai-account"], run_stack({"openaiLocation": "westus3"})["openai-account"]
    assert first.inputs["accountName"] != second.inputs["accountName"]
    assert first.delete_before_replace is False


# --- storage, model, monitoring ------------------------------------------------------------------


def test_storage_takes_entra_identities_only(run_stack: RunStack) -> None:
    account = run_stack()["storage-account"].inputs
    assert account["allowSharedKeyAccess"] is False
    assert account["defaultToOAuthAuthentication"] is True
    assert account["allowBlobPublicAccess"] is False
    assert account["allowCrossTenantReplication"] is False
    assert account["enableHttpsTrafficOnly"] is True
    assert account["minimumTlsVersion"] == "TLS1_2"


def test_the_model_is_the_one_of_the_settings_in_its_own_region(run_stack: RunStack) -> None:
    run = run_stack({"openaiLocation": "westus3", "modelCapacity": 7, "modelSku": "DataZoneStandard"})
    assert run["openai-account"].inputs["location"] == "westus3"
    assert run["function-app"].inputs["location"] == "eastus2"
    deployment = run["chat-model"].inputs
    assert deployment["sku"] == {"name": "DataZoneStandard", "capacity": 7}
    assert deployment["properties"] == {
        "model": {"format": "OpenAI", "name": "gpt-5.4-mini", "version": "2026-03-17"},
        "versionUpgradeOption": "OnceCurrentVersionExpired",
        "raiPolicyName": "Microsoft.DefaultV2",
    }


def test_the_openai_account_has_a_subdomain_and_no_keys(run_stack: RunStack) -> None:
    account = run_stack()["openai-account"].inputs
    assert account["kind"] == "OpenAI"
    assert account["properties"]["disableLocalAuth"] is True
    assert account["properties"]["customSubDomainName"] == account["accountName"]


def test_telemetry_is_taken_from_entra_identities_only_and_kept_as_long_as_set(run_stack: RunStack) -> None:
    run = run_stack({"logRetentionDays": 90, "logDailyCapGB": 3})
    assert run["app-insights"].inputs["disableLocalAuth"] is True
    assert run["app-insights"].inputs["workspaceResourceId"] == id_of("log-workspace")
    workspace = run["log-workspace"].inputs
    assert (workspace["retentionInDays"], workspace["workspaceCapping"]) == (90, {"dailyQuotaGb": 3})
    assert run_stack({"logDailyCapGB": 0})["log-workspace"].inputs["workspaceCapping"] == {"dailyQuotaGb": -1}


# --- roles ---------------------------------------------------------------------------------------


def test_the_identity_has_exactly_these_roles(run_stack: RunStack) -> None:
    found = {
        (assignment.inputs["roleDefinitionId"].rpartition("/")[2], assignment.inputs["scope"])
        for assignment in run_stack().of_type("azure-native:authorization:RoleAssignment")
    }
    assert found == {
        ("b7e6dc6d-f1e8-4753-8033-0f276bb0955b", id_of("storage-account")),  # Storage Blob Data Owner
        ("0a9a7e1f-b9d0-4cc4-a60d-0319b160aaa3", id_of("storage-account")),  # Storage Table Data Contributor
        ("5e0bd9bd-7b93-4f28-af87-19fc36ad61bd", id_of("openai-account")),  # Cognitive Services OpenAI User
        ("3913510d-42f4-4e42-8a64-420c390055eb", id_of("app-insights")),  # Monitoring Metrics Publisher
    }


def test_a_role_assignment_is_named_by_what_it_grants_and_needs_no_look_up_of_its_principal(
    run_stack: RunStack,
) -> None:
    assignments = run_stack().of_type("azure-native:authorization:RoleAssignment")
    assert len({assignment.inputs["roleAssignmentName"] for assignment in assignments}) == len(assignments)
    for assignment in assignments:
        given = assignment.inputs
        assert given["principalType"] == "ServicePrincipal"
        assert given["principalId"] == "principal-id-of-azure"
        assert given["roleDefinitionId"].startswith(
            f"{ARM}/providers/Microsoft.Authorization/roleDefinitions/"
        )
        role_id = given["roleDefinitionId"].rpartition("/")[2]
        assert given["roleAssignmentName"] == assignment_name(given["scope"], given["principalId"], role_id)


def test_an_assignment_name_is_a_guid_that_changes_with_each_part_but_not_with_case() -> None:
    first = assignment_name("/scope/a", "principal", "role")
    assert re.fullmatch(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", first)
    assert first == assignment_name("/Scope/A", "Principal", "ROLE")
    others = [
        ("/scope/b", "principal", "role"),
        ("/scope/a", "other", "role"),
        ("/scope/a", "principal", "other"),
    ]
    assert first not in {assignment_name(*other) for other in others}


# --- the site ------------------------------------------------------------------------------------


def test_the_plan_is_flex_consumption_on_linux(run_stack: RunStack) -> None:
    plan = run_stack()["plan"].inputs
    assert plan["sku"] == {"name": "FC1", "tier": "FlexConsumption"}
    assert (plan["kind"], plan["reserved"]) == ("functionapp", True)


def test_the_site_config_has_only_what_flex_takes(run_stack: RunStack) -> None:
    """The SDK's SiteConfigArgs would add netFrameworkVersion, which brazilsouth answers with 400 (#4168)."""
    site_config = run_stack({"corsOrigins": ["https://a.test"]})["function-app"].inputs["siteConfig"]
    assert site_config.keys() == {"appSettings", "minTlsVersion", "cors"}
    assert not site_config.keys() & REFUSED_SITE_CONFIG
    assert site_config["minTlsVersion"] == "1.2"
    assert site_config["cors"] == {"allowedOrigins": ["https://a.test"]}


def test_an_origin_taken_out_is_taken_out_of_the_site(run_stack: RunStack) -> None:
    assert run_stack()["function-app"].inputs["siteConfig"]["cors"] == {"allowedOrigins": []}


def test_the_site_is_described_by_its_function_app_config(run_stack: RunStack) -> None:
    config: dict[str, object] = {
        "pythonVersion": "3.11",
        "instanceMemoryMB": 512,
        "maximumInstanceCount": 41,
        "httpConcurrency": 3,
        "alwaysReady": {"http": 2},
    }
    site = run_stack(config)["function-app"].inputs
    assert site["httpsOnly"] is True
    assert site["kind"] == "functionapp,linux"
    assert site["serverFarmId"] == id_of("plan")
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


def test_publishing_with_a_password_is_off(run_stack: RunStack) -> None:
    run = run_stack()
    for type_ in ("azure-native:web:WebAppScmAllowed", "azure-native:web:WebAppFtpAllowed"):
        (policy,) = run.of_type(type_)
        assert policy.inputs["allow"] is False
        assert policy.inputs["name"] == run["function-app"].inputs["name"]


def test_the_app_settings_that_nobody_declares_are_exactly_these_with_outputs_of_azure(
    run_stack: RunStack,
) -> None:
    declared = {setting.app_setting for setting in SETTINGS.values()}
    app_settings = run_stack().app_settings()
    assert {name: value for name, value in app_settings.items() if name not in declared} == {
        "AzureWebJobsStorage__credential": "managedidentity",
        "AzureWebJobsStorage__clientId": "client-id-of-azure",
        "AzureWebJobsStorage__blobServiceUri": "https://blob.endpoint-of-azure.test/",
        "AzureWebJobsStorage__tableServiceUri": "https://table.endpoint-of-azure.test/",
        "AzureOpenAI__credential": "managedidentity",
        "AzureOpenAI__clientId": "client-id-of-azure",
        "AzureOpenAI__endpoint": "https://openai.endpoint-of-azure.test/",
        "CHAT_MODEL_DEPLOYMENT_NAME": "deployment-of-azure",
        "CHAT_MODEL_CONTEXT_TOKENS": "272000",
        "LEASE_TABLE": "AssistantLeases",
        "TODO_TABLE": "Todos",
        "APPLICATIONINSIGHTS_CONNECTION_STRING": "connection-string-of-azure",
        "APPLICATIONINSIGHTS_AUTHENTICATION_STRING": "ClientId=client-id-of-azure;Authorization=AAD",
        "PYTHON_ISOLATE_WORKER_DEPENDENCIES": "1",
    }


@pytest.mark.parametrize("name", ["OPENAI_API_KEY", "AZURE_OPENAI_KEY", "AzureOpenAI__key"])
def test_up_refuses_a_setting_that_replaces_the_identity(
    run_stack: RunStack, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    def with_key(*_settings: object, **_components: object) -> dict[str, str]:
        return {name: "x"}

    monkeypatch.setattr(program, "app_settings", with_key)
    with pytest.raises(pulumi.RunError, match=f"{name} .*infra/app_settings.py"):
        run_stack()


def test_settings_of_the_stack_reach_the_app(run_stack: RunStack) -> None:
    config: dict[str, object] = {
        "httpAuthLevel": "anonymous",
        "defaultInstructions": "Be brief.",
        "modelName": "gpt-4.1-mini",
        "modelVersion": "2025-04-14",
        "modelIsReasoning": False,
        "modelMaxTokens": 1000,
        "modelTemperature": "1.2",
        "exposeInstructions": False,
        "chatPage": False,
        "assistantRetentionDays": 90,
    }
    found = run_stack(config).app_settings()
    assert found["HTTP_AUTH_LEVEL"] == "anonymous"
    assert found["DEFAULT_INSTRUCTIONS"] == "Be brief."
    assert found["CHAT_MODEL_IS_REASONING"] == "false"
    assert (found["CHAT_MODEL_MAX_TOKENS"], found["CHAT_MODEL_TEMPERATURE"]) == ("1000", "1.2")
    assert (found["EXPOSE_INSTRUCTIONS"], found["CHAT_PAGE"]) == ("false", "false")
    assert found["ASSISTANT_RETENTION_DAYS"] == "90"


def test_no_app_setting_is_one_that_flex_refuses_or_that_would_bring_a_key(run_stack: RunStack) -> None:
    found = run_stack({"defaultInstructions": "Be brief."}).app_settings()
    assert not found.keys() & REFUSED_APP_SETTINGS
    assert not [name for name in found if ":" in name]


def test_code_is_deployed_to_the_hosts_that_azure_names(run_stack: RunStack) -> None:
    code = run_stack({"pythonVersion": "3.11"})["deployed-code"].inputs
    values = set(map(str, code.values()))
    assert {id_of("function-app"), "scm.host-of-azure.test", "site.host-of-azure.test"} <= values
    assert {PACKAGE.path, PACKAGE.content_hash, "3.11"} <= values


def test_a_site_without_a_deployment_host_is_an_error_that_lists_what_it_has() -> None:
    states = [outputs.HostNameSslStateResponse(host_type="Standard", name="a.test")]
    with pytest.raises(
        pulumi.RunError, match=r"no host name of type Repository; it has a\.test \(Standard\)"
    ):
        repository_host(states)
    with pytest.raises(pulumi.RunError, match="it has none"):
        repository_host(None)


# --- protection ----------------------------------------------------------------------------------


def test_without_deletion_protection_nothing_is_locked(run_stack: RunStack) -> None:
    run = run_stack()
    assert not [resource.name for resource in run.resources.values() if resource.protect]
    assert not run.of_type("azure-native:authorization:ManagementLockByScope")


def test_deletion_protection_protects_and_locks_the_conversations(run_stack: RunStack) -> None:
    run = run_stack({"deletionProtection": True})
    assert {resource.name for resource in run.resources.values() if resource.protect} == {
        "group",
        "storage-account",
        "chat-state",
        "todos",
        "leases",
        "openai-account",
    }
    (lock,) = run.of_type("azure-native:authorization:ManagementLockByScope")
    assert lock.parent == "storage"
    assert (lock.inputs["level"], lock.inputs["scope"]) == ("CanNotDelete", id_of("storage-account"))


def test_the_lock_goes_before_anything_below_it(run_stack: RunStack) -> None:
    """Azure refuses to delete what stands under a lock, role assignments on the account too (ScopeLocked)."""
    run = run_stack({"deletionProtection": True})
    below = {
        resource.name
        for resource in run.resources.values()
        if resource.inputs.get("scope") == id_of("storage-account")
    } - {"keep-data"}
    assert {"storage-account", "chat-state", "todos", "leases", "deployments"} | below <= run[
        "keep-data"
    ].dependencies


# --- what the stack gives away -------------------------------------------------------------------


def test_the_deletion_guard_stands_on_everything_so_that_it_is_the_first_to_go(run_stack: RunStack) -> None:
    for protection in (True, False):
        stack = run_stack({"deletionProtection": protection})
        guard = stack["deletion-guard"]
        assert guard.inputs["protected"] is protection
        others = {name for name, one in stack.resources.items() if one.type.startswith("azure-native")}
        assert others - stack.before("deletion-guard") == set()


def test_the_model_account_is_purged_after_it_is_deleted(run_stack: RunStack) -> None:
    stack = run_stack({"openaiLocation": "westus3"})
    account, purged = stack["openai-account"], stack["purged-account"]
    # Of the account itself: a component's dependencies do not order the deletion of its replaced children.
    assert "purged-account" in account.dependencies
    assert purged.inputs["account"] == account.inputs["accountName"]
    assert purged.inputs["group"] == account.inputs["resourceGroupName"]
    assert (purged.inputs["location"], purged.inputs["subscription_id"]) == ("westus3", SUBSCRIPTION_ID)


def test_the_exports_are_these(run_stack: RunStack) -> None:
    run = run_stack()
    expected = names(SUBSCRIPTION_ID, "assistant", "dev", "", "eastus2")
    assert run.outputs == {
        "functionAppUrl": "https://site.host-of-azure.test",
        "assistantsUrl": "https://site.host-of-azure.test/api/assistants",
        "resourceGroupName": expected.resource_group,
        "storageAccountName": expected.storage_account,
        "functionAppName": expected.function_app,
        "openaiAccountName": expected.openai_account,
        "openaiEndpoint": "https://openai.endpoint-of-azure.test/",
        "packageHash": PACKAGE.content_hash,
    }


def test_no_input_or_export_holds_a_key(run_stack: RunStack) -> None:
    """No `list…Keys` either: the mocks of recording.py answer getClientConfig and getAccount only."""
    run = run_stack({"deletionProtection": True})
    everything: list[Any] = [dict(resource.inputs) for resource in run.resources.values()]
    written = json.dumps([everything, run.outputs])
    for sign in ("AccountKey", "SharedAccessKey", "SharedAccessSignature", "sig=", "?code=", "Password="):
        assert sign.lower() not in written.lower()


def test_a_package_that_cannot_be_built_is_an_error_without_a_traceback(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(program, "build_package", partial(build_package, root=tmp_path))
    (tmp_path / "function_app").mkdir()
    with pytest.raises(pulumi.RunError, match=r"function_app\.py and host\.json missing"):
        run_program()
