"""Function apps by azure-mgmt-web, and lists of assignments and locks."""

from typing import Any

import pytest
import requests
from azure.core.exceptions import HttpResponseError, ResourceExistsError, ResourceNotFoundError
from azure.mgmt.web.models import StringDictionary

from local_azure.core import ids
from local_azure.core.access import ROLE_ASSIGNMENT_TYPE
from local_azure.core.store import SUBSCRIPTION_ID
from local_azure.services.authorization.locks import LOCK_TYPE
from local_azure.tests.frontends.arm_http.conftest import GROUP_ID, World
from local_azure.tests.frontends.pulumi import stack

APP = ("rg", "assistant-app")


def settings(world: World) -> dict[str, str]:
    return world.clients.web.web_apps.list_application_settings(*APP).properties or {}


def set_all(world: World, **values: str) -> None:
    world.clients.web.web_apps.update_application_settings(*APP, StringDictionary(properties=values))


def test_sites_are_read_and_listed_without_their_app_settings(world: World) -> None:
    site = world.make_site()
    apps = world.clients.web.web_apps

    read = apps.get(*APP)
    assert (read.name, read.state, read.site_config.app_settings) == ("assistant-app", "Running", None)
    assert [one.id for one in apps.list_by_resource_group("rg")] == [site["id"]]
    assert [one.id for one in apps.list()] == [site["id"]]
    with pytest.raises(ResourceNotFoundError):
        list(apps.list_by_resource_group("none"))


def test_app_settings_are_replaced_as_a_whole_and_the_app_starts_again(world: World) -> None:
    world.make_site()
    assert settings(world) == {"A": "1"}
    starts = len(world.sites.configured)

    set_all(world, B="2", C="")

    assert settings(world) == {"B": "2", "C": ""}
    assert len(world.sites.configured) == starts + 1


def test_changing_app_settings_changes_nothing_else(world: World) -> None:
    before = world.make_site()

    set_all(world, A="1")

    after = world.azure.store.require(before["id"])
    for site in (before, after):
        site.get("properties", {}).pop("lastModifiedTimeUtc")
    assert after == before


def test_an_app_setting_that_flex_does_not_take_is_refused(world: World) -> None:
    world.make_site()
    with pytest.raises(HttpResponseError, match="FUNCTIONS_WORKER_RUNTIME"):
        set_all(world, FUNCTIONS_WORKER_RUNTIME="python")
    assert settings(world) == {"A": "1"}


def test_app_settings_that_the_app_does_not_start_with_are_kept(world: World) -> None:
    world.make_site()
    world.sites.broken.add("configure_site")

    set_all(world, A="wrong")

    assert settings(world) == {"A": "wrong"}


def test_a_reader_sees_the_site_and_not_its_app_settings(world: World) -> None:
    world.assign("Reader", world.make_site()["id"])
    apps = world.stranger().web.web_apps
    apps.get(*APP)
    with pytest.raises(HttpResponseError, match=r"Microsoft\.Web/sites/config/list/action"):
        apps.list_application_settings(*APP)
    with pytest.raises(HttpResponseError, match=r"Microsoft\.Web/sites/config/write"):
        apps.update_application_settings(*APP, StringDictionary(properties={}))


def test_a_read_only_lock_on_the_group_refuses_app_settings(world: World) -> None:
    world.make_site()
    world.make(stack.LOCK, {"scope": GROUP_ID, "lockName": "keep", "level": "ReadOnly"})
    for refused in (lambda: set_all(world), lambda: settings(world)):
        with pytest.raises(ResourceExistsError) as error:
            refused()
        assert error.value.error is not None
        assert error.value.error.code == "ScopeLocked"


def listed(world: World, path: str, text: str = "") -> list[dict[str, Any]]:
    """What this project's SDKs have no operation for; `text` is the filter."""
    token = world.clients.credential.get_token("https://management.azure.com/.default").token
    answer = requests.get(
        f"{world.clients.cloud.endpoint}{path}",
        params={"api-version": "2022-04-01", **({"$filter": text} if text else {})},
        headers={"Authorization": f"Bearer {token}"},
        timeout=20,
    )
    assert answer.status_code == 200, answer.text
    return answer.json()["value"]


def test_role_assignments_of_a_scope_are_those_above_at_and_below_it(world: World) -> None:
    site = world.make_site()
    for scope in (ids.subscription(SUBSCRIPTION_ID), GROUP_ID, site["id"]):
        world.assign("Reader", scope)
    path = f"{GROUP_ID}/providers/{ROLE_ASSIGNMENT_TYPE}"

    assert len(listed(world, path)) == 3
    assert [one["properties"]["scope"] for one in listed(world, path, "atScope()")] == [
        ids.subscription(SUBSCRIPTION_ID),
        GROUP_ID,
    ]
    assert listed(world, path, "principalId eq 'nobody'") == []


def test_locks_of_a_scope_are_those_at_and_below_it(world: World) -> None:
    site = world.make_site()
    world.make(stack.LOCK, {"scope": site["id"], "lockName": "below", "level": "CanNotDelete"})

    assert [one["name"] for one in listed(world, f"{GROUP_ID}/providers/{LOCK_TYPE}")] == ["below"]
    assert listed(world, f"{GROUP_ID}/providers/{LOCK_TYPE}", "atScope()") == []
