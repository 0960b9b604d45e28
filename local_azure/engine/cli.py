"""The command line: the Pulumi CLI's verbs and flags, as far as local stacks need them."""

import argparse
import contextlib
import hashlib
import json
import os
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, NoReturn

from local_azure.engine import locks
from local_azure.engine.backend import Backend, backend_folder, write_atomically
from local_azure.engine.config import Project, find_project
from local_azure.engine.errors import EngineError
from local_azure.engine.programs import start

# The CLI's exit codes (P:sdk/go/common/util/cmdutil/exit.go).
FAILED, MISUSED, NO_SUCH_STACK, CHANGES_FOUND, CANCELLED = 1, 2, 6, 7, 8
NAME = "local Azure's embedded engine"


class UsageError(EngineError):
    def __init__(self, text: str, code: int = FAILED) -> None:
        super().__init__(text)
        self.code = code


def _say(text: str) -> None:
    sys.stdout.write(text + "\n")


def _note(text: str) -> None:
    sys.stderr.write(text + "\n")


# --- arguments --------------------------------------------------------------


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        _note(f"error: {message}\n{self.format_usage().rstrip()}")
        raise SystemExit(MISUSED)


def _common() -> _Parser:
    common = _Parser(add_help=False)
    common.add_argument("-C", "--cwd", metavar="FOLDER", help="run as if started in this folder")
    common.add_argument(
        "--color", choices=("auto", "always", "never", "raw"), default="auto", help="when to colour"
    )
    common.add_argument("--non-interactive", action="store_true", help="ask nothing and draw nothing")
    return common


def _stack_flag() -> _Parser:
    flag = _Parser(add_help=False)
    flag.add_argument("-s", "--stack", help="the stack; else the selected one")
    return flag


def _operation(*, program: bool) -> _Parser:
    flags = _Parser(add_help=False)
    flags.add_argument(
        "--diff", action="store_true", help="show every changed property with its old and new value"
    )
    flags.add_argument("--expect-no-changes", action="store_true", help="fail when anything changes")
    flags.add_argument("-m", "--message", default="", help="kept in the stack's history")
    flags.add_argument("-p", "--parallel", type=int, help="operations at once (default: 4 for each CPU)")
    flags.add_argument("--suppress-outputs", action="store_true", help="do not show the stack's outputs")
    if program:
        flags.add_argument("-r", "--refresh", action="store_true", help="read what exists first")
    return flags


def _agreement() -> _Parser:
    flags = _Parser(add_help=False)
    flags.add_argument(
        "-y", "--yes", action="store_true", help="do it without asking (and without a preview)"
    )
    flags.add_argument("-f", "--skip-preview", action="store_true", help="no preview")
    flags.add_argument("--preview-only", action="store_true", help="only show what would be done")
    return flags


def _json_preview() -> _Parser:
    flags = _Parser(add_help=False)
    flags.add_argument("-j", "--json", action="store_true", help="the preview as one JSON document")
    return flags


def parser() -> _Parser:
    common, stack = _common(), _stack_flag()
    top = _Parser(
        prog="python -m local_azure.engine",
        description=f"{NAME}: runs Pulumi programs against local Azure where there is no Pulumi CLI.",
    )
    verbs = top.add_subparsers(dest="verb", metavar="COMMAND", required=True, parser_class=_Parser)
    verbs.add_parser(
        "preview",
        aliases=["pre"],
        parents=[common, stack, _operation(program=True), _json_preview()],
        help="show what `up` would do",
    )
    verbs.add_parser(
        "up",
        aliases=["update"],
        parents=[common, stack, _operation(program=True), _agreement()],
        help="make it so",
    )
    verbs.add_parser(
        "refresh",
        parents=[common, stack, _operation(program=False), _agreement(), _json_preview()],
        help="read what exists",
    )
    destroy = verbs.add_parser(
        "destroy",
        aliases=["down", "dn"],
        parents=[common, stack, _operation(program=True), _agreement(), _json_preview()],
        help="delete everything",
    )
    destroy.add_argument(
        "--remove", action="store_true", help="remove the stack, too; its configuration file stays"
    )
    cancel = verbs.add_parser("cancel", parents=[common, stack], help="remove the stack's locks")
    cancel.add_argument("name", nargs="?", help="the stack")
    cancel.add_argument("-y", "--yes", action="store_true", help="without asking")
    verbs.add_parser("version", parents=[common], help="say what this is")
    _add_stack_verbs(
        verbs.add_parser("stack", parents=[common, stack], help="stacks and their outputs"), common, stack
    )
    return top


