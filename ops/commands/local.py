"""Bring the stack up on local Azure, create an assistant and print its rows: `make local`.

Every step is a command that can also be typed; each is printed before it runs. Where a change would lose
data, it asks first; without a terminal it changes nothing, and names the variable that allows the loss. With
`--down`, destroy the stack: `make down`. Both use the Pulumi CLI, or the minimal runner if there is none.

exit codes: that of the step that failed
"""

import argparse
import json
import os
import shlex
import subprocess
import sys
import tempfile
import time
import urllib.parse
import urllib.request
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import requests
import yaml

from infra.names import CHAT_STATE_TABLE, TABLES
from local_azure.cli.pulumi_state import cli_resources
from local_azure.home import Home
from local_azure.runner.record import runner_resources
from ops.output import LOST, is_coloured, is_confirmed, note, say
from ops.state import TABLE, type_and_name
from ops.words import lost_with
from tools.pulumi.cli import find

PROJECT = Path(__file__).resolve().parents[2]
LOCAL_AZURE = (".venv/bin/python", "-m", "local_azure")
STACK = "local"
ASSISTANT = "hello"
_CHAT_STORAGE = "assistant:storage:ChatStorage"


class StepError(Exception):
    """A step failed; its output is above."""

    def __init__(self, command: str, code: int) -> None:
        super().__init__(f"`{command}` ended with exit code {code}")
        self.code = code


def title(text: str, style: str = "1") -> None:
    """`style` is that of the terminal's escape codes, by default bold."""
    say(f"\n\033[{style}m{text}\033[0m" if is_coloured() else f"\n{text}")


def run_local_azure(
    *arguments: str,
    quiet: bool = False,
    unprinted: tuple[str, ...] = (),
    environment: Mapping[str, str] | None = None,
) -> str:
    """Run `python -m local_azure ARGUMENTS`; its output if `quiet`, else empty. Raises StepError."""
    command = [*LOCAL_AZURE, *arguments]
    if not quiet:
        say(f"$ {shlex.join(command)}")
    process = subprocess.Popen(
        [*command, *unprinted],
        cwd=PROJECT,
        env={**os.environ, **(environment or {})},
        stdout=subprocess.PIPE if quiet else None,
        text=True,
    )
    try:
        output, _ = process.communicate()
    except KeyboardInterrupt:
        process.wait()  # it gets Ctrl-C, too: Pulumi saves its state before it ends
        note("Interrupted. The completed steps are recorded: run the command again to continue.")
        raise
    if process.returncode:
        raise StepError(shlex.join(command), process.returncode)
    return output or ""


def key_words(outputs: dict[str, Any]) -> tuple[str, ...]:
    """Arguments of local_azure for the function key of this stack's app, even if other stacks exist."""
    return ("keys", outputs["functionAppName"], "--name", "default")


def key_command(outputs: dict[str, Any]) -> str:
    return shlex.join((*LOCAL_AZURE, *key_words(outputs)))


def curl_command(outputs: dict[str, Any], path: str, *options: str) -> str:
    """A request to an assistant, to run in this checkout's folder. It reads the function key by itself."""
    direct = "--noproxy 127.0.0.1 " if urllib.request.getproxies().keys() - {"no"} else ""
    ca = shlex.quote(os.path.relpath(Home.find(PROJECT).ca_file, PROJECT))
    key = f'-H "x-functions-key: $({key_command(outputs)})"'
    return f"curl {direct}--cacert {ca} {key} {shlex.join(options)} {outputs['assistantsUrl']}/{path}"


def page_address(chat: str, key: str) -> str | None:
    """The address that opens the chat page with the key; None where the output may outlive the terminal.

    A browser sends no fragment to the server, and the page removes it from the address at once.
    """
    return f"{chat}#key={urllib.parse.quote(key, safe='')}" if sys.stdout.isatty() else None


def send(method: str, url: str, key: str, headers: Mapping[str, str] | None = None) -> tuple[int, str]:
    """Status and body of the response."""
    headers = {"x-functions-key": key, **(headers or {})}
    ca_file = str(Home.find(PROJECT).ca_file)
    response = requests.request(method, url, headers=headers, verify=ca_file, timeout=60)
    return response.status_code, response.text


@dataclass(frozen=True)
class Way:
    """Arguments of local_azure for one tool."""

    up: tuple[str, ...]
    outputs: tuple[str, ...]
    down: tuple[str, ...]


CLI = Way(
    up=("pulumi", "up", "--yes", "--skip-preview", "--stack", STACK),
    outputs=("pulumi", "stack", "output", "--json", "--stack", STACK),
    down=("pulumi", "destroy", "--yes", "--stack", STACK),
)
RUNNER = Way(up=("runner", "up"), outputs=("runner", "outputs"), down=("runner", "down"))


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--down", action="store_true", help="destroy the stack and stop local Azure")


def run(arguments: argparse.Namespace) -> int:
    down: bool = arguments.down
    name = "make down" if down else "make local"
    home, project = Home.find(PROJECT), yaml.safe_load((PROJECT / "Pulumi.yaml").read_text())["name"]
    of_runner, of_cli = (read(home, project, STACK) for read in (runner_resources, cli_resources))
    has_cli = find(os.environ) is not None
    # A stack stays with the tool that created it.
    chosen = RUNNER if of_runner or not (has_cli or of_cli) else CLI
    if chosen is RUNNER and has_cli and not down:
        note(
            f"{name}: the minimal runner created this stack, but the Pulumi CLI, which is now installed, "
            "has no state of it. Run `make down`, then `make local` to create it with the CLI."
        )
        return 1
    if chosen is CLI and not has_cli:
        note(
            f"{name}: the Pulumi CLI created this stack, and it is not installed any more. Run `make pulumi` "
            f"and then `{name}`, or remove the stack with everything else that is here by `make clean`."
        )
        return 1
    try:
        if down:
            run_local_azure(*chosen.down)
            run_local_azure("stop")
            return 0
        return bring_up(chosen, of_runner or of_cli)
    except StepError as error:
        note(f"{name}: {error}")
        return error.code


