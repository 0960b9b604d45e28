"""The provider through a real channel, with the services behind it faked."""

import asyncio
from collections.abc import Callable
from pathlib import Path
from typing import Any

import grpc
import grpc.aio
import pytest
from google.protobuf.empty_pb2 import Empty
from pulumi.runtime.proto import provider_pb2, status_pb2

from local_azure.core.store import SUBSCRIPTION_ID, TENANT_ID, Store
from local_azure.frontends.pulumi import values
from local_azure.frontends.pulumi.values import UNKNOWN
from local_azure.services.cognitiveservices import deleted
from local_azure.tests.frontends.pulumi import stack
from local_azure.tests.frontends.pulumi.stack import Stack, make_group, make_identity, make_stack
from local_azure.tests.frontends.pulumi.support import Engine, Inputs, RefusedError, running_engine


async def refused(call: Any) -> str:
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await call
    return caught.value.details() or ""


async def test_it_says_its_version_and_survives_cancel(engine: Engine) -> None:
    await engine.stub.Cancel(Empty())
    assert (await engine.stub.GetPluginInfo(Empty())).version == "3.29.0"


async def test_another_subscription_is_refused(engine: Engine) -> None:
    news = values.encode({"subscriptionId": "11111111-1111-4111-8111-111111111111", "version": "3.29.0"})
    response = await engine.stub.CheckConfig(provider_pb2.CheckRequest(news=news))
    assert response.inputs == news
    assert [one.property for one in response.failures] == ["subscriptionId"]


async def test_who_is_signed_in(engine: Engine) -> None:
    config = await engine.invoke("azure-native:authorization:getClientConfig", {})
    assert (config["subscriptionId"], config["tenantId"]) == (SUBSCRIPTION_ID, TENANT_ID)


async def test_an_unknown_type_or_function_names_the_nearest(engine: Engine) -> None:
    message = await refused(engine.check("azure-native:storage:Tabel", "t", {}))
    assert "storage:Table" in message
    assert "on Azure only, unless the type is added to local_azure/services/" in message
    assert "getClientConfig" in await refused(engine.invoke("azure-native:authorization:getClientConfi", {}))


# Check


async def test_a_missing_name_is_made_up_from_the_seed_and_kept(engine: Engine) -> None:
    first = await engine.check(stack.GROUP, "rg", {})
    assert first == await engine.check(stack.GROUP, "rg", {})
    assert first["resourceGroupName"].startswith("rg")
    assert first["__createBeforeDelete"] is True
    assert await engine.check(stack.GROUP, "rg", {}, old=first, seed=b"new") == first


async def test_location_comes_from_config_then_from_the_group(engine: Engine) -> None:
    assert (await engine.check(stack.GROUP, "rg", {}))["location"] == "swedencentral"
    await engine.create(stack.GROUP, "rg", {"resourceGroupName": "rg", "location": "westus"})
    assert (await engine.check(stack.PLAN, "p", stack.plan_inputs()))["location"] == "swedencentral"
    await engine.configure()
    assert (await engine.check(stack.PLAN, "p", stack.plan_inputs()))["location"] == "westus"
    unknown_group = {**stack.plan_inputs(), "resourceGroupName": UNKNOWN}
    assert (await engine.check(stack.PLAN, "p", unknown_group))["location"] is UNKNOWN
    with pytest.raises(RefusedError) as caught:
        await engine.check(stack.GROUP, "rg2", {})
    assert "pulumi config set azure-native:location" in caught.value.problems["location"]


async def test_each_provider_instance_has_its_own_location(engine: Engine) -> None:
    async with engine.another_instance() as other:
        await other.configure(location="westus")
        assert (await engine.check(stack.GROUP, "rg", {}))["location"] == "swedencentral"
        assert (await other.check(stack.GROUP, "rg", {}))["location"] == "westus"