def _add_stack_verbs(group: _Parser, common: _Parser, stack: _Parser) -> None:
    verbs = group.add_subparsers(dest="stack_verb", metavar="COMMAND", required=True, parser_class=_Parser)
    output = verbs.add_parser("output", parents=[common, stack], help="show the stack's outputs")
    output.add_argument("property", nargs="?", help="only this one")
    output.add_argument("-j", "--json", action="store_true", help="as JSON")
    output.add_argument("--show-secrets", action="store_true", help="in clear")
    verbs.add_parser("ls", parents=[common], help="list the project's stacks").add_argument(
        "-j", "--json", action="store_true", help="as JSON"
    )
    init = verbs.add_parser("init", parents=[common, stack], help="make a stack")
    init.add_argument("name", nargs="?", help="its name")
    init.add_argument("--no-select", action="store_true", help="do not select it")
    select = verbs.add_parser(
        "select", parents=[common, stack], help="choose the stack for the next commands"
    )
    select.add_argument("name", nargs="?", help="its name")
    select.add_argument("-c", "--create", action="store_true", help="make it if it does not exist")
    remove = verbs.add_parser("rm", parents=[common, stack], help="remove a stack without resources")
    remove.add_argument("name", nargs="?", help="its name")
    remove.add_argument("-y", "--yes", action="store_true", help="without asking")
    remove.add_argument("--force", action="store_true", help="also when resources are left")
    remove.add_argument(
        "--preserve-config", action="store_true", help="accepted; the configuration file always stays"
    )


# --- the selected stack -----------------------------------------------------


def _workspace_file(project: Project) -> Path:
    """Where the CLI remembers the selected stack of a project (P:sdk/go/common/workspace/workspace.go)."""
    home = Path(os.environ.get("PULUMI_HOME") or Path.home() / ".pulumi")
    digest = hashlib.sha1(str(project.root / "Pulumi.yaml").encode()).hexdigest()  # noqa: S324 - the CLI's file name
    return home / "workspaces" / f"{project.name}-{digest}-workspace.json"


def _workspace(project: Project) -> dict[str, Any]:
    try:
        return json.loads(_workspace_file(project).read_bytes())
    except (FileNotFoundError, ValueError):
        return {}


def _selected(project: Project) -> str | None:
    url = os.environ.get("PULUMI_BACKEND_URL", "")
    workspace = _workspace(project)
    stacks: dict[str, Any] = workspace.get("stacks") or {}
    name = stacks.get(url) or workspace.get("stack")
    return str(name).rpartition("/")[2] if name else None


def _select(project: Project, stack: str | None) -> None:
    workspace = _workspace(project)
    stacks: dict[str, Any] = {**(workspace.get("stacks") or {})}
    url = os.environ.get("PULUMI_BACKEND_URL", "")
    if stack is None:
        stacks.pop(url, None)
    else:
        stacks[url] = f"organization/{project.name}/{stack}"
    write_atomically(_workspace_file(project), json.dumps(workspace | {"stacks": stacks}, indent=4).encode())


def _named(args: argparse.Namespace) -> str | None:
    name = getattr(args, "name", None) or args.stack
    return str(name).rpartition("/")[2] if name else None


