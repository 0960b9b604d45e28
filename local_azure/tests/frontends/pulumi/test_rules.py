"""What Azure refuses, and what it adds, by resource type: direct calls of the resource types."""

import asyncio
from functools import reduce
from pathlib import Path
from typing import Any

import pytest

from local_azure.core import operations
from local_azure.core.errors import ArmError
from local_azure.frontends.pulumi.diff import differences
from local_azure.services import catalogue
from local_azure.services.storage.resource_types import ACCOUNT_TYPE
from local_azure.services.web import flex
from local_azure.tests.frontends.pulumi import stack
from local_azure.tests.frontends.pulumi.stack import Inputs
from local_azure.tests.frontends.pulumi.support import CheckError, Cloud

NOBODY = "00000000-0000-4000-8000-000000000009"
CONDITION = (
    "((!(ActionMatches{'Microsoft.Authorization/roleAssignments/write'})) OR "
    "(@Request[Microsoft.Authorization/roleAssignments:RoleDefinitionId] ForAnyOfAnyValues:GuidEquals "
    "{b7e6dc6d-f1e8-4753-8033-0f276bb0955b}))"
)


STORAGE = "deployment.storage"
LOGIN, BY_KEY = f"{STORAGE}.authentication", "StorageAccountConnectionString"
SCALE, CONCURRENCY = "scaleAndConcurrency", "triggers.http.perInstanceConcurrency"
READY = f"{SCALE}.alwaysReady"
NO_IDENTITY = f"{stack.IDENTITY_ID}x"
# As Azure names them, in the order of their names; alwaysOn may be false.
REJECTED_CONFIG: tuple[tuple[Inputs, str], ...] = (
    ({"linuxFxVersion": "x", "alwaysOn": True}, "Site.SiteConfig.LinuxFxVersion, Site.SiteConfig.AlwaysOn"),
    ({"use32BitWorkerProcess": False}, "Site.SiteConfig.Use32BitWorkerProcess"),
    (
        {"ftpsState": "Disabled", "netFrameworkVersion": "v4.6", "minTlsVersion": "1.2"},
        "Site.SiteConfig.FtpsState, Site.SiteConfig.NetFrameworkVersion",
    ),
    ({"functionAppScaleLimit": 1}, "Site.SiteConfig.FunctionAppScaleLimit"),
)
WORKSPACE_ID = f"{stack.GROUP_ID}/providers/Microsoft.OperationalInsights/workspaces/logs"


def assigned(identity: str) -> Inputs:
    return {"type": "UserAssigned", "userAssignedIdentities": [identity]}


def app(path: str, value: Any, **changes: Any) -> Inputs:
    """A site with that member of `functionAppConfig`."""
    config = stack.storage_inputs()
    *parents, name = path.split(".")
    reduce(lambda part, parent: part.setdefault(parent, {}), parents, config)[name] = value
    return stack.site_inputs(functionAppConfig=config, **changes)


def settings(*names: str) -> Inputs:
    return stack.site_inputs(siteConfig={"appSettings": [{"name": name, "value": "1"} for name in names]})


def without(name: str, inputs: Inputs) -> Inputs:
    return {given: value for given, value in inputs.items() if given != name}


def logs(**changes: Any) -> Inputs:
    return {"resourceGroupName": "rg", "workspaceName": "logs-b", "sku": {"name": "PerGB2018"}, **changes}


def insights(**changes: Any) -> Inputs:
    inputs = {"kind": "web", "applicationType": "web", "workspaceResourceId": WORKSPACE_ID, **changes}
    return {**stack.identity_inputs("insights"), **inputs}


