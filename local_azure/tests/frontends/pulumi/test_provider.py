"""Pulumi's provider protocol over a real channel, in front of fake data planes."""

import asyncio
import re
from typing import Any

import grpc
import grpc.aio
import pytest
from google.protobuf.empty_pb2 import Empty
from pulumi.runtime.proto import provider_pb2, status_pb2

from local_azure.core.schema import UNKNOWN
from local_azure.core.store import SUBSCRIPTION_ID, TENANT_ID
from local_azure.frontends.pulumi import values
from local_azure.services import catalogue
from local_azure.tests.frontends.pulumi import stack
from local_azure.tests.frontends.pulumi.support import CheckError, Engine


async def refusal(call: Any) -> str:
    with pytest.raises(grpc.aio.AioRpcError) as error:
        await call
    return error.value.details() or ""


async def killed(call: Any) -> None:
    """The engine ends while the call runs."""
    with pytest.raises(grpc.aio.AioRpcError) as error:
        await call
    assert error.value.code() is grpc.StatusCode.DEADLINE_EXCEEDED


async def test_it_has_a_version_and_survives_cancel(engine: Engine) -> None:
    await engine.stub.Cancel(Empty())
    assert (await engine.stub.GetPluginInfo(Empty())).version == "3.29.0"
    assert "pulumi convert" in await refusal(engine.stub.GetSchema(provider_pb2.GetSchemaRequest()))


async def test_another_subscription_in_the_config_is_refused(engine: Engine) -> None:
    for subscription, failures in (("11111111-1111-4111-8111-111111111111", 1), (SUBSCRIPTION_ID.upper(), 0)):
        news = values.encode({"subscriptionId": subscription, "version": "3.29.0"})
        response = await engine.stub.CheckConfig(provider_pb2.CheckRequest(news=news))
        assert response.inputs == news
        assert [failure.property for failure in response.failures] == ["subscriptionId"] * failures


async def test_functions_read_the_client_config_and_resources(engine: Engine) -> None:
    config = await engine.invoke("azure-native:authorization:getClientConfig")
    assert (config["subscriptionId"], config["tenantId"]) == (SUBSCRIPTION_ID, TENANT_ID)
    await engine.create_stack()
    account = await engine.invoke("azure-native:storage:getStorageAccount", **stack.in_account())
    assert account["id"] == stack.ACCOUNT_ID
    assert account["primaryEndpoints"]["table"] == "https://127.0.0.1:6003/assistantsa/"
    missing = engine.invoke(
        "azure-native:storage:getStorageAccount", resourceGroupName="rg", accountName="other"
    )
    assert 'Status=404 Code="ResourceNotFound" Message="The Resource' in await refusal(missing)


async def test_an_unknown_type_or_function_names_the_nearest(engine: Engine) -> None:
    assert "storage:Table" in await refusal(engine.check("azure-native:storage:Tabel", {}))
    assert "getClientConfig" in await refusal(engine.invoke("azure-native:authorization:getClientConfi"))


# Check


WITHOUT_NAME: dict[str, stack.Inputs] = {
    stack.GROUP: {},
    stack.KEY: {"resourceGroupName": "rg", "vaultName": "kv-state", "properties": {}},
    stack.BLOB_SERVICE: stack.in_account(),
    stack.ASSIGNMENT: {"scope": "/s", "principalId": "p", "roleDefinitionId": "r"},
}


@pytest.mark.parametrize(
    ("token", "pattern", "is_random"),
    [
        (stack.GROUP, r"x[0-9a-f]{8}", True),
        (stack.KEY, "x", False),
        (stack.BLOB_SERVICE, "default", False),
        (stack.ASSIGNMENT, r"[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}", True),
    ],
)
async def test_an_automatic_name_comes_from_the_seed_and_is_kept(
    engine: Engine, token: str, pattern: str, is_random: bool
) -> None:
    inputs, name = WITHOUT_NAME[token], catalogue.find_type(token).name_input
    first = await engine.check(token, inputs)
    assert first == await engine.check(token, inputs)
    assert re.fullmatch(pattern, first[name])
    assert first.get("__createBeforeDelete", False) == is_random
    assert await engine.check(token, inputs, old=first, seed=b"new") == first
    others = {(await engine.check(token, inputs, seed=seed))[name] for seed in (b"new", b"", b"")}
    assert len(others | {first[name]}) == (4 if is_random else 1)