@pytest.mark.parametrize(
    ("token", "inputs", "path"),
    [
        (stack.GROUP, {"resourceGroupName": "a."}, "resourceGroupName"),
        (stack.GROUP, {"resourceGroupName": "a" * 91}, "resourceGroupName"),
        (stack.IDENTITY, {"resourceGroupName": "rg", "resourceName": "-x-"}, "resourceName"),
        (stack.ACCOUNT, stack.account_inputs("Upper"), "accountName"),
        (stack.ACCOUNT, stack.account_inputs("a" * 25), "accountName"),
        (stack.TABLE, {"resourceGroupName": "rg", "accountName": "a", "tableName": "1t"}, "tableName"),
        (
            stack.CONTAINER,
            {"resourceGroupName": "rg", "accountName": "a", "containerName": "a--b"},
            "containerName",
        ),
        (stack.WORKSPACE, {"resourceGroupName": "rg", "workspaceName": "ab-"}, "workspaceName"),
        (stack.OPENAI, stack.openai_inputs("-x"), "accountName"),
        (stack.PLAN, stack.plan_inputs("a b"), "name"),
        (stack.LOCK, {"scope": "/x", "level": "CanNotDelete", "lockName": "a/b"}, "lockName"),
        (stack.LOCK, {"scope": "/x", "level": "CannotDelete", "lockName": "a"}, "level"),
        (
            stack.BLOB_SERVICE,
            {"resourceGroupName": "rg", "accountName": "a", "blobServicesName": "b"},
            "blobServicesName",
        ),
    ],
)
async def test_names_and_enums_are_checked_before_anything_is_made(
    engine: Engine, token: str, inputs: Inputs, path: str
) -> None:
    with pytest.raises(RefusedError) as caught:
        await engine.check(token, "x", inputs)
    assert list(caught.value.problems) == [path]


# Preview


async def test_a_preview_knows_inputs_and_nothing_else(engine: Engine) -> None:
    outputs = await engine.preview(stack.OPENAI, "ai", {**stack.openai_inputs(), "location": "swedencentral"})
    assert outputs["location"] == "swedencentral"
    assert outputs["properties"]["customSubDomainName"] == "assistant-ai"
    assert outputs["properties"]["endpoint"] is UNKNOWN
    assert outputs["name"] is UNKNOWN
    assert engine.store.list() == []


async def test_a_preview_turns_the_list_of_identities_into_an_unknown_map(engine: Engine) -> None:
    identity = {"type": "UserAssigned", "userAssignedIdentities": ["/id"]}
    outputs = await engine.preview(stack.SITE, "app", {"resourceGroupName": "rg", "identity": identity})
    assert outputs["identity"]["userAssignedIdentities"] is UNKNOWN


async def test_a_previewed_update_keeps_name_and_location(engine: Engine) -> None:
    group = await make_group(engine)
    previewed = await engine.update(stack.GROUP, group, {"tags": {"a": "b"}}, preview=True)
    assert previewed.outputs["name"] == "rg"
    assert "tags" not in engine.store.require(group.id)


# Create: shapes


async def test_a_whole_app_has_the_outputs_of_the_real_provider(engine: Engine) -> None:
    made = await make_stack(engine)
    site = await engine.create(stack.SITE, "app", made.site_inputs())
    assert site.id == f"{made.group.id}/providers/Microsoft.Web/sites/assistant-app"
    outputs = site.outputs
    assert outputs["defaultHostName"] == "127.0.0.1:5001"
    assert {one["hostType"]: one["name"] for one in outputs["hostNameSslStates"]} == {
        "Standard": "127.0.0.1:5001",
        "Repository": "127.0.0.1:5002",
    }
    identity = made.identity.outputs
    assert outputs["identity"]["userAssignedIdentities"] == {
        made.identity.id: {"clientId": identity["clientId"], "principalId": identity["principalId"]}
    }
    assert outputs["functionAppConfig"]["scaleAndConcurrency"]["instanceMemoryMB"] == 2048
    assert outputs["azureApiVersion"] == "2025-05-01"
    assert "appSettings" not in outputs["siteConfig"]
    stored = engine.store.require(site.id)
    assert stored.get("properties", {})["siteConfig"]["appSettings"] == [{"name": "A", "value": "1"}]
    assert engine.sites.configured == ["assistant-app"]