def _stack_name(args: argparse.Namespace, project: Project, backend: Backend) -> str:
    name = _named(args) or os.environ.get("PULUMI_STACK") or _selected(project)
    if not name:
        raise UsageError(
            "no stack selected; please use `stack select` to choose one, or name it with --stack"
        )
    if not backend.exists(project.name, name):
        raise UsageError(
            f"no stack named '{name}' found in {backend.folder}; make it with `stack init {name}`",
            NO_SUCH_STACK,
        )
    return name


# --- verbs ------------------------------------------------------------------


def _interactive(args: argparse.Namespace) -> bool:
    return sys.stdin.isatty() and sys.stdout.isatty() and not args.non_interactive


def _coloured(args: argparse.Namespace) -> bool:
    if args.color != "auto":
        return args.color == "always"
    return sys.stdout.isatty() and "NO_COLOR" not in os.environ and os.environ.get("TERM") != "dumb"


def _ask(question: str, agree: str) -> bool:
    """`agree` is what has to be typed."""
    try:
        return input(f"{question} [{agree}/no] ").strip() == agree
    except EOFError:
        return False


_TITLES = {
    ("update", True): "Previewing update",
    ("update", False): "Updating",
    ("refresh", True): "Previewing refresh",
    ("refresh", False): "Refreshing",
    ("destroy", True): "Previewing destroy",
    ("destroy", False): "Destroying",
}
_VERBS = {"update": "update", "refresh": "refresh", "destroy": "destroy"}


class _Operation:
    """preview, up, refresh, destroy: the parts they share."""

    def __init__(self, args: argparse.Namespace, kind: str) -> None:
        self.args = args
        self.kind = kind
        self.json = bool(getattr(args, "json", False))
        self.project = find_project(Path.cwd())
        self.backend = Backend(backend_folder(dict(os.environ)))

    def run(self) -> int:
        from local_azure.engine.providers import debug_ports  # noqa: PLC0415 - gRPC: after the program's start

        args = self.args
        debug_ports(os.environ)
        name = _stack_name(args, self.project, self.backend)
        only_preview = args.verb in ("preview", "pre") or args.preview_only
        skip = not only_preview and (args.yes or args.skip_preview)
        if not only_preview and not (args.yes or args.skip_preview or _interactive(args)):
            raise UsageError(
                "--yes or --skip-preview or --preview-only must be passed in to proceed when running in "
                "non-interactive mode",
                MISUSED,
            )
        for notice in locks.clear_stranded(self.backend.folder, self.project.name, name):
            _note(f"warning: {notice}")
        if not skip:
            code = self._execute(name, preview=True)
            if only_preview or code:
                return code
        if not args.yes and _interactive(args):
            agree = name if self.kind == "destroy" else "yes"
            if not _ask(f"Do you want to perform this {self.kind} on stack {name}?", agree):
                raise UsageError("confirmation declined, not proceeding", CANCELLED)
        return self._execute(name, preview=False)

    def _execute(self, name: str, *, preview: bool) -> int:
        # The program's process starts before anything heavy is imported here: it has the longest way to go.
        processes = start(self.project) if self.kind == "update" else None
        try:
            import asyncio  # noqa: PLC0415

            from local_azure.engine.digest import Digest  # noqa: PLC0415
            from local_azure.engine.display import Display  # noqa: PLC0415
            from local_azure.engine.session import Run, Stack  # noqa: PLC0415

            args = self.args
            stack = Stack(self.project, name, self.backend, dict(os.environ))
            if self.json:
                view = Digest()
            else:
                view = Display(
                    sys.stdout,
                    preview=preview,
                    live=_interactive(args),
                    colour=_coloured(args),
                    diff=args.diff,
                )
                view.begin(f"{_TITLES[self.kind, preview]} ({name}) with {NAME}:")
            run = Run(
                stack,
                self.kind,
                preview,
                view,
                processes=processes,
                refresh=bool(getattr(args, "refresh", False)),
                message=args.message,
                **({"parallel": args.parallel} if args.parallel else {}),
            )
            report = asyncio.run(run.execute())
        finally:
            if processes is not None:
                processes.end()
        if isinstance(view, Digest):
            document = view.document(report.config.blinded(), report.duration)
            _say(json.dumps(document, indent=4, ensure_ascii=False))
        else:
            view.end(
                report.outputs if self.kind != "refresh" else None,
                report.duration,
                show_outputs=not args.suppress_outputs,
            )
        return self._judge(name, report, preview=preview)

    def _judge(self, name: str, report: Any, *, preview: bool) -> int:
        what = "preview" if preview else _VERBS[self.kind]
        if report.stopped:
            _note(
                f"error: {what} canceled; what had been done is saved, and the next `up` goes on from there"
            )
            return CANCELLED
        if report.failed:
            if not self.json:  # the document says what failed
                _note(f"error: {what} failed")
            return FAILED
        if self.args.expect_no_changes and report.changed:
            proposed = "proposed" if preview else "made"
            about = what if self.kind == "update" else self.kind
            _note(f"error: no changes were expected for {about} but changes were {proposed}")
            return CHANGES_FOUND
        if self.kind == "destroy" and not preview and self.args.remove:
            self.backend.remove(self.project.name, name)
            if _selected(self.project) == name:
                _select(self.project, None)
            _say(f"The resources in the stack have been deleted, and stack {name!r} and its history removed.")
        return 0


