import pytest

from ops.github.github import GitHub, PullRequest
from ops.output import OpsError
from tests.github_server import RATE_LIMIT, REPOSITORY, TOKEN, FakeGitHub, RefusedError

MARKER = "<!-- marker -->"


@pytest.fixture(autouse=True)
def pull_request(fake_github: FakeGitHub) -> None:
    fake_github.add_pull_request(7)


def put(repository: GitHub, body: str) -> None:
    repository.upsert_comment(7, MARKER, lambda _: f"{MARKER}\n{body}")


def test_everything_that_is_missing_to_connect_is_named_at_once() -> None:
    with pytest.raises(OpsError, match=r"(?s)GITHUB_TOKEN is not set.*GITHUB_REPOSITORY is 'nonsense'"):
        GitHub.connect({"GITHUB_REPOSITORY": "nonsense"})


def test_the_environment_of_a_job_is_enough_to_connect(fake_github: FakeGitHub) -> None:
    assert GitHub.connect(fake_github.environment()).pull_request(7) is not None


def test_a_pull_request_is_read_with_its_state_its_head_and_its_labels(
    fake_github: FakeGitHub, repository: GitHub
) -> None:
    fake_github.add_pull_request(8, head_repository="fork/x", branch="a/b", labels=("test-stack", "y"))
    fake_github.add_pull_request(9, state="closed", head_repository=None)
    fake_github.add_pull_request(10, state="closed", merged=True)
    labels = frozenset({"test-stack", "y"})
    assert [repository.pull_request(number) for number in (8, 9, 10, 11)] == [
        PullRequest(8, "open", "a" * 40, "fork/x", "a/b", labels, "octocat"),
        PullRequest(9, "closed", "a" * 40, None, "topic", frozenset(), "octocat"),
        PullRequest(10, "merged", "a" * 40, REPOSITORY, "topic", frozenset(), "octocat"),
        None,
    ]


def test_an_unreadable_repository_is_no_missing_pull_request(
    fake_github: FakeGitHub, repository: GitHub
) -> None:
    fake_github.readable = False
    with pytest.raises(OpsError, match="may not read it"):
        repository.pull_request(7)
    with pytest.raises(OpsError, match="may not read it"):
        repository.run_state(1, 1)


def test_a_refused_request_is_an_error_with_its_reason(fake_github: FakeGitHub, repository: GitHub) -> None:
    with pytest.raises(OpsError, match=r"(?s)pull request 7.*401.*Bad credentials.*GITHUB_TOKEN"):
        GitHub("wrong", REPOSITORY, fake_github.url).pull_request(7)
    with pytest.raises(OpsError, match="cannot read pull request 7: the request to GitHub failed"):
        GitHub(TOKEN, REPOSITORY, "http://127.0.0.1:1", pace=0, tries=0).pull_request(7)
    with pytest.raises(OpsError, match=r"422: .*missing_field"):
        repository.upsert_issue(MARKER, "", "text")
    error = {"message": "Body is too long (maximum is 65536 characters)"}
    fake_github.outages = [("POST", RefusedError(422, "Validation Failed", error))]
    with pytest.raises(
        OpsError, match="comment on #7: GitHub answered 422: Validation Failed: Body is too long"
    ):
        put(repository, "text")
    fake_github.may_write = False
    with pytest.raises(OpsError, match=r"(?s)403.*Resource not accessible.*permissions"):
        put(repository, "text")


@pytest.mark.parametrize("method", ["GET", "POST", "PATCH", "DELETE"])
def test_a_rate_limit_or_a_server_error_is_retried(
    fake_github: FakeGitHub, repository: GitHub, method: str
) -> None:
    if method in {"PATCH", "DELETE"}:
        fake_github.add_comment(7, f"{MARKER}\nold")
        fake_github.add_comment(7, f"{MARKER}\nolder")
    refusals = (RATE_LIMIT, RATE_LIMIT, RefusedError(502, "Bad Gateway"))
    fake_github.outages = [(method, refusal) for refusal in refusals]
    put(repository, "new")
    assert fake_github.bodies(7) == [f"{MARKER}\nnew"]


def test_the_open_pull_requests_of_a_branch_of_a_fork_are_found(
    fake_github: FakeGitHub, repository: GitHub
) -> None:
    fake_github.add_pull_request(1, head_repository="octo-org/other")
    fake_github.add_pull_request(2, head_repository="fork/assistants")
    fake_github.add_pull_request(3, head_repository="fork/assistants", branch="other")
    fake_github.add_pull_request(4, head_repository="fork/assistants", state="closed")
    # `head=owner:branch` does not name the repository.
    fake_github.add_pull_request(5, head_repository="fork/elsewhere")
    assert [found.number for found in repository.open_pull_requests_from("fork/assistants", "topic")] == [2]


