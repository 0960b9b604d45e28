"""The commands that `make local` runs and shows name what belongs to its own stack."""

import json
import shlex
import signal
from pathlib import Path
from types import SimpleNamespace

import pytest

from infra.dynamic.replacement_guard import REPLACE_VARIABLE, refusal
from local_azure import __main__ as local_azure
from local_azure.home import ENVIRONMENT_VARIABLE
from ops.__main__ import main
from ops.commands import local as module
from ops.commands.local import PROJECT, RUNNER, curl_command
from ops.output import is_coloured
from ops.state import TABLE
from tests.unit.ops.world import returns

OUTPUTS = {
    "functionAppName": "func-assistant-local-1",
    "storageAccountName": "stassistantlocal1",
    "assistantsUrl": "https://127.0.0.1:20000/api/assistants",
}


UP = "pulumi up --yes --skip-preview --stack local"
OUTPUT = "pulumi stack output --json --stack local"
KEYS = "keys func-assistant-local-1 --name default"
ROWS = "rows ChatState --account stassistantlocal1 --partition hello"


@pytest.mark.parametrize(
    ("command", "expected"),
    [
        (KEYS, {"app": "func-assistant-local-1", "name": "default"}),
        (ROWS, {"account": "stassistantlocal1", "table": "ChatState", "partition": "hello"}),
        *((" ".join(words), {"action": words[1], "stack": "local"}) for words in vars(RUNNER).values()),
    ],
)
def test_each_command_is_one_of_local_azure(command: str, expected: dict[str, str]) -> None:
    assert expected.items() <= vars(local_azure.arguments_of(command.split())).items()