async def test_monitoring_and_model_outputs(engine: Engine) -> None:
    await make_group(engine)
    workspace = await engine.create(
        stack.WORKSPACE,
        "ws",
        {"resourceGroupName": "rg", "workspaceName": "logs", "sku": {"name": "PerGB2018"}},
    )
    component = await engine.create(
        stack.COMPONENT,
        "ai",
        {
            "resourceGroupName": "rg",
            "resourceName": "insights",
            "kind": "web",
            "applicationType": "web",
            "workspaceResourceId": workspace.id,
        },
    )
    assert workspace.outputs["customerId"]
    assert workspace.outputs["sku"] == {"name": "PerGB2018"}
    key = component.outputs["instrumentationKey"]
    assert component.outputs["connectionString"].startswith(
        f"InstrumentationKey={key};IngestionEndpoint=https://"
    )
    assert component.outputs["applicationType"] == "web"
    account = await engine.create(stack.OPENAI, "ai", stack.openai_inputs())
    assert account.outputs["properties"]["endpoint"] == "https://127.0.0.1:7001/assistant-ai/"
    deployment = await engine.create(stack.DEPLOYMENT, "chat", stack.deployment_inputs())
    assert deployment.outputs["properties"]["provisioningState"] == "Succeeded"
    assert deployment.outputs["sku"] == {"name": "GlobalStandard", "capacity": 10}


async def test_the_store_holds_arms_own_names(engine: Engine) -> None:
    made = await make_stack(engine)
    stored = engine.store.require(made.account.id)
    assert stored.get("properties", {})["supportsHttpsTrafficOnly"] is True
    assert made.account.outputs["enableHttpsTrafficOnly"] is True
    assert "enableHttpsTrafficOnly" not in stored.get("properties", {})


# Create: refusals


async def test_what_is_there_is_not_made_again(engine: Engine) -> None:
    group = await make_group(engine)
    await engine.diff(stack.GROUP, group, {})  # the engine knows of it
    assert await refused(make_group(engine)) == f"cannot create already existing resource '{group.id}'"


async def test_what_an_engine_was_killed_before_it_could_note_is_taken_up_by_the_next_run(
    engine: Engine,
) -> None:
    # `kill -9` of the CLI: the identity was made, the state had only a pending create, and every later
    # `up` ended with «cannot create already existing resource».
    await make_group(engine)
    first = await make_identity(engine)
    assert await make_identity(engine) == first


async def test_what_was_being_made_when_the_engine_was_killed_is_taken_up_too(engine: Engine) -> None:
    made = await make_stack(engine)
    engine.sites.held = {"configure_site"}
    checked = await engine.check(stack.SITE, "app", made.site_inputs())
    request = provider_pb2.CreateRequest(urn=engine.urn(stack.SITE, "app"), properties=values.encode(checked))
    with pytest.raises(grpc.aio.AioRpcError):
        await engine.stub.Create(request, timeout=0.3)
    engine.sites.release.set()
    site = await engine.create(stack.SITE, "app", made.site_inputs())
    assert engine.store.get(site.id) is not None
    assert engine.sites.exists == {"site assistant-app"}


async def test_a_deletion_goes_on_when_its_engine_is_killed_and_the_next_create_waits_for_it(
    engine: Engine,
) -> None:
    """A deletion that ended with its caller left the site's ports held by nobody: PortTakenError for ever."""
    made = await make_stack(engine)
    site = await engine.create(stack.SITE, "app", made.site_inputs())
    engine.sites.held = {"delete_site"}
    request = provider_pb2.DeleteRequest(id=site.id, urn=engine.urn(stack.SITE, "app"))
    with pytest.raises(grpc.aio.AioRpcError):
        await engine.stub.Delete(request, timeout=0.3)
    again = asyncio.create_task(engine.create(stack.SITE, "app", made.site_inputs()))
    assert not (await asyncio.wait({again}, timeout=0.1))[0]
    assert "site assistant-app" in engine.sites.exists
    engine.sites.release.set()
    assert (await again).id == site.id
    assert "site assistant-app" in engine.sites.exists


async def test_a_second_deletion_waits_for_the_first_and_finds_nothing_left(engine: Engine) -> None:
    made = await make_stack(engine)
    site = await engine.create(stack.SITE, "app", made.site_inputs())
    engine.sites.held = {"delete_site"}
    request = provider_pb2.DeleteRequest(id=site.id, urn=engine.urn(stack.SITE, "app"))
    with pytest.raises(grpc.aio.AioRpcError):
        await engine.stub.Delete(request, timeout=0.3)
    engine.sites.held, engine.sites.broken = set(), {"delete_site"}
    engine.sites.release.set()
    await engine.delete(stack.SITE, site.id)
    assert engine.store.get(site.id) is None