def test_a_comment_is_created_and_then_updated(fake_github: FakeGitHub, repository: GitHub) -> None:
    for number in range(130):  # more than a page
        fake_github.add_comment(7, f"talk {number}", login="octocat")
    put(repository, "first")
    created = list(fake_github.comments)[-1]
    put(repository, "a\nb\n")
    assert fake_github.comments[created]["body"] == f"{MARKER}\na\nb\n"
    assert len(fake_github.comments) == 131
    # GitHub's editor changes line ends.
    fake_github.comments[created]["body"] = f"{MARKER}\r\na\r\nb\r\n"
    before = fake_github.writes()
    put(repository, "a\nb\n")
    assert fake_github.writes() == before


@pytest.mark.parametrize(
    ("body", "login", "kept"),
    [
        (f"{MARKER}\nanother user's", "mallory", True),
        (f"> {MARKER}\nquoted", "github-actions[bot]", True),
        (f"{MARKER}\nduplicate", "github-actions[bot]", False),
    ],
)
def test_only_our_comments_with_the_marker_are_replaced(
    fake_github: FakeGitHub, repository: GitHub, body: str, login: str, kept: bool
) -> None:
    fake_github.add_comment(7, body, login=login)
    fake_github.add_comment(7, body, login=login)
    put(repository, "ours")
    assert fake_github.bodies(7) == [*([body, body] if kept else []), f"{MARKER}\nours"]
    repository.upsert_comment(7, MARKER, lambda _: "")
    assert fake_github.bodies(7) == ([body, body] if kept else [])


def test_a_comment_that_another_job_has_deleted_is_no_error(
    fake_github: FakeGitHub, repository: GitHub
) -> None:
    fake_github.add_comment(7, f"{MARKER}\ntext")
    fake_github.before_write = lambda request: fake_github.comments.clear() if "DELETE" in request else None
    repository.upsert_comment(7, MARKER, lambda _: "")
    assert fake_github.bodies(7) == []


def test_an_issue_is_created_updated_and_closed(fake_github: FakeGitHub, repository: GitHub) -> None:
    number = repository.upsert_issue(MARKER, "Drift in dev", "two resources", ["drift"])
    issue = fake_github.issues[number]
    assert [label["name"] for label in issue["labels"]] == ["drift"]
    for title, body in (("Drift in dev", "three resources"), ("Drift of dev", "three resources")):
        assert repository.upsert_issue(MARKER, title, body) == number
        assert (issue["title"], issue["body"]) == (title, f"{MARKER}\n{body}")
    before = fake_github.writes()
    repository.upsert_issue(MARKER, "Drift of dev", "three resources")
    assert fake_github.writes() == before
    assert repository.close_issue(MARKER, "fixed") == number
    assert (issue["state"], issue["state_reason"]) == ("closed", "completed")
    assert fake_github.bodies(number) == ["fixed"]
    assert repository.close_issue(MARKER, "fixed") is None


def test_a_second_issue_with_the_marker_is_closed(fake_github: FakeGitHub, repository: GitHub) -> None:
    for number in (20, 21):
        fake_github.add_issue(number, "Drift in dev", f"{MARKER}\ntext")
    assert repository.upsert_issue(MARKER, "Drift in dev", "text") == 20
    assert (fake_github.issues[20]["state"], fake_github.issues[21]["state"]) == ("open", "closed")


def test_an_issue_of_another_marker_user_or_kind_is_unchanged(
    fake_github: FakeGitHub, repository: GitHub
) -> None:
    fake_github.add_issue(1, "Drift in prod", "<!-- other -->\ntext")
    fake_github.add_issue(2, "Drift in dev", f"{MARKER}\ntext", login="mallory")
    fake_github.add_issue(3, "Drift in dev", f"{MARKER}\ntext", state="closed")
    fake_github.issues[7]["body"] = MARKER  # a pull request
    fake_github.issues[7]["user"] = fake_github.issues[1]["user"]
    before = {number: dict(issue) for number, issue in fake_github.issues.items()}
    assert repository.close_issue(MARKER, "fixed") is None
    assert repository.upsert_issue(MARKER, "Drift in dev", "text") == 8
    assert {number: fake_github.issues[number] for number in before} == before


@pytest.mark.parametrize(
    ("status", "expected"),
    [
        ("queued", "queued"),
        ("waiting", "queued"),
        ("pending", "queued"),
        ("requested", "queued"),
        ("in_progress", "in_progress"),
        ("completed", "completed"),
    ],
)
def test_the_state_of_a_run_is_that_of_the_attempt(
    fake_github: FakeGitHub, repository: GitHub, status: str, expected: str
) -> None:
    fake_github.add_run(5, 1, "completed")
    fake_github.add_run(5, 2, status)
    assert repository.run_state(5, 2) == expected
    assert repository.run_state(5, 3) is None
    assert repository.run_state(6, 1) is None
