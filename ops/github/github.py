"""A client for one GitHub repository: its pull requests, comments, issues and workflow runs.

PyGithub (GitHub has no Python SDK of its own) sends the requests. Every refused request raises OpsError with
the request and GitHub's message, except that a missing object is returned as None.
"""

import os
import re
from collections.abc import Callable, Generator, Iterable, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any, Literal

import github
from github import Auth, GithubException, GithubRetry, UnknownObjectException
from requests import RequestException

from ops.output import OpsError

if TYPE_CHECKING:
    from github.Issue import Issue
    from github.IssueComment import IssueComment
    from github.PullRequest import PullRequest as _PullRequest

BODY_LIMIT = 65_536
"""Maximum characters of a comment or an issue; beyond it GitHub answers 422 "Body is too long"."""

PUBLIC_API = "https://api.github.com"

_TIMEOUT_SECONDS = 30
_LONGEST_RATE_WAIT_SECONDS = 600

RunState = Literal["queued", "in_progress", "completed"]


@dataclass(frozen=True)
class PullRequest:
    """A pull request. `head_repository` is `owner/name`, or None if the fork was deleted."""

    number: int
    state: Literal["open", "closed", "merged"]
    head_sha: str
    head_repository: str | None
    head_branch: str
    labels: frozenset[str]
    author: str


