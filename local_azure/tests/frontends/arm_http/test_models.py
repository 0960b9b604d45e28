"""Deleted model accounts, by azure-mgmt-cognitiveservices and by the provider."""

from datetime import datetime, timedelta
from typing import Any

import pytest
from azure.core.exceptions import HttpResponseError, ResourceNotFoundError

from local_azure.core.errors import ArmError
from local_azure.core.store import SUBSCRIPTION_ID, Resource
from local_azure.services.cognitiveservices import deleted
from local_azure.tests.frontends.arm_http.conftest import World
from local_azure.tests.frontends.pulumi import stack
from local_azure.tests.frontends.pulumi.stack import GROUP_ID, SUBSCRIPTION

DEADLINE = 20.0
PLACE = ("eastus2", "rg", "assistant-ai")


def create(
    world: World, group: str = "rg", *, properties: dict[str, Any] | None = None, **changes: Any
) -> Resource:
    inputs = stack.openai_inputs()
    inputs["properties"] |= properties or {}
    return world.create(stack.OPENAI, {**inputs, "resourceGroupName": group, **changes})


def delete(world: World) -> None:
    world.clients.cognitive.accounts.begin_delete("rg", "assistant-ai").result(DEADLINE)


def purge(world: World) -> None:
    world.clients.cognitive.deleted_accounts.begin_purge(*PLACE).result(DEADLINE)


def deleted_names(world: World) -> list[str | None]:
    return [account.name for account in world.clients.cognitive.deleted_accounts.list()]


@pytest.fixture
def account(world: World) -> Resource:
    for group in ("rg", "other"):
        world.create(stack.GROUP, stack.group_inputs(group))
    return create(world, tags={"stack": "pr-7"}, identity={"type": "SystemAssigned"})


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
    dates = [datetime.fromisoformat(properties[name]) for name in ("deletion_date", "scheduled_purge_date")]
    assert dates[1] - dates[0] == timedelta(hours=48)
    assert world.clients.cognitive.deleted_accounts.get(*PLACE).name == "assistant-ai"
    assert world.models.exists == set()

    world.later = timedelta(hours=47, minutes=59)
    assert deleted_names(world) == ["assistant-ai"]
    world.later = timedelta(hours=48, minutes=1)
    assert deleted_names(world) == []
    create(world)


def test_its_name_and_subdomain_are_reserved_until_the_purge(world: World, account: Resource) -> None:
    world.delete(account)  # as the provider deletes it
    with pytest.raises(ArmError, match=r"FlagMustBeSetForRestore.*purge"):
        create(world)
    with pytest.raises(ArmError, match="CustomDomainInUse"):
        create(world, group="other")
    # Another group, and another region, are other names.
    create(world, group="other", properties={"customSubDomainName": "elsewhere"})
    west = create(world, location="westus3", properties={"customSubDomainName": "west"})
    world.store.delete(west["id"])

    purge(world)

    create(world)
    assert deleted_names(world) == []


def test_a_restore_returns_what_was_deleted(world: World, account: Resource) -> None:
    delete(world)
    # The least that Azure's own instructions send.
    inputs = {"resourceGroupName": "rg", "accountName": "assistant-ai", "properties": {"restore": True}}
    restored = world.create(stack.OPENAI, inputs)
    assert (restored, deleted_names(world), world.models.exists) == (account, [], {"assistant-ai"})


@pytest.mark.usefixtures("account")
def test_a_restore_that_is_refused_changes_nothing(world: World) -> None:
    with pytest.raises(ArmError, match="CanNotRestoreANonExistingResource"):
        create(world, accountName="another", properties={"restore": True})
    delete(world)
    with pytest.raises(ArmError, match="InvalidSkuId"):
        create(world, properties={"restore": True}, sku={"name": "F0"})
    assert deleted_names(world) == ["assistant-ai"]


@pytest.mark.usefixtures("account")
def test_it_outlives_its_group_and_is_purged_without_it(world: World) -> None:
    world.clients.resources.resource_groups.begin_delete("rg").result(DEADLINE)
    world.clients.cognitive.deleted_accounts.get(*PLACE)
    purge(world)
    purge(world)
    with pytest.raises(ResourceNotFoundError):
        world.clients.cognitive.deleted_accounts.get(*PLACE)


@pytest.mark.usefixtures("account")
def test_a_purge_needs_a_role_at_the_subscription(world: World) -> None:
    delete(world)
    world.assign("Contributor", GROUP_ID)
    accounts = world.stranger().cognitive.deleted_accounts
    with pytest.raises(HttpResponseError, match="locations/resourceGroups/deletedAccounts/delete") as error:
        accounts.begin_purge(*PLACE)
    assert error.value.status_code == 403
    with pytest.raises(HttpResponseError, match="AuthorizationFailed"):
        list(accounts.list())

    world.assign("Contributor", SUBSCRIPTION)

    accounts.begin_purge(*PLACE).result(DEADLINE)
    assert world.store.list(deleted.TYPE) == []
