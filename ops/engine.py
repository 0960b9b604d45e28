"""Runs the Pulumi CLI as a process. Its environment selects the backend and the Azure cloud.

On a laptop, `python -m local_azure exec -- python -m ops …` sets that environment for local Azure; this
module does not distinguish the two.
"""

import json
import os
import shlex
import signal
import subprocess
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import datetime
from functools import cached_property
from pathlib import Path
from typing import Any

import yaml

from ops.azure import Azure
from ops.files import Files, FilesError, open_files
from ops.locks.locks import Machine, claimed
from ops.output import OpsError, TerminatedError, check_all, note
from tools.pulumi.cli import PulumiNotFoundError, require, start_environment

PROJECT = Path(__file__).resolve().parents[1]
SECRETS_PROVIDER_VARIABLE = "PULUMI_SECRETS_PROVIDER"
"""The secrets provider of a new stack, for example `azurekeyvault://…`; empty for a passphrase."""

NO_SUCH_STACK, CHANGES_FOUND = 6, 7
"""Exit codes of the CLI (pulumi/pulumi sdk/go/common/util/cmdutil/exit.go)."""

_HISTORY = 20
"""The newest entries of a history that are read; each is a file beside the state."""

_ALWAYS = {
    "PULUMI_SKIP_UPDATE_CHECK": "true",
    # True in a user's shell, it is `--yes` of every command, which `refresh --preview-only` refuses.
    "PULUMI_SKIP_CONFIRMATIONS": "false",
    # The stack of a pull request has no committed stack file, so only its state names its secrets provider.
    "PULUMI_FALLBACK_TO_STATE_SECRETS_MANAGER": "true",
}


def environments(folder: Path) -> list[str]:
    """The names of the committed stacks, except the one for local Azure and those of pull requests."""
    names = {path.name.split(".")[1] for path in folder.glob("Pulumi.*.yaml")} - {"local", "pr"}
    if not names:
        raise OpsError(f"{folder} has no Pulumi.NAME.yaml of an environment: select a stack with --stack")
    return sorted(names)


class PulumiError(OpsError):
    """A `pulumi` command failed. `code` is its exit code and `output` everything that it printed."""

    def __init__(self, words: tuple[str, ...], code: int, output: str, *, output_shown: bool = False) -> None:
        detail = "Its output is printed above." if output_shown else f"\n{output.strip()}"
        super().__init__(f"`pulumi {' '.join(words)}` ended with exit code {code}. {detail}")
        self.code, self.output = code, output


@dataclass(frozen=True)
class Completed:
    code: int
    stdout: str
    stderr: str


@dataclass(frozen=True)
class StackSummary:
    """One row of `pulumi stack ls`.

    `resources` is None if Pulumi does not report it, `updated` is None if the stack was never updated.
    """

    name: str
    resources: int | None
    updated: datetime | None


@dataclass(frozen=True)
class Update:
    """An `up` in the history of a stack. `config`: full key to its text, None for a secret."""

    ended: datetime
    succeeded: bool
    config: Mapping[str, str | None]


