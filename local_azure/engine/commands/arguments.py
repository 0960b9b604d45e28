"""The parser and the flags that commands share: the Pulumi CLI's names and meanings."""

import argparse
import os
from typing import Any, NoReturn

from local_azure.engine.commands.output import FAILED, note

_TRUE = {"1", "t", "true"}  # as Go's strconv.ParseBool reads it


class Parser(argparse.ArgumentParser):
    """Every flag `--a-flag` can be given as PULUMI_OPTION_A_FLAG, too (P:pkg/cmd/pulumi/pulumi.go)."""

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **{"allow_abbrev": False, **options})

    def error(self, message: str) -> NoReturn:
        note(f"error: {message}\n{self.format_usage().rstrip()}")
        raise SystemExit(FAILED)

    def add_argument(self, *names: Any, **options: Any) -> argparse.Action:
        action = super().add_argument(*names, **options)
        flag = next((name for name in action.option_strings if name.startswith("--")), "")
        given = os.environ.get(f"PULUMI_OPTION_{flag[2:].upper().replace('-', '_')}") if flag else None
        if given:
            if action.const is True:
                action.default = _truth(given)
            else:
                action.default = given.split(",") if isinstance(action.default, list) else given
        return action


def _truth(text: str) -> bool:
    return text.lower() in _TRUE


def common() -> Parser:
    flags = Parser(add_help=False)
    flags.add_argument("-C", "--cwd", metavar="FOLDER", help="run as if started in this folder")
    flags.add_argument(
        "--color", choices=("auto", "always", "never", "raw"), default="auto", help="when to colour"
    )
    flags.add_argument("--non-interactive", action="store_true", help="ask nothing and draw nothing")
    return flags


def stack() -> Parser:
    flag = Parser(add_help=False)
    flag.add_argument("-s", "--stack", help="the stack; else the selected one")
    return flag


def config_file() -> Parser:
    flag = Parser(add_help=False)
    flag.add_argument(
        "--config-file", metavar="FILE", help="the stack's settings, in place of Pulumi.STACK.yaml"
    )
    return flag


def operation() -> Parser:
    flags = Parser(add_help=False)
    flags.add_argument(
        "--diff", action="store_true", help="show every changed property with its old and new value"
    )
    flags.add_argument("--expect-no-changes", action="store_true", help="fail when anything changes")
    flags.add_argument("-m", "--message", default="", help="kept in the stack's history")
    flags.add_argument("-p", "--parallel", type=int, help="operations at once (default: 4 for each CPU)")
    flags.add_argument("--suppress-outputs", action="store_true", help="do not show the stack's outputs")
    return flags


def refresh() -> Parser:
    flags = Parser(add_help=False)
    flags.add_argument(
        "-r",
        "--refresh",
        nargs="?",
        const=True,
        default=False,
        type=_truth,
        help="read what exists first",
    )
    return flags


def run_program() -> Parser:
    flags = Parser(add_help=False)
    flags.add_argument(
        "--run-program",
        action="store_true",
        default=_truth(os.environ.get("PULUMI_RUN_PROGRAM", "")),
        help="run the program first: where it fails, nothing is done",
    )
    return flags


def agreement() -> Parser:
    flags = Parser(add_help=False)
    flags.add_argument(
        "-y", "--yes", action="store_true", help="do it without asking (and without a preview)"
    )
    flags.add_argument("-f", "--skip-preview", action="store_true", help="no preview")
    flags.add_argument("--preview-only", action="store_true", help="only show what would be done")
    return flags


def json_preview() -> Parser:
    flags = Parser(add_help=False)
    flags.add_argument("-j", "--json", action="store_true", help="the preview as one JSON document")
    return flags
