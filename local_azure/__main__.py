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


_PORTAL_EPILOG = """\
WHAT is the ARM id of a resource or a resource group, its name, or the end of its id where several resources
have the name: tables/ChatState.

examples:
  python -m local_azure portal list
  python -m local_azure portal setting set func-assistant-local-abc CHAT_MODEL gpt-5
  python -m local_azure portal setting remove func-assistant-local-abc CHAT_MODEL
  python -m local_azure portal tag set rg-assistant-local-abc owner me
  python -m local_azure portal set stassistantabc properties.minimumTlsVersion TLS1_0
  python -m local_azure portal set stassistantabc properties.allowSharedKeyAccess true
  python -m local_azure portal lock add rg-assistant-local-abc
  python -m local_azure portal delete tables/ChatState
  python -m local_azure portal list --deleted
  python -m local_azure portal purge oai-assistant-local-abc

exit codes: 0 done; 1 refused, the reason is on standard error; 2 wrong usage
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

    start = _add(commands, "start", "control.start", "start it, unless it runs", "start --port 8443")
    start.add_argument("--port", type=_port, help="port of the gateway (default: one that stays the same)")
    start.add_argument(
        "--new-ports",
        action="store_true",
        help="replace remembered ports that are taken; then run `python -m local_azure pulumi up --refresh`",
    )
    _add(commands, "stop", "control.stop", "stop it; resources and data stay", "stop")
    summary = "show what runs; exit code 3 when nothing does"
    status = _add(commands, "status", "control.status", summary, "status --json")
    status.add_argument("--json", action="store_true", help="print JSON")
    summary = "stop it and remove everything it keeps"
    reset = _add(commands, "reset", "control.reset", summary, "reset --yes")
    reset.add_argument("--yes", action="store_true", help="do not ask")

    logs = _add(commands, "logs", "show.logs", "show the logs of its processes", "logs -f daemon")
    logs.add_argument("name", nargs="?", metavar="NAME", help="one log (default: all)")
    logs.add_argument("-f", "--follow", action="store_true", help="continue until Ctrl-C")
    summary = "lines of each log (default 50)"
    logs.add_argument("-n", "--lines", type=int, default=50, metavar="N", help=summary)
    keys = _add(commands, "keys", "show.keys", "show the keys of a function app", "keys func-assistant")
    keys.add_argument("app", nargs="?", metavar="APP", help="its name (default: the only one)")
    keys.add_argument("--name", metavar="KEY", help="print this key alone, as for $(...) in a shell")
    rows = _add(commands, "rows", "show.rows", "show the rows of a storage table", "rows ChatState")
    rows.add_argument("table", metavar="TABLE")
    rows.add_argument("--account", metavar="NAME", help="storage account (default: the only one)")
    rows.add_argument("--partition", metavar="KEY", help="only the rows with this PartitionKey")

    summary = "show or set the quotas of the subscription"
    quota = _add(commands, "quota", "quota.quota", summary, f"quota {_QUOTA} 50")
    quota.add_argument("name", nargs="?", metavar="NAME", help="one quota (default: list all)")
    quota.add_argument("limit", nargs="?", metavar="LIMIT", help="its new limit; `default` restores it")
    quota.add_argument("--region", metavar="REGION", help="in this region only, as eastus2")

    _add_model(commands)
    _add_portal(commands)
    summary = "bring the stack up without the Pulumi CLI; no previews, refresh or state"
    runner = _group(commands, "runner", summary, "runner up")
    for name, summary in (
        ("up", "create and update what the program declares, delete the rest"),
        ("down", "delete all resources that the runner created"),
        ("outputs", "print what the program exports, as JSON"),
    ):
        action = _add(runner, name, "local_azure.runner.commands.runner", summary, f"runner {name}")
        action.add_argument(
            "--stack", default="local", metavar="NAME", help="its Pulumi.NAME.yaml (default local)"
        )
        action.set_defaults(action=name)
    for name, words, summary, example in (  # only for the help: `arguments_of` parses them
        ("pulumi", "ARGS", "run Pulumi against it; starts it unless it runs", "pulumi up --yes"),
        (
            "exec",
            "-- COMMAND ARGS",
            "run any program that calls `pulumi` or an Azure SDK against it; starts it unless it runs",
            "exec -- pulumi stack ls",
        ),
    ):
        command = _add(commands, name, "", summary, example)
        command.add_argument("arguments", nargs=argparse.REMAINDER, metavar=words)
    return parser


def _add_model(commands: _Commands) -> None:
    actions = _group(commands, "model", "inspect and control the chat model of OpenAI accounts", "model -h")
    summary = "queue exact answers from a JSON file"
    script = _add(actions, "script", "model.script", summary, "model script FILE")
    script.add_argument("file", metavar="FILE", help="the script; - for standard input")
    summary = "print the latest requests with their answers"
    requests = _add(actions, "requests", "model.requests", summary, "model requests --json")
    requests.add_argument("--json", action="store_true", help="print JSON, with whole bodies")
    summary = "drop queued answers and recorded requests"
    clear = _add(actions, "clear", "model.clear", summary, "model clear")
    for action in (script, requests, clear):
        action.add_argument("--account", metavar="NAME", help="OpenAI account (default: the only one)")
    summary = "send all requests to a server with OpenAI's API, or to the stand-in again"
    example = "model use http://127.0.0.1:11434/v1 --model llama3.2"
    use = _add(actions, "use", "model.use", summary, example)
    use.add_argument("url", metavar="URL|local", help="its URL up to /v1, or `local` for the stand-in")
    use.add_argument("--model", metavar="NAME", help="its model (default: the deployed model's name)")
    use.add_argument("--key-variable", metavar="NAME", help="environment variable that holds its key")


def _add_portal(commands: _Commands) -> None:
    summary = "change its resources behind Pulumi's back, with Azure's own checks, as the portal does"
    verbs = _group(commands, "portal", summary, epilog=_PORTAL_EPILOG)

    listing = _add(verbs, "list", "portal.list_resources", "show the resource groups and resources")
    listing.add_argument("--all", action="store_true", help="also children, locks and role assignments")
    listing.add_argument("--deleted", action="store_true", help="deleted model accounts that are still kept")
    listing.add_argument("--json", action="store_true", help="print JSON")

    setting = _group(verbs, "setting", "set or remove an app setting")
    command, summary = "portal.change_setting", "an app setting; the app restarts"
    _add(setting, "set", command, f"set {summary}", positional=("app", "name", "value"))
    remove = _add(setting, "remove", command, f"remove {summary}", positional=("app", "name"))
    remove.set_defaults(value=None)

    tag = _group(verbs, "tag", "set or remove a tag")
    command = "portal.change_tag"
    _add(tag, "set", command, "set a tag", positional=("what", "key", "value"))
    _add(tag, "remove", command, "remove a tag", positional=("what", "key")).set_defaults(value=None)

    lock = _group(verbs, "lock", "add or remove a lock")
    levels = ("CanNotDelete", "ReadOnly")
    add = _add(lock, "add", "portal.add_lock", "lock a resource, with all below it", positional=("what",))
    add.add_argument("--level", choices=levels, default=levels[0], help=f"default {levels[0]}")
    add.add_argument("--name", default="portal", help="the lock's name (default portal)")
    remove = _add(lock, "remove", "portal.remove_lock", "remove a lock", positional=("what",))
    remove.add_argument("--name", help="the lock's name (default: the only one)")

    summary = "set a property: PATH as properties.minimumTlsVersion"
    _add(verbs, "set", "portal.set_property", summary, positional=("what", "path", "value"))
    summary = "delete a resource, or a group with all in it"
    _add(verbs, "delete", "portal.delete", summary, positional=("what",))
    _add(verbs, "purge", "portal.purge", "purge a deleted model account", positional=("name",))


def _group(
    commands: _Commands, name: str, summary: str, example: str = "", *, epilog: str | None = None
) -> _Commands:
    """A command with commands of its own."""
    parser = _add(commands, name, "", summary, example)
    parser.epilog = epilog or parser.epilog
    return parser.add_subparsers(metavar="COMMAND", required=True)


def _add(
    commands: _Commands,
    name: str,
    function: str,
    summary: str,
    example: str = "",
    *,
    positional: tuple[str, ...] = (),
) -> argparse.ArgumentParser:
    """A command, implemented by `function`: its name with its module, by default in `local_azure.cli`."""
    parser = commands.add_parser(
        name,
        help=summary,
        description=summary[0].upper() + summary[1:] + ".",
        epilog=f"example: python -m local_azure {example}" if example else None,
        formatter_class=argparse.RawDescriptionHelpFormatter,  # an example stays on its line
    )
    for argument in positional:
        parser.add_argument(argument, metavar=argument.upper())
    parser.set_defaults(function=function)
    return parser


def _port(text: str) -> int:
    if not (text.isdecimal() and 1024 <= int(text) <= 65535):
        raise argparse.ArgumentTypeError(f"{text!r} is not a port from 1024 to 65535")
    return int(text)


def arguments_of(words: list[str]) -> argparse.Namespace:
    """All words after `pulumi` and `exec` or its `--` are arguments, options included."""
    if words[:1] == ["pulumi"]:
        return argparse.Namespace(function="pulumi.pulumi", arguments=words[1:])
    command = words[2:] if words[1:2] == ["--"] else words[1:]
    if words[:1] == ["exec"] and command and (words[1] == "--" or not words[1].startswith("-")):
        return argparse.Namespace(function="execute.execute", arguments=command)
    parser = _parser()
    if words[:1] == ["exec"] and not command:
        parser.error("exec needs a command: python -m local_azure exec -- COMMAND ARGS")
    return parser.parse_args(words)


def main(words: list[str]) -> int:
    arguments = arguments_of(words)
    os.environ.update(without_proxy(os.environ))
    module, _, function = arguments.function.rpartition(".")
    try:
        # Only the command's module is imported: `status` and `pulumi` have to start at once.
        command = getattr(import_module(module if "." in module else f"local_azure.cli.{module}"), function)
        return command(Home.find(), arguments) or 0
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
