"""Deleted model accounts, by azure-mgmt-cognitiveservices and by the provider."""

from datetime import datetime, timedelta
from typing import Any

import pytest
from azure.core.exceptions import HttpResponseError, ResourceNotFoundError

from local_azure.core import ids, operations
from local_azure.core.errors import ArmError
from local_azure.core.store import SUBSCRIPTION_ID, Resource
from local_azure.services import catalogue
from local_azure.services.cognitiveservices import deleted
from local_azure.tests.frontends.arm_http.conftest import World
from local_azure.tests.frontends.pulumi import stack

DEADLINE = 20.0
PLACE = ("eastus2", "rg", "assistant-ai")


def make(world: World, group: str = "rg", name: str = "assistant-ai", **changes: Any) -> Resource:
    inputs = stack.openai_inputs(name)
    properties = {**inputs["properties"], **changes.pop("properties", {})}
    return world.make(
        stack.OPENAI, {**inputs, "resourceGroupName": group, "properties": properties, **changes}
    )


def delete(world: World) -> None:
    world.clients.cognitive.accounts.begin_delete("rg", "assistant-ai").result(DEADLINE)


def purge(world: World) -> None:
    world.clients.cognitive.deleted_accounts.begin_purge(*PLACE).result(DEADLINE)


@pytest.fixture
def account(world: World) -> Resource:
    world.make_group()
    return make(world, tags={"stack": "pr-7"})


def test_accounts_are_read_and_listed(world: World, account: Resource) -> None:
    accounts = world.clients.cognitive.accounts

    assert (
        accounts.get("rg", "assistant-ai").as_dict()["properties"]["custom_sub_domain_name"] == "assistant-ai"
    )
    assert [one.id for one in accounts.list()] == [account["id"]]
    assert [one.id for one in accounts.list_by_resource_group("rg")] == [account["id"]]


@pytest.mark.usefixtures("account")
def test_a_deleted_account_is_kept_for_48_hours(world: World) -> None:
    delete(world)

    with pytest.raises(ResourceNotFoundError):
        world.clients.cognitive.accounts.get("rg", "assistant-ai")
    (kept,) = world.clients.cognitive.deleted_accounts.list()
    assert kept.id == (
        f"/subscriptions/{SUBSCRIPTION_ID}/providers/Microsoft.CognitiveServices/locations/eastus2"
        "/resourceGroups/rg/deletedAccounts/assistant-ai"
    )
    assert (kept.location, kept.tags) == ("eastus2", {"stack": "pr-7"})
    properties: dict[str, str] = kept.as_dict()["properties"]
    begun, ends = (
        datetime.fromisoformat(properties[name]) for name in ("deletion_date", "scheduled_purge_date")
    )
    assert ends - begun == timedelta(hours=48)
    assert world.clients.cognitive.deleted_accounts.get(*PLACE).name == "assistant-ai"
    assert world.models.exists == set()


def test_deleting_it_through_the_provider_keeps_it_too(world: World, account: Resource) -> None:
    world.run(operations.delete(world.azure, account["id"], catalogue.BY_ARM_TYPE))
    assert [one.name for one in world.clients.cognitive.deleted_accounts.list()] == ["assistant-ai"]


@pytest.mark.usefixtures("account")
def test_its_name_and_its_subdomain_are_taken_until_it_is_purged(world: World) -> None:
    delete(world)
    world.make_group("other")

    with pytest.raises(ArmError, match=r"FlagMustBeSetForRestore.*purge"):
        make(world)
    with pytest.raises(ArmError, match="CustomDomainInUse"):
        make(world, group="other")
    purge(world)

    make(world)
    assert list(world.clients.cognitive.deleted_accounts.list()) == []


@pytest.mark.usefixtures("account")
def test_the_name_is_free_in_another_region_and_another_group(world: World) -> None:
    delete(world)
    world.make_group("other")
    elsewhere = {"customSubDomainName": "elsewhere"}

    make(world, group="other", properties=elsewhere)
    make(world, location="westus3", properties={"customSubDomainName": "west"})


def test_restore_brings_back_what_was_deleted(world: World) -> None:
    world.make_group()
    before = make(world, tags={"a": "b"}, identity={"type": "SystemAssigned"})
    delete(world)

    # The least that Azure's own instructions send.
    restored = world.make(
        stack.OPENAI,
        {"resourceGroupName": "rg", "accountName": "assistant-ai", "properties": {"restore": True}},
    )

    assert restored == before
    assert list(world.clients.cognitive.deleted_accounts.list()) == []
    assert world.models.exists == {"models assistant-ai"}


@pytest.mark.usefixtures("account")
def test_restore_fails_where_nothing_is_there(world: World) -> None:
    with pytest.raises(ArmError, match="CanNotRestoreANonExistingResource"):
        make(world, name="another", properties={"restore": True})
    delete(world)
    purge(world)
    with pytest.raises(ArmError, match="CanNotRestoreANonExistingResource"):
        make(world, properties={"restore": True})


@pytest.mark.usefixtures("account")
def test_a_refused_restore_keeps_the_deleted_account(world: World) -> None:
    delete(world)
    with pytest.raises(ArmError, match="InvalidSkuId"):
        make(world, properties={"restore": True}, sku={"name": "F0"})
    assert [one.name for one in world.clients.cognitive.deleted_accounts.list()] == ["assistant-ai"]


@pytest.mark.usefixtures("account")
def test_it_outlives_its_group_and_is_purged_without_it(world: World) -> None:
    world.clients.resources.resource_groups.begin_delete("rg").result(DEADLINE)

    world.clients.cognitive.deleted_accounts.get(*PLACE)
    purge(world)

    assert world.azure.store.list() == []


@pytest.mark.usefixtures("account")
def test_after_48_hours_it_is_gone_by_itself(world: World) -> None:
    delete(world)
    world.clock.later = timedelta(hours=47, minutes=59)
    assert len(list(world.clients.cognitive.deleted_accounts.list())) == 1

    world.clock.later = timedelta(hours=48, minutes=1)

    assert list(world.clients.cognitive.deleted_accounts.list()) == []
    make(world)


def test_what_is_not_there_cannot_be_read_and_needs_no_purge(world: World) -> None:
    with pytest.raises(ResourceNotFoundError):
        world.clients.cognitive.deleted_accounts.get(*PLACE)
    purge(world)


def test_purging_takes_a_role_on_the_subscription(world: World, account: Resource) -> None:
    delete(world)
    world.assign("Contributor", account["id"].partition("/providers/")[0])
    accounts = world.stranger().cognitive.deleted_accounts
    with pytest.raises(HttpResponseError) as error:
        accounts.begin_purge(*PLACE)
    assert error.value.status_code == 403
    assert (
        "Microsoft.CognitiveServices/locations/resourceGroups/deletedAccounts/delete" in error.value.message
    )
    with pytest.raises(HttpResponseError) as error:
        list(accounts.list())
    assert error.value.status_code == 403

    world.assign("Contributor", ids.subscription(SUBSCRIPTION_ID))

    accounts.begin_purge(*PLACE).result(DEADLINE)
    assert world.azure.store.list(deleted.TYPE) == []