def _stack_output(args: argparse.Namespace, project: Project, backend: Backend) -> int:
    from local_azure.engine.session import Stack, stack_outputs  # noqa: PLC0415

    name = _stack_name(args, project, backend)
    outputs = stack_outputs(Stack(project, name, backend, dict(os.environ)), show_secrets=args.show_secrets)
    if args.property:
        if args.property not in outputs:
            raise UsageError(f"current stack does not have output property '{args.property}'")
        value = outputs[args.property]
        _say(json.dumps(value, indent=2) if args.json or not isinstance(value, str) else value)
    elif args.json:
        _say(json.dumps(outputs, indent=2, ensure_ascii=False))
    else:
        _say(f"Current stack outputs ({len(outputs)}):")
        width = max((len(key) for key in outputs), default=0)
        if outputs:
            _say(f"    {'OUTPUT':<{max(width, 6)}}  VALUE")
        for key, value in sorted(outputs.items()):
            text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
            _say(f"    {key:<{max(width, 6)}}  {text}")
        if not outputs:
            _say("    No output values currently in this stack")
    return 0


def _stack_ls(args: argparse.Namespace, project: Project, backend: Backend) -> int:
    selected = _selected(project)
    rows: list[dict[str, Any]] = []
    for name in backend.stacks(project.name):
        latest = backend.latest(project.name, name)
        rows.append(
            {
                "name": name,
                "current": name == selected,
                "lastUpdate": latest.get("manifest", {}).get("time", ""),
                "resourceCount": len(latest.get("resources") or ()),
            }
        )
    if args.json:
        _say(json.dumps(rows, indent=2))
        return 0
    _say(f"{'NAME':<20}  {'LAST UPDATE':<20}  RESOURCE COUNT")
    for row in rows:
        mark = "*" if row["current"] else ""
        _say(f"{row['name'] + mark:<20}  {row['lastUpdate'][:19]:<20}  {row['resourceCount']}")
    return 0


def _stack_init(args: argparse.Namespace, project: Project, backend: Backend) -> int:
    name = _named(args)
    if not name:
        raise UsageError("missing stack name: stack init NAME", MISUSED)
    _make_stack(project, backend, name)
    if not args.no_select:
        _select(project, name)
    return 0


