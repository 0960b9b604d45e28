"""preview, up, refresh and destroy."""

import argparse
import io
import json
import os
import sys
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, TextIO

from local_azure.engine import locks
from local_azure.engine.commands import arguments
from local_azure.engine.commands.output import (
    CANCELLED,
    CHANGES_FOUND,
    FAILED,
    MISUSED,
    NAME,
    UsageError,
    coloured,
    confirm,
    interactive,
    note,
    say,
)
from local_azure.engine.commands.selection import Place
from local_azure.engine.programs import start

if TYPE_CHECKING:
    from local_azure.engine.digest import Digest
    from local_azure.engine.display import Display
    from local_azure.engine.session import Report

_TITLES = {
    ("update", True): "Previewing update",
    ("update", False): "Updating",
    ("refresh", True): "Previewing refresh",
    ("refresh", False): "Refreshing",
    ("destroy", True): "Previewing destroy",
    ("destroy", False): "Destroying",
}


def add_to(verbs: Any, shared: list[arguments.Parser]) -> None:
    shared = [*shared, arguments.config_file(), arguments.operation()]
    preview = verbs.add_parser(
        "preview",
        aliases=["pre"],
        parents=[*shared, arguments.refresh(), arguments.json_preview()],
        help="show what `up` would do",
    )
    preview.set_defaults(run=_command("update"), preview_only=True, yes=False, skip_preview=False)
    up = verbs.add_parser(
        "up",
        aliases=["update"],
        parents=[*shared, arguments.refresh(), arguments.agreement()],
        help="make it so",
    )
    up.set_defaults(run=_command("update"))
    refresh = verbs.add_parser(
        "refresh",
        parents=[*shared, arguments.agreement(), arguments.run_program(), arguments.json_preview()],
        help="read what exists",
    )
    refresh.set_defaults(run=_command("refresh"))
    refresh.add_argument(
        "--clear-pending-creates",
        action="store_true",
        help="forget creations that a killed run left unfinished",
    )
    destroy = verbs.add_parser(
        "destroy",
        aliases=["down", "dn"],
        parents=[
            *shared,
            arguments.refresh(),
            arguments.agreement(),
            arguments.run_program(),
            arguments.json_preview(),
        ],
        help="delete everything",
    )
    destroy.set_defaults(run=_command("destroy"))
    destroy.add_argument(
        "--remove", action="store_true", help="remove the stack, too; its configuration file stays"
    )
    destroy.add_argument(
        "--exclude-protected", action="store_true", help="keep protected resources and what they need"
    )


def _command(kind: str) -> Callable[[argparse.Namespace], int]:
    def run(args: argparse.Namespace) -> int:
        return _Operation(args, kind).run()

    return run


