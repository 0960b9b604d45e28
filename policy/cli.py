"""`python -m policy`: checks a document against the rules, also where there is no Pulumi CLI."""

import argparse
import json
import sys
from collections.abc import Sequence
from dataclasses import asdict
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


def _say(text: str) -> None:
    sys.stdout.write(f"{text}\n")


def _note(text: str) -> None:
    sys.stderr.write(f"{text}\n")


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m policy",
        description="Check a stack against the rules of policy/.",
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    commands = parser.add_subparsers(dest="command", metavar="COMMAND", required=True)
    check = commands.add_parser("check", help="check the output of `preview --json` or `stack export`")
    check.add_argument("documents", nargs="+", metavar="PREVIEW.json", help="a file, or - for standard input")
    check.add_argument("--json", action="store_true", help="print the violations as a JSON list")
    commands.add_parser("rules", help="list the rules and their reasons")
    return parser


def _read(name: str) -> dict[str, Any]:
    try:
        text = sys.stdin.read() if name == "-" else Path(name).read_text(encoding="utf-8")
        document = json.loads(text.removeprefix("\ufeff"))
    except (OSError, ValueError) as error:
        raise DocumentError(str(error)) from error
    if not isinstance(document, dict):
        raise DocumentError("it is no JSON object")
    return cast("dict[str, Any]", document)


def _check(names: Sequence[str], *, as_json: bool) -> int:
    violations: list[dict[str, str]] = []
    code = 0
    for name in names:
        try:
            judgement = check(_read(name))
        except DocumentError as error:
            _note(f"error: {name} cannot be checked: {error}")
            code = 2
            continue
        violations += [asdict(violation) for violation in judgement.violations]
        code = max(code, int(bool(judgement.violations)))
        for text in judgement.notes:
            _note(f"note: {name}: {text}")
        if as_json:
            continue
        for violation in judgement.violations:
            _say(f"{violation.rule}: {violation}")
        for violation, waiver in judgement.waived:
            _say(f"(advice) {violation.rule} is {waiver}. {violation}")
        counts = f"{len(judgement.violations)} violations, {len(judgement.waived)} waived"
        _say(f"{name}: {judgement.resources} resources, {counts}")
    if as_json:
        _say(json.dumps(violations, indent=2))
    return code


def _rules() -> int:
    for rule in RULES:
        _say(f"{rule.name}\n    {rule.title}\n    {rule.why}")
    return 0


def main(words: Sequence[str]) -> int:
    arguments = _parser().parse_args(words)
    if arguments.command == "rules":
        return _rules()
    return _check(arguments.documents, as_json=arguments.json)
