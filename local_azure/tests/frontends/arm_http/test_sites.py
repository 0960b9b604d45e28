"""Function apps by azure-mgmt-web, and requests for which the SDKs have no operation."""

from typing import Any

import pytest
from azure.core.exceptions import HttpResponseError, ResourceNotFoundError
from azure.mgmt.web.models import StringDictionary

from local_azure.core.access import ROLE_ASSIGNMENT_TYPE
from local_azure.core.locks import LOCK_TYPE
from local_azure.tests.frontends.arm_http.conftest import World
from local_azure.tests.frontends.pulumi import stack
from local_azure.tests.frontends.pulumi.stack import GROUP_ID, SUBSCRIPTION

APP = ("rg", "assistant-app")
TAGS = f"{GROUP_ID}/providers/Microsoft.Resources/tags/default"
LOCK = f"{GROUP_ID}/providers/{LOCK_TYPE}/keep"
ASSIGNMENTS = f"{GROUP_ID}/providers/{ROLE_ASSIGNMENT_TYPE}"


def settings(world: World) -> dict[str, str]:
    return world.clients.web.web_apps.list_application_settings(*APP).properties or {}


def replace_settings(world: World, **values: str) -> None:
    world.clients.web.web_apps.update_application_settings(*APP, StringDictionary(properties=values))


def test_sites_are_read_and_listed_without_their_app_settings(world: World) -> None:
    site = world.create_site()
    apps = world.clients.web.web_apps

    read = apps.get(*APP)
    assert (read.name, read.state, read.site_config.app_settings) == ("assistant-app", "Running", None)
    assert [app.id for app in apps.list_by_resource_group("rg")] == [site["id"]]
    assert [app.id for app in apps.list()] == [site["id"]]
    with pytest.raises(ResourceNotFoundError):
        list(apps.list_by_resource_group("none"))


def test_an_update_replaces_all_app_settings_and_nothing_else_and_restarts_the_app(world: World) -> None:
    before = world.create_site()
    assert settings(world) == {"A": "1"}
    replace_settings(world, B="2", C="")
    assert settings(world) == {"B": "2", "C": ""}
    assert world.services.configured == ["assistant-app", "assistant-app"]

    with pytest.raises(HttpResponseError, match="FUNCTIONS_WORKER_RUNTIME"):
        replace_settings(world, FUNCTIONS_WORKER_RUNTIME="python")
    assert settings(world) == {"B": "2", "C": ""}

    world.services.broken = {"configure_site"}  # the app does not start with them
    replace_settings(world, A="1")
    after = world.store.require(before["id"])
    for site in (before, after):
        site.get("properties", {}).pop("lastModifiedTimeUtc")
    assert after == before


def test_a_reader_reads_the_site_but_not_its_app_settings(world: World) -> None:
    world.assign("Reader", world.create_site()["id"])
    apps = world.stranger().web.web_apps
    apps.get(*APP)
    with pytest.raises(HttpResponseError, match=r"Microsoft\.Web/sites/config/list/action"):
        apps.list_application_settings(*APP)
    with pytest.raises(HttpResponseError, match=r"Microsoft\.Web/sites/config/write"):
        apps.update_application_settings(*APP, StringDictionary(properties={}))


def test_a_read_only_lock_refuses_to_read_and_write_app_settings(world: World) -> None:
    world.create_site()
    world.create(stack.LOCK, stack.lock_inputs(GROUP_ID, "ReadOnly"))
    for call in (replace_settings, settings):
        with pytest.raises(HttpResponseError, match="ScopeLocked"):
            call(world)


def listed(world: World, path: str, text: str = "") -> list[dict[str, Any]]:
    """`text` is the filter."""
    return world.send("GET", f"{path}?$filter={text}" if text else path).json()["value"]


def test_role_assignments_and_locks_are_listed_for_a_scope(world: World) -> None:
    site = world.create_site()
    world.create(stack.LOCK, stack.lock_inputs(site["id"]))
    scopes = [SUBSCRIPTION, GROUP_ID, site["id"]]
    for scope in scopes:
        world.assign("Reader", scope)

    def scopes_of(assignments: list[dict[str, Any]]) -> list[str]:
        return [assignment["properties"]["scope"] for assignment in assignments]

    assert scopes_of(listed(world, ASSIGNMENTS)) == scopes
    assert scopes_of(listed(world, ASSIGNMENTS, "atScope()")) == scopes[:2]
    assert scopes_of(listed(world, ASSIGNMENTS, "principalId eq 'nobody'")) == []
    path = f"{GROUP_ID}/providers/{LOCK_TYPE}"
    assert [lock["name"] for lock in listed(world, path)] == ["keep"]
    assert listed(world, path, "atScope()") == []


@pytest.mark.parametrize(
    ("method", "path", "body", "error"),
    [
        ("GET", f"{SUBSCRIPTION}/operationresults/x", None, (404, "OperationNotFound")),
        ("GET", f"{SUBSCRIPTION}/resourceGroups?$top=0", None, (400, "InvalidQueryParameterValue")),
        ("GET", f"{GROUP_ID}/providers/Microsoft.Other/things", None, (404, "InvalidResourceType")),
        ("GET", f"{ASSIGNMENTS}?$filter=x eq 'y'", None, (400, "UnsupportedQuery")),
        ("PUT", GROUP_ID, {"tags": {}}, (400, "LocationRequired")),
        ("PATCH", GROUP_ID, {"tag": {}}, (400, "InvalidRequestContent")),
        ("PATCH", GROUP_ID, [], (400, "InvalidRequestContent")),
        ("PATCH", TAGS, {"operation": "Add", "properties": {"tags": {}}}, (400, "InvalidRequestContent")),
        ("PUT", TAGS, {"properties": {"tags": ["a"]}}, (400, "InvalidRequestContent")),
        ("GET", f"{LOCK}{TAGS.removeprefix(GROUP_ID)}", None, (400, "TagsNotSupported")),
    ],
)
def test_a_request_that_arm_refuses(
    world: World, method: str, path: str, body: object, error: tuple[int, str]
) -> None:
    world.create(stack.GROUP, stack.group_inputs())
    world.create(stack.LOCK, stack.lock_inputs(GROUP_ID))
    response = world.send(method, path, body)
    assert (response.status_code, response.json()["error"]["code"]) == error
