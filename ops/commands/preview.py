"""Show what `pulumi up` would change in each stack; --out writes it to report-STACK.json for `comment`.

Prints the changes and the words of the comment, and writes the full preview to the job's summary
($GITHUB_STEP_SUMMARY).

With --against, the program is not compared with the deployed stacks. Instead, the program of BASE_FOLDER, a
checkout of the base, is first deployed to local Azure with the committed settings of each stack. This
requires neither secrets nor a sign-in, and runs on local Azure only:

  python -m local_azure exec -- python -m ops preview --against BASE_FOLDER --out DIR

exit codes:
  0  every preview succeeded
  1  a preview failed; its report has the reason
"""

import argparse
import json
import os
import re
from collections.abc import Generator, Mapping
from contextlib import contextmanager, nullcontext
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from infra.dynamic.replacement_guard import REPLACE_VARIABLE, recorded_names
from ops import state
from ops.engine import NO_SUCH_STACK, PROJECT, Pulumi, PulumiError, environments
from ops.git import head_commit
from ops.github import summary
from ops.github.events import head_of_pull_request
from ops.output import OpsError, is_coloured, note, say
from ops.preview import plan
from ops.preview.render import COLOURED, PLAIN, comment, text
from ops.preview.report import Report, write
from tools.pulumi import typed

_SUMMARY_BYTES = 1_000_000
"""GitHub accepts 1 MiB of summary from a step."""

_LOCAL_AZURE = re.compile(r"127\.0\.0\.1(:[0-9]+)?")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--stack",
        action="append",
        default=[],
        metavar="NAME",
        help="a stack to preview; may be repeated; default: every committed environment (Pulumi.NAME.yaml)",
    )
    parser.add_argument(
        "--out", type=Path, metavar="DIR", help="folder for the reports; default: none are written"
    )
    parser.add_argument(
        "--against", type=Path, metavar="BASE_FOLDER", help="compare with this checkout, on local Azure"
    )
    parser.add_argument(
        "--commit",
        default="",
        metavar="SHA",
        help="the previewed commit; default: the head of the event's pull request, or of the checkout",
    )


def run(arguments: argparse.Namespace) -> int:
    stacks: list[str] = arguments.stack or environments(PROJECT)
    environment = dict(os.environ)
    if arguments.out is not None:
        environment[typed.VARIABLE] = ""  # a report in a pull request is about stacks in Azure
    base = None if arguments.against is None else _base(arguments.against, environment)
    commit = arguments.commit or _commit(os.environ)
    reports: list[Report] = []
    for stack in stacks:
        report = preview(Pulumi(environment=environment), base, stack, commit)
        reports.append(report)
        if arguments.out is not None:
            note(f"{stack}: {write(report, arguments.out)}")
    say(text(reports, COLOURED if is_coloured() else PLAIN))
    summary.write(comment(reports, room=_SUMMARY_BYTES))
    if base is not None:
        note("The stacks remain on local Azure. To remove them: python -m local_azure reset --yes")
    return 1 if any(report.failures for report in reports) else 0


def preview(head: Pulumi, base: Pulumi | None, stack: str, commit: str) -> Report:
    """The report of `head`, compared with the deployed stack or with `base`."""
    made = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    report = Report(stack, commit, made, "deployed" if base is None else "base")
    try:
        if base is not None:
            _bring_up(base, head, stack)
        with nullcontext() if base is None else _restored(head.folder / f"Pulumi.{stack}.yaml"):
            note(f"{stack}: previewing")
            exported = _exported(head, stack)
            deployed = next((update.config for update in head.history(stack) if update.succeeded), None)
            done = _allowing(head, exported).run("preview", "--stack", stack, "--json", may_fail=True)
    except PulumiError as error:
        return plan.failed(report, str(error))
    document = _document(done.stdout)
    if document is not None:
        filled = plan.report(report, document, exported, lambda path: _size(head.folder / path), deployed)
        if not done.code or filled.failures:
            return filled
    message = done.stderr.strip() or ("" if document else done.stdout.strip())
    no_message = f"`pulumi preview` ended with exit code {done.code} and printed no error."
    return plan.failed(report, message or no_message)


def _exported(pulumi: Pulumi, stack: str) -> dict[str, Any]:
    """The state. On local Azure a stack that does not exist is created without resources."""
    try:
        return pulumi.export(stack)
    except PulumiError as error:
        if error.code != NO_SUCH_STACK or not _is_local(pulumi.environment):
            raise
    pulumi.make_stack(stack)
    return {}


def _bring_up(base: Pulumi, head: Pulumi, stack: str) -> None:
    """Deploy the base. A stack that is not in the base is created empty: all resources are new."""
    exists = (base.folder / f"Pulumi.{stack}.yaml").exists()
    checkout = base if exists else head
    with _restored(checkout.folder / f"Pulumi.{stack}.yaml"):
        checkout.make_stack(stack)
        if exists:
            note(f"{stack}: deploying the base to local Azure")
            base.run("up", "--stack", stack, "--yes", "--skip-preview")


def _allowing(pulumi: Pulumi, exported: dict[str, Any]) -> Pulumi:
    """Pulumi for a preview, which may show every replacement since it replaces nothing."""
    entries = state.entries(exported)
    guards = (entry for entry in entries if state.type_and_name(entry["urn"])[0] == state.REPLACEMENT_GUARD)
    names = (name for guard in guards for name in recorded_names(guard.get("inputs") or {}))
    allowed = ",".join(dict.fromkeys(names))
    return replace(pulumi, environment={**pulumi.environment, REPLACE_VARIABLE: allowed})


def _size(file: Path) -> int | None:
    return file.stat().st_size if file.is_file() else None


def _document(output: str) -> dict[str, Any] | None:
    """The document of a preview; None if there is none, for example if the stack does not exist."""
    try:
        return dict(json.loads(output))
    except (ValueError, TypeError):
        return None


@contextmanager
def _restored(file: Path) -> Generator[None]:
    """Restore a stack file after the CLI has written the encryption salt of the local stack to it."""
    content = file.read_bytes() if file.exists() else None
    try:
        yield
    finally:
        if content is not None:
            file.write_bytes(content)


def _is_local(environment: Mapping[str, str]) -> bool:
    host, backend = (environment.get(name, "") for name in ("ARM_METADATA_HOSTNAME", "PULUMI_BACKEND_URL"))
    return backend.startswith("file://") and _LOCAL_AZURE.fullmatch(host) is not None


def _base(folder: Path, environment: Mapping[str, str]) -> Pulumi:
    """Pulumi in the base's checkout. Raises OpsError if `up` would not use local Azure."""
    command = "python -m local_azure exec -- python -m ops preview --against …"
    if not _is_local(environment):
        raise OpsError(f"--against deploys stacks, so it runs on local Azure only: {command}")
    if not (folder / "Pulumi.yaml").is_file():
        raise OpsError(f"{folder} has no Pulumi.yaml: --against must be a checkout of the base")
    packages = folder / ".venv"
    if not packages.exists():
        packages.symlink_to(PROJECT / ".venv")
        note(f"{folder} has no .venv: its program uses the packages of this checkout.")
    return Pulumi(folder.resolve(), dict(environment))


def _commit(environment: Mapping[str, str]) -> str:
    """The previewed commit. It is not GITHUB_SHA, which is a temporary merge commit for a pull request."""
    path = environment.get("GITHUB_EVENT_PATH", "")
    if path and environment.get("GITHUB_EVENT_NAME") == "pull_request":
        return head_of_pull_request(Path(path))
    return head_commit()