class _Operation:
    """preview, up, refresh, destroy: the parts they share."""

    def __init__(self, args: argparse.Namespace, kind: str) -> None:
        self.args = args
        self.kind = kind
        self.json = bool(getattr(args, "json", False))
        self.place = Place.here()

    def run(self) -> int:
        from local_azure.engine.providers import debug_ports  # noqa: PLC0415 - gRPC: after the program's start

        args = self.args
        debug_ports(os.environ)
        name = self.place.name(args)
        only_preview = args.preview_only
        skip = not only_preview and (args.yes or args.skip_preview)
        if not only_preview and not (args.yes or args.skip_preview or interactive(args)):
            raise UsageError(
                "--yes or --skip-preview or --preview-only must be passed in to proceed when running in "
                "non-interactive mode",
                FAILED if self.kind == "refresh" else MISUSED,  # as the CLI, which differs here
            )
        if self.json and not only_preview:
            raise UsageError("--json shows previews: pass --preview-only with it")
        for notice in locks.clear_stranded(self.place.backend.folder, self.place.project.name, name):
            note(f"warning: {notice}")
        if not skip:
            code = self._execute(name, preview=True)
            if only_preview or code:
                return code
        if not args.yes and interactive(args):
            agree = name if self.kind == "destroy" else "yes"
            confirm(args, f"Do you want to perform this {self.kind} on stack {name}?", agree)
        if skip and self.kind == "update" and self._protects(name):
            # What `up` must not delete or replace shows at its end only: look before the first change.
            code = self._try(name)
            if code:
                return code
        return self._execute(name, preview=False)

    def _try(self, name: str) -> int:
        """A preview that shows only where it fails."""
        shown = io.StringIO()
        view, report = self._run(name, preview=True, out=shown)
        if not report.failed:
            return 0
        self._show(view, report)
        sys.stdout.write(shown.getvalue())
        note("error: update failed before anything was changed")
        return CANCELLED if report.stopped else FAILED

    def _protects(self, name: str) -> bool:
        latest = self.place.backend.latest(self.place.project.name, name)
        return any(resource.get("protect") for resource in latest.get("resources") or ())

    def _execute(self, name: str, *, preview: bool) -> int:
        view, report = self._run(name, preview=preview, out=sys.stdout)
        self._show(view, report)
        return self._judge(name, report, preview=preview)

    def _run(self, name: str, *, preview: bool, out: TextIO) -> "tuple[Display | Digest, Report]":
        # The program's process starts before anything heavy is imported here: it has the longest way to go.
        needed = self.kind == "update" or bool(getattr(self.args, "run_program", False))
        processes = start(self.place.project) if needed else None
        try:
            import asyncio  # noqa: PLC0415

            from local_azure.engine.session import Run  # noqa: PLC0415

            args = self.args
            stack = self.place.stack_named(name, args)
            view = self._view(name, preview=preview, out=out)
            run = Run(
                stack,
                self.kind,
                preview,
                view,
                processes=processes,
                refresh=bool(getattr(args, "refresh", False)),
                exclude_protected=bool(getattr(args, "exclude_protected", False)),
                clear_pending_creates=bool(getattr(args, "clear_pending_creates", False)),
                message=args.message,
                **({"parallel": args.parallel} if args.parallel else {}),
            )
            return view, asyncio.run(run.execute())
        finally:
            if processes is not None:
                processes.end()

    def _view(self, name: str, *, preview: bool, out: TextIO) -> "Display | Digest":
        from local_azure.engine.digest import Digest  # noqa: PLC0415
        from local_azure.engine.display import Display  # noqa: PLC0415

        if self.json:
            return Digest()
        args = self.args
        display = Display(out, preview=preview, live=interactive(args), colour=coloured(args), diff=args.diff)
        display.begin(f"{_TITLES[self.kind, preview]} ({name}) with {NAME}:")
        return display

    def _show(self, view: "Display | Digest", report: "Report") -> None:
        from local_azure.engine.digest import Digest  # noqa: PLC0415

        if isinstance(view, Digest):
            document = view.document(report.config.blinded(), report.duration)
            say(json.dumps(document, indent=4, ensure_ascii=False))
        else:
            view.end(
                report.outputs if self.kind != "refresh" else None,
                report.duration,
                show_outputs=not self.args.suppress_outputs,
            )

    def _judge(self, name: str, report: "Report", *, preview: bool) -> int:
        what = "preview" if preview else self.kind
        if report.stopped:
            note(f"error: {what} canceled; what had been done is saved, and the next `up` goes on from there")
            return CANCELLED
        if report.failed:
            if not self.json:  # the document says what failed
                note(f"error: {what} failed")
            return FAILED
        if self.args.expect_no_changes and report.changed:
            about = what if self.kind == "update" else self.kind
            note(f"error: no changes were expected for {about} but changes were proposed")
            return CHANGES_FOUND
        if report.kept and not preview:
            say(f"There are still {report.kept} protected resources, with what they need, in the stack.")
        elif self.kind == "destroy" and not preview and self.args.remove:
            self.place.forget(name)
            say(f"The resources in the stack have been deleted, and stack {name!r} and its history removed.")
        return 0