@pytest.mark.parametrize(
    ("token", "inputs", "path"),
    [
        (stack.GROUP, stack.group_inputs("a."), "resourceGroupName"),
        (stack.GROUP, stack.group_inputs("a" * 91), "resourceGroupName"),
        (stack.IDENTITY, stack.identity_inputs("-x-"), "resourceName"),
        (stack.ACCOUNT, stack.account_inputs("Upper"), "accountName"),
        (stack.ACCOUNT, stack.account_inputs("a" * 25), "accountName"),
        (stack.TABLE, stack.in_account(tableName="1t"), "tableName"),
        (stack.CONTAINER, stack.in_account(containerName="a--b"), "containerName"),
        (stack.WORKSPACE, {"resourceGroupName": "rg", "workspaceName": "ab-"}, "workspaceName"),
        (stack.OPENAI, stack.openai_inputs("-x"), "accountName"),
        (stack.PLAN, stack.plan_inputs("a b"), "name"),
        (stack.LOCK, {**stack.lock_inputs("/x"), "lockName": "a/b"}, "lockName"),
        (stack.LOCK, stack.lock_inputs("/x", "CannotDelete"), "level"),
        (stack.BLOB_SERVICE, stack.in_account(blobServicesName="b"), "blobServicesName"),
        *(
            (stack.CREDENTIAL, stack.credential_inputs(name), "federatedIdentityCredentialResourceName")
            for name in ("ab", "-ab", "a b c", "a" * 121, "a:b")
        ),
        *(
            (stack.VAULT, stack.vault_inputs(name), "vaultName")
            for name in ("kv", "a" * 25, "1kv", "kv-", "kv--x", "kv_x")
        ),
    ],
)
def test_names_and_enums_are_checked_in_a_preview(
    cloud: Cloud, token: str, inputs: Inputs, path: str
) -> None:
    with pytest.raises(CheckError) as error:
        cloud.create(token, inputs)
    assert list(error.value.problems) == [path]


@pytest.mark.parametrize(
    ("token", "old", "new", "replaces"),
    [
        (stack.OPENAI, stack.openai_inputs(), stack.openai_inputs(subdomain="b"), False),
        (stack.ASSIGNMENT, {"principalId": "a"}, {"principalId": "b"}, True),
        (stack.PLAN, stack.plan_inputs(), stack.plan_inputs(reserved=False), True),
        (stack.SITE, {"kind": "functionapp,linux"}, {"kind": "functionapp"}, True),
        (stack.ACCOUNT, {"isHnsEnabled": False}, {"isHnsEnabled": True}, True),
        (stack.ACCOUNT, {"allowSharedKeyAccess": False}, {"allowSharedKeyAccess": True}, False),
        (stack.DEPLOYMENT, stack.deployment_inputs(), stack.deployment_inputs(version="x"), False),
        (stack.ASSIGNMENT, {"roleDefinitionId": "a"}, {"roleDefinitionId": "b"}, False),
    ],
)
def test_only_some_inputs_replace(token: str, old: Inputs, new: Inputs, replaces: bool) -> None:
    (change,) = differences(old, new, catalogue.find_type(token).replacing).values()
    assert change.endswith("_REPLACE") == replaces


