"""The create function of the documentation page in its six languages, and settings that make the app like it.

Sources: the page "Azure OpenAI assistant create output binding for Azure Functions", and samples/assistant of
Azure/azure-functions-openai-extension, of which C# and Java have the instructions without their indentation.
"""

import pytest
from assistants.routes import create
from assistants.settings import load

from delivery.package import Package
from infra import program
from tests.host_requests import (
    EmptyTables,
    RecordingOut,
    bindings_of,
    body_of,
    functions_of,
    index_app,
    request,
)
from tests.unit.infra.recording import run_program

ASSUME = "Don't make assumptions about what values to plug into functions."
ASK = "Ask for clarification if a user request is ambiguous."
# A literal whose lines are indented as the code around it, and whose quotes stand on lines of their own.
INDENTED = f"\n            {ASSUME}\n            {ASK}\n            "
# PowerShell writes a line break as a backtick and n: a backslash is a character like any other.
ONE_LINE = f"{ASSUME}\\n{ASK}"


@pytest.mark.parametrize(
    ("stack_settings", "auth_level", "instructions"),
    [
        ({"httpAuthLevel": "anonymous"}, "ANONYMOUS", f"{ASSUME}\n{ASK}"),
        ({"httpAuthLevel": "anonymous", "defaultInstructions": INDENTED}, "ANONYMOUS", INDENTED),
        ({"defaultInstructions": ONE_LINE}, "FUNCTION", ONE_LINE),
        ({"defaultInstructions": INDENTED}, "FUNCTION", INDENTED),
    ],
    ids=["C# and Java", "JavaScript and TypeScript", "PowerShell", "Python"],
)
def test_with_these_stack_settings_the_app_does_as_the_code_of_that_language(
    monkeypatch: pytest.MonkeyPatch, stack_settings: dict[str, str], auth_level: str, instructions: str
) -> None:
    def build_package(_python_version: str) -> Package:
        return Package(".build/function_app.zip", "0" * 64, 1)

    monkeypatch.setattr(program, "build_package", build_package)
    app_settings = run_program(stack_settings).app_settings()

    trigger = bindings_of(index_app(monkeypatch, app_settings)["CreateAssistant"])["httpTrigger"]
    assert trigger["authLevel"] == auth_level

    tables = EmptyTables()
    app = functions_of(create.blueprint(load(app_settings), tables))  # pyright: ignore[reportArgumentType] # a stand-in
    out = RecordingOut()
    response = app["CreateAssistant"].get_user_function()(request("PUT", "hello"), out)
    assert (response.status_code, body_of(response)) == (202, {"assistantId": "hello"})
    assert create.create_request("hello", instructions) == out.get()
