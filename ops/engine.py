"""The `pulumi` on PATH, as a process. Which backend and which Azure it works on, its environment says.

On a laptop `python -m local_azure exec -- python -m ops …` leads it to local Azure, with the CLI or
with the embedded engine; nothing here knows the difference.
"""

import json
import os
import shutil
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ops.output import OpsError, note

PROJECT = Path(__file__).resolve().parents[1]
SECRETS_PROVIDER_VARIABLE = "PULUMI_SECRETS_PROVIDER"
"""What encrypts a new stack's secrets, as `azurekeyvault://…`; empty for the passphrase."""

NO_SUCH_STACK, CHANGES_FOUND = 6, 7
"""Exit codes of the CLI (pulumi/pulumi sdk/go/common/util/cmdutil/exit.go)."""


class PulumiError(OpsError):
    """A `pulumi` that failed; `code` is its exit code, `output` all that it printed."""

    def __init__(self, words: tuple[str, ...], code: int, output: str) -> None:
        super().__init__(f"`pulumi {' '.join(words)}` ended with exit code {code}.\n{output.strip()}")
        self.code, self.output = code, output


@dataclass(frozen=True)
class Completed:
    code: int
    stdout: str
    stderr: str


@dataclass(frozen=True)
class Pulumi:
    """Runs in a checkout's folder. Every method raises PulumiError where the command fails."""

    folder: Path = PROJECT
    environment: Mapping[str, str] = field(default_factory=lambda: dict(os.environ), repr=False)

    def run(self, *words: str, show: bool = False, may_fail: bool = False) -> Completed:
        """One command, never interactive. `show` passes its output on while it runs, to standard error."""
        program = shutil.which("pulumi", path=self.environment.get("PATH"))
        if program is None:
            raise OpsError(
                "there is no `pulumi` on PATH: install it (https://www.pulumi.com/docs/iac/download-install/)"
                ", or run this on local Azure: python -m local_azure exec -- python -m ops …"
            )
        process = subprocess.Popen(
            [program, *words, "--non-interactive", "--color", "never"],
            cwd=self.folder,
            env={**self.environment, "PULUMI_SKIP_UPDATE_CHECK": "true"},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT if show else subprocess.PIPE,
            text=True,
        )
        if show and process.stdout is not None:
            lines: list[str] = []
            for line in process.stdout:
                note(line.rstrip("\n"))
                lines.append(line)
            done = Completed(process.wait(), "".join(lines), "")
        else:
            stdout, stderr = process.communicate()
            done = Completed(process.returncode, stdout, stderr)
        if done.code and not may_fail:
            raise PulumiError(words, done.code, done.stdout + done.stderr)
        return done

    def stacks(self) -> list[str]:
        """Names of the project's stacks in the backend."""
        listed: list[dict[str, Any]] = json.loads(self.run("stack", "ls", "--json").stdout)
        return [str(stack["name"]).rpartition("/")[2] for stack in listed]

    def make_stack(self, stack: str) -> None:
        """Make the stack unless it exists."""
        if stack in self.stacks():
            return
        provider = self.environment.get(SECRETS_PROVIDER_VARIABLE, "")
        chosen = ("--secrets-provider", provider) if provider else ()
        self.run("stack", "init", stack, "--no-select", *chosen)

    def preview(self, stack: str, *flags: str) -> dict[str, Any]:
        """The document of `pulumi preview --json` (pulumi/pulumi pkg/display/json.go)."""
        return json.loads(self.run("preview", "--stack", stack, "--json", *flags).stdout)

    def up(self, stack: str, *flags: str) -> Completed:
        """`up` without a question and without a preview; its output is shown as it comes."""
        return self.run("up", "--stack", stack, "--yes", "--skip-preview", *flags, show=True)

    def outputs(self, stack: str) -> dict[str, Any]:
        """The stack's exports; none for a stack that has never been up."""
        return json.loads(self.run("stack", "output", "--stack", stack, "--json").stdout)

    def export(self, stack: str) -> dict[str, Any]:
        """The stack's state, secrets sealed: `{"version": 3, "deployment": {"resources": […]}}`."""
        return json.loads(self.run("stack", "export", "--stack", stack).stdout)