@pytest.mark.parametrize(
    ("token", "inputs", "text"),
    [
        (stack.IDENTITY, {**stack.identity_inputs(), "resourceGroupName": "x"}, "ResourceGroupNotFound"),
        (stack.DEPLOYMENT, stack.deployment_inputs(), "ParentResourceNotFound"),
        (stack.GROUP, stack.group_inputs("b", location="swedencentrall"), "Did you mean 'swedencentral'?"),
        (stack.GROUP, stack.group_inputs("b", tags={f"t{n}": "" for n in range(51)}), "TooManyTags"),
        (stack.GROUP, stack.group_inputs("b", tags={"a<b": ""}), "InvalidTagNameCharacters"),
        (stack.GROUP, stack.group_inputs("b", tags={"a\\b": ""}), "InvalidTagNameCharacters"),
        (stack.GROUP, stack.group_inputs("b", tags={"n" * 513: ""}), "InvalidTagName"),
        (stack.GROUP, stack.group_inputs("b", tags={"a": "v" * 257}), "InvalidTagValueLength"),
        (stack.GROUP, stack.group_inputs("b", tags={"a": "1", "A": "2"}), "DuplicateTagName"),
        (stack.ACCOUNT, stack.account_inputs("b1a", tags={"n" * 129: ""}), "InvalidTagName"),
        (stack.LOCK, stack.lock_inputs("/subscriptions/other"), "SubscriptionNotFound"),
        (stack.LOCK, stack.lock_inputs(f"{stack.PLAN_ID}x"), "ResourceNotFound"),
        (stack.ACCOUNT, stack.account_inputs(location="westus"), "already existing"),
        (stack.OPENAI, {**stack.openai_inputs(), "identity": assigned("/x")}, "FailedIdentityOperation"),
        (stack.PLAN, stack.plan_inputs("b", reserved=False), "reserved is not true"),
        (stack.PLAN, stack.plan_inputs("b", sku={"name": "FC1", "tier": "Dynamic"}), "'Dynamic'"),
        (stack.PLAN, stack.plan_inputs("b", sku={"name": "Y1"}), "NotSupportedByLocalAzure"),
        # function apps
        (stack.SITE, stack.site_inputs(serverFarmId=f"{stack.PLAN_ID}x"), "Cannot find ServerFarm"),
        (stack.SITE, stack.site_inputs(location="westus"), "region"),
        (stack.SITE, stack.site_inputs(kind="app"), "kind is 'app'"),
        (stack.SITE, stack.site_inputs(identity={"type": "SystemAssigned"}), "not assigned to the app"),
        (stack.SITE, app(f"{STORAGE}.value", f"{stack.CONTAINER_URL}-other"), "there is no such container"),
        (
            stack.SITE,
            app(f"{LOGIN}.userAssignedIdentityResourceId", NO_IDENTITY, identity=assigned(NO_IDENTITY)),
            "FailedIdentityOperation",
        ),
        (stack.SITE, app(LOGIN, {"type": "SystemAssignedIdentity"}), "identity.type lacks it"),
        (
            stack.SITE,
            app(LOGIN, {"type": BY_KEY, "storageAccountConnectionStringName": "S"}),
            "takes no keys",
        ),
        (stack.SITE, app(LOGIN, {"type": BY_KEY}), "storageAccountConnectionStringName is required"),
        (stack.SITE, app(LOGIN, {"type": "UserAssignedIdentity"}), "ResourceId is required"),
        (stack.SITE, app(LOGIN, {}), "authentication.type is required"),
        (stack.SITE, app(STORAGE, {"value": stack.CONTAINER_URL}), "deployment.storage.type is required"),
        (stack.SITE, app(f"{STORAGE}.value", "deployments"), "deployment.storage.value is 'deployments'"),
        (stack.SITE, app("runtime", {}), "runtime.name is required. (ExtendedCode 51021)"),
        (stack.SITE, app("runtime", {"name": "node"}), "runs python only"),
        (stack.SITE, app("runtime.version", "3.10"), "runtime.version is '3.10'"),
        (stack.SITE, app("runtime", {"name": "python"}), "runtime.version is None"),
        (stack.SITE, stack.site_inputs(functionAppConfig={}), "FunctionAppConfig section was not specified"),
        (stack.SITE, app(f"{SCALE}.instanceMemoryMB", 1024), "instanceMemoryMB is 1024"),
        (stack.SITE, app(f"{SCALE}.maximumInstanceCount", 39), "maximumInstanceCount is 39"),
        (stack.SITE, app(f"{SCALE}.maximumInstanceCount", 1001), "maximumInstanceCount is 1001"),
        (stack.SITE, app(f"{SCALE}.{CONCURRENCY}", 0), "perInstanceConcurrency is 0"),
        (stack.SITE, app(f"{SCALE}.{CONCURRENCY}", 1001), "perInstanceConcurrency is 1001"),
        (stack.SITE, app(READY, [{"name": "HTTP", "instanceCount": 1}]), "'HTTP'"),
        (stack.SITE, app(READY, [{"name": "function:", "instanceCount": 1}]), "'function:'"),
        (stack.SITE, app(READY, [{"name": "http", "instanceCount": -1}]), "[-1]"),
        (stack.SITE, app(READY, [{"name": "http", "instanceCount": 101}]), "[101]"),
        (stack.SITE, app(READY, [{"name": "http"}, {"name": "http"}]), "names http"),
        # All problems of the section are in one message.
        (stack.SITE, app(SCALE, {"instanceMemoryMB": 1, "maximumInstanceCount": 2}), "4096. scaleAnd"),
        (stack.SITE, settings("A", "a"), "App settings are not case-sensitive"),
        (stack.SITE, settings(""), "An app setting has no name"),
        *(
            (stack.SITE, settings("FINE", name), f"(Site.SiteConfig.AppSettings.{name})")
            for name in (*sorted(flex.REJECTED_APP_SETTINGS), "functions_worker_runtime", "A:B")
        ),
        *(
            (stack.SITE, stack.site_inputs(siteConfig=config), f"({named})")
            for config, named in REJECTED_CONFIG
        ),
        # monitoring
        (stack.WORKSPACE, logs(retentionInDays=29), "retentionInDays is 29"),
        (stack.WORKSPACE, logs(retentionInDays=731), "retentionInDays is 731"),
        (stack.WORKSPACE, logs(workspaceCapping={"dailyQuotaGb": 0.02}), "dailyQuotaGb is 0.02"),
        (stack.COMPONENT, without("workspaceResourceId", insights()), "workspaceResourceId is required"),
        (stack.COMPONENT, insights(workspaceResourceId=stack.PLAN_ID), "could not be found"),
        (stack.COMPONENT, insights(retentionInDays=31), "retentionInDays is 31"),
        (stack.COMPONENT, insights(samplingPercentage=0), "samplingPercentage is 0"),
        (stack.COMPONENT, insights(samplingPercentage=101), "samplingPercentage is 101"),
        # role assignments, and their conditions
        (stack.ASSIGNMENT, stack.assignment_inputs(roleAssignmentName="x"), "InvalidRoleAssignmentId"),
        (stack.ASSIGNMENT, stack.assignment_inputs(guid=NOBODY), "RoleDefinitionDoesNotExist"),
        (stack.ASSIGNMENT, stack.assignment_inputs(principalId=NOBODY), "PrincipalNotFound"),
        (stack.ASSIGNMENT, stack.assignment_inputs(f"{stack.GROUP_ID}x"), "ResourceGroupNotFound"),
        (stack.ASSIGNMENT, stack.assignment_inputs("/subscriptions/other"), "SubscriptionNotFound"),
        *(
            (stack.ASSIGNMENT, stack.assignment_inputs(**condition), "InvalidRoleAssignmentCondition")
            for condition in (
                {"condition": CONDITION},
                {"conditionVersion": "2.0"},
                {"condition": CONDITION, "conditionVersion": "1.0"},
                {"condition": CONDITION[:-1], "conditionVersion": "2.0"},
                {"condition": "only five roles", "conditionVersion": "2.0"},
            )
        ),
        # custom roles
        (stack.ROLE, stack.role_inputs(roleDefinitionId="settings-reader"), "RoleDefinitionIdInvalid"),
        (stack.ROLE, stack.role_inputs(roleName=""), "InvalidRoleDefinitionName"),
        (stack.ROLE, without("roleName", stack.role_inputs()), "roleName has 0 characters"),
        (stack.ROLE, without("permissions", stack.role_inputs()), "permissions has 0 members"),
        (stack.ROLE, stack.role_inputs(roleName="reader"), "RoleDefinitionWithSameNameExists"),
        (stack.ROLE, stack.role_inputs(roleType="BuiltInRole"), "InvalidRoleDefinitionType"),
        (stack.ROLE, stack.role_inputs(assignableScopes=[]), "InvalidAssignableScopes"),
        (stack.ROLE, stack.role_inputs(assignableScopes=["/subscriptions/x"]), "LinkedInvalidPropertyId"),
        (stack.ROLE, stack.role_inputs(assignableScopes=[stack.GROUP_ID]), "AuthorizationFailed"),
        (stack.ROLE, stack.role_inputs(permissions=[]), "InvalidPermissions"),
        (stack.ROLE, stack.role_inputs(permissions=[{"notActions": ["*/read"]}]), "InvalidPermissions"),
        (stack.ROLE, stack.role_inputs(permissions=[{"actions": ["a b"]}]), "InvalidActionOrNotAction"),
        (stack.ROLE, stack.role_inputs(permissions=[{"dataActions": ["a"]}]), "InvalidActionOrNotAction"),
        # federated credentials
        (stack.CREDENTIAL, stack.credential_inputs(audiences=[]), "audience"),
        (stack.CREDENTIAL, stack.credential_inputs(audiences=["a", "b"]), "audience"),
        (stack.CREDENTIAL, stack.credential_inputs(issuer="http://a.example"), "https URL"),
        (stack.CREDENTIAL, stack.credential_inputs(issuer="https://a.example?x=1"), "https URL"),
        (stack.CREDENTIAL, stack.credential_inputs(subject=""), "'subject' has 0"),
        (stack.CREDENTIAL, stack.credential_inputs(subject="s" * 601), "'subject' has 601"),
        # vaults and keys
        (stack.VAULT, stack.vault_inputs("kv-b", softDeleteRetentionInDays=6), "from 7 to 90"),
        (stack.VAULT, stack.vault_inputs("kv-b", softDeleteRetentionInDays=91), "from 7 to 90"),
        (stack.VAULT, stack.vault_inputs("kv-b", enablePurgeProtection=False), "irreversible"),
        (stack.VAULT, stack.vault_inputs("kv-b", enableSoftDelete=False), "enableSoftDelete"),
        (stack.VAULT, stack.vault_inputs("kv-b", enableRbacAuthorization=False), "accessPolicies"),
        (stack.VAULT, stack.vault_inputs("kv-b", tenantId=NOBODY), "tenant"),
        (stack.VAULT, stack.vault_inputs("kv-b", createMode="recover"), "reset"),
        (stack.KEY, stack.key_inputs(keySize=1024), "1024"),
        (stack.KEY, stack.key_inputs(curveName="P-256"), "curveName"),
        (stack.KEY, stack.key_inputs(kty="RSA-HSM"), "premium"),
        (stack.KEY, stack.key_inputs(kty="EC", keyOps=["sign"]), "keySize"),
        (stack.KEY, stack.key_inputs(kty="EC", keySize=None), "encrypt, decrypt"),
        (stack.KEY, stack.key_inputs(kty=None), "kty"),
    ],
)
def test_a_refusal_leaves_nothing_behind(cloud: Cloud, token: str, inputs: Inputs, text: str) -> None:
    cloud.create_stack()
    cloud.create(stack.VAULT, stack.vault_inputs())
    cloud.create(stack.WORKSPACE, {**logs(), "workspaceName": "logs"})
    before, services = cloud.store.list(), set(cloud.services.exists)
    assert text in cloud.refusal(token, inputs)
    assert (cloud.store.list(), cloud.services.exists) == (before, services)