async def test_only_the_same_request_takes_up_what_is_there(engine: Engine) -> None:
    inputs = {"resourceGroupName": "rg", "location": "eastus2"}
    await engine.create(stack.GROUP, "group", inputs)
    assert "already existing" in await refused(engine.create(stack.GROUP, "another", inputs))
    assert "already existing" in await refused(
        engine.create(stack.GROUP, "group", {**inputs, "tags": {"a": "b"}})
    )


async def test_table_names_have_no_case(engine: Engine) -> None:
    await make_stack(engine)
    inputs = {"resourceGroupName": "rg", "accountName": "assistantsa"}
    await engine.create(stack.TABLE, "a", {**inputs, "tableName": "ChatState"})
    assert "already existing" in await refused(
        engine.create(stack.TABLE, "b", {**inputs, "tableName": "chatstate"})
    )


async def test_groups_and_parents_must_be_there(engine: Engine) -> None:
    assert 'Code="ResourceGroupNotFound"' in await refused(make_identity(engine))
    await make_group(engine)
    message = await refused(engine.create(stack.DEPLOYMENT, "chat", stack.deployment_inputs()))
    assert 'Status=404 Code="ParentResourceNotFound"' in message


async def test_an_unknown_region_names_the_nearest(engine: Engine) -> None:
    message = await refused(
        engine.create(stack.GROUP, "rg", {"resourceGroupName": "rg", "location": "swedencentrall"})
    )
    assert 'Code="LocationNotAvailableForResourceGroup"' in message
    assert "Did you mean 'swedencentral'?" in message


async def test_global_names_are_taken_once(engine: Engine) -> None:
    made = await make_stack(engine)
    await make_group(engine, "other")
    await engine.create(stack.OPENAI, "ai", stack.openai_inputs())
    await engine.create(stack.SITE, "app", made.site_inputs())
    for token, inputs, code in (
        (stack.ACCOUNT, stack.account_inputs(), "StorageAccountAlreadyTaken"),
        (stack.OPENAI, stack.openai_inputs("another-name"), "CustomDomainInUse"),
        (stack.SITE, made.site_inputs(), "Conflict"),
    ):
        message = await refused(engine.create(token, "x", {**inputs, "resourceGroupName": "other"}))
        assert f'Status=409 Code="{code}"' in message


async def test_a_flex_plan_takes_one_app(engine: Engine) -> None:
    made = await make_stack(engine)
    await engine.create(stack.SITE, "app", made.site_inputs())
    message = await refused(engine.create(stack.SITE, "app2", made.site_inputs(name="assistant-app-2")))
    assert "takes one app" in message


@pytest.mark.parametrize(
    ("change", "text"),
    [
        ({"reserved": False}, "reserved is not true"),
        ({"sku": {"name": "FC1", "tier": "Dynamic"}}, "sku.tier is 'Dynamic'"),
        ({"sku": {"name": "Y1"}}, "NotSupportedByLocalAzure"),
    ],
)
async def test_plans_that_are_no_flex_plans(engine: Engine, change: Inputs, text: str) -> None:
    await make_group(engine)
    assert text in await refused(engine.create(stack.PLAN, "p", {**stack.plan_inputs(), **change}))


def without_container(made: Stack) -> Inputs:
    inputs = made.site_inputs()
    inputs["functionAppConfig"]["deployment"]["storage"]["value"] += "-not"
    return inputs


def without_identity(made: Stack) -> Inputs:
    missing = f"{made.identity.id}x"
    inputs = made.site_inputs(identity={"type": "UserAssigned", "userAssignedIdentities": [missing]})
    storage = inputs["functionAppConfig"]["deployment"]["storage"]
    storage["authentication"]["userAssignedIdentityResourceId"] = missing
    return inputs


REFUSED_APPS: list[tuple[Callable[[Stack], Inputs], str]] = [
    (without_container, "there is no such container"),
    (without_identity, "was not found"),
    (lambda made: made.site_inputs(serverFarmId=f"{made.plan.id}x"), "Cannot find ServerFarm"),
    (lambda made: made.site_inputs(location="westus"), "they are in one region"),
    (lambda made: made.site_inputs(identity={"type": "SystemAssigned"}), "which is not assigned to the app"),
    (lambda made: made.site_inputs(kind="app"), "Linux function apps only"),
    (lambda made: made.site_inputs(siteConfig={"netFrameworkVersion": "v4.6"}), "NetFrameworkVersion"),
]


