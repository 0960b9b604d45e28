"""Destroy a stack, purge its model account, and verify that nothing of it is left.

A protected stack is refused before anything is changed. The stack of a pull request (pr-N) is also removed;
another stack keeps its settings for the next `pulumi up`.
"""

import argparse

from ops import state
from ops.engine import Pulumi
from ops.output import is_confirmed, say
from ops.teardown.teardown import TearDown, refuse_protected


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--stack", required=True, metavar="S", help="the stack, for example `dev`")
    chosen = parser.add_mutually_exclusive_group()
    chosen.add_argument("--yes", action="store_true", help="do not ask for the stack's name")
    chosen.add_argument("--dry-run", action="store_true", help="only show what would be destroyed")


def run(arguments: argparse.Namespace) -> int:
    pulumi, stack = Pulumi(), arguments.stack
    pulumi.check_azure()
    exported = pulumi.export(stack)
    refuse_protected(stack, exported)
    going = [resource for resource in state.resources(exported) if resource.id]
    if arguments.dry_run:
        for resource in going:
            say(f"{resource.name}  {resource.type}")
        say(f"{len(going)} resources of stack {stack} would be destroyed.")
        return 0
    question = f"Destroy the {len(going)} resources of stack {stack}? Type its name: "
    refusal = f"to destroy stack {stack} without a terminal, add --yes"
    if not (arguments.yes or is_confirmed(question, stack, refusal)):
        say("Nothing was destroyed.")
        return 1
    TearDown.prepare(pulumi)(stack)
    say(f"Stack {stack} is destroyed; nothing of it is left.")
    return 0
