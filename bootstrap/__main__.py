"""The command line `python -m bootstrap`. The Pulumi program starts in run.py."""

import argparse
import os
import sys

from bootstrap import commands
from bootstrap.backend import StateLocation
from local_azure.loopback import without_proxy
from ops.output import OpsError, note, say

DEFAULT_STACK = "shared"
_EPILOG = """\
examples:
  python -m bootstrap up                      create everything, with an Azure login: make bootstrap
  python -m bootstrap move                    once, after the first `up`: make bootstrap-move
  python -m bootstrap variables | sh          set the variables in GitHub
  python -m bootstrap pulumi config set repository octo/assistants
  python -m bootstrap pulumi destroy

exit codes:
  0  success
  1  failure; the reason is on standard error
  2  wrong usage
  `pulumi` has the exit codes of Pulumi
"""


def _default_stack() -> str:
    return os.environ.get("PULUMI_STACK") or DEFAULT_STACK


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m bootstrap",
        description="The resources that the pipelines need: the storage of state and packages, the key that "
        "encrypts the state, and the identities of GitHub's workflows.",
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    own = argparse.ArgumentParser(add_help=False)
    stack_help = f"the stack (default: $PULUMI_STACK, else {DEFAULT_STACK})"
    own.add_argument("--stack", default=_default_stack(), help=stack_help)
    dry = argparse.ArgumentParser(add_help=False)
    dry.add_argument("--dry-run", action="store_true", help="print what would be done, and change nothing")
    verbs = parser.add_subparsers(dest="command", metavar="COMMAND", required=True)
    verbs.add_parser("up", parents=[own, dry], help="create missing resources, update changed ones")
    move = verbs.add_parser(
        "move",
        parents=[own, dry],
        help="move the state into the container that `up` created",
        description="Encrypts the state with the key, copies it into the container, previews it there, and "
        "removes the copy on this machine only if the preview shows no changes.",
    )
    move.add_argument("--to", metavar="URL", default="", help="a backend other than the container")
    move.add_argument(
        "--secrets-provider", metavar="URL", default="", help="a provider other than the key (`passphrase`)"
    )
    move.add_argument(
        "--overwrite", action="store_true", help="replace another state of the stack in the target backend"
    )
    verbs.add_parser("variables", parents=[own], help="print the `gh variable set` commands for GitHub")
    # Only for the help: `main` reads what follows it.
    verbs.add_parser("pulumi", help="run Pulumi on this state: pulumi ARGS")
    return parser


def main(words: list[str]) -> int:
    os.environ.update(without_proxy(os.environ))
    if words[:1] == ["pulumi"]:
        # All arguments after `pulumi` are Pulumi's. `--stack` among them also selects the state.
        flag = argparse.ArgumentParser(add_help=False, allow_abbrev=False)
        flag.add_argument("-s", "--stack", default=_default_stack())
        arguments = flag.parse_known_args(words[1:])[0]
        arguments.command = "pulumi"
    else:
        arguments = _parser().parse_args(words)
    location = StateLocation(arguments.stack)
    try:
        match arguments.command:
            case "up":
                commands.up(location, dry_run=arguments.dry_run)
            case "move":
                commands.move(
                    location,
                    to=arguments.to,
                    secrets_provider=arguments.secrets_provider,
                    overwrite=arguments.overwrite,
                    dry_run=arguments.dry_run,
                )
            case "variables":
                say("\n".join(commands.variables(location)))
            case _:
                commands.exec_pulumi(location, words[1:])
    except OpsError as error:
        note(f"error: {error}")
        return 1
    except KeyboardInterrupt:
        return 130
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
