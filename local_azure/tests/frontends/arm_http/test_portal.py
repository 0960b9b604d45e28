"""`python -m local_azure portal`: changes behind Pulumi's back, and the command's messages."""

import json
from collections.abc import Callable

import pytest

from local_azure.__main__ import main
from local_azure.home import ENVIRONMENT_VARIABLE, Home
from local_azure.tests.frontends.arm_http.conftest import World
from local_azure.tests.frontends.pulumi import stack
from local_azure.tests.frontends.pulumi.stack import GROUP_ID

Portal = Callable[..., str]


@pytest.fixture
def portal(
    world: World, home: Home, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Portal:
    """Runs the command and returns its output, or with a `code`, which is then expected, its errors."""
    monkeypatch.setenv(ENVIRONMENT_VARIABLE, str(home.root))
    world.create_site()

    def run(*words: str, code: int = 0) -> str:
        capsys.readouterr()
        assert main(["portal", *words]) == code
        output, errors = capsys.readouterr()
        return errors if code else output

    return run


def test_an_app_setting_is_set_and_removed(world: World, portal: Portal) -> None:
    def settings() -> dict[str, str] | None:
        return world.clients.web.web_apps.list_application_settings("rg", "assistant-app").properties

    change = "The app setting {} of assistant-app is {}; the app has restarted.\n"
    assert portal("setting", "set", "assistant-app", "B", "2") == change.format("B", "set")
    assert settings() == {"A": "1", "B": "2"}
    assert portal("setting", "remove", "assistant-app", "A") == change.format("A", "removed")
    assert settings() == {"B": "2"}
    assert world.services.configured == ["assistant-app"] * 3
    assert "it has: B." in portal("setting", "remove", "assistant-app", "X", code=1)
    refused = portal("setting", "set", "assistant-app", "FUNCTIONS_WORKER_RUNTIME", "node", code=1)
    assert "FUNCTIONS_WORKER_RUNTIME" in refused


def test_tags_are_set_and_removed_by_name_and_by_id(world: World, portal: Portal) -> None:
    assert portal("tag", "set", "rg", "owner", "me") == "rg has the tag owner = me.\n"
    portal("tag", "set", GROUP_ID, "Owner", "you")
    assert world.store.require(GROUP_ID).get("tags") == {"Owner": "you"}
    assert portal("tag", "remove", "rg", "owner") == "rg has no tag owner any more.\n"
    assert world.store.require(GROUP_ID).get("tags") == {}
    assert "it has: none" in portal("tag", "remove", "rg", "owner", code=1)


def test_a_property_is_set_and_printed_before_and_after(world: World, portal: Portal) -> None:
    output = portal("set", "assistantsa", "properties.minimumTlsVersion", "TLS1_1")
    assert output == 'assistantsa: properties.minimumTlsVersion "TLS1_0" → "TLS1_1"\n'
    assert "false → true" in portal("set", "assistantsa", "properties.allowSharedKeyAccess", "true")
    assert "TLS1_2" in portal("set", "assistantsa", "properties.minimumTlsVersion", "TLS9", code=1)
    assert "properties.tls" in portal("set", "assistantsa", "properties.tls", "1", code=1)
    portal("set", "assistant-app", "properties.httpsOnly", "false")
    apps = world.clients.web.web_apps
    assert apps.get("rg", "assistant-app").https_only is False
    assert apps.list_application_settings("rg", "assistant-app").properties == {"A": "1"}


def test_an_ambiguous_and_an_unknown_name_list_the_resources(world: World, portal: Portal) -> None:
    assert "there are: app-id, assistant-app, assistantsa, plan, rg." in portal("delete", "x", code=1)
    assert "there are: app-id, assistant-app," in portal("delete", "serverfarm/plan", code=1)
    world.create(stack.IDENTITY, stack.identity_inputs("assistantsa"))
    assert "storageAccounts/assistantsa\n" in portal("delete", "assistantsa", code=1)
    portal("delete", "userAssignedIdentities/assistantsa")
    assert "deployments" in portal("list", "--all")


def test_a_locked_group_is_deleted_after_its_lock(world: World, portal: Portal) -> None:
    portal("lock", "add", "assistantsa", "--level", "ReadOnly")
    assert "are locked" in portal("delete", "rg", code=1)
    portal("lock", "remove", "assistantsa")
    assert "It has: none." in portal("lock", "remove", "assistantsa", code=1)
    portal("delete", "rg")
    assert world.store.list() == []


def test_a_deleted_model_account_is_listed_and_purged(world: World, portal: Portal) -> None:
    world.create(stack.OPENAI, stack.openai_inputs())
    portal("delete", "assistant-ai")

    (kept,) = json.loads(portal("list", "--deleted", "--json"))
    assert (kept["name"], set(kept) >= {"deletionDate", "scheduledPurgeDate"}) == ("assistant-ai", True)
    assert "assistant-ai  until 20" in portal("list", "--deleted")
    assert "deletedAccounts/assistant-ai" in portal("purge", "other", code=1)
    portal("purge", "assistant-ai")
    assert json.loads(portal("list", "--deleted", "--json")) == []


def test_the_list_has_tags_and_a_json_form(portal: Portal) -> None:
    portal("tag", "set", "plan", "a", "b")
    assert "Microsoft.Web/serverfarms  plan  a=b\n" in portal("list")
    listed = [resource["name"] for resource in json.loads(portal("list", "--json"))]
    assert listed == ["rg", "app-id", "assistantsa", "plan", "assistant-app"]


@pytest.mark.parametrize(
    "words", [[], ["setting"], ["tag", "set", "rg"], ["lock", "add", "rg", "--level", "x"]]
)
def test_wrong_usage_is_exit_code_2(words: list[str]) -> None:
    with pytest.raises(SystemExit) as error:
        main(["portal", *words])
    assert error.value.code == 2
