"""Write previews to the comment of a pull request, which is created once and then updated.

Reads the report-STACK.json files of `preview` as untrusted data: they may come from a pull request of a fork.
The pull request is the open one whose head is the repository, branch and commit of the event's workflow run,
or the one of --pr. A preview of another commit than its newest is not written.

Needs GITHUB_TOKEN with `pull-requests: write`, and GITHUB_REPOSITORY. --dry-run needs neither.
"""

import argparse
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from ops.github.events import WorkflowRun, workflow_run
from ops.github.github import GitHub, PullRequest
from ops.github.summary import run_url
from ops.output import OpsError, note, say
from ops.preview.comment import PART_LIMITS, update_parts
from ops.preview.render import comment
from ops.preview.report import Report, read_all

PART = "preview"
_DEPENDABOT = "dependabot[bot]"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--reports", type=Path, required=True, metavar="DIR", help="folder with report-STACK.json files"
    )
    where = parser.add_mutually_exclusive_group(required=True)
    where.add_argument(
        "--event",
        type=Path,
        metavar="FILE",
        help="file of the workflow_run event that started the run, as $GITHUB_EVENT_PATH",
    )
    where.add_argument("--pr", type=int, metavar="N", help="the pull request's number")
    parser.add_argument(
        "--dry-run", action="store_true", help="print the Markdown without a request to GitHub"
    )


def run(arguments: argparse.Namespace) -> int:
    reports = read_all(arguments.reports)
    previewed = workflow_run(arguments.event) if arguments.event else None
    # The run with the preview's summary is the one that previewed, not the one that comments.
    url = run_url(run_id=str(previewed.run_id) if previewed else "")
    if arguments.dry_run:
        say(comment(reports, room=PART_LIMITS[PART], run_url=url))
        return 0
    github = GitHub.connect()
    if previewed:
        pull_request = _pull_request_of(github, previewed)
        if pull_request is None:
            note(f"No open pull request has {previewed.head_sha} as its newest commit: no comment.")
            return 0
    elif (pull_request := github.pull_request(arguments.pr)) is None:
        raise OpsError(f"{github.repository} has no pull request {arguments.pr}")
    _check_commits(reports, pull_request.head_sha)
    if pull_request.head_repository != github.repository or pull_request.author == _DEPENDABOT:
        # preview.yml compares these on local Azure only. Their own code wrote the report, and could omit the
        # warning about this.
        reports = tuple(replace(report, basis="base") for report in reports)
    markdown = comment(reports, room=PART_LIMITS[PART], run_url=url)
    update_parts(github, pull_request.number, {PART: markdown})
    note(f"The preview was written to the comment of pull request {pull_request.number}.")
    return 0


def _pull_request_of(github: GitHub, previewed: WorkflowRun) -> PullRequest | None:
    """None if it was closed or has a newer commit."""
    # The reports are not used: a fork could name another pull request in them.
    candidates = github.open_pull_requests_from(previewed.head_repository, previewed.head_branch)
    matching = [candidate for candidate in candidates if candidate.head_sha == previewed.head_sha]
    if len(matching) > 1:
        numbers = ", ".join(str(candidate.number) for candidate in matching)
        raise OpsError(f"pull requests {numbers} have the same head: select one with --pr")
    return matching[0] if matching else None


def _check_commits(reports: Sequence[Report], head_sha: str) -> None:
    others = sorted({report.commit or "none" for report in reports} - {head_sha})
    if others:
        raise OpsError(
            f"the reports are of commit {', '.join(others)}, the pull request's newest is {head_sha}: "
            "run `python -m ops preview --commit` with that one"
        )