@pytest.mark.parametrize(
    ("path", "value"),
    [
        (SCALE, {"instanceMemoryMB": 512, "maximumInstanceCount": 40}),
        (SCALE, {"instanceMemoryMB": 4096, "maximumInstanceCount": 1000}),
        (READY, [{"name": "function:create", "instanceCount": 2}, {"name": "http"}]),
        (f"{SCALE}.{CONCURRENCY}", 1000),
    ],
)
def test_an_app_within_the_limits_of_flex_consumption_is_accepted(
    cloud: Cloud, path: str, value: Any
) -> None:
    cloud.create_stack()
    config: Inputs = {
        "alwaysOn": False,
        "cors": {},
        "appSettings": [{"name": "AzureWebJobsStorage__credential"}],
    }
    assert cloud.create(stack.SITE, app(path, value, siteConfig=config))


def test_names_are_unique_in_all_groups_and_without_case(cloud: Cloud) -> None:
    cloud.create_stack()
    cloud.create(stack.GROUP, stack.group_inputs("other"))
    cloud.create(stack.OPENAI, stack.openai_inputs())
    cloud.create(stack.SITE, stack.site_inputs())
    cloud.create(stack.TABLE, stack.in_account(tableName="ChatState"))
    for token, inputs, code in (
        (stack.ACCOUNT, stack.account_inputs(), "StorageAccountAlreadyTaken"),
        (stack.OPENAI, stack.openai_inputs("another-name"), "CustomDomainInUse"),
        (stack.SITE, stack.site_inputs(), "Conflict"),
    ):
        assert f'Status=409 Code="{code}"' in cloud.refusal(token, {**inputs, "resourceGroupName": "other"})
    assert "already existing" in cloud.refusal(stack.TABLE, stack.in_account(tableName="chatstate"))


