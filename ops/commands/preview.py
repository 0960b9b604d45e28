"""Find out what `pulumi up` would change in each stack, and write it to report-STACK.json for `comment`.

Also says it in short here, and in full in the job's summary ($GITHUB_STEP_SUMMARY).

With --against the stacks that are compared with are not the deployed ones: the program of BASE_FOLDER, a
checkout of the base, is brought up on local Azure first, with each stack's committed settings. That needs
no secret and no sign-in, and runs on local Azure only:

  python -m local_azure exec -- python -m ops preview --against BASE_FOLDER --out DIR

exit codes:
  0  every preview worked
  1  one failed; its report says why
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
"""GitHub takes 1 MiB of summary from a step."""

_NO_ENVIRONMENTS = frozenset({"local", "pr"})
_LOCAL_AZURE = re.compile(r"127\.0\.0\.1(:[0-9]+)?")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--stack",
        action="append",
        default=[],
        metavar="NAME",
        help="a stack to preview, again for each; else every committed environment (Pulumi.NAME.yaml)",
    )
    parser.add_argument("--out", type=Path, required=True, metavar="DIR", help="where the reports go")
    parser.add_argument(
        "--against", type=Path, metavar="BASE_FOLDER", help="compare with this checkout, on local Azure"
    )
    parser.add_argument(
        "--commit",
        default="",
        metavar="SHA",
        help="what is previewed; else the head of the event's pull request, or of the checkout",
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
        note("The stacks stay on local Azure; `python -m local_azure reset --yes` removes them.")
    return 1 if any(report.failures for report in reports) else 0


def environments(folder: Path) -> list[str]:
    """Names of the committed stacks, less the laptop's and the pull requests'."""
    names = {path.name.split(".")[1] for path in folder.glob("Pulumi.*.yaml")} - _NO_ENVIRONMENTS
    if not names:
        raise OpsError(f"{folder} has no Pulumi.NAME.yaml of an environment: name a stack with --stack")
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
                with _kept(self.head.folder / f"Pulumi.{stack}.yaml"):
                    done = self._run(stack)
            state = None if done.code else self.head.export(stack)  # a failed one has no picture
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
        """A stack that the base does not have is made, empty: all of it is new."""
        file = base.folder / f"Pulumi.{stack}.yaml"
        there = file.exists()
        with _kept(file if there else self.head.folder / file.name):
            (base if there else self.head).make_stack(stack)
            if there:
                note(f"{stack}: bringing the base up on local Azure")
                base.run("up", "--stack", stack, "--yes", "--skip-preview")

    def _size(self, path: str) -> int | None:
        file = self.head.folder / path
        return file.stat().st_size if path and file.is_file() else None


def _document(done: Completed) -> dict[str, Any] | None:
    """None where the engine stopped before it had one, as for a stack that does not exist."""
    try:
        return dict(json.loads(done.stdout))
    except (ValueError, TypeError):
        return None


@contextmanager
def _kept(file: Path) -> Generator[None]:
    """The CLI writes the salt of the local stack's secrets into its file, which is a checkout's here."""
    content = file.read_bytes() if file.exists() else None
    try:
        yield
    finally:
        if content is not None:
            file.write_bytes(content)


def _base(folder: Path, environment: Mapping[str, str]) -> Pulumi:
    """Raises OpsError where `up` would reach anything but local Azure."""
    here = "python -m local_azure exec -- python -m ops preview --against …"
    local = environment.get("PULUMI_BACKEND_URL", "").startswith("file://") and _LOCAL_AZURE.fullmatch(
        environment.get("ARM_METADATA_HOSTNAME", "")
    )
    if not local:
        raise OpsError(f"--against brings stacks up, so it runs on local Azure only: {here}")
    if not (folder / "Pulumi.yaml").is_file():
        raise OpsError(f"{folder} has no Pulumi.yaml: --against names a checkout of the base")
    packages = folder / ".venv"
    if not packages.exists():
        packages.symlink_to(PROJECT / ".venv")
        note(f"{folder} has no .venv: its program runs with the packages of this checkout.")
    return Pulumi(folder.resolve(), dict(environment))


def _commit(environment: Mapping[str, str]) -> str:
    """Not GITHUB_SHA: for a pull request that is a merge which exists nowhere else."""
    path, name = environment.get("GITHUB_EVENT_PATH", ""), environment.get("GITHUB_EVENT_NAME", "")
    if path and name == "pull_request":
        started_by = event(Path(path), name)
        if isinstance(started_by, PullRequestEvent):
            return started_by.pull_request.head_sha
    done = subprocess.run(
        ["git", "rev-parse", "HEAD"], cwd=PROJECT, capture_output=True, text=True, check=False
    )
    return done.stdout.strip() if not done.returncode else ""
