"""Who sets, who reads: infra's app settings, the app's code, its bindings, and the local example agree."""

import contextlib
import json
import re
import runpy
from pathlib import Path

import azure.functions as func
import pytest
from assistants.routes.create import create_request
from assistants.settings import MODEL_CONNECTION as APP_MODEL_CONNECTION
from assistants.settings import STORAGE_CONNECTION as APP_STORAGE_CONNECTION

from delivery.package import Package
from infra import program
from infra.app_settings import MODEL_CONNECTION, STORAGE_CONNECTION
from tests.unit.infra.recording import run_program

APP = Path(__file__).parents[2] / "function_app"

# What neither the app's code nor its bindings name, and who reads it.
READ_BY_THE_PLATFORM = {
    "APPLICATIONINSIGHTS_AUTHENTICATION_STRING": "Functions host: Entra-only ingestion",
    "APPLICATIONINSIGHTS_CONNECTION_STRING": "Functions host",
    "PYTHON_ISOLATE_WORKER_DEPENDENCIES": "Python worker: the package's azure-functions wins",
    "FUNCTIONS_WORKER_RUNTIME": "Core Tools; Flex refuses it, so that it stands in the local example only",
}
SET_BY_THE_PLATFORM = {"WEBSITE_HOSTNAME", "IDENTITY_ENDPOINT", "IDENTITY_HEADER"}
# What the extension needs of an identity-based connection (azure-functions-openai-extension #112).
CONNECTION = ("credential", "clientId", "endpoint", "blobServiceUri", "tableServiceUri")
EVERY_OPTION = {"defaultInstructions": "Be brief.", "httpAuthLevel": "anonymous"}


@pytest.fixture
def infra_settings(monkeypatch: pytest.MonkeyPatch) -> dict[str, str]:
    """What infra sets when every optional setting is given."""

    def build_package(_python_version: str) -> Package:
        return Package(".build/function_app.zip", "0" * 64, 1)

    monkeypatch.setattr(program, "build_package", build_package)
    return run_program(EVERY_OPTION).app_settings()


@pytest.fixture(scope="module")
def example() -> dict[str, str]:
    content = json.loads((APP / "local.settings.example.json").read_text())
    assert content["IsEncrypted"] is False
    return content["Values"]


def read_by_code() -> set[str]:
    """The names that settings.py takes out of the environment; nothing else of the app reads it."""
    from assistants.settings import SettingsError, load

    names: set[str] = set()

    class Environment(dict[str, str]):
        def get(self, name: str, default: str = "") -> str:  # pyright: ignore[reportIncompatibleMethodOverride] # all that settings.py calls
            names.add(name)
            return super().get(name, default)

    with contextlib.suppress(SettingsError):  # the settings that a host needs are missing
        load(Environment(WEBSITE_HOSTNAME="app.example"))
    return names


def named_by_bindings() -> set[str]:
    """`%NAME%` and connections in what the host is given; the create request names its connection itself."""
    app: func.FunctionApp = runpy.run_path(str(APP / "function_app.py"))["app"]
    names = {json.loads(create_request("a", "b"))["chatStorageConnectionSetting"]}
    for function in app.get_functions():
        for raw in function.get_raw_bindings():
            binding = json.loads(raw)
            names |= {
                str(binding[key]) for key in binding if key.lower().endswith(("connection", "connectionname"))
            }
            names |= set(re.findall(r"%([^%]+)%", raw))
    return names


def is_connection_part(name: str, connections: set[str]) -> bool:
    return name.partition("__")[0] in connections


def test_the_app_reads_settings_of_its_own() -> None:
    assert {"HTTP_AUTH_LEVEL", "DEFAULT_INSTRUCTIONS", "TODO_TABLE"} <= read_by_code()


def test_everything_that_the_app_reads_is_set(infra_settings: dict[str, str]) -> None:
    own = read_by_code() - SET_BY_THE_PLATFORM - {STORAGE_CONNECTION}
    assert own <= infra_settings.keys()


def test_everything_that_the_bindings_name_is_set(infra_settings: dict[str, str]) -> None:
    connections = {STORAGE_CONNECTION, MODEL_CONNECTION}
    assert connections == {APP_STORAGE_CONNECTION, APP_MODEL_CONNECTION}
    assert named_by_bindings() == {*connections, "CHAT_MODEL_DEPLOYMENT_NAME"}
    assert infra_settings["CHAT_MODEL_DEPLOYMENT_NAME"]
    for part in ("credential", "clientId", "endpoint"):
        assert infra_settings[f"{MODEL_CONNECTION}__{part}"]
    for part in ("credential", "clientId", "blobServiceUri", "tableServiceUri"):
        assert infra_settings[f"{STORAGE_CONNECTION}__{part}"]
    assert STORAGE_CONNECTION not in infra_settings


def test_everything_that_is_set_has_a_reader(infra_settings: dict[str, str]) -> None:
    unread = {
        name
        for name in infra_settings
        if name not in read_by_code() | named_by_bindings()
        and name not in READ_BY_THE_PLATFORM
        and not (is_connection_part(name, named_by_bindings()) and name.partition("__")[2] in CONNECTION)
    }
    assert unread == set()


def test_the_reasons_are_for_settings_that_are_set(
    infra_settings: dict[str, str], example: dict[str, str]
) -> None:
    assert READ_BY_THE_PLATFORM.keys() <= infra_settings.keys() | example.keys()


def test_the_local_example_sets_what_the_app_needs_and_nothing_that_azure_does_not(
    infra_settings: dict[str, str], example: dict[str, str]
) -> None:
    assert named_by_bindings() <= {name.partition("__")[0] for name in example}
    assert "HTTP_AUTH_LEVEL" in example
    only_local = {STORAGE_CONNECTION: "UseDevelopmentStorage=true", "FUNCTIONS_WORKER_RUNTIME": "python"}
    assert {name: example[name] for name in example.keys() - infra_settings.keys()} == only_local
    isolation = "PYTHON_ISOLATE_WORKER_DEPENDENCIES"
    assert example[isolation] == infra_settings[isolation]


def test_no_setting_of_the_app_is_refused_by_flex(infra_settings: dict[str, str]) -> None:
    refused = {"FUNCTIONS_WORKER_RUNTIME", "SCM_DO_BUILD_DURING_DEPLOYMENT", "ENABLE_ORYX_BUILD"}
    assert not refused & infra_settings.keys()
    assert not [name for name in infra_settings if ":" in name]


def test_the_app_takes_what_infra_sets(infra_settings: dict[str, str]) -> None:
    from assistants.settings import load

    loaded = load(infra_settings)
    assert loaded.http_auth_level is func.AuthLevel.ANONYMOUS
    assert loaded.default_instructions == "Be brief."


def test_an_app_setting_that_may_be_absent_comes_last(infra_settings: dict[str, str]) -> None:
    """azure-native compares lists by position: all others keep theirs when it comes or goes."""
    assert list(infra_settings)[-1] == "DEFAULT_INSTRUCTIONS"
    assert "DEFAULT_INSTRUCTIONS" not in run_program().app_settings()
