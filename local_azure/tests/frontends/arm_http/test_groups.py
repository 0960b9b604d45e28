"""Resource groups, tags and lists, by azure-mgmt-resource."""

import time
from typing import Any

import pytest
from azure.core.exceptions import HttpResponseError
from azure.mgmt.resource.resources import models

from local_azure.tests.frontends.arm_http.conftest import World
from local_azure.tests.frontends.pulumi import stack
from local_azure.tests.frontends.pulumi.stack import ACCOUNT_ID, GROUP_ID

DEADLINE = 20.0
VERSION = {"api_version": "2024-01-01"}


def refusal(call: Any, *arguments: Any, **options: Any) -> tuple[int | None, str | None]:
    """The status and the code of the error."""
    with pytest.raises(HttpResponseError) as error:
        call(*arguments, **options)
    return error.value.status_code, error.value.error and error.value.error.code


def names(resources: Any) -> list[str]:
    return [resource.name for resource in resources]


def state_of(group: models.ResourceGroup) -> str | None:
    assert group.properties is not None
    return group.properties.provisioning_state


def test_groups_are_selected_by_a_tag_and_its_value(world: World) -> None:
    for number, tags in enumerate(({"stack": "pr-0", "project": "p"}, {"stack": "pr-1"}, {})):
        world.create(stack.GROUP, stack.group_inputs(f"rg-{number}", tags=tags))
    groups = world.clients.resources.resource_groups

    assert names(groups.list()) == ["rg-0", "rg-1", "rg-2"]
    assert names(groups.list(filter="tagName eq 'Project'")) == ["rg-0"]
    assert names(groups.list(filter="tagName eq 'stack' and tagValue eq 'pr-1'")) == ["rg-1"]
    assert names(groups.list(filter="tagName eq 'stack' and tagValue eq 'PR-1'")) == []
    assert [names(page) for page in groups.list(top=2).by_page()] == [["rg-0", "rg-1"], ["rg-2"]]


REFUSED_FILTERS = (
    "stack eq 'x'",
    "tagName eq x",
    "tagName eq 'a' or tagName eq 'b'",
    "tagName ne 'a'",
    "tagName eq 'a' and tagName eq 'b'",
    "tagValue eq 'x'",
)


def test_a_filter_that_azure_refuses_is_refused(world: World) -> None:
    groups = world.clients.resources.resource_groups
    for text in REFUSED_FILTERS:
        assert refusal(lambda text=text: names(groups.list(filter=text))) == (
            400,
            "InvalidFilterInQueryString",
        )


def test_the_caller_reads_and_deletes_what_its_role_allows(world: World) -> None:
    for name in ("rg-1", "rg-2"):
        world.create(stack.GROUP, stack.group_inputs(name))
    world.assign("Reader", f"{stack.SUBSCRIPTION}/resourceGroups/rg-2")
    groups = world.stranger().resources.resource_groups

    assert names(groups.list()) == ["rg-2"]
    assert groups.get("rg-2").name == "rg-2"
    for call, group, action in ((groups.get, "rg-1", "read"), (groups.begin_delete, "rg-2", "delete")):
        with pytest.raises(HttpResponseError, match=f"subscriptions/resourceGroups/{action}") as error:
            call(group)
        assert error.value.status_code == 403


def test_a_group_is_created_read_and_changed(world: World) -> None:
    groups = world.clients.resources.resource_groups
    created = groups.create_or_update("new", models.ResourceGroup(location="westus3", tags={"a": "1"}))

    assert (created.location, created.tags, state_of(created)) == ("westus3", {"a": "1"}, "Succeeded")
    assert (groups.check_existence("new"), groups.check_existence("other")) == (True, False)
    assert groups.update("new", models.ResourceGroupPatchable(tags={"b": "2"})).tags == {"b": "2"}
    moved = models.ResourceGroup(location="eastus2")
    assert refusal(groups.create_or_update, "new", moved) == (409, "InvalidResourceGroupLocation")
    assert refusal(groups.begin_delete, "other") == (404, "ResourceGroupNotFound")


def test_deleting_a_group_deletes_its_resources_and_keeps_deleted_model_accounts(world: World) -> None:
    site = world.create_site()
    world.create(stack.OPENAI, stack.openai_inputs())
    world.create(stack.TABLE, stack.in_account(tableName="table"))
    # A plan that is younger than its site is deleted after it all the same.
    site.get("properties", {})["serverFarmId"] = world.create(stack.PLAN, stack.plan_inputs("plan2"))["id"]
    world.store.put(site)

    world.clients.resources.resource_groups.begin_delete("rg").result(DEADLINE)

    assert not world.clients.resources.resource_groups.check_existence("rg")
    assert world.services.exists | world.models.exists == set()
    assert [resource["name"] for resource in world.store.list()] == ["assistant-ai"]
    assert names(world.clients.cognitive.deleted_accounts.list()) == ["assistant-ai"]


