"""Resource groups, tags and lists, asked for by azure-mgmt-resource."""

import time
from collections.abc import Callable
from typing import Any

import pytest
from azure.core.exceptions import HttpResponseError, ResourceExistsError, ResourceNotFoundError
from azure.mgmt.resource.resources import models

from local_azure.core import ids
from local_azure.services.cognitiveservices.resource_types import ACCOUNT_TYPE
from local_azure.tests.frontends.arm_http.conftest import GROUP_ID, World
from local_azure.tests.frontends.pulumi import stack

DEADLINE = 20.0
VERSION = "2024-01-01"


def code_of(error: pytest.ExceptionInfo[HttpResponseError]) -> str:
    assert error.value.error is not None
    return error.value.error.code or ""


def names(listed: Any) -> list[str]:
    return [one.name for one in listed]


def state_of(group: models.ResourceGroup) -> str | None:
    assert group.properties is not None
    return group.properties.provisioning_state


def lock(world: World, scope: str, level: str = "CanNotDelete") -> None:
    world.make(stack.LOCK, {"scope": scope, "lockName": "keep", "level": level})


def until(condition: Callable[[], bool]) -> None:
    end = time.monotonic() + DEADLINE
    while not condition():
        assert time.monotonic() < end, "not within the deadline"
        time.sleep(0.01)


def test_groups_are_found_by_a_tag_and_its_value(world: World) -> None:
    world.make_group("rg-1", stack="pr-1", project="p")
    world.make_group("rg-2", stack="pr-2", project="p")
    world.make_group("rg-3")
    groups = world.clients.resources.resource_groups

    assert names(groups.list()) == ["rg-1", "rg-2", "rg-3"]
    assert names(groups.list(filter="tagName eq 'Project'")) == ["rg-1", "rg-2"]
    assert names(groups.list(filter="tagName eq 'stack' and tagValue eq 'pr-2'")) == ["rg-2"]
    assert names(groups.list(filter="tagName eq 'stack' and tagValue eq 'PR-2'")) == []


@pytest.mark.parametrize(
    "text", ["stack eq 'x'", "tagName eq x", "tagName eq 'a' or tagName eq 'b'", "tagValue eq 'x'"]
)
def test_a_filter_that_azure_would_not_take_is_refused(world: World, text: str) -> None:
    with pytest.raises(HttpResponseError) as error:
        names(world.clients.resources.resource_groups.list(filter=text))
    assert (error.value.status_code, code_of(error)) == (400, "InvalidFilterInQueryString")


def test_a_long_list_comes_in_pages(world: World) -> None:
    for number in range(5):
        world.make_group(f"rg-{number}")

    pages = world.clients.resources.resource_groups.list(top=2).by_page()

    assert [names(page) for page in pages] == [["rg-0", "rg-1"], ["rg-2", "rg-3"], ["rg-4"]]


def test_a_list_shows_what_the_caller_may_read(world: World) -> None:
    world.make_group("rg-1")
    world.assign("Reader", world.make_group("rg-2")["id"])
    groups = world.stranger().resources.resource_groups

    assert names(groups.list()) == ["rg-2"]
    assert groups.get("rg-2").name == "rg-2"
    with pytest.raises(HttpResponseError) as error:
        groups.get("rg-1")
    assert (error.value.status_code, code_of(error)) == (403, "AuthorizationFailed")
    assert "Microsoft.Resources/subscriptions/resourceGroups/read" in error.value.message


def test_a_group_is_made_read_and_changed(world: World) -> None:
    groups = world.clients.resources.resource_groups
    made = groups.create_or_update("new", models.ResourceGroup(location="westus3", tags={"a": "1"}))

    assert (made.location, made.tags, state_of(made)) == (
        "westus3",
        {"a": "1"},
        "Succeeded",
    )
    assert groups.check_existence("new")
    assert not groups.check_existence("other")
    assert groups.update("new", models.ResourceGroupPatchable(tags={"b": "2"})).tags == {"b": "2"}
    with pytest.raises(ResourceExistsError) as error:
        groups.create_or_update("new", models.ResourceGroup(location="eastus2"))
    assert code_of(error) == "InvalidResourceGroupLocation"


def test_a_group_that_is_not_there_cannot_be_deleted(world: World) -> None:
    with pytest.raises(ResourceNotFoundError) as error:
        world.clients.resources.resource_groups.begin_delete("rg")
    assert code_of(error) == "ResourceGroupNotFound"


