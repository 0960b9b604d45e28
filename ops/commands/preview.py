"""Compute what `pulumi up` would change in each stack, and write it to report-STACK.json for `comment`.

Prints a short text, and writes the full preview to the job's summary ($GITHUB_STEP_SUMMARY).

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
import subprocess
from collections.abc import Generator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from ops.engine import PROJECT, Completed, Pulumi, PulumiError
from ops.github import summary
from ops.github.events import PullRequestEvent, event
from ops.output import OpsError, note, say
from ops.preview import plan
from ops.preview.render import comment, text
from ops.preview.report import Basis, Report, write

_SUMMARY_BYTES = 1_000_000
"""GitHub accepts 1 MiB of summary from a step."""

_NO_ENVIRONMENTS = frozenset({"local", "pr"})
_LOCAL_AZURE = re.compile(r"127\.0\.0\.1(:[0-9]+)?")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--stack",
        action="append",
        default=[],
        metavar="NAME",
        help="a stack to preview; may be repeated; default: every committed environment (Pulumi.NAME.yaml)",
    )
    parser.add_argument("--out", type=Path, required=True, metavar="DIR", help="folder for the reports")
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
    base = None if arguments.against is None else _base(arguments.against, os.environ)
    job = _Job(Pulumi(), base, arguments.commit or _commit(os.environ))
    reports: list[Report] = []
    for stack in stacks:
        report = job.preview(stack)
        reports.append(report)
        note(f"{stack}: {write(report, arguments.out)}")
    say(text(reports))
    summary.write(comment(reports, room=_SUMMARY_BYTES))
    if base is not None:
        note("The stacks remain on local Azure. To remove them: python -m local_azure reset --yes")
    return 1 if any(report.failures for report in reports) else 0


def environments(folder: Path) -> list[str]:
    """The names of the committed stacks, except the one for local Azure and those of pull requests."""
    names = {path.name.split(".")[1] for path in folder.glob("Pulumi.*.yaml")} - _NO_ENVIRONMENTS
    if not names:
        raise OpsError(f"{folder} has no Pulumi.NAME.yaml of an environment: select a stack with --stack")
    return sorted(names)


@dataclass(frozen=True)
class _Job:
    head: Pulumi
    base: Pulumi | None
    commit: str

    def preview(self, stack: str) -> Report:
        basis: Basis = "base" if self.base else "deployed"
        made = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
        try:
            if self.base is None:
                done = self._run(stack)
            else:
                self._bring_up(self.base, stack)
                with _restored(self.head.folder / f"Pulumi.{stack}.yaml"):
                    done = self._run(stack)
            # The report of a failed preview has no diagram, so it needs no state.
            state = None if done.code else self.head.export(stack)
        except PulumiError as error:
            return plan.failed(stack, self.commit, made, basis, str(error))
        document = _document(done)
        if document is None:
            return plan.failed(stack, self.commit, made, basis, done.stderr or done.stdout)
        report = plan.report(
            document,
            stack=stack,
            commit=self.commit,
            made=made,
            basis=basis,
            state=state,
            size_of=self._size,
        )
        if done.code and not report.failures:
            return plan.failed(stack, self.commit, made, basis, done.stderr)
        return report

    def _run(self, stack: str) -> Completed:
        note(f"{stack}: previewing")
        return self.head.run("preview", "--stack", stack, "--json", may_fail=True)

    def _bring_up(self, base: Pulumi, stack: str) -> None:
        """Deploy the base. A stack that is not in the base is created empty: all resources are new."""
        file = base.folder / f"Pulumi.{stack}.yaml"
        there = file.exists()
        with _restored(file if there else self.head.folder / file.name):
            (base if there else self.head).make_stack(stack)
            if there:
                note(f"{stack}: deploying the base to local Azure")
                base.run("up", "--stack", stack, "--yes", "--skip-preview")

    def _size(self, path: str) -> int | None:
        file = self.head.folder / path
        return file.stat().st_size if path and file.is_file() else None


def _document(done: Completed) -> dict[str, Any] | None:
    """The document of a preview; None if there is none, for example if the stack does not exist."""
    try:
        return dict(json.loads(done.stdout))
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


def _base(folder: Path, environment: Mapping[str, str]) -> Pulumi:
    """Pulumi in the base's checkout. Raises OpsError if `up` would not use local Azure."""
    command = "python -m local_azure exec -- python -m ops preview --against …"
    local = environment.get("PULUMI_BACKEND_URL", "").startswith("file://") and _LOCAL_AZURE.fullmatch(
        environment.get("ARM_METADATA_HOSTNAME", "")
    )
    if not local:
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
    path, name = environment.get("GITHUB_EVENT_PATH", ""), environment.get("GITHUB_EVENT_NAME", "")
    if path and name == "pull_request":
        started_by = event(Path(path), name)
        if isinstance(started_by, PullRequestEvent):
            return started_by.pull_request.head_sha
    done = subprocess.run(
        ["git", "rev-parse", "HEAD"], cwd=PROJECT, capture_output=True, text=True, check=False
    )
    return done.stdout.strip() if not done.returncode else ""