def test_the_command_to_paste_names_the_app_and_the_certificate_and_avoids_a_proxy_where_there_is_one(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    for scheme in ("http", "https", "all"):
        for name in (f"{scheme}_proxy", f"{scheme}_proxy".upper()):
            monkeypatch.delenv(name, raising=False)
    monkeypatch.delenv(ENVIRONMENT_VARIABLE, raising=False)
    assert curl_command(OUTPUTS, "hello", "-X", "PUT", "-H", "If-None-Match: *") == (
        'curl --cacert .local/ca.pem -H "x-functions-key: $(.venv/bin/python -m local_azure keys '
        "func-assistant-local-1 --name default)\" -X PUT -H 'If-None-Match: *' "
        "https://127.0.0.1:20000/api/assistants/hello"
    )
    monkeypatch.setenv(ENVIRONMENT_VARIABLE, str(tmp_path / "a home"))
    path = shlex.split(curl_command(OUTPUTS, "hello").partition(" -H")[0])[-1]
    assert (PROJECT / path).resolve() == tmp_path / "a home" / "ca.pem"
    monkeypatch.setenv("https_proxy", "http://proxy.example:3128")
    assert "curl --noproxy 127.0.0.1 --cacert " in curl_command(OUTPUTS, "hello")


OLD = {"resource_group": "rg-a@eastus2", "protected": False}
REFUSAL = refusal(OLD, {**OLD, "resource_group": "rg-b@eastus2", "stack": "local"}, "")


@pytest.fixture
def steps(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The commands of local_azure that `local` runs. The CLI is installed, and there is no stack."""
    commands: list[str] = []

    class Process:
        def __init__(self, command: list[str], *, env: dict[str, str], **_options: object) -> None:
            words, _, events = " ".join(command[3:]).partition(" --event-log ")
            allowed = env.get(REPLACE_VARIABLE)
            commands.append(f"{words} {allowed}" if allowed else words)
            losing = "loses" in commands and not allowed
            self.returncode = 7 if events and (losing or {"fails", "interrupted"} & {*commands}) else 0
            if events and losing:
                Path(events).write_text(json.dumps({"diagnosticEvent": {"message": REFUSAL}}))

        def communicate(self) -> tuple[str, None]:
            if "interrupted" in commands:
                signal.raise_signal(signal.SIGINT)
            return json.dumps({**OUTPUTS, "functionAppUrl": "https://127.0.0.1:20000"}), None

        def wait(self) -> None:
            commands.append("waited")

    monkeypatch.setattr(module.subprocess, "Popen", Process)
    monkeypatch.setattr(module, "send", returns((202, "{}")))
    monkeypatch.setattr(module, "find", returns("a CLI"))
    for name in ("cli_resources", "runner_resources"):
        monkeypatch.setattr(module, name, returns({}))
    return commands


@pytest.mark.parametrize(
    ("cli", "commands"), [("a CLI", [UP, OUTPUT]), (None, ["runner up", "runner outputs"])]
)
def test_the_stack_comes_up_and_shows_an_assistant_and_its_rows(
    steps: list[str],
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    cli: str | None,
    commands: list[str],
) -> None:
    monkeypatch.setattr(module, "find", returns(cli))

    assert main(["local"]) == 0

    assert steps == [*commands, KEYS, ROWS]
    output = capsys.readouterr().out
    for part in ("\n202 {}\n", "https://127.0.0.1:20000/api/chat", "make down"):
        assert part in output
    assert ("`make preview`" in output) == bool(cli)


def test_an_assistant_that_exists_is_left_alone_and_a_page_that_is_switched_off_is_not_named(
    steps: list[str], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    requests: list[tuple[object, ...]] = []

    def send(method: str, *words: object) -> tuple[int, str]:
        requests.append((method, *words[2:]))
        return (404, "no page") if method == "GET" else (412, "exists")

    monkeypatch.setattr(module, "send", send)

    assert main(["local"]) == 0
    assert requests[0] == ("PUT", {"If-None-Match": "*"})
    assert steps[-1] == ROWS
    output = capsys.readouterr().out
    assert "exists from an earlier run; it keeps its conversation" in output
    assert "/api/chat" not in output, "the page is switched off"
    line = next(line for line in output.splitlines() if "/hello/messages" in line)
    assert json.loads(shlex.split(line)[shlex.split(line).index("-d") + 1])["message"]


@pytest.mark.parametrize("is_terminal", [True, False], ids=["terminal", "pipe"])
def test_the_key_is_in_the_pages_address_only_on_a_terminal(
    monkeypatch: pytest.MonkeyPatch, is_terminal: bool
) -> None:
    monkeypatch.setattr(module.sys.stdout, "isatty", lambda: is_terminal, raising=False)
    address = module.page_address("https://127.0.0.1:20000/api/chat", "a+b/c==")
    assert address == ("https://127.0.0.1:20000/api/chat#key=a%2Bb%2Fc%3D%3D" if is_terminal else None)


@pytest.mark.parametrize(("answer", "code"), [("local", 0), ("yes", 1), ("", 1), (None, 1)])
def test_data_is_lost_only_after_the_user_has_typed_the_stacks_name(
    steps: list[str],
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    answer: str | None,
    code: int,
) -> None:
    steps.append("loses")
    monkeypatch.setattr("ops.output.sys.stdin", SimpleNamespace(isatty=returns(answer is not None)))
    monkeypatch.setattr("builtins.input", returns(answer))

    assert main(["local"]) == code

    assert steps[1:3] == ([UP, f"{UP} rg-a@eastus2"] if code == 0 else [UP])
    output, errors = capsys.readouterr()
    assert "\nlocal: DATA WILL BE LOST: resource group (everything in it: all conversations, " in output
    assert ("Nothing was changed.\n" in output) == (answer in {"yes", ""})
    refusal = "without a terminal, this allows the loss: ASSISTANT_REPLACE=rg-a@eastus2 make local\n"
    assert (refusal in errors) == (answer is None)


CHAT_STORAGE = "assistant:storage:ChatStorage$"
OWN = {f"urn:pulumi:local::assistant::{TABLE}::own": {"tableName": "Own"}}


def table(name: str, table_name: str) -> dict[str, dict[str, str]]:
    return {f"urn:pulumi:local::assistant::{CHAT_STORAGE}{TABLE}::{name}": {"tableName": table_name}}


@pytest.mark.parametrize(
    ("resources", "value"),
    [
        (table("todos", "Todos") | table("chat-state", "ChatState") | table("leases", "Old") | OWN, ""),
        (table("notes", "Notes") | table("todos", "Todos") | {"u": {}}, "Notes"),
        (table("todos", "Renamed"), "Renamed"),
    ],
    ids=["declared, without data or of another part of the program", "removed", "renamed"],
)
@pytest.mark.parametrize("tool", ["cli_resources", "runner_resources"])
def test_a_table_that_the_program_no_longer_declares_is_kept_until_its_loss_is_allowed(
    steps: list[str],
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    *,
    tool: str,
    resources: dict[str, dict[str, str]],
    value: str,
) -> None:
    monkeypatch.setattr(module, tool, returns(resources))
    monkeypatch.setattr(module, "find", returns("a CLI" if tool == "cli_resources" else None))
    monkeypatch.setattr("ops.output.sys.stdin", SimpleNamespace(isatty=returns(False)))
    monkeypatch.setenv(REPLACE_VARIABLE, "other")

    assert main(["local"]) == (1 if value else 0)
    if value:
        assert steps == []
        printed = capsys.readouterr()
        assert f"\nlocal: DATA WILL BE LOST: table {value} (all " in printed.out
        assert f"this allows the loss: {REPLACE_VARIABLE}=other,{value} make local" in printed.err
        monkeypatch.setenv(REPLACE_VARIABLE, f"other,{value}")
        assert main(["local"]) == 0
    up = UP if tool == "cli_resources" else "runner up"
    assert steps[0].startswith(up)


@pytest.mark.parametrize(
    ("terminal", "no_color", "coloured"), [(True, "", True), (True, "1", False), (False, "", False)]
)
def test_colours_are_for_terminals_and_can_be_turned_off(
    monkeypatch: pytest.MonkeyPatch, *, terminal: bool, no_color: str, coloured: bool
) -> None:
    monkeypatch.setattr("ops.output.sys.stdout", SimpleNamespace(isatty=returns(terminal)))
    monkeypatch.setenv("NO_COLOR", no_color)
    assert is_coloured() is coloured


def test_an_app_that_does_not_answer_202_shows_its_log(
    steps: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "send", returns((500, "")))

    assert main(["local"]) == 1
    assert steps[-1] == "logs func-assistant-local-1"


def test_down_destroys_the_stack_and_stops_local_azure(steps: list[str]) -> None:
    assert main(["local", "--down"]) == 0
    assert steps == ["pulumi destroy --yes --stack local", "stop"]


def test_a_step_that_fails_ends_the_command_with_its_exit_code(
    steps: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    steps.append("fails")

    assert main(["local"]) == 7
    assert steps[1:] == [UP]
    message = capsys.readouterr().err
    assert f"make local: `.venv/bin/python -m local_azure {UP}` ended with" in message


def test_an_interrupt_is_left_to_the_step_that_runs(
    steps: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    steps.append("interrupted")

    assert main(["local"]) == 130
    assert steps[1:] == [UP, "waited"]
    assert "run the command again to continue" in capsys.readouterr().err


@pytest.mark.parametrize("words", [["local"], ["local", "--down"]])
def test_a_stack_of_a_cli_that_is_gone_is_left_alone(
    steps: list[str], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], words: list[str]
) -> None:
    monkeypatch.setattr(module, "cli_resources", returns({"u": {}}))
    monkeypatch.setattr(module, "find", returns(None))

    assert (main(words), steps) == (1, [])
    message = capsys.readouterr().err
    assert "`make pulumi`" in message
    assert "`make clean`" in message


def test_a_stack_of_the_runner_is_not_updated_by_the_cli(
    steps: list[str], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(module, "runner_resources", returns({"u": {}}))

    assert (main(["local"]), steps) == (1, [])
    assert "Run `make down`, then `make local`" in capsys.readouterr().err
    assert main(["local", "--down"]) == 0
    assert steps == ["runner down", "stop"]