class GitHub:
    """`repository` is `owner/name`. `pace` is the minimum number of seconds between two writes.

    GitHub's "Best practices for using the REST API" recommends one second; without a
    pause it applies a secondary rate limit.
    """

    def __init__(
        self, token: str, repository: str, api_url: str = PUBLIC_API, *, pace: float = 1.0, tries: int = 6
    ) -> None:
        self.repository = repository
        self._client = github.Github(
            auth=Auth.Token(token),
            base_url=api_url.rstrip("/"),
            timeout=_TIMEOUT_SECONDS,
            # PATCH is included: every edit here is idempotent.
            retry=GithubRetry(
                total=tries,
                backoff_factor=0.5,
                max_rate_limit_wait=_LONGEST_RATE_WAIT_SECONDS,
                allowed_methods={"GET", "POST", "PATCH", "DELETE"},
            ),
            per_page=100,
            seconds_between_requests=None,
            seconds_between_writes=pace,
            lazy=True,
        )
        self._repository = self._client.get_repo(repository)

    @classmethod
    def connect(cls, environment: Mapping[str, str] = os.environ) -> "GitHub":
        """Create a client from the variables of GitHub Actions. GITHUB_TOKEN must be passed to the step.

        Raises OpsError if a variable is missing.
        """
        token, repository = environment.get("GITHUB_TOKEN", ""), environment.get("GITHUB_REPOSITORY", "")
        problems: list[str] = []
        if not token:
            problems.append(
                "GITHUB_TOKEN is not set: in a workflow, `env: {GITHUB_TOKEN: ${{ github.token }}}`; "
                "by hand, export GITHUB_TOKEN=$(gh auth token)"
            )
        if not re.fullmatch(r"[\w.-]+/[\w.-]+", repository):
            problems.append(
                f"GITHUB_REPOSITORY is {repository!r}, which is not owner/name: "
                "export GITHUB_REPOSITORY=$(gh repo view --json nameWithOwner -q .nameWithOwner)"
            )
        if problems:
            raise OpsError("\n  ".join(problems))
        return cls(token, repository, environment.get("GITHUB_API_URL") or PUBLIC_API)

    def pull_request(self, number: int) -> PullRequest | None:
        """None if the repository is readable and has no pull request with this number."""
        with self._translate_github_errors(f"read pull request {number}"):
            try:
                return _pull_request(self._repository.get_pull(number))
            except UnknownObjectException:
                self._check_readable()
                return None

    def open_pull_requests_from(self, head_repository: str, head_branch: str) -> tuple[PullRequest, ...]:
        """The open pull requests of a branch, which may belong to a fork.

        It is used for `workflow_run` events, whose list of pull requests is empty if the head is in a fork
        (actions/runner #3444).
        """
        head = f"{head_repository.partition('/')[0]}:{head_branch}"
        with self._translate_github_errors(
            f"list the pull requests of {head_repository}, branch {head_branch}"
        ):
            listed = map(_pull_request, self._repository.get_pulls(state="open", head=head))
            # `head` names the owner only, who may have several repositories.
            return tuple(
                pull_request
                for pull_request in listed
                if (pull_request.head_repository, pull_request.head_branch) == (head_repository, head_branch)
            )

    def upsert_comment(self, number: int, marker: str, write: Callable[[tuple[str, ...]], str]) -> None:
        """Keep one comment that begins with the marker on a pull request or an issue.

        `write` receives the texts of our comments with the marker, oldest first, and returns the text of the
        comment to keep; an empty text removes it. An unchanged comment is not sent again.
        """
        with self._translate_github_errors(f"comment on #{number}"):
            issue = self._repository.get_issue(number)
            mine = self._our_comments(issue, marker)
            texts = tuple(_text(comment.body) for comment in mine)
            body = write(texts)
            if body and not mine:
                issue.create_comment(body)
            elif body and texts[0] != _text(body):
                mine[0].edit(body)
            for comment in mine[1 if body else 0 :]:
                with suppress(UnknownObjectException):  # another job or a user has already deleted it
                    comment.delete()

    def comments(self, number: int, marker: str) -> tuple[str, ...]:
        """The texts of our comments that begin with the marker, oldest first."""
        with self._translate_github_errors(f"read the comments on #{number}"):
            mine = self._our_comments(self._repository.get_issue(number), marker)
            return tuple(_text(comment.body) for comment in mine)

    def upsert_issue(self, marker: str, title: str, body: str, labels: Iterable[str] = ()) -> int:
        """Keep one open issue whose text begins with the marker. Returns its number."""
        text = f"{marker}\n{body}"
        with self._translate_github_errors(f"update the issue {title!r}"):
            mine = self._open_issues(marker)
            if not mine:
                return self._repository.create_issue(title, text, labels=list(labels)).number
            kept, *others = mine
            if (kept.title, _text(kept.body)) != (title, _text(text)):
                kept.edit(title=title, body=text)
            for other in others:
                other.edit(state="closed", state_reason="not_planned")
            return kept.number

    def close_issue(self, marker: str, comment: str) -> int | None:
        """Comment on and close the open issue with the marker. Returns None if there is none."""
        with self._translate_github_errors("close an issue"):
            mine = self._open_issues(marker)
            for issue in mine:
                issue.create_comment(comment)
                issue.edit(state="closed", state_reason="completed")
            return mine[0].number if mine else None

    def run_state(self, run_id: int, attempt: int) -> RunState | None:
        """The state of one attempt of a workflow run; None if the attempt does not exist."""
        with self._translate_github_errors(f"read run {run_id}, attempt {attempt}"):
            try:
                status = self._repository.get_workflow_run(run_id).get_attempt(attempt).status
            except UnknownObjectException:
                self._check_readable()
                return None
        match status:
            case "completed" | "in_progress":
                return status
            case _:  # also requested, waiting (for an approval) and pending (for its concurrency group)
                return "queued"

    @cached_property
    def _login(self) -> str:
        """The user of the token. REST's `GET /user` refuses the token of a job; GraphQL accepts it."""
        _, answer = self._client.requester.graphql_query("query { viewer { login } }", {})
        return str(answer["data"]["viewer"]["login"])

    def _is_ours(self, post: "Issue | IssueComment", marker: str) -> bool:
        # Other users may also write a text that begins with the marker.
        return _text(post.body).startswith(marker) and post.user.login == self._login

    def _our_comments(self, issue: "Issue", marker: str) -> "list[IssueComment]":
        return [comment for comment in issue.get_comments() if self._is_ours(comment, marker)]

    def _open_issues(self, marker: str) -> "list[Issue]":
        listed = self._repository.get_issues(state="open", sort="created", direction="asc")
        # `_is_ours` is checked first, because `pull_request` of an issue sends one more request.
        return [issue for issue in listed if self._is_ours(issue, marker) and issue.pull_request is None]

    def _check_readable(self) -> None:
        """Raises OpsError if the token may not read the repository, which GitHub also answers with 404."""
        try:
            self._repository.complete()
        except UnknownObjectException as error:
            raise OpsError(
                f"GitHub has no repository {self.repository}, or the token may not read it: "
                "check GITHUB_REPOSITORY and the job's `permissions`."
            ) from error

    @contextmanager
    def _translate_github_errors(self, action: str) -> Generator[None]:
        try:
            yield
        except GithubException as error:
            answer = f"GitHub answered {error.status}: {_message(error.data)}"
            raise OpsError(f"cannot {action}: {answer}{_HINTS.get(error.status, '')}") from error
        except RequestException as error:
            raise OpsError(f"cannot {action}: the request to GitHub failed: {error}") from error


_HINTS = {
    401: "\nGITHUB_TOKEN is wrong or has expired.",
    403: "\nAdd the required permission to the job's `permissions` (`pull-requests: write`, `issues: write`, "
    "`actions: read`).",
}


def _message(data: Any) -> str:
    """The error messages of GitHub: `{"message": …, "errors": [{"message": …}]}`."""
    try:
        messages: list[str] = [data["message"], *(error["message"] for error in data.get("errors", ()))]
    except (TypeError, KeyError, AttributeError):
        return str(data or "no message")
    return ": ".join(messages)


def _text(body: str | None) -> str:
    """A normalized text: GitHub's editor changes line ends and surrounding whitespace."""
    return (body or "").replace("\r\n", "\n").strip()


def _pull_request(pull_request: "_PullRequest") -> PullRequest:
    head = pull_request.head
    closed = "merged" if pull_request.merged_at else "closed"
    return PullRequest(
        number=pull_request.number,
        state="open" if pull_request.state == "open" else closed,
        head_sha=head.sha,
        head_repository=head.repo.full_name if head.repo else None,
        head_branch=head.ref,
        labels=frozenset(label.name for label in pull_request.labels),
        author=pull_request.user.login,
    )