@pytest.mark.parametrize(("build", "text"), REFUSED_APPS, ids=[text for _, text in REFUSED_APPS])
async def test_function_apps_that_azure_refuses_leave_nothing_behind(
    engine: Engine, build: Callable[[Stack], Inputs], text: str
) -> None:
    made = await make_stack(engine)
    before = engine.store.list()
    assert text in await refused(engine.create(stack.SITE, "app", build(made)))
    assert engine.store.list() == before
    assert engine.sites.exists == set()


async def test_an_identity_that_is_not_there_is_refused(engine: Engine) -> None:
    await make_group(engine)
    inputs = {
        **stack.openai_inputs(),
        "identity": {"type": "UserAssigned", "userAssignedIdentities": ["/subscriptions/s/resourceGroups/r"]},
    }
    assert 'Code="FailedIdentityOperation"' in await refused(engine.create(stack.OPENAI, "ai", inputs))


async def test_two_deployments_of_one_account_at_once_conflict(tmp_path: Path) -> None:
    async with running_engine(Store(tmp_path / "arm.json"), provisioning_seconds=60) as engine:
        await engine.configure(location="swedencentral")
        await make_group(engine)
        await engine.create(stack.OPENAI, "ai", stack.openai_inputs())
        first = asyncio.create_task(engine.create(stack.DEPLOYMENT, "a", stack.deployment_inputs()))
        for _ in range(1000):
            if engine.store.list("Microsoft.CognitiveServices/accounts/deployments"):
                break
            await asyncio.sleep(0.01)
        second = {**stack.deployment_inputs(), "deploymentName": "chat2"}
        message = await refused(engine.create(stack.DEPLOYMENT, "b", second))
        assert 'Status=409 Code="RequestConflict"' in message
        first.cancel()


# Role assignments and locks


async def test_role_assignments_that_azure_refuses(engine: Engine) -> None:
    group, identity = await make_group(engine), await make_identity(engine)
    principal = identity.outputs["principalId"]
    good = stack.assignment_inputs(group.id, principal)
    for change, code in (
        ({"roleAssignmentName": "reader"}, "InvalidRoleAssignmentId"),
        (
            {"roleDefinitionId": stack.role("00000000-0000-4000-8000-000000000009")},
            "RoleDefinitionDoesNotExist",
        ),
        ({"principalId": "00000000-0000-4000-8000-000000000009"}, "PrincipalNotFound"),
        ({"principalType": "User"}, "PrincipalNotFound"),
        ({"scope": f"{group.id}x"}, "ResourceGroupNotFound"),
        ({"scope": "/subscriptions/other"}, "SubscriptionNotFound"),
    ):
        message = await refused(engine.create(stack.ASSIGNMENT, "ra", {**good, **change}))
        assert f'Code="{code}"' in message, code
    made = await engine.create(stack.ASSIGNMENT, "ra", good)
    again = {**good, "roleAssignmentName": "7f1a9c1e-6a0e-5b7e-9b1e-0d6e0c5a7d11"}
    assert 'Code="RoleAssignmentExists"' in await refused(engine.create(stack.ASSIGNMENT, "ra2", again))
    change = {"roleDefinitionId": stack.role(stack.BLOB_OWNER)}
    assert 'Code="RoleAssignmentUpdateNotPermitted"' in await refused(
        engine.update(stack.ASSIGNMENT, made, change)
    )
    assert made.outputs["scope"] == group.id


async def test_a_lock_keeps_what_stands_below_and_above_it(engine: Engine) -> None:
    made = await make_stack(engine)
    lock = await engine.create(
        stack.LOCK, "keep", {"scope": made.account.id, "level": "CanNotDelete", "lockName": "keep"}
    )
    for token, one in (
        (stack.CONTAINER, made.container),
        (stack.ACCOUNT, made.account),
        (stack.GROUP, made.group),
    ):
        assert 'Status=409 Code="ScopeLocked"' in await refused(engine.delete(token, one.id))
    await engine.update(stack.ACCOUNT, made.account, {"tags": {"a": "b"}})
    await engine.delete(stack.LOCK, lock.id)
    await engine.delete(stack.CONTAINER, made.container.id)


async def test_a_read_only_lock_refuses_writes(engine: Engine) -> None:
    made = await make_stack(engine)
    await engine.create(stack.LOCK, "ro", {"scope": made.group.id, "level": "ReadOnly", "lockName": "ro"})
    change = {"tags": {"a": "b"}}
    assert 'Code="ScopeLocked"' in await refused(engine.update(stack.ACCOUNT, made.account, change))


