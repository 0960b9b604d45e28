"""The app settings of infra, of the app's code, of its bindings and of the local example are the same."""

import contextlib
import json
import re
import runpy

import azure.functions as func
import pytest
from assistants.routes.create import create_request
from assistants.settings import MODEL_CONNECTION as APP_MODEL_CONNECTION
from assistants.settings import STORAGE_CONNECTION as APP_STORAGE_CONNECTION

from infra.app_settings import MODEL_CONNECTION, STORAGE_CONNECTION
from tests.unit.infra.recording import ROOT, run_program

APP = ROOT / "function_app"

# What neither the app's code nor its bindings name, and who reads it.
READ_BY_THE_PLATFORM = {
    "APPLICATIONINSIGHTS_AUTHENTICATION_STRING": "Functions host: Entra-only ingestion",
    "APPLICATIONINSIGHTS_CONNECTION_STRING": "Functions host",
    "PYTHON_ISOLATE_WORKER_DEPENDENCIES": "Python worker: the package's azure-functions wins",
    "FUNCTIONS_WORKER_RUNTIME": "Core Tools; Flex refuses it, so that only the local example sets it",
}
SET_BY_THE_PLATFORM = {"WEBSITE_HOSTNAME", "IDENTITY_ENDPOINT", "IDENTITY_HEADER"}
# What the extension needs of an identity-based connection (azure-functions-openai-extension #112).
CONNECTION_PARTS = ("credential", "clientId", "endpoint", "blobServiceUri", "tableServiceUri")
CONNECTIONS = {STORAGE_CONNECTION, MODEL_CONNECTION}
EVERY_OPTION = {"defaultInstructions": "Be brief.", "httpAuthLevel": "anonymous"}


@pytest.fixture
def infra_settings() -> dict[str, str]:
    """What infra sets when every optional setting is given."""
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


def test_everything_that_the_app_reads_is_set(infra_settings: dict[str, str]) -> None:
    names = read_by_code()
    assert {"HTTP_AUTH_LEVEL", "DEFAULT_INSTRUCTIONS", "TODO_TABLE"} <= names
    assert names - SET_BY_THE_PLATFORM - {STORAGE_CONNECTION} <= infra_settings.keys()


def test_everything_that_the_bindings_name_is_set(infra_settings: dict[str, str]) -> None:
    """With identities only: infra/test_stack.py has the parts of each connection."""
    assert {APP_STORAGE_CONNECTION, APP_MODEL_CONNECTION} == CONNECTIONS
    assert named_by_bindings() == CONNECTIONS | {"CHAT_MODEL_DEPLOYMENT_NAME"}
    assert {"CHAT_MODEL_DEPLOYMENT_NAME"} | CONNECTIONS <= {
        name.partition("__")[0] for name in infra_settings
    }
    assert not CONNECTIONS & infra_settings.keys()


def test_everything_that_is_set_has_a_reader(infra_settings: dict[str, str], example: dict[str, str]) -> None:
    read = read_by_code() | named_by_bindings() | READ_BY_THE_PLATFORM.keys()
    parts = {f"{connection}__{part}" for connection in CONNECTIONS for part in CONNECTION_PARTS}
    assert infra_settings.keys() - read - parts == set()
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


def test_the_app_accepts_what_infra_sets(infra_settings: dict[str, str]) -> None:
    from assistants.settings import load

    settings = load(infra_settings)
    assert settings.http_auth_level is func.AuthLevel.ANONYMOUS
    assert settings.default_instructions == "Be brief."
