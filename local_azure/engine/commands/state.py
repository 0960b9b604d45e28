"""Changes to the state itself: `state unprotect`, `stack export` and `stack import`."""

import argparse
import json
import sys
from pathlib import Path
from typing import Any

from local_azure.engine.commands import arguments
from local_azure.engine.commands.output import UsageError, confirm, say
from local_azure.engine.commands.selection import Place


def add_to(verbs: Any, shared: list[arguments.Parser]) -> None:
    group = verbs.add_parser("state", parents=shared, help="change the state itself")
    state_verbs = group.add_subparsers(
        dest="state_verb", metavar="COMMAND", required=True, parser_class=arguments.Parser
    )
    unprotect = state_verbs.add_parser(
        "unprotect", parents=shared, help="let protected resources be deleted and replaced"
    )
    unprotect.set_defaults(run=_unprotect)
    unprotect.add_argument("urns", nargs="*", metavar="URN", help="as `stack --show-urns` lists them")
    unprotect.add_argument("--all", action="store_true", help="every resource")
    unprotect.add_argument("-y", "--yes", action="store_true", help="without asking")


def add_to_stack(verbs: Any, shared: list[arguments.Parser]) -> None:
    exported = verbs.add_parser("export", parents=shared, help="write the state as JSON")
    exported.set_defaults(run=_export)
    exported.add_argument("--file", metavar="FILE", help="where to; else to standard output")
    exported.add_argument("--show-secrets", action="store_true", help="in clear")
    imported = verbs.add_parser("import", parents=shared, help="take a state that was exported")
    imported.set_defaults(run=_import)
    imported.add_argument("--file", metavar="FILE", help="where from; else from standard input")
    imported.add_argument(
        "-f", "--force", action="store_true", help="also when it is another stack's, or not whole"
    )


def _unprotect(args: argparse.Namespace) -> int:
    from local_azure.engine.transfer import unprotect  # noqa: PLC0415

    if not args.urns and not args.all:
        raise UsageError("name the URNs of the resources, or pass --all")
    stack = Place.here().stack(args)
    confirm(args, f"Unprotect resources in the state of {stack.name}?", "yes")
    number = unprotect(stack, None if args.all else args.urns)
    say("All resources unprotected" if args.all else f"{number} resources unprotected")
    return 0


def _export(args: argparse.Namespace) -> int:
    from local_azure.engine.transfer import exported  # noqa: PLC0415

    text = json.dumps(exported(Place.here().stack(args), show_secrets=args.show_secrets), indent=4)
    if args.file:
        Path(args.file).write_text(text + "\n")
    else:
        say(text)
    return 0


def _import(args: argparse.Namespace) -> int:
    from local_azure.engine.transfer import take  # noqa: PLC0415

    source = args.file or "standard input"
    try:
        text = Path(args.file).read_text() if args.file else sys.stdin.read()
        found: Any = json.loads(text)
    except OSError as error:
        raise UsageError(f"could not open file: {error}") from error
    except ValueError as error:
        raise UsageError(f"{source} is not JSON: {error}") from error
    take(Place.here().stack(args), found, source, force=args.force)
    say("Import complete.")
    return 0
