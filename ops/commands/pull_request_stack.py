"""Deploy or destroy the test stack of a pull request, and report its status in the pull request's comment.

`up` creates or updates the stack pr-N, verifies that a second `up` changes nothing, and runs tests/e2e
against it. A stack that fails is kept for analysis. `down` removes all of it: the resources, the
soft-deleted model account and the stack.
"""

import argparse
import os
import re
import subprocess
import sys
from collections.abc import Generator
from contextlib import contextmanager
from datetime import datetime

from delivery.package import url_path
from infra.stacks import ephemeral_stack, pull_request_of
from ops import state
from ops.azure import Azure
from ops.engine import CHANGES_FOUND, Pulumi, PulumiError
from ops.github.github import GitHub, PullRequest
from ops.github.markdown import fence, size
from ops.github.summary import run_url
from ops.locks.recovery import make, recover
from ops.output import OpsError, note, say
from ops.preview.comment import update_parts
from ops.preview.values import clean
from ops.release.smoke import Target, target_of
from ops.teardown.sweeping import KEEP_LABEL, test_stack_hours
from ops.teardown.teardown import TearDown
from tools.pulumi.typed import as_typed

LABEL = "test-stack"
PART, END_PART = "test-stack", "test-stack-end"
TITLE = "### Test stack"

_ADDRESS = re.compile(r"https://[A-Za-z0-9.-]+(:[0-9]+)?")
_EXISTS = "cannot create already existing resource"
"""The error message of azure-native if a resource to be created already exists."""

_OUTPUT_LINES, _OUTPUT_BYTES = 40, 5_000
"""Limits of the output in the comment; the run's log has all of it."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("action", choices=("up", "down"), metavar="up|down")
    parser.add_argument("--pr", type=_number, required=True, metavar="N", help="the pull request's number")
    parser.add_argument("--dry-run", action="store_true", help="only print what would be done")


def run(arguments: argparse.Namespace) -> int:
    pulumi = Pulumi()
    pulumi.check_azure(lambda: GitHub.connect(pulumi.environment))
    github = GitHub.connect(pulumi.environment)
    action = _up if arguments.action == "up" else _down
    action(pulumi, github, arguments.pr, dry_run=arguments.dry_run)
    return 0


def _number(text: str) -> int:
    number = pull_request_of(f"pr-{text}")
    if number is None:
        raise argparse.ArgumentTypeError(f"{text!r} is not the number of a pull request")
    return number


class StepError(OpsError):
    """A step of `up` failed; `output` is the output of the step."""

    def __init__(self, step: str, message: str, output: str = "") -> None:
        super().__init__(f"{step}: {message}")
        self.step, self.output = step, output or message


def _up(pulumi: Pulumi, github: GitHub, number: int, *, dry_run: bool) -> None:
    stack = ephemeral_stack(number)
    refuse(github.pull_request(number), number, github.repository, by_event=_is_event())
    exists = stack in pulumi.stacks()
    if dry_run:
        say(f"Stack {stack} would be {'updated' if exists else 'created'} and tested.")
        return
    _write(github, number, f"`{stack}` is being deployed{_in_run()}.")
    try:
        target = _bring_up(pulumi, stack, exists=exists)
    except StepError as error:
        _write(github, number, failed(stack, error))
        note(
            f"The stack {stack} is kept for analysis. To destroy it: "
            f"{as_typed(f'python -m ops test-stack down --pr {number}')}"
        )
        raise
    _write(github, number, ready(stack, target, test_stack_hours(pulumi.folder, pulumi.project)))
    say(f"Stack {stack} is ready: {target.url}{url_path('assistants')}")


def _down(pulumi: Pulumi, github: GitHub, number: int, *, dry_run: bool) -> None:
    stack = ephemeral_stack(number)
    if dry_run:
        exists = stack in pulumi.stacks()
        what = "destroyed and removed" if exists else "checked for leftovers, which would be removed"
        say(f"Stack {stack} would be {what}.")
        return
    try:
        TearDown.prepare(pulumi)(stack)
    except OpsError as error:
        _write(github, number, left(stack, str(error)))
        raise
    _write(github, number, f"`{stack}` is destroyed; nothing of it is left.")
    say(f"Stack {stack} is destroyed; nothing of it is left.")


def _bring_up(pulumi: Pulumi, stack: str, *, exists: bool) -> Target:
    with _step(f"{'recovering' if exists else 'creating'} the stack"):
        (recover if exists else make)(pulumi, stack)
    with _step("pulumi up"):
        _update(pulumi, stack)
    with _step("a second pulumi up, which must change nothing"):
        pulumi.up(stack, "--expect-no-changes")
    with _step("finding the deployed app"):
        target = target_of(state.resources(pulumi.export(stack)))
        if not _ADDRESS.fullmatch(target.url):
            raise OpsError(f"its address is {target.url!r}")
        key = Azure.sign_in(pulumi.environment).function_key(target.resource_group, target.site_name)
        if not key:
            raise OpsError(f"{target.site_name} has no key `default`")
        if os.environ.get("GITHUB_ACTIONS") == "true":
            say(f"::add-mask::{key}")
    with _step("the end-to-end tests"):
        run_tests(pulumi, target, key)
    return target


def _update(pulumi: Pulumi, stack: str) -> None:
    try:
        pulumi.up(stack)
    except PulumiError as error:
        if _EXISTS not in error.output:
            raise
        note(
            f"A resource of {stack} is in Azure but not in its state, as after a killed job: "
            "the stack is destroyed and created again."
        )
        TearDown.prepare(pulumi)(stack)
        pulumi.make_stack(stack)
        pulumi.up(stack)


def _is_event() -> bool:
    """Whether an event started the run, and not a user."""
    is_job = os.environ.get("GITHUB_ACTIONS") == "true"
    return is_job and os.environ.get("GITHUB_EVENT_NAME") != "workflow_dispatch"


def refuse(pull_request: PullRequest | None, number: int, repository: str, *, by_event: bool) -> None:
    """Raises OpsError if the pull request may not have a test stack."""
    if pull_request is None:
        raise OpsError(f"{repository} has no pull request #{number}")
    if pull_request.state != "open":
        raise OpsError(f"pull request #{number} is {pull_request.state}: only an open one has a test stack")
    if pull_request.head_repository != repository:
        raise OpsError(
            f"pull request #{number} comes from {pull_request.head_repository or 'a deleted fork'}: its code "
            f"would run with the right to deploy. Push its branch to {repository} "
            "and open a pull request there"
        )
    if by_event and LABEL not in pull_request.labels:
        raise OpsError(f"pull request #{number} is not labelled {LABEL!r}")


@contextmanager
def _step(what: str) -> Generator[None]:
    note(f"== {what}")
    try:
        yield
    except PulumiError as error:
        message = (
            "resources change at every `up`" if error.code == CHANGES_FOUND else f"exit code {error.code}"
        )
        raise StepError(what, message, error.output) from error
    except StepError:
        raise
    except OpsError as error:
        raise StepError(what, str(error)) from error


def run_tests(pulumi: Pulumi, target: Target, key: str) -> None:
    """Run tests/e2e against the stack. Raises StepError with their output, without the key."""
    words = ["-m", "pytest", "tests/e2e", "-q", "--tb=short", "-p", "no:cacheprovider"]
    environment = {
        **pulumi.environment,
        "E2E_ASSISTANTS_URL": f"{target.url}{url_path('assistants')}",
        "E2E_FUNCTION_KEY": key,
        "E2E_TABLE_ENDPOINT": target.table_endpoint,
    }
    process = subprocess.Popen(
        [sys.executable, *words],
        cwd=pulumi.folder,
        env=environment,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    lines: list[str] = []
    with process:
        for line in process.stdout or ():
            lines.append(line.replace(key, "***"))
            note(lines[-1].rstrip("\n"))
    if process.returncode:
        raise StepError("the end-to-end tests", f"exit code {process.returncode}", "".join(lines))


# The texts of the comment


def _write(github: GitHub, number: int, markdown: str) -> None:
    """What is said of the end of the stack is of the last `up`, so it is removed."""
    update_parts(github, number, {PART: f"{TITLE}\n\n{markdown}", END_PART: ""})


def ready(stack: str, target: Target, hours: int) -> str:
    end = f", or {hours} hours after its last `up` unless it has the label `{KEEP_LABEL}`" if hours else ""
    return f"""\