@dataclass(frozen=True)
class Pulumi:
    """Runs in the folder of a checkout. Every method raises PulumiError if the command fails."""

    folder: Path = PROJECT
    environment: Mapping[str, str] = field(default_factory=lambda: dict(os.environ), repr=False)

    @cached_property
    def project(self) -> str:
        return str(self._project_file["name"])

    @cached_property
    def files(self) -> Files:
        """The files next to the state. Raises FilesError if the backend is not configured."""
        in_project: dict[str, Any] = self._project_file.get("backend") or {}
        url = self.environment.get("PULUMI_BACKEND_URL") or str(in_project.get("url") or "")
        if not url:
            raise FilesError(
                "PULUMI_BACKEND_URL is not set, so the locks of the stacks cannot be read: "
                "export PULUMI_BACKEND_URL=azblob://CONTAINER?storage_account=ACCOUNT"
            )
        return open_files(url, lambda: Azure.sign_in(self.environment).credential, self.environment)

    @cached_property
    def program(self) -> str:
        """The path of the CLI. Raises OpsError if it is not installed."""
        try:
            return str(require(self.environment).path)
        except PulumiNotFoundError as error:
            raise OpsError(str(error)) from error

    def check(self, *more: Callable[[], object]) -> None:
        """Raises OpsError with everything that a command needs and that is missing: the CLI, `more`."""
        check_all(lambda: self.program, *more)

    def check_azure(self, *more: Callable[[], object]) -> None:
        """As `check`, for a command that changes a stack and reads Azure."""
        self.check(lambda: self.files, lambda: Azure.sign_in(self.environment), *more)

    @cached_property
    def _project_file(self) -> dict[str, Any]:
        return yaml.safe_load((self.folder / "Pulumi.yaml").read_text(encoding="utf-8"))

    def run(
        self,
        *words: str,
        show: bool = False,
        may_fail: bool = False,
        started: Callable[[int], None] | None = None,
    ) -> Completed:
        """Run one command, never interactively. `show` forwards its output to standard error while it runs.

        `started` is called with the id of its process.
        """
        process = subprocess.Popen(
            [self.program, *words, "--non-interactive", "--color", "never"],
            cwd=self.folder,
            env={**start_environment(self.environment), **_ALWAYS},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT if show else subprocess.PIPE,
            text=True,
        )
        lines: list[str] = []
        try:
            if started is not None:
                started(process.pid)
            if show:
                for line in process.stdout or ():
                    note(line.rstrip("\n"))
                    lines.append(line)
                process.wait()
                completed = Completed(process.returncode, "".join(lines), "")
            else:
                stdout, stderr = process.communicate()
                completed = Completed(process.returncode, stdout, stderr)
        except BaseException as error:
            _interrupt_and_wait(process, error)
            raise
        if completed.code and not may_fail:
            output = completed.stdout + completed.stderr
            if completed.code == NO_SUCH_STACK:
                output += f"there are: {', '.join(self.stacks()) or 'none'}"
            raise PulumiError(words, completed.code, output, output_shown=show)
        return completed

    def summaries(self) -> list[StackSummary]:
        """The stacks of the project in the backend."""
        stacks: list[dict[str, Any]] = json.loads(self.run("stack", "ls", "--json").stdout)
        return [
            StackSummary(
                str(stack["name"]).rpartition("/")[2],
                stack.get("resourceCount"),
                datetime.fromisoformat(stack["lastUpdate"]) if stack.get("lastUpdate") else None,
            )
            for stack in stacks
        ]

    def stacks(self) -> list[str]:
        """The names of the project's stacks."""
        return [stack.name for stack in self.summaries()]

    def make_stack(self, stack: str) -> None:
        """Create the stack unless it exists."""
        if stack in self.stacks():
            return
        provider = self.environment.get(SECRETS_PROVIDER_VARIABLE, "")
        chosen = ("--secrets-provider", provider) if provider else ()
        self._claimed(stack, "stack", "init", stack, "--no-select", *chosen)

    def preview(self, stack: str, *flags: str) -> dict[str, Any]:
        """The document of `pulumi preview --json` (pulumi/pulumi pkg/display/json.go)."""
        return json.loads(self.run("preview", "--stack", stack, "--json", *flags).stdout)

    def refresh_preview(self, stack: str) -> dict[str, Any]:
        """Preview a refresh without changing the state. Returns a document of the same form as `preview`."""
        return json.loads(self.run("refresh", "--stack", stack, "--preview-only", "--json").stdout)

    def up(self, stack: str, *flags: str) -> Completed:
        """Run `up` without a prompt and without a preview, and show its output while it runs."""
        return self._claimed(stack, "up", "--stack", stack, "--yes", "--skip-preview", *flags)

    def refresh(self, stack: str, *flags: str) -> Completed:
        return self._claimed(stack, "refresh", "--stack", stack, "--yes", "--skip-preview", *flags)

    def destroy(self, stack: str, *flags: str) -> Completed:
        """Destroy the resources without running the program, which may no longer run."""
        return self._claimed(stack, "destroy", "--stack", stack, "--yes", "--skip-preview", *flags)

    def remove_stack(self, stack: str, *, force: bool = False) -> None:
        """Remove the stack, its history and stack file; with `force`, also if its state names resources."""
        self._claimed(stack, "stack", "rm", stack, "--yes", *(("--force",) if force else ()))

    def _claimed(self, stack: str, *words: str) -> Completed:
        """Write a claim (ops.locks.locks), then run a command that takes the stack's lock."""
        try:
            files = self.files
        except FilesError:  # other backends manage their locks themselves, so a claim has no use there
            return self.run(*words, show=True)
        command = shlex.join(("pulumi", *words))
        with claimed(
            files, self.project, stack, command, Machine.current(files, self.environment)
        ) as started:
            return self.run(*words, show=True, started=started)

    def outputs(self, stack: str) -> dict[str, Any]:
        """The outputs of the stack; empty if the stack was never deployed."""
        return json.loads(self.run("stack", "output", "--stack", stack, "--json").stdout)

    def history(self, stack: str) -> list[Update]:
        """The last `up`s of the stack, the newest first; empty if there was none."""
        listed: list[dict[str, Any]] = json.loads(
            self.run("stack", "history", "--stack", stack, "--json", "--page-size", str(_HISTORY)).stdout
        )
        return [
            Update(
                datetime.fromisoformat(entry["endTime"]),
                entry["result"] == "succeeded",
                _config(entry.get("config") or {}),
            )
            for entry in listed
            if entry["kind"] == "update" and entry.get("endTime")
        ]

    def export(self, stack: str) -> dict[str, Any]:
        """The state, secrets encrypted: `{"version": 3, "deployment": {"resources": […]}}`."""
        return json.loads(self.run("stack", "export", "--stack", stack).stdout)


def _config(settings: dict[str, dict[str, Any]]) -> dict[str, str | None]:
    return {key: setting.get("value") for key, setting in settings.items()}


def _interrupt_and_wait(process: subprocess.Popen[str], error: BaseException) -> None:
    """Wait until Pulumi has saved the state and released its lock.

    Ctrl-C in a terminal also reaches the Pulumi process, and a second signal would make it exit at once.
    A signal from a runner or from `kill` reaches only this process, so it is forwarded.
    """
    if not isinstance(error, KeyboardInterrupt) or isinstance(error, TerminatedError):
        process.send_signal(signal.SIGINT)
    for line in process.stdout or ():
        with suppress(OSError):  # the reader of our output may have exited
            note(line.rstrip("\n"))
    process.wait()