def test_deleting_a_group_takes_everything_along_and_leaves_deleted_model_accounts(world: World) -> None:
    world.make_site()
    world.make(stack.OPENAI, stack.openai_inputs())
    world.make(stack.TABLE, {"resourceGroupName": "rg", "accountName": "assistantsa", "tableName": "t"})

    world.clients.resources.resource_groups.begin_delete("rg").result(DEADLINE)

    assert not world.clients.resources.resource_groups.check_existence("rg")
    assert world.storage.exists | world.sites.exists | world.models.exists == set()
    assert [one["name"] for one in world.azure.store.list()] == ["assistant-ai"]
    assert names(world.clients.cognitive.deleted_accounts.list()) == ["assistant-ai"]


def test_a_plan_that_is_younger_than_its_site_does_not_stop_the_deletion(world: World) -> None:
    site = world.make_site()
    other = world.make(stack.PLAN, stack.plan_inputs("plan2"))
    site.get("properties", {})["serverFarmId"] = other["id"]
    world.azure.store.put(site)

    world.clients.resources.resource_groups.begin_delete("rg").result(DEADLINE)

    assert world.azure.store.list() == []


def test_while_a_group_is_deleted_nothing_is_made_in_it(world: World) -> None:
    world.make_group()
    world.make(stack.OPENAI, stack.openai_inputs())
    groups = world.clients.resources.resource_groups
    world.models.free.clear()
    deleting = groups.begin_delete("rg")
    try:
        until(lambda: state_of(groups.get("rg")) == "Deleting")
        assert not deleting.done()
        with pytest.raises(ResourceExistsError) as error:
            groups.update("rg", models.ResourceGroupPatchable(tags={}))
        assert code_of(error) == "ResourceGroupBeingDeleted"
        again = groups.begin_delete("rg")
    finally:
        world.loop.call_soon_threadsafe(world.models.free.set)
    deleting.result(DEADLINE)
    again.result(DEADLINE)
    assert not groups.check_existence("rg")


@pytest.mark.parametrize("level", ["CanNotDelete", "ReadOnly"])
@pytest.mark.parametrize("where", ["group", "child", "grandchild"])
def test_a_lock_on_a_group_or_below_it_keeps_all_of_it(world: World, where: str, level: str) -> None:
    world.make_group()
    account = world.make(stack.ACCOUNT, stack.account_inputs())
    table = world.make(
        stack.TABLE, {"resourceGroupName": "rg", "accountName": "assistantsa", "tableName": "t"}
    )
    lock(world, {"group": GROUP_ID, "child": account["id"], "grandchild": table["id"]}[where], level)
    before = world.azure.store.list()

    with pytest.raises(ResourceExistsError) as error:
        world.clients.resources.resource_groups.begin_delete("rg")
    assert code_of(error) == "ScopeLocked"
    with pytest.raises(ResourceExistsError) as error:
        world.clients.resources.resources.begin_delete_by_id(account["id"], api_version=VERSION)
    assert code_of(error) == "ScopeLocked"

    assert world.azure.store.list() == before
    assert world.storage.exists == {"storage assistantsa", "table assistantsa/t"}


def test_a_deletion_takes_the_right_to_delete(world: World) -> None:
    group = world.make_group()
    world.assign("Reader", group["id"])
    with pytest.raises(HttpResponseError) as error:
        world.stranger().resources.resource_groups.begin_delete("rg")
    assert "Microsoft.Resources/subscriptions/resourceGroups/delete" in error.value.message


def test_resources_are_listed_by_type_tag_and_group(world: World) -> None:
    world.make_site()
    world.make_group("other")
    world.make(
        stack.ACCOUNT, {**stack.account_inputs("second"), "resourceGroupName": "other", "tags": {"a": "b"}}
    )
    resources = world.clients.resources.resources

    assert names(resources.list()) == ["app-id", "assistantsa", "plan", "assistant-app", "second"]
    storage = "resourceType eq 'microsoft.storage/storageaccounts'"
    assert names(resources.list(filter=storage)) == ["assistantsa", "second"]
    assert names(resources.list(filter=f"{storage} and resourceGroup eq 'other'")) == ["second"]
    assert names(resources.list(filter="tagName eq 'a' and tagValue eq 'b'")) == ["second"]
    assert names(resources.list_by_resource_group("other")) == ["second"]
    with pytest.raises(ResourceNotFoundError):
        names(resources.list_by_resource_group("none"))


def test_a_resource_is_read_and_deleted_by_its_id(world: World) -> None:
    world.make_group()
    account = world.make(stack.ACCOUNT, stack.account_inputs())
    resources = world.clients.resources.resources

    read = resources.get_by_id(account["id"], api_version=VERSION)
    assert (read.name, dict(read.properties or {})["allowSharedKeyAccess"]) == ("assistantsa", False)
    resources.begin_delete_by_id(account["id"], api_version=VERSION).result(DEADLINE)

    with pytest.raises(ResourceNotFoundError):
        resources.get_by_id(account["id"], api_version=VERSION)
    resources.begin_delete_by_id(account["id"], api_version=VERSION).result(DEADLINE)
    assert world.storage.exists == set()


