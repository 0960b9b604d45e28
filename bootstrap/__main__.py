"""`python -m bootstrap`: the commands. Pulumi's own program begins in run.py."""

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
  python -m bootstrap up                      from nothing, with an Azure login: make bootstrap
  python -m bootstrap move                    then once: make bootstrap-move
  python -m bootstrap variables | sh          tell GitHub
  python -m bootstrap pulumi config set repository octo/assistants
  python -m bootstrap pulumi destroy

exit codes:
  0  done
  1  failed; the reason is on standard error
  2  wrong usage
  pulumi: those of Pulumi
"""


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m bootstrap",
        description="What the pipelines stand on: where state and packages are kept, the key that seals "
        "state, and the identities that GitHub's workflows sign in as.",
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    own = argparse.ArgumentParser(add_help=False)
    own.add_argument(
        "--stack",
        default=os.environ.get("PULUMI_STACK") or DEFAULT_STACK,
        help=f"the stack (default: $PULUMI_STACK, else {DEFAULT_STACK})",
    )
    dry = argparse.ArgumentParser(add_help=False)
    dry.add_argument("--dry-run", action="store_true", help="say what would be done, and do nothing")
    verbs = parser.add_subparsers(dest="command", metavar="COMMAND", required=True)
    verbs.add_parser("up", parents=[own, dry], help="make what is missing, change what differs")
    move = verbs.add_parser(
        "move",
        parents=[own, dry],
        help="take the state into the container that `up` made",
        description="Seals the state with the key, copies it into the container, previews it there, and "
        "removes the copy on this machine only when nothing would change.",
    )
    move.add_argument("--to", metavar="URL", default="", help="another backend than the container")
    move.add_argument(
        "--secrets-provider", metavar="URL", default="", help="another provider than the key (`passphrase`)"
    )
    move.add_argument("--overwrite", action="store_true", help="replace another state that is found there")
    verbs.add_parser("variables", parents=[own], help="print the `gh variable set` commands for GitHub")
    verbs.add_parser("pulumi", parents=[own], help="run Pulumi on this state: pulumi ARGS").add_argument(
        "arguments", nargs=argparse.REMAINDER, metavar="ARGS"
    )
    return parser


def main(words: list[str]) -> int:
    os.environ.update(without_proxy(os.environ))
    # All behind `pulumi` is Pulumi's, `--stack` included, which says whose state is meant.
    if words[:1] == ["pulumi"]:
        flag = argparse.ArgumentParser(add_help=False, allow_abbrev=False)
        flag.add_argument("-s", "--stack", default=os.environ.get("PULUMI_STACK") or DEFAULT_STACK)
        arguments = argparse.Namespace(
            command="pulumi", stack=flag.parse_known_args(words[1:])[0].stack, arguments=words[1:]
        )
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
                commands.exec_pulumi(location, arguments.arguments)
    except OpsError as error:
        note(f"error: {error}")
        return 1
    except KeyboardInterrupt:
        return 130
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