@pytest.mark.parametrize(
    ("mode", "token", "proposed"),
    [
        ("ENFORCE", stack.GROUP, True),
        ("PROPOSE", stack.GROUP, True),
        ("ENFORCE", stack.ASSIGNMENT, True),
        ("PROPOSE", stack.ASSIGNMENT, False),  # its name is a GUID
        ("PROPOSE", stack.BLOB_SERVICE, False),  # its name is `default`
        ("DISABLE", stack.GROUP, False),
    ],
)
async def test_autonaming_settings_of_the_engine_precede_the_automatic_name(
    engine: Engine, mode: str, token: str, proposed: bool
) -> None:
    options = provider_pb2.CheckRequest.AutonamingOptions
    autonaming = options(proposed_name="proposed", mode=options.Mode.Value(mode))
    named = await engine.check(token, WITHOUT_NAME[token], autonaming=autonaming)
    assert ("proposed" in named.values()) == proposed


async def test_the_location_is_the_old_one_else_the_configured_one_else_the_groups(engine: Engine) -> None:
    await engine.create(stack.GROUP, stack.group_inputs(location="westus"))
    old = {"location": "northeurope"}
    assert (await engine.check(stack.PLAN, stack.plan_inputs(), old=old))["location"] == "northeurope"
    assert (await engine.check(stack.PLAN, stack.plan_inputs()))["location"] == "swedencentral"
    await engine.configure()
    assert (await engine.check(stack.PLAN, stack.plan_inputs()))["location"] == "westus"
    unknown_group = stack.plan_inputs(resourceGroupName=UNKNOWN)
    assert (await engine.check(stack.PLAN, unknown_group))["location"] is UNKNOWN
    with pytest.raises(CheckError) as error:
        await engine.check(stack.GROUP, {})
    assert "pulumi config set azure-native:location" in error.value.problems["location"]


async def test_every_provider_instance_has_its_own_location(engine: Engine) -> None:
    async with engine.another_instance() as other:
        await other.configure(location="westus")
        assert (await engine.check(stack.GROUP, {}))["location"] == "swedencentral"
        assert (await other.check(stack.GROUP, {}))["location"] == "westus"


# Preview


async def test_a_preview_knows_only_the_inputs(engine: Engine) -> None:
    outputs = await engine.preview(stack.OPENAI, {**stack.openai_inputs(), "location": "swedencentral"})
    assert outputs["location"] == "swedencentral"
    assert outputs["properties"]["customSubDomainName"] == "assistant-ai"
    assert outputs["properties"]["endpoint"] is UNKNOWN
    assert outputs["name"] is UNKNOWN
    # A list as input, a map as output.
    assert (await engine.preview(stack.SITE, stack.site_inputs()))["identity"] == {
        "type": "UserAssigned",
        "userAssignedIdentities": UNKNOWN,
        "principalId": UNKNOWN,
        "tenantId": UNKNOWN,
    }
    assert engine.cloud.store.list() == []


async def test_a_previewed_update_keeps_name_and_location(engine: Engine) -> None:
    group = await engine.create(stack.GROUP, stack.group_inputs())
    previewed = await engine.update(stack.GROUP, group, preview=True, tags={"a": "b"})
    assert (previewed.outputs["name"], previewed.outputs["location"]) == ("rg", "swedencentral")
    assert "tags" not in engine.cloud.store.require(group.id)


# Create


async def test_a_function_app_has_the_outputs_of_the_real_provider(engine: Engine) -> None:
    created = await engine.create_stack()
    site = await engine.create(stack.SITE, stack.site_inputs())
    assert site.id == f"{stack.GROUP_ID}/providers/Microsoft.Web/sites/assistant-app"
    assert site.outputs["defaultHostName"] == "127.0.0.1:5001"
    assert {state["hostType"]: state["name"] for state in site.outputs["hostNameSslStates"]} == {
        "Standard": "127.0.0.1:5001",
        "Repository": "127.0.0.1:5002",
    }
    identity = created[stack.IDENTITY].outputs
    assert site.outputs["identity"]["userAssignedIdentities"] == {
        stack.IDENTITY_ID: {"clientId": identity["clientId"], "principalId": identity["principalId"]}
    }
    assert site.outputs["functionAppConfig"]["scaleAndConcurrency"]["instanceMemoryMB"] == 2048
    assert site.outputs["azureApiVersion"] == "2025-05-01"
    assert "appSettings" not in site.outputs["siteConfig"]
    stored = engine.cloud.store.require(site.id).get("properties", {})
    assert stored["siteConfig"]["appSettings"] == [{"name": "A", "value": "1"}]
    assert engine.cloud.services.configured == ["assistant-app"]
    # The SDK's names in the outputs, ARM's in the store.
    stored = engine.cloud.store.require(stack.ACCOUNT_ID).get("properties", {})
    assert (stored["supportsHttpsTrafficOnly"], stored.get("enableHttpsTrafficOnly")) == (True, None)
    assert created[stack.ACCOUNT].outputs["enableHttpsTrafficOnly"] is True


