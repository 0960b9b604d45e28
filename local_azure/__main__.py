"""`python -m local_azure`: start, inspect, use and stop a local Azure."""

import argparse
import os
import sys
from importlib import import_module
from typing import TypeAlias

from local_azure.cli.output import CommandError, note
from local_azure.home import ENVIRONMENT_VARIABLE, Home, HomeError
from local_azure.loopback import without_proxy

_Commands: TypeAlias = "argparse._SubParsersAction[argparse.ArgumentParser]"  # pyright: ignore[reportPrivateUsage] # argparse names no public type

_QUOTA = "OpenAI.GlobalStandard.gpt-5.4-mini"

_EPILOG = f"""\
examples:
  python -m local_azure pulumi up          bring the stack up on local Azure
  python -m local_azure exec -- COMMAND    any program that calls `pulumi` or an Azure SDK
  python -m local_azure portal list        its resources; `portal --help`: how to change them
  python -m local_azure status             what runs, and where
  python -m local_azure rows ChatState     the rows of a table
  python -m local_azure model requests     the requests to its chat model
  python -m local_azure quota              its quotas; `quota --help`: how to set them
  python -m local_azure reset              remove all of it

All files are in .local, or in the folder that {ENVIRONMENT_VARIABLE} names.

exit codes:
  0  done (status: it runs)
  1  failed; the reason is on standard error
  2  wrong usage
  3  status: it does not run
  pulumi: those of the CLI
  exec: those of the command; 126, 127 when it cannot be run or found, as in a shell
"""


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m local_azure",
        description="A stand-in for Azure on this machine: resources by Pulumi, storage by Azurite, "
        "function apps from their deployed packages.",
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    commands = parser.add_subparsers(dest="command", metavar="COMMAND", required=True)

    start = _add(commands, "start", "control", "start it, unless it runs", "start --port 8443")
    start.add_argument("--port", type=_port, help="port of the gateway (default: one that stays the same)")
    start.add_argument(
        "--new-ports",
        action="store_true",
        help="replace remembered ports that are taken; then run `python -m local_azure pulumi up --refresh`",
    )
    _add(commands, "stop", "control", "stop it; resources and data stay", "stop")
    status = _add(
        commands, "status", "control", "show what runs; exit code 3 when nothing does", "status --json"
    )
    status.add_argument("--json", action="store_true", help="print JSON")
    reset = _add(commands, "reset", "control", "stop it and remove everything it keeps", "reset --yes")
    reset.add_argument("--yes", action="store_true", help="do not ask")

    logs = _add(commands, "logs", "show", "show the logs of its processes", "logs -f daemon")
    logs.add_argument("name", nargs="?", metavar="NAME", help="one log (default: all)")
    logs.add_argument("-f", "--follow", action="store_true", help="continue until Ctrl-C")
    logs.add_argument(
        "-n", "--lines", type=int, default=50, metavar="N", help="lines of each log (default 50)"
    )
    keys = _add(commands, "keys", "show", "show the keys of a function app", "keys func-assistant")
    keys.add_argument("app", nargs="?", metavar="APP", help="its name (default: the only one)")
    keys.add_argument("--name", metavar="KEY", help="print this key alone, as for $(...) in a shell")
    rows = _add(commands, "rows", "show", "show the rows of a storage table", "rows ChatState")
    rows.add_argument("table", metavar="TABLE")
    rows.add_argument("--account", metavar="NAME", help="storage account (default: the only one)")
    rows.add_argument("--partition", metavar="KEY", help="only the rows with this PartitionKey")

    quota = _add(
        commands, "quota", "quota", "show or set the quotas of the subscription", f"quota {_QUOTA} 50"
    )
    quota.add_argument("name", nargs="?", metavar="NAME", help="one quota (default: list all)")
    quota.add_argument("limit", nargs="?", metavar="LIMIT", help="its new limit; `default` restores it")
    quota.add_argument("--region", metavar="REGION", help="in this region only, as eastus2")

    _add_model(commands)
    _add_runner(commands)
    for name, words, summary, example in (  # only for the help: `arguments_of` parses them
        ("pulumi", "ARGS", "run Pulumi against it; starts it unless it runs", "pulumi up --yes"),
        ("portal", "ARGS", "change its resources behind Pulumi's back, as the portal does", "portal --help"),
        (
            "exec",
            "-- COMMAND ARGS",
            "run any program that calls `pulumi` or an Azure SDK against it; starts it unless it runs",
            "exec -- pulumi stack ls",
        ),
    ):
        command = _add(commands, name, name, summary, example)
        command.add_argument("arguments", nargs=argparse.REMAINDER, metavar=words)
    return parser


