"""Show who holds the lock of a stack and how this was determined, and remove it after confirmation.

The next `test-stack`, `sweep` or `destroy` removes a stranded lock automatically. Use this command for
every other lock. Pulumi continues to write a state after its lock was removed, so make sure that nobody
works on the stack.

exit codes: 0 the stack has no lock; 1 the locks were not removed, or the command failed
"""

import argparse
from collections.abc import Mapping
from typing import Any

from ops.engine import NO_SUCH_STACK, Pulumi, PulumiError
from ops.locks.recovery import locks_of, pending_operations
from ops.output import is_confirmed, note, say
from tools.pulumi.typed import as_typed


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--stack", required=True, metavar="S", help="the stack, for example `dev`")
    chosen = parser.add_mutually_exclusive_group()
    chosen.add_argument("--yes", action="store_true", help="remove the locks without asking")
    chosen.add_argument("--dry-run", action="store_true", help="only show the locks")


def run(arguments: argparse.Namespace) -> int:
    pulumi, stack = Pulumi(), arguments.stack
    pulumi.check(lambda: pulumi.files)
    verdicts = locks_of(pulumi, stack).verdicts()
    if not verdicts:
        exported = pulumi.export(stack)
        say(f"Stack {stack} is not locked.")
        _print_pending(exported, stack)
        return 0
    for verdict in verdicts:
        say(f"{verdict.state:<9} {verdict}")
    if arguments.dry_run:
        return 1
    if not arguments.yes:
        if any(verdict.state == "alive" for verdict in verdicts):
            note("A holder is still running. Its state will be damaged if it continues.")
        question = f"Type {stack} to remove the lock(s): "
        refusal = f"to remove {len(verdicts)} lock(s) of stack {stack} without a terminal, add --yes"
        if not is_confirmed(question, stack, refusal):
            say("Nothing was removed.")
            return 1
    for verdict in verdicts:
        # Only the printed locks: a lock that was taken in the meantime remains.
        pulumi.files.delete(verdict.lock.name, verdict.lock.etag)
        say(f"removed   {verdict.lock.name}")
    try:
        _print_pending(pulumi.export(stack), stack)
    except PulumiError as error:
        if error.code != NO_SUCH_STACK:  # the holder was killed while it created the stack
            raise
    return 0


def _print_pending(exported: Mapping[str, Any], stack: str) -> None:
    pending = pending_operations(exported)
    if pending:
        say(f"The stack has pending operations: {', '.join(pending)}. To clear them:")
        say(f"  {as_typed(f'pulumi refresh --clear-pending-creates --yes --stack {stack}')}")