def test_a_flex_plan_has_one_app_and_stays_with_it(cloud: Cloud) -> None:
    created = cloud.create_stack()
    cloud.create(stack.SITE, stack.site_inputs())
    assert 'Code="Conflict"' in cloud.refusal(stack.SITE, stack.site_inputs(name="another-app"))
    with pytest.raises(ArmError, match="assistant-app"):
        cloud.delete(created[stack.PLAN])


@pytest.mark.parametrize(
    ("token", "inputs", "code"),
    [
        (
            stack.DEPLOYMENT,
            [stack.deployment_inputs("one"), stack.deployment_inputs("two")],
            "RequestConflict",
        ),
        (
            stack.CREDENTIAL,
            [stack.credential_inputs("one"), stack.credential_inputs("two", subject="x")],
            "ConcurrentFederatedIdentityCredentialsWritesForSingleManagedIdentity",
        ),
    ],
)
def test_two_children_that_are_written_at_once_conflict(
    tmp_path: Path, token: str, inputs: list[Inputs], code: str
) -> None:
    cloud = Cloud(tmp_path / "arm.json", provisioning_seconds=0.01)
    cloud.create_stack()
    cloud.create(stack.OPENAI, stack.openai_inputs())
    kind = catalogue.find_type(token)

    async def create_all() -> list[Any]:
        calls = (operations.create(cloud.azure, kind, child) for child in inputs)
        return await asyncio.gather(*calls, return_exceptions=True)

    created, error = cloud.run(create_all())
    assert created["name"] == "one"
    assert isinstance(error, ArmError)
    assert (error.status, error.code) == (409, code)


