import pytest

from ops.github.github import BODY_LIMIT, GitHub, PullRequest
from ops.output import OpsError
from tests.github_server import REPOSITORY, TOKEN, FakeGitHub, Outage

MARKER = "<!-- marker -->"


def put(repository: GitHub, number: int, body: str) -> str:
    return repository.upsert_comment(number, MARKER, lambda _: f"{MARKER}\n{body}")


def test_everything_that_is_missing_to_connect_is_named_at_once() -> None:
    with pytest.raises(OpsError, match=r"(?s)GITHUB_TOKEN.*GITHUB_REPOSITORY is 'nonsense'"):
        GitHub.connect({"GITHUB_REPOSITORY": "nonsense"})


def test_the_environment_of_a_job_is_enough_to_connect(fake_github: FakeGitHub) -> None:
    fake_github.add_pull_request(7)
    found = GitHub.connect(fake_github.environment()).pull_request(7)
    assert found is not None
    assert found.number == 7


def test_a_pull_request_is_read_with_its_head_and_labels(fake_github: FakeGitHub, repository: GitHub) -> None:
    fake_github.add_pull_request(
        7, head_repository="fork/assistants", branch="a/b", labels=("test-stack", "x")
    )
    assert repository.pull_request(7) == PullRequest(
        7, "open", "a" * 40, "fork/assistants", "a/b", "main", frozenset({"test-stack", "x"}), "octocat"
    )


@pytest.mark.parametrize(
    ("state", "merged", "read"),
    [("open", False, "open"), ("closed", False, "closed"), ("closed", True, "merged")],
)
def test_a_merged_pull_request_is_told_from_a_closed_one(
    fake_github: FakeGitHub, repository: GitHub, state: str, merged: bool, read: str
) -> None:
    fake_github.add_pull_request(7, state=state, merged=merged)
    found = repository.pull_request(7)
    assert found is not None
    assert found.state == read


def test_a_pull_request_whose_fork_was_deleted_has_no_head_repository(
    fake_github: FakeGitHub, repository: GitHub
) -> None:
    fake_github.add_pull_request(7, head_repository=None)
    found = repository.pull_request(7)
    assert found is not None
    assert found.head_repository is None


def test_an_unknown_number_is_no_pull_request(repository: GitHub) -> None:
    assert repository.pull_request(8) is None


def test_an_unreadable_repository_is_never_taken_for_a_missing_pull_request(
    fake_github: FakeGitHub, repository: GitHub
) -> None:
    fake_github.add_pull_request(7)
    fake_github.readable = False
    with pytest.raises(OpsError, match="may not read it"):
        repository.pull_request(7)
    with pytest.raises(OpsError, match="may not read it"):
        repository.run_state(1, 1)


def test_a_wrong_token_is_refused_with_what_to_look_at(fake_github: FakeGitHub) -> None:
    with pytest.raises(OpsError, match=r"(?s)pull request 7.*401.*Bad credentials.*GITHUB_TOKEN"):
        GitHub("wrong", REPOSITORY, fake_github.url).pull_request(7)


def test_a_missing_permission_is_refused_with_what_to_look_at(
    fake_github: FakeGitHub, repository: GitHub
) -> None:
    fake_github.add_pull_request(7)
    fake_github.may_write = False
    with pytest.raises(OpsError, match=r"(?s)403.*Resource not accessible.*permissions"):
        put(repository, 7, "text")


def test_a_github_out_of_reach_is_an_error() -> None:
    with pytest.raises(OpsError, match="cannot read pull request 7: the request to GitHub failed"):
        GitHub(TOKEN, REPOSITORY, "http://127.0.0.1:1", pace=0, tries=0).pull_request(7)


def test_all_pages_of_open_pull_requests_are_read(fake_github: FakeGitHub, repository: GitHub) -> None:
    for number in range(1, 251):
        fake_github.add_pull_request(number, state="open" if number % 2 else "closed")
    assert {one.number for one in repository.open_pull_requests()} == set(range(1, 251, 2))
    assert fake_github.received.count(f"GET /repos/{REPOSITORY}/pulls") == 2


def test_the_pull_requests_of_a_forks_branch_are_found(fake_github: FakeGitHub, repository: GitHub) -> None:
    fake_github.add_pull_request(1, head_repository="octo-org/other", branch="topic")
    fake_github.add_pull_request(2, head_repository="fork/assistants", branch="topic")
    fake_github.add_pull_request(3, head_repository="fork/assistants", branch="other")
    fake_github.add_pull_request(4, head_repository="fork/assistants", branch="topic", state="closed")
    # `head=owner:branch` cannot say which of an owner's repositories is meant.
    fake_github.add_pull_request(5, head_repository="fork/elsewhere", branch="topic")
    assert [one.number for one in repository.open_pull_requests_from("fork/assistants", "topic")] == [2]


def test_a_comment_is_made_then_updated_in_place(fake_github: FakeGitHub, repository: GitHub) -> None:
    fake_github.add_pull_request(7)
    put(repository, 7, "first")
    (kept,) = fake_github.comments
    put(repository, 7, "second")
    assert fake_github.bodies(7) == [f"{MARKER}\nsecond"]
    assert list(fake_github.comments) == [kept]


def test_the_same_text_again_writes_nothing(fake_github: FakeGitHub, repository: GitHub) -> None:
    fake_github.add_pull_request(7)
    put(repository, 7, "a\nb\n")
    (comment,) = fake_github.comments.values()
    comment["body"] = comment["body"].replace("\n", "\r\n")  # as GitHub's editor leaves it
    before = fake_github.writes()
    put(repository, 7, "a\nb\n")
    assert fake_github.writes() == before