def test_a_property_is_changed_by_patch_and_nothing_else_is(world: World) -> None:
    world.make_group()
    account = world.make(stack.ACCOUNT, {**stack.account_inputs(), "tags": {"a": "1"}})

    changed = world.clients.resources.resources.begin_update_by_id(
        account["id"], {"properties": {"minimumTlsVersion": "TLS1_1"}}, api_version=VERSION
    ).result(DEADLINE)

    expected = {**account.get("properties", {}), "minimumTlsVersion": "TLS1_1"}
    assert (changed.tags, dict(changed.properties or {})) == ({"a": "1"}, expected)


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"minimumTlsVersion": "TLS9"}, "TLS1_2"),
        ({"minimumTslVersion": "TLS1_2"}, "minimumTslVersion"),
        ({"creationTime": "now"}, "creationTime"),
        ({"allowSharedKeyAccess": "no"}, "boolean"),
    ],
)
def test_a_patch_is_checked_as_the_provider_checks(world: World, changes: dict[str, str], said: str) -> None:
    world.make_group()
    account = world.make(stack.ACCOUNT, stack.account_inputs())
    with pytest.raises(HttpResponseError, match=said) as error:
        world.clients.resources.resources.begin_update_by_id(
            account["id"], {"properties": changes}, api_version=VERSION
        )
    assert (error.value.status_code, code_of(error)) == (400, "InvalidRequestContent")
    assert world.azure.store.get(account["id"]) == account


def tag(world: World, scope: str, operation: str, tags: dict[str, str]) -> dict[str, str]:
    patch = models.TagsPatchResource(operation=operation, properties=models.Tags(tags=tags))
    answered = world.clients.resources.tags.begin_update_at_scope(scope, patch).result(DEADLINE)
    return answered.properties.tags or {}


def test_tags_are_merged_replaced_and_taken_away_at_a_scope(world: World) -> None:
    account_group = world.make_group("rg", a="1", b="2")["id"]

    assert tag(world, account_group, "Merge", {"B": "3", "c": "4"}) == {"a": "1", "B": "3", "c": "4"}
    assert tag(world, account_group, "Delete", {"a": "1", "c": "5"}) == {"B": "3", "c": "4"}
    assert tag(world, account_group, "Replace", {"d": "5"}) == {"d": "5"}
    assert world.clients.resources.resource_groups.get("rg").tags == {"d": "5"}
    world.clients.resources.tags.begin_create_or_update_at_scope(
        account_group, models.TagsResource(properties=models.Tags(tags={"e": "6"}))
    ).result(DEADLINE)
    assert world.clients.resources.tags.get_at_scope(account_group).properties.tags == {"e": "6"}
    world.clients.resources.tags.begin_delete_at_scope(account_group).result(DEADLINE)
    assert world.clients.resources.tags.get_at_scope(account_group).properties.tags == {}


@pytest.mark.parametrize(
    ("tags", "code"),
    [
        ({f"t{number}": "" for number in range(51)}, "TooManyTags"),
        ({"a<b": ""}, "InvalidTagNameCharacters"),
        ({"a\\b": ""}, "InvalidTagNameCharacters"),
        ({"n" * 513: ""}, "InvalidTagName"),
        ({"a": "v" * 257}, "InvalidTagValueLength"),
        ({"a": "1", "A": "2"}, "DuplicateTagName"),
    ],
)
def test_tags_that_azure_does_not_take_are_refused(world: World, tags: dict[str, str], code: str) -> None:
    group = world.make_group("rg", kept="yes")["id"]
    with pytest.raises(HttpResponseError) as error:
        tag(world, group, "Replace", tags)
    assert (error.value.status_code, code_of(error)) == (400, code)
    assert world.clients.resources.resource_groups.get("rg").tags == {"kept": "yes"}


def test_a_link_of_azures_own_may_have_slashes(world: World) -> None:
    link = {"hidden-link:/subscriptions/x": "Resource"}
    assert tag(world, world.make_group()["id"], "Merge", link) == link


def test_a_read_only_lock_refuses_tags(world: World) -> None:
    group = world.make_group()["id"]
    lock(world, group, "ReadOnly")
    with pytest.raises(ResourceExistsError) as error:
        tag(world, group, "Merge", {"a": "b"})
    assert code_of(error) == "ScopeLocked"


def test_another_subscription_is_not_found(world: World) -> None:
    with pytest.raises(ResourceNotFoundError) as error:
        world.clients.resources.resources.get_by_id(
            ids.build(ids.resource_group("other", "rg"), ACCOUNT_TYPE, "a"), api_version=VERSION
        )
    assert code_of(error) == "SubscriptionNotFound"
