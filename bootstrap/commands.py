"""The commands: create the resources, move the state, set GitHub's variables. Each can be run again."""

import json
import os
import re
import shlex
import time
from collections.abc import Callable, Mapping
from itertools import repeat
from typing import Any, NoReturn, TypeVar

from bootstrap.backend import BACKEND_KEY, StateLocation
from delivery import retry
from ops.engine import Pulumi, PulumiError
from ops.locks.recovery import pending_operations
from ops.output import OpsError, note, say
from ops.state import entries
from tools.pulumi.cli import start_environment

T = TypeVar("T")

VARIABLES = {
    "PULUMI_BACKEND_URL": "backendUrl",
    "PULUMI_SECRETS_PROVIDER": "secretsProvider",
    "ASSISTANT_ARCHIVE": "packagesUrl",
    "AZURE_READER_CLIENT_ID": "readerClientId",
    "AZURE_DEPLOYER_CLIENT_ID": "deployerClientId",
    "AZURE_TENANT_ID": "tenantId",
    "AZURE_SUBSCRIPTION_ID": "subscriptionId",
}
"""GitHub variable to output of the stack. tests/unit/test_workflows.py compares both with their users."""

ROLES_TAKE_SECONDS = 12 * 60.0
"""New role assignments take effect within ten minutes (Docs: Troubleshoot Azure RBAC)."""

_PAUSE_SECONDS = 15.0
_NOT_YET = re.compile(r"(?i)\b403\b|AuthorizationPermissionMismatch|AuthorizationFailure|ForbiddenByRbac")


def up(location: StateLocation, *, dry_run: bool) -> None:
    """Create missing resources, update changed ones. Raises OpsError."""
    pulumi = location.pulumi()
    url = pulumi.environment["PULUMI_BACKEND_URL"]
    note(f"State of {location.stack}: {url}")
    if dry_run and location.stack not in pulumi.stacks():
        say(f"would make the stack {location.stack} in {url}, and everything in it")
        return
    pulumi.make_stack(location.stack)
    if dry_run:
        pulumi.run("preview", "--stack", location.stack, "--diff", show=True)
        return
    # Not by Pulumi.up, which holds a lock of its own: only Pulumi's lock is needed for this stack.
    pulumi.run("up", "--stack", location.stack, "--yes", show=True)
    if not location.moved_to:
        note("Next: make bootstrap-move, which moves the state into the new container.")


def move(
    location: StateLocation,
    *,
    to: str = "",
    secrets_provider: str = "",
    overwrite: bool = False,
    dry_run: bool = False,
) -> None:
    """Move the state from this machine to the container, and remove the local copy last. Raises OpsError.

    `to` and `secrets_provider` default to outputs of the stack. If it was killed, it continues when it runs
    again: each step first checks whether it has been done.
    """
    if location.moved_to:
        _finish(location, location.pulumi(location.moved_to), dry_run=dry_run)
        return
    if not location.is_here:
        raise OpsError(
            f"{location.folder} holds no state of {location.stack}, and {location.stack_file} names no "
            "backend: there is nothing to move. Run `make bootstrap`"
        )
    source = location.pulumi(location.local_url)
    exported = source.export(location.stack)
    if pending := pending_operations(exported):
        raise OpsError(
            f"an `up` of {location.stack} was killed during: {', '.join(pending)}. Complete it first: "
            "make bootstrap"
        )
    outputs = source.outputs(location.stack)
    to, provider = to or outputs.get("backendUrl", ""), secrets_provider or outputs.get("secretsProvider", "")
    if not (to and provider):
        raise OpsError(
            f"stack {location.stack} has no outputs, so there is no container: run `make bootstrap`"
        )
    if to.rstrip("/") == location.local_url:
        raise OpsError(f"the state is in {to} already; --to names another backend")
    if dry_run:
        for step in (
            f"encrypt the state of {location.stack} with {provider}",
            f"copy it to {to}",
            "run a preview there, and continue only if it shows no changes",
            f"write {to} into {location.stack_file}",
            f"remove the copy in {location.folder}",
        ):
            say(f"would {step}")
        return

    target = location.pulumi(to)
    if not is_encrypted_by(provider, exported):
        note(f"1/4 Encrypt the state with {provider}")
        words = ("stack", "change-secrets-provider", provider, "--stack", location.stack)
        retry_until_permitted(lambda: source.run(*words))
        exported = source.export(location.stack)
    note(f"2/4 Copy the state to {to}")
    if location.stack not in retry_until_permitted(target.stacks):
        target.run("stack", "init", location.stack, "--no-select", "--secrets-provider", provider)
    present, moved = entries(target.export(location.stack)), entries(exported)
    if present != moved:
        if present and not overwrite:
            raise OpsError(
                f"{to} holds another state of {location.stack}: {len(present)} resources, "
                f"{len(moved)} in {location.folder}. Nothing was changed there. If it is an "
                "earlier copy of this one: .venv/bin/python -m bootstrap move --overwrite"
            )
        copy = location.folder / f"{location.stack}.exported.json"
        copy.write_text(json.dumps(exported), encoding="utf-8")
        target.run("stack", "import", "--stack", location.stack, "--file", str(copy))
    _finish(location, target, url=to)