def test_an_assignment_is_unique_and_names_the_type_of_its_principal(cloud: Cloud) -> None:
    principal = cloud.create_stack()[stack.IDENTITY].get("properties", {})["principalId"]
    inputs = stack.assignment_inputs(principalId=principal)
    assert "UnmatchedPrincipalType" in cloud.refusal(stack.ASSIGNMENT, inputs)
    del inputs["principalType"]
    assert "PrincipalNotFound" in cloud.refusal(stack.ASSIGNMENT, inputs)
    inputs["principalType"] = "ServicePrincipal"
    assignment = cloud.create(stack.ASSIGNMENT, inputs)
    assert assignment.get("properties", {})["scope"] == stack.GROUP_ID
    again = {**inputs, "roleAssignmentName": "7f1a9c1e-6a0e-5b7e-9b1e-0d6e0c5a7d11"}
    assert 'Status=409 Code="RoleAssignmentExists"' in cloud.refusal(stack.ASSIGNMENT, again)


@pytest.mark.parametrize("level", ["CanNotDelete", "ReadOnly"])
def test_a_lock_protects_what_is_at_below_and_above_its_scope(cloud: Cloud, level: str) -> None:
    created = cloud.create_stack()
    lock = cloud.create(stack.LOCK, stack.lock_inputs(stack.ACCOUNT_ID, level))
    before, services = cloud.store.list(), set(cloud.services.exists)
    for token in (stack.CONTAINER, stack.ACCOUNT, stack.GROUP):
        with pytest.raises(ArmError, match='Status=409 Code="ScopeLocked"'):
            cloud.delete(created[token])
    assert (cloud.store.list(), cloud.services.exists) == (before, services)
    for token, inputs in ((stack.ACCOUNT, stack.account_inputs()), (stack.GROUP, stack.group_inputs())):
        if level == "ReadOnly" and token == stack.ACCOUNT:
            with pytest.raises(ArmError, match="ScopeLocked"):
                cloud.update(token, inputs)
        else:
            cloud.update(token, inputs)
    cloud.delete(lock)
    cloud.delete(created[stack.CONTAINER])


def test_a_create_that_fails_in_a_service_leaves_no_resource(cloud: Cloud) -> None:
    cloud.create(stack.GROUP, stack.group_inputs())
    cloud.services.broken = {"open_account"}
    with pytest.raises(RuntimeError, match="open_account"):
        cloud.create(stack.ACCOUNT, stack.account_inputs())
    assert cloud.store.list(ACCOUNT_TYPE) == []
    cloud.services.broken = set()
    account = cloud.create(stack.ACCOUNT, stack.account_inputs())

    cloud.services.broken = {"open_account"}
    with pytest.raises(RuntimeError, match="open_account"):
        cloud.update(stack.ACCOUNT, stack.account_inputs(allowSharedKeyAccess=True))
    assert cloud.store.require(account["id"]) == account


def test_a_delete_that_fails_in_a_service_keeps_the_resource(cloud: Cloud) -> None:
    cloud.create_stack()
    site = cloud.create(stack.SITE, stack.site_inputs())
    cloud.services.broken = {"delete_site"}
    with pytest.raises(RuntimeError, match="delete_site"):
        cloud.delete(site)
    assert cloud.store.get(site["id"]) == site


def test_an_update_keeps_ids_and_endpoints_and_restarts_an_app(cloud: Cloud) -> None:
    identity = cloud.create_stack()[stack.IDENTITY]
    updated = cloud.update(stack.IDENTITY, {**stack.identity_inputs(), "tags": {"a": "b"}})
    assert updated.get("properties") == identity.get("properties")
    cloud.create(stack.SITE, stack.site_inputs())
    cloud.update(stack.SITE, stack.site_inputs(httpsOnly=False))
    assert cloud.services.configured == ["assistant-app", "assistant-app"]