async def test_monitoring_and_models_have_the_outputs_of_the_real_provider(engine: Engine) -> None:
    await engine.create(stack.GROUP, stack.group_inputs())
    workspace = await engine.create(
        stack.WORKSPACE,
        {"resourceGroupName": "rg", "workspaceName": "logs", "sku": {"name": "PerGB2018"}},
    )
    component = await engine.create(
        stack.COMPONENT,
        {
            **stack.identity_inputs("insights"),
            "kind": "web",
            "applicationType": "web",
            "workspaceResourceId": workspace.id,
        },
    )
    account = await engine.create(stack.OPENAI, stack.openai_inputs())
    deployment = await engine.create(stack.DEPLOYMENT, stack.deployment_inputs())

    assert workspace.outputs["customerId"]
    assert workspace.outputs["sku"] == {"name": "PerGB2018"}
    key, connection = (component.outputs[name] for name in ("instrumentationKey", "connectionString"))
    assert connection.startswith(f"InstrumentationKey={key};IngestionEndpoint=https://")
    assert component.outputs["applicationType"] == "web"
    assert account.outputs["properties"]["endpoint"] == "https://127.0.0.1:7001/assistant-ai/"
    assert deployment.outputs["properties"]["provisioningState"] == "Succeeded"
    assert deployment.outputs["sku"] == {"name": "GlobalStandard", "capacity": 10}


async def test_only_a_repeated_request_of_a_killed_engine_may_create_again(engine: Engine) -> None:
    """A CLI that was killed after the response has only a pending create in its state."""
    inputs = stack.group_inputs()
    group = await engine.create(stack.GROUP, inputs)
    for call in (
        engine.create(stack.GROUP, inputs, name="another"),
        engine.create(stack.GROUP, {**inputs, "tags": {"a": "b"}}),
    ):
        assert await refusal(call) == f"cannot create already existing resource '{group.id}'"
    assert await engine.create(stack.GROUP, inputs) == group
    await engine.read(stack.GROUP, group.id)  # the engine has recorded it
    assert "already existing" in await refusal(engine.create(stack.GROUP, inputs))


async def test_a_creation_continues_when_its_engine_is_killed(engine: Engine) -> None:
    await engine.create_stack()
    services = engine.cloud.services
    services.held = {"configure_site"}
    await killed(engine.create(stack.SITE, stack.site_inputs(), timeout=0.3))
    services.release.set()
    site = await engine.create(stack.SITE, stack.site_inputs())
    assert engine.cloud.store.get(site.id) is not None
    assert "site assistant-app" in services.exists


async def test_a_deletion_continues_when_its_engine_is_killed_and_later_calls_wait_for_it(
    engine: Engine,
) -> None:
    """A deletion that was cancelled with its caller left the site's ports reserved for ever."""
    await engine.create_stack()
    site = await engine.create(stack.SITE, stack.site_inputs())
    services = engine.cloud.services
    services.held = {"delete_site"}
    await killed(engine.delete(stack.SITE, site.id, timeout=0.3))
    services.held, services.broken = set(), {"delete_site"}
    calls = [
        asyncio.create_task(call)
        for call in (engine.delete(stack.SITE, site.id), engine.create(stack.SITE, stack.site_inputs()))
    ]
    assert not (await asyncio.wait(calls, timeout=0.1))[0]
    assert "site assistant-app" in services.exists
    services.release.set()
    await asyncio.gather(*calls)
    assert engine.cloud.store.get(site.id) is not None
    assert "site assistant-app" in services.exists


async def test_an_app_that_does_not_start_stays_in_the_state(engine: Engine) -> None:
    await engine.create_stack()
    engine.cloud.services.broken = {"configure_site"}
    with pytest.raises(grpc.aio.AioRpcError) as error:
        await engine.create(stack.SITE, stack.site_inputs())
    trailing: dict[str, Any] = dict(error.value.trailing_metadata() or ())
    status = status_pb2.Status.FromString(trailing["grpc-status-details-bin"])
    detail = provider_pb2.ErrorResourceInitFailed()
    assert status.details[0].Unpack(detail)
    assert detail.id.endswith("/sites/assistant-app")
    assert list(detail.reasons) == ["configure_site is broken"]
    assert values.decode(detail.inputs) == await engine.check(stack.SITE, stack.site_inputs())
    assert values.decode(detail.properties)["defaultHostName"] == "127.0.0.1:5001"
    assert engine.cloud.store.get(detail.id) is not None


# Diff


