"""Shared parts of `deploy` and `rollback`: arguments, checks and output."""

import argparse
import os
from collections.abc import Iterator, Mapping

from ops.azure import Azure
from ops.engine import Pulumi, environments
from ops.git import head_commit
from ops.github import summary
from ops.github.markdown import code
from ops.output import OpsError, say
from ops.release.archive import URL_VARIABLE, Release, open_archive
from ops.release.pulumi_stack import PulumiStack
from ops.release.release import EXIT_CODES, Code, Outcome, Releases
from ops.release.smoke import MESSAGE_TOKENS, TIMEOUT
from tools.pulumi.typed import as_typed


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.epilog = EXIT_CODES
    parser.add_argument("--stack", required=True, metavar="S", help="the environment, for example `prod`")
    parser.add_argument(
        "--archive",
        default=os.environ.get(URL_VARIABLE, ""),
        metavar="URL",
        help="the archive of packages and lists of releases: file:///FOLDER or "
        "https://ACCOUNT.blob.core.windows.net/CONTAINER; "
        f"default: ${URL_VARIABLE}, or .build/archive in this checkout",
    )
    parser.add_argument(
        "--patience",
        type=float,
        default=TIMEOUT,
        metavar="SECONDS",
        help="timeout for each step of the smoke test (default: %(default)g), and eight times as long "
        "if the app reports that a role is missing",
    )
    parser.add_argument(
        "--no-smoke-message",
        action="store_true",
        help=f"post no message in the smoke test, which uses {MESSAGE_TOKENS} of the model: the role for the "
        "model and its deployment are then not tested",
    )
    parser.add_argument("--dry-run", action="store_true", help="only print what would be done")


def open_releases(arguments: argparse.Namespace, *, refresh: bool = False) -> Releases:
    """Raises OpsError."""
    pulumi = Pulumi()
    pulumi.check_azure(lambda: _check_named(pulumi, arguments.stack))
    azure = Azure.sign_in()
    stack = PulumiStack(
        pulumi,
        arguments.stack,
        azure,
        arguments.patience,
        refresh=refresh,
        smoke_message=not arguments.no_smoke_message,
    )
    return Releases(stack, open_archive(arguments.archive, lambda: azure.credential), pulumi.project)


def _check_named(pulumi: Pulumi, stack: str) -> None:
    if not stack:
        files = ", ".join(environments(pulumi.folder))
        raise OpsError(f"no stack is named: --stack S (make rollback STACK=S); the environments are {files}")


def commit_of(history: list[Release], package_hash: str, environment: Mapping[str, str] = os.environ) -> str:
    """The commit of a package in the stack's list, or else the current commit; empty if neither is known."""
    known = next((release.commit for release in history if release.package_hash == package_hash), "")
    return known or environment.get("GITHUB_SHA", "") or head_commit()


def refuse_data_loss(lost: list[str], allowed: frozenset[str]) -> None:
    """Raises OpsError if data would be lost without --allow-data-loss."""
    refused = [name for name in lost if name not in allowed]
    if refused:
        flags = " ".join(f"--allow-data-loss {name}" for name in refused)
        raise OpsError(
            f"DATA WOULD BE LOST with {', '.join(refused)}: nothing was changed. "
            f"If this is intended, add: {flags}"
        )


# The output


def report(outcome: Outcome) -> int:
    """Print the outcome and append it to the summary of the workflow run. Returns the exit code."""
    say(plain(outcome))
    summary.write(markdown(outcome))
    return outcome.code


def plain(outcome: Outcome) -> str:
    return "\n".join(label.format(*map(_one_line, values)) for label, *values in _lines(outcome))


def markdown(outcome: Outcome) -> str:
    """A title and the lines of `plain`."""
    stack = code(outcome.stack)
    title = {
        Code.DONE: f"✅ {stack} is deployed",
        Code.FAILED: f"❌ {stack} was not deployed, and still runs the previous package",
        Code.WENT_BACK: f"⚠️ {stack} was rolled back",
        Code.BROKEN: f"🚨 {stack} IS BROKEN: act now",
        Code.NOT_CONVERGED: f"⚠️ {stack} is deployed, but has not converged",
        Code.UNVERIFIED: f"⚠️ {stack} runs a package that could not be tested",
    }[outcome.code]
    lines = (
        label.format(*(code(_one_line(value), 1000) for value in values))
        for label, *values in _lines(outcome)
    )
    return "\n".join([f"## {title}", "", *(f"- {line}" for line in lines), ""])


def _one_line(value: str) -> str:
    return " ".join(value.split())


def _lines(outcome: Outcome) -> Iterator[tuple[str, ...]]:
    """Each line as a format string and its values."""
    release, back = outcome.release, outcome.went_back_to
    unverified = outcome.code == Code.UNVERIFIED
    mark = "FAILED: "
    if outcome.code in (Code.DONE, Code.NOT_CONVERGED):
        mark = ""
    elif unverified and not back:
        mark = "NOT VERIFIED: "
    commit = release.commit or "unknown"
    yield f"{mark}package {{}} of commit {{}} on stack {{}}", release.package_hash, commit, outcome.stack
    if outcome.failure:
        yield "why: {}", outcome.failure
    if back:
        mark = "deployed again"
        if outcome.rollback_failure:
            mark = "NOT VERIFIED EITHER, deployed again" if unverified else "THE PREVIOUS PACKAGE FAILED TOO"
        yield f"{mark}: package {{}} of commit {{}}", back.package_hash, back.commit or "unknown"
    if outcome.rollback_failure:
        yield "why: {}", outcome.rollback_failure
    if outcome.code in (Code.FAILED, Code.BROKEN, Code.UNVERIFIED):
        yield "the site now reports {}", f"package {outcome.running}" if outcome.running else "no package"
    yield from _next_step(outcome)
    for line in outcome.smoke_lines:
        yield "smoke test: {}", line
    for name in outcome.pending_changes:
        yield "another `pulumi up` would change {}", name


def _next_step(outcome: Outcome) -> Iterator[tuple[str, ...]]:
    deploy, roll_back, drift = (
        as_typed(f"python -m ops {command} --stack {outcome.stack}")
        for command in ("deploy", "rollback", "drift")
    )
    if outcome.code == Code.UNVERIFIED:
        tested = (outcome.went_back_to or outcome.release).package_hash
        yield "next: {} deploys and tests it again; see docs/runbook.md", f"{deploy} --hash {tested}"
        if outcome.can_roll_back:
            yield "or: {} deploys the newest good release", roll_back
    elif outcome.missing and outcome.code in (Code.FAILED, Code.BROKEN):
        up = as_typed(f"pulumi up --refresh --stack {outcome.stack}")
        yield "next: {} lists what is missing in Azure; every package fails without it", drift
        if outcome.can_roll_back:
            again = f"{deploy} --again"
            yield "then: {} creates it by {}, with the package that the stack has", again, up
        else:
            yield "then: {} creates it, with the code of this checkout", up
    elif outcome.code == Code.BROKEN and outcome.can_roll_back:
        yield "next: {} deploys the newest good release; see docs/runbook.md", roll_back
    elif outcome.code == Code.BROKEN:
        yield ("next: correct the code and deploy it: no good release exists to roll back to",)