# Failures half-way


async def test_a_service_that_fails_leaves_no_record(engine: Engine) -> None:
    await make_group(engine)
    engine.storage.broken = {"open_account"}
    assert "open_account is broken" in await refused(
        engine.create(stack.ACCOUNT, "sa", stack.account_inputs())
    )
    assert engine.store.list("Microsoft.Storage/storageAccounts") == []
    engine.storage.broken = set()
    await engine.create(stack.ACCOUNT, "sa", stack.account_inputs())


async def test_an_update_that_fails_puts_the_previous_resource_back(engine: Engine) -> None:
    made = await make_stack(engine)
    before = engine.store.require(made.account.id)
    engine.storage.broken = {"open_account"}
    await refused(engine.update(stack.ACCOUNT, made.account, {"allowSharedKeyAccess": True}))
    assert engine.store.require(made.account.id) == before


async def test_an_app_that_is_made_but_does_not_start_stays_in_the_state(engine: Engine) -> None:
    made = await make_stack(engine)
    engine.sites.broken = {"configure_site"}
    checked = await engine.check(stack.SITE, "app", made.site_inputs())
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await engine.stub.Create(
            provider_pb2.CreateRequest(urn=engine.urn(stack.SITE, "app"), properties=values.encode(checked))
        )
    trailing: dict[str, Any] = dict(caught.value.trailing_metadata() or ())
    status = status_pb2.Status.FromString(trailing["grpc-status-details-bin"])
    detail = provider_pb2.ErrorResourceInitFailed()
    assert status.details[0].Unpack(detail)
    assert detail.id.endswith("/sites/assistant-app")
    assert list(detail.reasons) == ["configure_site is broken"]
    assert values.decode(detail.inputs) == checked
    assert values.decode(detail.properties)["defaultHostName"] == "127.0.0.1:5001"
    assert engine.store.get(detail.id) is not None


# Diff


async def test_a_setting_updates_and_a_name_replaces(engine: Engine) -> None:
    made = await make_stack(engine)
    site = await engine.create(stack.SITE, "app", made.site_inputs())
    settings = {"siteConfig": {"minTlsVersion": "1.2", "appSettings": [{"name": "A", "value": "2"}]}}
    changed = await engine.diff(stack.SITE, site, settings)
    assert changed.changes == provider_pb2.DiffResponse.DIFF_SOME
    assert list(changed.detailedDiff) == ["siteConfig.appSettings[0].value"]
    assert list(changed.replaces) == []
    assert list(changed.diffs) == ["siteConfig"]
    renamed = await engine.diff(stack.SITE, site, {"name": "other"})
    assert renamed.detailedDiff["name"].kind == provider_pb2.PropertyDiff.UPDATE_REPLACE
    assert renamed.deleteBeforeReplace


async def test_no_change_is_no_change(engine: Engine) -> None:
    made = await make_stack(engine)
    same = await engine.diff(stack.PLAN, made.plan, {})
    assert same.changes == provider_pb2.DiffResponse.DIFF_NONE


async def test_a_made_up_name_is_replaced_before_the_old_one_is_deleted(engine: Engine) -> None:
    group = await engine.create(stack.GROUP, "rg", {})
    moved = await engine.diff(stack.GROUP, group, {"location": "westus"})
    assert list(moved.replaces) == ["location"]
    assert not moved.deleteBeforeReplace