async def test_a_setting_updates_and_a_name_replaces(engine: Engine) -> None:
    old = await engine.check(stack.SITE, stack.site_inputs())
    same = await engine.diff(stack.SITE, old, {**old, "azureApiVersion": "another"})
    assert same.changes == provider_pb2.DiffResponse.DIFF_NONE
    settings = {"minTlsVersion": "1.2", "appSettings": [{"name": "A", "value": "2"}]}
    changed = await engine.diff(stack.SITE, old, {**old, "siteConfig": settings})
    assert changed.changes == provider_pb2.DiffResponse.DIFF_SOME
    assert list(changed.detailedDiff) == ["siteConfig.appSettings[0].value"]
    assert (list(changed.replaces), list(changed.diffs)) == ([], ["siteConfig"])
    renamed = await engine.diff(stack.SITE, old, {**old, "name": "other"})
    assert renamed.detailedDiff["name"].kind == provider_pb2.PropertyDiff.UPDATE_REPLACE
    assert renamed.deleteBeforeReplace


async def test_a_resource_with_an_automatic_name_is_created_before_the_old_one_is_deleted(
    engine: Engine,
) -> None:
    old = await engine.check(stack.GROUP, {})
    moved = await engine.diff(stack.GROUP, old, {**old, "location": "westus"})
    assert list(moved.replaces) == ["location"]
    assert not moved.deleteBeforeReplace


# Read, update and delete


async def test_a_refresh_of_an_untouched_resource_changes_nothing(engine: Engine) -> None:
    created = await engine.create_stack()
    created[stack.SITE] = await engine.create(stack.SITE, stack.site_inputs())
    inputs = {"resourceGroupName": "rg", "name": "assistant-app", "allow": False}
    created[stack.SCM] = await engine.create(stack.SCM, inputs)
    for token, resource in created.items():
        assert await engine.read(token, resource.id, resource) == resource


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"properties": {"allowSharedKeyAccess": True}}, {"allowSharedKeyAccess": True}),
        ({"properties": {"networkAcls": {"bypass": "None"}}}, {"networkRuleSet": {"bypass": "None"}}),
        ({"tags": {"a": "1", "b": "3"}}, {"tags": {"a": "1", "b": "3"}}),
        ({"tags": {"a": "1"}}, {"tags": {"a": "1"}}),
        ({"tags": {"a": "1", "b": "2", "c": "3"}}, {"tags": {"a": "1", "b": "2", "c": "3"}}),
        ({"tags": {}}, {"tags": UNKNOWN}),
    ],
)
async def test_a_refresh_finds_what_changed_in_azure(
    engine: Engine, changes: stack.Inputs, expected: stack.Inputs
) -> None:
    await engine.create(stack.GROUP, stack.group_inputs())
    account = await engine.create(stack.ACCOUNT, stack.account_inputs(tags={"a": "1", "b": "2"}))
    stored: Any = engine.cloud.store.require(account.id)
    for name, value in changes.get("properties", {}).items():
        before = stored["properties"][name]
        stored["properties"][name] = {**before, **value} if isinstance(value, dict) else value
    stored["tags"] = changes.get("tags", stored["tags"])
    engine.cloud.store.put(stored)

    refreshed = await engine.read(stack.ACCOUNT, account.id, account)

    assert refreshed is not None
    inputs = {**account.inputs, **expected}
    assert refreshed.inputs == {name: value for name, value in inputs.items() if value is not UNKNOWN}


async def test_an_import_by_id_has_the_inputs_that_create_the_resource(engine: Engine) -> None:
    await engine.create_stack()
    await engine.create(stack.SITE, stack.site_inputs())
    account = await engine.read(stack.ACCOUNT, stack.ACCOUNT_ID)
    site = await engine.read(stack.SITE, f"{stack.GROUP_ID}/providers/Microsoft.Web/sites/assistant-app")
    assert account is not None
    assert site is not None
    assert stack.account_inputs().items() <= account.inputs.items()
    assert site.inputs["identity"]["userAssignedIdentities"] == [stack.IDENTITY_ID]
    await engine.check(stack.SITE, site.inputs)


async def test_only_an_existing_resource_of_the_type_can_be_read(engine: Engine) -> None:
    assert await engine.read(stack.GROUP, stack.GROUP_ID) is None
    assert "azure-native:storage:Table" in await refusal(engine.read(stack.TABLE, stack.GROUP_ID))


async def test_a_resource_is_updated_and_deleted_unless_azure_refuses(engine: Engine) -> None:
    group = await engine.create(stack.GROUP, stack.group_inputs())
    updated = await engine.update(stack.GROUP, group, tags={"a": "b"})
    assert updated.outputs == {**group.outputs, "tags": {"a": "b"}}
    lock = await engine.create(stack.LOCK, stack.lock_inputs(group.id, "ReadOnly"))
    assert 'Status=409 Code="ScopeLocked"' in await refusal(engine.update(stack.GROUP, group))
    assert 'Status=409 Code="ScopeLocked"' in await refusal(engine.delete(stack.GROUP, group.id))
    await engine.delete(stack.LOCK, lock.id)
    for _ in range(2):
        await engine.delete(stack.GROUP, group.id)
    assert engine.cloud.store.list() == []
