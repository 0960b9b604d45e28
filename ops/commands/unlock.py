"""Show who holds a stack's lock and how that is known, and remove it once somebody confirms.

A lock that is proven to be stranded is also removed by the next `test-stack`, `sweep` or `destroy`, by
itself. This is for the others: Pulumi goes on writing a state whose lock is gone, so be sure that nobody
works on the stack.

exit codes: 0 there is no lock any more; 1 the locks are still there, or something failed
"""

import argparse
import sys

from ops.engine import NO_SUCH_STACK, Pulumi, PulumiError
from ops.locks.locks import Machine, Verdict, verdicts
from ops.locks.recovery import pending_operations, run_state_of
from ops.output import OpsError, note, say


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--stack", required=True, metavar="S")
    chosen = parser.add_mutually_exclusive_group()
    chosen.add_argument("--yes", action="store_true", help="remove the locks without asking")
    chosen.add_argument("--dry-run", action="store_true", help="only show them")


def run(arguments: argparse.Namespace) -> int:
    pulumi, stack = Pulumi(), arguments.stack
    files = pulumi.files
    machine = Machine.current(files, pulumi.environment)
    lock_verdicts = verdicts(files, pulumi.project, stack, machine, run_state_of(pulumi.environment))
    if not lock_verdicts:
        say(f"Stack {stack} is not locked.")
        _print_pending(pulumi, stack)
        return 0
    for verdict in lock_verdicts:
        say(f"{verdict.state:<9} {verdict}")
    if arguments.dry_run:
        return 1
    if not (arguments.yes or _confirmed(stack, lock_verdicts)):
        say("Nothing was removed.")
        return 1
    for verdict in lock_verdicts:
        # Only what was shown: a lock that was taken meanwhile stays.
        files.delete(verdict.lock.name, verdict.lock.etag)
        say(f"removed   {verdict.lock.name}")
    _print_pending(pulumi, stack)
    return 0


def _confirmed(stack: str, lock_verdicts: list[Verdict]) -> bool:
    if not sys.stdin.isatty():
        raise OpsError(
            f"to remove {len(lock_verdicts)} lock(s) of stack {stack} without a terminal, add --yes"
        )
    if any(verdict.state == "alive" for verdict in lock_verdicts):
        note("A holder is alive: its state will be damaged if it goes on.")
    try:
        return input(f"Type {stack} to remove the lock(s): ").strip() == stack
    except EOFError:
        return False


def _print_pending(pulumi: Pulumi, stack: str) -> None:
    try:
        pending = pending_operations(pulumi.export(stack))
    except PulumiError as error:
        if error.code == NO_SUCH_STACK:
            return
        raise
    if pending:
        say(f"It was left in the middle of: {', '.join(pending)}. To forget that:")
        say(f"  pulumi refresh --clear-pending-creates --yes --stack {stack}")