@pytest.mark.parametrize(
    ("token", "old", "new", "replaces"),
    [
        (stack.OPENAI, stack.openai_inputs(), stack.openai_inputs(subdomain="b"), True),
        (stack.ASSIGNMENT, stack.assignment_inputs("/s", "p"), stack.assignment_inputs("/s", "q"), True),
        (stack.PLAN, stack.plan_inputs(), {**stack.plan_inputs(), "reserved": False}, True),
        (stack.SITE, {"kind": "functionapp,linux"}, {"kind": "functionapp"}, True),
        (stack.ACCOUNT, {"isHnsEnabled": False}, {"isHnsEnabled": True}, True),
        (stack.ACCOUNT, {"allowSharedKeyAccess": False}, {"allowSharedKeyAccess": True}, False),
        (
            stack.DEPLOYMENT,
            stack.deployment_inputs(),
            stack.deployment_inputs("gpt-5.5", "2026-04-24"),
            False,
        ),
        (
            stack.ASSIGNMENT,
            stack.assignment_inputs("/s", "p"),
            stack.assignment_inputs("/s", "p", stack.BLOB_OWNER),
            False,
        ),
    ],
)
async def test_what_replaces(engine: Engine, token: str, old: Inputs, new: Inputs, replaces: bool) -> None:
    response = await engine.stub.Diff(
        provider_pb2.DiffRequest(
            urn=engine.urn(token, "x"), old_inputs=values.encode(old), news=values.encode(new)
        )
    )
    assert response.changes == provider_pb2.DiffResponse.DIFF_SOME
    assert bool(response.replaces) == replaces


# Read


async def test_refresh_of_an_untouched_resource_changes_nothing(engine: Engine) -> None:
    made = await make_stack(engine)
    site = await engine.create(stack.SITE, "app", made.site_inputs())
    scm = await engine.create(
        stack.SCM, "scm", {"resourceGroupName": "rg", "name": "assistant-app", "allow": False}
    )
    for token, one in (
        (stack.SITE, site),
        (stack.ACCOUNT, made.account),
        (stack.PLAN, made.plan),
        (stack.CONTAINER, made.container),
        (stack.SCM, scm),
    ):
        read = await engine.refresh(token, one)
        assert read is not None
        assert read.inputs == one.inputs
        assert read.outputs == one.outputs


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"properties": {"allowSharedKeyAccess": True}}, {"allowSharedKeyAccess": True}),
        ({"properties": {"networkAcls": {"bypass": "None"}}}, {"networkRuleSet": {"bypass": "None"}}),
        ({"tags": {"a": "1", "b": "3"}}, {"tags": {"a": "1", "b": "3"}}),
        ({"tags": {"a": "1"}}, {"tags": {"a": "1"}}),
        ({"tags": {"a": "1", "b": "2", "c": "3"}}, {"tags": {"a": "1", "b": "2", "c": "3"}}),
        ({"tags": {}}, {"tags": None}),
    ],
)
async def test_refresh_shows_what_changed_in_azure(engine: Engine, changes: Inputs, expected: Inputs) -> None:
    made = await make_stack(engine)
    account = await engine.update(stack.ACCOUNT, made.account, {"tags": {"a": "1", "b": "2"}})
    stored: Any = engine.store.require(account.id)
    for name, value in changes.get("properties", {}).items():
        before = stored["properties"][name]
        stored["properties"][name] = {**before, **value} if isinstance(value, dict) else value
    stored.update({name: value for name, value in changes.items() if name != "properties"})
    engine.store.put(stored)

    read = await engine.refresh(stack.ACCOUNT, account)

    assert read is not None
    wanted = {name: value for name, value in {**account.inputs, **expected}.items() if value is not None}
    assert read.inputs == wanted


async def test_what_is_gone_has_no_id(engine: Engine) -> None:
    group = await make_group(engine)
    await engine.delete(stack.GROUP, group.id)
    assert await engine.read(stack.GROUP, group.id) is None


async def test_import_by_id_finds_the_inputs(engine: Engine) -> None:
    made = await make_stack(engine)
    imported = await engine.read(stack.ACCOUNT, made.account.id)
    assert imported is not None
    for name, value in stack.account_inputs().items():
        assert imported.inputs[name] == value
    site = await engine.create(stack.SITE, "app", made.site_inputs())
    read = await engine.read(stack.SITE, site.id)
    assert read is not None
    assert read.inputs["identity"]["userAssignedIdentities"] == [made.identity.id]
    await engine.check(stack.SITE, "app", read.inputs)


async def test_an_id_of_another_type_is_refused(engine: Engine) -> None:
    group = await make_group(engine)
    assert "is no id of azure-native:storage:Table" in await refused(engine.read(stack.TABLE, group.id))


async def test_getters_read_what_is_there(engine: Engine) -> None:
    await make_stack(engine)
    arguments = {"resourceGroupName": "rg", "accountName": "assistantsa"}
    found = await engine.invoke("azure-native:storage:getStorageAccount", arguments)
    assert found["primaryEndpoints"]["table"] == "https://127.0.0.1:6003/assistantsa/"
    arguments["accountName"] = "nobody"
    message = await refused(engine.invoke("azure-native:storage:getStorageAccount", arguments))
    assert 'Code="ResourceNotFound"' in message


