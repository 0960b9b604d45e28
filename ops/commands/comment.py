"""Write previews to the comment of a pull request, which is created once and then updated.

Reads the report-STACK.json files of `preview` as untrusted data: they may come from a pull request of a fork.
The pull request is that of the event (for workflow_run: the one whose head is the run's repository, branch
and commit), or the one of --pr. A preview of another commit than its newest is not written.

Needs GITHUB_TOKEN with `pull-requests: write`, and GITHUB_REPOSITORY. --dry-run needs neither.
"""

import argparse
import os
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from ops.github.events import PullRequestEvent, WorkflowRunEvent, event
from ops.github.github import GitHub, PullRequest
from ops.output import OpsError, note, say
from ops.preview.comment import PART_LIMITS, update_part
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
        help="file of the event that started the run, as $GITHUB_EVENT_PATH",
    )
    where.add_argument("--pr", type=int, metavar="N", help="the pull request's number")
    parser.add_argument(
        "--dry-run", action="store_true", help="print the Markdown without a request to GitHub"
    )


def run(arguments: argparse.Namespace) -> int:
    reports = read_all(arguments.reports)
    started_by = event(arguments.event) if arguments.event else None
    if started_by is not None and not isinstance(started_by, PullRequestEvent | WorkflowRunEvent):
        raise OpsError("this event belongs to no pull request: select one with --pr")
    room, run_url = PART_LIMITS[PART], _run_url(started_by)
    if arguments.dry_run:
        say(comment(reports, room=room, run_url=run_url))
        return 0
    github = GitHub.connect()
    pull_request = _pull_request(github, started_by, arguments.pr)
    if pull_request is None:
        return 0
    _check_commits(reports, pull_request.head_sha)
    if pull_request.head_repository != github.repository or pull_request.author == _DEPENDABOT:
        # preview.yml compares these on local Azure only. Their own code wrote the report, and could omit the
        # warning about this.
        reports = tuple(replace(report, basis="base") for report in reports)
    update_part(github, pull_request.number, PART, comment(reports, room=room, run_url=run_url))
    note(f"The preview was written to the comment of pull request {pull_request.number}.")
    return 0


def _pull_request(
    github: GitHub, started_by: PullRequestEvent | WorkflowRunEvent | None, number: int | None
) -> PullRequest | None:
    """The pull request to comment on; None if it was closed or has a newer commit."""
    if isinstance(started_by, WorkflowRunEvent):
        previewed = started_by.head_sha
        # The reports are not used: a fork could name another pull request in them.
        candidates = github.open_pull_requests_from(started_by.head_repository, started_by.head_branch)
        matching = [candidate for candidate in candidates if candidate.head_sha == previewed]
        if len(matching) > 1:
            numbers = ", ".join(str(candidate.number) for candidate in matching)
            raise OpsError(f"pull requests {numbers} have the same head: select one with --pr")
        if not matching:
            note(f"No open pull request has {previewed} as its newest commit: no comment.")
        return matching[0] if matching else None
    wanted = number if started_by is None else started_by.pull_request.number
    pull_request = github.pull_request(wanted) if wanted is not None else None
    if pull_request is None:
        raise OpsError(f"{github.repository} has no pull request {wanted}")
    if started_by is not None and pull_request.head_sha != started_by.pull_request.head_sha:
        note(f"Pull request {wanted} has the newer commit {pull_request.head_sha}, whose run will comment.")
        return None
    return pull_request


def _check_commits(reports: Sequence[Report], head_sha: str) -> None:
    others = sorted({report.commit or "none" for report in reports} - {head_sha})
    if others:
        raise OpsError(
            f"the reports are of commit {', '.join(others)}, the pull request's newest is {head_sha}: "
            "run `python -m ops preview --commit` with that one"
        )


def _run_url(started_by: PullRequestEvent | WorkflowRunEvent | None) -> str:
    """The URL of the run with the preview's summary; empty outside GitHub Actions."""
    server, repository = os.environ.get("GITHUB_SERVER_URL"), os.environ.get("GITHUB_REPOSITORY")
    previewed = (
        started_by.run_id if isinstance(started_by, WorkflowRunEvent) else os.environ.get("GITHUB_RUN_ID")
    )
    return f"{server}/{repository}/actions/runs/{previewed}" if server and repository and previewed else ""