`{stack}` is ready; the end-to-end tests pass. Call it:

```sh
key=$(az functionapp keys list --resource-group {target.resource_group} --name {target.site_name} \\
  --query functionKeys.default --output tsv)
curl --request PUT {target.url}{url_path("assistants/hello")} --header "x-functions-key: $key"
```

It is destroyed when this pull request is closed or its label `{LABEL}` is removed{end}."""


def failed(stack: str, error: StepError) -> str:
    text = (
        f"`{stack}` **failed** at: {error.step}{_in_run()}. It is kept for analysis; the next push retries."
    )
    return f"{text}\n\n{_block(error.output)}"


def left(stack: str, why: str) -> str:
    text = f"`{stack}` could **not be destroyed** completely{_in_run()}. The nightly sweep tries again."
    return f"{text}\n\n{_block(why)}"


def ending(stack: str, ends: datetime) -> str:
    """`ends` is in UTC, as GitHub's schedule."""
    return (
        f"> The time of `{stack}` is over at {ends:%Y-%m-%d %H:%M} UTC: the next nightly sweep after that "
        f"takes it down. A push brings the stack up again, and the label `{KEEP_LABEL}` keeps it."
    )


def ended(stack: str) -> str:
    return (
        f"{TITLE}\n\nThe time of `{stack}` was over: it is destroyed, and nothing of it is left. "
        f"The next push brings it up again; the label `{KEEP_LABEL}` then keeps it."
    )


def _in_run() -> str:
    url = run_url()
    return f" ([run]({url}))" if url else ""


def _block(text: str) -> str:
    """The last lines of the text, as many as fit: Pulumi prints errors at the end.

    GitHub masks secrets in the log of a job, but not in a comment.
    """
    output_lines = clean(text).splitlines()
    lengths = range(_OUTPUT_LINES, 0, -4)
    blocks = (fence("\n".join(output_lines[-lines:]), lines, 200) for lines in lengths)
    return next(block for block in blocks if size(block) <= _OUTPUT_BYTES)