def test_nothing_is_created_in_a_group_that_is_being_deleted(world: World) -> None:
    world.create(stack.GROUP, stack.group_inputs())
    world.create(stack.OPENAI, stack.openai_inputs())
    groups = world.clients.resources.resource_groups
    world.models.release.clear()
    deletion = groups.begin_delete("rg")
    end = time.monotonic() + DEADLINE
    while state_of(groups.get("rg")) != "Deleting":
        assert time.monotonic() < end
    update = models.ResourceGroupPatchable(tags={})
    assert refusal(groups.update, "rg", update) == (409, "ResourceGroupBeingDeleted")
    repeated = groups.begin_delete("rg")
    assert not deletion.done()
    world.loop.call_soon_threadsafe(world.models.release.set)
    deletion.result(DEADLINE)
    repeated.result(DEADLINE)
    assert not groups.check_existence("rg")


def test_a_lock_below_a_group_refuses_its_deletion_at_once(world: World) -> None:
    world.create_site()
    world.create(stack.LOCK, stack.lock_inputs(ACCOUNT_ID))
    before, client = world.store.list(), world.clients.resources

    assert refusal(client.resource_groups.begin_delete, "rg") == (409, "ScopeLocked")
    assert refusal(client.resources.begin_delete_by_id, ACCOUNT_ID, **VERSION) == (409, "ScopeLocked")

    assert world.store.list() == before


def test_resources_are_listed_by_type_tag_and_group(world: World) -> None:
    world.create_site()
    world.create(stack.GROUP, stack.group_inputs("other"))
    world.create(stack.ACCOUNT, stack.account_inputs("second", resourceGroupName="other", tags={"a": "b"}))
    resources = world.clients.resources.resources

    assert names(resources.list()) == ["app-id", "assistantsa", "plan", "assistant-app", "second"]
    storage = "resourceType eq 'microsoft.storage/storageaccounts'"
    assert names(resources.list(filter=storage)) == ["assistantsa", "second"]
    assert names(resources.list(filter=f"{storage} and resourceGroup eq 'other'")) == ["second"]
    assert names(resources.list(filter=f"{storage} and name ne 'second'")) == ["assistantsa"]
    assert names(resources.list(filter="location eq 'East US 2'")) == names(resources.list())
    assert names(resources.list(filter="tagName eq 'a' and tagValue eq 'b'")) == ["second"]
    assert names(resources.list_by_resource_group("other")) == ["second"]
    absent = refusal(lambda: names(resources.list_by_resource_group("none")))
    assert absent == (404, "ResourceGroupNotFound")


@pytest.mark.parametrize(
    ("changes", "text"),
    [
        ({"minimumTlsVersion": "TLS9"}, "TLS1_2"),
        ({"minimumTslVersion": "TLS1_2"}, "minimumTslVersion"),
        ({"creationTime": "now"}, "creationTime"),
        ({"allowSharedKeyAccess": "no"}, "boolean"),
    ],
)
def test_a_patch_is_checked_as_the_provider_checks(world: World, changes: dict[str, str], text: str) -> None:
    world.create(stack.GROUP, stack.group_inputs())
    account = world.create(stack.ACCOUNT, stack.account_inputs())
    patch = world.clients.resources.resources.begin_update_by_id
    with pytest.raises(HttpResponseError, match=text) as error:
        patch(ACCOUNT_ID, {"properties": changes}, **VERSION)
    assert (error.value.status_code, error.value.error and error.value.error.code) == (
        400,
        "InvalidRequestContent",
    )
    assert world.store.get(ACCOUNT_ID) == account


def tag(world: World, operation: str, tags: dict[str, str]) -> dict[str, str]:
    patch = models.TagsPatchResource(operation=operation, properties=models.Tags(tags=tags))
    tagged = world.clients.resources.tags.begin_update_at_scope(GROUP_ID, patch).result(DEADLINE)
    return tagged.properties.tags or {}


def test_tags_are_merged_replaced_and_deleted_at_a_scope(world: World) -> None:
    world.create(stack.GROUP, stack.group_inputs(tags={"a": "1", "b": "2"}))
    tags = world.clients.resources.tags

    assert tag(world, "Merge", {"B": "3", "c": "4"}) == {"a": "1", "B": "3", "c": "4"}
    assert tag(world, "Delete", {"a": "1", "c": "5"}) == {"B": "3", "c": "4"}
    assert tag(world, "Replace", {"d": "5"}) == {"d": "5"}
    assert world.clients.resources.resource_groups.get("rg").tags == {"d": "5"}
    link = {"hidden-link:/subscriptions/x": "Resource"}  # Azure's own, with slashes
    created = models.TagsResource(properties=models.Tags(tags=link))
    tags.begin_create_or_update_at_scope(GROUP_ID, created).result(DEADLINE)
    assert tags.get_at_scope(GROUP_ID).properties.tags == link
    tags.begin_delete_at_scope(GROUP_ID).result(DEADLINE)
    assert tags.get_at_scope(GROUP_ID).properties.tags == {}
    world.create(stack.LOCK, stack.lock_inputs(GROUP_ID, "ReadOnly"))
    assert refusal(tag, world, "Merge", {"a": "b"}) == (409, "ScopeLocked")


def test_tags_that_azure_refuses_change_nothing(world: World) -> None:
    world.create(stack.GROUP, stack.group_inputs(tags={"kept": "yes"}))
    assert refusal(tag, world, "Merge", {"azure-owner": "me"}) == (400, "InvalidTagName")
    assert world.store.require(GROUP_ID).get("tags") == {"kept": "yes"}