def _add_runner(commands: _Commands) -> None:
    module = "local_azure.runner.commands"
    summary = "bring the stack up without the Pulumi CLI; no previews, refresh or state"
    runner = _add(commands, "runner", module, summary, "runner up")
    actions = runner.add_subparsers(dest="action", metavar="ACTION", required=True)
    for name, summary in (
        ("up", "create and update what the program declares, delete the rest"),
        ("down", "delete all resources that the runner created"),
        ("outputs", "print what the program exports, as JSON"),
    ):
        action = _add(actions, name, module, summary, f"runner {name}", function="runner")
        action.add_argument(
            "--stack", default="local", metavar="NAME", help="its Pulumi.NAME.yaml (default local)"
        )


def _add_model(commands: _Commands) -> None:
    model = _add(
        commands, "model", "model", "inspect and control the chat model of OpenAI accounts", "model -h"
    )
    actions = model.add_subparsers(dest="action", metavar="ACTION", required=True)
    script = _add(actions, "script", "model", "queue exact answers from a JSON file", "model script FILE")
    script.add_argument("file", metavar="FILE", help="the script; - for standard input")
    summary = "print the latest requests with their answers"
    requests = _add(actions, "requests", "model", summary, "model requests --json")
    requests.add_argument("--json", action="store_true", help="print JSON, with whole bodies")
    clear = _add(actions, "clear", "model", "drop queued answers and recorded requests", "model clear")
    for action in (script, requests, clear):
        action.add_argument("--account", metavar="NAME", help="OpenAI account (default: the only one)")
    summary = "send all requests to a server with OpenAI's API, or to the stand-in again"
    use = _add(actions, "use", "model", summary, "model use http://127.0.0.1:11434/v1 --model llama3.2")
    use.add_argument("url", metavar="URL|local", help="its URL up to /v1, or `local` for the stand-in")
    use.add_argument("--model", metavar="NAME", help="its model (default: the deployed model's name)")
    use.add_argument("--key-variable", metavar="NAME", help="environment variable that holds its key")


def _add(
    commands: _Commands, name: str, module: str, summary: str, example: str, *, function: str = ""
) -> argparse.ArgumentParser:
    """A command, implemented by a function, by default of its name, in a module, by default of the CLI."""
    parser = commands.add_parser(
        name,
        help=summary,
        description=summary[0].upper() + summary[1:] + ".",
        epilog=f"example: python -m local_azure {example}",
        formatter_class=argparse.RawDescriptionHelpFormatter,  # an example stays on its line
    )
    parser.set_defaults(module=module, function=function or name)
    return parser


def _port(text: str) -> int:
    if not (text.isdecimal() and 1024 <= int(text) <= 65535):
        raise argparse.ArgumentTypeError(f"{text!r} is not a port from 1024 to 65535")
    return int(text)


def arguments_of(words: list[str]) -> argparse.Namespace:
    """All words after `pulumi`, `portal` and `exec` or its `--` are arguments, options included."""
    if words[:1] in (["pulumi"], ["portal"]):
        return argparse.Namespace(module=words[0], function=words[0], arguments=words[1:])
    command = words[2:] if words[1:2] == ["--"] else words[1:]
    if words[:1] == ["exec"] and command and (words[1] == "--" or not words[1].startswith("-")):
        return argparse.Namespace(module="execute", function="execute", arguments=command)
    parser = _parser()
    if words[:1] == ["exec"] and not command:
        parser.error("exec needs a command: python -m local_azure exec -- COMMAND ARGS")
    return parser.parse_args(words)


def main(words: list[str]) -> int:
    arguments = arguments_of(words)
    os.environ.update(without_proxy(os.environ))
    try:
        # Only the command's module is imported: `status` and `pulumi` have to start at once.
        module = arguments.module if "." in arguments.module else f"local_azure.cli.{arguments.module}"
        command = getattr(import_module(module), arguments.function)
        return command(Home.find(), arguments)
    except ModuleNotFoundError as error:
        note(f"error: {sys.executable} has no {error.name}: run `make setup`, then `. .venv/bin/activate`")
        return 1
    except (CommandError, HomeError) as error:
        note(f"error: {error}")
        return 1
    except PermissionError as error:
        note(
            f"error: {error.filename}: {error.strerror}. Local Azure's files belong to the user who "
            f"started it: name a folder of your own in {ENVIRONMENT_VARIABLE}, or have its owner remove it."
        )
        return 1
    except KeyboardInterrupt:
        return 130
    except BrokenPipeError:
        # The reader of the pipe (`| head`) has ended.
        sys.stderr.close()
        return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