def _make_stack(project: Project, backend: Backend, name: str) -> None:
    from local_azure.engine.session import Stack, make_stack  # noqa: PLC0415

    if not all(part.isalnum() for part in name.replace("-", "a").replace("_", "a").replace(".", "a")):
        raise UsageError(
            f"stack name {name!r} may only contain alphanumerics, hyphens, underscores and periods"
        )
    if backend.exists(project.name, name):
        raise UsageError(f"stack '{name}' already exists")
    make_stack(Stack(project, name, backend, dict(os.environ)))
    _note(f"Created stack '{name}'")


def _stack_select(args: argparse.Namespace, project: Project, backend: Backend) -> int:
    name = _named(args)
    if not name:
        raise UsageError("missing stack name: stack select NAME", MISUSED)
    if args.create and not backend.exists(project.name, name):
        _make_stack(project, backend, name)
    _select(project, _stack_name(args, project, backend))
    return 0


def _stack_rm(args: argparse.Namespace, project: Project, backend: Backend) -> int:
    name = _stack_name(args, project, backend)
    latest = backend.latest(project.name, name)
    if latest.get("resources") and not args.force:
        raise UsageError(
            f"'{name}' still has resources; removal rejected. Run `destroy` first, or use --force"
        )
    if not args.yes:
        if not _interactive(args):
            raise UsageError(
                "--yes must be passed in to proceed when running in non-interactive mode", MISUSED
            )
        if not _ask(f"This will permanently remove the '{name}' stack!", name):
            raise UsageError("confirmation declined, not proceeding", CANCELLED)
    backend.remove(project.name, name)
    if _selected(project) == name:
        _select(project, None)
    _say(f"Stack '{name}' has been removed!")
    return 0


def _cancel(args: argparse.Namespace, project: Project, backend: Backend) -> int:
    name = _stack_name(args, project, backend)
    if not args.yes and (not _interactive(args) or not _ask(f"Remove all locks of stack {name}?", "yes")):
        raise UsageError("--yes must be passed in to proceed when running in non-interactive mode", MISUSED)
    removed = locks.cancel(backend.folder, project.name, name)
    for lock in removed:
        _say(f"removed the lock of {lock}")
    if not removed:
        _say(f"stack {name} has no locks")
    return 0


_Verb = Callable[[argparse.Namespace, Project, Backend], int]
_STACK_VERBS: dict[str, _Verb] = {
    "output": _stack_output,
    "ls": _stack_ls,
    "init": _stack_init,
    "select": _stack_select,
    "rm": _stack_rm,
}
_KINDS = {
    "preview": "update",
    "pre": "update",
    "up": "update",
    "update": "update",
    "refresh": "refresh",
    "destroy": "destroy",
    "down": "destroy",
    "dn": "destroy",
}


def _folder_and_rest(argv: Sequence[str]) -> tuple[str | None, list[str]]:
    """The folder of `-C` or `--cwd`, which may stand anywhere, as in the CLI; and the other words."""
    flag = argparse.ArgumentParser(add_help=False, allow_abbrev=False)
    flag.add_argument("-C", "--cwd")
    found, rest = flag.parse_known_args(argv)
    return found.cwd, rest


def main(argv: Sequence[str] | None = None) -> int:
    """Runs one command; returns its exit code."""
    folder, words = _folder_and_rest(sys.argv[1:] if argv is None else argv)
    args = parser().parse_args(words)
    try:
        if folder:
            os.chdir(folder)
        if args.verb == "version":
            _say(NAME)
            return 0
        if args.verb in _KINDS:
            return _Operation(args, _KINDS[args.verb]).run()
        project, backend = find_project(Path.cwd()), Backend(backend_folder(dict(os.environ)))
        verb = _cancel if args.verb == "cancel" else _STACK_VERBS[args.stack_verb]
        return verb(args, project, backend)
    except UsageError as error:
        _note(f"error: {error}")
        return error.code
    except (EngineError, OSError) as error:
        _note(f"error: {error}")
        return FAILED
    except KeyboardInterrupt:
        _note("interrupted")
        return CANCELLED
    finally:
        with contextlib.suppress(BrokenPipeError):
            sys.stdout.flush()