def test_deleting_blob_service_properties_keeps_the_containers(cloud: Cloud) -> None:
    container = cloud.create_stack()[stack.CONTAINER]
    policy = {"enabled": True, "days": 7}
    inputs = stack.in_account(blobServicesName="default", deleteRetentionPolicy=policy)
    service = cloud.create(stack.BLOB_SERVICE, inputs)
    cloud.delete(service)
    assert cloud.store.get(service["id"]) is None
    assert cloud.store.get(container["id"]) is not None


def test_lifecycle_rules_have_unique_names_and_an_action(cloud: Cloud) -> None:
    cloud.create_stack()
    expire: Inputs = {"version": {"delete": {"daysAfterCreationGreaterThan": 90}}}

    def inputs(*rules: tuple[str, Inputs]) -> Inputs:
        policy = [
            {"name": name, "type": "Lifecycle", "definition": {"actions": actions}} for name, actions in rules
        ]
        return stack.in_account(managementPolicyName="default", policy={"rules": policy})

    token = "azure-native:storage:ManagementPolicy"
    for refused, text in (
        (inputs(), "1 to 100"),
        (inputs(("a", expire), ("a", expire)), "and a "),
        (inputs(("idle", {})), "idle"),
    ):
        assert text in cloud.refusal(token, refused)
    created = cloud.create(token, inputs(("a", expire), ("b", expire)))
    assert created["id"].endswith("/storageAccounts/assistantsa/managementPolicies/default")


def test_a_condition_is_kept_with_its_version(cloud: Cloud) -> None:
    cloud.create(stack.GROUP, stack.group_inputs())
    condition = {"condition": CONDITION, "conditionVersion": "2.0"}
    assignment = cloud.create(stack.ASSIGNMENT, stack.assignment_inputs(**condition))
    assert condition.items() <= assignment.get("properties", {}).items()


def test_a_custom_role_has_its_type_and_a_unique_name(cloud: Cloud) -> None:
    role = cloud.create(stack.ROLE, stack.role_inputs())
    assert role["id"] == f"{stack.SUBSCRIPTION}{stack.role(role['name'])}"
    assert role.get("properties", {})["type"] == "CustomRole"
    other = stack.role_inputs(roleDefinitionId=NOBODY, roleName="ASSISTANT settings reader")
    assert "RoleDefinitionWithSameNameExists" in cloud.refusal(stack.ROLE, other)


def test_a_custom_role_is_assigned_in_its_scopes_and_stays_while_it_is(cloud: Cloud) -> None:
    cloud.create_stack()
    role = cloud.create(
        stack.ROLE, stack.role_inputs(scope=stack.GROUP_ID, assignableScopes=[stack.GROUP_ID])
    )
    above = stack.assignment_inputs(stack.SUBSCRIPTION, role["name"])
    assert "NotAssignable" in cloud.refusal(stack.ASSIGNMENT, above)
    assignment = cloud.create(stack.ASSIGNMENT, stack.assignment_inputs(stack.IDENTITY_ID, role["name"]))
    with pytest.raises(ArmError, match="RoleDefinitionHasAssignments"):
        cloud.delete(role)
    cloud.delete(assignment)
    cloud.delete(role)
    assert cloud.store.get(role["id"]) is None


def test_a_federated_credential_is_a_child_of_its_identity_which_has_at_most_twenty(cloud: Cloud) -> None:
    cloud.create(stack.GROUP, stack.group_inputs())
    assert "ParentResourceNotFound" in cloud.refusal(stack.CREDENTIAL, stack.credential_inputs())
    cloud.create(stack.IDENTITY, stack.identity_inputs())
    credential = cloud.create(stack.CREDENTIAL, stack.credential_inputs())
    assert credential["id"] == f"{stack.IDENTITY_ID}/federatedIdentityCredentials/github-main"
    same = stack.credential_inputs("same-issuer-and-subject")
    assert 'Status=409 Code="Conflict"' in cloud.refusal(stack.CREDENTIAL, same)
    cloud.create(stack.CREDENTIAL, stack.credential_inputs("other-case", subject="repo:O/r:pull_request"))
    for number in range(18):
        cloud.create(stack.CREDENTIAL, stack.credential_inputs(f"main-{number}", subject=f"{number}"))
    more = stack.credential_inputs("more", subject="more")
    assert "TooManyFederatedIdentityCredentials" in cloud.refusal(stack.CREDENTIAL, more)
