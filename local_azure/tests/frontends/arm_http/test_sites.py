"""Function apps by azure-mgmt-web, and the lists of role assignments and locks."""

from typing import Any

import pytest
import requests
from azure.core.exceptions import HttpResponseError, ResourceNotFoundError
from azure.mgmt.web.models import StringDictionary

from local_azure.core.access import ROLE_ASSIGNMENT_TYPE
from local_azure.services.authorization.locks import LOCK_TYPE
from local_azure.tests.frontends.arm_http.conftest import World
from local_azure.tests.frontends.pulumi import stack
from local_azure.tests.frontends.pulumi.stack import GROUP_ID, SUBSCRIPTION

APP = ("rg", "assistant-app")


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
    """A list for which the SDKs have no operation; `text` is the filter."""
    token = world.clients.credential.get_token("https://management.azure.com/.default").token
    response = requests.get(
        f"{world.clients.cloud.endpoint}{path}",
        params={"api-version": "2022-04-01", **({"$filter": text} if text else {})},
        headers={"Authorization": f"Bearer {token}"},
        timeout=20,
    )
    assert response.status_code == 200, response.text
    return response.json()["value"]


def test_role_assignments_and_locks_are_listed_for_a_scope(world: World) -> None:
    site = world.create_site()
    world.create(stack.LOCK, stack.lock_inputs(site["id"]))
    scopes = [SUBSCRIPTION, GROUP_ID, site["id"]]
    for scope in scopes:
        world.assign("Reader", scope)
    path = f"{GROUP_ID}/providers/{ROLE_ASSIGNMENT_TYPE}"

    def scopes_of(assignments: list[dict[str, Any]]) -> list[str]:
        return [assignment["properties"]["scope"] for assignment in assignments]

    assert scopes_of(listed(world, path)) == scopes
    assert scopes_of(listed(world, path, "atScope()")) == scopes[:2]
    assert scopes_of(listed(world, path, "principalId eq 'nobody'")) == []
    path = f"{GROUP_ID}/providers/{LOCK_TYPE}"
    assert [lock["name"] for lock in listed(world, path)] == ["keep"]
    assert listed(world, path, "atScope()") == []
