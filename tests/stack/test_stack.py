"""The whole program on local Azure: what every command does to a stack that is up.

Each test starts from the committed configuration and code, and leaves them so.
"""

import base64
import json
import re
from pathlib import Path

import pytest

from tests.workspace import Workspace

pytestmark = pytest.mark.cli


def append(path: Path, text: str) -> None:
    path.write_text(path.read_text() + text)


def test_the_deployed_app_creates_an_assistant(stack: Workspace) -> None:
    answer = stack.put("hello")

    assert (answer.status, answer.json()) == (202, {"assistantId": "hello"})


def test_a_change_of_the_code_or_of_an_app_setting_updates_one_resource_and_reaches_the_app(
    stack: Workspace,
) -> None:
    before, arm = stack.outputs()["packageHash"], stack.arm()
    append(stack.root / "function_app" / "function_app.py", "\n# a new line\n")
    assert stack.planned() == {"deployed-code": "update"}
    stack.config("defaultInstructions", "Be brief.")
    assert stack.planned() == {"deployed-code": "update", "function-app": "update"}
    assert stack.arm() == arm, "a preview changes nothing"

    stack.up()

    after = stack.outputs()
    assert after["packageHash"] != before
    health = stack.request("GET", f"{after['functionAppUrl']}/api/health").json()
    assert health["package"] == after["packageHash"]
    assert stack.put("brief").status == 202
    assert "Be brief." in stack.run("rows", "ChatState").stdout


def test_a_refresh_finds_nothing_changed(stack: Workspace) -> None:
    stack.pulumi("refresh", "--yes", "--expect-no-changes")
    stack.up("--expect-no-changes")


def test_broken_code_fails_the_up_with_its_own_error_and_the_old_code_still_serves(stack: Workspace) -> None:
    append(stack.root / "function_app" / "function_app.py", "\nimport a_module_that_nobody_has\n")

    failed = stack.up(check=False)

    assert failed.returncode != 0
    assert "a_module_that_nobody_has" in failed.stdout + failed.stderr
    assert stack.put("still-here").status == 202


def test_bad_configuration_is_one_error_with_every_problem_before_anything_changes(stack: Workspace) -> None:
    before = stack.arm()
    stack.config("instanceMemoryMB", 1000)
    stack.config("maximumInstanceCount", 7)
    stack.config("modelNaem", "gpt-5.4-mini")

    failed = stack.up(check=False)

    output = failed.stdout + failed.stderr
    assert failed.returncode != 0
    for expected in (
        "instanceMemoryMB",
        "maximumInstanceCount",
        "modelNaem",
        "modelName",
        "pulumi config set",
    ):
        assert expected in output
    assert stack.arm() == before


def test_no_secret_stands_in_the_state_or_the_outputs(stack: Workspace) -> None:
    secrets = [path.read_text() for path in stack.home.sites.rglob("keys.json")]
    keys = {value for text in secrets for value in re.findall(r'"([A-Za-z0-9+/=_-]{40,})"', text)}
    assert keys, "the local host keys were not found, so this test would prove nothing"

    state = stack.state_file().read_text() + json.dumps(stack.outputs())

    assert not [key for key in keys if key in state]
    assert not re.search(r"eyJ[A-Za-z0-9_-]{10,}\.[A-Za-z0-9_-]{10,}\.", state), "a token"
    assert not re.search(r"AccountKey=|SharedAccessSignature|sig=[A-Za-z0-9%]{20,}", state)
    assert base64.b64encode(b"PK\x03\x04")[:5].decode() not in state, "bytes of the package"


def test_everything_survives_a_stop_and_a_new_start(stack: Workspace) -> None:
    assert stack.put("keeper").status == 202

    stack.run("stop")
    assert stack.run("status", check=False).returncode != 0
    stack.run("start")

    assert "keeper" in stack.run("rows", "ChatState").stdout
    assert stack.put("keeper").status == 202
    stack.up("--expect-no-changes")


def test_a_destroyed_stack_leaves_the_store_empty_and_comes_up_again(stack: Workspace) -> None:
    assert '"id"' in json.dumps(stack.arm())

    stack.pulumi("destroy", "--yes")

    assert stack.resources() == []
    assert '"id"' not in json.dumps(stack.arm())
    stack.up()
    assert stack.put("again").status == 202