# Update and delete


async def test_an_update_keeps_ids_and_endpoints(engine: Engine) -> None:
    made = await make_stack(engine)
    updated = await engine.update(stack.IDENTITY, made.identity, {"tags": {"a": "b"}})
    for name in ("principalId", "clientId"):
        assert updated.outputs[name] == made.identity.outputs[name]
    site = await engine.create(stack.SITE, "app", made.site_inputs())
    await engine.update(stack.SITE, site, {"httpsOnly": False})
    assert engine.sites.configured == ["assistant-app", "assistant-app"]


async def test_deleting_a_group_deletes_all_in_it_and_twice_is_fine(engine: Engine) -> None:
    made = await make_stack(engine)
    await engine.create(stack.SITE, "app", made.site_inputs())
    await engine.create(stack.OPENAI, "ai", stack.openai_inputs())
    for _ in range(2):
        await engine.delete(stack.GROUP, made.group.id)
    assert [one["type"] for one in engine.store.list()] == [deleted.TYPE]
    assert engine.storage.exists | engine.sites.exists | engine.models.exists == set()


async def test_a_delete_that_fails_keeps_the_resource(engine: Engine) -> None:
    made = await make_stack(engine)
    site = await engine.create(stack.SITE, "app", made.site_inputs())
    engine.sites.broken = {"delete_site"}
    assert "delete_site is broken" in await refused(engine.delete(stack.SITE, site.id))
    assert engine.store.get(site.id) is not None


async def test_a_plan_with_an_app_is_not_deleted(engine: Engine) -> None:
    made = await make_stack(engine)
    await engine.create(stack.SITE, "app", made.site_inputs())
    assert "has web app(s) assistant-app" in await refused(engine.delete(stack.PLAN, made.plan.id))


async def test_resetting_blob_service_properties_keeps_the_containers(engine: Engine) -> None:
    made = await make_stack(engine)
    service = await engine.create(
        stack.BLOB_SERVICE,
        "blobs",
        {
            "resourceGroupName": "rg",
            "accountName": "assistantsa",
            "deleteRetentionPolicy": {"enabled": True, "days": 7},
        },
    )
    await engine.delete(stack.BLOB_SERVICE, service.id)
    assert engine.store.get(service.id) is None
    assert engine.store.get(made.container.id) is not None


def lifecycle(*rules: tuple[str, Inputs]) -> Inputs:
    return {
        "resourceGroupName": "rg",
        "accountName": "assistantsa",
        "policy": {
            "rules": [
                {"name": name, "type": "Lifecycle", "definition": {"actions": actions}}
                for name, actions in rules
            ]
        },
    }


async def test_lifecycle_rules_have_names_of_their_own_and_something_to_do(engine: Engine) -> None:
    await make_stack(engine)
    token = "azure-native:storage:ManagementPolicy"
    expire: Inputs = {"version": {"delete": {"daysAfterCreationGreaterThan": 90}}}
    for wrong, said in (
        (lifecycle(), "1 to 100"),
        (lifecycle(("a", expire), ("a", expire)), "a more often"),
        (lifecycle(("idle", {})), "idle none"),
    ):
        assert said in await refused(engine.create(token, "rules", wrong))
    made = await engine.create(token, "rules", lifecycle(("a", expire), ("b", expire)))
    assert made.id.endswith("/storageAccounts/assistantsa/managementPolicies/default")


@pytest.mark.parametrize("level", ["CanNotDelete", "ReadOnly"])
async def test_a_lock_below_a_group_keeps_the_whole_group(engine: Engine, level: str) -> None:
    made = await make_stack(engine)
    await engine.create(stack.LOCK, "l", {"scope": made.account.id, "lockName": "keep", "level": level})
    before = engine.store.list()

    assert "ScopeLocked" in await refused(engine.delete(stack.GROUP, made.group.id))

    assert engine.store.list() == before


async def test_tags_that_azure_does_not_take_are_refused(engine: Engine) -> None:
    tags = {f"t{number}": "" for number in range(51)}
    assert "TooManyTags" in await refused(
        engine.create(stack.GROUP, "rg", {"resourceGroupName": "rg", "tags": tags})
    )
    assert engine.store.list() == []