def removed_tables(inputs_by_urn: Mapping[str, Mapping[str, Any]]) -> dict[str, str]:
    """The tables of the stack that the program no longer declares, by name, and what is lost with each.

    Only those of ChatStorage, which creates `TABLES`: the program may have others.
    """
    removed: dict[str, str] = {}
    for urn, inputs in inputs_by_urn.items():
        type_, name = type_and_name(urn)
        lost, table = ", ".join(lost_with(type_, name)), str(inputs.get("tableName"))
        if f"::{_CHAT_STORAGE}${TABLE}::" in urn and lost and TABLES.get(name) != table:
            removed[table] = f"table {table} ({lost})"
    return removed


def is_loss_allowed(lost: Collection[str], value: str) -> bool:
    """Whether the user allows the loss, by the variable or at the terminal. Raises OpsError without one.

    `value` of the variable allows it.
    """
    from infra.dynamic.replacement_guard import REPLACE_VARIABLE  # noqa: PLC0415 # takes a second

    allowed = os.environ.get(REPLACE_VARIABLE, "").split(",")
    if {*value.split(",")} <= {*allowed}:
        return True
    title(f"{STACK}: {LOST}: {', '.join(lost)}.", "1;31")
    values = ",".join(filter(None, [*allowed, value]))
    refusal = f"without a terminal, this allows the loss: {REPLACE_VARIABLE}={values} make local"
    return is_confirmed(f"To lose it, type the stack's name, {STACK}: ", STACK, refusal)


def run_up(chosen: Way, inputs_by_urn: Mapping[str, Mapping[str, Any]]) -> bool:
    """Whether the stack is up; False if the user keeps data that would be lost. Raises StepError, OpsError.

    The tables are compared with the state, since a preview would take as long as `up`. A replacement is
    refused by the program before anything is changed (infra.dynamic.replacement_guard), and by the minimal
    runner always.
    """
    tables = removed_tables(inputs_by_urn)
    if tables and not is_loss_allowed(tables.values(), ",".join(tables)):
        return False
    if chosen is RUNNER:
        run_local_azure(*chosen.up)
        return True
    with tempfile.TemporaryDirectory() as folder:
        events = Path(folder) / "events"
        try:
            # The CLI has this option only with this variable; its output remains that of a terminal.
            more = ("--event-log", str(events))
            run_local_azure(*chosen.up, unprinted=more, environment={"PULUMI_DEBUG_COMMANDS": "true"})
        except StepError:
            from infra.dynamic import replacement_guard  # noqa: PLC0415 # as above

            messages = events.read_text(encoding="utf-8") if events.exists() else ""
            allowed, lost = replacement_guard.allowing(messages)
            if not allowed:
                raise
        else:
            return True
    if not is_loss_allowed(lost, allowed):
        return False
    run_local_azure(*chosen.up, environment={replacement_guard.REPLACE_VARIABLE: allowed})
    return True


def bring_up(chosen: Way, inputs_by_urn: Mapping[str, Mapping[str, Any]]) -> int:
    """Raises StepError."""
    start = time.monotonic()
    title("1. The stack, on local Azure")
    if chosen is RUNNER:
        say("There is no Pulumi CLI (`make pulumi` installs it), so the minimal runner is used.")
    if not run_up(chosen, inputs_by_urn):
        say("Nothing was changed.")
        return 1
    outputs: dict[str, Any] = json.loads(run_local_azure(*chosen.outputs, quiet=True))

    title("2. An assistant, over HTTP")
    say(f"$ {curl_command(outputs, ASSISTANT, '-X', 'PUT', '-H', 'If-None-Match: *')}")
    key = run_local_azure(*key_words(outputs), quiet=True).strip()
    status, body = send("PUT", f"{outputs['assistantsUrl']}/{ASSISTANT}", key, {"If-None-Match": "*"})
    say(f"{status} {body}")
    if status == 412:
        say(f"The assistant {ASSISTANT} exists from an earlier run; it keeps its conversation.")
    elif status != 202:
        say("Expected 202. The log of the function app:")
        run_local_azure("logs", outputs["functionAppName"])
        return 1

    title("3. Its rows in the table")
    account = outputs["storageAccountName"]
    run_local_azure("rows", CHAT_STATE_TABLE, "--account", account, "--partition", ASSISTANT)

    title(f"It runs. ({time.monotonic() - start:.0f} s)")
    say(f"  {outputs['functionAppUrl']}")
    say("\nTry it (from this folder):")
    message = ("-H", "content-type: application/json", "-d", '{"message": "Add a todo: buy milk"}')
    say(f"  {curl_command(outputs, f'{ASSISTANT}/messages', *message)}")
    chat = outputs["assistantsUrl"].removesuffix("assistants") + "chat"
    if send("GET", chat, key)[0] != 404:  # the setting `chatPage`
        say("\nTalk to it in a browser, which warns about the certificate: local Azure has issued it.")
        say(f"  {page_address(chat, key) or f'{chat}     the key: {key_command(outputs)}'}")
    say("\nThen:")
    preview = "`make preview`, " if chosen is CLI else ""
    say(f"  change function_app/ or a setting in Pulumi.local.yaml, {preview}`make local`")
    say(f"  {shlex.join(LOCAL_AZURE)} status     running services and addresses (also: logs, rows, keys)")
    say("  make down     destroy the stack;  make clean     remove everything that was created here")
    return 0
