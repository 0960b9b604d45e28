"""`python -m local_azure portal`: what a person may do behind Pulumi's back, and what they are told."""

import json
from collections.abc import Callable

import pytest

from local_azure.__main__ import main
from local_azure.home import ENVIRONMENT_VARIABLE, Home
from local_azure.tests.frontends.arm_http.conftest import World
from local_azure.tests.frontends.pulumi import stack

Portal = Callable[..., str]


@pytest.fixture
def portal(
    world: World, home: Home, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Portal:
    """Runs the command; its output, or with `code` its exit code expected and what it said about it."""
    monkeypatch.setenv(ENVIRONMENT_VARIABLE, str(home.root))
    world.make_site()

    def run(*words: str, code: int = 0) -> str:
        capsys.readouterr()
        assert main(["portal", *words]) == code
        out, err = capsys.readouterr()
        return err if code else out

    return run


def test_an_app_setting_is_set_and_removed(world: World, portal: Portal) -> None:
    app = ("rg", "assistant-app")
    portal("setting", "set", "assistant-app", "B", "2")
    assert world.clients.web.web_apps.list_application_settings(*app).properties == {"A": "1", "B": "2"}

    portal("setting", "remove", "assistant-app", "A")

    assert world.clients.web.web_apps.list_application_settings(*app).properties == {"B": "2"}
    assert world.sites.configured == ["assistant-app"] * 3


def test_an_app_setting_that_is_not_there_is_not_removed(portal: Portal) -> None:
    assert "it has: A." in portal("setting", "remove", "assistant-app", "X", code=1)


def test_azures_refusal_is_what_the_person_reads(portal: Portal) -> None:
    said = portal("setting", "set", "assistant-app", "FUNCTIONS_WORKER_RUNTIME", "node", code=1)
    assert "FUNCTIONS_WORKER_RUNTIME" in said


def test_tags_are_set_and_removed_by_name_and_by_id(world: World, portal: Portal) -> None:
    group = world.azure.store.list()[0]["id"]
    portal("tag", "set", "rg", "owner", "me")
    portal("tag", "set", group, "Owner", "you")
    assert world.azure.store.require(group).get("tags") == {"Owner": "you"}

    portal("tag", "remove", "rg", "owner")

    assert world.azure.store.require(group).get("tags") == {}
    assert "it has: none" in portal("tag", "remove", "rg", "owner", code=1)


def test_a_property_is_set_and_shown_before_and_after(world: World, portal: Portal) -> None:
    said = portal("set", "assistantsa", "properties.minimumTlsVersion", "TLS1_1")
    assert said == 'assistantsa: properties.minimumTlsVersion "TLS1_0" → "TLS1_1"\n'
    assert "false → true" in portal("set", "assistantsa", "properties.allowSharedKeyAccess", "true")
    assert "TLS1_2" in portal("set", "assistantsa", "properties.minimumTlsVersion", "TLS9", code=1)
    assert "properties.tls" in portal("set", "assistantsa", "properties.tls", "1", code=1)
    portal("set", "assistant-app", "properties.httpsOnly", "false")
    site = world.clients.web.web_apps.get("rg", "assistant-app")
    assert site.https_only is False
    assert world.clients.web.web_apps.list_application_settings("rg", "assistant-app").properties == {
        "A": "1"
    }


def test_a_name_that_stands_for_several_lists_them(world: World, portal: Portal) -> None:
    world.make(stack.IDENTITY, {"resourceGroupName": "rg", "resourceName": "assistantsa"})

    said = portal("delete", "assistantsa", code=1)

    assert "stands for 2 resources" in said
    assert "storageAccounts/assistantsa\n" in said
    portal("delete", "userAssignedIdentities/assistantsa")
    assert "deployments" in portal("list", "--all")


def test_an_unknown_name_lists_what_there_is(portal: Portal) -> None:
    assert "there are: app-id, assistant-app, assistantsa, plan, rg." in portal("delete", "x", code=1)


def test_a_locked_group_is_deleted_only_once_it_is_unlocked(world: World, portal: Portal) -> None:
    portal("lock", "add", "assistantsa", "--level", "ReadOnly")

    assert "are locked" in portal("delete", "rg", code=1)
    portal("lock", "remove", "assistantsa")
    assert "which lock of assistantsa? It has: none." in portal("lock", "remove", "assistantsa", code=1)
    portal("delete", "rg")

    assert world.azure.store.list() == []


def test_a_deleted_model_account_is_listed_and_purged(world: World, portal: Portal) -> None:
    world.make(stack.OPENAI, stack.openai_inputs())
    portal("delete", "assistant-ai")

    (kept,) = json.loads(portal("list", "--deleted", "--json"))
    assert (kept["name"], set(kept) >= {"deletionDate", "scheduledPurgeDate"}) == ("assistant-ai", True)
    assert "assistant-ai  until 20" in portal("list", "--deleted")
    assert "deletedAccounts/assistant-ai" in portal("purge", "other", code=1)
    portal("purge", "assistant-ai")

    assert json.loads(portal("list", "--deleted", "--json")) == []


def test_the_list_shows_tags_and_can_be_read_by_programs(portal: Portal) -> None:
    portal("tag", "set", "plan", "a", "b")
    assert "Microsoft.Web/serverfarms  plan  a=b\n" in portal("list")
    listed = json.loads(portal("list", "--json"))
    assert [one["name"] for one in listed] == ["rg", "app-id", "assistantsa", "plan", "assistant-app"]


@pytest.mark.parametrize(
    "words", [[], ["setting"], ["tag", "set", "rg"], ["lock", "add", "rg", "--level", "x"]]
)
def test_wrong_usage_is_exit_code_2(portal: Portal, words: list[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        portal(*words)
    assert ended.value.code == 2