def _finish(location: StateLocation, target: Pulumi, *, url: str = "", dry_run: bool = False) -> None:
    """Verify the copy and write its backend into the stack file, then remove the original."""
    note("3/4 Run a preview there")
    target.run("preview", "--stack", location.stack, "--expect-no-changes", show=True)
    if dry_run:
        nothing = "would do nothing: the state has been moved"
        say(f"would remove {location.folder}" if location.is_here else nothing)
        return
    if url:
        target.run("config", "set", BACKEND_KEY, url, "--stack", location.stack)
    note("4/4 Remove the copy on this machine")
    location.forget_local()
    say(f"The state of {location.stack} is in {url or location.moved_to}. Commit {location.stack_file}.")


def is_encrypted_by(provider: str, exported: Mapping[str, Any]) -> bool:
    """Whether the provider (`passphrase`, or a URL) encrypts the secrets of an exported state."""
    providers: dict[str, Any] = exported["deployment"].get("secrets_providers") or {}
    state: dict[str, Any] = providers.get("state") or {}
    return provider in (providers.get("type"), state.get("url"))


def retry_until_permitted(
    action: Callable[[], T], timeout: float = ROLES_TAKE_SECONDS, pause: float = _PAUSE_SECONDS
) -> T:
    """Call `action` again while Azure reports a missing permission, for at most `timeout` seconds.

    New role assignments take some minutes to take effect. Raises PulumiError.
    """
    deadline = time.monotonic() + timeout

    def wait(error: PulumiError, pause: float) -> float | None:
        if not _NOT_YET.search(error.output) or time.monotonic() + pause > deadline:
            return None
        note(f"  not allowed yet: new roles take effect after minutes; next attempt in {pause:.0f} s")
        return pause

    return retry.retry_until(action, PulumiError, repeat(pause), wait=wait)


def variables(location: StateLocation) -> list[str]:
    """The commands that set GitHub's variables to outputs of the stack. Raises OpsError."""
    outputs = location.pulumi().outputs(location.stack)
    missing = [output for output in (*VARIABLES.values(), "repository") if output not in outputs]
    if missing:
        raise OpsError(f"stack {location.stack} has no output {', '.join(missing)}: make bootstrap")
    repository = outputs["repository"]
    return [
        shlex.join(("gh", "variable", "set", name, "--repo", repository, "--body", outputs[output]))
        for name, output in VARIABLES.items()
    ]


def exec_pulumi(location: StateLocation, words: list[str]) -> NoReturn:
    """Replace this process by Pulumi in bootstrap/, with the backend of the state."""
    pulumi = location.pulumi()
    if location.stack not in pulumi.stacks():
        pulumi.make_stack(location.stack)
    environment = {"PULUMI_STACK": location.stack, **start_environment(pulumi.environment)}
    os.chdir(pulumi.folder)
    os.execve(pulumi.program, ["pulumi", *words], environment)  # noqa: S606 # the arguments come from the user
