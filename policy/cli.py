"""`python -m policy`: checks a document against the rules, also where there is no Pulumi CLI."""

import argparse
import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any, cast

from policy.check import DocumentError, check
from policy.rules import RULES

_EPILOG = """\
examples:
  pulumi preview --json > preview.json && python -m policy check preview.json
  python -m local_azure pulumi preview --json | python -m policy check -
  pulumi stack export | python -m policy check -      the deployed stack
  python -m policy rules                              all rules and their reasons

exit codes:
  0  no violations, or all of them are waived in policy/waivers.toml
  1  violations
  2  wrong usage, or a document that cannot be checked
"""


def main(words: Sequence[str]) -> int:
    parser = argparse.ArgumentParser(
        prog="python -m policy",
        description="Check a stack against the rules of policy/.",
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    commands = parser.add_subparsers(dest="command", metavar="COMMAND", required=True)
    check_parser = commands.add_parser("check", help="check the output of `preview --json` or `stack export`")
    check_parser.add_argument("document", metavar="PREVIEW.json", help="a file, or - for standard input")
    commands.add_parser("rules", help="list the rules and their reasons")
    arguments = parser.parse_args(words)
    if arguments.command == "rules":
        for rule in RULES:
            sys.stdout.write(f"{rule.name}\n    {rule.title}\n    {rule.why}\n")
        return 0
    return _check(arguments.document)


def _check(name: str) -> int:
    try:
        judgement = check(_read(name))
    except DocumentError as error:
        sys.stderr.write(f"error: {name} cannot be checked: {error}\n")
        return 2
    sys.stderr.writelines(f"note: {name}: {note}\n" for note in judgement.notes)
    counts = f"{len(judgement.violations)} violations, {len(judgement.waived)} waived"
    lines = [
        *(f"{violation.rule}: {violation}" for violation in judgement.violations),
        *(f"(advice) {violation.rule} is {waiver}. {violation}" for violation, waiver in judgement.waived),
        f"{name}: {judgement.resources} resources, {counts}",
    ]
    sys.stdout.writelines(f"{line}\n" for line in lines)
    return 1 if judgement.violations else 0


def _read(name: str) -> dict[str, Any]:
    try:
        text = sys.stdin.read() if name == "-" else Path(name).read_text(encoding="utf-8")
        document = json.loads(text.removeprefix("\ufeff"))
    except (OSError, ValueError) as error:
        raise DocumentError(str(error)) from error
    if not isinstance(document, dict):
        raise DocumentError("it is no JSON object")
    return cast("dict[str, Any]", document)