def test_a_comment_behind_a_hundred_others_is_found(fake_github: FakeGitHub, repository: GitHub) -> None:
    fake_github.add_pull_request(7)
    for number in range(130):
        fake_github.add_comment(7, f"talk {number}", login="octocat")
    put(repository, 7, "first")
    put(repository, 7, "second")
    assert [body for body in fake_github.bodies(7) if body.startswith(MARKER)] == [f"{MARKER}\nsecond"]


def test_another_persons_comment_with_the_marker_is_left_alone(
    fake_github: FakeGitHub, repository: GitHub
) -> None:
    fake_github.add_pull_request(7)
    fake_github.add_comment(7, f"{MARKER}\nmine", login="mallory")
    put(repository, 7, "ours")
    assert fake_github.bodies(7) == [f"{MARKER}\nmine", f"{MARKER}\nours"]


def test_our_comment_that_only_quotes_the_marker_is_left_alone(
    fake_github: FakeGitHub, repository: GitHub
) -> None:
    fake_github.add_pull_request(7)
    fake_github.add_comment(7, f"> {MARKER}")
    put(repository, 7, "ours")
    assert fake_github.bodies(7) == [f"> {MARKER}", f"{MARKER}\nours"]


def test_duplicates_are_removed(fake_github: FakeGitHub, repository: GitHub) -> None:
    fake_github.add_pull_request(7)
    for text in ("one", "two", "three"):
        fake_github.add_comment(7, f"{MARKER}\n{text}")
    put(repository, 7, "ours")
    assert fake_github.bodies(7) == [f"{MARKER}\nours"]


def test_an_empty_text_removes_the_comment(fake_github: FakeGitHub, repository: GitHub) -> None:
    fake_github.add_pull_request(7)
    fake_github.add_comment(7, f"{MARKER}\ntext")
    fake_github.add_comment(7, "talk", login="octocat")
    repository.upsert_comment(7, MARKER, lambda _: "")
    assert fake_github.bodies(7) == ["talk"]


def test_a_text_above_the_limit_is_refused_before_anything_is_sent(
    fake_github: FakeGitHub, repository: GitHub
) -> None:
    fake_github.add_pull_request(7)
    with pytest.raises(OpsError, match="65544 bytes: at most 65536"):
        put(repository, 7, "é" * ((BODY_LIMIT - len(MARKER)) // 2 + 4))
    assert not fake_github.writes()


@pytest.mark.parametrize("method", ["GET", "POST", "PATCH"])
def test_a_secondary_rate_limit_is_waited_out(
    fake_github: FakeGitHub, repository: GitHub, method: str
) -> None:
    fake_github.add_pull_request(7)
    if method == "PATCH":
        fake_github.add_comment(7, f"{MARKER}\nold")
    fake_github.outages.append(Outage(method, times=2, headers={"Retry-After": "0"}))
    put(repository, 7, "new")
    assert fake_github.bodies(7) == [f"{MARKER}\nnew"]


def test_a_server_error_is_tried_again(fake_github: FakeGitHub, repository: GitHub) -> None:
    fake_github.add_pull_request(7)
    fake_github.outages.append(Outage("GET", times=1, status=502, message="Bad Gateway"))
    assert repository.pull_request(7) is not None


def test_an_issue_is_kept_up_to_date_and_closed_with_a_last_word(
    fake_github: FakeGitHub, repository: GitHub
) -> None:
    fake_github.add_pull_request(1)
    number = repository.upsert_issue(MARKER, "Drift in dev", "two resources", ["drift"])
    assert [label["name"] for label in fake_github.issues[number]["labels"]] == ["drift"]
    assert repository.upsert_issue(MARKER, "Drift in dev", "three resources") == number
    assert fake_github.issues[number]["body"] == f"{MARKER}\nthree resources"
    before = fake_github.writes()
    repository.upsert_issue(MARKER, "Drift in dev", "three resources")
    assert fake_github.writes() == before
    assert repository.close_issue(MARKER, "gone again") == number
    assert (fake_github.issues[number]["state"], fake_github.bodies(number)) == ("closed", ["gone again"])
    assert repository.close_issue(MARKER, "gone again") is None


def test_an_issue_of_another_marker_person_or_kind_is_left_alone(
    fake_github: FakeGitHub, repository: GitHub
) -> None:
    fake_github.add_issue(1, "Drift in prod", "<!-- other -->\ntext")
    fake_github.add_issue(2, "Drift in dev", f"{MARKER}\ntext", login="mallory")
    fake_github.add_issue(3, "Drift in dev", f"{MARKER}\ntext", state="closed")
    before = {number: dict(issue) for number, issue in fake_github.issues.items()}
    assert repository.close_issue(MARKER, "gone") is None
    assert repository.upsert_issue(MARKER, "Drift in dev", "text") == 4
    assert {number: fake_github.issues[number] for number in before} == before


@pytest.mark.parametrize(
    ("status", "read"),
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
    fake_github: FakeGitHub, repository: GitHub, status: str, read: str
) -> None:
    fake_github.add_run(5, 1, "completed")
    fake_github.add_run(5, 2, status)
    assert repository.run_state(5, 2) == read
    assert repository.run_state(5, 3) is None
    assert repository.run_state(6, 1) is None
